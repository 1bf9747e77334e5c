"""Metrics of rows that count more than once: how each is computed from sums over a draw, for all draws together.

Definitions are those of :mod:`gitops_ml.gate.metrics`: with every weight 1 the figures are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gitops_ml.gate.metrics import Array, Rows, log_losses, squares

Sum = Callable[[Array], Array]
"""From a number per row, shape (rows,), to its weighted sum in each draw, shape (repeats,)."""


def metric(name: str, rows: Rows) -> Callable[[Array], Array] | None:
    """From weights (repeats, rows) to the metric of each draw (repeats,); None: not a metric of this kind of rows."""
    if rows.kind == "regression":
        formula = _REGRESSION.get(name)
    elif rows.kind == "binary":
        formula = _CLASSES.get(name) or _BINARY.get(name)
    else:
        formula = _CLASSES.get(name) or _MULTICLASS.get(name)
    if formula is None:
        return None
    compute = formula(rows)

    def of(weights: Array) -> Array:
        # einsum without BLAS: the sums do not change with the number of threads.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(compute(lambda one: np.einsum("ij,j->i", weights, one.astype(np.float64))))

    return of


SMOOTH = frozenset({"log_loss", "brier", "rmse", "mae"})
"""Metrics of the scores themselves; the others count decisions."""

Formula = Callable[[Rows], Callable[[Sum], Array]]


def _mean(values: Array) -> Callable[[Sum], Array]:
    one = np.ones(len(values))
    return lambda sum_: sum_(values) / sum_(one)


def _accuracy(rows: Rows) -> Callable[[Sum], Array]:
    return _mean(rows.truth == rows.scores.argmax(axis=1))


def _rmse(rows: Rows) -> Callable[[Sum], Array]:
    mean = _mean((rows.scores - rows.truth) ** 2)
    return lambda sum_: np.sqrt(mean(sum_))


def _of_two(rows: Rows) -> tuple[Array, Array]:
    """Is positive, is predicted positive."""
    return rows.truth == rows.positive, rows.scores.argmax(axis=1) == rows.positive


def _recall(rows: Rows) -> Callable[[Sum], Array]:
    truth, said = _of_two(rows)
    return lambda sum_: sum_(truth & said) / sum_(truth)


def _precision(rows: Rows) -> Callable[[Sum], Array]:
    truth, said = _of_two(rows)
    return lambda sum_: sum_(truth & said) / sum_(said)


def _f1(rows: Rows) -> Callable[[Sum], Array]:
    truth, said = _of_two(rows)
    both = truth.astype(np.int64) + said
    return lambda sum_: 2 * sum_(truth & said) / sum_(both)


def _balanced(rows: Rows) -> Callable[[Sum], Array]:
    classes = [
        (rows.truth == k, (rows.truth == k) & (rows.scores.argmax(axis=1) == k)) for k in _present(rows)
    ]

    def compute(sum_: Sum) -> Array:
        recalls = np.array([sum_(right) / sum_(of) for of, right in classes])
        known = np.isfinite(recalls).sum(axis=0)
        total = np.nansum(recalls, axis=0)
        return np.asarray(np.where(known > 1, total / np.maximum(known, 1), np.nan))

    return compute


def _macro_f1(rows: Rows) -> Callable[[Sum], Array]:
    said = rows.scores.argmax(axis=1)
    classes = [(rows.truth == k, said == k) for k in range(rows.scores.shape[1])]

    def compute(sum_: Sum) -> Array:
        each = np.array([2 * sum_(of & told) / (sum_(of) + sum_(told)) for of, told in classes])
        known = np.isfinite(each).sum(axis=0)
        return np.asarray(np.nansum(each, axis=0) / known)

    return compute


def _present(rows: Rows) -> list[int]:
    return [int(k) for k in np.unique(rows.truth)]


_REGRESSION: dict[str, Formula] = {
    "rmse": _rmse,
    "mae": lambda rows: _mean(np.abs(rows.scores - rows.truth)),
}
_CLASSES: dict[str, Formula] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "log_loss": lambda rows: _mean(log_losses(rows)),
    "brier": lambda rows: _mean(squares(rows)),
}
_BINARY: dict[str, Formula] = {"recall": _recall, "precision": _precision, "f1": _f1}
_MULTICLASS: dict[str, Formula] = {"macro_f1": _macro_f1}
