"""The second build: the same commit in a clean folder of its own, nothing of the first one reused; stage by stage, same bytes?"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.build.derived import inside
from gitops_ml.build.environment import last_lines, scrubbed
from gitops_ml.build.trees import Side, related
from gitops_ml.build.workshop import apart, fresh
from gitops_ml.contracts.candidate import Again
from gitops_ml.errors import Fault

LABEL = "gitops-ml: reproduce"
"""Of a pull request whose author or reviewer wants its build made twice."""
Wanted = Callable[[str], bool]
"""Blob id of the built dvc.lock -> whether to build again."""
Run = Callable[[Path, Sequence[str], dict[str, str]], object]
"""Runs these stages in a folder, in an environment. Raises :class:`Fault`."""


def by_chance(share: float) -> Wanted:
    """Chosen by the blob id: a share of all locks, and of one lock always the same answer."""
    return lambda blob: int(blob[:13], 16) < share * 16**13


def twice(
    side: Side, cache: Path, ran: Sequence[str], python: str, run: Run, pull: Callable[..., object]
) -> Again:
    """Run the stages that ``ran`` in the folder of ``side`` once more elsewhere, and compare.

    ``cache``: DVC's, of the first build; ``pull`` brings tables that it lacks. A second build that fails is an answer, no
    :class:`Fault`.
    """
    head, first = side.root, locks.read(side.root)
    try:
        read = {dep for name in ran if name in first for dep in first[name].deps}
        tables = [path for path in side.tables if path in read or related(path, list(read))]
        lacking = [path for path in tables if not (head / path).exists()]
        if lacking:
            pull(head, lacking, checkout=False)
        with fresh("gitops-ml-again-") as scratch, cloned(head, "HEAD", scratch / "tree") as project:
            _overlay(head, project)
            lay_inputs(project, first, ran, cache, head)
            return Again(stages=compared(first, rebuilt(project, ran, python, run), ran))
    except (Fault, OSError) as wrong:
        return Again(stages={}, failed=last_lines(str(wrong), 8)[:2000])


def rebuilt(project: Path, stages: Sequence[str], python: str, run: Run) -> locks.Lock:
    """The lock after these stages ran in a clean folder, by its own code and with a cache of its own."""
    for path in (
        path for name, entry in locks.read(project).items() if name in stages for path in entry.outs
    ):
        _remove(project / path)
    with apart(project, True) as more:
        env = scrubbed(python) | more
        # An editable installation points to the first folder; this one's code must run.
        there = [str(project / "src"), *filter(None, [env.get("PYTHONPATH")])]
        run(project, stages, env | {"PYTHONPATH": os.pathsep.join(there)})
    return locks.read(project)


def compared(first: locks.Lock, second: locks.Lock, stages: Sequence[str]) -> dict[str, list[str]]:
    """Stage -> its outs whose bytes differ, or that only one of the two made."""
    found = {}
    for name in stages:
        old = first[name].outs if name in first else {}
        new = second[name].outs if name in second else {}
        paths = dict.fromkeys([*old, *new])
        found[name] = [
            path for path in paths if path not in old or path not in new or old[path].md5 != new[path].md5
        ]
    return found


@contextlib.contextmanager
def cloned(root: Path, revision: str, folder: Path) -> Iterator[Path]:
    """The project at a revision, in a repository of its own that shares the objects: git's files only."""
    top = shell.git(root, "rev-parse", "--show-toplevel")
    shell.git(root, "clone", "--quiet", "--shared", "--no-checkout", top, str(folder))
    quiet = ("-c", "advice.detachedHead=false", "-c", "core.hooksPath=/dev/null")
    commit = shell.git(root, "rev-parse", f"{revision}^{{commit}}")
    shell.git(folder, *quiet, "checkout", "--quiet", "--detach", commit)
    yield folder / (shell.ask_git(root, "rev-parse", "--show-prefix") or "")


def lay_inputs(
    project: Path, lock: locks.Lock, stages: Collection[str], cache: Path, beside: Path | None = None
) -> list[str]:
    """Put what these stages read, and neither git nor they themselves make, into the folder; what was not to be had.

    By md5 from ``cache``; a folder that DVC knows piece by piece only, from the checkout ``beside``.
    """
    made = {path for name in stages if name in lock for path in lock[name].outs}
    lacking = []
    for name in stages:
        for path, md5 in lock[name].deps.items() if name in lock else ():
            own = any(path == out or path.startswith(f"{out}/") for out in made)
            if own or not inside(path) or (project / path).exists():
                continue
            if not _lay(cache, md5, project / path) and not _copy(beside, path, project / path):
                lacking.append(path)
    return lacking


def _overlay(head: Path, project: Path) -> None:
    """What the folder ``head`` has changed since its commit: a merge, newer pointers, a laptop's own edits."""
    changed = shell.git(head, "diff", "--name-only", "-z", "--no-renames", "--relative", "HEAD", "--", ".")
    untracked = shell.git(head, "ls-files", "-z", "--others", "--exclude-standard", "--", ".")
    for path in filter(None, [*changed.split("\0"), *untracked.split("\0")]):
        source, target = head / path, project / path
        _remove(target)
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def _lay(cache: Path, md5: str, target: Path) -> bool:
    """An object of the cache as a file or folder; False where it is not whole."""
    stored = cache / "files" / "md5" / md5[:2] / md5[2:]
    if not md5 or not stored.is_file():
        return False
    if not md5.endswith(".dir"):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stored, target)
        return True
    entries = json.loads(stored.read_bytes())
    members = [(str(entry["md5"]), str(entry["relpath"])) for entry in entries]
    return all([inside(name) and _lay(cache, member, target / name) for member, name in members])


def _copy(beside: Path | None, path: str, target: Path) -> bool:
    source = None if beside is None else beside / path
    if source is None or not source.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
