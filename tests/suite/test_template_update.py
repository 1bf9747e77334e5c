"""`gitops-ml template update`: what merges, what conflicts, what is refused; and that nothing is left half-done."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.suite.template_world import FIRST, LINES, SECOND, Template, commit, copied, git

from gitops_ml import shell
from gitops_ml.cli import main
from gitops_ml.errors import Fault
from gitops_ml.template import laptop, merge, plan, render, sealed
from gitops_ml.template.render import with_source
from gitops_ml.template.source import source_of, versions

BRANCH = "template/update"
OURS: dict[str, str | None] = {
    "params.yaml": LINES.replace("line 15\n", "line 15, ours\n"),
    "src/features.py": f"ours\n{LINES}",
    "src/example.py": None,
    "README.md": f"# Churn model\n\n{LINES}".replace("line 3\n", "line 3, ours\n"),
    "dvc.yaml": "stages: {ours: {}}\n",
    ".github/workflows/train.yml": LINES.replace("line 14\n", "line 14, ours\n"),
}


@pytest.fixture(autouse=True)
def plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITHUB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("template")
    template = Template.make(folder / "template")
    project = template.generate(folder / "project")
    template.release("0.2.0", SECOND)
    return template.root, project


@pytest.fixture
def template(made: tuple[Path, Path], tmp_path: Path) -> Template:
    return Template(copied(made[0], tmp_path / "template"))


@pytest.fixture
def project(made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copied(made[1], tmp_path / "demo")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def still(project: Path) -> Iterator[Any]:
    """Call it: refs, HEAD, index and folder are what they were at the last ``still.now()``."""

    def seen() -> tuple[str, ...]:
        refs = git(project, "for-each-ref", "--format=%(refname) %(objectname)")
        head = git(project, "rev-parse", "--symbolic-full-name", "HEAD")
        return refs, head, git(project, "rev-parse", "HEAD"), git(project, "status", "--porcelain")

    class Still:
        before = seen()

        def now(self) -> None:
            self.before = seen()

        def __call__(self) -> None:
            assert seen() == self.before
            assert not (project / ".git" / "CHERRY_PICK_HEAD").exists()

    yield Still()


def test_six_edits_and_a_new_version_merge(project: Path, template: Template) -> None:
    before = commit(project, OURS)
    said = laptop.update(project, str(template.root), None)
    assert git(project, "branch", "--show-current") == BRANCH
    assert git(project, "log", "--format=%s", f"{before}..HEAD") == "Template 0.1.0 -> 0.2.0"
    assert git(project, "rev-parse", "HEAD^") == before
    assert git(project, "status", "--porcelain") == ""
    read = {path: (project / path).read_text() for path in git(project, "ls-files").splitlines()}
    assert "line 2, better\n" in read["params.yaml"] and "line 15, ours\n" in read["params.yaml"]
    assert "line 3, ours\n" in read["README.md"] and "line 20, better" in read["README.md"]
    workflow = read[".github/workflows/train.yml"]
    assert "line 4, better\n" in workflow and "line 14, ours\n" in workflow
    assert read["src/features.py"] == OURS["src/features.py"] and read["dvc.yaml"] == OURS["dvc.yaml"]
    assert "src/example.py" not in read, "what the team deleted stays deleted"
    assert "src/old.py" not in read and read["src/new.py"] == "comes, for Churn model\n"
    assert 'version: "0.2.0"' in read[".gitops-ml.yaml"] and "source" not in read[".gitops-ml.yaml"]
    assert str(template.root) not in "".join(read.values()), "no path of this machine"
    kept = ("data/raw/sample.csv", "dvc.lock", "uv.lock", "reports/metrics.json")
    assert git(project, "diff", "--name-only", before, "HEAD", "--", *kept) == ""
    for words in ("suite            1", "workflows        1", "docs             2", "project files    4"):
        assert words in said
    assert "built again by CI" in said and f"git push -u origin {BRANCH}" in said


def test_conflicts_are_listed_and_left_for_git(project: Path, template: Template, still: Any) -> None:
    commit(
        project,
        {"params.yaml": LINES.replace("line 2\n", "line 2, ours\n"), ".github/actions/suite.py": None},
    )
    still.now()
    said = laptop.update(project, str(template.root), None)
    assert "2 files changed on both sides" in said
    listed = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert {".github/actions/suite.py", "params.yaml"} <= set(listed)
    assert git(project, "diff", "--name-only", "--diff-filter=U").splitlines() == [
        ".github/actions/suite.py",
        "params.yaml",
    ]
    text = (project / "params.yaml").read_text()
    assert "<<<<<<< HEAD\nline 2, ours\n" in text and "line 2, better\n>>>>>>>" in text
    assert (project / "src/new.py").exists(), "what merges is merged"
    # As printed: abort.
    abort = next(line for line in said.splitlines() if "abort" in line).split("abort", 1)[1].strip()
    subprocess.run(abort, shell=True, cwd=project, check=True, capture_output=True)
    still()
    # As printed: go on.
    laptop.update(project, str(template.root), None)
    (project / "params.yaml").write_text(LINES)
    go_on = "git add -A && git -c core.editor=true cherry-pick --continue"
    subprocess.run(go_on, shell=True, cwd=project, check=True, capture_output=True)
    assert git(project, "log", "-1", "--format=%s %an") == "Template 0.1.0 -> 0.2.0 Ada"
    assert git(project, "status", "--porcelain") == ""


def test_squashed_updates_do_not_come_again(project: Path, template: Template) -> None:
    commit(project, OURS)
    laptop.update(project, str(template.root), None)
    merged = git(project, "rev-parse", "HEAD^{tree}")
    git(project, "switch", "-q", "main")
    git(
        project,
        "reset",
        "-q",
        "--hard",
        git(project, "commit-tree", merged, "-p", "main", "-m", "Squashed (#9)"),
    )
    git(project, "branch", "-qD", BRANCH)
    assert "Nothing to do" in laptop.update(project, str(template.root), None)
    template.release(
        "0.3.0", {"params.yaml": LINES.replace("line 2\n", "line 2, best\n"), "src/new.py": "third\n"}
    )
    said = laptop.update(project, str(template.root), None)
    assert "Template 0.2.0 -> 0.3.0: merged" in said
    assert git(project, "diff", "--name-only", "main", BRANCH).splitlines() == [
        ".gitops-ml.yaml",
        "params.yaml",
        "src/new.py",
    ]
    assert "line 2, best\n" in (project / "params.yaml").read_text()


@pytest.mark.full
def test_without_the_first_commit_the_older_version_is_rendered_again(
    project: Path, template: Template
) -> None:
    commit(project, OURS)
    git(project, "reset", "-q", "--soft", git(project, "commit-tree", "HEAD^{tree}", "-m", "Moved here"))
    said = laptop.update(project, str(template.root), None)
    assert "merged, one commit" in said and "line 15, ours\n" in (project / "params.yaml").read_text()


@pytest.mark.full
def test_the_first_commit_counts_and_not_what_its_tag_became(project: Path, template: Template) -> None:
    """Generated between two releases: the first commit knows what came, the tag does not."""
    git(template.root, "checkout", "-q", "v0.1.0")
    git(template.root, "tag", "-d", "v0.1.0")
    template.release("0.1.0", {"params.yaml": "something else\n"})
    commit(project, OURS)
    assert "merged, one commit" in laptop.update(project, str(template.root), "v0.2.0")


def test_an_address_is_recorded_and_a_path_is_not(
    project: Path, template: Template, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = "https://example.invalid/acme/template.git"
    settings = tmp_path / "gitconfig"
    settings.write_text(f'[url "{template.root}"]\n\tinsteadOf = {address}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    laptop.update(project, address, None)
    assert f'version: "0.2.0"\nsource: "{address}"\n' in (project / ".gitops-ml.yaml").read_text()
    template.release("0.3.0", {"docs/runbook.md": "third\n"})
    git(project, "switch", "-q", "main")
    git(project, "merge", "-q", BRANCH)
    git(project, "branch", "-qd", BRANCH)
    assert "0.2.0 -> 0.3.0" in laptop.update(project, None, None), "the recorded address is asked"
    assert (project / ".gitops-ml.yaml").read_text().count(address) == 1
    assert git(project, "diff", "--name-only", "main").splitlines() == [".gitops-ml.yaml", "docs/runbook.md"]


def test_a_source_that_the_team_wrote_down_is_no_conflict(
    project: Path, template: Template, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = "gh:acme/template"
    (tmp_path / "gitconfig").write_text(
        f'[url "{template.root}"]\n\tinsteadOf = https://github.com/acme/template.git\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    text = (project / ".gitops-ml.yaml").read_text()
    commit(project, {".gitops-ml.yaml": with_source(text, address)})
    assert "merged, one commit" in laptop.update(project, None, None)
    assert f'version: "0.2.0"\nsource: "{address}"\n' in (project / ".gitops-ml.yaml").read_text()


def refused(project: Path, *arguments: Any, match: str) -> None:
    with pytest.raises(Fault, match=match):
        laptop.update(project, *arguments)


def test_what_is_refused_changes_nothing(project: Path, template: Template, still: Any) -> None:
    where = str(template.root)
    refused(project, None, None, match="generated from a folder.\nName it once")
    refused(project, where, "0.9.0", match=r"no version 0\.9\.0\. It has: 0\.1\.0, 0\.2\.0")
    refused(project, where, "newest", match="'newest' is no version")
    refused(project, str(template.root / "gone"), None, match="ls-remote failed")
    refused(project, "https://ada:secret@example.invalid/x.git", None, match="holds a user or a password")
    still()
    (project / "stray.txt").write_text("x")
    still.now()
    refused(project, where, None, match="not committed, and a merge would mix")
    still()
    (project / "stray.txt").unlink()
    git(project, "branch", BRANCH)
    still.now()
    refused(project, where, None, match=f"there is a branch {BRANCH} from an earlier update")
    still()
    git(project, "branch", "-D", BRANCH)
    laptop.update(project, where, None)
    git(project, "switch", "-q", "-c", "later")
    git(project, "branch", "-qD", BRANCH)
    still.now()
    refused(project, where, "0.1.0", match="has version 0.2.0, which is newer than 0.1.0")
    still()


def test_a_commit_made_meanwhile_is_not_lost(
    project: Path, template: Template, still: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = laptop.plan

    def slow(*arguments: Any) -> Any:
        made = real(*arguments)
        commit(project, {"params.yaml": "meanwhile\n"})
        still.now()
        return made

    monkeypatch.setattr(laptop, "plan", slow)
    refused(project, str(template.root), None, match="somebody committed while the template was rendered")
    still()


def test_a_template_that_cannot_be_rendered_changes_nothing(
    project: Path, template: Template, still: Any
) -> None:
    where = str(template.root)
    template.release("0.3.0", {"hooks/pre_gen_project.py": "raise SystemExit('answers are wrong')\n"})
    refused(project, where, None, match=r"(?s)version 0\.3\.0 .*answers are wrong")
    template.release("0.4.0", {"hooks/pre_gen_project.py": "", "README.md": "<< cookiecutter.unheard_of >>"})
    refused(project, where, None, match=r"(?s)version 0\.4\.0 .*unheard_of")
    template.release("0.4.1", {"README.md": "fine\n"}, tag="v0.5.0")
    refused(project, where, None, match=r"tag v0\.5\.0 holds another version \(0\.4\.1\)")
    hook = "import subprocess\nsubprocess.run(['git', 'init', '-q'])\n"
    template.release("0.6.0", {"hooks/post_gen_project.py": hook})
    refused(project, where, None, match="made a repository while it was only rendered")
    git(template.root, "tag", "-d", "v0.1.0")
    git(project, "reset", "-q", "--soft", git(project, "commit-tree", "HEAD^{tree}", "-m", "Moved here"))
    still.now()
    refused(
        project,
        where,
        "0.2.0",
        match=r"version 0\.1\.0, which this project has, is not among the template's tags",
    )
    still()


def test_hooks_of_the_template_see_no_secret(
    project: Path, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = "import os\nopen('seen.txt', 'w').write(' '.join(sorted(os.environ)))\n"
    template.release("0.3.0", {"hooks/post_gen_project.py": hook})
    for name in ("GITOPS_ML_TOKEN", "GITHUB_TOKEN", "ACTIONS_RUNTIME_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    laptop.update(project, str(template.root), None)
    seen = (project / "seen.txt").read_text().split()
    assert "GITOPS_ML_RENDER_ONLY" in seen and "PATH" in seen
    assert not [name for name in seen if "TOKEN" in name or "SECRET" in name or "RUNTIME" in name]


@pytest.mark.parametrize("conflict", [pytest.param(False, marks=pytest.mark.full), True])
def test_a_failure_anywhere_leaves_nothing_half_done(
    project: Path, template: Template, still: Any, monkeypatch: pytest.MonkeyPatch, conflict: bool
) -> None:
    """Every call of git fails once: before it does anything, as on a full disk."""
    commit(project, {"params.yaml": LINES.replace("line 2\n", "line 2, ours\n")} if conflict else OURS)
    still.now()
    rendered: dict[str, Path] = {}

    def quick(folder: Path, version: str, answers: Any, into: Path) -> Path:
        """cookiecutter is slow, and not what is tried here."""
        if version not in rendered:
            rendered[version] = copied(
                render.render(folder, version, answers, into), template.root.parent / version
            )
        return rendered[version]

    monkeypatch.setattr(plan, "render", quick)
    real, calls = shell.git, [0]
    fails_at = 0

    def failing(root: Path, *arguments: str) -> str:
        calls[0] += 1
        if calls[0] == fails_at:
            raise Fault(f"no space left: {arguments}")
        return real(root, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(shell, "git", failing)
        while True:
            fails_at += 1
            calls[0] = 0
            try:
                said = laptop.update(project, str(template.root), None)
            except Fault as fault:
                assert "no space left" in str(fault)
                if "diff-tree" in str(fault) and git(project, "branch", "--list", BRANCH):
                    break  # only the report was missing
                still()
                continue
            break
    assert fails_at > 15
    assert git(project, "branch", "--show-current") == BRANCH
    if conflict:
        assert "changed on both sides" in said and git(project, "ls-files", "--unmerged")


def test_check_answers_with_its_exit_status(
    project: Path, template: Template, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(*arguments: str) -> int:
        with pytest.raises(SystemExit) as end:
            main(["template", "update", "--check", *arguments])
        return int(end.value.code or 0)

    assert status("--source", str(template.root)) == 1
    assert "0.2.0 is there; this project has 0.1.0" in capsys.readouterr().out
    git(template.root, "tag", "-d", "v0.2.0")
    assert status("--source", str(template.root)) == 0
    assert capsys.readouterr().out == "up to date: 0.1.0\n"
    assert status() == 2
    assert "error: where the template comes from" in capsys.readouterr().err
    assert git(project, "branch", "--list", BRANCH) == ""


def test_versions_are_ordered_as_numbers(template: Template) -> None:
    for tag in ("v0.10.0", "v0.9.0", "v1.0.0-rc1", "nightly"):
        git(template.root, "tag", tag)
    answers = plan.AnswersFile.parse(
        {"template": "cookiecutter-gitops-ml", "version": "0.1.0", "answers": {}}, "x"
    )
    assert versions(source_of(answers, str(template.root))) == ["0.1.0", "0.2.0", "0.9.0", "0.10.0"]


def test_the_lock_file_follows(project: Path, template: Template, tmp_path: Path) -> None:
    text = '[project]\nname = "demo"\nversion = "0.0.0"\nrequires-python = ">=3.11"\n[tool.uv]\npackage = false\n'
    (project / "pyproject.toml").write_text(text)
    (project / "uv.lock").unlink()
    subprocess.run(["uv", "lock", "-q", "--offline"], cwd=project, check=True, env=shell.environment())
    commit(project, {})
    made = git(project, "rev-parse", "HEAD^{tree}")
    newer = merge.with_file(project, made, "pyproject.toml", text.replace("0.0.0", "0.0.1").encode())
    tree, notes = plan.lock(project, "HEAD", newer, tmp_path)
    assert notes == [] and git(project, "diff", "--name-only", newer, tree) == "uv.lock"
    assert 'version = "0.0.1"' in git(project, "show", f"{tree}:uv.lock")
    broken = merge.with_file(project, made, "pyproject.toml", b"[project")
    tree, notes = plan.lock(project, "HEAD", broken, tmp_path)
    assert tree == broken and "run `uv lock`" in notes[0]
    other = merge.with_file(project, made, "README.md", b"x")
    assert plan.lock(project, "HEAD", other, tmp_path) == (other, [])


def test_a_sealed_update_is_believed_by_digest_only(
    project: Path, template: Template, tmp_path: Path
) -> None:
    commit(project, OURS)
    out = tmp_path / "sealed"
    made, digest = sealed.seal(project, str(template.root), out)
    assert made.outcome == "clean" and made.removed == ["src/old.py"]
    assert made.workflows == [".github/workflows/train.yml"]
    assert sealed.opened(out, digest) == made
    assert git(project, "branch", "--show-current") == "main" and git(project, "status", "--porcelain") == ""
    (out / "files/params.yaml").write_text("planted\n")
    with pytest.raises(Fault, match=r"files/params\.yaml of the update is not what"):
        sealed.opened(out, digest)
    made, digest = sealed.seal(project, str(template.root), out)
    (out / "files/more").write_text("planted\n")
    with pytest.raises(Fault, match="'files/more', which its manifest does not name"):
        sealed.opened(out, digest)
    with pytest.raises(Fault, match="was swapped or is cut off"):
        sealed.opened(out, "0" * 64)
    assert sealed.seal(project, None, out)[0].outcome == "unknown"
    commit(project, {"params.yaml": LINES.replace("line 2\n", "line 2, ours\n")})
    torn = sealed.seal(project, str(template.root), out)[0]
    assert (torn.outcome, torn.conflicts, torn.files) == ("conflict", ["params.yaml"], {})
    git(template.root, "tag", "-d", "v0.2.0")
    assert sealed.seal(project, str(template.root), out)[0].outcome == "current"


def test_the_template_of_the_tests_is_one() -> None:
    assert set(FIRST) >= {path for path, text in SECOND.items() if text is None}
