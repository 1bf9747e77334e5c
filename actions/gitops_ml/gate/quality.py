"""The check that decides most often: the primary metric, champion against challenger, on the same rows."""

from __future__ import annotations

from typing import Any

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.bootstrap import paired
from gitops_ml.gate.decide import decide
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.metrics import Array, Rows
from gitops_ml.gate.table import Table


def significant(value: float | None) -> float | None:
    """Six significant digits, as in all reports: more is noise, and would differ between processors."""
    return None if value is None else float(f"{value:.6g}")


def quality(evidence: Evidence, table: Table, own: dict[str, float], other: dict[str, float]) -> Check:
    """Whether the challenger is not worse: ``own`` and ``other`` are the metrics of challenger and champion."""
    name, rules = table.primary, evidence.policy.quality
    champion, challenger, rows = other.get(name), own.get(name), len(table.challenger.truth)
    common: dict[str, Any] = {
        "id": f"quality/{name}",
        "metric": name,
        "champion": significant(champion),
        "challenger": significant(challenger),
        "level": rules.level,
        "n": rows,
        "threshold": -rules.margin,
        "title": f"{name} is not worse than the champion's by {rules.margin:g} or more",
    }
    others = {
        metric: {"champion": significant(other.get(metric)), "challenger": significant(value)}
        for metric, value in own.items()
        if metric != name
    }
    if champion is None or challenger is None or table.champion is None:
        reason = f"{name} is not defined on these test rows: {evidence.evaluation.left_out.get(name) or 'no reason was reported'}."
        return Check(**common, severity="needs-human", outcome="unknown", reason=reason)
    same = evidence.champion is not None and (
        evidence.champion.side.sha256 == evidence.challenger.side.sha256
    )
    estimate, low, high = (significant(challenger - champion) or 0.0), 0.0, 0.0
    figures: dict[str, Any] = {"method": "the same bytes: nothing to draw", "others": others}
    trouble = ""
    if not same:
        found = paired(
            table.challenger.kind,
            _side_truth(table.challenger),
            _side_scores(table.champion),
            _side_scores(table.challenger),
            groups=table.groups,
            level=rules.level,
            repeats=rules.repeats,
            seed=rules.seed,
        )
        low, high = significant(found.low), significant(found.high)  # type: ignore[assignment]
        trouble = found.reason
        figures |= {"method": found.method, "seed": rules.seed, "repeats": found.repeats}
    decision = decide(estimate, low, high, rules.margin, rows)
    figures["outcome"] = decision.word
    if decision.rows_needed:
        figures["rows_needed"] = decision.rows_needed
    words = f"{name} went from {champion:.4g} to {challenger:.4g}: {estimate:+.4g}"
    if low is not None and high is not None:
        words += f" ({rules.level * 100:g}% interval {low:+.4g} to {high:+.4g})"
    return Check(
        **common,
        # A regression is shown, and blocks; what the rows cannot tell, a person decides.
        severity="needs-human" if decision.outcome == "unknown" else "block",
        outcome=decision.outcome,
        estimate=estimate,
        low=low,
        high=high,
        reason=f"{words}. {_meaning(decision.word, rules.margin, rows, decision.rows_needed, trouble)}",
        evidence=figures,
    )


def _meaning(word: str, margin: float, rows: int, needed: int | None, trouble: str) -> str:
    if word == "improved":
        return "Improved."
    if word == "no measurable change":
        return f"No measurable change; a loss of {margin:g} is ruled out."
    if word == "worse within margin":
        return f"Worse, but surely by less than the margin of {margin:g}."
    if word == "regression":
        return f"Worse, and beyond the margin of {margin:g}."
    if trouble:
        return f"Cannot tell: {trouble}."
    more = f" About {needed:,} rows would tell, if the difference stayed." if needed else ""
    return f"Cannot tell: {rows:,} test rows do not rule out a loss of {margin:g}.{more}"


def _side_truth(rows: Rows) -> Array:
    return rows.truth == rows.positive if rows.kind == "binary" else rows.truth


def _side_scores(rows: Rows) -> Array:
    return rows.scores[:, rows.positive] if rows.kind == "binary" else rows.scores
