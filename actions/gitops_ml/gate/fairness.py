"""Whether the model treats groups of people alike: share of positive answers, and of right ones, group by group.

Demographic parity ratio and equalised-odds difference are fairlearn's (Bird et al., Microsoft MSR-TR-2020-32; the
odds are those of Hardt, Price and Srebro, NIPS 2016): the least share of positive answers by the greatest, and the
greatest gap between groups of the true or the false positive rate. A greatest gap is never zero by accident: its
interval is a band that holds all rates of all groups at once (bootstrap of the greatest deviation), so it covers at
least as often as it says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from gitops_ml.contracts.verdict import Check, Outcome
from gitops_ml.gate.bootstrap import LEAST
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.metrics import Array, Rows
from gitops_ml.gate.parts import Parts, by_category
from gitops_ml.gate.quality import significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table

SHOWN = 20  # groups
DECLARE = (
    "Declare them in policy.yaml, fairness: {attributes: [...]}, or say why there are none: {absent: ...}."
)


def fairness(evidence: Evidence, table: Table) -> list[Check]:
    """A check for each protected attribute; a note where none is declared."""
    rules = evidence.policy.fairness
    if not rules.attributes:
        absent = rules.absent
        return [
            Check(
                id="fairness",
                severity="note",
                outcome="pass" if absent else "unknown",
                title="Protected attributes are declared, or declared absent",
                reason=f"There are none, says policy.yaml: {absent}"
                if absent
                else f"Protected attributes are not declared: nobody looks whether groups are treated alike. {DECLARE}",
            )
        ]
    return [_attribute(evidence, table, name) for name in rules.attributes]


def _attribute(evidence: Evidence, table: Table, name: str) -> Check:
    rules, least = evidence.policy.fairness, evidence.policy.min_slice_rows
    common: dict[str, Any] = {
        "id": f"fairness/{name}",
        "severity": rules.severity,
        "title": f"Groups of {name} are treated alike",
        "level": evidence.policy.quality.level,
    }
    if table.challenger.kind != "binary" or not table.finite:
        why = (
            "scores are no finite numbers"
            if not table.finite
            else "these figures are defined for two classes"
        )
        return Check(**common, outcome="unknown", reason=f"Not looked at: {why}.")
    if name not in evidence.columns.columns:
        return Check(**common, outcome="unknown", reason="Not looked at: the test rows have no such column.")
    groups = by_category(name, evidence.columns.loc[table.known, name])
    enough = np.flatnonzero(groups.sizes >= least)
    small = [
        f"{groups.labels[k]} (n = {groups.sizes[k]:,})"
        for k in np.flatnonzero((groups.sizes > 0) & (groups.sizes < least))
    ]
    if len(enough) < 2:
        reason = f"Not judged: fewer than two groups have {least} test rows."
        return Check(**common, outcome="unknown", reason=reason, evidence={"few": small[:SHOWN]})
    return _judged(evidence, table, groups, enough, small, common)


def _judged(
    evidence: Evidence,
    table: Table,
    groups: Parts,
    enough: Array,
    small: list[str],
    common: dict[str, Any],
) -> Check:
    rules, quality = evidence.policy.fairness, evidence.policy.quality
    place = np.full(len(groups.labels), -1)
    place[enough] = np.arange(len(enough))
    kept = np.flatnonzero(place[groups.codes] >= 0)
    sides = [table.challenger] + ([table.champion] if table.champion else [])
    # All that the figures depend on is a row's cell: its group, its class, and what each model says.
    cell = place[groups.codes[kept]]
    for bit in [table.challenger.truth[kept] == table.challenger.positive, *(_said(s)[kept] for s in sides)]:
        cell = 2 * cell + bit
    order = np.lexsort([cell] if table.groups is None else [table.groups[kept], cell])
    sample = Sample.whole(table).only(kept).only(order)
    cells, starts = np.unique(cell[order], return_index=True)
    counter = _Counter(cells, starts, len(kept), len(enough), len(sides))
    ones = counter.rates(np.ones((1, len(kept))))
    figures = [rates.gaps() for rates in ones]
    drawn = sample.draws(lambda weights: _flat(counter.rates(weights)), quality)
    own = ones[0]
    bands = _bands(drawn[:, : own.width], own, quality.level)
    ratio, odds = float(figures[0][0][0]), float(figures[0][1][0])
    found = {
        "demographic_parity_ratio": {
            "challenger": significant(ratio),
            "low": significant(bands[0]),
            "high": significant(bands[1]),
            "limit": rules.demographic_parity_ratio,
        },
        "equalized_odds_difference": {
            "challenger": significant(odds),
            "low": significant(bands[2]),
            "high": significant(bands[3]),
            "limit": rules.equalized_odds_difference,
        },
    }
    if len(sides) == 2:
        _against(found, figures, drawn, own, quality.level)
    verdicts = [
        _outcome(-ratio, -bands[1], -rules.demographic_parity_ratio),
        _outcome(odds, bands[2], rules.equalized_odds_difference),
    ]
    outcome: Outcome = "fail" if "fail" in verdicts else "unknown" if "unknown" in verdicts else "pass"
    labels = [groups.labels[int(k)] for k in enough]
    return Check(
        **common,
        outcome=outcome,
        n=len(kept),
        reason=_reason(found, outcome, small),
        evidence={
            **found,
            "groups": _groups(labels, own, drawn[:, : own.width], sample, quality.level)[:SHOWN],
            "few": small[:SHOWN],
            "method": f"simultaneous band of {quality.repeats} seeded {sample.method}",
            "seed": quality.seed,
        },
    )


def _said(rows: Rows) -> Array:
    return np.asarray(rows.scores.argmax(axis=1) == rows.positive)


@dataclass(frozen=True)
class _Rates:
    """Shares in each draw and group, shape (repeats, groups); ``positives`` and others are counts of rows."""

    answers: Array
    rows: Array
    hits: Array
    positives: Array
    alarms: Array
    negatives: Array

    @property
    def three(self) -> Array:
        """Share of positive answers, true and false positive rate: shape (3, repeats, groups); NaN: no such rows."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack(
                [self.answers / self.rows, self.hits / self.positives, self.alarms / self.negatives]
            )

    @property
    def width(self) -> int:
        return 3 * int(self.rows.shape[1])

    def gaps(self) -> tuple[Array, Array]:
        """The ratio and the difference of each draw."""
        return _gaps(self.three)


