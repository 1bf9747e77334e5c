"""Reads a table of unknown make: finds out how the file is written, and refuses what is no table by row and column.

CSV cells stay text here (empty and the usual marks for "nothing" become null); what they mean is decided in kinds.py.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gitops_ml.contracts.schema import FileFormat
from gitops_ml.errors import Fault

CSV_SUFFIXES = {".csv", ".tsv", ".tab", ".txt"}
PARQUET_SUFFIXES = {".parquet", ".pq"}
PACKED_SUFFIXES = {".gz", ".zip", ".bz2", ".xz", ".zst", ".7z"}
DELIMITERS = ",;\t|"
# What pandas takes for a missing value by default, so that prepare sees the same cells (pandas/_libs/parsers.pyx).
NULLS = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
         "NULL", "NaN", "None", "n/a", "nan", "null"]  # fmt: skip
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_COMMA_NUMBER = r"^\s*[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?\s*$"
_SAMPLE = 1 << 18


@dataclass(frozen=True)
class Table:
    """A table as read: ``data`` has one text column per CSV column, or Parquet's own types."""

    name: str
    data: pa.Table
    file: FileFormat
    size: int


def read_table(path: Path) -> Table:
    """Read a CSV, TSV or Parquet file. Raises :class:`Fault` naming what is wrong with it; writes nothing."""
    size = _look(path)
    if path.suffix.lower() in PARQUET_SUFFIXES:
        data, file = _read_parquet(path), FileFormat(format="parquet")
    else:
        data, file = _read_csv(path)
    _check_names(path.name, data.column_names)
    if data.num_rows == 0:
        raise Fault(f"{path.name} has column names but no rows. A model needs rows to learn from.")
    return Table(path.name, data, file, size)


