"""Judges what clocks measured, beside the verdict: time and memory as ratios to the champion in the same run, and what a build took.

A noisy runner must not block. Both models are asked in turn (``build.timing``), the ratio of their times is given an
interval, and it counts only if the whole interval lies above the limit, and the ratio of their quickest answers, too: noise
can stay with one process for seconds, but it slows answers and never quickens them. What the asks do not tell is a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gitops_ml.contracts.overrides import Override
from gitops_ml.contracts.policy import Budgets
from gitops_ml.contracts.timings import Asks, Timings
from gitops_ml.contracts.verdict import Check, Cost

Figure = Literal["p95", "median", "quickest"]

MEASURED = ("budget/latency", "budget/latency-batch", "budget/memory", "budget/training")
"""Ids of the checks that are judged here, and are no part of the verdict."""
LEVEL = 0.95
DRAWS = 2000
QUANTILE: dict[Figure, float] = {"p95": 0.95, "median": 0.5, "quickest": 0.1}
ENOUGH: dict[Figure, int] = {"p95": 40, "median": 11, "quickest": 18}
"""Pairs of asks from which on the bootstrap of a figure keeps its level: tests/suite/test_clocks.py counts."""
DECIDES: dict[str, tuple[Figure, ...]] = {
    # What callers feel; and where noise hides it, what noise reaches last.
    "budget/latency": ("p95", "quickest"),
    "budget/latency-batch": ("median", "quickest"),
}


@dataclass(frozen=True)
class Ratio:
    """One figure of both models' asks, in seconds, and challenger / champion with its interval."""

    champion: float
    challenger: float
    ratio: float
    low: float
    high: float


def judged(
    budgets: Budgets,
    timings: Timings | None,
    seconds: float | None,
    overrides: Sequence[Override] = (),
    model: str = "",
) -> list[Check]:
    """The checks, in the order of :data:`MEASURED`. ``seconds``: of the build; None: nothing was built.

    ``overrides``: those of this day, honoured for the bytes of sha256 ``model``.
    """
    made: list[Check] = []
    if timings is not None and (timings.one_row is None or timings.missing):
        why = "; ".join(f"{who}: {words}" for who, words in timings.missing.items()) or "nobody said why"
        title, reason = "How long an answer takes", f"How long an answer takes is unknown. {why}"
        made.append(Check(id=MEASURED[0], severity="note", outcome="unknown", title=title, reason=reason))
    elif timings is not None and timings.one_row is not None:
        made.append(_latency(MEASURED[0], timings.one_row, budgets))
        if timings.batch is not None:
            made.append(_latency(MEASURED[1], timings.batch, budgets))
        made += _memory(timings, budgets)
    made += _training(seconds, budgets)
    return [_overridden(one, overrides, model) for one in made]


def cost(seconds: float, budgets: Budgets) -> Cost | None:
    """Of a build; None where policy.yaml names no price."""
    if budgets.price_per_hour is None:
        return None
    return Cost(amount=_round(seconds / 3600 * budgets.price_per_hour), currency=budgets.currency)


