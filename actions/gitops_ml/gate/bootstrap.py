"""How sure a difference is: challenger less champion, on the same rows, by a paired and seeded bootstrap.

Both models are measured on the same drawn rows, so that what they share cancels (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, section 8.3). Classes are strata: each draw holds as many rows of each
class as the test rows do, and the AUC is always defined. Where rows belong to groups (customers, patients),
whole groups are drawn, because rows of one group are not independent (Davison and Hinkley 1997, section 3.8).

The answer depends on the rows and the seed only: rows are put in an order of their own before drawing, counts
are whole numbers, random bits are taken raw from PCG64 (whose stream numpy promises not to change; see NEP 19),
and nothing goes through BLAS, whose sums change with the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gitops_ml.contracts.evaluation import Kind
from gitops_ml.gate.metrics import Array

CELLS = 1 << 18  # drawn at a time: as many as fit a processor's cache
LEAST = 10  # of each class, of a regression's rows, or of the groups: fewer are drawn too alike to show any spread
DEFINED = 0.95  # draws of groups may lack a class; if more than a twentieth do, there is no interval


@dataclass(frozen=True)
class Interval:
    """The middle ``level`` of the drawn differences; ``low`` and ``high`` are None, with ``reason``, if there is none."""

    low: float | None
    high: float | None
    repeats: int
    method: str
    reason: str = ""


def paired(
    kind: Kind,
    truth: Array,
    champion: Array,
    challenger: Array,
    *,
    groups: Array | None = None,
    level: float,
    repeats: int,
    seed: int,
) -> Interval:
    """The interval of the primary metric's difference, challenger less champion.

    ``truth``: bool (binary: true is the positive class), class numbers (multiclass) or numbers (regression), shape
    (rows,). ``champion``, ``challenger``: scores of the positive class or predicted numbers (rows,), or scores
    (rows, classes). ``groups``: whole numbers from 0 (rows,). 2000 repeats of 100,000 rows take seconds.
    """
    method = f"paired bootstrap, {repeats} seeded draws of " + (
        "groups" if groups is not None else "rows" if kind == "regression" else "rows within each class"
    )
    few = too_few(kind, truth, groups)
    if few:
        return Interval(None, None, 0, method, few)
    order = _canonical(truth, champion, challenger, groups)
    truth, champion, challenger = truth[order], champion[order], challenger[order]
    if kind == "regression":
        difference = _r2(truth, champion, challenger)
    else:
        classes = [1] if kind == "binary" else [int(k) for k in np.unique(truth)]
        scores = [one[:, None] if one.ndim == 1 else one for one in (champion, challenger)]
        difference = _areas(
            [(truth == k, *(one[:, 0 if kind == "binary" else k] for one in scores)) for k in classes]
        )
    if groups is None:
        strata = np.zeros(len(truth), dtype=np.int64) if kind == "regression" else truth
        weights = draw(_sizes(strata), repeats, seed, None)
    else:
        weights = draw(np.array([groups.max() + 1]), repeats, seed, groups[order])
    drawn = np.concatenate([difference(weight) for weight in weights])
    known = drawn[np.isfinite(drawn)]
    if len(known) < DEFINED * repeats:
        reason = "in many draws of groups the metric is not defined: there are too few groups"
        return Interval(None, None, len(known), method, reason)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), len(known), method)


def too_few(kind: Kind, truth: Array, groups: Array | None) -> str:
    """Why these rows allow no interval; empty if they do."""
    if groups is not None:
        found = len(np.unique(groups))
        return f"{found} groups of rows; an interval needs {LEAST}" if found < LEAST else ""
    if kind == "regression":
        return f"{len(truth)} rows; an interval needs {LEAST}" if len(truth) < LEAST else ""
    _, counts = np.unique(truth, return_counts=True)
    if len(counts) < 2:
        return "the test rows are of one class"
    least = int(counts.min())
    return f"the rarest class has {least} test rows; an interval needs {LEAST}" if least < LEAST else ""


def _canonical(truth: Array, champion: Array, challenger: Array, groups: Array | None) -> Array:
    """The order by truth, then scores (then group): the same for the same rows, however the file orders them."""
    keys = [*np.atleast_2d(challenger.T), *np.atleast_2d(champion.T), truth]
    return np.lexsort([groups, *keys] if groups is not None else keys)


def _sizes(strata: Array) -> Array:
    """Lengths of the runs of equal values."""
    borders = np.flatnonzero(np.diff(strata.astype(np.int64))) + 1
    return np.diff(np.concatenate([[0], borders, [len(strata)]]))


def draw(sizes: Array, repeats: int, seed: int, groups: Array | None) -> Iterator[Array]:
    """How often each row is drawn: whole numbers (some repeats, rows), until there are ``repeats``.

    Units (rows; or groups, whose rows come along) are drawn with replacement within strata of these sizes.
    """
    units = int(sizes.sum())
    start = np.repeat(np.cumsum(sizes) - sizes, sizes).astype(np.uint64)
    size = np.repeat(sizes, sizes).astype(np.uint64)
    bits = np.random.PCG64(seed)
    together = max(1, CELLS // max(units, 1 if groups is None else len(groups)))
    for first in range(0, repeats, together):
        now = min(together, repeats - first)
        raw = bits.random_raw((now * units + 1) // 2).astype("<u8", copy=False).view("<u4")
        # The high half of bits times size is a whole number below size, even to 1 in 2^32 / size.
        chosen = raw[: now * units].reshape(now, units).astype(np.uint64) * size >> np.uint64(32)
        chosen += start + np.arange(now, dtype=np.uint64)[:, None] * np.uint64(units)
        counts = np.bincount(chosen.ravel().astype(np.int64), minlength=now * units).reshape(now, units)
        yield counts if groups is None else counts.take(groups, axis=1)


def _r2(truth: Array, champion: Array, challenger: Array) -> Callable[[Array], Array]:
    """The difference of R² from sums: both share the spread of the target, so only the squared errors differ."""
    centred = truth - truth.mean()
    gain = (truth - champion) ** 2 - (truth - challenger) ** 2
    squares = centred**2

    def difference(weight: Array) -> Array:
        spread = (weight * squares).sum(axis=1) - (weight * centred).sum(axis=1) ** 2 / weight.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(spread > 0, (weight * gain).sum(axis=1) / spread, np.nan))

    return difference


def _areas(tasks: list[tuple[Array, Array, Array]]) -> Callable[[Array], Array]:
    """The difference of mean AUC; a task is (is positive, champion's score, challenger's score) of all rows."""
    ranked = [(_Ranked(truth, champion), _Ranked(truth, challenger)) for truth, champion, challenger in tasks]

    def difference(weight: Array) -> Array:
        total, defined = np.zeros(len(weight)), np.zeros(len(weight), dtype=np.int64)
        for champion, challenger in ranked:
            pairs = 2 * champion.pairs(weight)
            won = challenger.won(weight) - champion.won(weight)
            total += np.divide(won, pairs, out=np.zeros(len(weight)), where=pairs > 0)
            defined += pairs > 0
        return np.asarray(np.divide(total, defined, out=np.full(len(weight), np.nan), where=defined > 0))

    return difference


class _Ranked:
    """Rows of one model, ranked once: a draw then costs a walk along the ranks, and no sort."""

    def __init__(self, truth: Array, score: Array) -> None:
        positive, negative = np.flatnonzero(truth), np.flatnonzero(~truth)
        self._positive = positive[np.argsort(score[positive], kind="stable")]
        self._negative = negative[np.argsort(score[negative], kind="stable")]
        below = score[self._negative]
        self._less = np.searchsorted(below, score[self._positive], "left")
        self._no_more = np.searchsorted(below, score[self._positive], "right")

    def pairs(self, weight: Array) -> Array:
        """Drawn positives times drawn negatives, shape (repeats,)."""
        return np.asarray(
            weight.take(self._positive, axis=1).sum(axis=1) * weight.take(self._negative, axis=1).sum(axis=1)
        )

    def won(self, weight: Array) -> Array:
        """Twice the pairs in which the positive has the higher score, ties once; shape (repeats,)."""
        behind = np.zeros((len(weight), len(self._negative) + 1), dtype=np.int64)
        np.cumsum(weight.take(self._negative, axis=1), axis=1, out=behind[:, 1:])
        beaten = behind.take(self._less, axis=1) + behind.take(self._no_more, axis=1)
        return np.asarray((weight.take(self._positive, axis=1) * beaten).sum(axis=1))
