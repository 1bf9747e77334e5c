"""What starts a build, and what does not."""

# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite.pipelines import git
from tests.suite.test_build_world import World, commit, edit, head, paths, world  # noqa: F401 - fixtures

from gitops_ml.build import plan_command, records
from gitops_ml.build.plan import plan
from gitops_ml.contracts.plan import Plan
from gitops_ml.errors import Fault

ALL = ["prepare", "train", "evaluate", "card"]
DVC = [sys.executable, "-I", "-m", "dvc"]
NEVER = [sys.executable, "-c", "raise SystemExit('dvc was asked')"]


def planned(root: Path, dvc: list[str] | None = None, **more: Any) -> Plan:
    """The plan of a branch with what was just committed."""
    return plan(root, "origin/main", dvc=dvc or DVC, **more)


def reasons(found: Plan) -> dict[str, list[str]]:
    return {stage.name: stage.reasons for stage in found.stages}


def lock_with(root: Path, old: str, new: str) -> dict[str, Any]:
    return edit(root, "dvc.lock", old, new)


def md5_of(root: Path, path: str) -> str:
    text = (root / "dvc.lock").read_text()
    return text.split(f"path: {path}\n", 1)[1].split("md5: ", 1)[1][:32]


# ---------------------------------------------------------------- without asking DVC


def test_documentation_needs_nothing_and_asks_nobody(head: Path) -> None:
    commit(head, {"README.md": "words", "docs/a/b.md": "more"})
    found = planned(head, NEVER)
    assert (found.kind, found.check, found.changed) == ("none", False, ["README.md", "docs/a/b.md"])


def test_documentation_that_a_stage_reads_is_looked_at(head: Path, world: World) -> None:
    lock = (head / "dvc.lock").read_text().replace("path: model_card.yaml", "path: docs/origin.md")
    git(head, "branch", "-f", "old")
    commit(head, {"dvc.lock": lock})
    git(head, "update-ref", "refs/remotes/origin/main", "HEAD")
    commit(head, {"docs/origin.md": "x"})
    assert planned(head, NEVER).kind == "invalid"


def test_a_pointer_moves_alone(head: Path) -> None:
    commit(head, {"deploy/production/model.yaml": "x", "deploy/production/kustomization.yaml": "y"})
    found = planned(head, NEVER)
    assert (found.kind, found.check, found.protected) == ("pointer", False, [])


def test_a_pointer_among_other_changes_needs_a_reviewer(head: Path) -> None:
    commit(head, {"deploy/production/model.yaml": "x", "README.md": "y"})
    found = planned(head)
    assert (found.kind, found.protected) == ("none", ["deploy/production/model.yaml"])


def test_unknown_commits_and_strangers_are_faults(head: Path) -> None:
    with pytest.raises(Fault, match="fetch-depth: 0"):
        plan(head, "f" * 40, dvc=NEVER)
    git(head, "checkout", "-q", "--orphan", "stranger")
    git(head, "commit", "-qm", "root")
    with pytest.raises(Fault, match="no common ancestor"):
        plan(head, "origin/main", dvc=NEVER)


# ---------------------------------------------------------------- what is stale


def test_nothing_stale_is_nothing_to_build(head: Path) -> None:
    commit(head, {"src/churn/unread.py": "x = 1\n"})
    found = planned(head)
    assert (found.kind, found.check, found.stages, found.notes) == ("none", True, [], [])


@pytest.mark.parametrize(
    ("name", "old", "new", "stages", "reason"),
    [
        ("params.yaml", "seed: 7", "seed: 8", ["train", "card"], "params.yaml:train modified"),
        ("src/churn/train.py", "train", "other", ["train", "card"], "src/churn/train.py modified"),
        ("pyproject.toml", "8.1.8", "8.1.9", ["train"], "pyproject.toml:project.dependencies modified"),
        ("dvc.yaml", "make.py train", "make.py train x", ["train"], "its command changed"),
        ("reports/metrics.json", "0.5432", "0.99", ["evaluate", "card"], "reports/metrics.json modified"),
        ("MODEL_CARD.md", "# ", "# Better ", ["card"], "MODEL_CARD.md modified"),
    ],
)  # fmt: skip
def test_stale_stages_are_built(
    head: Path, name: str, old: str, new: str, stages: list[str], reason: str
) -> None:
    commit(head, edit(head, name, old, new))
    found = planned(head)
    assert found.kind == "model"
    assert found.names == stages
    assert reason in reasons(found)[stages[0]]


