"""Pull requests that main overtook; pointers that are checked; locks on main that CI built, or did not; the Bento; the verbs."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite.delivery import BOT, FakeForge, World, desk

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery import command
from gitops_ml.delivery.bento import build_bento
from gitops_ml.delivery.main_lock import built_record
from gitops_ml.delivery.offer import pointer_text
from gitops_ml.delivery.pointer import check_pointer
from gitops_ml.delivery.refresh import conflicts, overtaken
from gitops_ml.delivery.release import plan, release
from gitops_ml.errors import Fault
from gitops_ml.forge.records import Status


@pytest.fixture
def forge(tmp_path: Path) -> FakeForge:
    return FakeForge(World.make(tmp_path))


# ---------------------------------------------------------------- refresh


def branch(forge: FakeForge, name: str, files: dict[str, str], **facts: int) -> str:
    world = forge.world
    world.git("checkout", "-q", "-b", name, "main")
    before = dict(world.facts)
    head = world.commit(files, **facts)
    world.facts = before
    world.git("checkout", "-q", "main")
    return head


def test_only_pull_requests_that_ci_can_mend_are_listed(forge: FakeForge) -> None:
    head = branch(forge, "data", {}, data=2)
    forge.add("data")
    branch(forge, "words", {"README.md": "words"})
    forge.add("words")
    branch(forge, "both", {"params.yaml": "data:\n  table: data/raw/churn.csv\ntrain:\n  seed: 9\n"}, data=3)
    forge.add("both")
    branch(forge, "fork", {}, data=4)
    forge.add("fork", fork=True)
    branch(forge, "rebuild/main", {}, data=5)
    forge.add("rebuild/main", BOT)
    branch(forge, "closed", {}, data=6)
    forge.add("closed", state="closed")
    assert overtaken(forge.world.root, forge, "") == []  # type: ignore[arg-type]
    # Now main changes the same derived files, and the same line of params.yaml as "both".
    forge.world.commit({"params.yaml": "data:\n  table: data/raw/churn.csv\ntrain:\n  seed: 8\n"}, params=2)
    found = overtaken(forge.world.root, forge, "")  # type: ignore[arg-type]
    assert [(one.number, one.head) for one in found] == [(1, head)]
    assert "dvc.lock" in found[0].paths and "reports/evaluation.json" in found[0].paths


def test_a_branch_that_is_gone_is_left_out(forge: FakeForge) -> None:
    branch(forge, "data", {}, data=2)
    forge.add("data")
    forge.world.commit({}, params=2)
    forge.git("update-ref", "-d", "refs/heads/data")
    assert overtaken(forge.world.root, forge, "") == []  # type: ignore[arg-type]


def test_conflicts_of_what_has_no_common_history_are_a_fault(forge: FakeForge) -> None:
    world = forge.world
    world.git("checkout", "-q", "--orphan", "other")
    other = world.commit({}, data=2)
    assert conflicts(world.root, "main", "main") == []
    with pytest.raises(Fault, match="merge-tree"):
        conflicts(world.root, "main", other)


# ---------------------------------------------------------------- pointers


class Offered:
    """Version v1.0.0 is released; a branch offers it."""

    def __init__(self, forge: FakeForge) -> None:
        self.forge, self.world = forge, forge.world
        release(desk(forge), self.world.built())
        self.world.git(
            "fetch", "-q", "origin", "+refs/tags/*:refs/tags/*", "+refs/heads/*:refs/remotes/origin/*"
        )

    def check(self, head: str = "origin/deploy/production") -> list[str]:
        return check_pointer(self.world.root, "main", head, storage=self.forge.storage)

    def edited(self, files: dict[str, str] | None = None, **change: Any) -> list[str]:
        text = self.world.git("show", "origin/deploy/production:deploy/production/model.yaml")
        (self.world.folder / "p.yaml").write_text(text)
        content = Pointer.read(self.world.folder / "p.yaml").model_dump() | change
        self.world.git("checkout", "-q", "-B", "edited", "main")
        self.world.commit({"deploy/production/model.yaml": json.dumps(content), **(files or {})})
        return self.check("edited")


@pytest.fixture
def offered(forge: FakeForge) -> Offered:
    return Offered(forge)


def test_the_pointer_that_a_release_offers_is_right(offered: Offered) -> None:
    assert offered.check() == []
    assert offered.edited() == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": "v1.0.9"}, "never released"),
        ({"revision": "1" * 40}, "the tag churn@v1.0.0 names"),
        ({"sha256": "1" * 64}, "sha256 is 111"),
        ({"size": 1}, "size is 1"),
        ({"path": "models/other"}, "does not name"),
        ({"model": "other"}, "makes churn"),
        ({"verdict": "trust me"}, "verdict"),
    ],
)
def test_a_pointer_that_says_anything_else_is_not(
    offered: Offered, change: dict[str, Any], word: str
) -> None:
    problems = offered.edited(**change)
    assert len(problems) == 1 and word in problems[0]
    assert problems[0].startswith("deploy/production/model.yaml: ")


def test_a_pointer_changes_alone(offered: Offered) -> None:
    problems = offered.edited({"src/churn/service.py": "x = 1\n"})
    assert len(problems) == 1 and problems[0].startswith("src/churn/service.py changes")
    offered.world.git("checkout", "-q", "-B", "none", "main")
    offered.world.commit({"README.md": "x"})
    assert "no deploy/<environment>/model.yaml changes" in offered.check("none")[-1]


def test_a_pointer_is_not_removed(offered: Offered) -> None:
    offered.forge.merge(1)
    offered.world.git("checkout", "-q", "-b", "gone")
    offered.world.git("rm", "-q", "deploy/production/model.yaml")
    offered.world.git("commit", "-q", "-m", "Gone")
    assert "it is removed" in offered.check("gone")[0]


@pytest.mark.parametrize("loss", ["missing", "poisoned"])
def test_bytes_that_are_lost_or_poisoned_are_named(offered: Offered, loss: str) -> None:
    store = offered.forge.storage.refs["refs/dvc/store"]
    name = next(iter(store))
    if loss == "missing":
        del store[name]
    else:
        store[name] = b"planted"
    problems = offered.check()
    assert len(problems) == 1 and name in problems[0]


def test_a_pointer_is_read_as_it_was_written(tmp_path: Path) -> None:
    content = Pointer(
        model="yes",
        version="v1.0.0",
        revision="1" * 40,
        path="models/m",
        sha256="0" * 64,
        size=1,
        image=None,
        verdict="pass",
        promoted_from=None,
    )
    (tmp_path / "model.yaml").write_text(pointer_text(content, "production"))
    assert Pointer.read(tmp_path / "model.yaml") == content


# ---------------------------------------------------------------- main's lock


def note(
    forge: FakeForge, commit: str, lock: str, creator: str = BOT, context: str = "gitops-ml/built"
) -> None:
    forge.statuses_of.setdefault(commit, []).insert(
        0, Status(context, "success", f"lock {lock}", creator, "Bot", "")
    )


@pytest.mark.parametrize(
    ("where", "creator", "context", "known"),
    [
        ("commit", BOT, "gitops-ml/built", True),
        ("commit", "ada", "gitops-ml/built", False),
        ("commit", BOT, "gitops-ml", False),
        ("head of the pull request", BOT, "gitops-ml/built", True),
        ("head of the pull request", "mallory", "gitops-ml/built", False),
        ("an older commit", BOT, "gitops-ml/built", False),
        ("another lock", BOT, "gitops-ml/built", False),
        ("a released commit", BOT, "gitops-ml/built", True),
    ],
)
def test_a_record_counts_if_our_own_identity_wrote_it_on_a_commit_that_brought_the_lock(
    forge: FakeForge, where: str, creator: str, context: str, known: bool
) -> None:
    world = forge.world
    first = world.git("rev-parse", "HEAD")
    world.git("checkout", "-q", "-b", "topic")
    head = world.commit({}, data=2)
    merged = forge.merge(forge.add("topic").number)
    world.facts["data"] = 2
    lock = world.git("rev-parse", "HEAD:dvc.lock")
    world.commit({"README.md": "words"})
    if where == "a released commit":
        world.git("tag", "churn@v1.0.0", merged)
    place = {"commit": merged, "another lock": merged, "a released commit": merged, "an older commit": first}
    note(forge, place.get(where, head), "0" * 40 if where == "another lock" else lock, creator, context)
    assert built_record(forge, world.root, world.git("rev-parse", "HEAD")) is known  # type: ignore[arg-type]


def test_the_record_of_an_app_counts_for_a_job_with_another_token(forge: FakeForge) -> None:
    commit = forge.world.git("rev-parse", "HEAD")
    note(forge, commit, forge.world.git("rev-parse", "HEAD:dvc.lock"), "our-app[bot]")
    assert not built_record(forge, forge.world.root, commit)  # type: ignore[arg-type]
    assert built_record(forge, forge.world.root, commit, ["our-app[bot]"])  # type: ignore[arg-type]


def test_main_without_a_lock_has_nothing_to_release(forge: FakeForge) -> None:
    forge.world.git("rm", "-q", "dvc.lock", "reports/evaluation.json")
    forge.world.git("commit", "-q", "-m", "No model")
    forge.world.git("push", "-q", "origin", "main")
    assert plan(desk(forge)).release is False
    outcome = release(desk(forge), None)
    assert outcome.ok and "no model yet" in outcome.lines[0] and not forge.effects


# ---------------------------------------------------------------- the Bento

BENTOML = """\
#!/bin/sh
test "$GITHUB_TOKEN" = "" || exit 9
case "$1" in
  build) echo "built"; echo "__tag__:churn:$3" ;;
  export) printf '%s in %s' "$2" "$(basename "$PWD")" > "$3" ;;
