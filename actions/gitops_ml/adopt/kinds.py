"""What the cells of one column are: typed values, and the facts about them that every later decision rests on."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gitops_ml.contracts.schema import FileFormat, Type
from gitops_ml.errors import Fault

MANY = 200
"""Up to this many distinct values are kept in :attr:`Facts.values`."""

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^[+-]?\d+$"
_LEADING_ZERO = r"^[+-]?0\d"
_INFINITE = r"^(?i:[+-]?inf(inity)?)$"
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_DATE_LIKE = r"^\d{1,4}[./-]\d{1,2}[./-]\d{2,4}( .*)?$|^\d{1,2}[. -]?[A-Za-z]{3,9}[. ,-]+\d{2,4}$"
_UUID = r"^\{?[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}?$"


@dataclass(frozen=True)
class Facts:
    """What is known of a column; no decision yet. ``type`` is never text: infer.py may make a category one."""

    name: str
    type: Type
    rows: int
    nulls: int
    distinct: int
    minimum: float | int | None = None
    maximum: float | int | None = None
    whole: bool = False
    """Numbers without a fraction."""
    counting: bool = False
    """Integers that count the rows: 0 or 1 first, then one more in each row."""
    values: tuple[tuple[Any, int], ...] = ()
    """Distinct values and their counts, sorted by value; empty when there are more than :data:`MANY`."""
    uuid: bool = False
    mean_length: float = 0.0
    mean_words: float = 0.0
    hint: str | None = None
    """What a person may want to do about this column."""

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls


@dataclass(frozen=True)
class Column:
    """A typed column: Arrow float64, int64, bool, timestamp[us] or large_string, and its facts."""

    cells: pa.Array
    facts: Facts


def type_column(name: str, cells: pa.ChunkedArray, file: FileFormat) -> Column:
    """Find the type of a column and its facts. Raises :class:`Fault` for infinities and for values in values."""
    array = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    if isinstance(array, pa.ChunkedArray):  # more text than one array can hold
        array = pa.concat_arrays(array.chunks)
    if file.format == "csv":
        typed, hint = _type_text(name, array, file.decimal or ".")
    else:
        typed, hint = _type_arrow(name, array)
    if pa.types.is_floating(typed.type):
        typed = _refuse_infinite(name, typed)
    return Column(typed, _facts(name, typed, hint))


def rows_where(mask: pa.Array, most: int = 3) -> str:
    """The first rows where the mask is true, counted from 1, as text."""
    rows = pc.indices_nonzero(mask)
    shown = ", ".join(str(row + 1) for row in rows.slice(0, most).to_pylist())
    return f"{shown}, ... ({len(rows)} rows)" if len(rows) > most else shown


# ---------------------------------------------------------------- text cells


def _type_text(name: str, array: pa.Array, decimal: str) -> tuple[pa.Array, str | None]:
    trimmed = pc.utf8_trim_whitespace(array)
    if array.null_count == len(array):
        return array, None
    if decimal == ",":
        dotted = pc.replace_substring(trimmed, ",", ".")
        numbers = pc.if_else(pc.match_substring(trimmed, "."), trimmed, dotted)
    else:
        numbers = trimmed
    if _every(numbers, _INTEGER):
        if _some(numbers, _LEADING_ZERO):
            return array, "digits with leading zeros are kept as text"
        try:
            return pc.cast(pc.replace_substring_regex(numbers, r"^\+", ""), pa.int64()), None
        except pa.ArrowInvalid:
            return array, "numbers of more than 18 digits are kept as text"
    if _every(numbers, _NUMBER):
        plain = pc.replace_substring_regex(numbers, r"^\+", "")
        return pc.cast(plain, pa.float64()), None
    if _every(trimmed, r"^(True|False|true|false|TRUE|FALSE)$"):
        return pc.equal(pc.utf8_lower(trimmed), "true"), None
    if _every(trimmed, _ISO):
        moment = _iso(trimmed)
        if moment is not None:
            return moment, None
    return array, _text_hint(name, trimmed, numbers)


def _iso(array: pa.Array) -> pa.Array | None:
    import pandas as pd

    try:
        moments = pd.to_datetime(array.to_pandas(), format="ISO8601", utc=True)
    except ValueError:
        return None
    return pa.array(moments.dt.tz_localize(None), pa.timestamp("us"))


def _text_hint(name: str, trimmed: pa.Array, numbers: pa.Array) -> str | None:
    """What spoils a column that is almost numbers or dates. Raises :class:`Fault` where only infinities do."""
    number = pc.fill_null(pc.match_substring_regex(numbers, _NUMBER), True)
    if not pc.any(number).as_py():
        return None
    odd = pc.invert(number)
    infinite = pc.fill_null(pc.match_substring_regex(numbers, _INFINITE), False)
    if pc.all(pc.or_(number, infinite)).as_py() and pc.any(infinite).as_py():
        raise _infinite(name, infinite)
    filled = len(trimmed) - trimmed.null_count
    count = pc.sum(odd).as_py()
    if count <= 0.1 * filled:
        example = trimmed.filter(odd)[0].as_py()
        return f"numbers, but for {count} cells such as {example[:20]!r} (row {rows_where(odd, 1).split(',')[0]})"
    return None


def _every(array: pa.Array, pattern: str) -> bool:
    start = pc.drop_null(array.slice(0, 1000))
    if not pc.all(pc.match_substring_regex(start, pattern)).as_py():
        return False
    return bool(pc.all(pc.match_substring_regex(array, pattern)).as_py())


def _some(array: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(array, pattern)).as_py())


# ---------------------------------------------------------------- Parquet's types


def _type_arrow(name: str, array: pa.Array) -> tuple[pa.Array, str | None]:
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = pc.cast(array, kind.value_type)
        kind = array.type
    if pa.types.is_null(kind):
        return pc.cast(array, pa.large_string()), None
    if pa.types.is_boolean(kind):
        return array, None
    if pa.types.is_integer(kind):
        try:
            return pc.cast(array, pa.int64()), None
        except pa.ArrowInvalid:
            return pc.cast(array, pa.float64(), safe=False), None
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(array, pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers), None
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = getattr(kind, "tz", None)
        moment = pc.cast(array, pa.timestamp("us", tz="UTC" if zone else None), safe=False)
        return pc.cast(moment, pa.timestamp("us")), None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        text = pc.cast(array, pa.large_string())
        moment = _iso(text) if text.null_count < len(text) and _every(text, _ISO) else None
        return (text if moment is None else moment), None
    raise Fault(
        f"Column {name} holds values of the type {kind}, which a table of features cannot hold. "
        f"Leave it out: add --drop {shlex.quote(name)}"
    )


def _refuse_infinite(name: str, numbers: pa.Array) -> pa.Array:
    infinite = pc.fill_null(pc.is_inf(numbers), False)
    if pc.any(infinite).as_py():
        raise _infinite(name, infinite)
    return numbers


def _infinite(name: str, mask: pa.Array) -> Fault:
    return Fault(
        f"Column {name} holds infinities, which no range and no model can use: row {rows_where(mask)}. "
        f"Replace them by a number or by nothing, or leave the column out with --drop {shlex.quote(name)}."
    )


# ---------------------------------------------------------------- facts


def _facts(name: str, cells: pa.Array, hint: str | None) -> Facts:
    rows, nulls = len(cells), cells.null_count
    known = pc.drop_null(cells)
    text = pa.types.is_large_string(cells.type)
    if nulls == rows:
        return Facts(name, "category", rows, nulls, 0, hint=hint)
    counted = pc.value_counts(known)
    values = counted.field("values")
    distinct = len(values)
    pairs: tuple[tuple[Any, int], ...] = ()
    if distinct <= MANY:
        pairs = tuple(sorted(zip(values.to_pylist(), counted.field("counts").to_pylist(), strict=True)))
    if text:
        return Facts(
            name, "category", rows, nulls, distinct, values=pairs, hint=hint or _date_hint(known),
            uuid=_every(known, _UUID),
            mean_length=float(pc.mean(pc.utf8_length(known)).as_py()),
            mean_words=float(pc.mean(pc.count_substring_regex(known, r"\S+")).as_py()),
        )  # fmt: skip
    if pa.types.is_boolean(cells.type):
        return Facts(name, "boolean", rows, nulls, distinct, values=pairs, hint=hint)
    if pa.types.is_timestamp(cells.type):
        return Facts(name, "datetime", rows, nulls, distinct, values=(), hint=hint)
    bounds = pc.min_max(known).as_py()
    whole = pa.types.is_integer(cells.type)
    return Facts(
        name, "integer" if whole else "number", rows, nulls, distinct, bounds["min"], bounds["max"],
        whole=whole or bool(pc.all(pc.equal(known, pc.round(known))).as_py()),
        counting=whole and not nulls and rows > 1 and known[0].as_py() in (0, 1)
        and pc.all(pc.equal(pc.subtract(known.slice(1), known.slice(0, rows - 1)), 1)).as_py(),
        values=pairs, hint=hint,
    )  # fmt: skip


def _date_hint(known: pa.Array) -> str | None:
    if _every(known, _DATE_LIKE):
        return "looks like dates; write them as 2024-12-31 (ISO 8601) to use them as dates"
    return None