def test_a_result_or_source_that_git_should_have_is_missed(head: Path) -> None:
    commit(head, {"reports/metrics.json": None, "src/churn/data.py": None})
    found = reasons(planned(head))
    assert "src/churn/data.py deleted" in found["prepare"]
    assert "reports/metrics.json deleted" in found["evaluate"]


def test_other_rows_are_seen_although_the_table_is_not_here(head: Path) -> None:
    md5 = md5_of(head, "data/raw/churn.csv")
    commit(head, edit(head, "data/raw/churn.csv.dvc", f"md5: {md5}\n  size", "md5: " + "a" * 32 + "\n  size"))
    found = planned(head)
    assert found.kind == "model"
    assert reasons(found) == {"prepare": ["data/raw/churn.csv is another"]}


def test_a_lock_whose_links_do_not_join_is_stale(head: Path, world: World) -> None:
    """As a merge of two pull requests leaves it; DVC alone sees nothing, because the bytes are not here."""
    md5 = md5_of(head, "data/prepared/train.parquet")
    text = (head / "dvc.lock").read_text()
    commit(head, {"dvc.lock": text.replace(f"md5: {md5}", "md5: " + "b" * 32, 1)})
    git(head, "update-ref", "refs/remotes/origin/main", "HEAD")
    commit(head, {"src/churn/unread.py": ""})
    assert subprocess.check_output([*DVC, "status", "--json"], cwd=head).count(b"modified") == 0
    assert reasons(planned(head)) == {"train": ["data/prepared/train.parquet is another"]}


# ---------------------------------------------------------------- whom to believe


def forged(root: Path) -> str:
    """A hand-made model: params, lock and git files agree, DVC says "up to date"."""
    text = (root / "dvc.lock").read_text()
    model = md5_of(root, "models/model.skops")
    return commit(root, {"dvc.lock": text.replace(model, "c" * 32)})


def test_a_hand_made_lock_is_built_although_dvc_finds_nothing(head: Path) -> None:
    forged(head)
    assert json.loads(subprocess.check_output([*DVC, "status", "--json"], cwd=head)).keys() <= {
        "prepare", "train", "evaluate", "card", "data/raw/churn.csv.dvc"
    }  # fmt: skip
    found = planned(head)
    assert found.names == ["train", "evaluate"]
    assert "no record" in reasons(found)["train"][0]


def test_a_recorded_lock_is_not_built_again_and_still_judged(head: Path) -> None:
    forged(head)
    found = planned(head, built={planned(head).lock})
    assert (found.kind, found.stages) == ("model", [])


def test_a_recorded_lock_does_not_hide_what_is_stale(head: Path) -> None:
    forged(head)
    lock = planned(head).lock
    commit(head, edit(head, "src/churn/evaluate.py", "evaluate", "other"))
    assert planned(head, built={lock}).names == ["evaluate", "card"]


def test_records_are_asked_only_where_they_matter(head: Path) -> None:
    class Never:
        def __contains__(self, blob: object) -> bool:
            raise AssertionError("asked")

    commit(head, {"src/churn/unread.py": "x = 1\n"})
    planned(head, built=Never())
    forged(head)
    with pytest.raises(AssertionError, match="asked"):
        planned(head, built=Never())


