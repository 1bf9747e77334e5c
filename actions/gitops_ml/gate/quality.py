"""The checks that decide most often: champion against challenger on the same rows, by the primary metric and by others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.bootstrap import paired
from gitops_ml.gate.decide import Decision, decide
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.influence import difference
from gitops_ml.gate.mcnemar import mcnemar
from gitops_ml.gate.metrics import LOWER_IS_BETTER, Array, Rows
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table
from gitops_ml.gate.weighted import SMOOTH, metric


def significant(value: float | None) -> float | None:
    """Six significant digits, as in all reports: more is noise, and would differ between processors."""
    return None if value is None else float(f"{value:.6g}")


def quality(evidence: Evidence, table: Table, own: dict[str, float], other: dict[str, float]) -> Check:
    """Whether the challenger is not worse: ``own`` and ``other`` are the metrics of challenger and champion."""
    name, rules = table.primary, evidence.policy.quality
    champion, challenger, rows = other.get(name), own.get(name), len(table.challenger.truth)
    others = {
        metric: {"champion": significant(other.get(metric)), "challenger": significant(value)}
        for metric, value in own.items()
        if metric != name
    }
    common = _common(f"quality/{name}", name, champion, challenger, rules.level, rows, rules.margin)
    if champion is None or challenger is None or table.champion is None:
        return _undefined(common, evidence)
    low, high = 0.0, 0.0
    figures: dict[str, Any] = {"method": "the same bytes: nothing to draw", "others": others}
    trouble = ""
    if not same(evidence):
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
        figures |= _beside(table, rules.level)
    estimate = significant(challenger - champion) or 0.0
    return _compared(common, estimate, low, high, rules.margin, rules.minimum_effect, figures, trouble)


def secondary(
    evidence: Evidence, table: Table, own: dict[str, float], other: dict[str, float]
) -> list[Check]:
    """The same question for each metric that policy.yaml names beside the primary one."""
    rules = evidence.policy.quality
    wanted = rules.secondary
    if not wanted or table.champion is None:
        return []
    pairs = {
        name: (old, new)
        for name in wanted
        if (old := metric(name, table.champion)) and (new := metric(name, table.challenger))
    }
    sample = Sample.of(table)
    trouble = sample.too_few()
    low: dict[str, float | None] = dict.fromkeys(pairs, 0.0)
    high: dict[str, float | None] = dict.fromkeys(pairs, 0.0)
    why = dict.fromkeys(pairs, trouble)
    figures: dict[str, Any] = {"method": "the same bytes: nothing to draw"}
    if trouble:
        low, high = dict.fromkeys(pairs, None), dict.fromkeys(pairs, None)
    elif pairs and not same(evidence):
        doubted = sample.with_doubt() if sample.rows.kind != "regression" else sample
        real = len(sample.rows.truth)
        both = [
            (_metric(name, sample, doubted, True), _metric(name, sample, doubted, False)) for name in pairs
        ]

        def differences(weights: Array) -> Array:
            # Decisions are doubted, scores are not: see Sample.with_doubt.
            rows = [weights[:, :real] if name in SMOOTH else weights for name in pairs]
            return np.column_stack([new(w) - old(w) for w, (old, new) in zip(rows, both, strict=True)])

        found = dict(zip(pairs, doubted.intervals(differences, rules), strict=True))
        low = {name: significant(one.low) for name, one in found.items()}
        high = {name: significant(one.high) for name, one in found.items()}
        why = {name: one.reason for name, one in found.items()}
        figures = {"method": f"paired {next(iter(found.values())).method}", "seed": rules.seed}
    made = []
    for name, limits in wanted.items():
        rows = len(table.challenger.truth)
        common = _common(
            f"secondary/{name}", name, other.get(name), own.get(name), rules.level, rows, limits.margin
        )
        if name not in pairs or name not in own or name not in other:
            made.append(_undefined(common, evidence))
            continue
        estimate = significant(own[name] - other[name]) or 0.0
        margins = limits.margin, limits.minimum_effect
        made.append(_compared(common, estimate, low[name], high[name], *margins, dict(figures), why[name]))
    return made


def _metric(name: str, sample: Sample, doubted: Sample, champion: bool) -> Callable[[Array], Array]:
    chosen = sample if name in SMOOTH else doubted
    rows = chosen.champion if champion else chosen.rows
    assert rows is not None
    found = metric(name, rows)
    assert found is not None
    return found


def same(evidence: Evidence) -> bool:
    """Whether the challenger is the champion, byte for byte."""
    champion = evidence.champion
    return champion is not None and champion.side.sha256 == evidence.challenger.side.sha256


def _common(
    id_: str,
    name: str,
    champion: float | None,
    challenger: float | None,
    level: float,
    rows: int,
    margin: float,
) -> dict[str, Any]:
    return {
        "id": id_,
        "metric": name,
        "champion": significant(champion),
        "challenger": significant(challenger),
        "level": level,
        "n": rows,
        "threshold": margin if name in LOWER_IS_BETTER else -margin,
        "title": f"{name} is not worse than the champion's by {margin:g} or more",
    }


def _undefined(common: dict[str, Any], evidence: Evidence) -> Check:
    name = common["metric"]
    why = evidence.evaluation.left_out.get(name) or (
        f"it is no metric of a {evidence.evaluation.task} model, or these rows do not allow it"
        if common["id"].startswith("secondary/")
        else "no reason was reported"
    )
    reason = f"{name} is not defined on these test rows: {why}."
    return Check(**common, severity="needs-human", outcome="unknown", reason=reason)


def _compared(
    common: dict[str, Any],
    estimate: float,
    low: float | None,
    high: float | None,
    margin: float,
    minimum_effect: float | None,
    figures: dict[str, Any],
    trouble: str,
) -> Check:
    """The check, of an interval of challenger less champion in the metric's own direction."""
    name, champion, challenger, rows = (
        common["metric"],
        common["champion"],
        common["challenger"],
        common["n"],
    )
    if name in LOWER_IS_BETTER:
        flipped = (None if high is None else -high, None if low is None else -low)
        decision = decide(-estimate, *flipped, margin, rows)
    else:
        decision = decide(estimate, low, high, margin, rows)
    figures["outcome"] = decision.word
    if decision.rows_needed:
        figures["rows_needed"] = decision.rows_needed
    small = minimum_effect is not None and decision.word == "improved" and abs(estimate) < minimum_effect
    if small:
        figures["below_minimum_effect"] = minimum_effect
    words = f"{name} went from {champion:.4g} to {challenger:.4g}: {estimate:+.4g}"
    if low is not None and high is not None:
        words += f" ({common['level'] * 100:g}% interval {low:+.4g} to {high:+.4g})"
    said = _meaning(decision, margin, rows, trouble, minimum_effect if small else None)
    return Check(
        **common,
        # A regression is shown, and blocks; what the rows cannot tell, a person decides.
        severity="needs-human" if decision.outcome == "unknown" else "block",
        outcome=decision.outcome,
        estimate=estimate,
        low=low,
        high=high,
        reason=f"{words}. {said}",
        evidence=figures,
    )


