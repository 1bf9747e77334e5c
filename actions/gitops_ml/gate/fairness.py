"""Whether the model treats groups of people alike: share of positive answers, and of right ones, group by group.

Demographic parity ratio and equalised-odds difference are fairlearn's (Bird et al., Microsoft MSR-TR-2020-32; the
odds are those of Hardt, Price and Srebro, NIPS 2016): the least share of positive answers by the greatest, and the
greatest gap between groups of the true or the false positive rate. A greatest gap is never zero by accident: its
interval is a band that holds all rates of all groups at once (bootstrap of the greatest deviation), so it covers at
least as often as it says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gitops_ml.contracts.verdict import Check, Outcome
from gitops_ml.gate.bootstrap import LEAST
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.metrics import Array, Rows
from gitops_ml.gate.parts import Parts, by_category
from gitops_ml.gate.quality import MANY, significant
from gitops_ml.gate.rates import Counter, GroupRates, bands_of, flat, gaps, wilson
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table

SHOWN = 20  # groups
DECLARE = (
    "Declare them in policy.yaml, fairness: {attributes: [...]}, or say why there are none: {absent: ...}."
)


def fairness(evidence: Evidence, table: Table) -> list[Check]:
    """A check for each protected attribute; where none is declared, that: a note until production has changed hands."""
    rules = evidence.policy.fairness
    if not rules.attributes:
        absent = rules.absent
        return [
            Check(
                id="fairness",
                severity=rules.undeclared if evidence.handed_over else "note",
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
        return Check(**common, outcome="unknown", reason=f"Groups of {name} were not looked at: {why}.")
    if name not in evidence.columns.columns:
        return Check(
            **common,
            outcome="unknown",
            reason=f"Groups of {name} were not looked at: the test rows have no such column.",
        )
    groups = by_category(name, evidence.columns.loc[table.known, name])
    enough = np.flatnonzero(groups.sizes >= least)
    small = [
        f"{groups.labels[k]} (n = {groups.sizes[k]:,})"
        for k in np.flatnonzero((groups.sizes > 0) & (groups.sizes < least))
    ]
    if len(enough) < 2:
        reason = f"Groups of {name} were not judged: fewer than two have {least} test rows."
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
    counter = Counter(cells, starts, len(kept), len(enough), len(sides))
    ones = counter.rates(np.ones((1, len(kept))))
    figures = [rates.gaps() for rates in ones]
    # Of many rows it is enough to draw how many fall into each cell; of groups, their own rows count.
    counted = sample.groups is None and len(kept) >= MANY
    drawn = (
        flat(counter.drawn(quality.repeats, quality.seed))
        if counted
        else sample.draws(lambda weights: flat(counter.rates(weights)), quality)
    )
    own = ones[0]
    bands = bands_of(drawn[:, : own.width], own, quality.level)
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
        reason=_reason(groups.name, found, outcome, small),
        evidence={
            **found,
            "groups": _groups(labels, own, drawn[:, : own.width], sample, quality.level)[:SHOWN],
            "few": small[:SHOWN],
            "method": f"simultaneous band of {quality.repeats} seeded {sample.method}{', counted by cell' if counted else ''}",
            "seed": quality.seed,
        },
    )


def _said(rows: Rows) -> Array:
    return np.asarray(rows.scores.argmax(axis=1) == rows.positive)


def _against(
    found: dict[str, dict[str, Any]],
    figures: list[tuple[Array, Array]],
    drawn: Array,
    own: GroupRates,
    level: float,
) -> None:
    """The champion's figures, and the paired interval of the change."""
    repeats, groups = len(drawn), own.rows.shape[1]
    halves = [np.moveaxis(half.reshape(repeats, 3, groups), 1, 0) for half in np.split(drawn, 2, axis=1)]
    changes = [new - old for new, old in zip(gaps(halves[0]), gaps(halves[1]), strict=True)]
    for one, old, new, change in zip(found.values(), figures[1], figures[0], changes, strict=True):
        low, high = np.quantile(change, [(1 - level) / 2, (1 + level) / 2])
        one["champion"] = significant(float(old[0]))
        one["change"] = significant(float(new[0] - old[0]))
        one["change_low"], one["change_high"] = significant(float(low)), significant(float(high))


def _groups(
    labels: list[str], own: GroupRates, drawn: Array, sample: Sample, level: float
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
                low, high = wilson(part, of, level)
            else:
                column = drawn[:, place * len(labels) + k]
                column = column[np.isfinite(column)]
                low, high = np.quantile(column, [(1 - level) / 2, (1 + level) / 2])
            entry[name] = [significant(part / of), significant(float(low)), significant(float(high))]
        found.append(entry)
    return sorted(found, key=lambda one: (-one["n"], one["group"]))


def _outcome(value: float, near: float, limit: float) -> Outcome:
    """Beyond the limit with its whole interval: fail. Beyond it, as far as one can say: unknown."""
    return "pass" if value <= limit else "fail" if near > limit else "unknown"


def _reason(name: str, found: dict[str, dict[str, Any]], outcome: str, small: list[str]) -> str:
    ratio, odds = found["demographic_parity_ratio"], found["equalized_odds_difference"]
    words = [
        f"Groups of {name}: demographic parity ratio {ratio['challenger']:.4g} ({ratio['low']:.4g} to {ratio['high']:.4g}, at least "
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
