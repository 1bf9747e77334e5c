"""One metric, and how sure it is: each value with its 95% interval, cheap at any number of rows.

An :class:`Estimate` says by which method its interval was made. Where a metric is not defined, the reason
stands in its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

Array = np.ndarray[Any, Any]

LEVEL = 0.95
Z = 1.959963984540054  # the 97.5% quantile of the normal distribution
BINS = 10
CELL_DRAWS = 1000
ROW_DRAWS = 200
ROWS_DRAWN = 20_000

DELONG = "DeLong, on the logit scale"
WILSON = "Wilson"
CELLS = f"bootstrap of the confusion matrix, {CELL_DRAWS} seeded draws"
MEAN = "normal approximation of the mean over rows"
DELTA = "delta method"
ONE_CLASS = "the test rows are of one class"


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% interval; ``method`` says how the interval was made."""

    value: float
    low: float
    high: float
    method: str


def placements(truth: Array, score: Array) -> tuple[Array, Array]:
    """For each positive, the share of negatives below it; for each negative, the share of positives above it.

    Ties count a half. X. Sun and W. Xu, "Fast Implementation of DeLong's Algorithm", IEEE Signal Processing
    Letters 21(11), 2014, p. 1389, by midranks: O(n log n).
    """
    positive, negative = score[truth], score[~truth]
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / n
    below = 1 - (ranks[m:] - rankdata(negative)) / m
    return above, below


def roc_auc(truth: Array, score: Array) -> Estimate | str:
    """Area under the ROC curve with DeLong's variance (Biometrics 44, 1988, p. 837), interval on the logit
    scale."""
    m, n = int(truth.sum()), int((~truth).sum())
    if min(m, n) == 0:
        return ONE_CLASS
    above, below = placements(truth, score)
    variance = _variance(above) / m + _variance(below) / n
    return _area(float(above.mean()), math.sqrt(variance), min(m, n))


def roc_auc_ovr(truth: Array, scores: Array) -> Estimate | str:
    """Mean over classes of one-against-rest AUC; the variance sums each row's influence over all classes.

    The influence of a row on one AUC is its placement less the AUC, over the size of its side (DeLong 1988,
    p. 839).
    """
    influence, areas, smallest = np.zeros(len(truth)), [], len(truth)
    present = [k for k in range(scores.shape[1]) if 0 < np.sum(truth == k) < len(truth)]
    if len(present) < 2:
        return ONE_CLASS
    for k in present:
        is_k = truth == k
        above, below = placements(is_k, scores[:, k])
        area = float(above.mean())
        influence[is_k] += (above - area) / len(above)
        influence[~is_k] += (below - area) / len(below)
        areas.append(area)
        smallest = min(smallest, len(above), len(below))
    deviation = math.sqrt(float(np.sum((influence / len(present)) ** 2)))
    return _area(float(np.mean(areas)), deviation, smallest)


def _area(area: float, deviation: float, smaller: int) -> Estimate:
    if deviation == 0 or not 0 < area < 1:
        # A perfect ranking has no spread to measure: bound it as a share among the smaller class.
        found = wilson(round(area * smaller), smaller)
        low, high = (found.low, found.high) if found else (0.0, 1.0)
        return Estimate(
            area, min(low, area), max(high, area), "Wilson on the smaller class (no spread among ranks)"
        )
    logit, width = math.log(area / (1 - area)), Z * deviation / (area * (1 - area))
    return Estimate(area, _expit(logit - width), _expit(logit + width), DELONG)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def average_precision(truth: Array, score: Array, draw: np.random.Generator) -> Estimate | str:
    """Area under precision and recall by steps, as scikit-learn; interval by bootstrap of rows with Poisson
    weights."""
    if not truth.any():
        return "no test row is positive"
    value = _average_precision(truth, score, np.ones(len(truth)))
    rows, method = np.arange(len(truth)), f"bootstrap of rows, {ROW_DRAWS} seeded draws"
    if len(truth) > ROWS_DRAWN:
        rows = np.sort(draw.choice(len(truth), ROWS_DRAWN, replace=False))
        method += f", on {ROWS_DRAWN:,} random rows, width scaled to all rows"
    some_truth, some_score = truth[rows], score[rows]
    order = np.argsort(-some_score, kind="stable")
    some_truth, some_score = some_truth[order], some_score[order]
    weights = draw.poisson(1.0, size=(ROW_DRAWS, len(rows)))
    drawn = [
        _average_precision(some_truth, some_score, w, ordered=True) for w in weights if w[some_truth].any()
    ]
    if not drawn:
        return "too few positives for an interval"
    if len(rows) == len(truth):
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    else:
        width = Z * float(np.std(drawn)) * math.sqrt(len(rows) / len(truth))
        low, high = value - width, value + width
    return Estimate(value, max(min(float(low), value), 0.0), min(max(float(high), value), 1.0), method)


