"""Whether any declared group of rows is worse off: a one-sided test for each, held together by Holm's correction.

For a slice the question is whether the challenger is *shown* to be worse by more than the margin. With 30 slices one
of them looks so by accident every other time; Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979,
p. 65) keeps the chance that any slice is blamed wrongly at ``1 - quality.level``, however the slices overlap. What too
few rows cannot show is said, and never counted as shown.
"""

from __future__ import annotations

from typing import Any

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.influence import Difference, difference
from gitops_ml.gate.metrics import primary
from gitops_ml.gate.parts import parts
from gitops_ml.gate.quality import same, significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table

SHOWN = 20  # of the worst, and of those with too few rows


def slices(evidence: Evidence, table: Table) -> list[Check]:
    """One check on all slices that can be judged, and a note on those that cannot; nothing if none is declared."""
    policy = evidence.policy
    if not policy.slices or table.champion is None:
        return []
    margin = policy.slices_margin or 2 * policy.quality.margin
    if not table.finite:
        return [
            Check(
                id="slices",
                severity=policy.slices_severity,
                outcome="unknown",
                title=f"No slice is shown to be worse by more than {margin:g}",
                reason="Some scores are no finite numbers: no slice was looked at.",
            )
        ]
    columns = evidence.columns.loc[table.known]
    families, missing = parts(policy, columns)
    sample = Sample.of(table, *(one.codes for one in families))
    assert sample.champion is not None
    judged: list[tuple[str, str, int, Difference]] = []
    few: list[dict[str, Any]] = []
    for family in families:
        codes = family.codes[sample.order]
        for number, size in enumerate(family.sizes.tolist()):
            if not size:
                continue
            here = {"column": family.name, "value": family.labels[number], "n": size}
            if size < policy.min_slice_rows:
                few.append({**here, "why": f"fewer than {policy.min_slice_rows} rows"})
                continue
            own = sample.only(codes == number)
            why = _undefined(own)
            found = None
            if not why and own.champion is not None:
                found = difference(own.champion, own.rows, own.groups)
            if found is None:
                few.append({**here, "why": why or f"{table.primary} is not defined"})
            else:
                judged.append((family.name, family.labels[number], size, found))
    made = [_family(evidence, table, judged, len(few), missing, margin)] if judged or missing else []
    return [*made, *([_few(few)] if few else [])]


def _undefined(sample: Sample) -> str:
    """Why the difference of these rows has no test; empty if it has."""
    if primary(sample.rows) is None:
        return "all rows are of one class" if sample.rows.kind != "regression" else "all targets are equal"
    return sample.too_few().partition(";")[0]


def _family(
    evidence: Evidence,
    table: Table,
    judged: list[tuple[str, str, int, Difference]],
    few: int,
    missing: list[str],
    margin: float,
) -> Check:
    level, name = evidence.policy.quality.level, table.primary
    raw = [1.0 if same(evidence) else found.worse(margin) for *_, found in judged]
    entries: list[dict[str, Any]] = []
    for (column, value, n, found), p in zip(judged, holm(raw), strict=True):
        low, high = found.interval(level)
        entries.append(
            {
                "column": column,
                "value": value,
                "n": n,
                "champion": significant(found.champion),
                "challenger": significant(found.challenger),
                "estimate": significant(found.estimate) or 0.0,
                "low": significant(low),
                "high": significant(high),
                "p": significant(p),
                "outcome": "worse" if p <= 1 - level else "not shown to be worse",
            }
        )
    entries.sort(key=lambda one: (one["p"], one["estimate"], one["column"], one["value"]))
    worse = [one for one in entries if one["outcome"] == "worse"]
    unsure = sum(one["low"] <= -margin and one["outcome"] != "worse" for one in entries)
    # What does not count as worse leads by its estimate: that is what a reviewer looks for first.
    lead = [*worse, *sorted(entries[len(worse) :], key=lambda o: (o["estimate"], o["column"], o["value"]))]
    first = lead[0] if lead else {}
    return Check(
        id="slices",
        severity=evidence.policy.slices_severity,
        outcome="fail" if worse else "unknown" if missing else "pass",
        title=f"No slice is shown to be worse by more than {margin:g}",
        reason=_reason(name, lead, len(worse), missing, margin),
        metric=name,
        champion=first.get("champion"),
        challenger=first.get("challenger"),
        estimate=first.get("estimate"),
        low=first.get("low"),
        high=first.get("high"),
        level=level,
        n=first.get("n"),
        threshold=-margin,
        evidence={
            "slices": len(entries),
            "worse": len(worse),
            "unsure": unsure,
            "few": few,
            "missing": missing,
            "worst": lead[:SHOWN],
            "method": f"one-sided test by the formula of DeLong (R²: delta method), Holm over {len(entries)} slices",
        },
    )


def _reason(name: str, lead: list[dict[str, Any]], worse: int, missing: list[str], margin: float) -> str:
    words = []
    if lead:
        one = lead[0]
        words.append(
            f"{one['column']} = {one['value']} (n = {one['n']:,}): {name} {one['champion']:.4g} to "
            f"{one['challenger']:.4g}, {one['estimate']:+.4g}"
        )
        if worse:
            more = f"; and {worse - 1} more" if worse > 1 else ""
            words[0] = f"Shown to be worse by more than {margin:g}: {words[0]} (p = {one['p']:.2g}){more}."
        else:
            words[0] = (
                f"Of {len(lead)} slices none is shown to be worse by more than {margin:g}; the lowest: {words[0]}."
            )
    if missing:
        words.append(f"Not looked at, because the test rows have no such column: {', '.join(missing)}.")
    return " ".join(words)


def _few(few: list[dict[str, Any]]) -> Check:
    """Slices that nobody can judge are named; they pass nothing."""
    few = sorted(few, key=lambda one: (-one["n"], one["column"], one["value"]))
    named = "; ".join(f"{one['column']} = {one['value']} (n = {one['n']:,}: {one['why']})" for one in few[:3])
    more = f"; and {len(few) - 3} more" if len(few) > 3 else ""
    return Check(
        id="slices/few",
        severity="note",
        outcome="unknown",
        title="Every slice has enough rows to be judged",
        reason=f"Too few rows to judge: {named}{more}.",
        n=sum(one["n"] for one in few),
        evidence={"slices": len(few), "largest": few[:SHOWN]},
    )


def holm(p: list[float]) -> list[float]:
    """Adjusted p values, in the order given: each is to be held against the family's rate."""
    order = sorted(range(len(p)), key=lambda k: p[k])
    adjusted, so_far = [1.0] * len(p), 0.0
    for place, k in enumerate(order):
        so_far = max(so_far, min(1.0, (len(p) - place) * p[k]))
        adjusted[k] = so_far
    return adjusted
