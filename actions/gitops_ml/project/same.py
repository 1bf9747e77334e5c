"""Builds a revision once more on this machine: does it give the bytes that CI recorded, or at least its predictions?"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.build import predicting
from gitops_ml.build import run as building
from gitops_ml.build.again import cloned, compared, lay_inputs, rebuilt
from gitops_ml.build.environment import python_of
from gitops_ml.build.further import without_target
from gitops_ml.build.released import MODEL
from gitops_ml.build.seal import TEST_ROWS, TRAINING, sha256_of
from gitops_ml.build.trees import Side, commit_of, related
from gitops_ml.build.workshop import fresh
from gitops_ml.delivery import releases, tree
from gitops_ml.errors import Fault
from gitops_ml.storage.cache import cache_folder

TOLERANCE = 1e-9
"""Scores of one model differ by less than this between two processors; more is another model."""
INSTALL = ("uv", "sync", "--quiet")
ENVIRONMENT = ("pyproject.toml", "uv.lock")
Pull = Callable[..., object]


@dataclass(frozen=True)
class Gap:
    """What two models say of the same ``rows``: the largest difference of a score, and how many decisions differ."""

    rows: int
    largest: float
    changed: int

    @property
    def none(self) -> bool:
        """Whether it is rounding, and nothing else."""
        return self.largest <= TOLERANCE and not self.changed


def check(
    root: Path,
    revision: str = "HEAD",
    *,
    pull: Pull | None = None,
    install: Sequence[str] | None = None,
    say: Callable[[str], None] = print,
) -> str:
    """Run every stage of a revision (a commit, or a version such as v1.0.0) in a clean folder; one line that it fits.

    Other bytes are well if both models predict the test rows alike. Raises :class:`Fault`, with the first stage that
    differs, where they do not. ``install``: what makes the environment of a revision that asks for another than is here.
    """
    commit = named(root, revision)
    short, pull = commit[:12], pull or building._storage_pull
    with fresh("gitops-ml-same-") as scratch, cloned(root, commit, scratch / "tree") as project:
        lock = locks.read(project)
        if not lock:
            raise Fault(f"{short} has no dvc.lock: CI has built nothing of it that could be compared.")
        python = _python(root, project, commit, install)
        stages = building.every_stage(project)
        _inputs(root, project, commit, lock, stages, pull)
        second = rebuilt(
            project, stages, python, lambda at, which, env: building._run(at, which, python, env, False, say)
        )
        differs = {name: outs for name, outs in compared(lock, second, stages).items() if outs}
        if not differs:
            return f"same bytes: {len(stages)} stages of {short} give here what dvc.lock names"
        first = next(iter(differs))
        where = f"stage {first} gives other bytes here: {', '.join(differs[first][:5])}"
        gap = _gap(root, project, commit, lock, python, scratch, pull)
        if gap.none:
            found = (
                f"largest difference {gap.largest:.0e}, no decision changed"
                if gap.largest
                else "to the last digit"
            )
            return f"other bytes, and the same predictions of {gap.rows:,} test rows ({found}): {where}"
        platform = _platforms(_stored(root, lock, TRAINING), project / TRAINING)
        raise Fault(
            f"{where}. And its model predicts otherwise: {gap.changed:,} of {gap.rows:,} decisions changed, largest difference of a "
            f"score {gap.largest:.2g}.{platform}\n  Look in {first} for a clock, a seed that is not fixed, an order of files or "
            "threads; compare the environment: uv sync --frozen"
        )


def named(root: Path, revision: str) -> str:
    """The commit of a revision, or of a version by its tag. Raises :class:`Fault`."""
    try:
        numbers = releases.numbers(revision)
    except ValueError:
        return commit_of(root, revision)
    model = tree.model_name(root, "HEAD")
    return commit_of(root, f"refs/tags/{releases.tag_of(model, 'v' + '.'.join(map(str, numbers)))}")


def compare(ours: Path, theirs: Path) -> Gap:
    """Two tables of predictions of the same rows (the score contract). Raises :class:`Fault` where they have other columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    left, right = pq.read_table(ours), pq.read_table(theirs)
    if left.column_names != right.column_names or left.num_rows != right.num_rows:
        raise Fault(
            "the two models answer in other columns, or other numbers of rows: they cannot be compared."
        )
    largest, changed = 0.0, 0
    for name in left.column_names:
        if name.startswith("score_") or (name == "prediction" and pa.types.is_floating(left[name].type)):
            one, other = (table[name].to_numpy().astype("float64") for table in (left, right))
            unknown = np.isnan(one) & np.isnan(other)
            apart = np.where(unknown, 0.0, np.abs(one - other))
            largest = max(largest, float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0)))
        elif name == "prediction":
            changed = sum(
                a != b for a, b in zip(left[name].to_pylist(), right[name].to_pylist(), strict=True)
            )
    return Gap(left.num_rows, largest, changed)


