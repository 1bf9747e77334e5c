"""Cells become values of the schema's types, from text or from Arrow; those that cannot are pointed at.

dtypes: number float64 · integer int64 (Int64 if nullable) · boolean bool (boolean if nullable) · category
and text str · datetime datetime64[us], naive, in UTC.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .failures import Mask
from .schema import Column


def article(kind: str) -> str:
    """A type of schema.yaml, as a person would say it."""
    return {
        "integer": "a whole number",
        "datetime": "a date and time (ISO 8601)",
        "boolean": "true or false",
        "number": "a number",
    }.get(kind, kind)


def from_cells(cells: pd.Series, column: Column, decimal: str) -> tuple[pd.Series, Mask]:
    """Cells of text as a typed column, null where a cell is not of the type; and where that is."""
    nothing = np.zeros(len(cells), dtype=bool)
    if column.type in ("category", "text"):
        return cells, nothing
    if column.type == "datetime":
        return datetimes(cells)
    text = cells.str.strip()
    empty = text.isna().to_numpy()
    if column.type == "boolean":
        typed = (
            text.str.lower()
            .map({"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False})
            .astype("boolean")
        )
        bad = typed.isna().to_numpy() & ~empty
        return (typed if column.nullable or typed.isna().any() else typed.astype(bool)), bad
    numbers = pd.to_numeric(
        text if decimal == "." else text.str.replace(decimal, ".", regex=False), errors="coerce"
    )
    if column.type == "number":
        return numbers.astype("float64"), numbers.isna().to_numpy() & ~empty
    return _whole(numbers, empty, column)


def _whole(numbers: pd.Series, empty: Mask, column: Column) -> tuple[pd.Series, Mask]:
    if numbers.dtype.kind in "iu" and not numbers.isna().any():
        return numbers.astype("Int64" if column.nullable else "int64"), np.zeros(len(numbers), dtype=bool)
    values = numbers.to_numpy(dtype="float64", na_value=np.nan)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(values) & (np.floor(values) == values) & (np.abs(values) < 2.0**63)
    typed = numbers.where(good).astype("Int64")
    return (typed.astype("int64") if good.all() and not column.nullable else typed), ~good & ~empty


def datetimes(cells: pd.Series) -> tuple[pd.Series, Mask]:
    """ISO 8601 as naive UTC; a time with an offset is moved to UTC, one without is taken to be in UTC."""
    moments = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    bad = moments.isna().to_numpy() & cells.notna().to_numpy()
    return moments.dt.tz_localize(None).astype("datetime64[us]"), bad


def from_arrow(values: Any, column: Column) -> tuple[pd.Series, Mask]:
    """A column of Parquet as a typed column, null where a value is not of the type; and where that is."""
    kind = values.type
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
        values = values.cast(kind)
    none, all_ = np.zeros(len(values), dtype=bool), np.ones(len(values), dtype=bool)
    if pa.types.is_null(kind):
        kind = {
            "category": pa.string(),
            "text": pa.string(),
            "datetime": pa.timestamp("us"),
            "boolean": pa.bool_(),
        }.get(column.type, pa.float64())
        values = values.cast(kind)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if column.type == "number" and numeric:
        return values.cast(pa.float64(), safe=False).to_pandas(), none
    if column.type == "integer" and numeric:
        if pa.types.is_integer(kind):
            series = values.cast(pa.int64()).to_pandas(
                types_mapper={pa.int64(): pd.Int64Dtype()}.get
                if column.nullable or values.null_count
                else None
            )
            return series, none
        floats = values.cast(pa.float64(), safe=False).to_pandas()
        return _whole(floats, floats.isna().to_numpy(), column)
    if column.type == "boolean" and (pa.types.is_boolean(kind) or numeric):
        series = values.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
        bad = ~(series.isna() | series.isin([0, 1])).to_numpy(dtype=bool)
        series = series.mask(bad).astype("boolean")
        return (series if column.nullable or series.isna().any() else series.astype(bool)), bad
    if column.type == "datetime" and (
        pa.types.is_temporal(kind) and not pa.types.is_time(kind) and not pa.types.is_duration(kind)
    ):
        return values.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False).cast(
            pa.timestamp("us"), safe=False
        ).to_pandas(), none
    if column.type == "datetime" and text:
        return datetimes(values.to_pandas())
    if column.type in ("category", "text") and (
        text or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    ):
        if pa.types.is_boolean(kind):  # as Python and CSV writers spell it
            return values.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get).astype("str"), none
        return values.cast(pa.string()).to_pandas().astype("str"), none
    return pd.Series([None] * len(values), dtype="object"), all_
