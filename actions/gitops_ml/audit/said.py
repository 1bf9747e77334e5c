"""What a look can end in: a disagreement, a remark, or nothing at all because the place could not be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """A disagreement: what it is, why it matters, and the command that mends it."""

    what: str
    why: str
    mend: str


@dataclass(frozen=True)
class Note:
    """Worth knowing, and nothing is wrong."""

    what: str


@dataclass(frozen=True)
class Passed:
    """There is nothing to look at here, or nobody to ask, by choice: it says why. Not a word on health."""

    why: str


Said = Finding | Note | Passed


@dataclass(frozen=True)
class Look:
    """One check, done. ``failed``: why it could not be finished; then what it did not see is unknown, not healthy."""

    key: str
    title: str
    findings: Sequence[Finding] = ()
    notes: Sequence[Note] = ()
    passed: str = ""
    failed: str = ""

    @property
    def agrees(self) -> bool:
        """Whether everything was looked at, and nothing is wrong."""
        return not (self.findings or self.passed or self.failed)


@dataclass(frozen=True)
class Audit:
    """The whole answer. ``stale``: why what is on the server was not read, but what this clone last saw of it."""

    model: str
    commit: str
    looks: Sequence[Look] = field(default_factory=list)
    stale: str = ""

    @property
    def findings(self) -> list[tuple[Look, Finding]]:
        return [(look, one) for look in self.looks for one in look.findings]

    @property
    def failed(self) -> list[Look]:
        """Checks that a fault kept from being finished."""
        return [look for look in self.looks if look.failed]

    @property
    def healthy(self) -> bool:
        """Nothing disagrees, and no fault kept anything from being seen. What was passed by is named apart."""
        return not self.findings and not self.failed
