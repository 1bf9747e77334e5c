"""Files of a commit, read from git and never from the folder: a link or a filter in a pull request cannot lead elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.build import pipeline as pipelines
from gitops_ml.errors import Fault

FILES = ("100644", "100755")


def listed(root: Path, revision: str, *paths: str) -> dict[str, tuple[str, str]]:
    """Path (from ``root``) -> mode and object id; of everything, or below ``paths``."""
    lines = shell.git(root, "ls-tree", "-r", "-z", revision, "--", *paths).split("\0")
    found = {}
    for line in filter(None, lines):
        facts, _, path = line.partition("\t")
        mode, _, oid = facts.split(" ")
        found[path] = (mode, oid)
    return found


def commit_of(root: Path, revision: str) -> str:
    """The commit's id. Raises :class:`Fault` where a shallow clone does not have it."""
    found = shell.ask_git(root, "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
    if found is None:
        raise Fault(
            f"the commit {revision} is not in {root}, so nothing can be compared with it. Fetch the history: "
            "git fetch --unshallow origin (in a workflow: fetch-depth: 0)"
        )
    return found


def changed(root: Path, old: str, new: str) -> list[str]:
    """Paths below ``root`` that differ; a renamed file counts under both names."""
    listing = shell.git(root, "diff-tree", "-r", "-z", "--no-renames", "--name-only", "--relative", old, new)
    return [path for path in listing.split("\0") if path]


@dataclass(frozen=True)
class Side:
    """What one commit (or tree) says of its pipeline."""

    root: Path
    revision: str

    @cached_property
    def files(self) -> dict[str, tuple[str, str]]:
        """dvc.yaml and dvc.lock, where they exist."""
        return listed(self.root, self.revision, locks.FILE, "dvc.yaml")

    @property
    def lock_blob(self) -> str | None:
        """Blob id of dvc.lock."""
        return self.files[locks.FILE][1] if locks.FILE in self.files else None

    @cached_property
    def lock(self) -> locks.Lock:
        """Its lock, empty where there is none. Raises :class:`Fault`."""
        return locks.parse(self.text(locks.FILE)) if locks.FILE in self.files else {}

    @cached_property
    def pipeline(self) -> pipelines.Pipeline:
        """Its stages, empty where there is no dvc.yaml. Raises :class:`Fault`."""
        return pipelines.parse(self.text("dvc.yaml")) if "dvc.yaml" in self.files else {}

    @cached_property
    def tables(self) -> dict[str, str]:
        """Path -> md5 of everything that a ``.dvc`` file names. Raises :class:`Fault`."""
        found: dict[str, str] = {}
        for path, (mode, oid) in listed(self.root, self.revision).items():
            if path.endswith(".dvc") and mode in FILES:
                found |= pipelines.table(shell.git(self.root, "cat-file", "blob", oid), path)
        return found

    def text(self, path: str) -> str:
        """The file's text. Raises :class:`Fault` for a link."""
        mode, oid = self.files[path]
        if mode not in FILES:
            raise Fault(f"{path} is a link, not a file. Commit the file itself.")
        return shell.git(self.root, "cat-file", "blob", oid)


def related(path: str, others: Sequence[str]) -> list[str]:
    """Those of ``others`` that lie inside the folder ``path``, or are a folder around it."""
    return [other for other in others if other.startswith(f"{path}/") or path.startswith(f"{other}/")]
