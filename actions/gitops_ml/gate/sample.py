"""Test rows in an order of their own, and seeded draws of them: what every interval but the primary metric's rests on.

Rows are drawn with replacement from all rows, not within classes: metrics such as precision or the Brier score move
with the share of the classes, and that share is an accident of the rows, too. Of clustered rows, whole groups are
drawn (see :mod:`gitops_ml.gate.bootstrap`, whose generator this uses).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gitops_ml.contracts.policy import Quality
from gitops_ml.gate.bootstrap import DEFINED, Interval, draw, too_few
from gitops_ml.gate.metrics import Array, Rows
from gitops_ml.gate.table import Table

Statistic = Callable[[Array], Array]
"""From how often each row is drawn, float64 (repeats, rows), to figures (repeats, figures); NaN: not defined."""


@dataclass(frozen=True)
class Sample:
    """Both models on the test rows, sorted by what is known of a row, so that the file's order does not matter.

    ``order``: which row of the table each is; ``groups``: whole numbers from 0, or None.
    """

    rows: Rows
    champion: Rows | None
    groups: Array | None
    order: Array

    @classmethod
    def of(cls, table: Table, *more: Array) -> Sample:
        """``more``: further numbers of each row that figures depend on; rows equal in all of it are alike."""
        keys = [*more, table.challenger.truth, *np.atleast_2d(table.challenger.scores.T)]
        if table.champion is not None:
            keys += [*np.atleast_2d(table.champion.scores.T)]
        if table.groups is not None:
            keys.append(table.groups)
        order = np.lexsort(keys)
        return cls.whole(table).only(order)

    @classmethod
    def whole(cls, table: Table) -> Sample:
        """In the file's order."""
        return cls(table.challenger, table.champion, table.groups, np.arange(len(table.challenger.truth)))

    def only(self, chosen: Array) -> Sample:
        """Some of the rows: numbers or bools, shape (rows,)."""
        champion = self.champion
        groups = None if self.groups is None else self.groups[chosen]
        return replace(
            self,
            rows=self.rows._replace(truth=self.rows.truth[chosen], scores=self.rows.scores[chosen]),
            champion=champion
            and champion._replace(truth=champion.truth[chosen], scores=champion.scores[chosen]),
            groups=groups,
            order=self.order[chosen],
        )

    def with_doubt(self) -> Sample:
        """Two more rows of each class, last: one that only the champion gets right, and one that only the challenger does.

        Where two models hardly ever decide differently, draws hardly ever differ, and an interval of no width would
        claim to know what a handful of rows cannot tell (Bonett and Price, Journal of Educational and Behavioral
        Statistics 37, 2012, p. 479, add the same two pairs). Among thousands of rows they weigh nothing.
        """
        assert self.champion is not None
        classes = self.rows.scores.shape[1]
        present = np.unique(self.rows.truth)
        right, wrong = np.eye(classes)[present], np.eye(classes)[(present + 1) % classes]
        truth = np.concatenate([self.rows.truth, present, present])
        groups = self.groups
        if groups is not None:
            groups = np.concatenate([groups, groups.max() + 1 + np.arange(2 * len(present))])
        return Sample(
            self.rows._replace(truth=truth, scores=np.concatenate([self.rows.scores, right, wrong])),
            self.champion._replace(truth=truth, scores=np.concatenate([self.champion.scores, wrong, right])),
            groups,
            np.arange(len(truth)),
        )

    @property
    def method(self) -> str:
        """What is drawn, in words."""
        return "draws of rows" if self.groups is None else "draws of groups"

    def too_few(self) -> str:
        """Why these rows allow no interval; empty if they do."""
        return too_few(self.rows.kind, self.rows.truth, self.groups)

    def intervals(self, statistic: Statistic, rules: Quality) -> list[Interval]:
        """The interval of each figure, by percentiles (Efron and Tibshirani 1993, section 13.3)."""
        drawn = self.draws(statistic, rules)
        method = f"bootstrap, {rules.repeats} seeded {self.method}"
        found = []
        for one in drawn.T:
            known = one[np.isfinite(one)]
            if len(known) < DEFINED * rules.repeats:
                found.append(Interval(None, None, len(known), method, "in many draws it is not defined"))
                continue
            low, high = np.quantile(known, [(1 - rules.level) / 2, (1 + rules.level) / 2])
            found.append(Interval(float(low), float(high), len(known), method))
        return found

    def draws(self, statistic: Statistic, rules: Quality) -> Array:
        """The figures of every draw, shape (repeats, figures)."""
        groups = None if self.groups is None else np.unique(self.groups, return_inverse=True)[1]
        units = len(self.rows.truth) if groups is None else int(groups.max()) + 1
        weights = draw(np.array([units]), rules.repeats, rules.seed, groups)
        return np.concatenate([statistic(one.astype(np.float64)) for one in weights])
