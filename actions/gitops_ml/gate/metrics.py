"""What predictions are worth on the test rows: the project's own metrics, in numpy alone, without intervals.

The judge does not believe metrics.json: code of the pull request wrote it. Definitions are those of
``metrics.py`` and ``intervals.py`` in the project's package, which follow scikit-learn.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gitops_ml.contracts.evaluation import Kind

Array = np.ndarray[Any, Any]

PRIMARY: dict[Kind, str] = {"binary": "roc_auc", "multiclass": "roc_auc_ovr", "regression": "r2"}
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece", "rmse", "mae", "mape"})
CONSTANT = {"roc_auc": 0.5, "roc_auc_ovr": 0.5, "r2": 0.0}
"""The best that a model can reach which says the same of every row."""
BINS = 10
# Scores of one model differ by less than this between two processors, or two sizes of a batch.
NOISE = 1e-9


class Rows(NamedTuple):
    """Test rows and what a model says of them.

    ``truth``: class numbers, int64, or numbers, float64; shape (rows,). ``scores``: probabilities (rows, classes),
    or predicted numbers (rows,). ``positive``: of two classes, the number of the one whose score is *the* score.
    """

    kind: Kind
    truth: Array
    scores: Array
    positive: int = 1


def midranks(values: Array) -> Array:
    """Ranks from 1; equal values share the mean of their ranks, and so do those that are no numbers. Shape (n,)."""
    order = np.argsort(values)
    ordered = values[order]
    new = ordered[1:] != ordered[:-1]
    if len(values) and np.isnan(ordered[-1]):  # the last, if any
        new &= ~np.isnan(ordered[:-1])
    borders = np.concatenate([[0], np.flatnonzero(new) + 1, [len(values)]])
    ranks = np.empty(len(values))
    # One walk along the sorted values; looking each of them up takes three times as long.
    ranks[order] = np.repeat((borders[:-1] + borders[1:] + 1) / 2, np.diff(borders))
    return ranks


def auc(truth: Array, score: Array) -> float | None:
    """Area under the ROC curve, ties a half: the Mann-Whitney statistic (Hanley and McNeil, Radiology 143, 1982, p. 31).

    ``truth``: bool. None where all rows are of one class.
    """
    m, n = int(truth.sum()), int((~truth).sum())
    if not m or not n:
        return None
    # Twice a midrank is whole: the sum is exact, whatever the order of the rows.
    doubled = int(np.sum(2 * midranks(score)[truth], dtype=np.float64))
    return (doubled - m * (m + 1)) / (2 * m * n)


def auc_ovr(truth: Array, scores: Array) -> float | None:
    """Mean over the classes present of one against the rest. None where fewer than two are present."""
    areas = [auc(truth == k, scores[:, k]) for k in range(scores.shape[1])]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if len(known) > 1 else None


def r2(truth: Array, predicted: Array) -> float | None:
    """Share of the variance explained. None of a constant target."""
    spread = float(np.mean((truth - truth.mean()) ** 2))
    return 1 - float(np.mean((truth - predicted) ** 2)) / spread if spread else None


def primary(rows: Rows) -> float | None:
    """The metric that decides: ROC AUC, its mean over classes, or R². None where the rows do not allow it."""
    if len(rows.truth) < 2 or not np.isfinite(rows.scores).all():
        return None
    if rows.kind == "regression":
        return r2(rows.truth, rows.scores)
    if rows.kind == "binary":
        return auc(rows.truth == rows.positive, rows.scores[:, rows.positive])
    return auc_ovr(rows.truth, rows.scores)


def bounds(rows: Rows) -> tuple[float, float] | None:
    """The least and the greatest primary metric that scores equal but for rounding could give; None: undefined.

    A model may round otherwise in a batch of another size, and ranks turn such noise into whole steps where
    scores are tied: so the scores of the true classes are lifted, then lowered, by ``NOISE``.
    """
    value = primary(rows)
    if value is None:
        return None
    if rows.kind == "regression":
        return value - NOISE, value + NOISE
    hot = np.where(np.arange(rows.scores.shape[1]) == rows.truth[:, None], NOISE, -NOISE)
    found = [primary(rows._replace(scores=rows.scores + change)) for change in (hot, -hot)]
    values = [value, *(one for one in found if one is not None)]
    return min(values), max(values)


def agrees(reported: float, rows: Rows) -> bool:
    """Whether ``reported``, rounded to six digits or not at all, is the primary metric of these predictions."""
    found = bounds(rows)
    if found is None:
        return False
    size = abs(reported)
    half = 0.5 * 10.0 ** (math.floor(math.log10(size)) - 5) if size else 0.0
    slack = half + NOISE * max(1.0, size)
    return found[0] - slack <= reported <= found[1] + slack


def measure(rows: Rows) -> dict[str, float]:
    """Every metric of the project that these rows allow, by name; one that is not defined is left out."""
    if len(rows.truth) < 2 or not np.isfinite(rows.scores).all():
        return {}
    if rows.kind == "regression":
        found = _regression(rows.truth, rows.scores)
    elif rows.kind == "binary":
        found = _binary(rows)
    else:
        found = _multiclass(rows)
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def _regression(truth: Array, predicted: Array) -> dict[str, float | None]:
    error = predicted - truth
    return {
        "r2": r2(truth, predicted),
        "rmse": math.sqrt(float(np.mean(error**2))),
        "mae": float(np.mean(np.abs(error))),
    }


def squares(rows: Rows) -> Array:
    """Each row's part of the Brier score, shape (rows,): of two classes by the positive one, of more by all."""
    if rows.kind == "binary":
        return np.asarray((rows.scores[:, rows.positive] - (rows.truth == rows.positive)) ** 2)
    hot = np.arange(rows.scores.shape[1]) == rows.truth[:, None]
    return np.asarray(((rows.scores - hot) ** 2).sum(axis=1))


