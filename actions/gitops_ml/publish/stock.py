"""Answers for the bytes under DVC: which of them the storage does not hold yet, and sending them there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.publish.check import BRANCH

REF = f"refs/dvc/branch/{BRANCH}"
VARIABLE = "GITOPS_ML_TOKEN"


@dataclass(frozen=True)
class Missing:
    """What HEAD names and the storage lacks: paths that can be sent, and paths whose bytes are not here either."""

    here: tuple[str, ...]
    nowhere: tuple[str, ...]
    needed: tuple[str, ...]  # of those nowhere: what no build can make again


class Stock(Protocol):
    """The bytes, as the steps see them; tests give one in memory. ``remote``: as in :class:`Visible.storage`."""

    remote: str

    def missing(self, asked: bool) -> Missing | None:
        """``asked``: the storage can be asked already. None: unknown before the push."""

    def push(self) -> str:
        """Send what is here; a sentence."""


class Bytes:
    """The project's own, through gitops_ml.storage."""

    def __init__(self, root: Path, token: str, remote: str) -> None:
        self._root, self._token, self.remote = root, token, remote

    def missing(self, asked: bool) -> Missing | None:
        from gitops_ml.storage.cache import Cache
        from gitops_ml.storage.objects import expand, named
        from gitops_ml.storage.refs import opened

        if self.remote and asked:
            return None  # to ask an object store for every object takes as long as pushing to it
        cache = Cache(self._root)
        entries = expand(named(self._root, "HEAD"), cache.read)
        held: set[str] = set()
        if asked:
            with self._logged_in(), opened(self._root) as store:
                store.load(store.list())
                held = {md5 for found in store.entries.values() for md5 in found}
        lacking = [entry for entry in entries if entry.md5 not in held]
        here = [entry for entry in lacking if cache.path(entry.md5).is_file()]
        nowhere = [entry for entry in lacking if not cache.path(entry.md5).is_file()]
        return Missing(
            tuple(entry.path for entry in here),
            tuple(entry.path for entry in nowhere),
            tuple(entry.path for entry in nowhere if entry.stage is None),
        )

    def push(self) -> str:
        from gitops_ml.card.markdown import bytes_
        from gitops_ml.storage.pushing import push

        with self._logged_in():
            report = push(self._root, REF, revision="HEAD")
        sent = f"{report.objects} sent, {bytes_(report.bytes)}" if report.objects else "nothing was missing"
        return "; ".join([sent, *report.notes])

    @contextlib.contextmanager
    def _logged_in(self) -> Iterator[None]:
        """The storage looks for its token in the environment; ours may come from gh or a helper of git's."""
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = self._token
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before


def refuse(root: Path, missing: Missing) -> None:
    """Raise :class:`Fault` for bytes that no build can make again and that would be lost to everybody else."""
    if missing.needed:
        raise Fault(
            f"the bytes of {', '.join(missing.needed[:3])} are neither here nor in the storage: CI could not build.\n"
            f"  Get them: {shell.prefix(root)}gitops-ml storage pull, on the machine that has them: "
            f"{shell.prefix(root)}gitops-ml storage push"
        )
