"""Whether the model's file is too large. In the verdict, for sizes are bound by digest; what a clock measures is in gate.clocks."""

from __future__ import annotations

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.quality import significant

SMALL = 1_000_000
"""Bytes up to which a model may grow by any factor: it costs next to nothing to keep, to load and to send."""


def size(evidence: Evidence) -> list[Check]:
    """The model's bytes against policy.yaml, and against the champion's. Empty where nothing limits them."""
    budgets, champion, own = evidence.policy.budgets, evidence.champion, evidence.challenger.size
    compared = budgets.bytes_ratio is not None and champion is not None
    if own is None or (budgets.bytes is None and not compared):
        return []
    other = champion.size if champion is not None else None
    ratio = significant(own / other) if other else None
    wrong, unknown = [], ""
    if budgets.bytes is not None and own > budgets.bytes:
        wrong.append(f"more than the {budgets.bytes:,} that policy.yaml allows")
    if budgets.bytes_ratio is not None and champion is not None:
        if ratio is None:
            unknown = " The champion's are not to be had, so how much it grew is unknown."
        elif ratio > budgets.bytes_ratio and own > SMALL:
            wrong.append(
                f"{ratio:.3g} times the champion's {other:,}, and policy.yaml allows {budgets.bytes_ratio:g} times"
            )
    beside = f"; the champion has {other:,}" if other else ""
    return [
        Check(
            id="budget/bytes",
            severity=budgets.severity if wrong or not unknown else "note",
            outcome="fail" if wrong else "unknown" if unknown else "pass",
            title="The model's file is not too large",
            reason=f"The model has {own:,} bytes{', ' + '; '.join(wrong) if wrong else beside}.{unknown}",
            champion=other,
            challenger=own,
            estimate=ratio,
            threshold=budgets.bytes_ratio if compared else None,
            evidence={} if budgets.bytes is None else {"limit": budgets.bytes},
        )
    ]