def test_a_branch_behind_main_builds_nothing_of_mains(head: Path) -> None:
    commit(head, {"src/churn/unread.py": "x = 1\n"})
    git(head, "checkout", "-q", "-b", "newer", "origin/main")
    forged(head)
    git(head, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(head, "checkout", "-q", "main")
    assert planned(head).kind == "none"


def test_without_a_lock_on_main_every_stage_is_built(head: Path) -> None:
    lock = (head / "dvc.lock").read_text()
    commit(head, {"dvc.lock": None})
    git(head, "update-ref", "refs/remotes/origin/main", "HEAD")
    commit(head, {"dvc.lock": lock})
    assert planned(head).names == ALL
    assert planned(head, built={planned(head).lock}).stages == []


def test_no_lock_at_all_is_never_built(head: Path) -> None:
    commit(head, {"dvc.lock": None})
    assert reasons(planned(head)) == {name: ["never built"] for name in ALL}


@pytest.mark.parametrize(
    ("old", "new"),
    [("cmd: python make.py train", "frozen: true\n    cmd: python make.py train"), (", src/churn/train.py]", "]")],
)  # fmt: skip
def test_a_definition_that_hides_a_change_is_built(head: Path, old: str, new: str) -> None:
    commit(head, edit(head, "dvc.yaml", old, new) | edit(head, "src/churn/train.py", "train", "other"))
    found = planned(head)
    assert reasons(found)["train"] == ["its definition in dvc.yaml changed"]
    assert bool(found.notes) == ("frozen" in new)


def test_main_believes_records_only(head: Path) -> None:
    assert planned(head, main=True).names == ALL
    assert planned(head, main=True, built={planned(head).lock}).kind == "none"


# ---------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"dvc.lock": "<<<<<<< HEAD\nschema: '2.0'\n=======\n>>>>>>> main\n"}, "merge conflict"),
        ({"dvc.yaml": "stages: [\n"}, "dvc.yaml cannot be read"),
        ({"dvc.yaml": "stages: {a: {cmd: x, wdir: src}}\n"}, "wdir"),
        ({"dvc.yaml": None}, "dvc.yaml"),
        ({"params.yaml": "<<<<<<< HEAD\ntrain:\n=======\n"}, "params.yaml"),
        ({"data/raw/churn.csv.dvc": "<<<<<<< HEAD\n"}, "churn.csv.dvc holds a merge conflict"),
    ],
)
def test_what_cannot_be_read_is_said(head: Path, files: dict[str, Any], words: str) -> None:
    commit(head, files)
    found = planned(head)
    assert found.kind == "invalid"
    assert words in (found.reason or "")
    assert str(head) not in (found.reason or "")


def test_a_link_instead_of_the_lock_is_said(head: Path) -> None:
    (head / "dvc.lock").unlink()
    (head / "dvc.lock").symlink_to("/etc/hostname")
    git(head, "commit", "-qam", "link")
    assert "is a link" in (planned(head).reason or "")


def test_no_code_of_the_commit_runs(head: Path, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    code = f"open({str(proof)!r}, 'w')\n"
    names = ("dvc.py", "dvc/__init__.py", "yaml.py", "sitecustomize.py", "json.py", "src/json.py")
    commit(head, {**{name: code for name in names if name != "dvc.py"}, "params.py": code})
    commit(head, edit(head, "params.yaml", "seed: 7", "seed: 8"))
    assert planned(head).kind == "model"
    assert not proof.exists()
    # Such a file would have run with a plain `python -m`.
    subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=head, capture_output=True)
    assert proof.exists()


# ---------------------------------------------------------------- records


@dataclass
class FakeForge:
    """Statuses by commit, pull requests by merge commit; it counts what it is asked."""

    listed: dict[str, list[Any]] = field(default_factory=dict)
    merged: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def statuses(self, sha: str) -> list[Any]:
        self.asked.append(sha)
        return self.listed.get(sha, [])

    def pulls_of(self, sha: str) -> list[Any]:
        return self.merged.get(sha, [])

    def me(self) -> str:
        return "github-actions[bot]"


def record(blob: str, **more: Any) -> Any:
    facts = {
        "context": "gitops-ml/built",
        "state": "success",
        "description": f"lock {blob}",
        "creator": "github-actions[bot]",
    }
    return SimpleNamespace(**{**facts, **more})


BLOB = "c" * 40