def _look(path: Path) -> int:
    """The file's size, after the questions that its name and first bytes answer."""
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            raise Fault(f"{path} is a folder. Name the file: a .csv, .tsv or .parquet.")
        with path.open("rb") as file:
            start = file.read(8)
        size = path.stat().st_size
    except FileNotFoundError:
        raise Fault(f"{path} does not exist (looked from {Path.cwd().name}/). Check the path.") from None
    except (OSError, ValueError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else str(wrong)
        raise Fault(f"{path} cannot be read: {reason}.") from None
    if not path.name.isprintable() or not path.name.strip():
        raise Fault(f"The file name {path.name!r} holds a character that cannot be printed. Rename the file.")
    if suffix in PACKED_SUFFIXES:
        raise Fault(f"{path.name} is compressed. Unpack it first, and adopt the .csv or .parquet in it.")
    if suffix in {".xlsx", ".xls", ".ods"}:
        raise Fault(f"{path.name} is a spreadsheet. Save the sheet as CSV (UTF-8), and adopt that.")
    if suffix not in CSV_SUFFIXES | PARQUET_SUFFIXES:
        raise Fault(
            f"{path.name} has the suffix {suffix or '(none)'}; a .csv, .tsv or .parquet file is needed."
        )
    if not start:
        raise Fault(f"{path.name} is empty (0 bytes).")
    if suffix in CSV_SUFFIXES and start[:4] == b"PAR1":
        raise Fault(f"{path.name} holds Parquet, not text. Rename it to {path.stem}.parquet.")
    if suffix in PARQUET_SUFFIXES and start[:4] != b"PAR1":
        raise Fault(
            f"{path.name} is not a Parquet file: it does not begin with PAR1. If it is text, rename it to .csv."
        )
    return size


def _check_names(file: str, names: list[str]) -> None:
    unnamed = [str(place) for place, name in enumerate(names, 1) if not name.strip()]
    if unnamed:
        raise Fault(
            f"{file}: column {', '.join(unnamed)} has no name. Give it one in the first line; if it is the row number "
            "that pandas wrote, save the table again with index=False."
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Fault(
            f"{file}: these column names stand twice: {', '.join(twice)}. Rename or remove one of each."
        )


# ---------------------------------------------------------------- Parquet


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as wrong:
        first = str(wrong).splitlines()[0]
        raise Fault(
            f"{path.name} cannot be read as Parquet: {first} Write it again from its source."
        ) from None


# ---------------------------------------------------------------- CSV


def _read_csv(path: Path) -> tuple[pa.Table, FileFormat]:
    import pyarrow.csv as arrow_csv

    raw = path.read_bytes()
    encoding = sniff_encoding(raw, path.name)
    text_start = raw[:_SAMPLE].decode(encoding, errors="ignore")
    if "\0" in text_start:
        raise Fault(f"{path.name} is not text: it holds zero bytes. Save it as CSV in UTF-8.")
    if not text_start.strip():
        raise Fault(f"{path.name} is empty: it holds only blank lines.")
    delimiter = sniff_delimiter(text_start, len(raw) > _SAMPLE, path.suffix.lower())
    header = _header(text_start, delimiter)
    _check_names(path.name, header)
    if encoding not in ("utf-8", "utf-8-sig"):
        raw = raw.decode(encoding).encode()
    options = {
        "read_options": arrow_csv.ReadOptions(block_size=1 << 24),
        "parse_options": arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": arrow_csv.ConvertOptions(
            column_types={name: pa.large_string() for name in header},
            null_values=NULLS,
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    }
    try:
        data = arrow_csv.read_csv(io.BytesIO(raw), **options)
    except pa.ArrowInvalid as wrong:
        _blame_row(raw, delimiter, path.name)
        raise Fault(f"{path.name} cannot be read as CSV: {str(wrong).splitlines()[0]}") from None
    if (
        raw.count(b'"') % 2
        and data.num_rows
        and any("\n" in str(cell) for cell in data.slice(data.num_rows - 1).to_pylist()[0].values())
    ):
        raise Fault(
            f"{path.name}: a quotation mark is opened and never closed; the last row swallows the rest of the file. "
            'Close it, or double it ("") where it is meant as text.'
        )
    decimal = sniff_decimal(data) if delimiter != "," else "."
    file = FileFormat.model_validate(
        {"format": "csv", "delimiter": delimiter, "decimal": decimal, "encoding": encoding}
    )
    return data, file


def sniff_encoding(raw: bytes, name: str = "the file") -> str:
    """utf-8, utf-8-sig or utf-16 (by their marks), else cp1252, else latin-1. Raises :class:`Fault` on broken UTF-16."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            raw.decode("utf-16")
        except UnicodeDecodeError:
            raise Fault(f"{name} begins like UTF-16 but is not. Save it as UTF-8.") from None
        return "utf-16"
    for encoding in ("utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "utf-8", "cp1252"):
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def sniff_delimiter(text: str, cut: bool = False, suffix: str = ".csv") -> str:
    """The delimiter that gives the most rows one and the same number of fields, more than one.

    ``cut``: the text ends anywhere, so its last line does not count.
    """
    candidates = "\t" + DELIMITERS.replace("\t", "") if suffix in (".tsv", ".tab") else DELIMITERS
    best, best_score = candidates[0], (0.0, 0)
    for delimiter in candidates:
        widths = [len(row) for row in _rows(text, delimiter)][:1000]
        if cut and len(widths) > 1:
            widths.pop()
        if not widths or widths[0] < 2:
            continue
        score = (widths.count(widths[0]) / len(widths), widths[0])
        # A few more fields do not outweigh rows of unequal length, as commas inside of text make them.
        if score > best_score and not (best_score[0] >= 1 > score[0]):
            best, best_score = delimiter, score
    return best


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)
    except csv.Error:
        return


def _header(text: str, delimiter: str) -> list[str]:
    return next(_rows(text.removeprefix("\ufeff"), delimiter), [])


def sniff_decimal(data: pa.Table) -> str:
    """``,`` if some column holds numbers only with a decimal comma and none holds a decimal point."""
    comma = False
    for column in data.columns:
        cells = pc.drop_null(column)
        start = cells.slice(0, 1000)
        if not len(cells) or not _all(pc.match_substring_regex(start, r"^\s*[+-]?[\d.,eE+-]+\s*$")):
            continue
        if _all(pc.match_substring_regex(cells, _NUMBER)):
            if _any(pc.match_substring(cells, ".")):
                return "."
        elif _all(pc.match_substring_regex(cells, _COMMA_NUMBER)):
            comma = True
    return "," if comma else "."


def _all(mask: Any) -> bool:
    return bool(pc.all(mask).as_py())


def _any(mask: Any) -> bool:
    return bool(pc.any(mask).as_py())


def _blame_row(raw: bytes, delimiter: str, name: str) -> None:
    """Name the first row whose number of fields is not the header's."""
    reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    width = row_number = 0
    try:
        for row in reader:
            if not row:
                continue
            width = width or len(row)
            if len(row) != width:
                raise Fault(
                    f"{name}, line {reader.line_num} (row {row_number}): {len(row)} fields, but the first line names "
                    f"{width}. Check the quotes and the delimiter ({delimiter!r}) there."
                )
            row_number += 1
    except csv.Error as wrong:
        raise Fault(f"{name}, line {reader.line_num}: {wrong}. Check the quotes there.") from None
