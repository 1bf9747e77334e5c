"""The check against a baseline: the question of ``quality``, asked of a release that people chose, not of the last one.

Each model may be a margin worse than the one before it, so many honest steps can lead far down. The baseline stays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gitops_ml.contracts.verdict import Check, Side
from gitops_ml.gate.decide import asks_at_most
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.metrics import PRIMARY, measure
from gitops_ml.gate.quality import quality
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table, kind_of


def baseline(evidence: Evidence) -> list[Check]:
    """``baseline/<primary>``; nothing where policy.yaml names no version.

    A release that is gone, or cannot predict today's rows, is unknown and asks a person at most.
    """
    rules, player = evidence.policy.baseline, evidence.baseline
    if rules.version is None:
        return []
    name = PRIMARY[kind_of(evidence.new_schema)]
    margin = evidence.policy.quality.margin if rules.margin is None else rules.margin
    common: dict[str, Any] = {
        "id": f"baseline/{name}",
        "metric": name,
        "title": f"{name} is not worse than that of the baseline {rules.version} by {margin:g} or more",
    }
    limits = evidence.policy.quality.model_copy(update={"margin": margin})
    mine = replace(evidence, champion=player, policy=evidence.policy.model_copy(update={"quality": limits}))
    table = Table.of(mine)
    sample = Sample.of(table)
    if player is None or sample.champion is None:
        why = evidence.no_baseline if player is None else table.trouble
        reason = f"Not compared with the baseline {rules.version}: {why}"
        return [Check(**common, severity=asks_at_most(rules.severity), outcome="unknown", reason=reason)]
    judged = quality(mine, table, measure(sample.rows), measure(sample.champion))
    severity = asks_at_most(rules.severity) if judged.outcome == "unknown" else rules.severity
    words = f"Against the baseline {rules.version}, {judged.reason}"
    figures = {**judged.evidence, "version": rules.version}
    return [judged.model_copy(update={**common, "severity": severity, "reason": words, "evidence": figures})]


def inputs(evidence: Evidence) -> Side | None:
    """What the verdict names of it; None where there is none."""
    return None if evidence.baseline is None else evidence.baseline.side
