"""The recipe, trained on a shuffled target: honest training learns nothing, training that reads elsewhere is caught."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.suite.judged import Folders, md5, parquet
from tests.suite.pipelines import git
from tests.suite.test_build_score import NONE, Named, candidate, head, ready, scored  # noqa: F401 - fixtures
from tests.suite.test_build_world import World, commit, paths, world  # noqa: F401 - fixtures

from gitops_ml.build.predicting import execute
from gitops_ml.build.sealed import opened
from gitops_ml.build.shuffled import Asked, asked, shuffled
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.scores import Scored, Shuffled

TRAIN = """\
import json, sys
from pathlib import Path
import pyarrow.parquet as pq

if Path("broken").exists():
    sys.exit("not today")
rows = pq.read_table(sys.argv[1]).to_pydict()
assert not Path("models/model.skops").exists(), "the model of before is still there"
Path("models").mkdir(exist_ok=True)
Path("models/model.skops").write_text(json.dumps(rows["churned"]))
Path("models/training.json").write_text("{}")
"""
SEEN = "data/prepared/train.parquet"


class Bench:
    """A candidate whose training is the few lines above, and the checkout that it was built from."""

    def __init__(self, root: Path, reads: str = SEEN) -> None:
        self.folders, self.reads, self.root = Folders(root), reads, root
        folders = self.folders
        n = 40
        self.labels = ["yes" if k % 3 == 0 else "no" for k in range(n)]
        table = pa.table({"tenure": list(range(n)), "churned": self.labels})
        folders.objects[SEEN] = parquet(table.replace_schema_metadata({b"made": b"by prepare"}))
        (folders.head / "train.py").write_text(TRAIN)
        (folders.head / "other.parquet").write_bytes(parquet(table))
        (folders.head / "schema.yaml").write_bytes(folders.people["schema.yaml"])
        git(folders.head, "init", "-q", "-b", "main")
        git(folders.head, "add", "-A")
        git(folders.head, "commit", "-qm", "x")
        (folders.head / "notes.txt").write_text("never committed")

    def lock(self, deps: tuple[str, ...] = (SEEN,)) -> dict[str, object]:
        lock = self.folders.lock()
        outs = {out["path"]: out for out in lock["stages"]["all"]["outs"]}
        made = [outs.pop(path) for path in ("models/model.skops", "models/training.json")]
        reads = [{"path": p, "hash": "md5", "md5": md5(self.folders.objects[p]), "size": 1} for p in deps]
        train = {
            "cmd": [f"{sys.executable} train.py {self.reads}", "test -f models/training.json"],
            "deps": reads,
            "outs": made,
        }
        rest = {**lock["stages"]["all"], "outs": list(outs.values())}
        return {"schema": "2.0", "stages": {"prepare": rest, "train": train}}

    def run(self, runs: int = 3, deps: tuple[str, ...] = (SEEN,)) -> Shuffled:
        self.folders.write(self.lock(deps))
        sealed: Candidate = opened(self.folders.candidate)
        desk = self.root / "desk"
        desk.mkdir()

        def ask(model: Path, sha256: str, output: Path) -> Scored:
            output.write_bytes(model.read_bytes())
            digest = hashlib.sha256(output.read_bytes()).hexdigest()
            return Scored(
                file=output.name, sha256=digest, model_sha256=sha256, revision="c" * 40, rows=1, seconds=0
            )

        made = shuffled(
            Asked(5, runs),
            self.folders.candidate,
            sealed,
            self.folders.head,
            desk,
            self.root,
            sys.executable,
            ask,
            execute,
            60,
        )
        assert made is not None
        return made

    def learnt(self, made: Shuffled) -> list[list[str]]:
        return [json.loads((self.root / one.file).read_text()) for one in made.scored]


def test_each_run_learns_the_targets_of_other_rows(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    made = bench.run()
    assert made.error is None and made.seed == 5
    seen = bench.learnt(made)
    assert len(seen) == 3 and len({tuple(one) for one in [*seen, bench.labels]}) == 4
    assert all(Counter(one) == Counter(bench.labels) for one in seen)
    again = Bench(_folder(tmp_path / "again"))
    assert again.learnt(again.run()) == seen, "seeded"
    copy = pq.read_table(tmp_path / "desk/shuffled" / SEEN)
    assert copy.schema.metadata == {b"made": b"by prepare"} and copy["tenure"].to_pylist() == list(range(40))
    assert not (tmp_path / "desk/shuffled/notes.txt").exists()
    assert git(bench.folders.head, "status", "--porcelain") == "?? notes.txt", "the checkout is as it was"


def test_training_that_reads_the_answer_elsewhere_learns_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, reads="other.parquet")
    assert bench.learnt(bench.run()) == [bench.labels] * 3


def test_what_keeps_it_from_training_is_written_down(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (bench.folders.head / "broken").touch()
    git(bench.folders.head, "add", "broken")
    made = bench.run()
    assert made.scored == [] and "status 1" in (made.error or "") and "not today" in (made.error or "")
    other = Bench(_folder(tmp_path / "other"))
    made = other.run(deps=("data/prepared/test.parquet",))
    assert "does not read data/prepared/train.parquet" in (made.error or "")


def test_nobody_trains_where_nobody_asks(tmp_path: Path) -> None:
    nothing = Path()
    bench = Bench(tmp_path)
    sealed = opened(bench.folders.write(bench.lock()).candidate)
    assert shuffled(None, nothing, sealed, nothing, nothing, nothing, "", lambda: None, execute, 1) is None  # type: ignore[arg-type, return-value]


# ---------------------------------------------------------------- who asks


ASKS = "version: 1\nenvironments: [production]\nleakage: {shuffled_target: true, seed: %d}\nquality: {level: %s}\n"
PLAIN = "version: 1\nenvironments: [production]\n"


def test_the_policy_that_judges_is_the_one_that_asks(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    assert asked_after(tmp_path, PLAIN) is None
    (tmp_path / "dvc.lock").write_text("{}")
    first = asked_after(tmp_path, ASKS % (3, 0.95))
    assert first == Asked(3, 5)
    here = git(tmp_path, "rev-parse", "HEAD")
    assert asked(tmp_path, here) == Asked(3, 5), "as a fresh start, by the policy that stands there"
    (tmp_path / "dvc.lock").write_text("{ }")
    assert asked_after(tmp_path, PLAIN) is None
    here = git(tmp_path, "rev-parse", "HEAD")
    assert asked(tmp_path, here) == Asked(3, 5), "as a release, by the policy before the merge"
    (tmp_path / "dvc.lock").write_text("{  }")
    assert asked_after(tmp_path, ASKS % (1, 0.99)) == Asked(1, 7)


def asked_after(root: Path, policy: str) -> Asked | None:
    (root / "policy.yaml").write_text(policy)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    return asked(root, "f" * 40)


@pytest.mark.usefixtures("paths")
def test_score_writes_down_what_the_policy_asked_for(
    world: World, head: Path, candidate: Path, tmp_path: Path
) -> None:
    base = world.clone(candidate.parent / "base")
    commit(base, {"policy.yaml": ASKS % (0, 0.95)})
    found = scored(
        world,
        head,
        candidate,
        Named("v1.0.0", git(world.origin, "rev-parse", "HEAD"), hashlib.sha256(b"model 7").hexdigest()),
    ).scores
    # The training rows of this world are no Parquet: it is told, and nothing else stops.
    assert found.shuffled is not None and found.shuffled.scored == []
    assert "no target that could be shuffled" in (found.shuffled.error or "")
    assert found.champion is not None and found.champion.scored is not None


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
