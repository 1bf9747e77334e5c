"""The table keeps the contract, and no test row is a training row in disguise."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from <<cookiecutter.package_name>> import data
from <<cookiecutter.package_name>>.params import Params
from <<cookiecutter.package_name>>.schema import Schema

TOO_GOOD = 0.999  # AUC of one column alone
ENOUGH = 200  # rows of the smaller class: fewer can be told apart by luck
SAME = 0.5  # share of test rows that are training rows again


def test_the_table_keeps_the_contract(schema: Schema, params: Params, root: Path) -> None:
    table = root / params.data.table
    if not table.exists():
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{params.data.table} is missing: run uv run gitops-ml storage pull", pytrace=False)
        pytest.skip("run: uv run gitops-ml storage pull")
    frame = data.load(table, schema)
    assert list(frame) == [column.name for column in schema.kept]


def test_prepared_rows_keep_the_contract(
    schema: Schema, train_rows: pd.DataFrame, test_rows: pd.DataFrame
) -> None:
    names = [column.name for column in schema.kept]
    assert list(train_rows) == names and list(test_rows) == names
    assert (train_rows.dtypes == test_rows.dtypes).all()
    assert train_rows[schema.target.name].notna().all() and test_rows[schema.target.name].notna().all()
    if schema.task == "classification":
        assert train_rows[schema.target.name].nunique() > 1


def test_train_and_test_do_not_overlap(
    schema: Schema, params: Params, train_rows: pd.DataFrame, test_rows: pd.DataFrame
) -> None:
    strategy = params.data.split.strategy
    if schema.id is not None:
        assert not set(train_rows[schema.id]) & set(test_rows[schema.id])
    if strategy == "group":
        assert not set(train_rows[schema.group]) & set(test_rows[schema.group])
    if strategy == "time":
        assert train_rows[schema.time].max() < test_rows[schema.time].min()


def test_few_test_rows_are_training_rows_again(
    schema: Schema, train_rows: pd.DataFrame, test_rows: pd.DataFrame
) -> None:
    """Equal features and target on both sides. Short tables of few values repeat by nature: that is only
    said."""
    names = [column.name for column in schema.features] + [schema.target.name]
    seen = set(pd.util.hash_pandas_object(train_rows[names], index=False).tolist())
    share = np.mean(
        [row in seen for row in pd.util.hash_pandas_object(test_rows[names], index=False).tolist()]
    )
    if share > SAME:
        warnings.warn(
            f"{share:.0%} of the test rows equal a training row, so the metrics flatter. If the copies "
            f"are of one thing, "
            "give its column role: group in schema.yaml, and set data.split.strategy: group in params.yaml.",
            stacklevel=1,
        )


def test_no_column_alone_knows_the_answer(schema: Schema, train_rows: pd.DataFrame) -> None:
    """A number that separates the classes (almost) perfectly is usually written down after the fact.

    Where it is not, `reason:` at that column of schema.yaml says so, and the column passes.
    """
    if schema.task == "regression":
        pytest.skip("the target is a number")
    target = train_rows[schema.target.name]
    leaks = []
    for label in schema.classes or []:
        truth = (target == label).to_numpy(dtype=bool)
        if min(truth.sum(), (~truth).sum()) < ENOUGH:
            continue
        for column in schema.features:
            if column.type in ("number", "integer") and not column.reason:
                area = _area(truth, train_rows[column.name].to_numpy(dtype="float64", na_value=np.nan))
                if max(area, 1 - area) > TOO_GOOD:
                    leaks.append(f"{column.name!r} alone tells {label!r} with AUC {max(area, 1 - area):.4f}")
    assert not leaks, (
        "; ".join(leaks)
        + ". If it is not known when the prediction is made, set available: false for it in schema.yaml; "
        "if it is, say how in reason: at that column."
    )


def _area(truth: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> float:
    """Area under the ROC curve of one column; nulls rank lowest (Mann and Whitney)."""
    ranks = rankdata(np.where(np.isnan(values), -np.inf, values))
    positive, negative = truth.sum(), (~truth).sum()
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))