def _average_precision(truth: Array, score: Array, weights: Array, ordered: bool = False) -> float:
    if not ordered:
        order = np.argsort(-score, kind="stable")
        truth, score, weights = truth[order], score[order], weights[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # rows of one score count together
    hits, all_ = np.cumsum(weights * truth)[ends], np.cumsum(weights)[ends]
    precision = hits / np.maximum(all_, 1)
    return float(np.sum(np.diff(hits, prepend=0) * precision) / hits[-1])


def wilson(hits: int, of: int) -> Estimate | None:
    """A share with Wilson's score interval (JASA 22, 1927, p. 209); None of nothing."""
    if of == 0:
        return None
    share = hits / of
    middle = (share + Z**2 / (2 * of)) / (1 + Z**2 / of)
    width = Z / (1 + Z**2 / of) * math.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    return Estimate(share, max(min(middle - width, share), 0.0), min(max(middle + width, share), 1.0), WILSON)


def mean_loss(losses: Array) -> Estimate:
    """A mean loss of 0 or more, by the central limit theorem."""
    value, width = float(losses.mean()), Z * math.sqrt(_variance(losses) / len(losses))
    return Estimate(value, max(value - width, 0.0), value + width, MEAN)


def _variance(values: Array) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def log_loss(probability: Array) -> Estimate:
    """Mean of the negative logarithms of the probabilities given to the true classes, shape (rows,)."""
    return mean_loss(-np.log(np.clip(probability, np.finfo(float).eps, 1.0)))


def of_cells(matrix: Array, measure: Any, draw: np.random.Generator) -> Estimate:
    """A function of the confusion matrix (rows: truth), by drawing matrices of as many test rows."""
    n = int(matrix.sum())
    drawn = draw.multinomial(n, matrix.ravel() / n, size=CELL_DRAWS).reshape(CELL_DRAWS, *matrix.shape)
    value = float(measure(matrix[None])[0])
    low, high = np.nanquantile(measure(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), CELLS)


def _ratio(top: Array, bottom: Array) -> Array:
    nothing = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=nothing, where=bottom > 0))


def balanced(m: Array) -> Array:
    """Mean recall of each matrix; shape (matrices, classes, classes), rows: truth. So are the next two."""
    recall = _ratio(np.diagonal(m, axis1=1, axis2=2), m.sum(axis=2))
    return np.asarray(np.nanmean(recall, axis=1))


def f1(m: Array) -> Array:
    """F1 of the second class."""
    return _ratio(2 * m[:, 1, 1], 2 * m[:, 1, 1] + m[:, 0, 1] + m[:, 1, 0])


def macro_f1(m: Array) -> Array:
    """Mean F1 over the classes."""
    hits = np.diagonal(m, axis1=1, axis2=2)
    return np.asarray(np.nanmean(_ratio(2 * hits, m.sum(axis=1) + m.sum(axis=2)), axis=1))


def rmse(error: Array) -> Estimate:
    """Root of the mean squared error; delta method: se(root) = se(mean square) / (2 root)."""
    squares = error**2
    value = math.sqrt(float(squares.mean()))
    width = Z * math.sqrt(_variance(squares) / len(squares)) / (2 * value) if value else 0.0
    return Estimate(value, max(value - width, 0.0), value + width, DELTA)


def r2(truth: Array, error: Array) -> Estimate | str:
    """Share of the variance explained; delta method on the ratio of two means (van der Vaart 1998, p. 26)."""
    spread = (truth - truth.mean()) ** 2
    a, b = float((error**2).mean()), float(spread.mean())
    if b == 0:
        return "the target is constant among the test rows"
    influence = -(error**2 - a) / b + a / b**2 * (spread - b)
    width = Z * math.sqrt(_variance(influence) / len(truth))
    value = 1 - a / b
    return Estimate(value, value - width, min(value + width, 1.0), DELTA)


def bins(outcome: Array, predicted: Array) -> list[dict[str, float]]:
    """At most ten groups of equally many rows by predicted value: bounds, rows, mean prediction, mean
    outcome."""
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, len(order))) if len(part)]
    return [
        {
            "low": float(predicted[part[0]]),
            "high": float(predicted[part[-1]]),
            "n": len(part),
            "predicted": float(predicted[part].mean()),
            "observed": float(outcome[part].mean()),
        }
        for part in parts
    ]


def ece(outcome: Array, probability: Array, draw: np.random.Generator) -> Estimate:
    """Expected calibration error over equal-mass bins (Nixon et al. 2019, arXiv 1904.01685, p. 3).

    The interval is the spread of the error when each bin's gap is drawn from its normal approximation.
    """
    found = bins(outcome, probability)
    n = np.array([b["n"] for b in found])
    gap = np.array([b["observed"] - b["predicted"] for b in found])
    share = np.array([b["observed"] for b in found])
    # Agresti and Coull's share keeps a bin of all ones or zeros from looking certain
    share = (share * n + 2) / (n + 4)
    drawn = gap + draw.normal(size=(CELL_DRAWS, len(n))) * np.sqrt(share * (1 - share) / n)
    value = float(np.sum(n * np.abs(gap)) / n.sum())
    width = Z * float(np.std(np.abs(drawn) @ n / n.sum()))
    return Estimate(
        value,
        max(value - width, 0.0),
        min(value + width, 1.0),
        f"normal approximation of {len(n)} bins, {CELL_DRAWS} seeded draws",
    )