esac
"""


def fake_bentoml(folder: Path, text: str = BENTOML) -> None:
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("python", "bentoml"):
        (tools / name).write_text(text)
        os.chmod(tools / name, 0o755)


def test_a_bento_is_built_by_the_projects_own_bentoml_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    project = tmp_path / "project"
    fake_bentoml(project)
    made = build_bento(project, tmp_path / "out" / "x.bento", "v1.0.1")
    assert made.read_text() == "churn:v1.0.1 in project"


def test_a_bento_that_cannot_be_built_says_why(tmp_path: Path) -> None:
    fake_bentoml(tmp_path / "a", "#!/bin/sh\necho 'no service' >&2; exit 3\n")
    with pytest.raises(Fault, match=r"(?s)status 3.*no service"):
        build_bento(tmp_path / "a", tmp_path / "x", "v1")
    fake_bentoml(tmp_path / "b", "#!/bin/sh\necho nothing\n")
    with pytest.raises(Fault, match="no tag"):
        build_bento(tmp_path / "b", tmp_path / "x", "v1")
    fake_bentoml(tmp_path / "c")
    (tmp_path / "c" / ".venv" / "bin" / "bentoml").unlink()
    with pytest.raises(Fault, match="uv sync --group serve"):
        build_bento(tmp_path / "c", tmp_path / "x", "v1")


def test_a_bento_that_was_built_is_attached(forge: FakeForge) -> None:
    bento = forge.world.folder / "any.bento"
    bento.write_bytes(b"bento")
    built = forge.world.built()
    object.__setattr__(built, "bento", bento)
    release(desk(forge), built)
    there = forge.releases["churn@v1.0.0"]["assets"]
    assert there["churn-v1.0.0.bento"] == b"bento"
    assert b"churn-v1.0.0.bento" in there["SHA256SUMS"]


# ---------------------------------------------------------------- the verbs


def test_the_verbs_give_a_workflow_its_outputs(forge: FakeForge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forge.world.root)
    monkeypatch.setattr(command, "at_work", lambda root: desk(forge))
    out, summary = forge.world.folder / "out", forge.world.folder / "summary"
    monkeypatch.setenv("GITHUB_OUTPUT", str(out))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    call = CliRunner().invoke

    planned = call(command.release, ["--plan"], catch_exceptions=False)
    assert planned.output == "v1.0.0: the first model\n"
    assert "\ntrue\n" in out.read_text() and "\nv1.0.0\n" in out.read_text()

    built = forge.world.built()
    folders = ["--candidate", str(built.candidate), "--scores", str(built.scores)]
    digests = ["--candidate-digest", built.digest, "--scores-digest", built.scores_digest]
    done = call(command.release, [*folders, *digests], catch_exceptions=False)
    assert done.exit_code == 0 and "v1.0.0 is released" in done.output
    assert "v1.0.0 is released" in summary.read_text()

    finished = call(command.release, [*folders, "--candidate-digest", "", "--scores-digest", ""])
    assert finished.exit_code == 0 and "nothing to release" not in finished.output
    with pytest.raises(Fault, match="cannot be judged"):
        call(command.release, [*folders, *digests[:2]], catch_exceptions=False)

    branch(forge, "data", {}, data=2)
    forge.add("data")
    forge.world.commit({}, params=2)
    listed = call(command.refresh, [], catch_exceptions=False)
    assert [one["number"] for one in json.loads(listed.output)] == [2]
    assert listed.output.strip() in out.read_text()


def test_main_that_falls_short_is_red(forge: FakeForge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forge.world.root)
    monkeypatch.setattr(command, "at_work", lambda root: desk(forge, "block"))
    built = forge.world.built()
    arguments = ["--candidate", str(built.candidate), "--scores", str(built.scores)]
    arguments += ["--candidate-digest", built.digest, "--scores-digest", built.scores_digest]
    done = CliRunner().invoke(command.release, arguments, catch_exceptions=False)
    assert done.exit_code == 1 and "main-falls-short" in done.output


def test_a_bento_is_released_only_as_it_was_built(forge: FakeForge, monkeypatch: pytest.MonkeyPatch) -> None:
    root = forge.world.root
    monkeypatch.chdir(root)
    monkeypatch.setattr(command, "at_work", lambda root: desk(forge))
    out = forge.world.folder / "out"
    monkeypatch.setenv("GITHUB_OUTPUT", str(out))
    fake_bentoml(root)
    bento = forge.world.folder / "model.bento"
    said = CliRunner().invoke(command.release, ["--build-bento", str(bento)], catch_exceptions=False)
    digest = hashlib.sha256(bento.read_bytes()).hexdigest()
    assert digest in said.output and f"\n{digest}\n" in out.read_text()

    built = forge.world.built()
    arguments = ["--candidate", str(built.candidate), "--scores", str(built.scores), "--bento", str(bento)]
    arguments += ["--candidate-digest", built.digest, "--scores-digest", built.scores_digest]
    whole = bento.read_bytes()
    for content, more, why in (
        (whole, [], "without its digest"),
        (whole + b"!", ["--bento-digest", digest], "changed or swapped"),
        (None, ["--bento-digest", digest], "there is no"),
    ):
        bento.unlink(missing_ok=True)
        if content is not None:
            bento.write_bytes(content)
        with pytest.raises(Fault, match=why):
            CliRunner().invoke(command.release, [*arguments, *more], catch_exceptions=False)
        assert not forge.releases and not forge.effects
    bento.write_bytes(whole)
    done = CliRunner().invoke(command.release, [*arguments, "--bento-digest", digest], catch_exceptions=False)
    assert done.exit_code == 0
    assert forge.releases["churn@v1.0.0"]["assets"]["churn-v1.0.0.bento"] == whole
