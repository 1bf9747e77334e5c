"""Whether the scores can be read as shares: of rows scored 0.7, seven in ten turn out so.

The Brier score (Monthly Weather Review 78, 1950, p. 1) is a mean over rows: its paired difference has the normal
interval of a mean. The expected calibration error (Naeini et al., AAAI 2015, p. 2902; bins of equal size) is a sum of
absolute gaps, so noise can only add to it: of a perfectly calibrated model it is never zero. A plain bootstrap adds
the noise twice and hardly ever covers the truth. The interval here takes off at its lower end the most that noise can
have added, which is the mean of folded normals at a gap of zero, and so covers at least as often as it says.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.decide import decide
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.influence import error_of
from gitops_ml.gate.metrics import BINS, Array, Rows, squares
from gitops_ml.gate.quality import same, significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table


def calibration(evidence: Evidence, table: Table) -> list[Check]:
    """Brier score against the champion's, and both models' calibration error; nothing of a regression."""
    if table.challenger.kind == "regression" or not table.finite:
        return []
    rules, level, sample = evidence.policy.calibration, evidence.policy.quality.level, Sample.of(table)
    few = sample.too_few()
    sides = {"challenger": sample.rows} | ({"champion": sample.champion} if sample.champion else {})
    errors = {who: _ece(rows, sample.groups, level, bool(few)) for who, rows in sides.items()}
    brier = {who: float(squares(rows).mean()) for who, rows in sides.items()}
    own = errors["challenger"]
    said = f"Expected calibration error {own['value']:.4g}"
    if own["low"] is not None:
        said += f" ({level * 100:g}% interval {own['low']:.4g} to {own['high']:.4g})"
    common: dict[str, Any] = {
        "id": "calibration",
        "severity": rules.severity,
        "title": f"The Brier score is not higher than the champion's by {rules.margin:g} or more",
        "metric": "brier",
        "challenger": significant(brier["challenger"]),
        "level": level,
        "n": len(sample.rows.truth),
    }
    figures: dict[str, Any] = {"ece": errors, "bins": BINS, "method": "normal, from each row's part"}
    if sample.champion is None:
        reason = f"Brier score {brier['challenger']:.4g}; nothing to compare it with. {said}."
        return [Check(**common, outcome="pass", reason=reason, evidence=figures)]
    gap = squares(sample.rows) - squares(sample.champion)
    estimate, low, high = float(gap.mean()), None, None
    if not few or same(evidence):
        reach = NormalDist().inv_cdf((1 + level) / 2) * error_of((gap - estimate) / len(gap), sample.groups)
        low, high = estimate - reach, estimate + reach
    decision = decide(
        -estimate, None if high is None else -high, None if low is None else -low, rules.margin, len(gap)
    )
    words = f"Brier score {brier['champion']:.4g} to {brier['challenger']:.4g}: {decision.word}"
    if low is not None and high is not None:
        words += f" ({estimate:+.4g}, {level * 100:g}% interval {low:+.4g} to {high:+.4g})"
    return [
        Check(
            **common,
            outcome=decision.outcome,
            champion=significant(brier["champion"]),
            estimate=significant(estimate),
            low=significant(low),
            high=significant(high),
            threshold=rules.margin,
            reason=f"{words}{f': {few}' if few else ''}. {said}.",
            evidence={**figures, "outcome": decision.word},
        )
    ]


def _ece(rows: Rows, groups: Array | None, level: float, few: bool) -> dict[str, float | None]:
    """The error and its interval; ``rows`` in an order of their own, so that ties fall into the same bins everywhere."""
    if rows.kind == "binary":
        outcome, score = (rows.truth == rows.positive).astype(float), rows.scores[:, rows.positive]
    else:
        outcome = (rows.scores.argmax(axis=1) == rows.truth).astype(float)
        score = rows.scores.max(axis=1)
    n, noise = len(score), 0.0
    share, value = np.zeros(n), 0.0
    for own in np.array_split(np.argsort(score, kind="stable"), min(BINS, n)):
        gap = outcome[own] - score[own]
        part = float(gap.sum()) / n
        value += abs(part)
        centred = (gap - gap.mean()) / n
        noise += math.sqrt(2 / math.pi) * error_of(centred, None if groups is None else groups[own])
        share[own] = math.copysign(1.0, part) * centred
    if few:
        return {"value": significant(value), "low": None, "high": None}
    reach = NormalDist().inv_cdf((1 + level) / 2) * error_of(share, groups)
    return {
        "value": significant(value),
        "low": significant(max(0.0, value - noise - reach)),
        "high": significant(min(1.0, value + reach)),
    }
