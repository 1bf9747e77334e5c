"""`reproduce --check`: the same bytes, other bytes with the same predictions, and other predictions, with the stage that is named."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from tests.suite.pipelines import git
from tests.suite.test_again import SCORED, SEEDED
from tests.suite.test_build_run import filled, made
from tests.suite.test_build_world import World, commit, edit, head, paths, world  # noqa: F401 - fixtures

from gitops_ml.build import run
from gitops_ml.errors import Fault
from gitops_ml.project import same
from gitops_ml.project.reproduce import reproduce

SAID = "[model.decode()] * table.num_rows})"


def quiet(_: str) -> None:
    """Nobody listens."""


def answers(root: Path, score: str) -> dict[str, Any]:
    """A score command that reads the model's text as ``score`` says."""
    return edit(
        root,
        "src/churn/score.py",
        SAID,
        f"['yes'] * table.num_rows, 'score_yes': [{score}] * table.num_rows}})",
    )


def drawn(root: Path) -> dict[str, Any]:
    """A model whose bytes are others on every run."""
    random = 'if stage == "train": model += b" " + os.urandom(8).hex().encode()\n'
    return edit(root, "make.py", SEEDED, SEEDED + random + SCORED)


@pytest.fixture
def recorded(world: World, head: Path, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Any]:
    """A random train stage, built by CI and committed; how CI's bytes are pulled."""
    commit(head, {**drawn(head), **answers(head, request.param)})
    made(world, head, tmp_path / "c", stages=["train"])
    git(head, "commit", "-qam", "Built by CI")
    return head, filled(world, tmp_path / "c")


def test_the_same_bytes(world: World, head: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = git(head, "status", "--porcelain")
    monkeypatch.setattr(run, "_storage_pull", world.pull)
    monkeypatch.chdir(head)
    answer = CliRunner().invoke(reproduce, ["--check"])
    assert answer.exit_code == 0, answer.output
    last = answer.output.splitlines()[-1]
    assert (
        last == f"same bytes: 4 stages of {git(head, 'rev-parse', 'HEAD')[:12]} give here what dvc.lock names"
    )
    assert git(head, "status", "--porcelain") == before and git(head, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize("recorded", ["0.25 + int(model[-2:], 16) * 1e-13"], indirect=True)
def test_other_bytes_with_the_same_predictions_are_said(recorded: tuple[Path, Any]) -> None:
    root, pull = recorded
    line = same.check(root, pull=pull, say=quiet)
    assert line.startswith("other bytes, and the same predictions of 3 test rows (")
    assert "no decision changed" in line or "to the last digit" in line
    assert line.endswith("stage train gives other bytes here: models/model.skops, models/training.json")


@pytest.mark.parametrize("recorded", ["int(model[-16:], 16) / 16**16"], indirect=True)
def test_other_predictions_fail_and_name_the_stage(
    recorded: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, pull = recorded
    with pytest.raises(
        Fault, match=r"stage train gives other bytes here: models/model\.skops.*largest difference"
    ):
        same.check(root, "HEAD", pull=pull, say=quiet)
    monkeypatch.setattr(run, "_storage_pull", pull)
    monkeypatch.chdir(root)
    answer = CliRunner().invoke(reproduce, ["--check", "HEAD"])
    assert answer.exit_code == 1 and isinstance(answer.exception, Fault)


def test_a_commit_of_long_ago_and_a_version_are_built_from_their_own_files(
    world: World, head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = git(head, "rev-parse", "HEAD")
    git(head, "tag", "churn@v1.0.0")
    text = '[project]\nname = "churn"\ndependencies = []\n'
    commit(
        head, {**edit(head, "make.py", SEEDED, "raise SystemExit('newer code')\n"), "pyproject.toml": text}
    )
    asked: list[Path] = []
    monkeypatch.setattr(
        "gitops_ml.build.predicting.install_for",
        lambda project, install, seconds: (asked.append(project), sys.executable)[1],
    )
    line = same.check(head, "v1.0.0", pull=world.pull, say=quiet)
    assert line == f"same bytes: 4 stages of {old[:12]} give here what dvc.lock names"
    assert len(asked) == 1 and asked[0] != head, "its libraries are others than those that are here"
    with pytest.raises(Fault, match="newer code"):
        same.check(head, "HEAD", pull=world.pull, say=quiet)
    with pytest.raises(Fault, match=r"churn@v9\.0\.0"):
        same.check(head, "9.0.0", pull=world.pull, say=quiet)


def test_a_table_that_nobody_has_is_named(world: World, head: Path, tmp_path: Path) -> None:
    nothing = World(world.origin, tmp_path / "none", world.source)
    with pytest.raises(Fault, match=r"data/raw/churn\.csv"):
        same.check(head, pull=nothing.pull, say=quiet)


@pytest.mark.parametrize(
    ("ours", "theirs", "none"),
    [
        ({"score_a": [0.5, 0.25]}, {"score_a": [0.5, 0.25 + 3e-16]}, True),
        ({"score_a": [0.5, 0.25]}, {"score_a": [0.5, 0.25 + 2e-9]}, False),
        ({"prediction": ["a", "b"]}, {"prediction": ["a", "a"]}, False),
        ({"prediction": [1.0, 2.0]}, {"prediction": [1.0, 2.0 + 1e-12]}, True),
        ({"prediction": [1.0, 2.0]}, {"prediction": [1.0, 2.1]}, False),
        ({"score_a": [float("nan"), 0.5]}, {"score_a": [float("nan"), 0.5]}, True),
        ({"score_a": [float("nan"), 0.5]}, {"score_a": [0.1, 0.5]}, False),
    ],
)
def test_rounding_is_no_difference_and_a_decision_is(
    tmp_path: Path, ours: dict[str, list[Any]], theirs: dict[str, list[Any]], none: bool
) -> None:
    for name, content in (("ours", ours), ("theirs", theirs)):
        pd.DataFrame(content).to_parquet(tmp_path / name, index=False)
    assert same.compare(tmp_path / "ours", tmp_path / "theirs").none is none


def test_other_columns_cannot_be_compared(tmp_path: Path) -> None:
    pd.DataFrame({"score_a": [0.1]}).to_parquet(tmp_path / "ours", index=False)
    pd.DataFrame({"score_b": [0.1]}).to_parquet(tmp_path / "theirs", index=False)
    with pytest.raises(Fault, match="cannot be compared"):
        same.compare(tmp_path / "ours", tmp_path / "theirs")
