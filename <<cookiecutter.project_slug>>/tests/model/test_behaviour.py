"""The model behaves as declared in behaviour.yaml (Ribeiro et al., "Beyond Accuracy", ACL 2020, p. 4902)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from <<cookiecutter.package_name>>.schema import Schema

FILE = Path(__file__).with_name("behaviour.yaml")
DECLARED: dict[str, list[dict[str, Any]]] = (
    YAML(typ="safe", pure=True).load(FILE.read_text(encoding="utf-8")) or {}
)
Record = Callable[[str, object], None]


def declared(kind: str) -> list[Any]:
    """The expectations of one kind, or one empty one, so that "not declared" is seen."""
    return [
        pytest.param(entry, id=f"{kind}-{number}") for number, entry in enumerate(DECLARED.get(kind) or [])
    ] or [pytest.param(None, id=f"{kind}: not declared")]


def scores(model: Any, schema: Schema, features: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Shape (rows,): the prediction, or the score of the positive class; for more classes (rows, classes)."""
    if schema.task == "regression":
        return np.asarray(model.predict(features))
    found = np.asarray(model.predict_proba(features))
    return found[:, model.classes_.tolist().index(schema.positive)] if schema.kind == "binary" else found


def changed(features: pd.DataFrame, column: str, *, to: Any = None, by: float | None = None) -> pd.DataFrame:
    """A copy with one column set or shifted, of the same type."""
    assert column in features, f"behaviour.yaml names {column!r}, which is no feature of schema.yaml"
    kind = features[column].dtype
    values = pd.Series([to] * len(features)) if by is None else features[column] + by
    return features.assign(
        **{column: values.astype("float64" if by is not None and kind == "int64" else kind).to_numpy()}
    )


@pytest.mark.parametrize("entry", declared("invariance"))
def test_invariance(
    entry: dict[str, Any] | None, schema: Schema, model: Any, features: pd.DataFrame, record_property: Record
) -> None:
    if entry is None:
        record_property("invariance", "not declared")
        return
    before, column = scores(model, schema, features), entry["column"]
    if "shift" in entry:
        variants = [changed(features, column, by=entry["shift"])]
    else:
        variants = [changed(features, column, to=value) for value in entry["values"]]
    for variant in variants:
        moved = np.abs(scores(model, schema, variant) - before).reshape(len(features), -1).max(axis=1)
        row = int(moved.argmax())
        assert moved[row] <= entry["tolerance"], (
            f"{column} = {variant[column].iloc[row]!r} instead of {features[column].iloc[row]!r} moves "
            f"the score of test row "
            f"{row + 1} by {moved[row]:.3g}, more than {entry['tolerance']:g}"
        )


@pytest.mark.parametrize("entry", declared("direction"))
def test_direction(
    entry: dict[str, Any] | None, schema: Schema, model: Any, features: pd.DataFrame, record_property: Record
) -> None:
    if entry is None:
        record_property("direction", "not declared")
        return
    assert schema.kind != "multiclass", "a direction needs one score: two classes, or a number"
    after = scores(model, schema, changed(features, entry["column"], by=entry["change"]))
    moved = float(np.mean(after - scores(model, schema, features)))
    sign = {"increase": 1, "decrease": -1}[entry["expect"]]
    assert sign * moved > 0, (
        f"{entry['column']} {entry['change']:+g} moves the mean score by {moved:+.3g}; expected: "
        f"{entry['expect']}"
    )


@pytest.mark.parametrize("entry", declared("minimum"))
def test_minimum(
    entry: dict[str, Any] | None,
    schema: Schema,
    model: Any,
    train_rows: pd.DataFrame,
    record_property: Record,
) -> None:
    """Columns that the row leaves out have their median, or their most frequent value, of the training
    rows."""
    if entry is None:
        record_property("minimum", "not declared")
        return
    row = typical(schema, train_rows)
    for column, value in entry["row"].items():
        row = changed(row, column, to=value)
    expected = entry["expect"]
    found = model.predict(row).tolist()[0]
    if isinstance(expected, dict):
        assert expected["low"] <= found <= expected["high"], f"{entry['row']} gives {found:.4g}"
    else:
        assert found == expected, f"{entry['row']} gives {found!r}, expected {expected!r}"


def typical(schema: Schema, rows: pd.DataFrame) -> pd.DataFrame:
    """One row of the features: medians and most frequent values."""
    names = [column.name for column in schema.features]
    row = rows[names].head(1).reset_index(drop=True)
    for column in schema.features:
        known = rows[column.name].dropna()
        if len(known):
            row[column.name] = pd.Series(
                [known.median() if column.type == "number" else known.mode().iloc[0]]
            ).astype(row[column.name].dtype)
    return row
