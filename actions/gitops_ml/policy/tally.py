"""Counts overrides: those that hold today, those whose last day has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from gitops_ml.contracts.overrides import Override, OverridesFile

SHOWN = 3


@dataclass(frozen=True)
class Tally:
    """Entries of overrides.yaml, by whether their last day has come (UTC, as the gate counts days)."""

    holding: Sequence[Override]
    expired: Sequence[Override]

    @property
    def line(self) -> str:
        """ "2 in force (card of 4f1c09ab until 2027-01-31, ...), 1 expired"; empty where there are none."""
        some = [f"{one.check} of {one.sha256[:8]} until {one.expires}" for one in self.holding[:SHOWN]]
        more = ["..."] if len(self.holding) > SHOWN else []
        held = f" ({', '.join(some + more)})" if some else ""
        if not self.holding and not self.expired:
            return ""
        return f"{len(self.holding)} in force{held}, {len(self.expired)} expired"


def tally(content: Any, origin: str, today: date | None = None) -> Tally:
    """Of the plain content of an overrides.yaml; None: there is none. Raises :class:`gitops_ml.errors.Fault`."""
    listed = [] if content is None else OverridesFile.parse(content, origin).overrides
    day = today or datetime.now(UTC).date()
    return Tally([one for one in listed if one.expires >= day], [one for one in listed if one.expires < day])
