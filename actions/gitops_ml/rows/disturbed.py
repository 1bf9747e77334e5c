"""Rows as they are on a bad day: numbers a little off, a column empty. The same rows give the same disturbance, in any order.

Noise is drawn from a hash of the row (its features) and of the column, not from a stream: a row gets its own, wherever in the
file it stands. Two numbers of a hash make one of the normal distribution (Box and Muller, Annals of Mathematical
Statistics 29, 1958, p. 610).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gitops_ml.contracts.schema import Column, SchemaFile
from gitops_ml.rows.equal import Hashes, combined, hashes

MOST = 20_000
"""Of more rows, evenly spaced ones in the order of their hashes are disturbed."""
Floats = npt.NDArray[np.float64]


def keys(column: Callable[[str], pa.ChunkedArray], schema: SchemaFile) -> Hashes:
    """One hash for each row, of its features, which are asked for one by one. Raises :class:`KeyError` as ``column`` does."""
    return combined(hashes(column(name)) for name in sorted(schema.features))


def chosen(rows: Hashes) -> npt.NDArray[np.intp]:
    """Which rows are disturbed, in the order of their hashes; shape (at most MOST,)."""
    order = np.argsort(rows, kind="stable")
    if len(order) > MOST:
        order = order[np.linspace(0, len(order) - 1, MOST).astype(np.intp)]
    return order


def numbers(schema: SchemaFile) -> list[str]:
    """The features that noise falls on."""
    return [name for name in schema.features if schema.columns[name].type in ("number", "integer")]


def disturbed(
    table: pa.Table, rows: Hashes, schema: SchemaFile, noise: float | None, seed: int, emptied: list[str]
) -> pa.Table:
    """The rows once with noise, if there is any, then once for each emptied column, one block below the other.

    ``rows``: hashes of the table's rows. ``noise``: in standard deviations of each column.
    """
    blocks = []
    if noise is not None:
        noisy = table
        for name in numbers(schema):
            cells = _noisy(table.column(name), rows, schema.columns[name], noise, _salt(name, seed))
            noisy = _with(noisy, name, cells)
        blocks.append(noisy)
    blocks += [_with(table, name, _emptied(table.column(name), schema.columns[name])) for name in emptied]
    return pa.concat_tables(blocks)


def _noisy(
    cells: pa.ChunkedArray, rows: Hashes, column: Column, noise: float, salt: np.uint64
) -> pa.ChunkedArray:
    """Of the same type, within the bounds of schema.yaml; whole numbers stay whole, and what is empty stays so."""
    kind = cells.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return cells
    values = cells.cast(pa.float64(), safe=False).to_numpy()
    known = np.isfinite(values)
    if not known.any():
        return cells
    moved = values + noise * float(values[known].std()) * _normal(rows, salt)
    low = -np.inf if column.minimum is None else column.minimum
    high = np.inf if column.maximum is None else column.maximum
    moved = np.where(known, np.clip(moved, low, high), values)
    if pa.types.is_integer(kind):
        moved = np.rint(np.where(known, moved, 0.0))
    made = pa.array(moved, pa.float64(), mask=np.asarray(pc.is_null(cells).to_numpy()))
    return pa.chunked_array([made.cast(kind, safe=False)])


def _emptied(cells: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """No value where the contract allows that; else the usual one: the middle of numbers, the most frequent of others."""
    if column.nullable:
        return pa.chunked_array([pa.nulls(len(cells), cells.type)])
    plain = cells.cast(cells.type.value_type) if pa.types.is_dictionary(cells.type) else cells
    known = plain.drop_null()
    if not len(known):
        return cells
    if column.type in ("number", "integer"):
        usual = known[pc.sort_indices(known)[(len(known) - 1) // 2].as_py()]
    else:
        counts = sorted(
            (-one["counts"], str(one["values"]), one["values"]) for one in pc.value_counts(known).to_pylist()
        )
        usual = pa.scalar(counts[0][2], plain.type)
    made = pa.array([usual.as_py()] * len(cells), plain.type)
    return pa.chunked_array([made]).cast(cells.type)


def _normal(rows: Hashes, salt: np.uint64) -> Floats:
    """A number of the standard normal distribution for each hash."""
    first = _mixed(rows ^ salt)
    second = _mixed(first + np.uint64(0x9E3779B97F4A7C15))
    # 53 bits, and never 0.
    ends = [((one >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53 for one in (first, second)]
    return np.asarray(np.sqrt(-2.0 * np.log(ends[0])) * np.cos(2.0 * np.pi * ends[1]))


def _mixed(values: Hashes) -> Hashes:
    """Every bit of the result depends on every bit given (the finalizer of splitmix64; Steele et al., OOPSLA 2014, p. 453)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)), dtype=np.uint64)


def _salt(name: str, seed: int) -> np.uint64:
    return np.uint64(hashes(pa.chunked_array([[f"{seed}/{name}"]]))[0])


def _with(table: pa.Table, name: str, cells: pa.ChunkedArray) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place).with_nullable(True), cells)
