"""Whether training knew the answer: a column that alone predicts it, test rows older than training rows, a shuffle that scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.verdict import Check, Outcome, Severity
from gitops_ml.gate.evidence import Evidence, Player
from gitops_ml.gate.metrics import CONSTANT, Rows, auc, primary, r2
from gitops_ml.gate.quality import significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table
from gitops_ml.rows.alone import LEAST, correlation, ranks
from gitops_ml.rows.shuffles import shuffles

if TYPE_CHECKING:
    import pandas as pd

Why = Literal["leak", "declared", "champion", "known"]
"""A leak; one that this pull request declares known; one that the champion had as well; one that the base declares known."""
WORSE: tuple[Why, ...] = ("leak", "declared", "champion", "known")
LISTED = 20


@dataclass(frozen=True)
class Leak:
    """A column that alone predicts the target, and what is to be thought of it."""

    column: str
    score: float
    why: Why


def leakage(evidence: Evidence, table: Table) -> list[Check]:
    """The columns always; the order of time where rows are split by it; the shuffle where policy.yaml asks for it."""
    return [_alone(evidence, table), *_time(evidence), *_shuffled(evidence)]


# ---------------------------------------------------------------- one column


def _alone(evidence: Evidence, table: Table) -> Check:
    rules, rows = evidence.policy.leakage, evidence.prepared
    high = sorted((-score, name) for name, score in rows.alone.items() if score >= rules.alone)
    learnt = _learnt(table) if high else None
    as_good = learnt is not None and learnt >= rules.alone - evidence.policy.quality.margin
    found = [Leak(name, -score, _why(evidence, name, as_good)) for score, name in high]
    # What decides is the worst that is among them.
    decides = next((why for why in WORSE if any(one.why == why for one in found)), None)
    said = _listed([one for one in found if one.why == decides], measure(evidence.new_schema))
    severity: Severity = rules.severity
    outcome: Outcome = "fail"
    if rows.looked < LEAST:
        severity, outcome = "note", "unknown"
        reason = f"{rows.looked:,} rows with a target: whether a column gives the answer away shows from {LEAST} on."
    elif decides == "leak":
        reason = f"{said}. Drop it, or say in schema.yaml why it is known when predicting."
    elif decides == "declared":
        severity = _at_most(severity, "needs-human")
        reason = f"{said}; this pull request declares that it is known when predicting."
    elif decides == "champion":
        severity = "note"
        reason = f"{said}. The champion has it too, and predicts as well: nothing new."
    elif decides == "known":
        outcome = "pass"
        reason = f"{said}; the base's schema.yaml says why that is known when predicting."
    else:
        outcome = "pass"
        reason = f"No column alone reaches {measure(evidence.new_schema)} {rules.alone:g}."
    total = rows.test + (rows.train or 0)
    more: dict[str, Any] = {}
    if found:
        more |= {"found": len(found), "measure": measure(evidence.new_schema)}
        more |= {"columns": [asdict(one) for one in found[:LISTED]]}
    if decides == "champion":
        more["champion"] = learnt
    if total > rows.looked >= LEAST:
        more |= {"of": total, "method": "evenly spaced rows, in an order of their own"}
    if rows.skipped:
        more["not_looked_at"] = list(rows.skipped[:LISTED])
    return Check(
        id="leakage",
        severity=severity,
        outcome=outcome,
        title="No column gives the answer away",
        reason=reason,
        estimate=next((one.score for one in found if one.why == decides), None),
        threshold=rules.alone,
        n=rows.looked,
        evidence=more,
    )


def measure(schema: SchemaFile) -> str:
    """What a single column is measured in."""
    return "AUC" if schema.task == "classification" else "R² or rank correlation"


def _at_most(severity: Severity, most: Severity) -> Severity:
    order: tuple[Severity, ...] = ("note", "needs-human", "block")
    return min(severity, most, key=order.index)


def _why(evidence: Evidence, name: str, as_good: bool) -> Why:
    """``as_good``: the champion predicts the test rows as well as the column does."""
    if declared(evidence.old_schema, name):
        return "known"
    past = evidence.past.schema if evidence.past is not None else None
    if as_good and past is not None and name in past.features:
        return "champion"
    return "declared" if declared(evidence.new_schema, name) else "leak"


def declared(schema: SchemaFile | None, name: str) -> bool:
    """Whether somebody wrote down why this feature is known when predicting. ``available: true`` alone is what adopt writes."""
    column = None if schema is None else schema.columns.get(name)
    return column is not None and column.role == "feature" and column.available and bool(column.reason)


def _learnt(table: Table) -> float | None:
    """What the champion's scores of the test rows reach, in the measure of a single column; None: not compared.

    A column that gave the answer away when the champion was trained was used by it: one that predicts worse than the
    column does today did not have it, and the column came to know the answer since.
    """
    rows = Sample.of(table).champion
    if rows is None:
        return None
    if rows.kind == "regression":
        explained = r2(rows.truth, rows.scores)
        together = abs(correlation(ranks(rows.truth), ranks(rows.scores)))
        return significant(max(together, explained or 0.0))
    if rows.kind == "binary":
        return significant(auc(rows.truth == rows.positive, rows.scores[:, rows.positive]))
    areas = [auc(rows.truth == label, rows.scores[:, label]) for label in range(rows.scores.shape[1])]
    known = [area for area in areas if area is not None]
    return significant(min(known, default=None))


def _listed(leaks: list[Leak], measured: str) -> str:
    if len(leaks) == 1:
        return f"{leaks[0].column} alone predicts the target with {measured} {leaks[0].score:.3f}"
    more = f" and {len(leaks) - 3:,} more" if len(leaks) > 3 else ""
    said = ", ".join(f"{one.column} ({one.score:.3f})" for one in leaks[:3])
    return f"{said}{more} each predict the target alone ({measured})"


# ---------------------------------------------------------------- order of time


def _time(evidence: Evidence) -> list[Check]:
    """Said only where the base or the pull request splits by time, and schema.yaml of either names a column of time."""
    if not evidence.by_time:
        return []
    rules, order = evidence.policy.leakage, evidence.prepared.order
    severity: Severity = rules.severity
    if (
        "head" not in evidence.by_time
    ):  # an honest wish to split otherwise exists: a person says whether this is one
        severity = _at_most(severity, "needs-human")
    title = "No test row is older than a training row"
    if order is None or order.without:
        column = evidence.new_schema.one("time")
        if order is not None:
            why = f"{order.without:,} rows have no {order.column}"
        elif column is None:
            why = "schema.yaml gives no column the role time"
        else:
            why = (
                evidence.prepared.trouble
                or f"the prepared rows hold no {column} that can be compared; keep it in prepare"
            )
        if order is None or not order.early:
            return [
                Check(
                    id="leakage/time",
                    severity=severity,
                    outcome="unknown",
                    title=title,
                    reason=f"Rows are split by time, and whether the test is the newest cannot be told: {why}.",
                )
            ]
    early = f"{order.early:,} of {order.of:,} test rows are older than the newest training row"
    words = f"{early} ({order.column}), so training knew what came after them."
    if order.early and "head" not in evidence.by_time:
        words = (
            f"{early} ({order.column}): this pull request no longer splits by time (params.yaml, data.split)."
        )
    return [
        Check(
            id="leakage/time",
            severity=severity,
            outcome="fail" if order.early else "pass",
            title=title,
            reason=words
            if order.early
            else f"All {order.of:,} test rows are as new as the newest training row, or newer.",
            n=order.of,
            evidence={"column": order.column, "early": order.early, "without_time": order.without},
        )
    ]


# ---------------------------------------------------------------- shuffled target


def _shuffled(evidence: Evidence) -> list[Check]:
    """Whether every model of a shuffled target is better than guessing: see :mod:`gitops_ml.gate.shuffles`."""
    rules = evidence.policy.leakage
    if not rules.shuffled_target:
        return []
    wanted, found = shuffles(evidence.policy.quality.level), evidence.shuffled
    tables = () if found is None else found.predictions
    values = [primary(_rows(evidence, one)) for one in tables[:wanted]]
    known = [float(f"{value:.6g}") for value in values if value is not None]
    name = evidence.evaluation.primary
    chance = CONSTANT[name]
    above = sum(value > chance for value in known)
    if above < len(known):
        # One that is not better settles it, however many are missing.
        outcome: Outcome = "pass"
        reason = f"Of {len(known)} models of a shuffled target {above} are better than guessing: by accident, a leak lifts all."
    elif len(known) < wanted:
        outcome = "unknown"
        error = (found.error if found is not None else None) or "the score job did not train them"
        reason = f"{len(known)} of {wanted} models of a shuffled target could be measured: {' '.join(error.split())[:300]}."
    else:
        outcome = "fail"
        reason = (
            f"All {wanted} models that were trained on a shuffled target are better than guessing ({name} "
            f"{min(known):.3f} to {max(known):.3f}): training finds the answer elsewhere than in the target's column."
        )
    return [
        Check(
            id="leakage/shuffled",
            severity=rules.severity,
            outcome=outcome,
            title="A shuffled target cannot be learnt",
            reason=reason,
            metric=name,
            estimate=min(known, default=None),
            threshold=chance,
            level=evidence.policy.quality.level,
            n=len(evidence.truth),
            evidence={
                "values": known,
                "wanted": wanted,
                "seed": found.seed if found is not None else None,
                "method": "sign test",
            },
        )
    ]


def _rows(evidence: Evidence, predictions: pd.DataFrame) -> Rows:
    player = Player(evidence.challenger.side, predictions)
    return Sample.of(Table.of(replace(evidence, challenger=player, champion=None))).rows
