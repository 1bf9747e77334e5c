"""What the model says of the test rows, measured: as a whole, by slice, and with each column shuffled."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from . import intervals, metrics
from .features import target_of
from .intervals import Array, Estimate
from .params import Evaluate, Slice
from .schema import Column, Schema

STACKED = 5_000_000  # cells that importance predicts at a time


class Scored:
    """Test rows with what the model says of them: predicted once, measured often."""

    def __init__(
        self, schema: Schema, frame: pd.DataFrame, output: Array, classes: list[Any] | None, seed: int
    ) -> None:
        self.schema, self.frame, self.output, self.seed = schema, frame, output, seed
        self.truth = target_of(frame, schema)
        self.classes = classes or []
        if classes is not None:
            self.codes = _codes(self.truth, classes)
            self.column = classes.index(schema.positive) if schema.kind == "binary" else 0

    def measure(self) -> metrics.Result:
        """All metrics of the task."""
        if self.schema.kind == "regression":
            return metrics.regression(self.truth, self.output)
        if self.schema.kind == "binary":
            predicted = self.output.argmax(axis=1) == self.column
            return metrics.binary(
                self.codes == self.column, self.output[:, self.column], predicted, self.seed
            )
        return metrics.multiclass(self.codes, self.output, self.seed)

    def primary(self, rows: Array | slice = slice(None), output: Array | None = None) -> Estimate | str:
        """The primary metric on some rows, of the model's output or another for the same rows."""
        found = self.output[rows] if output is None else output
        if self.schema.kind == "regression":
            truth = self.truth[rows]
            return "one row" if len(truth) < 2 else intervals.r2(truth, found - truth)
        if self.schema.kind == "binary":
            return intervals.roc_auc(self.codes[rows] == self.column, found[:, self.column])
        return intervals.roc_auc_ovr(self.codes[rows], found)


def _codes(truth: Array, classes: list[Any]) -> Array:
    place = {label: number for number, label in enumerate(classes)}
    return np.array([place[label] for label in truth.tolist()], dtype="int64")


def output_of(model: Any, X: pd.DataFrame) -> Array:
    """Probabilities (rows, classes), or predicted numbers (rows,)."""
    found = model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
    return np.asarray(found, dtype="float64")


def dummy(schema: Schema, train: pd.DataFrame, scored: Scored) -> dict[str, float]:
    """What a model reaches that always says the mean, or the shares of the classes, of the training rows."""
    truth = target_of(train, schema)
    if schema.task == "regression":
        output = np.full(len(scored.truth), truth.mean())
    else:
        shares = np.array([np.mean(truth == label) for label in scored.classes])
        output = np.tile(shares, (len(scored.truth), 1))
    result = Scored(schema, scored.frame, output, scored.classes or None, scored.seed).measure()
    return {name: estimate.value for name, estimate in result.metrics.items()}


def by_slice(schema: Schema, scored: Scored, slices: list[Slice], least: int) -> list[dict[str, Any]]:
    """The primary metric in each slice; fewer than ``least`` rows are named and not judged."""
    found = []
    for wanted in slices:
        for value, rows in _parts(
            scored.frame[wanted.column], schema.columns[wanted.column], wanted.quantiles
        ):
            estimate = scored.primary(rows)
            known = estimate if isinstance(estimate, Estimate) else None
            found.append(
                {
                    "column": wanted.column,
                    "value": value,
                    "n": int(rows.sum()),
                    "judged": bool(rows.sum() >= least and known),
                    "metric": schema.primary,
                    "estimate": known and known.value,
                    "low": known and known.low,
                    "high": known and known.high,
                }
            )
    return found


def _parts(values: pd.Series, column: Column, quantiles: int | None) -> list[tuple[str, Array]]:
    """The slices of one column: label and rows. Nulls are a slice of their own."""
    parts: list[tuple[str, Array]] = []
    if quantiles is None:
        for value in sorted(values.dropna().unique().tolist(), key=lambda v: (str(type(v)), v)):
            parts.append((str(value), (values == value).to_numpy(dtype=bool, na_value=False)))
    else:
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
        borders = np.unique(np.nanquantile(numbers, np.linspace(0, 1, quantiles + 1)))
        for number, (low, high) in enumerate(pairwise(borders)):
            inside = (numbers >= low) & (
                (numbers <= high) if number == len(borders) - 2 else (numbers < high)
            )
            parts.append((f"{low:.4g} to {high:.4g}", inside))
    empty = values.isna().to_numpy()
    return [*parts, ("empty", empty)] if empty.any() else parts


def importance(model: Any, X: pd.DataFrame, scored: Scored, settings: Evaluate) -> list[dict[str, Any]]:
    """What the primary metric loses when a column is shuffled (Breiman, Machine Learning 45, 2001, p. 23).

    As scikit-learn's permutation_importance; but many shuffled copies are predicted in one call, because on
    small tables the calls cost more than the rows.
    """
    draw = np.random.default_rng(settings.seed)
    rows = np.arange(len(X))
    if len(X) > settings.importance_rows:
        rows = np.sort(draw.choice(len(X), settings.importance_rows, replace=False))
        X = X.iloc[rows]
    base = scored.primary(rows)
    if isinstance(base, str):
        return []
    n = len(rows)
    tasks = [(name, draw.permutation(n)) for name in X.columns for _ in range(settings.importance_repeats)]
    together = max(1, STACKED // (n * len(X.columns)))
    losses: dict[str, list[float]] = {name: [] for name in X.columns}
    for start in range(0, len(tasks), together):
        batch = tasks[start : start + together]
        stacked = X.iloc[np.tile(np.arange(n), len(batch))].reset_index(drop=True)
        for name in dict.fromkeys(name for name, _ in batch):
            order = np.concatenate([shuffled if other == name else np.arange(n) for other, shuffled in batch])
            stacked[name] = X[name].array.take(order)
        output = output_of(model, stacked)
        for number, (name, _) in enumerate(batch):
            estimate = scored.primary(rows, output[number * n : (number + 1) * n])
            if isinstance(estimate, Estimate):
                losses[name].append(base.value - estimate.value)
    found = [
        {"feature": name, "mean": float(np.mean(loss)), "std": float(np.std(loss))}
        for name, loss in losses.items()
        if loss
    ]
    return sorted(found, key=lambda entry: -float(f"{entry['mean']:.6g}"))
