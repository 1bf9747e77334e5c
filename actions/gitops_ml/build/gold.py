"""The gold set: which bytes the base branch names, whether a stage reads them, and how they reach the job that scores.

The judge does not fetch them: they travel in the folder of scores, and the md5 that the base branch names vouches for them.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.build import pipeline as pipelines
from gitops_ml.build.derived import inside, protected
from gitops_ml.build.environment import last_lines
from gitops_ml.build.rules import POLICY, rules_of
from gitops_ml.build.seal import read_plainly, sha256_of
from gitops_ml.build.workshop import fresh
from gitops_ml.contracts.scores import GoldTable
from gitops_ml.errors import Fault

NAME = "gold"
"""Under which its predictions stand among further rows."""
FILE = "gold.parquet"
"""Its copy in the folder of scores."""
Pull = Callable[..., object]


@dataclass(frozen=True)
class Brought:
    """The gold set on the desk of the score job; without ``file``, ``error`` says why it is not there."""

    table: str
    file: Path | None
    error: str | None = None

    def told(self, scores: Path) -> GoldTable:
        """Put the table beside the predictions; what the manifest says of it."""
        if self.file is None:
            return GoldTable(table=self.table, sha256=None, error=self.error)
        shutil.copy(self.file, scores / FILE)
        return GoldTable(table=self.table, sha256=sha256_of(scores / FILE), error=None)


def brought(head: Path, base: Path, desk: Path, pull: Pull) -> Brought | None:
    """The gold set that the judge's policy names, in the folder ``desk``; None: it names none."""
    revision, policy = rules_of(head, base)
    if policy is None or policy.gold.table is None:
        return None
    table, tree = policy.gold.table, desk / "gold-tree"
    try:
        shell.git(base, "worktree", "add", "--quiet", "--detach", "--force", str(tree), revision)
        project = tree / (shell.ask_git(base, "rev-parse", "--show-prefix") or "")
        md5 = named(project, table)
        if (project / f"{table}.dvc").is_file():
            pull(project, [table])
        content = read_plainly(project, table)
        found = md5_of(content)
        if found != md5:
            raise Fault(f"the storage gave other bytes (md5 {found}, not {md5}): gitops-ml storage verify")
        (desk / FILE).write_bytes(content)
        _readable(desk / FILE)
    except Fault as wrong:
        why = f"{table} of the base branch could not be had: {wrong}"
        return Brought(table, None, last_lines(why, 8)[:2000])
    finally:
        shutil.rmtree(tree, ignore_errors=True)
        shell.ask_git(base, "worktree", "prune")
    return Brought(table, desk / FILE)


def declared(root: Path, *revisions: str) -> set[str]:
    """The gold sets that policy.yaml of these revisions names, as far as it can be read: whoever judges says what is wrong."""
    from gitops_ml.delivery import tree

    found = set()
    for revision in revisions:
        with contextlib.suppress(Fault):
            content = tree.plain(root, revision, POLICY)
            rules = content.get("gold") if isinstance(content, dict) else None
            table = rules.get("table") if isinstance(rules, dict) else None
            found |= {table} if isinstance(table, str) and inside(table) else set()
    return found


def guarded(root: Path, revision: str, changed: Sequence[str]) -> list[str]:
    """Those of the changed paths that only reviewers may change: the rules, and the gold set that a revision's rules name."""
    tables = declared(root, revision)
    return [
        path for path in changed if protected(path) or path in tables or path.removesuffix(".dvc") in tables
    ]


@contextlib.contextmanager
def hidden(head: Path, tables: Collection[str]) -> Iterator[None]:
    """While stages run, the gold set is not in the folder: what a stage reads and does not declare, it does not find."""
    with fresh("gitops-ml-gold-") as aside:
        there = [path for path in (head / table for table in tables) if path.is_file() or path.is_symlink()]
        for number, path in enumerate(there):
            shutil.move(path, aside / str(number))
        try:
            yield
        finally:
            for number, path in enumerate(there):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                shutil.move(aside / str(number), path)


def named(base: Path, table: str) -> str:
    """md5 of the gold set as the folder ``base`` has it: what its .dvc file names, else that of the file in git.

    Raises :class:`Fault` where there is neither.
    """
    pointer = f"{table}.dvc"
    if (base / pointer).is_file():
        text = read_plainly(base, pointer).decode("utf-8", "replace")
        md5 = pipelines.table(text, pointer).get(table)
        if md5 is not None:
            return md5
    if not (base / table).is_file():
        raise Fault(
            f"policy.yaml names {table}, and the base branch has neither {pointer} nor the file in git. Add it in a "
            f"pull request of its own: dvc add {table}, git add {pointer}, gitops-ml storage push"
        )
    return md5_of(read_plainly(base, table))


def readers(
    lock: locks.Lock, pipeline: pipelines.Pipeline, table: str, md5: str, made: Mapping[str, str]
) -> list[str]:
    """Stages that read the table, a folder around it or a file of the same bytes, or that make such a file.

    ``made``: path -> md5 of every object of the candidate, what stands in folders included.
    """
    found = [name for name, entry in lock.items() if _reads(entry.deps, table) or md5 in entry.deps.values()]
    copies = [path for path, one in made.items() if one == md5]
    for name, entry in lock.items():
        outs = [path for path, out in entry.outs.items() if out.md5 == md5]
        if outs or any(path == out or path.startswith(f"{out}/") for path in copies for out in entry.outs):
            found.append(name)
    # What dvc.yaml says and the lock does not know: a frozen stage, whose entry is of another time.
    for name, stage in pipeline.items():
        body = stage.written.get("do", stage.written) if stage.family else stage.written
        deps = body.get("deps") or [] if isinstance(body, dict) else []
        if _reads({str(next(iter(one)) if isinstance(one, dict) else one) for one in deps}, table):
            found.append(name)
    return list(dict.fromkeys(found))


def _reads(deps: Collection[str], table: str) -> bool:
    return any(dep in (table, ".") or table.startswith(f"{dep.rstrip('/')}/") for dep in deps)


def md5_of(content: bytes) -> str:
    """As DVC computes it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _readable(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.ParquetFile(path).metadata.num_rows
    except (pa.ArrowException, OSError) as wrong:
        raise Fault(f"it is not Parquet: {wrong}") from None
    if not rows:
        raise Fault("it has no rows")
