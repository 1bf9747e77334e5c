"""What `gitops-ml unpack` puts into a checkout besides the candidate: tables under DVC, which no stage had to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.suite import test_storage_git as stock
from tests.suite.pipelines import git
from tests.suite.test_storage_git import root

from gitops_ml import storage
from gitops_ml.build import unpack as module
from gitops_ml.build.unpack import absent_tables, unpack

__all__ = ["root"]  # the fixture

ROWS = b"a,b\n1,2\n"
POINTER = f"outs:\n- md5: {stock.md5_of(ROWS)}\n  size: {len(ROWS)}\n  hash: md5\n  path: rows.csv\n"


@pytest.fixture
def project(root: Path) -> Path:
    """A project whose table lies in the store of its repository, and nowhere else."""
    (root / "data/raw").mkdir(parents=True)
    (root / "data/raw/rows.csv.dvc").write_text(POINTER, "utf-8")
    stock.keep(root, ROWS)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "A table")
    storage.push(root, stock.STORE)
    stock.forget_cache(root)
    return root


def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(module, "place", lambda root, candidate, digest: 3)
    done = CliRunner().invoke(unpack, ["--head", str(project), "--digest", "0" * 64], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_table_that_no_stage_read_is_fetched(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert absent_tables(project) == ["data/raw/rows.csv"]
    run(project, monkeypatch)
    assert (project / "data/raw/rows.csv").read_bytes() == ROWS
    assert absent_tables(project) == []


def test_a_table_that_the_candidate_brought_stays(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "data/raw/rows.csv").write_bytes(b"newer")
    assert "pulled" not in run(project, monkeypatch)
    assert (project / "data/raw/rows.csv").read_bytes() == b"newer"


def test_a_table_that_is_lost_is_named_and_stops_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(project, "push", "-q", "origin", f":{stock.STORE}")
    assert "left out  data/raw/rows.csv" in run(project, monkeypatch)
    assert not (project / "data/raw/rows.csv").exists()
