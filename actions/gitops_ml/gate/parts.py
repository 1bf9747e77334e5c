"""The groups of test rows that policy.yaml names: by category, by quantile of a number, and by two columns at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from gitops_ml.contracts.policy import PolicyFile, Slice
from gitops_ml.gate.metrics import Array

EMPTY = "empty"


@dataclass(frozen=True)
class Parts:
    """``codes``: which of ``labels`` each row is of, shape (rows,). ``name`` is the column, or ``a, b``."""

    name: str
    codes: Array
    labels: list[str]

    @property
    def sizes(self) -> Array:
        """Rows of each label."""
        return np.bincount(self.codes, minlength=len(self.labels))


def parts(policy: PolicyFile, columns: pd.DataFrame) -> tuple[list[Parts], list[str]]:
    """The groups of every slice and crossing, and the columns of slices that the test rows do not have."""
    found: dict[str, Parts] = {}
    missing = []
    for entry in policy.slices:
        if entry.column not in columns.columns:
            missing.append(entry.column)
            continue
        found[entry.column] = _parts(entry, columns[entry.column])
    crossed = [_crossed(found[a], found[b]) for a, b in policy.slices_cross if a in found and b in found]
    return [*found.values(), *crossed], missing


def by_category(name: str, values: pd.Series) -> Parts:
    """One group for each value, sorted as text; empty cells are a group of their own, the last."""
    text = values.astype(object).map(str, na_action="ignore")
    codes, found = pd.factorize(text, sort=True, use_na_sentinel=True)
    labels = [str(label) for label in found]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(labels), codes)
        labels.append(EMPTY)
    return Parts(name, codes.astype(np.int64), labels)


def _parts(entry: Slice, values: pd.Series) -> Parts:
    if entry.quantiles is None:
        return by_category(entry.column, values)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    known = np.isfinite(numbers)
    if not known.any():
        return Parts(entry.column, np.zeros(len(numbers), dtype=np.int64), [EMPTY])
    # The same borders as those of the card: ranks of the test rows alone, whatever a model says of them.
    borders = np.unique(np.quantile(numbers[known], np.linspace(0, 1, entry.quantiles + 1)))
    codes = np.searchsorted(borders[1:-1], numbers, side="right").astype(np.int64)
    labels = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(borders)]
    labels = labels or [f"{borders[0]:.4g}"]
    if not known.all():
        codes = np.where(known, codes, len(labels))
        labels.append(EMPTY)
    return Parts(entry.column, codes, labels)


def _crossed(one: Parts, two: Parts) -> Parts:
    """Combinations that rows have; there may be far fewer than possible ones."""
    both = one.codes * len(two.labels) + two.codes
    present, codes = np.unique(both, return_inverse=True)
    labels = [
        f"{one.labels[int(k) // len(two.labels)]}, {two.labels[int(k) % len(two.labels)]}" for k in present
    ]
    return Parts(f"{one.name}, {two.name}", codes.astype(np.int64), labels)
