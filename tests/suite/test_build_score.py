"""Both models predict: what is written down, what is refused, what the project's code does not see."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.suite import runs
from tests.suite.pipelines import git
from tests.suite.test_build_run import made
from tests.suite.test_build_world import World, commit, edit, paths, world  # noqa: F401 - fixtures

from gitops_ml.build import predicting, run, score_command
from gitops_ml.build import score as scoring
from gitops_ml.build.score import Result, score
from gitops_ml.contracts.scores import Scores
from gitops_ml.errors import Fault


@dataclass(frozen=True)
class Named:
    version: str
    revision: str
    sha256: str


OLD = hashlib.sha256(b"model 7").hexdigest()
NONE: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def ready(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next model, built once on a branch; main's is released."""
    folder = tmp_path_factory.mktemp("ready")
    root = world.clone(folder / "head")
    commit(root, edit(root, "params.yaml", "seed: 7", "seed: 8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(runs.ACTIONS))
        made(world, root, folder / "candidate", stages=["train"])
    return folder


@pytest.fixture
def head(ready: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready / "head", tmp_path / "head", symlinks=True))


@pytest.fixture
def candidate(ready: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready / "candidate", tmp_path / "candidate"))


def scored(world: World, head: Path, candidate: Path, champion: Any = ..., **more: Any) -> Result:
    base = candidate.parent / "base"
    if not base.exists():
        world.clone(base)
    if champion is ...:
        champion = Named("v1.0.0", git(base, "rev-parse", "HEAD"), OLD)
    given = {
        "find": lambda root, revision: champion,
        "pull": world.pull,
        "install": NONE,
        "python": sys.executable,
    }
    return score(
        candidate, head, base, candidate.parent / "scores", say=lambda text: None, **{**given, **more}
    )


