"""The checks that decide most often: champion against challenger on the same rows, by the primary metric and by others."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np

from gitops_ml.contracts.policy import Quality
from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.bootstrap import Interval, paired, too_few
from gitops_ml.gate.decide import Decision, decide
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.influence import difference, error_of
from gitops_ml.gate.mcnemar import mcnemar
from gitops_ml.gate.metrics import LOWER_IS_BETTER, Array, Rows
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table
from gitops_ml.gate.weighted import SMOOTH, metric

MANY, MANY_GROUPS = 20_000, 200


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
        found = _interval(table, rules)
        low, high = significant(found.low), significant(found.high)  # type: ignore[assignment]
        trouble = found.reason
        figures |= {"method": found.method}
        figures |= {"seed": rules.seed, "repeats": found.repeats} if found.repeats else {}
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
    trouble = "" if same(evidence) else sample.too_few()
    low: dict[str, float | None] = dict.fromkeys(pairs, 0.0)
    high: dict[str, float | None] = dict.fromkeys(pairs, 0.0)
    why = dict.fromkeys(pairs, trouble)
    figures: dict[str, Any] = {"method": "the same bytes: nothing to draw"}
    if trouble:
        low, high = dict.fromkeys(pairs, None), dict.fromkeys(pairs, None)
    elif pairs and not same(evidence):
        found = _intervals(list(pairs), sample, rules)
        low = {name: significant(one.low) for name, one in found.items()}
        high = {name: significant(one.high) for name, one in found.items()}
        why = {name: one.reason for name, one in found.items()}
        first = next(iter(found.values()))
        figures = {"method": first.method} | ({"seed": rules.seed} if first.repeats else {})
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


def _interval(table: Table, rules: Quality) -> Interval:
    """Of the primary metric: drawn, or from the formula where there are many rows."""
    assert table.champion is not None
    truth, groups = _side_truth(table.challenger), table.groups
    if _many(table) and not too_few(table.challenger.kind, truth, groups):
        sample = Sample.of(table)
        assert sample.champion is not None
        found = difference(sample.champion, sample.rows, sample.groups)
        if found is not None and found.error > 0:
            source = "the delta method" if table.challenger.kind == "regression" else "DeLong et al. 1988"
            return Interval(*found.interval(rules.level), 0, f"paired, by the formula of {source}")
    return paired(
        table.challenger.kind,
        truth,
        _side_scores(table.champion),
        _side_scores(table.challenger),
        groups=groups,
        level=rules.level,
        repeats=rules.repeats,
        seed=rules.seed,
    )


def _intervals(names: list[str], sample: Sample, rules: Quality) -> dict[str, Interval]:
    """Of secondary metrics: drawn, or from the delta method where there are many rows."""
    assert sample.champion is not None
    doubted = sample.with_doubt() if sample.rows.kind != "regression" else sample
    real = len(sample.rows.truth)
    both = []
    for name in names:
        chosen = sample if name in SMOOTH else doubted  # decisions are doubted, scores are not
        assert chosen.champion is not None
        old, new = metric(name, chosen.champion), metric(name, chosen.rows)
        assert old is not None and new is not None
        both.append((old, new, chosen.groups))
    if _many(sample):
        found = {}
        for name, (old, new, groups) in zip(names, both, strict=True):
            ones = np.ones((1, len(new.pairs[0][0])))
            estimate = float((new.of(ones) - old.of(ones))[0])
            reach = NormalDist().inv_cdf((1 + rules.level) / 2) * error_of(
                new.shares() - old.shares(), groups
            )
            if math.isfinite(reach) and math.isfinite(estimate):
                found[name] = Interval(estimate - reach, estimate + reach, 0, "paired, by the delta method")
            else:
                found[name] = Interval(None, None, 0, "none", "the metric is not defined on these rows")
        return found

    def differences(weights: Array) -> Array:
        rows = [weights[:, :real] if name in SMOOTH else weights for name in names]
        return np.column_stack([new.of(w) - old.of(w) for w, (old, new, _) in zip(rows, both, strict=True)])

    drawn = doubted.intervals(differences, rules)
    return {name: replace(one, method=f"paired {one.method}") for name, one in zip(names, drawn, strict=True)}


def _many(rows: Table | Sample) -> bool:
    """So many rows, and groups, that a formula and draws agree, and draws would take minutes."""
    groups = rows.groups
    n = len((rows.challenger if isinstance(rows, Table) else rows.rows).truth)
    return n >= MANY and (groups is None or len(np.unique(groups)) >= MANY_GROUPS)


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
        words += f" ({common['level'] * 100:.4g}% interval {low:+.4g} to {high:+.4g})"
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
