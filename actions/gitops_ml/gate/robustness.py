"""Whether the challenger suffers more than the champion on a bad day: numbers that are a little off, a column that is empty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gitops_ml.contracts.verdict import Check, DisturbedRows, Outcome
from gitops_ml.gate.bad_day import BadDay, Block
from gitops_ml.gate.decide import asks_at_most
from gitops_ml.gate.evidence import Evidence, Player
from gitops_ml.gate.metrics import PRIMARY, measure
from gitops_ml.gate.quality import quality, significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table, kind_of

ORDER: tuple[Outcome, ...] = ("fail", "unknown", "pass")
NOISE, MISSING = "robustness/noise", "robustness/missing"


def robustness(evidence: Evidence) -> list[Check]:
    """``robustness/noise`` and ``robustness/missing``, where policy.yaml asks for them.

    Of several emptied columns the worst is told; each is judged at a level that keeps the error of all of them together
    (Bonferroni). What the challenger cannot predict counts in full; what else is missing asks a person at most.
    """
    rules = evidence.policy.robustness
    wanted = [
        *([NOISE] if rules.noise is not None else []),
        *([MISSING] if rules.missing is not None else []),
    ]
    if not wanted:
        return []
    found = evidence.disturbed or BadDay(error="nobody disturbed the test rows")
    made = []
    for name in wanted:
        blocks = [one for one in found.blocks if (one.column is None) == (name == NOISE)]
        if blocks:
            judged = [_judged(evidence, found, block, len(blocks)) for block in blocks]
            made.append(min(judged, key=lambda one: (ORDER.index(one.outcome), _lost(one))))
        elif found.error or not found.blocks:
            made.append(_unknown(evidence, name, found))
        # else: no feature is a number, so there is nothing that noise could fall on
    return made


def inputs(evidence: Evidence) -> DisturbedRows | None:
    """What the verdict names of it; None where no predictions took part."""
    found = evidence.disturbed
    return None if found is None or not found.blocks else DisturbedRows(predictions=dict(found.digests))


def _judged(evidence: Evidence, found: BadDay, block: Block, blocks: int) -> Check:
    rules, base = evidence.policy.robustness, evidence.policy.quality
    margin = base.margin if rules.margin is None else rules.margin
    level = 1 - (1 - base.level) / blocks
    limits = base.model_copy(update={"margin": margin, "level": level, "minimum_effect": None})
    champion = evidence.champion
    assert found.rows is not None
    mine = replace(
        evidence,
        policy=evidence.policy.model_copy(update={"quality": limits}),
        truth=evidence.truth.iloc[found.rows].reset_index(drop=True),
        groups=None if evidence.groups is None else evidence.groups.iloc[found.rows].reset_index(drop=True),
        challenger=Player(evidence.challenger.side, block.predictions["challenger"]),
        champion=champion and Player(champion.side, block.predictions.get("champion"), champion.error),
    )
    table, name = Table.of(mine), PRIMARY[kind_of(evidence.new_schema)]
    sample = Sample.of(table)
    own, clean = measure(sample.rows), _undisturbed(evidence, found, name)
    many, few = len(evidence.truth), len(mine.truth)
    of = f" (on {few:,} of {many:,} test rows)" if few < many else ""
    bad = (
        f"With numbers off by {found.noise:g} standard deviations{of}"
        if block.column is None
        else f"Without {block.column}{of}"
    )
    figures: dict[str, Any] = {"undisturbed": clean, "column": block.column, "noise": found.noise}
    common: dict[str, Any] = {
        "id": NOISE if block.column is None else MISSING,
        "metric": name,
        "title": f"On a bad day {name} is not worse than the champion's by {margin:g} or more",
    }
    value = significant(own.get(name))
    if sample.champion is None or value is None:
        shown = "not defined" if value is None else f"{value:.4g}"
        first = champion is None and value is not None
        reason = f"{bad}, {name} is {shown}" + (
            f"; undisturbed it is {clean:.4g}." if clean is not None else "."
        )
        reason += "" if first or champion is None else f" Not compared: {table.trouble}."
        return Check(
            **common, severity="note" if first else asks_at_most(rules.severity), outcome="pass" if first else "unknown",
            challenger=value, n=few, reason=reason, evidence=figures,
        )  # fmt: skip
    judged = quality(mine, table, own, measure(sample.champion))
    severity = asks_at_most(rules.severity) if judged.outcome == "unknown" else rules.severity
    reason = f"{bad}, {judged.reason}"
    reason += f" Undisturbed it is {clean:.4g}." if clean is not None else ""
    kept = {key: one for key, one in judged.evidence.items() if key not in ("others", "delong", "mcnemar")}
    return judged.model_copy(
        update={**common, "severity": severity, "reason": reason, "evidence": {**kept, **figures}}
    )


def _undisturbed(evidence: Evidence, found: BadDay, name: str) -> float | None:
    """The challenger's figure on the same rows as they are."""
    assert found.rows is not None
    table = Table.of(evidence)
    chosen = table.known[found.rows]
    # Table keeps known rows only: where each of the file's rows went.
    place = table.known.cumsum() - 1
    rows = Sample.whole(table).only(place[found.rows][chosen]).rows
    return significant(measure(rows).get(name))


def _unknown(evidence: Evidence, name: str, found: BadDay) -> Check:
    rules, metric = evidence.policy.robustness, PRIMARY[kind_of(evidence.new_schema)]
    return Check(
        id=name,
        metric=metric,
        title=f"On a bad day {metric} is not worse than the champion's",
        severity=rules.severity if found.fault else asks_at_most(rules.severity),
        outcome="unknown",
        reason=f"Nobody knows what becomes of it on a bad day: {found.error}",
    )


def _lost(one: Check) -> float:
    """The lower end of the difference: the lower, the worse; each kind's primary metric is better when higher."""
    return (
        one.estimate
        if one.low is None and one.estimate is not None
        else one.low
        if one.low is not None
        else 0.0
    )
