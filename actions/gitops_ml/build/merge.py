"""Main merged into a pull request's head, as a tree: conflicts in derived files are main's to keep until CI builds anew."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import trees
from gitops_ml.build.derived import is_derived
from gitops_ml.errors import Fault


@dataclass(frozen=True)
class Merged:
    """The merged tree's id, and the derived paths (inside the project) that were taken from main."""

    tree: str
    taken: list[str]


def merge(root: Path, head: str, other: str) -> Merged:
    """Merge two commits without touching index or folder. The same two commits give the same tree anywhere.

    Raises :class:`Fault` that names the conflicts in files that people own.
    """
    command = ["git", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", head, other]
    done = subprocess.run(command, cwd=root, env=shell.environment(), capture_output=True, check=False)
    if done.returncode not in (0, 1):
        words = done.stderr.decode("utf-8", "replace").strip()
        raise Fault(
            f"git cannot merge {other[:12]} into {head[:12]} (git 2.38 or newer is needed):\n  {words}"
        )
    tree, *names = [part for part in done.stdout.decode("utf-8", "surrogateescape").split("\0") if part]
    if done.returncode == 0:
        return Merged(tree, [])
    below = shell.git(root, "rev-parse", "--show-prefix")
    paths = [(n.removeprefix(below) if n.startswith(below) else f"../{n}") for n in dict.fromkeys(names)]
    theirs = [path for path in paths if not is_derived(path)]
    if theirs:
        many = "\n".join(f"  {path}" for path in theirs[:20])
        raise Fault(
            f"main and this branch changed the same lines of files that people own:\n{many}\n"
            "Decide them yourself: git fetch origin && git merge origin/main, then push."
        )
    return Merged(_take(root, tree, other, paths), paths)


def _take(root: Path, tree: str, other: str, paths: list[str]) -> str:
    """``tree`` with these paths as ``other`` has them."""
    kept = trees.listed(root, other, *paths)
    with tempfile.TemporaryDirectory() as folder:
        env = shell.environment() | {"GIT_INDEX_FILE": os.path.join(folder, "index")}

        def git(*arguments: str) -> str:
            done = subprocess.run(["git", *arguments], cwd=root, env=env, capture_output=True, check=False)
            if done.returncode:
                raise Fault(f"git {arguments[0]} failed: {done.stderr.decode('utf-8', 'replace').strip()}")
            return done.stdout.decode().strip()

        git("read-tree", tree)
        prefix = shell.git(root, "rev-parse", "--show-prefix")
        for path in paths:
            git("update-index", "--force-remove", "--", path)
            if path in kept:
                mode, oid = kept[path]
                git("update-index", "--add", "--cacheinfo", f"{mode},{oid},{prefix}{path}")
        return git("write-tree")


def check_out(root: Path, tree: str) -> None:
    """Make index and folder that tree; HEAD stays. Raises :class:`Fault` where work would be lost."""
    if shell.git(root, "status", "--porcelain", "--untracked-files=no"):
        raise Fault("there are uncommitted changes, which a merge would lose. Commit or stash them first.")
    shell.git(root, "read-tree", "--reset", "-u", tree)
