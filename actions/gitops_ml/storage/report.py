"""What the storage's functions answer: counts for a screen, and losses by name."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gitops_ml.card.markdown import bytes_
from gitops_ml.errors import Fault

Kind = Literal["missing", "corrupted", "truncated"]


@dataclass
class Report:
    """What one operation moved. ``present`` objects were where they should be already."""

    verb: str
    where: str = ""
    objects: int = 0
    bytes: int = 0
    present: int = 0
    files: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _started: float = field(default_factory=time.monotonic, repr=False)

    def done(self) -> Report:
        """Stop the clock."""
        self.seconds = time.monotonic() - self._started
        return self

    def screen(self) -> str:
        """For a person: what moved, what was there, what was left alone."""
        if self.objects:
            first = f"{count(self.objects)}, {bytes_(self.bytes)}"
        else:
            first = "nothing to do" if self.present or self.files else "nothing: no object is named"
        lines = [f"  {self.verb:<9} {first:<48} {self.seconds:.1f} s"]
        if self.where and self.objects:
            lines.append(f"  {'':<9} {self.where}")
        if self.present:
            lines.append(f"  {'there':<9} {count(self.present)} already")
        if self.files:
            lines.append(f"  {'wrote':<9} {self.files:,} {'file' if self.files == 1 else 'files'}")
        lines += [f"  {'note':<9} {note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True)
class Loss:
    """An object that a revision names and that cannot be had as it was."""

    kind: Kind
    md5: str
    path: str
    revisions: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = f", named by {_some(self.revisions)}" if self.revisions else ""
        return f"{self.path} (md5 {self.md5}) is {self.kind}{named}"


def count(number: int) -> str:
    """ "1 object", "1,000 objects"."""
    return f"{number:,} {'object' if number == 1 else 'objects'}"


def refuse(losses: Iterable[Loss], what: str, fix: str) -> None:
    """Raise :class:`Fault` that names every loss; nothing if there is none."""
    lost = sorted(losses, key=lambda loss: (loss.path, loss.md5))
    if lost:
        lines = "\n".join(f"  {loss}" for loss in lost[:50])
        more = f"\n  and {len(lost) - 50:,} more" if len(lost) > 50 else ""
        raise Fault(f"{what}\n{lines}{more}\n{fix}")


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
