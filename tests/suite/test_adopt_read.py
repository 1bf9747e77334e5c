"""Reading files of unknown make: how they are written is found out, and what is no table is refused by row."""

from __future__ import annotations

import csv
import io
import string
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_ml.adopt.read import NULLS, read_table, sniff_delimiter, sniff_encoding
from gitops_ml.errors import Fault


def put(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fault(path: Path) -> str:
    with pytest.raises(Fault) as raised:
        read_table(path)
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "delimiter", "encoding"),
    [
        (b"a,b\n1,x\n2,y\n", ",", "utf-8"),
        (b"a;b\r\n1;x\r\n2;y\r\n", ";", "utf-8"),
        (b"a\tb\n1\tx\n2\ty\n", "\t", "utf-8"),
        (b"a|b\n1|x\n2|y\n", "|", "utf-8"),
        (b"\xef\xbb\xbfa,b\n1,x\n2,y\n", ",", "utf-8-sig"),
        (b'\xef\xbb\xbf"a","b"\r\n"1","x"\r\n2,y\r\n', ",", "utf-8-sig"),
        ("a,b\n1,x\n2,y\n".encode("utf-16"), ",", "utf-16"),
        (b"a,b\n1,x\n2,y", ",", "utf-8"),
        (b"a,b\r1,x\r2,y\r", ",", "utf-8"),
        (b"\n\na,b\n\n1,x\n2,y\n\n", ",", "utf-8"),
    ],
)
def test_how_a_file_is_written_is_found_out(
    tmp_path: Path, content: bytes, delimiter: str, encoding: str
) -> None:
    table = read_table(put(tmp_path, content))
    assert table.data.to_pydict() == {"a": ["1", "2"], "b": ["x", "y"]}
    assert (table.file.delimiter, table.file.encoding, table.file.decimal) == (delimiter, encoding, ".")
    assert table.size == len(content)


def test_latin_text_is_read_as_windows_writes_it(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, "stadt;grösse\nKöln;1,5\nZürich;2,25\n".encode("cp1252")))
    assert table.data.to_pydict() == {"stadt": ["Köln", "Zürich"], "grösse": ["1,5", "2,25"]}
    assert (table.file.encoding, table.file.decimal) == ("cp1252", ",")
    assert sniff_encoding(b"\xe9\x81") == "latin-1"


def test_decimal_commas_need_every_cell_and_no_point(tmp_path: Path) -> None:
    def decimal(content: str) -> str | None:
        return read_table(put(tmp_path, content)).file.decimal

    assert decimal("a;b\n1,5;x\n;y\n2;z\n") == ","
    assert decimal("a;b\n1,5;1.5\n2,5;2\n") == "."
    assert decimal("a;b\n1,5;x\n1,5 cm;y\n") == "."
    assert decimal("a;b\n1;2\n3;4\n") == "."
    assert decimal('a,b\n"1,5",x\n"2,5",y\n') == "."


def test_commas_in_text_do_not_make_columns(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, "a;b\nx, y, z;1\nq;2\nu, v;3\n"))
    assert table.data.column_names == ["a", "b"]
    assert sniff_delimiter("a,b\nx;y,1\nq;r,2\n") == ","
    assert sniff_delimiter("a b\n1\n") == ","
    assert sniff_delimiter("a\tb\n1\t2\n", suffix=".tsv") == "\t"
    assert sniff_delimiter('a,b\n"unclosed', suffix=".csv") == ","


def test_a_tsv_of_text_with_commas(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, "a\tb\nx,y\t1\nz,w\t2\n", "T.TSV"))
    assert table.file.delimiter == "\t"


def test_quotes_hold_delimiters_and_lines(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, 'a,b\n"x,1","line 1\nline ""2"""\ny,z\n'))
    assert table.data.to_pydict() == {"a": ["x,1", "y"], "b": ['line 1\nline "2"', "z"]}


