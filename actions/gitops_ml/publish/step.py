"""Answers for what a step of publish is: where it stands, its effect, and what a clear no of the server means to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gitops_ml import shell
from gitops_ml.forge.errors import Refused
from gitops_ml.publish.check import BRANCH
from gitops_ml.publish.host import Host, Repository
from gitops_ml.publish.stock import Stock

Kind = Literal["done", "todo", "impossible"]


@dataclass(frozen=True)
class State:
    """Where a step stands, and the sentence that says so: what is so, what it will do, or why it cannot."""

    kind: Kind
    says: str


@dataclass
class Work:
    """What the steps share. ``private``: None where nobody said."""

    root: Path
    host: Host
    stock: Stock
    private: bool | None = None
    _repository: Repository | None = field(default=None, repr=False)

    def repository(self) -> Repository | None:
        """The repository, asked for until it is there; the steps that change it say so with :meth:`forget`."""
        if self._repository is None:
            self._repository = self.host.repository()
        return self._repository

    def forget(self) -> None:
        self._repository = None

    def visibility(self) -> str:
        """Public, private or internal: as it is, else as it will be made."""
        there = self.repository()
        return there.visibility if there else "public" if self.private is False else "private"

    def head(self) -> str:
        return shell.git(self.root, "rev-parse", f"refs/heads/{BRANCH}")


class Step:
    """One step. ``needed``: without it the next ones make no sense. ``shows``: it puts rows or code where others read."""

    title = ""
    needed = True
    shows = False
    without = ""  # what it means to leave it out

    def __init__(self, work: Work) -> None:
        self.work = work
        self.host = work.host

    def state(self) -> State:
        """Asks the host, writes nothing. Raises :class:`Fault` if publishing must not go on."""
        raise NotImplementedError

    def do(self) -> str:
        """Do it; a sentence. It may be done again: what a killed run has done is found."""
        raise NotImplementedError

    def refused(self, refused: Refused) -> State | None:
        """What a clear no means here; None: it ends the run."""
        return None


class Settle(Step):
    """A setting: where plan, organisation or token do not allow it, publishing goes on and says what is missing."""

    needed = False
    page = "settings"

    def refused(self, refused: Refused) -> State | None:
        if refused.status not in (403, 404, 409, 422):
            return None
        place, there = self.host.place, self.work.repository()
        if there is not None and not there.admin:
            return State(
                "impossible", f"only an admin may. {self.without}. Ask one to open {place.web}/{self.page}"
            )
        if "not accessible" in refused.said.lower():
            fix = f"Give the token Administration: read and write ({place.server}/settings/tokens), and run this again"
        else:
            fix = f"By hand: {place.web}/{self.page}"
        heard = f"{refused.status}{': ' + refused.said if refused.said else ''}"
        return State("impossible", f"{place.host} says no ({heard}). {self.without}. {fix}")
