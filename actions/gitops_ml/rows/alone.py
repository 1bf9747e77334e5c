"""How well one column alone predicts the target: the one statistic by which adoption and the gate find a leak."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

LEAK = 0.99
"""A single column reaches this AUC, rank correlation or R2 only if it knows the answer."""
SAMPLE = 20_000
"""Leakage is looked for in at most this many rows, evenly spaced."""
LEAST = 50
"""Fewer rows say nothing."""
_BINS = 64
_HEAP = 5

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


class Leakage:
    """Measures how well one column alone predicts the target: fitted on one half of the rows, judged on the other.

    Judging on rows that were not fitted keeps a column with a value of its own in every row from looking perfect.
    """

    def __init__(self, target: pa.Array, classification: bool, limit: float = LEAK) -> None:
        """``limit``: what is below it is found no more exactly than that; rows in the order in which they are halved."""
        self._limit = limit
        known = np.flatnonzero(np.asarray(pc.is_valid(target).to_numpy(zero_copy_only=False)))
        if len(known) > SAMPLE:
            known = known[np.linspace(0, len(known) - 1, SAMPLE).astype(np.intp)]
        self._rows = pa.array(known)
        values = target.take(self._rows)
        self._classes = classification
        if classification:
            self._target: Floats = _codes(values).astype(np.float64)
        else:
            self._target = np.asarray(pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False))
        order = np.random.default_rng(0).permutation(len(known))
        self._fit, self._judge = order[: len(order) // 2], order[len(order) // 2 :]

    def score(self, cells: pa.Array) -> float:
        """From 0 to 1: the worst class's AUC (Hanley & McNeil 1982, p. 31) or the R2 or rank correlation."""
        if len(self._rows) < LEAST:
            return 0.0
        column = cells.take(self._rows)
        numbers = None if pa.types.is_large_string(column.type) else _floats(column)
        bins = _codes(column) if numbers is None else _bins(numbers)
        best = self._score_classes(bins) if self._classes else self._score_number(bins)
        return max(best, self._score_ranks(numbers)) if numbers is not None else best

    def _score_classes(self, bins: Codes) -> float:
        worst = 1.0
        for label in np.unique(self._target):
            truth = self._target == label
            if truth[self._judge].sum() < 5 or truth[self._fit].sum() < 5:
                continue
            if truth[self._judge].all():
                continue
            score = self._means(bins, truth.astype(np.float64))
            worst = min(worst, auc(truth[self._judge], score))
            if worst < self._limit:
                return worst
        return worst if len(np.unique(self._target[self._judge])) > 1 else 0.0

    def _score_number(self, bins: Codes) -> float:
        truth = self._target[self._judge]
        spread = float(((truth - truth.mean()) ** 2).sum())
        missed = float(((truth - self._means(bins, self._target)) ** 2).sum())
        return max(0.0, 1 - missed / spread) if spread > 0 else 0.0

    def _score_ranks(self, numbers: Floats) -> float:
        filled = ~np.isnan(numbers)
        if filled.sum() < LEAST or filled.mean() < 0.5:
            return 0.0
        if not self._classes:
            return abs(correlation(ranks(numbers[filled]), ranks(self._target[filled])))
        if len(np.unique(self._target)) != 2 or not 5 <= self._target[filled].sum() <= filled.sum() - 5:
            return 0.0
        area = auc(self._target[filled] == 1, numbers[filled])
        return max(area, 1 - area)

    def _means(self, bins: Codes, truth: Floats) -> Floats:
        """The target's mean in each judged row's bin; a bin never seen gives the overall mean."""
        size = int(bins.max()) + 1
        count = np.bincount(bins[self._fit], minlength=size)
        total = np.bincount(bins[self._fit], weights=truth[self._fit], minlength=size)
        overall = float(truth[self._fit].mean())
        mean = np.where(count > 0, total / np.maximum(count, 1), overall)
        return np.asarray(mean[bins[self._judge]])


def auc(truth: npt.NDArray[np.bool_], score: Floats) -> float:
    """Area under the ROC curve by ranks, ties counted half (Hanley & McNeil 1982, p. 31)."""
    positive = int(truth.sum())
    negative = len(truth) - positive
    return float((ranks(score)[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def correlation(one: Floats, other: Floats) -> float:
    """Pearson's; of ranks it is Spearman's. 0 where one of them is constant."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0


def _codes(column: pa.Array) -> Codes:
    encoded = pc.dictionary_encode(column)
    indices = pc.fill_null(encoded.indices, len(encoded.dictionary))
    if (
        pa.types.is_floating(column.type)
        or pa.types.is_integer(column.type)
        or pa.types.is_boolean(column.type)
    ):
        order = np.argsort(np.asarray(encoded.dictionary.to_numpy(zero_copy_only=False)))
        rank = np.empty(len(order) + 1, dtype=np.intp)
        rank[order], rank[len(order)] = np.arange(len(order)), len(order)
        return np.asarray(rank[indices.to_numpy(zero_copy_only=False)])
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.intp)


def _floats(column: pa.Array) -> Floats:
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.int64())
    return np.asarray(
        pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64
    )


def _bins(numbers: Floats) -> Codes:
    """Quantile bins; a value of several rows that is an edge (a heap such as 0) gets its own, and so do gaps."""
    filled = numbers[~np.isnan(numbers)]
    if not len(filled):
        return np.zeros(len(numbers), dtype=np.intp)
    edges = np.unique(np.quantile(filled, np.linspace(0, 1, _BINS + 1)[1:-1], method="lower"))
    values, counts = np.unique(filled, return_counts=True)
    # A bin of one or two rows would often be seen by the judged half alone, and count as not predicted.
    heaps = np.intersect1d(edges, values[counts >= _HEAP])
    bins = np.searchsorted(edges, numbers, side="left") + np.searchsorted(heaps, numbers, side="right")
    return np.where(np.isnan(numbers), len(edges) + len(heaps) + 1, bins).astype(np.intp)
