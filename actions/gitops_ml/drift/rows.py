"""Today's rows: a file, or a folder of files, becomes one table with the types of the serving model's schema.yaml.

Nothing is believed: what is missing, unknown, or no value of its type comes back as a problem, never as a guess.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gitops_ml.adopt.read import NULLS
from gitops_ml.contracts.drift import Problem
from gitops_ml.contracts.schema import Column, SchemaFile

SUFFIXES = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
Mask = np.ndarray[Any, Any]
SAID = ("prediction", "score_")
"""What the score contract adds to a row: a log may carry it, and it is no unknown column."""
ARTICLE = {"integer": "a whole number", "number": "a number", "boolean": "true or false",
           "datetime": "a date and time (ISO 8601)", "category": "a text", "text": "a text"}  # fmt: skip
TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


@dataclass
class Table:
    """``frame``: float64, Int64, boolean, str or datetime64 columns; ``problems``: of structure and of types.

    ``unreadable``: column -> rows whose cell is empty in the frame because it is no value of its type.
    """

    frame: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    unreadable: dict[str, Mask] = field(default_factory=dict)


class Unreadable(Exception):
    """A file that is no table at all; the text says why."""


def files(path: Path) -> list[Path]:
    """The tables of a folder, by name; or the file itself. Hidden files, and those of other kinds, are none."""
    if not path.is_dir():
        return [path] if path.exists() else []
    return sorted(
        one
        for one in path.rglob("*")
        if one.suffix.lower() in SUFFIXES
        and one.is_file()
        and not any(part.startswith(".") for part in one.relative_to(path).parts)
    )


def read(paths: list[Path], schema: SchemaFile, *, exact: bool) -> Table:
    """All rows. ``exact``: the table is what `prepare` would read, so every column of schema.yaml must be there.

    Otherwise the features must, and what the score contract adds may be. A file without a byte has no rows.
    """
    frames: list[pd.DataFrame] = []
    masks: list[dict[str, Mask]] = []
    problems: list[Problem] = []
    examples: dict[str, str] = {}
    for path in paths:
        if path.stat().st_size == 0:
            continue
        try:
            raw = _raw(path, schema)
        except Unreadable as reason:
            rule = f"{path.name} is a table"
            problems.append(Problem(column="(file)", rule=rule, rows=0, example=str(reason)[:200]))
            continue
        wrong = _structure(list(raw), schema, exact, path.name if len(paths) > 1 else "")
        problems += [one for one in wrong if one not in problems]
        typed, bad = {}, {}
        for name, column in schema.columns.items():
            if name in raw and column.role != "ignored":
                typed[name], mask = _typed(raw[name], column, schema.file.decimal or ".")
                if mask.any():
                    bad[name] = mask
                    examples.setdefault(name, _example(raw[name], mask))
        frame = pd.DataFrame(typed)
        if len(frame):
            frames.append(frame)
            masks.append(bad)
    known = [name for name in schema.columns if any(name in frame.columns for frame in frames)]
    whole = pd.concat(frames, ignore_index=True)[known] if frames else pd.DataFrame(columns=known)
    unreadable = {
        name: np.concatenate(
            [
                bad.get(name, np.zeros(len(frame), dtype=bool))
                for frame, bad in zip(frames, masks, strict=True)
            ]
        )
        for name in examples
    }
    for name, mask in unreadable.items():
        rule = f"is {ARTICLE[schema.columns[name].type]}"
        problems.append(Problem(column=name, rule=rule, rows=int(mask.sum()), example=examples[name]))
    return Table(whole, problems, unreadable)


def write(frame: pd.DataFrame, path: Path) -> None:
    """As Parquet, the same bytes for the same rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    plain = [pa.string() if pa.types.is_large_string(one.type) else one.type for one in table.schema]
    names = zip(table.schema.names, plain, strict=True)
    pq.write_table(table.cast(pa.schema([pa.field(name, kind) for name, kind in names])), path)


def _structure(names: list[str], schema: SchemaFile, exact: bool, file: str) -> list[Problem]:
    wanted = list(schema.columns) if exact else schema.features
    where = f"is in the table ({file})" if file else "is in the table"
    found = [
        Problem(column=name, rule=where, rows=0, example="it is missing")
        for name in wanted
        if name not in names
    ]
    strange = [n for n in names if n not in schema.columns and (exact or not n.startswith(SAID))]
    return found + [
        Problem(column=name, rule="is in schema.yaml", rows=0, example="it is unknown") for name in strange
    ]


def _example(cells: Any, mask: Mask) -> str:
    where = int(np.flatnonzero(mask)[0])
    return str(cells[where])[:60]


# ---------------------------------------------------------------- files


def _raw(path: Path, schema: SchemaFile) -> dict[str, Any]:
    """Column -> Arrow array (Parquet) or pandas column of text, None where a cell is empty. Raises :class:`Unreadable`."""
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        try:
            table = pq.ParquetFile(path).read()
        except (pa.ArrowException, OSError) as wrong:
            raise Unreadable(f"not Parquet: {str(wrong).splitlines()[0]}") from None
        _once(table.column_names)
        return {name: table.column(name) for name in table.column_names}
    return _json_lines(path) if suffix in (".jsonl", ".ndjson") else _csv(path, schema)


