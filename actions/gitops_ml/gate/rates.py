"""Shares of positive and of right answers in groups of rows, in every draw at once; and how sure their gaps are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from gitops_ml.gate.bootstrap import LEAST
from gitops_ml.gate.metrics import Array


@dataclass(frozen=True)
class GroupRates:
    """Shares in each draw and group, shape (repeats, groups); ``positives`` and others are counts of rows."""

    answers: Array
    rows: Array
    hits: Array
    positives: Array
    alarms: Array
    negatives: Array

    @property
    def three(self) -> Array:
        """Share of positive answers, true and false positive rate: shape (3, repeats, groups); NaN: no such rows."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack(
                [self.answers / self.rows, self.hits / self.positives, self.alarms / self.negatives]
            )

    @property
    def width(self) -> int:
        """Rates of one draw."""
        return 3 * int(self.rows.shape[1])

    def gaps(self) -> tuple[Array, Array]:
        """The ratio and the difference of each draw."""
        return gaps(self.three)


def gaps(three: Array) -> tuple[Array, Array]:
    """Demographic parity ratio and equalised-odds difference of rates of shape (3, repeats, groups)."""
    answers = three[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(answers.max(axis=1) > 0, answers.min(axis=1) / answers.max(axis=1), 1.0)
    odds = np.zeros(len(ratio))
    for rate in three[1:]:
        known = np.isfinite(rate)
        highest = np.where(known, rate, -np.inf).max(axis=1)
        lowest = np.where(known, rate, np.inf).min(axis=1)
        odds = np.maximum(odds, np.where(known.sum(axis=1) > 1, highest - lowest, 0.0))
    return ratio, odds


class Counter:
    """Rows of each cell, counted in each draw; cells are numbers whose bits are (group, class, challenger, champion)."""

    def __init__(self, cells: Array, starts: Array, rows: int, groups: int, sides: int) -> None:
        self._cells, self._starts, self._groups, self._sides = cells, starts, groups, sides
        self._group = cells >> (1 + sides)
        self._positive = (cells >> sides & 1).astype(bool)
        self._sizes = np.diff(np.append(starts, rows))
        sizes = self._sizes[None]
        # A rate of a handful of rows says nothing of a group: it stays out of every gap.
        self._weak = [self._by_group(sizes, mask) < LEAST for mask in (self._positive, ~self._positive)]

    def rates(self, weights: Array) -> list[GroupRates]:
        """Of the challenger, then of the champion, if there is one. ``weights``: shape (repeats, rows)."""
        return self._of(np.add.reduceat(weights, self._starts, axis=1))

    def drawn(self, repeats: int, seed: int) -> list[GroupRates]:
        """The rates of that many draws of as many rows as there are, with replacement, without a look at each row.

        How many rows of each cell such a draw holds is multinomial (Davison and Hinkley 1997, section 2.2), and the rates
        depend on nothing else.
        """
        rows = int(self._sizes.sum())
        draw = np.random.Generator(np.random.PCG64(seed))
        return self._of(draw.multinomial(rows, self._sizes / rows, size=repeats).astype(np.float64))

    def _of(self, counts: Array) -> list[GroupRates]:
        found = []
        for side in range(self._sides):
            said = (self._cells >> (self._sides - 1 - side) & 1).astype(bool)
            masks = [
                said,
                np.ones(len(said), dtype=bool),
                said & self._positive,
                self._positive,
                said & ~self._positive,
                ~self._positive,
            ]
            answers, rows, hits, positives, alarms, negatives = (
                self._by_group(counts, mask) for mask in masks
            )
            positives = np.where(self._weak[0], np.nan, positives)
            negatives = np.where(self._weak[1], np.nan, negatives)
            found.append(GroupRates(answers, rows, hits, positives, alarms, negatives))
        return found

    def _by_group(self, counts: Array, mask: Array) -> Array:
        return np.column_stack(
            [counts[:, mask & (self._group == k)].sum(axis=1) for k in range(self._groups)]
        )


def flat(rates: list[GroupRates]) -> Array:
    """Each side's three rates of all groups, side by side: shape (repeats, sides x 3 x groups)."""
    return np.column_stack([np.concatenate(list(one.three), axis=1) for one in rates])


def bands_of(drawn: Array, own: GroupRates, level: float) -> tuple[float, float, float, float]:
    """Ends of the ratio's and of the difference's interval, from the greatest deviation of any two groups in a draw."""
    three = own.three
    repeats, groups = len(drawn), own.rows.shape[1]
    rates = np.moveaxis(drawn.reshape(repeats, 3, groups), 1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(rates[0]) - np.log(three[0])
    logs = np.where(np.isfinite(logs), logs, np.inf)
    spread = np.where(np.isinf(logs).any(axis=1), np.inf, logs.max(axis=1) - logs.min(axis=1))
    reach = float(np.quantile(spread, level, method="higher"))
    ratio, odds = (float(one[0]) for one in own.gaps())
    worst = np.zeros(repeats)
    for k in (1, 2):
        apart = rates[k] - three[k]
        apart = np.where(np.isfinite(apart), apart, 0.0)
        worst = np.maximum(worst, apart.max(axis=1) - apart.min(axis=1))
    band = float(np.quantile(worst, level, method="higher"))
    low, high = ratio * math.exp(-reach), 1.0 if math.isinf(reach) else min(1.0, ratio * math.exp(reach))
    return low, high, max(0.0, odds - band), min(1.0, odds + band)


def wilson(part: float, of: float, level: float) -> tuple[float, float]:
    """The interval of a share of independent rows (Wilson, JASA 22, 1927, p. 209)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = part / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)