def _meaning(decision: Decision, margin: float, rows: int, trouble: str, minimum_effect: float | None) -> str:
    word, needed = decision.word, decision.rows_needed
    if minimum_effect is not None:
        return f"Improved, by less than the {minimum_effect:g} that policy.yaml calls worth a change."
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


def _beside(table: Table, level: float) -> dict[str, Any]:
    """Figures that do not decide, for those who know them: DeLong's interval of the AUC, McNemar's test of accuracy."""
    if table.champion is None or table.challenger.kind == "regression":
        return {}
    sample, found = Sample.of(table), {}
    assert sample.champion is not None
    if table.challenger.kind == "binary":
        delong = difference(sample.champion, sample.rows, sample.groups)
        if delong is not None and delong.error > 0:
            ends = delong.interval(level)
            found["delong"] = {
                "low": significant(ends[0]),
                "high": significant(ends[1]),
                "error": significant(delong.error),
            }
    right = [one.scores.argmax(axis=1) == one.truth for one in (sample.champion, sample.rows)]
    if table.groups is None:  # its rows must be independent
        found["mcnemar"] = mcnemar(int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum()))
    return found


def _side_truth(rows: Rows) -> Array:
    return rows.truth == rows.positive if rows.kind == "binary" else rows.truth


def _side_scores(rows: Rows) -> Array:
    return rows.scores[:, rows.positive] if rows.kind == "binary" else rows.scores
