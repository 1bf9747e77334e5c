"""publish as a whole, over HTTP: the command line against the strict local forge, with its git and its REST API."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import click.testing
import pytest
from tests.forge import Forge

from gitops_ml.errors import Fault
from gitops_ml.publish.command import I_UNDERSTAND, publish

TEMPLATE = Path(__file__).parents[2] / "<<cookiecutter.project_slug>>"
GIT = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
TABLE = b"customer_id,age,churned\n" + b"".join(b"%d,%d,yes\n" % (n, 20 + n % 40) for n in range(300))
SCHEMA = """\
version: 1
task: classification
file: {format: csv, delimiter: ',', decimal: ., encoding: utf-8}
columns:
  customer_id: {role: id, type: integer, nullable: false, available: true}
  age: {role: feature, type: integer, nullable: false, available: true}
  churned: {role: target, type: category, nullable: false, available: true, categories: ['no', 'yes']}
"""


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        [*GIT, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its first run, as far as publish looks: a table under DVC, a lock, workflows."""
    root = tmp_path_factory.mktemp("made") / "churn"
    model, md5 = b"weights" * 100, lambda content: hashlib.md5(content).hexdigest()
    for content in (TABLE, model):
        stored = root / ".dvc" / "cache" / "files" / "md5" / md5(content)[:2] / md5(content)[2:]
        stored.parent.mkdir(parents=True)
        stored.write_bytes(content)
        stored.chmod(0o444)
    files = {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        ".gitignore": "/models/\n/data/raw/churn.csv\n",
        ".gitops-ml.yaml": 'template: cookiecutter-gitops-ml\nversion: "1"\nanswers: {project_slug: churn}\n',
        "data/raw/churn.csv.dvc": f"outs:\n- md5: {md5(TABLE)}\n  size: {len(TABLE)}\n  hash: md5\n  path: churn.csv\n",
        "dvc.lock": f"schema: '2.0'\nstages:\n  train:\n    cmd: x\n    outs:\n    - path: models/model.skops\n"
        f"      hash: md5\n      md5: {md5(model)}\n      size: {len(model)}\n",
        "dvc.yaml": "stages:\n  train:\n    cmd: x\n    outs: [models/model.skops]\n",
        "schema.yaml": SCHEMA,
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    shutil.copytree(TEMPLATE / ".github" / "workflows", root / ".github" / "workflows")
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "First run")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = Path(shutil.copytree(made, tmp_path / "churn"))
    monkeypatch.chdir(root)
    for name in (
        "GITHUB_REPOSITORY",
        "GITHUB_SERVER_URL",
        "GITHUB_API_URL",
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "GITHUB_ACTIONS",
    ):
        monkeypatch.delenv(name, raising=False)
    return root


