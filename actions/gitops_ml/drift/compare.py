"""Column by column: today's rows against those that the serving model was tested on, and in what direction they moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from gitops_ml.contracts.drift import P_VALUES, ColumnDrift
from gitops_ml.contracts.policy import Drift
from gitops_ml.contracts.schema import SchemaFile

Kind = Literal["number", "category"]
Role = Literal["feature", "target", "prediction"]
Asked = dict[str, tuple[str, str, float]]
Measure = Callable[[pd.DataFrame, pd.DataFrame, Asked], Mapping[str, float | None]]
"""reference, current, column -> (kind, method, threshold); the answer: column -> distance or p-value"""

COMMON, LEAST, OTHER = 9, 5, "(other)"
"""The commonest categories with so many of the reference's rows; others count together: few rows of many always seem to move."""


@dataclass(frozen=True)
class Subject:
    """What is compared under one name."""

    name: str
    role: Role
    kind: Kind


def subjects(
    schema: SchemaFile, have: pd.DataFrame, prediction: Kind | None
) -> tuple[list[Subject], list[str]]:
    """What can be compared, and the features of other types, which cannot."""
    found, left = [], []
    for name in schema.features:
        column = schema.columns[name]
        if name in have.columns:
            kind = _kind(column.type)
            if kind is None:
                left.append(f"{name} ({column.type})")
            else:
                found.append(Subject(name, "feature", kind))
    if schema.target in have.columns:
        found.append(
            Subject(schema.target, "target", "number" if schema.task == "regression" else "category")
        )
    if prediction is not None:
        found.append(Subject(prediction_name(schema), "prediction", prediction))
    return found, left


def prediction_name(schema: SchemaFile) -> str:
    """What the serving model's answers are called: ``prediction``, unless the table has such a column."""
    return "prediction" if "prediction" not in schema.columns else "what the model predicts"


def compare(
    reference: pd.DataFrame, current: pd.DataFrame, wanted: list[Subject], policy: Drift, measure: Measure
) -> list[ColumnDrift]:
    """Every subject, in order. A column with fewer values than ``min_rows`` on either side is not compared, and says so."""
    asked: Asked = {}
    sides: tuple[dict[str, pd.Series], dict[str, pd.Series]] = ({}, {})
    why: dict[str, str] = {}
    for one in wanted:
        pair = _pair(reference[one.name], current[one.name], one.kind)
        least = min(int(side.notna().sum()) for side in pair)
        if least < policy.min_rows:
            why[one.name] = f"{least:,} values; {policy.min_rows:,} are needed"
            continue
        rule = policy.numbers if one.kind == "number" else policy.categories
        asked[one.name] = (one.kind, rule.method, rule.threshold)
        for side, values in zip(sides, pair, strict=True):
            side[one.name] = values
    found: Mapping[str, float | None] = {}
    if asked:
        found = measure(pd.DataFrame(sides[0]), pd.DataFrame(sides[1]), asked)
    return [
        _column(one, reference[one.name], current[one.name], policy, found.get(one.name), why)
        for one in wanted
    ]


def _column(
    one: Subject,
    reference: pd.Series,
    current: pd.Series,
    policy: Drift,
    value: float | None,
    why: Mapping[str, str],
) -> ColumnDrift:
    rule = policy.numbers if one.kind == "number" else policy.categories
    beyond = value is not None and (
        value < rule.threshold if rule.method in P_VALUES else value >= rule.threshold
    )
    shares = [float(side.isna().mean()) for side in (reference, current)]
    # Labels of today's rows come later: their absence is no move.
    emptied = one.role == "feature" and abs(shares[1] - shares[0]) >= policy.empty
    words = [] if value is None else [_direction(reference, current, one.kind)]
    if emptied:
        words.append(f"empty {shares[0]:.0%} → {shares[1]:.0%}")
    reason = None if value is not None else why.get(one.name, "Evidently gave no number")
    return ColumnDrift(
        name=one.name,
        role=one.role,
        kind=one.kind,
        method=rule.method,
        threshold=rule.threshold,
        value=None if value is None else float(f"{value:.6g}"),
        moved=beyond or emptied,
        direction=", ".join(filter(None, words)),
        reason=reason,
    )


def _kind(type_: str) -> Kind | None:
    if type_ in ("number", "integer"):
        return "number"
    return "category" if type_ in ("category", "boolean") else None


def _pair(reference: pd.Series, current: pd.Series, kind: Kind) -> tuple[pd.Series, pd.Series]:
    if kind == "number":
        first, second = (
            pd.Series(side.to_numpy(dtype="float64", na_value=np.nan)) for side in (reference, current)
        )
        return first, second
    words = [
        pd.Series(side.map(str, na_action="ignore").to_numpy(dtype="object")) for side in (reference, current)
    ]
    counts = words[0].value_counts()
    common = set(counts[counts >= LEAST].index[:COMMON])
    first, second = (side.where(side.isin(common) | side.isna(), OTHER) for side in words)
    return first, second


def _direction(reference: pd.Series, current: pd.Series, kind: Kind) -> str:
    first, second = _pair(reference, current, kind)
    if kind == "number":
        old, new, spread = first.mean(), second.mean(), first.std()
        far = f" ({(new - old) / spread:+.2f} sd)" if spread > 0 else ""
        return f"mean {old:.4g} → {new:.4g}{far}"
    shares = [side.value_counts(normalize=True) for side in (first, second)]
    names = sorted({*shares[0].index, *shares[1].index})
    gaps = {name: shares[1].get(name, 0.0) - shares[0].get(name, 0.0) for name in names}
    most = max(names, key=lambda name: abs(gaps[name]))
    return f"{most} {shares[0].get(most, 0.0):.0%} → {shares[1].get(most, 0.0):.0%}"


@dataclass(frozen=True)
class Answer:
    """``state``: stable, drifted or unknown; ``share``: of the compared features that moved."""

    state: Literal["stable", "drifted", "unknown"]
    reason: str
    share: float | None


def decide(columns: list[ColumnDrift], policy: Drift) -> Answer:
    """The share of features decides, or the target or the predictions alone. What could not be compared is never "stable"."""
    features = [one for one in columns if one.role == "feature" and (one.value is not None or one.moved)]
    moved = [one for one in features if one.moved]
    share = len(moved) / len(features) if features else None
    causes = []
    if share is not None and moved and share >= policy.share:
        causes.append(f"{len(moved)} of {len(features)} features moved")
    causes += [
        "the target moved" if one.role == "target" else "what the model says moved"
        for one in columns
        if one.role != "feature" and one.moved
    ]
    if causes:
        return Answer("drifted", _sentence(" and ".join(causes)), share)
    if share is None:
        return Answer("unknown", "No feature could be compared.", None)
    said = next((one for one in columns if one.role == "prediction"), None)
    if said is None or said.value is None:
        why = said.reason if said is not None else "it was not asked"
        return Answer(
            "unknown", f"The features look alike, but the serving model could not be compared: {why}.", share
        )
    counted = f"{len(moved)} of {len(features)} features moved" if moved else "No feature moved"
    return Answer("stable", f"{counted}; {policy.share:.0%} would be drift.", share)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