def _csv(path: Path, schema: SchemaFile) -> dict[str, Any]:
    file = schema.file
    encoding = (file.encoding or "utf-8").lower()
    options: dict[str, Any] = {
        "sep": file.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ","),
        "encoding": "utf-8-sig" if encoding in ("utf-8", "utf8") else encoding,
        "dtype": "str",
        "index_col": False,
        "engine": "c",
    }
    try:
        first = pd.read_csv(path, header=None, nrows=1, keep_default_na=False, **options)
        names = [str(name) for name in first.iloc[0]]
        _once(names)
        frame = pd.read_csv(path, header=0, names=names, **options)
    except pd.errors.EmptyDataError:
        raise Unreadable("it has no column names") from None
    except (pd.errors.ParserError, UnicodeDecodeError, LookupError, ValueError) as wrong:
        raise Unreadable(str(wrong).strip().splitlines()[-1]) from None
    return {name: frame[name].astype("object").where(frame[name].notna(), None) for name in names}


def _json_lines(path: Path) -> dict[str, Any]:
    records = []
    try:
        for number, line in enumerate(_lines(path), 1):
            record = json.loads(line)
            if not isinstance(record, dict):
                raise Unreadable(f"line {number} is no object")
            records.append(record)
    except (ValueError, UnicodeDecodeError) as wrong:
        raise Unreadable(f"line {len(records) + 1}: {wrong}") from None
    names = list(dict.fromkeys(name for record in records for name in record))
    return {name: pd.Series([_text(r.get(name)) for r in records], dtype="object") for name in names}


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        yield from (line for line in file if line.strip())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return None if value is None else str(value).lower()
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return None if text in NULLS else text


def _once(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Unreadable(f"the column {twice[0]} stands twice")


# ---------------------------------------------------------------- types


def _typed(cells: Any, column: Column, decimal: str) -> tuple[pd.Series, Mask]:
    """The typed column, null where a cell is not of the type; and where that is."""
    if isinstance(cells, pa.ChunkedArray):
        found = _from_arrow(cells, column)
        if found is not None:
            return found
        return _nothing(column, len(cells)), ~np.asarray(cells.is_null().to_numpy())
    empty = cells.isna().to_numpy()
    if column.type in ("category", "text"):
        return cells.astype("str"), np.zeros(len(cells), dtype=bool)
    text = cells.astype("str").str.strip()
    if column.type == "boolean":
        typed = text.str.lower().map(TRUTH).astype("boolean")
    elif column.type == "datetime":
        typed = _moments(text)
    else:
        dotted = text if decimal == "." else text.str.replace(decimal, ".", regex=False)
        typed = pd.to_numeric(dotted, errors="coerce").astype("float64")
        if column.type == "integer":
            typed = _whole(typed)
    return typed, typed.isna().to_numpy() & ~empty


def _from_arrow(cells: pa.ChunkedArray, column: Column) -> tuple[pd.Series, Mask] | None:
    """As ``prepare`` reads Parquet; None: the column is of another nature."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells, kind = cells.cast(kind.value_type), kind.value_type
    good = np.zeros(len(cells), dtype=bool)
    if pa.types.is_null(kind):
        return _nothing(column, len(cells)), good
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if column.type in ("number", "integer") and number:
        values = pd.Series(cells.cast(pa.float64(), safe=False).to_numpy(), dtype="float64")
        if column.type == "number":
            return values, good
        if pa.types.is_integer(kind):
            return cells.cast(pa.int64()).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get), good
        whole = _whole(values)
        return whole, whole.isna().to_numpy() & ~values.isna().to_numpy()
    if column.type == "boolean" and (pa.types.is_boolean(kind) or number):
        values = cells.to_pandas().astype("object")
        typed = values.map(lambda v: bool(v) if v in (0, 1) else None).astype("boolean")
        return typed, typed.isna().to_numpy() & ~values.isna().to_numpy()
    if column.type == "datetime" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        zone = getattr(kind, "tz", None)
        moment = cells.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.timestamp("us"), safe=False)
        return moment.to_pandas(), good
    if column.type == "datetime" and text:
        words = cells.to_pandas()
        typed = _moments(words)
        return typed, typed.isna().to_numpy() & ~words.isna().to_numpy()
    if column.type in ("category", "text") and (
        text or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    ):
        values = cells.to_pandas() if pa.types.is_boolean(kind) else cells.cast(pa.string()).to_pandas()
        return values.astype("object").map(str, na_action="ignore").astype("str"), good
    return None


def _moments(text: pd.Series) -> pd.Series:
    moments = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    return moments.dt.tz_localize(None).astype("datetime64[us]")


def _whole(values: pd.Series) -> pd.Series:
    with np.errstate(invalid="ignore"):
        good = np.isfinite(values) & (np.floor(values) == values) & (np.abs(values) < 2.0**63)
    return values.where(good).astype("Int64")


def _nothing(column: Column, rows: int) -> pd.Series:
    kinds = {"number": "float64", "integer": "Int64", "boolean": "boolean", "datetime": "datetime64[us]"}
    return pd.Series([None] * rows, dtype=kinds.get(column.type, "str"))
