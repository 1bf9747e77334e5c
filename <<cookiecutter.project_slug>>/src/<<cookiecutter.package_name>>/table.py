"""A file becomes typed columns: CSV or Parquet, whole or in pieces, with the types of schema.yaml and no
guessing.

Empty cells and pandas' usual words (NA, NaN, null, None, ...) are nulls.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .cells import article, datetimes, from_arrow, from_cells
from .failures import DataError, Failure, Mask, adopt_again, disagree, first_rows
from .schema import Column, Schema

DTYPES = {"number": "float64", "category": "str", "text": "str", "datetime": "str", "boolean": "boolean"}


@dataclass
class Table:
    """Typed columns, and what could not be typed: failures, and the rows in question by column."""

    frame: pd.DataFrame
    failures: list[Failure] = field(default_factory=list)
    unreadable: dict[str, Mask] = field(default_factory=dict)


def read(path: Path | str, schema: Schema, columns: list[Column], *, exact: bool = True) -> Table:
    """Read ``columns`` (those that the file has). ``exact``: missing and unknown columns are failures.

    Raises :class:`DataError` when there is no table to speak of: no file, no rows, not the format, names
    twice.
    """
    names = header(path, schema)
    failures = _structure(path, schema, names, columns, exact)
    present = [column for column in columns if column.name in set(names)]
    if is_parquet(path, schema):
        table = _typed_batch(pq.ParquetFile(path).read([c.name for c in present]), present, 0)
    else:
        try:
            table = Table(_order(_read_csv(path, schema, names, present), present))
        except (ValueError, OverflowError, TypeError):
            table = _from_text(_read_csv(path, schema, names, []), schema, present, 0)
    table.failures = failures + table.failures
    if not len(table.frame):
        raise DataError(
            f"{path} has column names and no rows. The file was not touched. Fill it, or name another: "
            f"{adopt_again('TABLE', schema)}"
        )
    return table


def read_table(path: Path | str, schema: Schema, *, target_required: bool = True) -> pd.DataFrame:
    """The kept columns of a table, typed, in the order of the schema; see :func:`read`.

    Without ``target_required`` a file without the target is accepted. Raises :class:`DataError`.
    """
    columns = schema.kept
    if not target_required and schema.target.name not in header(path, schema):
        columns = [column for column in columns if column.role != "target"]
    table = read(path, schema, columns, exact=target_required)
    if table.failures:
        raise disagree(path, table.failures)
    return table.frame


def iter_table(path: Path | str, schema: Schema, rows: int, columns: list[Column]) -> Iterator[pd.DataFrame]:
    """Yield ``columns``, typed, in pieces of at most ``rows`` rows; columns of the file not asked for are
    ignored.

    Raises :class:`DataError` for a missing column, and for cells that are not of their type, when it meets
    them.
    """
    names = header(path, schema)
    failures = _structure(path, schema, names, columns, exact=False)
    if failures:
        raise disagree(path, failures)
    done = 0
    for table in _pieces(path, schema, names, columns, rows):
        if table.failures:
            raise disagree(path, table.failures)
        done += len(table.frame)
        yield table.frame
    if not done:
        raise DataError(f"{path} has column names and no rows.")


def _pieces(
    path: Path | str, schema: Schema, names: list[str], columns: list[Column], rows: int
) -> Iterator[Table]:
    done = 0
    if is_parquet(path, schema):
        # Pages are read as they are needed, so that one large row group does not have to fit into memory.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
            for batch in file.iter_batches(batch_size=rows, columns=[c.name for c in columns]):
                yield _typed_batch(batch, columns, done)
                done += batch.num_rows
        return
    try:
        with _read_csv(path, schema, names, columns, rows) as pieces:
            for piece in pieces:
                yield Table(_order(piece.reset_index(drop=True), columns))
                done += len(piece)
        return
    except (ValueError, OverflowError, TypeError):
        pass  # a cell that is not of its type: read on as text, to say which one or to take "3.0" for 3
    skip = done
    with _read_csv(path, schema, names, [], rows) as pieces:
        for piece in pieces:
            if skip:
                skip -= len(piece)
                continue
            yield _from_text(piece.reset_index(drop=True), schema, columns, done)
            done += len(piece)


def is_parquet(path: Path | str, schema: Schema) -> bool:
    """By suffix; any other suffix means what schema.yaml says."""
    suffix = Path(path).suffix.lower()
    return suffix in (".parquet", ".pq") or (
        suffix not in (".csv", ".tsv", ".txt") and schema.file.format == "parquet"
    )


def header(path: Path | str, schema: Schema) -> list[str]:
    """The column names of the file. Raises :class:`DataError`: no such file, empty, not the format, a name
    twice."""
    if not Path(path).is_file():
        raise DataError(
            f"{path} is missing. Fetch it with `uv run gitops-ml storage pull`, or name another table in "
            f"params.yaml (data.table)."
        )
    if Path(path).stat().st_size == 0:
        raise DataError(
            f"{path} is empty: no bytes at all. Put the table there, or name another in params.yaml "
            f"(data.table)."
        )
    if is_parquet(path, schema):
        try:
            names = list(pq.read_schema(path).names)
        except (pa.ArrowException, OSError) as wrong:
            raise DataError(
                f"{path} is not a Parquet file ({str(wrong).splitlines()[0]}). If it is a CSV, give it "
                f"the suffix .csv."
            ) from None
    else:
        try:
            first = _csv(path, schema, header=None, nrows=1, dtype=str, keep_default_na=False)
        except pd.errors.EmptyDataError:
            raise DataError(f"{path} is empty: it has no column names.") from None
        # pandas' own names for columns without one
        names = [name or f"Unnamed: {number}" for number, name in enumerate(first.iloc[0].tolist())]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        failures = [
            Failure(name, "appears once", None, (), f"{names.count(name)} columns of this name")
            for name in twice
        ]
        raise disagree(path, failures)
    return names


def _structure(
    path: Path | str, schema: Schema, names: list[str], columns: list[Column], exact: bool
) -> list[Failure]:
    known = set(schema.columns) if exact else {column.name for column in columns}
    missing = [name for name in schema.columns if name in known and name not in set(names)]
    extra = [name for name in names if name not in schema.columns] if exact else []
    fix = adopt_again(path, schema) if exact else ""
    found = "found: " + ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return [
        *(
            Failure(
                name, "is in the file (it is missing)", None, (), found if name == missing[0] else "", fix
            )
            for name in missing
        ),
        *(Failure(name, "is in schema.yaml (it is unknown)", None, (), "", fix) for name in extra),
    ]


def _csv(path: Path | str, schema: Schema, **options: Any) -> Any:
    """pandas' C reader as schema.yaml describes the file; what it cannot read is a DataError."""
    file = schema.file
    encoding = "utf-8-sig" if file.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else file.encoding
    delimiter = "\t" if Path(path).suffix.lower() == ".tsv" and file.format != "csv" else file.delimiter
    try:
        with warnings.catch_warnings():
            # a row with more cells than there are names would lose its last cells with a mere warning
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path,
                sep=delimiter,
                decimal=file.decimal,
                encoding=encoding,
                engine="c",
                low_memory=False,
                index_col=False,
                **options,
            )
    except UnicodeDecodeError as wrong:
        raise DataError(
            f"{path} is not {file.encoding} text (byte 0x{wrong.object[wrong.start]:02x}). Set "
            "file.encoding in schema.yaml, for example to latin-1 or cp1252; the file was not touched."
        ) from None
    except LookupError:
        raise DataError(
            f"schema.yaml: file.encoding {file.encoding!r} is not an encoding Python knows; utf-8, "
            f"latin-1 and cp1252 are."
        ) from None
    except pd.errors.EmptyDataError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning) as wrong:
        text = str(wrong).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(
            f"{path} is not a clean table: {text}. A row has more cells than there are column names, or a "
            f"quote is not closed; "
            f"the delimiter in schema.yaml is {delimiter!r}. The file was not touched."
        ) from None


