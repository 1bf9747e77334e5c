"""Measures the rows that the candidate was trained and tested on: equal rows, columns that give the answer away, order of time.

Believed is the file of rows alone, as the lock names it, and not what the pipeline's own profile says of it. Columns
are read one by one, so that a million rows take as much memory as a few columns. Nothing depends on the order of rows
or columns: rows are put in an order by the hash of what they hold, and rows that share a hash are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.rows.alone import SAMPLE, Leakage
from gitops_ml.rows.equal import Hashes, combined, hashes


@dataclass(frozen=True)
class Overlap:
    """``rows`` of ``of`` test rows equal a training row in every feature; ``chance``: the share a random split would give."""

    rows: int
    of: int
    chance: float

    @property
    def share(self) -> float:
        return self.rows / self.of


@dataclass(frozen=True)
class Order:
    """``early`` of ``of`` test rows are older than the newest training row; ``without``: rows of no known time."""

    column: str
    early: int
    of: int
    without: int


@dataclass(frozen=True)
class Prepared:
    """What the rows tell. ``train`` is None, with ``trouble``, where the training rows cannot be read.

    ``alone``: how well each feature alone predicts the target, measured on ``looked`` rows; ``skipped``: features whose
    cells are no plain values. ``order`` is None where no column holds the time.
    """

    train: int | None
    test: int
    overlap: Overlap | None
    alone: dict[str, float]
    looked: int
    skipped: tuple[str, ...] = ()
    order: Order | None = None
    trouble: str = ""


def measured(train: Path | None, test: Path, schema: SchemaFile, limit: float) -> Prepared:
    """The figures of two Parquet files. ``limit``: columns that predict less need no exact figure."""
    files, trouble = (
        [pq.ParquetFile(test)],
        "the candidate holds no training rows (data/prepared/train.parquet)",
    )
    if train is not None:
        try:
            files.append(pq.ParquetFile(train))
            trouble = ""
        except (pa.ArrowException, OSError) as wrong:
            trouble = f"the training rows are not Parquet: {wrong}"
    rows = [file.metadata.num_rows for file in files]
    target = _read(files, schema.target)
    if target is None:  # only the test rows are known to have one
        files, rows, trouble = (
            files[:1],
            rows[:1],
            trouble or "the training rows have no target that can be read",
        )
        target = _read(files, schema.target)
    found: list[str] = []
    key: Hashes | None = None
    for name in sorted(schema.features):
        cells = _read(files, name)
        if cells is not None:
            found.append(name)
            one = hashes(pa.chunked_array([cells]))
            key = one if key is None else combined([key, one])
    alone: dict[str, float] = {}
    looked = 0
    overlap = None
    if key is not None:
        if len(rows) == 2 and rows[0] and len(found) == len(schema.features):
            overlap = _overlap(key, rows[0])
        if target is not None:
            chosen = _chosen(combined([key, hashes(pa.chunked_array([target]))]), target)
            looked = len(chosen)
            leakage = Leakage(target.take(chosen), schema.task == "classification", limit)
            for name in found:
                cells = _read(files, name)
                assert cells is not None
                alone[name] = float(f"{leakage.score(cells.take(chosen)):.6g}")
    skipped = tuple(name for name in schema.features if name not in found)
    order = _order(files, schema.one("time")) if len(rows) == 2 else None
    return Prepared(
        rows[1] if len(rows) == 2 else None, rows[0], overlap, alone, looked, skipped, order, trouble
    )


def _chosen(key: Hashes, target: pa.Array) -> pa.Array:
    """Rows with a target in the order of their keys; of many, evenly spaced ones."""
    order = np.argsort(key, kind="stable")
    if target.null_count:
        order = order[np.asarray(pc.is_valid(target).to_numpy(zero_copy_only=False))[order]]
    if len(order) > SAMPLE:
        order = order[np.linspace(0, len(order) - 1, SAMPLE).astype(np.intp)]
    return pa.array(order)


def _overlap(key: Hashes, test: int) -> Overlap:
    """Of keys of the test rows, followed by those of the training rows."""
    tested, trained = key[:test], key[test:]
    _, counts = np.unique(key, return_counts=True)
    return Overlap(int(np.isin(tested, trained).sum()), test, by_chance(counts, test))


def by_chance(copies: npt.NDArray[np.intp], test: int) -> float:
    """The expected share of test rows with a training row of the same features, were the test drawn at random.

    ``copies``: how many rows each distinct one stands for. A row with c copies is in the test with probability t/N, and
    then no copy of it trains with probability (t-1)/(N-1) * ... * (t-c+1)/(N-c+1): drawing without replacement.
    """
    rows = int(copies.sum())
    sizes, distinct = np.unique(copies, return_counts=True)
    alike = 0.0
    for size, number in zip(sizes.tolist(), distinct.tolist(), strict=True):
        none = 1.0
        for taken in range(1, min(size, test + 1)):
            none *= max(0, test - taken) / (rows - taken)
            if none < 1e-12:
                break
        alike += size * number * (1 - none)
    return alike / rows


def _order(files: list[pq.ParquetFile], name: str | None) -> Order | None:
    """``files``: test, training."""
    cells = None if name is None else _read(files, name)
    if name is None or cells is None or pa.types.is_large_string(cells.type):
        return None
    count = files[0].metadata.num_rows
    test, newest = cells.slice(0, count), pc.max(cells.slice(count))
    early = pc.sum(pc.less(test, newest)).as_py() if newest.is_valid else 0
    return Order(name, early or 0, count, cells.null_count)


def _read(files: list[pq.ParquetFile], name: str) -> pa.Array | None:
    """A column of all files, one below the other, in the types of adoption; None where one lacks it or nests values."""
    parts = []
    for file in files:
        # A name with a dot in it reads as a path as well: Arrow may give more than was asked for.
        if file.schema_arrow.names.count(name) != 1:
            return None
        try:
            parts.append(_plain(file.read(columns=[name]).column(name)))
        except (pa.ArrowException, KeyError):
            return None
    types = {part.type for part in parts}
    if len(types) > 1:  # whole numbers beside such with gaps, which pandas writes as floats
        if not all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in types):
            return None
        parts = [part.cast(pa.float64(), safe=False) for part in parts]
    return pa.concat_arrays(
        [chunk for part in parts for chunk in part.chunks] or [pa.array([], parts[0].type)]
    )


def _plain(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """float64, int64, bool, timestamp[us] or large_string. Raises ArrowException for what is none of them."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells, kind = cells.cast(kind.value_type), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return cells.cast(pa.large_string())
    if pa.types.is_boolean(kind):
        return cells
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return cells.cast(pa.timestamp("us"), safe=False)
    if pa.types.is_integer(kind):
        return cells.cast(pa.int64(), safe=False)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return cells.cast(pa.float64(), safe=False)
    raise pa.ArrowNotImplementedError(f"{kind} holds no plain values")
