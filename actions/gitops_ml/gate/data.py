"""Whether the rows are still like those the champion was made of, and whether the test rows were not trained on.

The first compares two profiles (reports/data_profile.json): the champion's from its own commit, the challenger's as its
lock names it. Profiles hold no rows, so distances are those that quantiles and counts allow. The second counts equal
rows itself (:mod:`gitops_ml.gate.prepared`): a profile is written by the very pipeline that is judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise

from gitops_ml.contracts.data_policy import Data
from gitops_ml.contracts.profile import Balance, ColumnProfile, ProfileFile
from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.evidence import Evidence

LISTED = 40
"""So many changes are listed; all are counted."""
HEAPS = 20
"""Of so few distinct numbers, quantiles jump from one to the next."""


@dataclass(frozen=True)
class Finding:
    """One difference of the profiles. ``size``: what is compared with ``limit``; None: any such change counts."""

    what: str
    column: str | None
    before: str | float | None
    now: str | float | None
    size: float | None = None
    limit: float | None = None

    @property
    def beyond(self) -> bool:
        return self.size is None or self.limit is None or self.size > self.limit

    def words(self) -> str:
        """For a person."""
        name = self.column
        if self.what == "rows":
            return f"{self.now:,.0f} rows, the champion's were {self.before:,.0f}"
        if self.what in ("added", "removed"):
            return f"column {name} is {'new' if self.what == 'added' else 'gone'}"
        if self.what in ("type", "role"):
            return f"{name} is {self.now}, was {self.before}"
        if self.what == "nulls":
            return f"{name} is empty in {self.now:.1%}, was {self.before:.1%}"
        what = f"the balance of {name}" if self.what == "balance" else name
        return f"{what} moved by {self.size:.3g} (limit {self.limit:g})"


def data(evidence: Evidence) -> list[Check]:
    """Both checks."""
    return [_compared(evidence), _overlap(evidence)]


# ---------------------------------------------------------------- profiles


def _compared(evidence: Evidence) -> Check:
    rules = evidence.policy.data
    title = "The data are like the champion's"
    if evidence.champion is None:
        reason = "There is no champion to compare with."
        return Check(id="data", severity=rules.severity, outcome="pass", title=title, reason=reason)
    past = evidence.past
    if past is None or past.profile is None or evidence.profile is None:
        why = "the candidate has no reports/data_profile.json (gitops-ml profile writes it)"
        if past is None or past.profile is None:
            why = past.trouble if past is not None else "nobody read the champion's profile"
        reason = f"Unknown: {why}."
        return Check(id="data", severity=rules.severity, outcome="unknown", title=title, reason=reason)
    found = list(differences(past.profile, evidence.profile, rules))
    beyond = [one for one in found if one.beyond]
    more = f"; and {len(beyond) - 3:,} more" if len(beyond) > 3 else ""
    reason = (
        f"Against the champion's data: {'; '.join(one.words() for one in beyond[:3])}{more}."
        if beyond
        else "Rows, columns, empty cells, balance and distributions are like the champion's."
    )
    shown = sorted(found, key=lambda one: -math.inf if one.size is None else -one.size / (one.limit or 1))
    blind = _incomparable(past.profile, evidence.profile)
    return Check(
        id="data",
        severity=rules.severity,
        outcome="fail" if beyond else "pass",
        title=title,
        reason=reason,
        n=evidence.profile.rows.total,
        evidence={
            "beyond": len(beyond),
            "columns": len(evidence.profile.columns),
            "differences": [asdict(one) for one in shown[:LISTED]],
            **({"not_compared": blind} if blind else {}),
        },
    )


def differences(old: ProfileFile, new: ProfileFile, rules: Data) -> Iterator[Finding]:
    """Everything that differs, also within its limit; columns in the order of their names."""
    gone = 1 - new.rows.total / old.rows.total if old.rows.total else 0.0
    if gone:
        yield Finding("rows", None, old.rows.total, new.rows.total, _six(max(0.0, gone)), rules.rows)
    names = sorted({*old.columns, *new.columns})
    for name in names:
        before, now = old.columns.get(name), new.columns.get(name)
        if before is None or now is None:
            kind = "added" if before is None else "removed"
            was, is_ = (None if one is None else str(one.type) for one in (before, now))
            yield Finding(kind, name, was, is_)
            continue
        if before.type != now.type:
            yield Finding("type", name, before.type, now.type)
            continue
        if before.role != now.role:
            yield Finding("role", name, before.role, now.role)
        moved = abs(now.null_share - before.null_share)
        if moved:
            yield Finding("nulls", name, before.null_share, now.null_share, _six(moved), rules.nulls)
        if "target" in (before.role, now.role):
            yield from _balance(name, old.target.overall, new.target.overall, rules)
        yield from _distance(name, before, now, rules)


def _balance(name: str, old: Balance, new: Balance, rules: Data) -> Iterator[Finding]:
    if old.classes is not None and new.classes is not None:
        size = _six(total_variation(old.classes, new.classes))
        if size:
            yield Finding("balance", name, None, None, size, rules.balance)


def _distance(name: str, old: ColumnProfile, new: ColumnProfile, rules: Data) -> Iterator[Finding]:
    if "time" in (old.role, new.role) or (old.role == "target" and old.categories is not None):
        return  # time is meant to move; classes are the balance
    if old.categories is not None and new.categories is not None:
        size = _six(total_variation(old.categories, new.categories, old.other, new.other))
        if size:
            yield Finding("distance", name, None, None, size, rules.categories)
    elif old.quantiles is not None and new.quantiles is not None:
        size = _six(wasserstein(old, new))
        if size:
            yield Finding("distance", name, old.mean, new.mean, size, rules.numbers)


def total_variation(
    old: Mapping[str, int], new: Mapping[str, int], old_other: int | None = 0, new_other: int | None = 0
) -> float:
    """Half the sum of the absolute differences of shares (Levin, Peres, Wilmer, Markov Chains, 2009, proposition 4.2).

    Values that one of the profiles does not list one by one count together with its others: that can make the
    distance smaller, never greater.
    """
    others = (old_other or 0, new_other or 0)
    totals = (sum(old.values()) + others[0], sum(new.values()) + others[1])
    if not all(totals):
        return 0.0
    listed = [
        value
        for value in sorted({*old, *new})
        if (value in old or not others[0]) and (value in new or not others[1])
    ]
    pairs = [(old.get(value, 0) / totals[0], new.get(value, 0) / totals[1]) for value in listed]
    rest = sum(a for a, _ in pairs) - sum(b for _, b in pairs)
    return (sum(abs(a - b) for a, b in pairs) + abs(rest)) / 2


def wasserstein(old: ColumnProfile, new: ColumnProfile) -> float:
    """Distance of two columns of numbers (of texts: of their lengths), in the old one's standard deviations.

    The area between the two quantile functions (Vallender, Theory of Probability and Its Applications 18, 1974, p. 784)
    by the trapezoidal rule over the levels that both profiles hold; the tails beyond the outermost are left out. Of a
    few distinct numbers (0 and 1) quantiles jump with a handful of rows: there it is the difference of the means, which
    the distance is never below, and which it is for two values. Where the profile has no deviation (texts) a normal
    column's takes its place, whose middle nine tenths are 3.29 wide. Any move of a constant is infinite: it counts as 1000.
    """
    assert old.quantiles is not None and new.quantiles is not None
    gaps = [
        (int(level), abs(new.quantiles[level] - value))
        for level, value in sorted(old.quantiles.items(), key=lambda one: int(one[0]))
        if level in new.quantiles
    ]
    area = sum(((b - a) / 100 * (x + y) / 2 for (a, x), (b, y) in pairwise(gaps)), start=0.0)
    if old.mean is not None and new.mean is not None and max(old.distinct, new.distinct) <= HEAPS:
        area = abs(new.mean - old.mean)
    spread = old.std
    if spread is None:
        spread = (old.quantiles.get("95", 0.0) - old.quantiles.get("5", 0.0)) / 3.29
    if spread > 0:
        return min(area / spread, 1000.0)
    return 1000.0 if area > 0 else 0.0


def _incomparable(old: ProfileFile, new: ProfileFile) -> list[str]:
    """Features of which profiles hold nothing but counts: values that schema.yaml does not list, and moments."""
    return [
        name
        for name, column in sorted(new.columns.items())
        if column.role == "feature"
        and name in old.columns
        and column.categories is None
        and column.quantiles is None
        and column.distinct
    ]


# ---------------------------------------------------------------- equal rows


def _overlap(evidence: Evidence) -> Check:
    """Beyond the champion's share, the share by chance and three standard errors of it, and the policy's limit."""
    rules, rows = evidence.policy.data.overlap, evidence.prepared
    title = "Test rows are not training rows"
    found = rows.overlap
    if found is None:
        why = rows.trouble or f"cells of {', '.join(rows.skipped[:3])} cannot be compared"
        return Check(
            id="data/overlap",
            severity=rules.severity,
            outcome="unknown",
            title=title,
            reason=f"Nobody can tell whether test rows were trained on: {why}. Keep the rows there as Parquet in prepare.",
        )
    past = evidence.past.profile if evidence.past is not None else None
    before = past.overlap.share if past is not None and evidence.champion is not None else None
    error = math.sqrt(found.chance * (1 - found.chance) / found.of)
    limit = max(before or 0.0, min(1.0, found.chance + 3 * error)) + rules.limit
    share = found.share
    same = f"{found.rows:,} of {found.of:,} test rows ({share:.1%}) equal a training row in every feature"
    if share > limit:
        told = f", the champion's: {before:.1%}" if before is not None else ""
        reason = f"{same}; copies alone would explain {found.chance:.1%}{told}. They test the memory, not the model."
    else:
        reason = f"{same}." if found.rows else "No test row equals a training row in every feature."
    # It would be the next one's champion: a profile that claims copies which are not there makes room for real ones.
    said = 0.0 if evidence.profile is None else evidence.profile.overlap.share
    made_up = said > share + rules.limit
    if made_up:
        reason = (
            f"{same}; reports/data_profile.json says {said:.1%}. Write it by the pipeline: dvc repro prepare"
        )
    return Check(
        id="data/overlap",
        severity=rules.severity,
        outcome="fail" if share > limit or made_up else "pass",
        title=title,
        reason=reason,
        champion=before,
        challenger=_six(share),
        estimate=_six(share),
        threshold=_six(min(limit, 1.0)),
        n=found.of,
        evidence={"rows": found.rows, "by_chance": _six(found.chance)},
    )


def _six(value: float) -> float:
    """Six significant digits, as in all reports."""
    return float(f"{value:.6g}")