def _read_csv(
    path: Path | str, schema: Schema, names: list[str], columns: list[Column], rows: int | None = None
) -> Any:
    """All columns; those of ``columns`` typed, the others as text."""
    dtypes: dict[str, str] = dict.fromkeys(names, "str")
    for column in columns:
        dtypes[column.name] = DTYPES.get(column.type) or ("Int64" if column.nullable else "int64")
    return _csv(path, schema, header=0, names=names, dtype=dtypes, chunksize=rows)


def _order(frame: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    """Columns in the schema's order, with those types that the CSV reader leaves to us. ValueError: a wrong
    cell."""
    for column in columns:
        if column.type == "datetime":
            typed, bad = datetimes(frame[column.name])
            if bad.any():
                raise ValueError(column.name)
            frame[column.name] = typed
        elif column.type == "boolean" and not column.nullable:
            frame[column.name] = frame[column.name].astype(bool)  # ValueError if there are nulls
    wanted = [column.name for column in columns]
    return frame if list(frame.columns) == wanted else frame[wanted]


def _from_text(frame: pd.DataFrame, schema: Schema, columns: list[Column], offset: int) -> Table:
    """Type a frame of text cell by cell, and say which cells are not of their type."""
    table = Table(pd.DataFrame(index=frame.index))
    typed = {}
    for column in columns:
        typed[column.name], bad = from_cells(frame[column.name], column, schema.file.decimal)
        _note(table, column, bad, frame[column.name].array, offset)
    table.frame = pd.DataFrame(typed, index=frame.index)
    return table


def _note(table: Table, column: Column, bad: Mask, cells: Any, offset: int, rule: str = "") -> None:
    if bad.any():
        table.unreadable[column.name] = bad
        where = int(np.flatnonzero(bad)[0])
        first = tuple(row + offset for row in first_rows(bad))
        example = repr(str(cells[where]))
        fix = f"change the type of {column.name!r} in schema.yaml, or correct the cells"
        table.failures.append(
            Failure(column.name, rule or f"is {article(column.type)}", int(bad.sum()), first, example, fix)
        )


def _typed_batch(batch: pa.Table | pa.RecordBatch, columns: list[Column], offset: int) -> Table:
    """Columns of Parquet with the types of the schema. A column of another nature fails as a whole."""
    table = Table(pd.DataFrame())
    typed: dict[str, pd.Series] = {}
    for number, column in enumerate(columns):
        values = batch.column(number)
        series, bad = from_arrow(values, column)
        typed[column.name] = series
        rule = f"is {article(column.type)} (the file holds {values.type})"
        _note(table, column, bad, values, offset, rule)
    table.frame = pd.DataFrame(typed, copy=False)
    return table
