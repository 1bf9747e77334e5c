"""A released model as it was made: its own tree, bytes and environment, there for as long as somebody asks it to predict."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitops_ml import shell
from gitops_ml.build import trees
from gitops_ml.build.seal import sha256_of
from gitops_ml.errors import Fault

MODEL = "models/model.skops"
Pull = Callable[..., object]


class Named(Protocol):
    """What we need to know of a release."""

    @property
    def version(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True)
class Released:
    """``project``: its files at the tagged commit; ``model``: its bytes, by hash."""

    named: Named
    project: Path
    model: Path


@contextlib.contextmanager
def released(
    base: Path, named: Named, desk: Path, pull: Pull, more: Sequence[str] = (), place: str = "champion"
) -> Iterator[Released]:
    """The release in the folder ``place`` of ``desk``, with its model and the outs ``more``. It has no environment yet.

    Raises :class:`Fault` where the commit or the bytes are not to be had, or are others than the release names.
    """
    tree = desk / place
    try:
        trees.commit_of(base, named.revision)
        shell.git(base, "worktree", "add", "--quiet", "--detach", "--force", str(tree), named.revision)
        project = tree / (shell.ask_git(base, "rev-parse", "--show-prefix") or "")
        pull(project, [MODEL, *more])
        model = project / MODEL
        if not model.is_file() or sha256_of(model) != named.sha256:
            raise Fault(f"the bytes of {named.version} (sha256 {named.sha256[:12]}) are not in the storage.")
        yield Released(named, project, model)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
        shell.ask_git(base, "worktree", "prune")