def log_losses(rows: Rows) -> Array:
    """Each row's part of the log loss, shape (rows,)."""
    if rows.kind == "binary":
        score = rows.scores[:, rows.positive]
        probability = np.where(rows.truth == rows.positive, score, 1 - score)
    else:
        probability = rows.scores[np.arange(len(rows.truth)), rows.truth]
    return np.asarray(-np.log(np.clip(probability, np.finfo(float).eps, 1.0)))


def _binary(rows: Rows) -> dict[str, float | None]:
    score = rows.scores[:, rows.positive]
    truth = rows.truth == rows.positive
    predicted = rows.scores.argmax(axis=1) == rows.positive
    hits, alarms, positives = int(np.sum(truth & predicted)), int(predicted.sum()), int(truth.sum())
    negatives = len(truth) - positives
    right = int(np.sum(truth == predicted))
    return {
        "roc_auc": auc(truth, score),
        "average_precision": _average_precision(truth, score),
        "log_loss": float(np.mean(log_losses(rows))),
        "brier": float(np.mean(squares(rows))),
        "accuracy": right / len(truth),
        "balanced_accuracy": (hits / positives + (right - hits) / negatives) / 2
        if positives and negatives
        else None,
        "precision": hits / alarms if alarms else None,
        "recall": hits / positives if positives else None,
        "f1": 2 * hits / (alarms + positives) if alarms + positives else None,
        "ece": _ece(truth.astype(float), score),
    }


def _multiclass(rows: Rows) -> dict[str, float | None]:
    truth, scores = rows.truth, rows.scores
    predicted, classes = scores.argmax(axis=1), scores.shape[1]
    matrix = np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
    hits, of, said = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    recalls = hits[of > 0] / of[of > 0]
    counted = (of + said) > 0
    return {
        "roc_auc_ovr": auc_ovr(truth, scores),
        "accuracy": float(hits.sum() / len(truth)),
        "balanced_accuracy": float(recalls.mean()) if len(recalls) > 1 else None,
        "macro_f1": float(np.mean(2 * hits[counted] / (of + said)[counted])),
        "log_loss": float(np.mean(log_losses(rows))),
        "brier": float(np.mean(squares(rows))),
        "ece": _ece((truth == predicted).astype(float), scores.max(axis=1)),
    }


def _average_precision(truth: Array, score: Array) -> float | None:
    if not truth.any():
        return None
    order = np.argsort(-score, kind="stable")
    truth, score = truth[order], score[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # rows of one score count together
    hits = np.cumsum(truth)[ends]
    return float(np.sum(np.diff(hits, prepend=0) * hits / (ends + 1)) / hits[-1])


def _ece(outcome: Array, probability: Array) -> float:
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    gaps = [abs(float(outcome[p].mean()) - float(probability[p].mean())) * len(p) for p in parts]
    return sum(gaps) / len(order)
