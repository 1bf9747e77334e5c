"""Which metrics a task has: all of them with intervals, and those that are not defined with the reason.

A metric that is not defined (one class among the test rows, no predicted positive) is left out, never
reported as zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .intervals import (
    ONE_CLASS,
    Array,
    Estimate,
    average_precision,
    balanced,
    ece,
    f1,
    log_loss,
    macro_f1,
    mean_loss,
    of_cells,
    r2,
    rmse,
    roc_auc,
    roc_auc_ovr,
    wilson,
)


@dataclass
class Result:
    """Metrics by name, and the names left out with the reason."""

    metrics: dict[str, Estimate] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, found: Estimate | str | None) -> None:
        """Keep an estimate, or the reason why there is none."""
        if not isinstance(found, Estimate):
            self.left_out[name] = found or "no rows"
        else:
            self.metrics[name] = found


def binary(truth: Array, score: Array, predicted: Array, seed: int) -> Result:
    """Metrics for two classes. ``truth``, ``predicted``: bool, true is the positive class; ``score``: its
    probability.

    All of shape (rows,).
    """
    result = Result()
    if _too_few(truth, result, ("roc_auc", "average_precision", "log_loss", "brier", "accuracy")):
        return result
    draw = np.random.default_rng(seed)
    counts = np.array(
        [
            np.sum(~truth & ~predicted),
            np.sum(~truth & predicted),
            np.sum(truth & ~predicted),
            np.sum(truth & predicted),
        ]
    )
    _, false_positive, false_negative, true_positive = (int(n) for n in counts)
    result.add("roc_auc", roc_auc(truth, score))
    result.add("average_precision", average_precision(truth, score, draw))
    result.add("log_loss", log_loss(np.where(truth, score, 1 - score)))
    result.add("brier", mean_loss((score - truth) ** 2))
    result.add("accuracy", wilson(int(np.sum(truth == predicted)), len(truth)))
    matrix = counts.reshape(2, 2)
    result.add(
        "balanced_accuracy",
        of_cells(matrix, balanced, draw) if truth.any() and not truth.all() else ONE_CLASS,
    )
    result.add(
        "precision", wilson(true_positive, true_positive + false_positive) or "no row is predicted positive"
    )
    result.add("recall", wilson(true_positive, true_positive + false_negative) or "no test row is positive")
    result.add(
        "f1",
        of_cells(matrix, f1, draw)
        if true_positive + false_positive + false_negative
        else "no row is positive",
    )
    result.add("ece", ece(truth.astype(float), score, draw))
    return result


def multiclass(truth: Array, scores: Array, seed: int) -> Result:
    """Metrics for three classes or more. ``truth``: class numbers, shape (rows,); ``scores``: (rows,
    classes)."""
    result = Result()
    if _too_few(truth, result, ("roc_auc_ovr", "log_loss", "accuracy")):
        return result
    draw = np.random.default_rng(seed)
    predicted = scores.argmax(axis=1)
    classes = scores.shape[1]
    matrix = np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
    hot = np.eye(classes)[truth]
    result.add("roc_auc_ovr", roc_auc_ovr(truth, scores))
    result.add("accuracy", wilson(int(np.trace(matrix)), len(truth)))
    result.add(
        "balanced_accuracy",
        of_cells(matrix, balanced, draw) if np.sum(matrix.sum(axis=1) > 0) > 1 else ONE_CLASS,
    )
    result.add("macro_f1", of_cells(matrix, macro_f1, draw))
    result.add("log_loss", log_loss(scores[np.arange(len(truth)), truth]))
    result.add("brier", mean_loss(((scores - hot) ** 2).sum(axis=1)))
    result.add("ece", ece((truth == predicted).astype(float), scores.max(axis=1), draw))
    return result


def regression(truth: Array, predicted: Array) -> Result:
    """Metrics for a number. Both of shape (rows,); rmse and mae have the unit of the target."""
    result = Result()
    if _too_few(truth, result, ("r2", "rmse", "mae")):
        return result
    error = predicted - truth
    result.add("r2", r2(truth, error))
    result.add("rmse", rmse(error))
    result.add("mae", mean_loss(np.abs(error)))
    return result


def _too_few(truth: Array, result: Result, names: tuple[str, ...]) -> bool:
    if len(truth) < 2:
        for name in names:
            result.add(name, f"{len(truth)} test row; an interval needs two or more")
    return len(truth) < 2
