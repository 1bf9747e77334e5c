"""One more column for a table, cell by cell; every other cell stays as it is written."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

from gitops_ml.contracts.schema import SchemaFile

Cell = Callable[[str], str]
"""What the target's cell says -> the new cell, a number written with a point; empty: no value."""


def extended(source: Path, destination: Path, schema: SchemaFile, name: str, cell: Cell) -> None:
    """Write the table with the column ``name`` behind its others."""
    write = _parquet if schema.file.format == "parquet" else _csv
    write(source, destination, schema, name, cell)


def md5_of(path: Path) -> str:
    """md5 of a file's bytes, as DVC names them."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _csv(source: Path, destination: Path, schema: SchemaFile, name: str, cell: Cell) -> None:
    encoding, delimiter = schema.file.encoding or "utf-8", schema.file.delimiter or ","
    comma = schema.file.decimal == ","
    with (
        source.open(encoding=encoding, newline="") as old,
        destination.open("w", encoding=encoding, newline="") as new,
    ):
        lines, writer = (
            csv.reader(old, delimiter=delimiter),
            csv.writer(new, delimiter=delimiter, lineterminator="\n"),
        )
        header = next(lines)
        place = header.index(schema.target)
        writer.writerow([*header, name])
        for line in filter(None, lines):
            value = cell(line[place].replace(",", ".") if comma else line[place])
            writer.writerow([*line, value.replace(".", ",") if comma else value])


def _parquet(source: Path, destination: Path, schema: SchemaFile, name: str, cell: Cell) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(source)
    targets = rows.column(schema.target).to_pylist()
    cells = [cell("" if value is None else str(value)) for value in targets]
    numbers = pa.array([float(one) if one else None for one in cells], pa.float64())
    pq.write_table(rows.append_column(name, numbers), destination)
