"""Metrics that are ratios of sums over rows: of all draws at once, and each row's share in them.

Definitions are those of :mod:`gitops_ml.gate.metrics`: with every weight 1 the figures are the same. The shares are
those of a ratio of two means (the delta method: Davison and Hinkley 1997, section 2.7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gitops_ml.gate.metrics import Array, Rows, log_losses, squares

SMOOTH = frozenset({"log_loss", "brier", "rmse", "mae"})
"""Metrics of the scores themselves; the others count decisions."""


@dataclass(frozen=True)
class Ratios:
    """The mean of ratios, each of a sum by a sum of numbers per row, shape (rows,); ``root``: the root of it.

    A ratio without rows is left out of the mean; with fewer than ``least`` of them there is none.
    """

    pairs: list[tuple[Array, Array]]
    root: bool = False
    least: int = 1

    def of(self, weights: Array) -> Array:
        """From how often each row counts, float64 (repeats, rows), to the metric (repeats,); NaN: not defined."""

        def sums(one: Array) -> Array:
            # einsum without BLAS: the sums do not change with the number of threads.
            return np.asarray(np.einsum("ij,j->i", weights, one.astype(np.float64)))

        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.array([sums(part) / sums(of) for part, of in self.pairs])
            known = np.isfinite(each).sum(axis=0)
            found = np.where(known >= self.least, np.nansum(each, axis=0) / known, np.nan)
        return np.asarray(np.sqrt(found) if self.root else found)

    def shares(self) -> Array:
        """What each row adds to the metric, centred at zero: shape (rows,)."""
        total = np.zeros(len(self.pairs[0][0]))
        known = [(part, of) for part, of in self.pairs if of.sum()]
        for part, of in known:
            ratio = part.sum() / of.sum()
            total += (part - ratio * of) / of.sum() / len(known)
        if self.root:
            total /= 2 * float(self.of(np.ones((1, len(total))))[0])
        return total


def metric(name: str, rows: Rows) -> Ratios | None:
    """A metric of these rows; None: it is none of their kind."""
    if rows.kind == "regression":
        return _regression(name, rows)
    said = rows.scores.argmax(axis=1)
    if name == "accuracy":
        return _mean(rows.truth == said)
    if name == "balanced_accuracy":
        classes = [rows.truth == k for k in np.unique(rows.truth)]
        return Ratios([(own & (rows.truth == said), own) for own in classes], least=2)
    if name == "log_loss":
        return _mean(log_losses(rows))
    if name == "brier":
        return _mean(squares(rows))
    if name == "macro_f1" and rows.kind == "multiclass":
        every = range(rows.scores.shape[1])
        return Ratios([_f1(rows.truth == k, said == k) for k in every])
    if rows.kind != "binary":
        return None
    truth, alarm = rows.truth == rows.positive, said == rows.positive
    pairs = {"recall": (truth & alarm, truth), "precision": (truth & alarm, alarm), "f1": _f1(truth, alarm)}
    return Ratios([pairs[name]]) if name in pairs else None


def _regression(name: str, rows: Rows) -> Ratios | None:
    error = rows.scores - rows.truth
    if name == "rmse":
        return Ratios(_mean(error**2).pairs, root=True)
    return _mean(np.abs(error)) if name == "mae" else None


def _mean(values: Array) -> Ratios:
    return Ratios([(values.astype(np.float64), np.ones(len(values)))])


def _f1(truth: Array, said: Array) -> tuple[Array, Array]:
    return 2.0 * (truth & said), truth.astype(np.float64) + said
