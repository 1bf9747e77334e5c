"""What an interval says about a margin: the one rule by which a challenger is better, not worse, or worse.

The question is non-inferiority (Piaggio et al., JAMA 308, 2012, p. 2594, figure 1): with a two-sided interval of
level 0.95 and a margin M, "not worse" is *shown* if the whole interval lies above -M, which errs in one case of
40. Four things can come out, and a fifth: the rows do not tell.

    low > 0                          improved                  pass
    low > -M, zero in the interval   no measurable change      pass
    low > -M, high < 0               worse within margin       pass   (surely worse; surely by less than M)
    low <= -M, high < 0, estimate < -M   regression            fail   (surely worse; by more than M as far as one can say)
    low <= -M otherwise              cannot tell               unknown

Why the last is not a failure: with few rows an interval is wider than the margin, and a gate that blocks then
blocks equal models as well; a gate that passes then passes bad ones (law 4: unknown is its own verdict). A person
decides, and is told how many rows would decide it. Why a regression needs both: the interval below zero shows
that it is no accident of the rows (a model that is truly equal gets there once in 40 times at most), the estimate
beyond the margin that it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gitops_ml.contracts.verdict import Outcome, Severity

Word = Literal["improved", "no measurable change", "worse within margin", "regression", "cannot tell"]


@dataclass(frozen=True)
class Decision:
    """The word for people, the outcome for the verdict, and, where it cannot be told, how many rows would tell."""

    word: Word
    outcome: Outcome
    rows_needed: int | None = None


def decide(estimate: float, low: float | None, high: float | None, margin: float, rows: int) -> Decision:
    """The decision for a difference, challenger less champion, of a metric that is better when it is higher."""
    if low is None or high is None:
        return Decision("cannot tell", "unknown")
    if low > 0:
        return Decision("improved", "pass")
    if low > -margin:
        return Decision("worse within margin" if high < 0 else "no measurable change", "pass")
    if high < 0 and estimate < -margin:
        return Decision("regression", "fail")
    return Decision("cannot tell", "unknown", _needed(estimate, low, high, margin, rows))


def asks_at_most(severity: Severity) -> Severity:
    """What it means that something cannot be told which is no fault of the challenger: a person is asked, never more."""
    return "needs-human" if severity == "block" else severity


def _needed(estimate: float, low: float, high: float, margin: float, rows: int) -> int | None:
    """Rows that would tell, if the estimate stayed: intervals shrink with the root of the rows. None: nobody knows.

    Either the lower end has to come above -margin, or the upper end below zero (with an estimate beyond the margin).
    """
    gap = estimate + margin if estimate > -margin else -estimate if estimate < -margin else 0.0
    width = estimate - low if estimate > -margin else high - estimate
    if gap <= 0 or width <= 0:
        return None
    return int(rows * max(1.0, (width / gap) ** 2)) + 1
