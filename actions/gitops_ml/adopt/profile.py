"""Describes the prepared data in numbers: what prepare commits beside the model, and what drift is compared with.

Nothing here names a person: values appear only for categories that schema.yaml lists; of ids, groups, open
categories and texts there are counts alone. Floats have 6 significant digits; the same data give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gitops_ml.adopt.read import NULLS
from gitops_ml.adopt.write import md5_of
from gitops_ml.contracts.base import to_json, write_text
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.profile import Balance, ColumnProfile, ProfileFile, Rows, Share, TableFile, Target
from gitops_ml.contracts.schema import Column, SchemaFile
from gitops_ml.errors import Fault
from gitops_ml.rows.equal import combined, hashes

PREPARED = Path("data/prepared")
PERCENT = (1, 5, 25, 50, 75, 95, 99)
LISTED = 20
"""So many categories are counted one by one; the rest is ``other``."""


def make_profile(schema: SchemaFile, table: Path, prepared: Path = PREPARED) -> ProfileFile:
    """Describe ``prepared``/train.parquet and test.parquet. Raises :class:`Fault` where a file is missing or of another schema."""
    parts = [_read(prepared / f"{part}.parquet", schema) for part in ("train", "test")]
    train, test = (part.num_rows for part in parts)
    data = pa.concat_tables(parts, promote_options="permissive")
    if not table.is_file():
        raise Fault(f"{table} (params.yaml, data.table) is missing. Fetch it: uv run gitops-ml storage pull")
    raw_rows, without = _raw_rows(schema, table, train + test)
    columns = {name: column for name, column in schema.columns.items() if column.role != "ignored"}
    found = {name: hashes(data.column(name)) for name in columns}
    everything = combined(found[n] for n, c in columns.items() if c.role not in ("id", "time"))
    features = combined(found[n] for n in schema.features)
    repeated = len(everything) - _distinct(np.sort(everything))
    overlapping = int(np.isin(features[train:], features[:train]).sum())
    return ProfileFile(
        version=1,
        table=TableFile(path=table.as_posix(), md5=md5_of(table), size=table.stat().st_size, rows=raw_rows),
        rows=Rows(total=raw_rows, train=train, test=test, without_target=without),
        columns={name: _describe(data.column(name), column) for name, column in columns.items()},
        target=_target(schema, data, train),
        duplicates=_share(repeated, train + test),
        overlap=_share(overlapping, test),
    )


def _read(path: Path, schema: SchemaFile) -> pa.Table:
    try:
        data = pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise Fault(f"{path} is missing. Make it first: uv run dvc repro prepare") from None
    except (pa.ArrowException, OSError) as wrong:
        raise Fault(f"{path} cannot be read ({wrong}). Make it again: uv run dvc repro -f prepare") from None
    wanted = [name for name, column in schema.columns.items() if column.role != "ignored"]
    if missing := [name for name in wanted if name not in data.column_names]:
        raise Fault(
            f"{path} has no column {missing[0]}, which schema.yaml names. Make it again: uv run dvc repro prepare"
        )
    return data.select(wanted)


def _raw_rows(schema: SchemaFile, table: Path, prepared: int) -> tuple[int, int]:
    """Rows of the table, and those of them without a target (which prepare left out)."""
    if not schema.columns[schema.target].nullable:
        return prepared, 0
    if schema.file.format == "parquet":
        rows = pq.ParquetFile(table).metadata.num_rows
    else:
        rows = _csv_rows(schema, table)
    return rows, rows - prepared


def _csv_rows(schema: SchemaFile, table: Path) -> int:
    import pyarrow.csv as arrow_csv

    file, target = schema.file, schema.target
    encoding = (file.encoding or "utf-8").replace("utf-8-sig", "utf-8")
    reader = arrow_csv.open_csv(
        table,
        read_options=arrow_csv.ReadOptions(encoding=encoding, block_size=1 << 24),
        parse_options=arrow_csv.ParseOptions(delimiter=file.delimiter or ",", newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=[target],
            column_types={target: pa.string()},
            null_values=NULLS,
            strings_can_be_null=True,
        ),
    )
    return sum(batch.num_rows for batch in reader)


# ---------------------------------------------------------------- columns


def _describe(cells: pa.ChunkedArray, column: Column) -> ColumnProfile:
    rows, nulls = len(cells), cells.null_count
    known = cells.drop_null() if nulls else cells
    numeric = column.type in ("number", "integer")
    # Sorting once gives distinct values, bounds and quantiles, and is faster than hashing.
    ordered = np.sort(known.to_numpy()) if numeric else None
    facts: dict[str, Any] = {
        "role": column.role,
        "type": column.type,
        "nulls": nulls,
        "null_share": significant(nulls / rows) if rows else 0.0,
        "distinct": pc.count_distinct(known).as_py() if ordered is None else _distinct(ordered),
    }
    if column.role in ("id", "group") or not len(known):
        return ColumnProfile(**facts)
    if column.categories is not None or column.type == "boolean":
        return ColumnProfile(**facts, **_counted(known))
    if ordered is not None:
        return ColumnProfile(**facts, **_numbers(ordered, column.type == "integer"))
    if column.type == "datetime":
        bounds = pc.min_max(known).as_py()
        return ColumnProfile(**facts, minimum=bounds["min"].isoformat(), maximum=bounds["max"].isoformat())
    if column.type == "text":
        return ColumnProfile(**facts, quantiles=_quantiles(np.sort(pc.utf8_length(known).to_numpy())))
    return ColumnProfile(**facts)


def _numbers(ordered: Any, whole: bool) -> dict[str, Any]:
    low, high = ordered[0], ordered[-1]
    return {
        "mean": significant(ordered.mean(dtype=np.float64)),
        "std": significant(ordered.std(ddof=1, dtype=np.float64)) if len(ordered) > 1 else 0.0,
        "minimum": int(low) if whole else significant(low),
        "maximum": int(high) if whole else significant(high),
        "quantiles": _quantiles(ordered),
    }


def _quantiles(ordered: Any) -> dict[str, float]:
    """Of sorted values, by linear interpolation (Hyndman & Fan 1996, definition 7: numpy's and pandas' default)."""
    places = np.asarray(PERCENT) / 100 * (len(ordered) - 1)
    below = np.floor(places).astype(np.intp)
    low = ordered[below].astype(np.float64)
    high = ordered[np.minimum(below + 1, len(ordered) - 1)].astype(np.float64)
    found = low + (high - low) * (places - below)
    return {str(percent): significant(value) for percent, value in zip(PERCENT, found, strict=True)}


def _distinct(ordered: Any) -> int:
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1 if len(ordered) else 0


def _counted(known: pa.ChunkedArray) -> dict[str, Any]:
    """The most frequent values with their counts, ties by value; and how many rows have another."""
    counted = pc.value_counts(known)
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    ordered = sorted(((str(value), count) for value, count in pairs), key=lambda pair: (-pair[1], pair[0]))
    return {"categories": dict(ordered[:LISTED]), "other": sum(count for _, count in ordered[LISTED:])}


# ---------------------------------------------------------------- rows


def _target(schema: SchemaFile, data: pa.Table, train: int) -> Target:
    cells = data.column(schema.target)
    parts = {"overall": cells, "train": cells.slice(0, train), "test": cells.slice(train)}
    described = {name: _balance(part, schema) for name, part in parts.items()}
    return Target(column=schema.target, task=schema.task, **described)


def _balance(cells: pa.ChunkedArray, schema: SchemaFile) -> Balance:
    if schema.task == "regression":
        values = cells.to_numpy()
        if not len(values):
            return Balance(rows=0)
        mean = significant(values.mean(dtype=np.float64))
        return Balance(rows=len(cells), mean=mean, quantiles=_quantiles(np.sort(values)))
    counted = pc.value_counts(cells)
    found = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    labels = schema.columns[schema.target].categories or []
    return Balance(rows=len(cells), classes={str(label): found.get(label, 0) for label in labels})


def _share(rows: int, of: int) -> Share:
    return Share(rows=rows, share=significant(rows / of) if of else 0.0)


def significant(value: Any) -> float:
    """A number with 6 significant digits."""
    return float(f"{float(value):.6g}")


def write_profile(path: Path = Path("reports/data_profile.json")) -> ProfileFile:
    """Describe the prepared data of the project in the current folder, and write it."""
    profile = make_profile(SchemaFile.read("schema.yaml"), Path(ParamsFile.read("params.yaml").data.table))
    write_text(path, to_json(profile.model_dump(mode="json", exclude_none=True)))
    return profile