def _gaps(three: Array) -> tuple[Array, Array]:
    """Demographic parity ratio and equalised-odds difference of rates of shape (3, repeats, groups)."""
    answers = three[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(answers.max(axis=1) > 0, answers.min(axis=1) / answers.max(axis=1), 1.0)
    odds = np.zeros(len(ratio))
    for rate in three[1:]:
        known = np.isfinite(rate)
        highest = np.where(known, rate, -np.inf).max(axis=1)
        lowest = np.where(known, rate, np.inf).min(axis=1)
        odds = np.maximum(odds, np.where(known.sum(axis=1) > 1, highest - lowest, 0.0))
    return ratio, odds


class _Counter:
    """Rows of each cell, counted in each draw; cells are numbers whose bits are (group, class, challenger, champion)."""

    def __init__(self, cells: Array, starts: Array, rows: int, groups: int, sides: int) -> None:
        self._cells, self._starts, self._groups, self._sides = cells, starts, groups, sides
        self._group = cells >> (1 + sides)
        self._positive = (cells >> sides & 1).astype(bool)
        sizes = np.diff(np.append(starts, rows))[None]
        # A rate of a handful of rows says nothing of a group: it stays out of every gap.
        self._weak = [self._by_group(sizes, mask) < LEAST for mask in (self._positive, ~self._positive)]

    def rates(self, weights: Array) -> list[_Rates]:
        """Of the challenger, then of the champion, if there is one."""
        counts = np.add.reduceat(weights, self._starts, axis=1)
        found = []
        for side in range(self._sides):
            said = (self._cells >> (self._sides - 1 - side) & 1).astype(bool)
            masks = [
                said,
                np.ones(len(said), dtype=bool),
                said & self._positive,
                self._positive,
                said & ~self._positive,
                ~self._positive,
            ]
            answers, rows, hits, positives, alarms, negatives = (
                self._by_group(counts, mask) for mask in masks
            )
            positives = np.where(self._weak[0], np.nan, positives)
            negatives = np.where(self._weak[1], np.nan, negatives)
            found.append(_Rates(answers, rows, hits, positives, alarms, negatives))
        return found

    def _by_group(self, counts: Array, mask: Array) -> Array:
        return np.column_stack(
            [counts[:, mask & (self._group == k)].sum(axis=1) for k in range(self._groups)]
        )


def _flat(rates: list[_Rates]) -> Array:
    """Each side's three rates of all groups, side by side: shape (repeats, sides x 3 x groups)."""
    return np.column_stack([np.concatenate(list(one.three), axis=1) for one in rates])


def _bands(drawn: Array, own: _Rates, level: float) -> tuple[float, float, float, float]:
    """Ends of the ratio's and of the difference's interval, from the greatest deviation of any two groups in a draw."""
    three = own.three
    repeats, groups = len(drawn), own.rows.shape[1]
    rates = np.moveaxis(drawn.reshape(repeats, 3, groups), 1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(rates[0]) - np.log(three[0])
    logs = np.where(np.isfinite(logs), logs, np.inf)
    spread = np.where(np.isinf(logs).any(axis=1), np.inf, logs.max(axis=1) - logs.min(axis=1))
    reach = float(np.quantile(spread, level, method="higher"))
    ratio, odds = (float(one[0]) for one in own.gaps())
    worst = np.zeros(repeats)
    for k in (1, 2):
        apart = rates[k] - three[k]
        apart = np.where(np.isfinite(apart), apart, 0.0)
        worst = np.maximum(worst, apart.max(axis=1) - apart.min(axis=1))
    band = float(np.quantile(worst, level, method="higher"))
    low, high = ratio * math.exp(-reach), 1.0 if math.isinf(reach) else min(1.0, ratio * math.exp(reach))
    return low, high, max(0.0, odds - band), min(1.0, odds + band)


def _against(
    found: dict[str, dict[str, Any]],
    figures: list[tuple[Array, Array]],
    drawn: Array,
    own: _Rates,
    level: float,
) -> None:
    """The champion's figures, and the paired interval of the change."""
    repeats, groups = len(drawn), own.rows.shape[1]
    halves = [np.moveaxis(half.reshape(repeats, 3, groups), 1, 0) for half in np.split(drawn, 2, axis=1)]
    changes = [new - old for new, old in zip(_gaps(halves[0]), _gaps(halves[1]), strict=True)]
    for one, old, new, change in zip(found.values(), figures[1], figures[0], changes, strict=True):
        low, high = np.quantile(change, [(1 - level) / 2, (1 + level) / 2])
        one["champion"] = significant(float(old[0]))
        one["change"] = significant(float(new[0] - old[0]))
        one["change_low"], one["change_high"] = significant(float(low)), significant(float(high))


def _groups(
    labels: list[str], own: _Rates, drawn: Array, sample: Sample, level: float
) -> list[dict[str, Any]]:
    """Each group's own rates with intervals: Wilson's (JASA 22, 1927), or of drawn groups of rows where they are clustered."""
    counts = [(own.answers, own.rows), (own.hits, own.positives), (own.alarms, own.negatives)]
    found = []
    for k, label in enumerate(labels):
        entry: dict[str, Any] = {"group": label, "n": int(own.rows[0, k])}
        for place, name in enumerate(("positive_answers", "true_positives", "false_positives")):
            part, of = float(counts[place][0][0, k]), float(counts[place][1][0, k])
            if not of >= LEAST:  # also NaN
                entry[name] = None
                continue
            if sample.groups is None:
                low, high = _wilson(part, of, level)
            else:
                column = drawn[:, place * len(labels) + k]
                column = column[np.isfinite(column)]
                low, high = np.quantile(column, [(1 - level) / 2, (1 + level) / 2])
            entry[name] = [significant(part / of), significant(float(low)), significant(float(high))]
        found.append(entry)
    return sorted(found, key=lambda one: (-one["n"], one["group"]))


def _wilson(part: float, of: float, level: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = part / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _outcome(value: float, near: float, limit: float) -> Outcome:
    """Beyond the limit with its whole interval: fail. Beyond it, as far as one can say: unknown."""
    return "pass" if value <= limit else "fail" if near > limit else "unknown"


def _reason(found: dict[str, dict[str, Any]], outcome: str, small: list[str]) -> str:
    ratio, odds = found["demographic_parity_ratio"], found["equalized_odds_difference"]
    words = [
        f"Demographic parity ratio {ratio['challenger']:.4g} ({ratio['low']:.4g} to {ratio['high']:.4g}, at least "
        f"{ratio['limit']:g}); equalised-odds difference {odds['challenger']:.4g} ({odds['low']:.4g} to "
        f"{odds['high']:.4g}, at most {odds['limit']:g})."
    ]
    if "champion" in ratio:
        words.append(f"The champion's are {ratio['champion']:.4g} and {odds['champion']:.4g}.")
    if outcome == "unknown":
        words.append("Beyond a limit, perhaps by accident of the rows.")
    if small:
        more = f" and {len(small) - 3} more" if len(small) > 3 else ""
        words.append(f"Too few rows to judge: {', '.join(small[:3])}{more}.")
    return " ".join(words)
