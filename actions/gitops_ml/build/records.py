"""What CI recorded: locks that it built itself, as commit statuses of its own identity."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.errors import Fault

CONTEXT = "gitops-ml/built"
LOOK_BACK = 20
"""So many ancestors are asked: a record stands on the commit that CI made, a person may have added some since."""


def description(blob: str) -> str:
    """How a record names a lock."""
    return f"lock {blob}"


class Recorded:
    """Answers ``blob in recorded``, and asks the forge only then; stops at the first record that fits."""

    def __init__(
        self,
        commits: Callable[[Any], Iterable[str]],
        connect: Callable[[], Any],
        recorders: Collection[str] = (),
    ) -> None:
        self._commits, self._connect, self._recorders = commits, connect, frozenset(recorders)
        self.note: str | None = None
        """Why nothing could be asked."""

    def __contains__(self, blob: object) -> bool:
        try:
            forge = self._forge
        except Fault as fault:
            self.note = f"records of CI could not be read: {str(fault).splitlines()[0]}"
            return False
        for commit in dict.fromkeys(self._commits(forge)):
            for status in forge.statuses(commit):
                if (
                    status.context == CONTEXT
                    and status.state == "success"
                    and status.description == description(str(blob))
                    and status.creator in self._trusted
                ):
                    return True
        return False

    @cached_property
    def _forge(self) -> Any:
        return self._connect()

    @cached_property
    def _trusted(self) -> frozenset[str]:
        return self._recorders | {self._forge.me()}


def of_branch(head: Path, base: str, recorders: Collection[str] = ()) -> Recorded:
    """Records on the head commit and its ancestors that are not on ``base``."""

    def commits(_: Any) -> Iterator[str]:
        yield shell.git(head, "rev-parse", "HEAD")
        yield from shell.git(head, "rev-list", f"--max-count={LOOK_BACK + 1}", "HEAD", f"^{base}").split()

    return Recorded(commits, lambda: _connect(head), recorders)


def of_main(head: Path, recorders: Collection[str] = ()) -> Recorded:
    """Records for main: on its head, on the commit that brought the lock, and on the heads of merged pull requests.

    A squash merge keeps the lock's bytes, and loses the commit that the record stands on.
    """

    def commits(forge: Any) -> Iterator[str]:
        here = shell.git(head, "rev-parse", "HEAD")
        brought = shell.git(head, "log", "--format=%H", "-3", "HEAD", "--", "dvc.lock").split()
        mine = list(dict.fromkeys([here, *brought]))
        yield from mine
        for commit in mine:
            yield from (pull.head_sha for pull in forge.pulls_of(commit) if pull.merged)

    return Recorded(commits, lambda: _connect(head), recorders)


def _connect(root: Path) -> Any:
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token

    where = place(root)
    return connect(where, token(where))