def ratio(asks: Asks, figure: Figure) -> Ratio | None:
    """A figure of the asks that count; None without a champion, or if that was late and so is not known.

    Bootstrap of pairs that were asked one after the other, percentile interval (Efron and Tibshirani, *An Introduction to
    the Bootstrap*, 1993, section 13.3). Of fewer pairs than :data:`ENOUGH` the interval is the widest that they allow: the
    fastest by the slowest, and the slowest by the fastest.
    """
    if asks.champion is None or asks.late == "champion":
        return None
    pairs = np.array([asks.champion, asks.challenger]).T[asks.warm :]
    if not len(pairs) or pairs[:, 0].min() <= 0:
        return None
    at = QUANTILE[figure]
    old, new = (float(value) for value in np.quantile(pairs, at, axis=0))
    if len(pairs) < ENOUGH[figure]:
        low, high = pairs[:, 1].min() / pairs[:, 0].max(), pairs[:, 1].max() / pairs[:, 0].min()
    else:
        drawn = pairs[np.random.default_rng(0).integers(0, len(pairs), (DRAWS, len(pairs)))]
        both = np.quantile(drawn, at, axis=1)
        low, high = np.quantile(both[:, 1] / both[:, 0], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Ratio(*map(_round, (old, new, new / old, float(low), float(high))))


def _latency(id_: str, asks: Asks, budgets: Budgets) -> Check:
    what = "one row" if asks.rows == 1 else f"{asks.rows:,} rows"
    figures, limit, n = DECIDES[id_], budgets.latency_ratio, len(asks.challenger) - asks.warm
    own = {
        name: _round(float(np.quantile(asks.challenger[asks.warm :], at))) for name, at in QUANTILE.items()
    }
    cut = "" if len(asks.challenger) == asks.wanted else f" There was time for {n} asks of each only."
    shown = {name: found for name in QUANTILE if (found := ratio(asks, name)) is not None}
    check = Check(
        id=id_,
        severity="note",
        outcome="pass",
        title=f"The answer for {what} is not much slower",
        reason=f"{_time(own[figures[0]])} ({figures[0]}) for {what}, with nothing to compare it with.{cut}",
        metric=figures[0],
        challenger=own[figures[0]],
        n=n,
        evidence={"rows": asks.rows, "challenger": own, "ratios": {k: vars(v) for k, v in shown.items()}},
    )
    if asks.late == "champion" and asks.champion:
        reason = f"The champion did not answer for {what} within {asks.champion[-1]:.0f} s: how much slower this one is is unknown."
        return check.model_copy(update={"outcome": "unknown", "reason": reason})
    first = shown.get(figures[0])
    if first is None:
        return check
    # Quicker than the limit at their best, they are not slow throughout: the rest may be noise.
    steady = limit is not None and shown["quickest"].ratio > limit
    decisive = next((name for name in figures if steady and limit and shown[name].low > limit), None)
    name = decisive or figures[0]
    one = shown[name]
    least = "at least " if asks.late == "challenger" else ""
    said = f"{_time(one.champion)} → {least}{_time(one.challenger)} for {what} ({name}): {one.ratio:.2f}x ({one.low:.2f} to {one.high:.2f})"
    update: dict[str, Any] = {
        "champion": one.champion, "challenger": one.challenger, "estimate": one.ratio, "low": one.low, "high": one.high,
        "level": LEVEL, "threshold": limit, "metric": name,
    }  # fmt: skip
    if limit is None:
        update |= {"reason": f"{said}.{cut}"}
    elif decisive is not None:
        update |= {"severity": budgets.severity, "outcome": "fail"}
        update |= {"reason": f"{said}, and policy.yaml allows {limit:g}x.{cut}"}
    elif one.ratio <= limit:
        update |= {"severity": budgets.severity, "reason": f"{said}; policy.yaml allows {limit:g}x.{cut}"}
    else:
        why = "" if steady else f" (the quickest answers {shown['quickest'].ratio:.2f}x)"
        reason = f"{said}: too unsteady to say that it is more than {limit:g}x{why}.{cut}"
        update |= {"outcome": "unknown", "reason": reason}
    return check.model_copy(update=update)


def _memory(timings: Timings, budgets: Budgets) -> list[Check]:
    """No interval: the same work takes the same memory, to a few per cent. Empty where it is not known."""
    own, other = timings.peak_bytes.get("challenger"), timings.peak_bytes.get("champion")
    if own is None:
        return []
    limit = budgets.memory_ratio
    reason = f"At most {own / 1e6:,.0f} MB were held, with nothing to compare it with."
    times = _round(own / other) if other else None
    beyond = times is not None and limit is not None and times > limit
    if times is not None and other is not None:
        reason = f"At most {other / 1e6:,.0f} MB → {own / 1e6:,.0f} MB were held: {times:.2f}x"
        reason += "." if limit is None else f"{', and' if beyond else ';'} policy.yaml allows {limit:g}x."
    return [
        Check(
            id="budget/memory",
            severity="note" if times is None or limit is None else budgets.severity,
            outcome="fail" if beyond else "pass",
            title="It does not need much more memory",
            reason=reason,
            champion=other,
            challenger=own,
            estimate=times,
            threshold=limit,
        )
    ]


def _training(seconds: float | None, budgets: Budgets) -> list[Check]:
    """What the build took, where something limits it and something was built."""
    if seconds is None or (budgets.train_seconds is None and budgets.cost is None):
        return []
    price = cost(seconds, budgets)
    said, wrong = f"The build took {seconds:,.0f} s", []
    if budgets.train_seconds is not None and seconds > budgets.train_seconds:
        wrong.append(f"policy.yaml allows {budgets.train_seconds:,g} s")
    if price is not None:
        said += f" ({price.amount:.2g} {price.currency})"
        if budgets.cost is not None and price.amount > budgets.cost:
            wrong.append(f"policy.yaml allows {budgets.cost:g} {price.currency}")
    return [
        Check(
            id="budget/training",
            severity=budgets.severity,
            outcome="fail" if wrong else "pass",
            title="The build does not take too long, or cost too much",
            reason=f"{said}{', and ' if wrong else ''}{' and '.join(wrong)}.",
            challenger=_round(seconds),
            estimate=_round(seconds),
            threshold=budgets.train_seconds,
            evidence={} if price is None else {"cost": price.amount, "currency": price.currency},
        )
    ]


def _overridden(one: Check, overrides: Sequence[Override], model: str) -> Check:
    """The check with its override, if a person answers for it and for these bytes; or with why theirs does not count."""
    if one.outcome == "pass" or one.severity == "note":
        return one
    mine = next((entry for entry in overrides if entry.check == one.id and entry.sha256 == model), None)
    if mine is not None:
        return one.model_copy(update={"override": f"{mine.reason} ({mine.owner})"})
    other = next((entry for entry in overrides if entry.check == one.id), None)
    if other is None:
        return one
    more = f" overrides.yaml argues it for model {other.sha256[:8]}, and this is {model[:8]}."
    return one.model_copy(update={"reason": one.reason + more})


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _round(value: float) -> float:
    return float(f"{value:.4g}")
