"""What the table's own rows are good for: a group that can show something, and a bound that they keep and callers need not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gitops_ml.adopt.read import read_table
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.selftest.site import Impossible, Site

if TYPE_CHECKING:
    import pandas as pd

RARER = 10
"""Of the rarer class: on fewer AUC means nothing, see :mod:`gitops_ml.gate.slices`."""


@dataclass(frozen=True)
class Group:
    """``value``: the cell of its rows; of a number the greatest one, for it is the lower half. ``slice``: for policy.yaml."""

    column: str
    value: str
    slice: dict[str, Any]


def group_of(site: Site) -> Group:
    """The group with most of the rarer class, of the columns that policy.yaml slices, else of all features.

    Raises :class:`Impossible` where none has enough test rows, as far as the table can tell.
    """
    rows = _table(site)
    share = ParamsFile.read(site.root / "params.yaml").data.split.test_size
    sliced = [entry.column for entry in site.policy.slices if entry.column in site.features]
    found = [
        (size, group)
        for name in sliced or list(site.features)
        for size, group in _groups(site, rows, name)
        if size * share >= RARER
    ]
    if not found:
        raise Impossible(
            f"no group has enough test rows ({site.policy.min_slice_rows}, and {RARER} of each class)"
        )
    return max(found, key=lambda pair: pair[0])[1]


def tighter(site: Site) -> tuple[str, str, float | int] | None:
    """A column, `minimum` or `maximum`, and the bound that every row keeps, where the contract allows more; None: nowhere."""
    rows = _table(site)
    for name in reversed(site.importance):
        column = site.features[name]
        if column.type not in ("number", "integer"):
            continue
        numbers = _numbers(site, rows[name])
        if np.isnan(numbers).all():
            continue
        whole: Callable[[float], float | int] = int if column.type == "integer" else float
        for key, bound, seen in (
            ("minimum", column.minimum, whole(np.nanmin(numbers))),
            ("maximum", column.maximum, whole(np.nanmax(numbers))),
        ):
            if bound != seen:
                return name, key, seen
    return None


def _table(site: Site) -> pd.DataFrame:
    rows: pd.DataFrame = read_table(site.rows()).data.to_pandas()
    return rows


def _groups(site: Site, rows: pd.DataFrame, name: str) -> Iterator[tuple[float, Group]]:
    """Groups of a column, each with the number of its rarer class, or of its rows (regression)."""
    column, cells = site.features[name], rows[name]
    if column.type in ("number", "integer"):
        numbers = _numbers(site, cells)
        border = float(np.nanmedian(numbers))
        own = Group(name, repr(border), {"column": name, "quantiles": 2})
        lower = numbers <= border
        if 0 < lower.sum() < len(lower):
            # Both halves are slices; the other one must be judged too, or its smallness is all that is said.
            yield min(_rarer(site, rows[lower]), _rarer(site, rows[~lower])), own
    elif column.type == "category":
        for value, part in rows.groupby(cells, observed=True):
            if 0.1 <= len(part) / len(rows) <= 0.9:
                yield _rarer(site, part), Group(name, str(value), {"column": name})


def _rarer(site: Site, rows: pd.DataFrame) -> float:
    target = rows[site.schema.target].dropna()
    share = ParamsFile.read(site.root / "params.yaml").data.split.test_size
    if len(target) * share < site.policy.min_slice_rows:
        return 0.0
    return float(len(target) if site.schema.task == "regression" else target.value_counts().min())


def _numbers(site: Site, cells: pd.Series) -> Any:
    """Cells of a CSV are text still; what is no number is none."""
    import pandas as pd

    if site.schema.file.format == "csv" and site.schema.file.decimal == ",":
        cells = cells.str.replace(",", ".", regex=False)
    return pd.to_numeric(cells, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