def test_each_model_is_scored_by_its_own_revision_without_the_target(
    world: World, head: Path, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The champion's code is the tagged commit's: what the branch does to score.py is the challenger's business.
    commit(head, edit(head, "src/churn/score.py", "model.decode()", "'new ' + model.decode()"))
    digest = hashlib.sha256((candidate / "manifest.json").read_bytes()).hexdigest()
    result = scored(world, head, candidate, digest=digest)
    scores, folder = result.scores, candidate.parent / "scores"
    assert scores.champion is not None and scores.champion.scored is not None
    assert pq.read_table(folder / "challenger.parquet").to_pydict() == {"prediction": ["new model 8"] * 3}
    assert pq.read_table(folder / "champion.parquet").to_pydict() == {"prediction": ["model 7"] * 3}
    assert scores.challenger.model_sha256 == hashlib.sha256(b"model 8").hexdigest()
    assert scores.champion.scored.revision == git(world.origin, "rev-parse", "HEAD")
    assert scores.candidate == digest
    for side in (scores.challenger, scores.champion.scored):
        assert hashlib.sha256((folder / side.file).read_bytes()).hexdigest() == side.sha256
    assert Scores.read(folder / "manifest.json") == scores
    assert result.digest == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert git(candidate.parent / "base", "worktree", "list").count("\n") == 0
    assert list(candidate.parent.glob(".scores*")) == []


def test_both_predict_further_rows_and_what_keeps_one_from_it_is_written_down(
    world: World, head: Path, candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tmp_path / "today.parquet"
    pq.write_table(
        pa.table({"tenure": [1, 2, 3, 4], "contract": ["monthly"] * 4, "churned": ["no"] * 4}), rows
    )
    keep = np.array([True, False, True, False])
    monkeypatch.setattr("gitops_ml.build.held_out.held_out", lambda *_: keep)
    (also,) = scored(world, head, candidate, also={"current": rows}).scores.also
    assert (also.name, also.rows, also.left_out, also.error) == ("current", 2, 2, None)
    assert also.source == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert also.challenger is not None and also.champion is not None
    said = {
        who.file: pq.read_table(tmp_path / "scores" / who.file) for who in (also.challenger, also.champion)
    }
    assert [table["prediction"].to_pylist() for table in said.values()] == [["model 8"] * 2, ["model 7"] * 2]

    keep[:] = False
    (also,) = scored(world, head, candidate, also={"current": rows}).scores.also
    assert (also.rows, also.challenger) == (0, None) and "trained on all of these rows" in (also.error or "")

    keep[:] = True
    text = "if len(table) == 4: sys.exit('cannot read these')\nif \"churned\" in"
    commit(head, edit(head, "src/churn/score.py", 'if "churned" in', text))
    (also,) = scored(world, head, candidate, also={"current": rows}).scores.also
    assert also.challenger is None and also.champion is not None, "no more than a note: the verdict stands"
    assert "the challenger:" in (also.error or "") and "cannot read these" in (also.error or "")


def test_a_first_model_has_no_champion(world: World, head: Path, candidate: Path) -> None:
    assert scored(world, head, candidate, None).scores.champion is None


@pytest.mark.parametrize("case", ["bytes", "missing", "commit", "install", "code", "slow"])
def test_a_champion_that_cannot_be_scored_is_written_down(
    world: World, head: Path, candidate: Path, tmp_path: Path, case: str
) -> None:
    revision, sha256, more, words = git(world.origin, "rev-parse", "HEAD"), OLD, {}, ""
    if case == "bytes":
        sha256, words = "0" * 64, "are not in the storage"
    elif case == "missing":
        more, words = {"pull": World(world.origin, tmp_path / "none", world.source).pull}, "not in the store"
    elif case == "commit":
        revision, words = "0" * 40, "fetch-depth: 0"
    elif case == "install":
        more, words = {"install": [sys.executable, "-c", "raise SystemExit('no network')"]}, "no network"
    else:
        broken = world.clone(tmp_path / "base")
        text = (
            "raise SystemExit('cannot read these rows')" if case == "code" else "import time; time.sleep(60)"
        )
        revision = commit(broken, {"src/churn/score.py": text})
        words = "cannot read these rows" if case == "code" else "did not end within"
        more = {"seconds": 10.0} if case == "slow" else {}
    found = scored(world, head, candidate, Named("v1.0.0", revision, sha256), **more).scores
    assert found.champion is not None and found.champion.scored is None
    assert words in (found.champion.error or "")
    assert not (candidate.parent / "scores/champion.parquet").exists()
    assert found.challenger.rows == 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("parser =", "sys.exit('out of memory')\nparser =", "out of memory"),
        ("* table.num_rows", "* 2", "2 rows of 3"),
        ('{"prediction"', '{"guess"', "no column `prediction`"),
        ("pq.write_table(pa", "print(pa", "wrote no predictions"),
    ],
)
def test_a_challenger_that_cannot_be_scored_ends_the_job(
    world: World, head: Path, candidate: Path, old: str, new: str, words: str
) -> None:
    commit(head, edit(head, "src/churn/score.py", old, new))
    with pytest.raises(Fault, match="cannot be judged") as fault:
        scored(world, head, candidate, None)
    assert words in str(fault.value)
    assert not (candidate.parent / "scores").exists()


def test_code_that_touches_the_other_side_is_caught(world: World, head: Path, candidate: Path) -> None:
    spoil = "for p in Path(given.output).parent.glob('champion*'): p.write_bytes(b'')\npq.write_table("
    commit(head, edit(head, "src/churn/score.py", "pq.write_table(", spoil))
    with pytest.raises(Fault, match="champion's predictions changed"):
        scored(world, head, candidate)


def test_a_swapped_candidate_is_not_scored(world: World, head: Path, candidate: Path) -> None:
    with pytest.raises(Fault, match="swapped"):
        scored(world, head, candidate, None, digest="0" * 64)


def test_a_package_name_is_a_name(head: Path) -> None:
    commit(head, edit(head, ".gitops-ml.yaml", "package_name: churn", "package_name: os;x"))
    with pytest.raises(Fault, match="no Python package"):
        predicting.package(head)


def test_the_verb(
    world: World, head: Path, candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setattr(scoring, "_find", lambda *_: Named("v1.0.0", "0" * 40, OLD))
    monkeypatch.setattr(run, "_storage_pull", world.pull)
    shutil.rmtree(tmp_path / "scores", ignore_errors=True)
    arguments = ["--candidate", str(candidate), "--head", str(head), "--out", str(tmp_path / "scores")]
    done = CliRunner().invoke(score_command.score, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "champion   v1.0.0 could not be scored" in done.output
    digest = hashlib.sha256((tmp_path / "scores/manifest.json").read_bytes()).hexdigest()
    assert (tmp_path / "out").read_text() == f"digest={digest}\n"
