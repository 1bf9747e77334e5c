"""Which rows are today's: a configured table or folder; else the newest version of the imported table; else there are none."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.build import pipeline as pipelines
from gitops_ml.build import update as updating
from gitops_ml.build.workshop import apart
from gitops_ml.contracts.drift import Watched
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.policy import Drift
from gitops_ml.drift import rows
from gitops_ml.errors import Fault

CONNECT = (
    "Connect one: put a table or a folder of Parquet, CSV or JSONL files into the project (git, `dvc add`, or "
    "`dvc import-url`), and name it in policy.yaml, under drift: {current: data/current}. Or import the training table "
    "itself: uv run dvc import-url URL data/raw/TABLE.csv"
)


@dataclass(frozen=True)
class Found:
    """``files`` hold today's rows; none of them: ``reason`` says why. ``exact``: they are what `prepare` would read."""

    files: list[Path]
    kind: str
    path: str
    exact: bool
    reason: str = ""

    def watched(self, count: int, used: int) -> Watched:
        return Watched.parse({"kind": self.kind, "path": self.path, "rows": count, "used": used}, "drift")


@contextlib.contextmanager
def scratch(root: Path, desk: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of HEAD's files in which DVC may fetch and write, and additions to DVC's environment."""
    tree = desk / "newest"
    shell.git(root, "worktree", "add", "--quiet", "--detach", "--force", str(tree), "HEAD")
    try:
        copy = tree / (shell.ask_git(root, "rev-parse", "--show-prefix") or "")
        local = root / ".dvc/config.local"
        if local.is_file():  # a login of the storage or of the source
            shutil.copy(local, copy / ".dvc/config.local")
        with apart(copy, True) as more:
            yield copy, more
    finally:
        shutil.rmtree(tree, ignore_errors=True)
        shell.ask_git(root, "worktree", "prune")


def find(
    root: Path,
    copy: Path,
    policy: Drift,
    trained_on: Mapping[str, str],
    python: str,
    env: Mapping[str, str],
    pull: Callable[..., object],
) -> Found:
    """Today's rows. ``trained_on``: table -> md5, as the serving model's lock names them.

    Raises :class:`Fault` where a source does not answer or bytes cannot be had: what is unknown then is not "no rows".
    """
    if policy.current is not None:
        return _configured(root, copy, policy.current, python, env, pull)
    table = ParamsFile.read(copy / "params.yaml").data.table
    pointer = f"{table}.dvc"
    if pointer not in updating.imports(copy):
        return Found([], "imported", table, True, f"Nothing to watch. {CONNECT}")
    newest = _newest(copy, pointer, python, env, pull)
    if trained_on.get(table) == newest:
        return Found(
            [], "imported", table, True,
            f"Nothing new to watch: the source of {table} has not moved since the serving model was built. Rows of "
            f"today can be watched besides it: policy.yaml, drift: {{current: data/current}}.",
        )  # fmt: skip
    return Found([copy / table], "imported", table, True)


def _configured(
    root: Path, copy: Path, path: str, python: str, env: Mapping[str, str], pull: Callable[..., object]
) -> Found:
    where = root / path
    if (copy / f"{path}.dvc").is_file():
        _newest(copy, f"{path}.dvc", python, env, pull)
        where = copy / path
    elif root.joinpath(path).resolve().is_relative_to(root.resolve()) is False:
        raise Fault(
            f"policy.yaml: drift.current is {path}, which leads out of the project. Name a path inside it."
        )
    found = rows.files(where)
    reason = ""
    if not found:
        what = "has no table in it" if where.is_dir() else "is not there"
        reason = f"Nothing to watch: {path}, which policy.yaml names under drift.current, {what}. {CONNECT}"
    return Found(found, "configured", path, False, reason)


def _newest(
    copy: Path, pointer: str, python: str, env: Mapping[str, str], pull: Callable[..., object]
) -> str:
    """Bring the newest version of what a ``.dvc`` file names into the copy; its md5."""
    path = pointer.removesuffix(".dvc")
    if updating.is_import(copy / pointer):
        updating.ask(copy, pointer, python, env)
    if not (copy / path).exists():  # the source has not moved: its bytes are in the storage
        pull(copy, [path])
    return pipelines.table((copy / pointer).read_text("utf-8"), pointer).get(path, "")


def tables_of(root: Path, revision: str) -> dict[str, str]:
    """Table -> md5 of what the stages of a revision read."""
    return {path: md5 for entry in locks.read(root, revision).values() for path, md5 in entry.deps.items()}
