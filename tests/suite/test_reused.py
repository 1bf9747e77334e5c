"""How many models the same test rows have judged: counted from git alone, along every line, and quickly."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.suite import judged
from tests.suite.judged import Folders, md5
from tests.suite.pipelines import git

from gitops_ml.build.reused import reused
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.judge import judge
from gitops_ml.gate.read import gather
from gitops_ml.report import summary

ROWS, MODEL = "data/prepared/test.parquet", "models/model.skops"


def lock(model: str, rows: str = "rows") -> str:
    """As DVC writes it: prepare makes the rows, train the model, evaluate reads both."""

    def entry(path: str, content: str) -> str:
        digest = md5(content.encode())
        return f"    - path: {path}\n      hash: md5\n      md5: {digest}\n      size: {len(content)}\n"

    return (
        "schema: '2.0'\nstages:\n"
        f"  prepare:\n    cmd: prepare\n    outs:\n{entry(ROWS, rows)}"
        f"  train:\n    cmd: train\n    outs:\n{entry(MODEL, model)}"
        f"  evaluate:\n    cmd: evaluate\n    deps:\n{entry(ROWS, rows)}{entry(MODEL, model)}    outs: []\n"
    )


def candidate(model: str, rows: str = "rows") -> Candidate:
    """Of this model, judged on these rows."""
    stored = [
        {"md5": md5(content.encode()), "size": 1, "path": path}
        for path, content in ((ROWS, rows), (MODEL, model))
    ]
    content = {"path": MODEL, "sha256": "a" * 64, "size": 1}
    return Candidate.parse(
        {
            "version": 1, "head": judged.COMMIT, "merged": None, "lock": judged.COMMIT, "stages": [], "files": {}, "removed": [],
            "objects": stored, "model": content, "test_rows": stored[0], "suite": "0", "platform": "Linux", "seconds": {},
        },
        "manifest",
    )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "Generated")
    return tmp_path


def commit(root: Path, text: str, message: str = "lock") -> None:
    (root / "dvc.lock").write_text(text)
    git(root, "add", "dvc.lock")
    git(root, "commit", "-qm", message)


def test_the_candidate_counts_itself_and_once(root: Path) -> None:
    assert reused(root, candidate("a")) == 1
    commit(root, lock("a"))
    assert reused(root, candidate("a")) == 1
    assert reused(root, candidate("b")) == 2


def test_a_model_that_comes_back_counts_once_and_other_rows_begin_anew(root: Path) -> None:
    for model, rows in (("a", "rows"), ("b", "rows"), ("a", "rows"), ("a", "new"), ("c", "new")):
        commit(root, lock(model, rows))
    assert reused(root, candidate("d", "new")) == 3
    assert reused(root, candidate("d", "rows")) == 3, "going back to the old rows is no way out"
    assert reused(root, candidate("d", "newest")) == 1


def test_every_line_of_the_history_counts_also_what_a_merge_left_behind(root: Path) -> None:
    commit(root, lock("a"))
    git(root, "checkout", "-qb", "branch")
    commit(root, lock("b"))
    commit(root, lock("c"))
    git(root, "checkout", "-q", "main")
    commit(root, lock("d"))
    git(root, "merge", "-q", "-s", "ours", "-m", "Merge", "branch")
    assert reused(root, candidate("e")) == 5
    git(root, "branch", "-f", "closed")
    git(root, "checkout", "-q", "closed")
    commit(root, lock("f"))
    git(root, "checkout", "-q", "main")
    assert reused(root, candidate("e")) == 5, "a closed pull request is not in the history"


def test_locks_that_were_written_otherwise_count_too_and_broken_ones_do_not(root: Path) -> None:
    content = YAML(typ="safe", pure=True).load(lock("a"))
    commit(root, json.dumps(content))
    commit(root, "<<<<<<< main\n")
    commit(root, lock("b").replace("      hash: md5\n", ""))
    git(root, "rm", "-q", "dvc.lock")
    git(root, "commit", "-qm", "gone")
    assert reused(root, candidate("c")) == 3


def test_a_shallow_clone_does_not_know(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    commit(root, lock("a"))
    commit(root, lock("b"))
    shallow = tmp_path_factory.mktemp("shallow") / "clone"
    git(root, "clone", "-q", "--depth", "1", f"file://{root}", str(shallow))
    assert reused(shallow, candidate("c")) is None
    git(shallow, "fetch", "-q", "--unshallow")
    assert reused(shallow, candidate("c")) == 3


def test_five_thousand_commits_are_counted_in_seconds(root: Path) -> None:
    """A fast-import stream: what takes the time is the count, not the making."""
    stream = []
    for number in range(5000):
        text = lock(f"m{number}")
        stream.append(
            f"commit refs/heads/many\ncommitter Ada <ada@example.org> {number} +0000\ndata 1\nx\n"
            f"M 100644 inline dvc.lock\ndata {len(text)}\n{text}\n"
        )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input="".join(stream), text=True, check=True)
    git(root, "checkout", "-q", "many")
    started = time.monotonic()
    assert reused(root, candidate("me")) == 5001
    assert time.monotonic() - started < 20


# ---------------------------------------------------------------- the check


def worn(limit: int | None, count: int | None, **more: Any) -> Evidence:
    return judged.evidence(policy={"reuse": {"limit": limit, **more}}, reused=count)


@pytest.mark.parametrize(
    ("limit", "count", "outcome", "overall"),
    [
        (None, 100, None, "pass"),
        (3, 3, "pass", "pass"),
        (3, 4, "fail", "needs-human"),
        (3, None, "unknown", "needs-human"),
    ],
)
def test_past_the_limit_a_person_is_asked(
    limit: int | None, count: int | None, outcome: str | None, overall: str
) -> None:
    verdict = judge(worn(limit, count))
    found = [one for one in verdict.checks if one.id == "reuse"]
    assert [one.outcome for one in found] == ([] if outcome is None else [outcome])
    assert verdict.overall == overall
    if outcome == "fail":
        assert "judged 4 models, this one included; policy.yaml allows 3" in found[0].reason
        assert "data.split in params.yaml" in found[0].reason and "gold" in found[0].reason
        assert summary.short(found[0]) == "its test rows have judged too many models"
        assert "gold set" in summary.step(found[0])
    if outcome == "unknown":
        assert "fetch-depth: 0" in found[0].reason


def test_the_severity_is_the_policys() -> None:
    assert judge(worn(1, 2, severity="block")).overall == "block"
    assert judge(worn(1, 2, severity="note")).overall == "pass"


def test_the_judge_counts_in_the_history_of_what_was_built(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    (folders.base / "policy.yaml").write_text("version: 1\nenvironments: [production]\nreuse: {limit: 1}\n")
    folders.write()
    rows = folders.objects[ROWS].decode("latin-1")
    git(folders.head, "init", "-q", "-b", "main")
    text = lock("another").replace(md5(b"rows"), md5(rows.encode("latin-1")))
    commit(folders.head, text)
    evidence = gather(
        folders.candidate, folders.scores, base=folders.base, head=folders.head, today=date(2026, 11, 1), **folders.digests
    )  # fmt: skip
    assert evidence.reused == 2 and judge(evidence).overall == "needs-human"