def test_nulls_are_those_of_pandas(tmp_path: Path) -> None:
    import pandas._libs.parsers as parsers

    assert set(NULLS) == set(parsers.STR_NA_VALUES)
    table = read_table(put(tmp_path, 'a,b\nNA,1\n"",2\nnone,3\n'))
    assert table.data.column("a").to_pylist() == [None, None, "none"]


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "t.csv", "t.csv is empty (0 bytes)"),
        (b"\n \n\r\n", "t.csv", "only blank lines"),
        (b"a,b\n", "t.csv", "has column names but no rows"),
        (b"a,b,a,c,b\n1,2,3,4,5\n", "t.csv", "stand twice: a, b"),
        (b",a\n0,1\n", "t.csv", "column 1 has no name"),
        (b"a, ,\n0,1,2\n", "t.csv", "column 2, 3 has no name"),
        (b"a,b\n1,2\n1\n", "t.csv", "line 3 (row 2): 1 fields, but the first line names 2"),
        (b'a,b\n1,"x\ny"\n\n1,2,3\n', "t.csv", "line 5 (row 2): 3 fields"),
        (b'a,b\n1,2\n3,"x\n4,y\n', "t.csv", "a quotation mark is opened and never closed"),
        (b"a,b\0\n1,2\n", "t.csv", "it holds zero bytes"),
        (b"\xff\xfea", "t.csv", "begins like UTF-16 but is not"),
        (b"PAR1xxxx", "t.csv", "holds Parquet, not text. Rename it to t.parquet"),
        (b"a,b\n1,2\n", "t.parquet", "does not begin with PAR1"),
        (b"PAR1nothingPAR1", "t.parquet", "cannot be read as Parquet"),
        (b"x", "t.csv.gz", "is compressed. Unpack it first"),
        (b"x", "t.xlsx", "is a spreadsheet. Save the sheet as CSV"),
        (b"x", "t.json", "has the suffix .json"),
        (b"x", "table", "has the suffix (none)"),
        (b"a,b\n1,2\n", "t\n.csv", "cannot be printed. Rename the file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, name: str, said: str) -> None:
    assert said in fault(put(tmp_path, content, name))


def test_what_cannot_be_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not exist" in fault(tmp_path / "none.csv")
    assert "is a folder" in fault(tmp_path)
    path = put(tmp_path, "a,b\n1,2\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be read: Permission denied" in fault(path)


def test_a_stray_quote_inside_a_cell_is_text(tmp_path: Path) -> None:
    assert read_table(put(tmp_path, 'a,b\n5" pipe,1\n6,2\n')).data.column("a").to_pylist() == ['5" pipe', "6"]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "t.PARQUET"
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", None]}), path)
    table = read_table(path)
    assert table.file.format == "parquet"
    assert table.data.schema.field("a").type == pa.int64()
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), path)
    assert "no rows" in fault(path)
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    assert "stand twice: a" in fault(path)


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda s: s.strip() == s and s.isprintable() and "\ufeff" not in s
)
cells = st.text(string.ascii_letters + " äß€;,|\"'", min_size=1, max_size=8).filter(lambda s: s not in NULLS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.lists(names, min_size=2, max_size=4, unique=True),
    rows=st.lists(st.lists(cells, min_size=4, max_size=4), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_writer_quotes_is_read_back(
    tmp_path: Path, header: list[str], rows: list[list[str]], delimiter: str, encoding: str, end: str
) -> None:
    rows = [row[: len(header)] for row in rows]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([header, *rows])
    table = read_table(put(tmp_path, text.getvalue().encode(encoding)))
    assert table.file.delimiter == delimiter
    assert table.data.column_names == header
    assert [list(row.values()) for row in table.data.to_pylist()] == rows


# ---------------------------------------------------------------- what Python's own reader stumbles over

LONG = "x" * 140_000  # longer than the csv module's field limit, 131,072


def test_a_very_long_cell_is_no_obstacle(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, f"a;b\n1;y\n2;{LONG}\n3;z\n"))
    assert table.file.delimiter == ";"
    assert table.data.column("b").to_pylist() == ["y", LONG, "z"]


def test_a_wrong_row_behind_a_very_long_cell_is_still_a_fault(tmp_path: Path) -> None:
    said = fault(put(tmp_path, f"a;b\n1;y\n2;{LONG}\n3\n"))
    assert said == "t.csv, line 3: field larger than field limit (131072). Check the quotes there."


def test_what_only_arrow_refuses_is_said_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise pa.ArrowInvalid("straddling object\nmore")

    monkeypatch.setattr("pyarrow.csv.read_csv", refuse)
    assert fault(put(tmp_path, "a,b\n\n1,2\n")) == "t.csv cannot be read as CSV: straddling object"


def test_a_long_file_ends_its_sample_anywhere(tmp_path: Path) -> None:
    """The cut line has fewer fields: it does not count against the delimiter."""
    rows = "".join(f"{number};{'y' * 600}\n" for number in range(900))
    assert read_table(put(tmp_path, "a;b\n" + rows)).file.delimiter == ";"
    assert sniff_delimiter("a;b\n1;2\n3", cut=True) == ";"
    assert sniff_delimiter("a;b,c\n1;2,3\n4;5,6\n") == ","