@pytest.fixture
def forge(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    with Forge.start(tmp_path / "forge") as forge:
        monkeypatch.setenv("GITOPS_ML_TOKEN", forge.user("ada").token)
        yield forge


def call(forge: Forge, *arguments: str) -> str:
    run = click.testing.CliRunner().invoke(
        publish, ["--server", forge.url, *arguments], catch_exceptions=False, standalone_mode=False
    )
    return " ".join(run.output.split())


def refs(forge: Forge) -> dict[str, str]:
    listed = git(Path.cwd(), "ls-remote", forge.repo("ada/churn").address(forge.user("ada")))  # type: ignore[union-attr]
    return {name: sha for sha, name in (line.split("\t") for line in listed.splitlines())}


def test_private_on_the_free_plan_from_nothing_to_a_repository_that_works(forge: Forge, root: Path) -> None:
    out = call(forge, "--yes")
    repo = forge.repo("ada/churn")
    assert repo is not None and repo.data["private"] is True
    found = refs(forge)
    assert found["refs/heads/main"] == git(root, "rev-parse", "HEAD")
    assert "refs/dvc/branch/main" in found
    assert repo.data["actions"]["can_approve_pull_request_reviews"] is True
    assert "merge is not blocked here; release is" in out and repo.data["rulesets"] == []
    assert "customer_id (role: id)" in out and "refs/dvc/" in out
    assert forge.user("ada").token not in (root / ".git" / "config").read_text() + out
    # Bytes and the setting come before the push that starts the release.
    effects = [(c.method, c.path) for c in forge.effects()]
    first_push = next(n for n, (_, path) in enumerate(effects) if path.endswith("git-receive-pack"))
    assert any(path.endswith("actions/permissions/workflow") for _, path in effects[:first_push])


def test_a_passing_fault_of_every_kind_is_waited_out(
    forge: Forge, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for kind, path in (
        ("502", "/user/repos"),
        ("drop-after", "/user/repos"),
        ("secondary", "/labels"),
        ("500", "workflow$"),
    ):
        forge.faults.add(kind, path=path)
    assert call(forge, "--yes").count("not possible:") == 1  # the rule, on the free plan
    assert len(forge.repos()) == 1 and "refs/heads/main" in refs(forge)


def test_a_second_time_nothing_is_written(forge: Forge, root: Path) -> None:
    call(forge, "--yes")
    with forge.recording() as calls:
        out = call(forge, "--yes")
    assert [c for c in calls if c.effect] == []
    assert out.count("is already so:") == 8  # and the rule is not possible


def test_public_with_its_own_yes_gets_the_rule(forge: Forge, root: Path) -> None:
    with pytest.raises(Fault, match="does not say yes to that"):
        call(forge, "--yes", "--public")
    assert refs(forge) == {}
    out = call(forge, "--yes", "--public", I_UNDERSTAND)
    repo = forge.repo("ada/churn")
    assert repo is not None and [one["name"] for one in repo.data["rulesets"]] == ["gitops-ml"]
    assert "everyone" in out and "is ready." in out
    # The rule works: main takes no push any more.
    git(root, "commit", "-q", "--allow-empty", "-m", "More")
    done = subprocess.run(
        [*GIT, "push", repo.address(forge.user("ada")), "main"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "your main is 1 ahead" in call(forge, "--yes")


def test_a_dry_run_writes_nothing_here_or_there(forge: Forge, root: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    out = call(forge, "--dry-run")
    assert forge.effects() == [] and forge.repo("ada/churn") is None
    assert {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()} == before
    assert "A dry run: nothing was written." in out and "push main, 1 commit" in out


def test_a_dry_run_over_a_repository_that_exists(forge: Forge, root: Path) -> None:
    forge.create("ada/churn", forge.user("ada"), private=True)
    with forge.recording() as calls:
        out = call(forge, "--dry-run")
    assert [c for c in calls if c.effect] == []
    assert "would: send 2 files kept by DVC" in out


def test_a_repository_with_a_history_of_its_own_is_refused(forge: Forge, root: Path) -> None:
    repo = forge.create("ada/churn", forge.user("ada"), private=True)
    repo.commit("main", {"README.md": "hello\n"}, forge.user("ada"), "Initial commit")
    with pytest.raises(Fault, match="nothing in common"):
        call(forge, "--yes")
    assert "refs/heads/main" in refs(forge) and refs(forge)["refs/heads/main"] != git(
        root, "rev-parse", "HEAD"
    )


def test_an_expired_and_a_too_weak_token(forge: Forge, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = forge.user("ada")
    monkeypatch.setenv("GITOPS_ML_TOKEN", forge.pat(ada, expired=True).token)
    with pytest.raises(Fault, match="Administration, Actions, Commit statuses"):
        call(forge, "--yes")
    monkeypatch.setenv("GITOPS_ML_TOKEN", forge.pat(ada, {"contents": "write"}).token)
    with pytest.raises(Fault, match=r"may not create ada/churn(.|\n)*Administration"):
        call(forge, "--yes")
    assert forge.effects() == []


@pytest.mark.parametrize("number", range(8))
def test_the_server_gone_after_any_effect_the_next_run_converges(
    forge: Forge, root: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    monkeypatch.setattr("gitops_ml.storage.remote_git.pause", lambda attempt: None)
    forge.faults.add("dead-after-n-effects", after=number)
    with pytest.raises(Fault):
        call(forge, "--yes")
    forge.faults.clear()
    call(forge, "--yes")
    repo = forge.repo("ada/churn")
    assert repo is not None and len(forge.repos()) == 1
    found = refs(forge)
    assert found["refs/heads/main"] == git(root, "rev-parse", "HEAD") and "refs/dvc/branch/main" in found
    assert repo.data["actions"]["can_approve_pull_request_reviews"] is True
    assert repo.data["settings"]["delete_branch_on_merge"] is True
    assert call(forge, "--yes").count("is already so:") == 8


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "schema.yaml").write_text("version: 2\n"), "not committed: schema.yaml"),
        (lambda root: git(root, "switch", "-qc", "work"), "git switch main"),
        (lambda root: git(root, "branch", "-m", "master"), "git branch -m main"),
        (
            lambda root: (git(root, "rm", "-q", "dvc.lock"), git(root, "commit", "-qm", "x")),
            "first run is not committed",
        ),
        (
            lambda root: (
                (root / ".dvc" / "config").write_text(
                    "['remote \"s\"']\n    url = s3://b\n    secret_access_key = abc\n"
                ),
                git(root, "commit", "-qam", "x"),
            ),
            "holds secret_access_key",
        ),
        (
            lambda root: (
                (root / "big.bin").write_bytes(bytes(100 * 1024 * 1024)),
                git(root, "add", "big.bin"),
                git(root, "commit", "-qm", "big"),
                git(root, "rm", "-q", "big.bin"),
                git(root, "commit", "-qm", "gone"),
            ),
            "big.bin in git has 100 MB",
        ),
    ],
)
def test_what_must_be_put_right_first(forge: Forge, root: Path, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    spoil(root)
    with pytest.raises(Fault, match=words):
        call(forge, "--yes")
    assert forge.calls == []


def test_origin_decides_where_nothing_was_asked_for_and_is_never_replaced(forge: Forge, root: Path) -> None:
    git(root, "remote", "add", "origin", f"{forge.url}/ada/other.git")
    with pytest.raises(Fault, match="you asked for"):
        call(forge, "--yes", "--repository", "ada/churn")
    call(forge, "--yes")
    assert forge.repo("ada/other") is not None and forge.repo("ada/churn") is None


def test_what_is_shown_counts_rows_and_bytes(forge: Forge, root: Path) -> None:
    (root / "data" / "raw" / "sample.csv").write_bytes(TABLE)
    git(root, "add", "-f", "data/raw/sample.csv")
    git(root, "commit", "-qm", "sample")
    out = call(forge, "--dry-run")
    assert "data/raw/sample.csv (300 rows," in out
    assert "data/raw/churn.csv" in out and "2 files kept by DVC" in out
    assert "Ada <ada@example.org>" in out
