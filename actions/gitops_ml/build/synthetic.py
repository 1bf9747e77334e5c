"""Rows made from schema.yaml, where a fork has no access to the table: its code can run, its numbers mean nothing."""

from __future__ import annotations

import csv
import io
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.contracts.base import write_text
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.schema import Column, SchemaFile
from gitops_ml.errors import Fault

HEADER = "synthetic rows: numbers mean nothing"
ROWS = 600
SEED = 20
GROUPS = 40
START = datetime(2024, 1, 1)
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jade")


def write(root: Path, rows: int = ROWS, seed: int = SEED) -> Path | None:
    """Write the table that params.yaml names; None if git has it, or it is here already. Raises :class:`Fault`."""
    name = ParamsFile.read(root / "params.yaml").data.table
    path = root / name
    if path.exists() or shell.ask_git(root, "ls-files", "--error-unmatch", "--", name) is not None:
        return None
    if any(part.is_symlink() for part in (path, *path.parents) if part != root and part.is_relative_to(root)):
        raise Fault(f"{name} lies behind a symbolic link. Name a table inside the project in params.yaml.")
    schema = SchemaFile.read(root / "schema.yaml")
    table = make(schema, rows, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    if schema.file.format == "parquet" or path.suffix.lower() in (".parquet", ".pq"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(table), path)
        return path
    decimal = schema.file.decimal or "."
    text = io.StringIO()
    delimiter = schema.file.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(table)
    writer.writerows([_cell(value, decimal) for value in row] for row in zip(*table.values(), strict=True))
    encoding = schema.file.encoding or "utf-8"
    if encoding.lower().replace("-", "") in ("utf8", "ascii"):
        write_text(path, text.getvalue())
    else:
        path.write_bytes(text.getvalue().encode(encoding))
    return path


def make(schema: SchemaFile, rows: int = ROWS, seed: int = SEED) -> dict[str, list[Any]]:
    """Columns of ``rows`` values that keep the contract: types, bounds, categories, uniqueness, empty cells, every class."""
    return {
        # One stream for each column: another column in schema.yaml leaves the rest as it is.
        name: _column(column, rows, random.Random(f"{seed}/{name}"))
        for name, column in schema.columns.items()
    }


def _column(column: Column, rows: int, draw: random.Random) -> list[Any]:
    if column.role == "id":
        return _ids(column, rows)
    if column.role == "target" and column.categories is not None:
        values: list[Any] = [column.categories[number % len(column.categories)] for number in range(rows)]
        draw.shuffle(values)
        return values
    values = [_value(column, number, draw) for number in range(rows)]
    if column.nullable and column.role == "feature":
        values = [None if draw.random() < 0.05 else value for value in values]
    return values


def _ids(column: Column, rows: int) -> list[Any]:
    if column.type in ("integer", "number"):
        low = int(column.minimum) if column.minimum is not None else 1
        return [low + number if column.type == "integer" else float(low + number) for number in range(rows)]
    if column.type == "datetime":
        return [_moment(number) for number in range(rows)]
    return [f"id-{number:06d}" for number in range(rows)]


def _value(column: Column, number: int, draw: random.Random) -> Any:
    if column.role == "time" and column.type == "datetime":
        return _moment(number)
    if column.categories is not None:
        return draw.choice(column.categories)
    if column.type in ("number", "integer"):
        low, high = _bounds(column)
        if column.type == "integer":
            return draw.randint(-(-low // 1), high // 1) if low <= high else int(low)
        return round(draw.uniform(low, high), 6) if high - low > 1e-3 else draw.uniform(low, high)
    if column.type == "boolean":
        return draw.random() < 0.5
    if column.type == "datetime":
        return _moment(draw.randrange(5000))
    if column.role == "group":
        return f"group-{draw.randrange(GROUPS):02d}"
    if column.type == "category":
        return f"level-{draw.randrange(5)}"
    return " ".join(draw.choices(WORDS, k=4))


def _bounds(column: Column) -> tuple[Any, Any]:
    width = 100 if column.type == "integer" else 1.0
    if column.minimum is None and column.maximum is None:
        return 0, width
    if column.minimum is None:
        return column.maximum - width, column.maximum  # type: ignore[operator]
    return column.minimum, column.minimum + width if column.maximum is None else column.maximum


def _moment(number: int) -> str:
    return (START + timedelta(hours=number)).isoformat()


def _cell(value: Any, decimal: str) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).replace(".", decimal) if isinstance(value, float) else value
