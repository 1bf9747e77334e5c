"""Three-way merge of two versions of the template and what a team made of the older one: real git, explicit bases.

Pull requests are squashed, so no commit of the project is a descendant of a commit of the template. The three sides are
therefore put into commits of their own: base B (the older version), theirs T and ours O, both children of B.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.project.commits import NEUTRAL, identity
from gitops_ml.template.render import FILE, with_source

# What a run or a team makes; the template only ever brought samples of it.
NOT_THE_TEMPLATES = (
    "data/",
    "models/",
    "reports/",
    "deploy/",
    "dvc.lock",
    "uv.lock",
    "MODEL_CARD.md",
    "overrides.yaml",
)


@dataclass(frozen=True)
class Merged:
    """``theirs``: the synthetic commit with the newer version, whose parent holds the older one. ``tree``: the result,
    with conflict markers where there are ``conflicts``. ``wanted``: what the template changed between the two."""

    theirs: str
    tree: str
    conflicts: list[str]
    wanted: list[str]


def merge(root: Path, ours: str, base: str, theirs: str, message: str) -> Merged:
    """Merge what the tree ``theirs`` changed since the tree ``base`` into the commit ``ours``; touches no ref, no file.

    Raises :class:`Fault` where git cannot.
    """
    person = identity(root)
    quiet = [*person, "-c", "commit.gpgSign=false", "commit-tree"]
    at_base = shell.git(root, *quiet, base, "-m", "The older template")
    newer = shell.git(root, *quiet, theirs, "-p", at_base, "-m", message)
    own = shell.git(root, *quiet, f"{ours}^{{tree}}", "-p", at_base, "-m", "The project")
    command = ["git", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", own, newer]
    done = subprocess.run(command, cwd=root, env=shell.environment(), capture_output=True, check=False)
    if done.returncode not in (0, 1):
        words = done.stderr.decode("utf-8", "replace").strip()
        raise Fault(f"git could not merge the template (git 2.38 or newer is needed):\n  {words}")
    tree, *names = [part for part in done.stdout.decode("utf-8", "surrogateescape").split("\0") if part]
    return Merged(newer, tree, sorted(set(names)), changed(root, base, theirs))


def changed(root: Path, old: str, new: str) -> list[str]:
    """Paths that differ between two trees or commits; a renamed file counts under both names."""
    listed = shell.git(root, "diff-tree", "-r", "-z", "--no-renames", "--name-only", old, new)
    return [path for path in listed.split("\0") if path]


def tree_of(root: Path, folder: Path, source: str | None) -> str:
    """The tree of a rendered folder, in the project's repository, with this source written down."""
    file = folder / FILE
    file.write_text(with_source(file.read_text("utf-8"), source), "utf-8")
    with tempfile.TemporaryDirectory(prefix="gitops-ml-") as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        settings = [*NEUTRAL, "-c", "core.autocrlf=false", f"--work-tree={folder}"]
        _git(root, index, *settings, "add", "--all", "--", ".", cwd=folder)
        return _without(root, index)


def untouched(root: Path, revision: str, version: str, source: str | None) -> str | None:
    """The tree of the project's first commit, if that is this version of the template as it came; None if it is not."""
    for first in shell.git(root, "rev-list", "--max-parents=0", revision).splitlines():
        subject = shell.git(root, "show", "--no-patch", "--format=%s", first)
        if subject != f"Generated from cookiecutter-gitops-ml {version}":
            continue
        text = shell.ask(["git", "cat-file", "blob", f"{first}:{FILE}"], root)
        if text is None:
            continue
        with tempfile.TemporaryDirectory(prefix="gitops-ml-") as scratch:
            index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
            _git(root, index, "read-tree", first)
            known = Path(scratch, "known")
            known.write_text(with_source(text.decode("utf-8"), source), "utf-8")
            blob = shell.git(root, "hash-object", "-w", "--no-filters", str(known))
            _git(root, index, "update-index", "--cacheinfo", f"100644,{blob},{FILE}")
            return _without(root, index)
    return None


def with_file(root: Path, tree: str, path: str, content: bytes) -> str:
    """The tree with one file's bytes replaced."""
    with tempfile.TemporaryDirectory(prefix="gitops-ml-") as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        Path(scratch, "content").write_bytes(content)
        blob = shell.git(root, "hash-object", "-w", "--no-filters", str(Path(scratch, "content")))
        _git(root, index, "read-tree", tree)
        _git(root, index, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        return _git(root, index, "write-tree")


def _without(root: Path, index: Mapping[str, str]) -> str:
    """The index as a tree, less what is not the template's."""
    listed = [path for path in _git(root, index, "ls-files", "-z").split("\0") if path]
    gone = [path for path in listed if path.startswith(NOT_THE_TEMPLATES)]
    if gone:
        _git(root, index, "update-index", "--force-remove", "--", *gone)
    return _git(root, index, "write-tree")


def _git(root: Path, index: Mapping[str, str], *arguments: str, cwd: Path | None = None) -> str:
    """git with an index of its own. Raises :class:`Fault`."""
    folder = shell.git(root, "rev-parse", "--absolute-git-dir")
    env = shell.environment() | dict(index) | {"GIT_DIR": folder}
    done = subprocess.run(["git", *arguments], cwd=cwd or root, env=env, capture_output=True, check=False)
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise Fault(f"git failed on the template's files:\n  {words}")
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")
