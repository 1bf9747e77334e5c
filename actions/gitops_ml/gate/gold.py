"""The check on the gold set: the question of ``quality``, asked on rows that nobody can have tuned to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gitops_ml.contracts.verdict import Check, GoldRows, Severity
from gitops_ml.gate.decide import asks_at_most
from gitops_ml.gate.evidence import Evidence, Player
from gitops_ml.gate.gold_rows import GoldSet
from gitops_ml.gate.metrics import PRIMARY, measure
from gitops_ml.gate.quality import quality, significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table, kind_of

SPOILT = "Rows that a stage reads prove nothing: name another table, or take it out of dvc.yaml"


def gold(evidence: Evidence) -> list[Check]:
    """``gold/<primary>``, and ``gold/floor`` where policy.yaml has one; nothing where it names no table.

    A stage that reads the table fails it, whatever the figures. What the base branch's storage lacks, or a champion that
    cannot be scored, is unknown and asks a person at most; what the challenger cannot predict counts in full.
    """
    rules = evidence.policy.gold
    if rules.table is None:
        return []
    found = evidence.gold or GoldSet(rules.table, error="nobody scored it", lost=True)
    name = PRIMARY[kind_of(evidence.new_schema)]
    common: dict[str, Any] = {"id": f"gold/{name}", "metric": name}
    common |= {"title": f"{name} on the gold set {found.table}", "severity": rules.severity}
    if found.readers:
        stages = _list(found.readers)
        reason = f"{found.table} is read, or made, by {stages}. {SPOILT}."
        return [Check(**common, outcome="fail", reason=reason, evidence={"readers": list(found.readers)})]
    if found.truth is None or "challenger" not in found.predictions:
        if found.lost:
            common["severity"] = asks_at_most(rules.severity)
        return [Check(**common, outcome="unknown", reason=f"The gold set cannot tell: {found.error}")]
    return _measured(evidence, found, common)


def inputs(evidence: Evidence) -> GoldRows | None:
    """What the verdict names of it; None where no predictions took part."""
    found = evidence.gold
    if evidence.policy.gold.table is None or found is None or found.sha256 is None or not found.predictions:
        return None
    return GoldRows(rows=found.sha256, predictions=dict(found.digests))


def _measured(evidence: Evidence, found: GoldSet, common: dict[str, Any]) -> list[Check]:
    rules, name, champion = evidence.policy.gold, common["metric"], evidence.champion
    assert found.truth is not None
    margin = evidence.policy.quality.margin if rules.margin is None else rules.margin
    mine = replace(
        evidence,
        policy=evidence.policy.model_copy(
            update={"quality": evidence.policy.quality.model_copy(update={"margin": margin})}
        ),
        truth=found.truth,
        groups=found.groups,
        challenger=Player(evidence.challenger.side, found.predictions["challenger"]),
        champion=champion and Player(champion.side, found.predictions.get("champion"), found.error or None),
    )
    table = Table.of(mine)
    rows = len(table.challenger.truth)
    left = f" {found.left_out:,} rows were left out: the candidate was trained on them." * bool(
        found.left_out
    )
    if not rows or not np.isfinite(table.challenger.scores).all():
        why = "its scores of it are not all finite numbers" if rows else "no row of it is of a class it knows"
        return [Check(**common, outcome="unknown", n=rows, reason=f"The gold set cannot tell: {why}.{left}")]
    sample = Sample.of(table)
    own = measure(sample.rows)
    value = significant(own.get(name))
    floor = _floor(rules.floor, name, value, rows, rules.severity)
    figures = {"challenger": value, "n": rows, "evidence": {"left_out": found.left_out}}
    shown = "not defined" if value is None else f"{value:.4g}"
    said = f"{name} is {shown} on {rows:,} rows of the gold set"
    if champion is None:
        common["severity"] = "note"
        first = Check(**common, **figures, outcome="pass", reason=f"{said}: the first model.{left}")
        return [first, *floor]
    if table.champion is None or sample.champion is None:
        common["severity"] = asks_at_most(rules.severity)
        reason = f"{said}, compared with no other model: {table.trouble or found.error}.{left}"
        return [Check(**common, **figures, outcome="unknown", reason=reason), *floor]
    judged = quality(mine, table, own, measure(sample.champion))
    severity = asks_at_most(rules.severity) if judged.outcome == "unknown" else rules.severity
    compared = judged.model_copy(
        update={
            "id": common["id"],
            "title": f"{common['title']} is not worse than the champion's by {margin:g} or more",
            "severity": severity,
            "reason": f"On the gold set {judged.reason}{left}",
            "evidence": {**judged.evidence, "left_out": found.left_out},
        }
    )
    return [compared, *floor]


def _floor(limit: float | None, name: str, value: float | None, rows: int, severity: Severity) -> list[Check]:
    if limit is None:
        return []
    enough = None if value is None else value >= limit  # each kind's primary metric is better when higher
    shown = "not defined" if value is None else f"{value:.4g}"
    return [
        Check(
            id="gold/floor",
            severity=severity,
            outcome="unknown" if enough is None else "pass" if enough else "fail",
            title=f"{name} on the gold set is at least {limit:.4g}",
            reason=f"{name} is {shown} on the gold set, and policy.yaml asks for at least {limit:.4g}.",
            metric=name,
            challenger=value,
            estimate=value,
            threshold=limit,
            n=rows,
        )
    ]


def _list(stages: tuple[str, ...]) -> str:
    more = f" and {len(stages) - 3} more" if len(stages) > 3 else ""
    return f"stage{'s' if len(stages) > 1 else ''} {', '.join(stages[:3])}{more}"
