"""A released version on a bench of its own: its commit, its locked serving environment, its bytes by hash; removed at the end.

It runs code of that version (its build backend, its service), so only where nothing can be written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import predicting
from gitops_ml.build.environment import last_lines, python_of, scrubbed
from gitops_ml.build.seal import TEST_ROWS, sha256_of
from gitops_ml.build.workshop import fresh, settings
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.storage.cache import cache_folder
from gitops_ml.storage.refs import STORE

SYNC = ("sync", "--quiet", "--no-default-groups", "--group", "serve")
SECONDS = 900
"""An environment that takes longer than this is not made."""
Fetch = Callable[..., object]


@dataclass(frozen=True)
class Wanted:
    """A version to serve: the tagged commit, and the model's place and digest as tag and lock name them."""

    version: str
    revision: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Bench:
    """A version that can be run. ``project``: its checkout with the model in place; ``python``: of its environment."""

    wanted: Wanted
    project: Path
    python: str
    scratch: Path

    @property
    def model(self) -> Path:
        return self.project / self.wanted.path

    @property
    def package(self) -> str:
        return predicting.package(self.project)


@contextlib.contextmanager
def laid_out(
    root: Path,
    wanted: Wanted,
    *,
    rows: bool = True,
    install: Sequence[str] | None = None,
    pull: Fetch | None = None,
) -> Iterator[Bench]:
    """The version, ready to be run, on its bench. ``rows``: with its test rows.

    ``install``: the command that makes the environment (default: uv, by the version's own lock; empty: none). Raises
    :class:`Fault` where commit, bytes or environment cannot be had, or the bytes are others than those approved.
    """
    commit = tree.commit_of(root, wanted.revision)
    with fresh("gitops-ml-serve-") as scratch, _checked_out(root, commit, scratch / "tree") as folder:
        project = folder / (shell.ask_git(root, "rev-parse", "--show-prefix") or "")
        bring(root, commit, project, [wanted.path, *([TEST_ROWS] if rows else [])], pull)
        model = project / wanted.path
        # Before anything loads it.
        found = sha256_of(model) if model.is_file() else "no file"
        if found != wanted.sha256:
            raise Fault(
                f"{wanted.path} of {wanted.version} is {found[:12]}, and {wanted.sha256[:12]} was approved. It is not loaded.\n"
                "  Look at the store: gitops-ml storage verify"
            )
        yield Bench(wanted, project, environment(project, install), scratch)


def bring(
    root: Path,
    commit: str,
    project: Path,
    paths: Sequence[str],
    pull: Fetch | None = None,
    checkout: bool = True,
) -> None:
    """The bytes of these outs from the store, by way of ``root``'s cache, into a checkout of ``commit`` (or its cache only).

    Today's settings say where the store is, not those of the commit: it may have moved since.
    """
    if pull is not None:
        pull(project, paths, checkout=checkout)
        return
    from gitops_ml import storage

    storage.pull(root, paths, refs=[STORE], revision=commit, checkout=False)
    shared(root, project)
    if checkout:
        storage.pull(project, paths, refs=[STORE])


def shared(root: Path, project: Path) -> None:
    """Let a scratch checkout use ``root``'s cache of bytes: nothing is fetched twice."""
    dvc = project / ".dvc"
    dvc.mkdir(exist_ok=True)
    (dvc / "config.local").write_text(settings(None, cache_folder(root).absolute()), "utf-8")


def environment(project: Path, install: Sequence[str] | None = None) -> str:
    """Make the locked serving environment of a checkout; its Python. Raises :class:`Fault` with uv's last words."""
    if install is None:
        frozen = ["--frozen"] if (project / "uv.lock").is_file() else []
        install = [_uv(), *SYNC, *frozen]
    if install:
        # Not the Python of whoever runs us: its folder on PATH would be taken for the project's.
        env = scrubbed(python_of(project))
        code, words, _ = predicting.execute(list(install), project, env, SECONDS)
        if code:
            raise Fault(f"its serving environment could not be made:\n{last_lines(words, 6)}")
    return python_of(project)


@contextlib.contextmanager
def _checked_out(root: Path, commit: str, folder: Path) -> Iterator[Path]:
    quiet = ("-c", "core.hooksPath=/dev/null")
    shell.git(root, *quiet, "worktree", "add", "--quiet", "--detach", "--force", str(folder), commit)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shell.ask_git(root, "worktree", "prune")


def _uv() -> str:
    """uv: on PATH, else the one that is installed beside us."""
    beside = Path(sys.executable).with_name("uv")
    return shutil.which("uv") or (str(beside) if os.access(beside, os.X_OK) else "uv")
