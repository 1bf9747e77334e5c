"""The difference of the primary metric with its standard error from a formula: as fast as sorting, for one slice of many.

Each row's share in the difference is computed once; what these shares vary by is what the difference varies by. For
the AUC this is DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988, p. 837), by midranks as Sun and Xu do (IEEE
Signal Processing Letters 21, 2014, p. 1389); the mean over classes takes the mean of the shares. For clustered rows
the shares of a group are added up first (Obuchowski, Biometrics 53, 1997, p. 567). For R² the shares are those of a
ratio of two means (the delta method: Davison and Hinkley 1997, section 2.7).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from gitops_ml.gate.metrics import Array, Rows, midranks


class Difference(NamedTuple):
    """Challenger less champion; ``error`` is the standard error, ``units`` what is independent: rows or groups."""

    champion: float
    challenger: float
    error: float
    units: int

    @property
    def estimate(self) -> float:
        """The difference."""
        return self.challenger - self.champion

    def interval(self, level: float) -> tuple[float, float]:
        """The normal interval of the difference."""
        reach = NormalDist().inv_cdf((1 + level) / 2) * self.error
        return self.estimate - reach, self.estimate + reach

    def worse(self, margin: float) -> float:
        """One-sided p value of "not worse by more than the margin", by the normal distribution."""
        above = self.estimate + margin
        if self.error <= 0:
            return 0.0 if above < 0 else 1.0
        return 0.5 * math.erfc(-above / self.error / math.sqrt(2))


def difference(champion: Rows, challenger: Rows, groups: Array | None) -> Difference | None:
    """The difference of the primary metric on the same rows, in one order for both; None: it is not defined."""
    rows = challenger
    if rows.kind == "regression":
        found = _r2(rows.truth, champion.scores, challenger.scores)
        return None if found is None else _finished([found[0]], [found[1]], [found[2]], groups, None)
    classes = [rows.positive] if rows.kind == "binary" else range(rows.scores.shape[1])
    present = [k for k in classes if 0 < int((rows.truth == k).sum()) < len(rows.truth)]
    if not present:
        return None
    old = [_auc(rows.truth == k, champion.scores[:, k]) for k in present]
    new = [_auc(rows.truth == k, challenger.scores[:, k]) for k in present]
    shares = [theirs[1] - ours[1] for ours, theirs in zip(old, new, strict=True)]
    strata = rows.truth if rows.kind == "binary" else None
    return _finished([one[0] for one in old], [one[0] for one in new], shares, groups, strata)


def _finished(
    old: list[float], new: list[float], shares: list[Array], groups: Array | None, strata: Array | None
) -> Difference:
    """The mean over classes; and the error from the rows' shares, or from those of their groups."""
    share = np.add.reduce(shares) / len(shares)
    units = len(share) if groups is None else len(np.unique(groups))
    if groups is None and strata is not None:
        # DeLong's own: each class varies by itself, with one degree of freedom less.
        error = math.hypot(*(error_of(share[strata == k], None) for k in np.unique(strata)))
    else:
        error = error_of(share, groups)
    return Difference(sum(old) / len(old), sum(new) / len(new), error, units)


def error_of(share: Array, groups: Array | None) -> float:
    """The standard error of a sum of shares that are centred at zero; of clustered rows, from the sums of groups."""
    if groups is not None:
        share = np.bincount(np.unique(groups, return_inverse=True)[1], weights=share)
    return math.sqrt(float((share**2).sum()) * len(share) / max(1, len(share) - 1))


def _auc(truth: Array, score: Array) -> tuple[float, Array]:
    """The area, and each row's share in it, which sum up to zero over either class."""
    m, n = int(truth.sum()), int((~truth).sum())
    ranks = midranks(score)
    share = np.empty(len(truth))
    share[truth] = (ranks[truth] - midranks(score[truth])) / n
    share[~truth] = 1 - (ranks[~truth] - midranks(score[~truth])) / m
    area = int(np.sum(2 * ranks[truth])) - m * (m + 1)
    value = area / (2 * m * n)
    share -= value
    share[truth] /= m
    share[~truth] /= n
    return value, share


def _r2(truth: Array, champion: Array, challenger: Array) -> tuple[float, float, Array] | None:
    centred = (truth - truth.mean()) ** 2
    spread = float(centred.sum())
    if not spread:
        return None
    errors = [(truth - one) ** 2 for one in (champion, challenger)]
    old, new = (1 - float(one.sum()) / spread for one in errors)
    share = (errors[0] - errors[1] - (new - old) * centred) / spread
    return old, new, share