def test_records_of_an_ancestor_count_and_of_the_base_do_not(
    head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = git(head, "rev-parse", "HEAD")
    made = commit(head, {"a": "1"})
    last = commit(head, {"b": "1"})
    forge = FakeForge({made: [record(BLOB)], base: [record("d" * 40)]})
    monkeypatch.setattr(records, "_connect", lambda root: forge)
    assert BLOB in records.of_branch(head, "origin/main")
    assert forge.asked == [last, made]
    assert "d" * 40 not in records.of_branch(head, "origin/main")


@pytest.mark.parametrize(
    "wrong",
    [
        {"creator": "mallory"},
        {"state": "pending"},
        {"context": "gitops-ml"},
        {"description": f"lock {BLOB}0"},
    ],
)
def test_records_of_others_are_not_records(
    head: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    here = git(head, "rev-parse", "HEAD")
    forge = FakeForge({here: [record(BLOB, **wrong)]})
    monkeypatch.setattr(records, "_connect", lambda root: forge)
    assert BLOB not in records.of_branch(head, "origin/main")
    trusting = records.of_branch(head, "origin/main", ["mallory"])
    assert (BLOB in trusting) is ("creator" in wrong)


def test_after_a_squash_the_record_stands_on_the_pull_requests_head(
    head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = commit(head, {"dvc.lock": (head / "dvc.lock").read_text() + "\n"})
    commit(head, {"README.md": "later"})
    forge = FakeForge(
        {"e" * 40: [record(BLOB)]}, {brought: [SimpleNamespace(head_sha="e" * 40, merged=True)]}
    )
    monkeypatch.setattr(records, "_connect", lambda root: forge)
    assert BLOB in records.of_main(head)
    forge.merged[brought][0].merged = False
    assert BLOB not in records.of_main(head)


def test_without_a_token_nothing_is_recorded_and_the_screen_says_so(
    head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(root: Path) -> None:
        raise Fault("no token.\nmore")

    monkeypatch.setattr(records, "_connect", refuse)
    asked = records.of_branch(head, "origin/main")
    assert BLOB not in asked
    assert asked.note == "records of CI could not be read: no token."


# ---------------------------------------------------------------- the verb


def test_the_verb_writes_screen_file_and_outputs(
    head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(head, edit(head, "params.yaml", "seed: 7", "seed: 8") | {"policy.yaml": "version: 1\n"})
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    arguments = [
        "--head",
        str(head),
        "--base",
        "origin/main",
        "--number",
        "7",
        "--output",
        str(tmp_path / "p.json"),
    ]
    done = CliRunner().invoke(plan_command.plan, arguments)
    assert done.exit_code == 0, done.output
    assert "pull request #7: a model to build and judge" in done.output
    assert "train        params.yaml:train modified" in done.output
    assert "reviewers must look: policy.yaml" in done.output
    assert Plan.read(tmp_path / "p.json").names == ["train", "card"]
    assert (tmp_path / "out").read_text().splitlines() == [
        "kind=model", "check=true", "build=true", "stages=train,card",
        f"head={git(head, 'rev-parse', 'HEAD')}", "protected=true", "reason=", "again=chance",
    ]  # fmt: skip


def test_on_a_laptop_what_cannot_be_read_is_an_error(head: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(head, {"dvc.yaml": "stages: [\n"})
    monkeypatch.chdir(head)
    done = CliRunner().invoke(plan_command.plan, [])
    assert isinstance(done.exception, Fault)


def test_the_base_is_found(head: Path) -> None:
    assert plan_command.default_base(head) == "refs/remotes/origin/HEAD" or plan_command.default_base(
        head
    ).endswith("main")
    git(head, "remote", "remove", "origin")
    assert plan_command.default_base(head) == "refs/heads/main"
    git(head, "branch", "-m", "trunk")
    with pytest.raises(Fault, match="--base"):
        plan_command.default_base(head)


def test_it_is_hardly_slower_than_dvc_itself(head: Path) -> None:
    """No pandas, no forge and no network on the way: what is imported besides stays small."""
    code = "import sys; import gitops_ml.build.plan, gitops_ml.build.records; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"pandas", "pyarrow", "github", "dvc", "requests"} & set(loaded)