def _python(root: Path, project: Path, commit: str, install: Sequence[str] | None) -> str:
    """This project's own environment, if the revision asks for the same; else one made as its lock says."""
    if shell.ask_git(root, "diff", "--quiet", commit, "--", *ENVIRONMENT) is not None:
        return python_of(root)
    frozen = ["--frozen"] if (project / "uv.lock").is_file() else []
    return predicting.install_for(
        project, [*INSTALL, *frozen] if install is None else install, predicting.SECONDS
    )


def _inputs(
    root: Path, project: Path, commit: str, lock: locks.Lock, stages: Sequence[str], pull: Pull
) -> None:
    """The tables that the stages read, from this machine's cache or from the storage. Raises :class:`Fault`."""
    read = {dep for name in stages if name in lock for dep in lock[name].deps}
    tables = [path for path in Side(root, commit).tables if path in read or related(path, list(read))]
    if tables:
        pull(root, tables, revision=commit, checkout=False)
    lacking = lay_inputs(project, lock, stages, cache_folder(root), root)
    if lacking:
        raise Fault(f"{lacking[0]} is neither in git nor in the storage, so nothing can be built from it.")


def _gap(
    root: Path, project: Path, commit: str, lock: locks.Lock, python: str, scratch: Path, pull: Pull
) -> Gap:
    """CI's model and this machine's, asked about CI's test rows, both by the revision's code."""
    pull(root, [MODEL, TEST_ROWS, TRAINING], revision=commit, checkout=False)
    models = {"ours": scratch / "ours" / "model.skops", "theirs": scratch / "theirs" / "model.skops"}
    for path, source in zip(models.values(), (project / MODEL, _stored(root, lock, MODEL)), strict=True):
        path.parent.mkdir()
        shutil.copyfile(source, path)
    rows = scratch / "rows.parquet"
    count = without_target(_stored(root, lock, TEST_ROWS), rows, [project])
    there = os.pathsep.join(filter(None, [str(project / "src"), os.environ.get("PYTHONPATH")]))
    for who, model in models.items():
        predicting.predict(
            project, python, model, sha256_of(model), rows, count, scratch / f"{who}.parquet", commit, predicting.SECONDS,
            {"PYTHONPATH": there},
        )  # fmt: skip
    return compare(scratch / "ours.parquet", scratch / "theirs.parquet")


def _stored(root: Path, lock: locks.Lock, path: str) -> Path:
    """Where this machine's cache holds what the lock names at a path. Raises :class:`Fault`."""
    md5 = locks.producers(lock).get(path)
    if md5 is None:
        raise Fault(f"no stage in dvc.lock makes {path}, so CI's predictions cannot be compared.")
    return cache_folder(root) / "files" / "md5" / md5[:2] / md5[2:]


def _platforms(theirs: Path, ours: Path) -> str:
    """In what the two platforms differ, as both models' training.json say; empty where they do not."""
    said: list[dict[str, Any]] = []
    with contextlib.suppress(OSError, ValueError, KeyError):
        said = [json.loads(path.read_text("utf-8"))["platform"] for path in (theirs, ours)]
    if len(said) != 2:
        return ""
    names = ("system", "machine", "cpu", "blas", "python")
    other = [
        f"{n}: {said[0].get(n)}, here {said[1].get(n)}" for n in names if said[0].get(n) != said[1].get(n)
    ]
    return f"\n  CI's platform is another ({'; '.join(other)})." if other else ""
