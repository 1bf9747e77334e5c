"""Whether today's rows keep the data contract of the serving model. A table that does not is broken, which is no drift."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gitops_ml.contracts.drift import Problem
from gitops_ml.contracts.schema import Column, SchemaFile
from gitops_ml.drift.rows import Mask, Table


def problems(table: Table, schema: SchemaFile, *, exact: bool, tolerated: float) -> list[Problem]:
    """Every rule that more rows break than ``tolerated`` (a share), worst first; what is about a whole column comes first.

    ``exact``: see :func:`gitops_ml.drift.rows.read`. Rows without a label are no problem of a log: labels come later.
    """
    count = len(table.frame)
    found = [one for one in table.problems if one.rows == 0 or one.rows > tolerated * count]
    for name in table.frame.columns:
        if count:
            told = table.unreadable.get(name, np.zeros(count, dtype=bool))
            found += _column(table.frame[name], told, name, schema.columns[name], exact, tolerated)
    return sorted(found, key=lambda one: (one.rows > 0, -one.rows, one.column))


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """What was tolerated leaves no infinities: they become empty cells."""
    numbers = [name for name in frame.columns if frame[name].dtype == np.float64]
    return frame.assign(**{name: frame[name].replace([np.inf, -np.inf], np.nan) for name in numbers})


def _column(
    cells: pd.Series, told: Mask, name: str, column: Column, exact: bool, tolerated: float
) -> list[Problem]:
    # A cell that is no value of its type was told as such: it is not empty besides.
    empty = cells.isna().to_numpy() & ~told
    label = column.role == "target" and not exact
    if empty.all():
        if (column.role == "feature" and column.available) or (column.role == "target" and exact):
            return [Problem(column=name, rule="has a value somewhere", rows=0, example="every cell is empty")]
        return []
    found = []

    def broken(rule: str, mask: Mask) -> None:
        rows = int(mask.sum())
        if rows and rows > tolerated * len(cells):
            first = cells.iloc[int(np.flatnonzero(mask)[0])]
            example = "" if pd.isna(first) else str(first)[:60]
            found.append(Problem(column=name, rule=rule, rows=rows, example=example))

    if not label and (not column.nullable or column.role in ("id", "time", "group")):
        broken("is never empty", empty)
    if column.type in ("number", "integer"):
        values = cells.to_numpy(dtype="float64", na_value=np.nan)
        broken("is finite", np.isinf(values))
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        outside = ((values < low) | (values > high)) & np.isfinite(values)
        broken(_range(column), outside)
    if column.categories is not None:
        allowed = list(column.categories)
        shown = ", ".join(map(str, allowed[:6])) + (
            f", ... ({len(allowed)} in all)" if len(allowed) > 6 else ""
        )
        broken(f"one of {shown}", ~cells.isin(allowed).to_numpy(dtype=bool) & cells.notna().to_numpy())
    if column.role == "id" and exact:
        broken("is unique", cells.duplicated().to_numpy() & ~empty)
    return found


def _range(column: Column) -> str:
    if column.minimum is None:
        return f"at most {column.maximum:g}" if column.maximum is not None else "a number"
    if column.maximum is None:
        return f"at least {column.minimum:g}"
    return f"between {column.minimum:g} and {column.maximum:g}"
