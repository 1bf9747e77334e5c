"""Where a dvc.lock can be found: the workspace, HEAD, experiment refs, history. A place hands out the files beside it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell

# refs/exps/<2 hex>/<38 hex>/<name> is an experiment that ran, queued or not. What else is under refs/exps (stash,
# celery, exec, temp) is DVC's own bookkeeping: no lock with results is in it.
EXPERIMENT = re.compile(r"^refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(?P<name>.+)$")


@dataclass(frozen=True)
class Place:
    """One place. ``commit`` is None for the workspace."""

    root: Path
    title: str
    commit: str | None

    def read(self, path: str) -> bytes | None:
        """The bytes of a file given relative to the project; None if it is not there."""
        if self.commit is not None:
            return shell.ask(["git", "cat-file", "blob", f"{self.commit}:./{path}"], self.root)
        try:
            return (self.root / path).read_bytes()
        except OSError:
            return None

    def names(self, folder: str) -> list[str]:
        """Files under a folder, relative to the project, sorted; bytecode left out."""
        if self.commit is not None:
            # --full-tree is left out on purpose: names come relative to the project, also below the repository's top.
            listed = shell.ask(
                ["git", "ls-tree", "-r", "-z", "--name-only", self.commit, f"{folder}/"], self.root
            )
            names = (listed or b"").decode("utf-8", "surrogateescape").split("\0")
        else:
            files = (p for p in (self.root / folder).rglob("*") if p.is_file())
            names = [p.relative_to(self.root).as_posix() for p in files]
        return sorted(n for n in names if n and "__pycache__" not in n and not n.endswith((".pyc", ".pyo")))


@dataclass(frozen=True)
class Found:
    """A lock: its bytes, their sha256, and the places that hold exactly these bytes, committed ones first."""

    key: str
    lock: bytes
    places: tuple[Place, ...]

    @property
    def commit(self) -> str | None:
        """The commit of the first place that has one."""
        return next((place.commit for place in self.places if place.commit), None)


def find(root: Path, history: bool = False) -> list[Found]:
    """Every different lock, the workspace's first, then HEAD, experiments by name, and older commits if asked."""
    locks: dict[str, tuple[bytes, list[Place]]] = {}
    for place in _places(root, history):
        lock = place.read("dvc.lock")
        if lock:
            key = hashlib.sha256(lock).hexdigest()
            locks.setdefault(key, (lock, []))[1].append(place)
    return [
        Found(key, lock, tuple(sorted(places, key=lambda place: place.commit is None)))
        for key, (lock, places) in locks.items()
    ]


def head(root: Path) -> str | None:
    """The commit of HEAD; None before the first commit."""
    return shell.ask_git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")


def _places(root: Path, history: bool) -> Iterator[Place]:
    yield Place(root, "workspace", None)
    commit = head(root)
    if commit:
        yield Place(root, "HEAD", commit)
    refs = shell.ask_git(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps") or ""
    for line in sorted(refs.splitlines(), key=lambda line: line.partition(" ")[2]):
        tip, _, ref = line.partition(" ")
        matched = EXPERIMENT.match(ref)
        if matched:
            yield Place(root, f"experiment {matched['name']}", tip)
    if history and commit:
        older = shell.ask_git(root, "log", "--format=%H", commit, "--", "dvc.lock") or ""
        for revision in older.splitlines():
            yield Place(root, f"commit {revision[:8]}", revision)
