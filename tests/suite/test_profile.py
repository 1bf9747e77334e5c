"""The profile of the prepared data: every figure against one worked out by hand, and nothing in it that names a person."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.suite.conftest import said

from gitops_ml.adopt.profile import make_profile, significant, write_profile
from gitops_ml.cli import main
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.errors import Fault

COLUMNS: dict[str, dict[str, Any]] = {
    "who": {"role": "id", "type": "text"},
    "when": {"role": "time", "type": "datetime"},
    "house": {"role": "group", "type": "integer"},
    "age": {"role": "feature", "type": "integer", "nullable": True},
    "spend": {"role": "feature", "type": "number"},
    "plan": {"role": "feature", "type": "category", "categories": ["basic", "pro"]},
    "town": {"role": "feature", "type": "category"},
    "active": {"role": "feature", "type": "boolean"},
    "note": {"role": "feature", "type": "text", "nullable": True},
    "secret": {"role": "ignored", "type": "text"},
    "left": {"role": "target", "type": "integer", "categories": [0, 1]},
}
# 6 training rows, then 2 test rows. Row 3 repeats row 2 but for who and when; test row 7 has the features of row 1.
ROWS: dict[str, list[Any]] = {
    "who": [f"person-{number}" for number in range(8)],
    "when": [dt.datetime(2024, 1, day) for day in range(1, 9)],
    "house": [1, 2, 2, 3, 4, 5, 6, 7],
    "age": [30, 40, 40, None, 50, 60, 30, 70],
    "spend": [1.0, 2.0, 2.0, 4.0, 5.0, 6.0, 1.0, 0.5],
    "plan": ["basic", "pro", "pro", "pro", "basic", "pro", "basic", "pro"],
    "town": ["Ulm", "Bonn", "Bonn", "Ulm", "Köln", "Ulm", "Ulm", "Trier"],
    "active": [True, False, False, True, True, True, True, False],
    "note": ["ab", "abcd", "abcd", "abcdef", None, "abc", "ab", "a"],
    "left": [0, 1, 1, 0, 0, 1, 1, 0],
}
TYPES = {
    "who": pa.string(),
    "when": pa.timestamp("us"),
    "house": pa.int64(),
    "age": pa.int64(),
    "spend": pa.float64(),
    "plan": pa.string(),
    "town": pa.large_string(),
    "active": pa.bool_(),
    "note": pa.string(),
    "left": pa.int64(),
}


def schema_of(columns: dict[str, dict[str, Any]], task: str = "classification", **file: Any) -> SchemaFile:
    file = file or {"format": "csv", "delimiter": ",", "decimal": ".", "encoding": "utf-8"}
    return SchemaFile.parse({"version": 1, "task": task, "file": file, "columns": columns}, "schema.yaml")


def prepared(rows: dict[str, list[Any]], train: int, types: dict[str, pa.DataType] = TYPES) -> Path:
    """data/prepared with the first ``train`` rows in train.parquet."""
    table = pa.table({name: pa.array(cells, types[name]) for name, cells in rows.items()})
    folder = Path("data/prepared")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.slice(0, train), folder / "train.parquet")
    pq.write_table(table.slice(train), folder / "test.parquet")
    return folder


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("data/raw/t.csv")
    path.parent.mkdir(parents=True)
    pd.DataFrame(ROWS).to_csv(path, index=False)
    return path


@pytest.fixture
def profile(raw: Path) -> ProfileFile:
    prepared(ROWS, 6)
    return make_profile(schema_of(COLUMNS), raw)


def facts(profile: ProfileFile, name: str) -> dict[str, Any]:
    return profile.columns[name].model_dump(exclude_none=True)


def test_the_table_is_named_with_its_digest(profile: ProfileFile, raw: Path) -> None:
    content = raw.read_bytes()
    assert profile.table.model_dump() == {
        "path": "data/raw/t.csv",
        "md5": hashlib.md5(content).hexdigest(),
        "size": len(content),
        "rows": 8,
    }
    assert profile.rows.model_dump() == {"total": 8, "train": 6, "test": 2, "without_target": 0}


def test_numbers_by_hand(profile: ProfileFile) -> None:
    # 0.5 1 1 2 2 4 5 6: sum 21.5; squares 87.25; sample variance (87.25 - 21.5**2 / 8) / 7 = 4.20982
    assert facts(profile, "spend") == {
        "role": "feature",
        "type": "number",
        "nulls": 0,
        "null_share": 0.0,
        "distinct": 6,
        "mean": 2.6875,
        "std": 2.05178,
        "minimum": 0.5,
        "maximum": 6.0,
        # Place p * 7 in the sorted list: 5 % is 0.35, 0.35 of the way from 0.5 to 1.
        "quantiles": {
            "1": 0.535,
            "5": 0.675,
            "25": 1.0,
            "50": 2.0,
            "75": 4.25,
            "95": 5.65,
            "99": 5.93,
        },
    }
    age = facts(profile, "age")
    assert (age["nulls"], age["null_share"], age["distinct"], age["mean"]) == (1, 0.125, 5, 45.7143)
    assert (age["minimum"], age["maximum"]) == (30, 70)
    assert type(age["minimum"]) is int and type(age["maximum"]) is int
    assert age["quantiles"]["50"] == 40.0


def test_categories_by_hand(profile: ProfileFile) -> None:
    about = {"role": "feature", "nulls": 0, "null_share": 0.0}
    assert facts(profile, "plan") == {
        **about, "type": "category", "distinct": 2, "categories": {"pro": 5, "basic": 3}, "other": 0,
    }  # fmt: skip
    assert facts(profile, "active")["categories"] == {"True": 5, "False": 3}
    assert facts(profile, "town") == {**about, "type": "category", "distinct": 4}
    assert facts(profile, "left")["categories"] == {"0": 4, "1": 4}
    assert list(profile.columns) == [name for name in COLUMNS if name != "secret"]


def test_times_and_texts_by_hand(profile: ProfileFile) -> None:
    when = facts(profile, "when")
    assert (when["minimum"], when["maximum"], when["distinct"]) == (
        "2024-01-01T00:00:00", "2024-01-08T00:00:00", 8,
    )  # fmt: skip
    note = facts(profile, "note")
    assert set(note) == {"role", "type", "nulls", "null_share", "distinct", "quantiles"}
    # Lengths 1 2 2 3 4 4 6.
    assert (note["nulls"], note["distinct"], note["quantiles"]["50"], note["quantiles"]["99"]) == (
        1,
        5,
        3.0,
        5.88,
    )


def test_the_target_in_both_parts(profile: ProfileFile) -> None:
    target = profile.target
    assert (target.column, target.task) == ("left", "classification")
    assert target.overall.classes == {"0": 4, "1": 4}
    assert (target.train.rows, target.train.classes) == (6, {"0": 3, "1": 3})
    assert (target.test.rows, target.test.classes) == (2, {"0": 1, "1": 1})


def test_planted_repeats_are_counted(profile: ProfileFile) -> None:
    assert profile.duplicates.model_dump() == {"rows": 1, "share": 0.125}
    assert profile.overlap.model_dump() == {"rows": 1, "share": 0.5}


def test_nulls_equal_each_other_and_nothing_else(raw: Path) -> None:
    rows = {
        **ROWS,
        "age": [None, 40, 40, None, 50, 60, None, 70],
        "note": [None, "x", "y", "", "z", "q", None, "w"],
    }
    prepared(rows, 6)
    found = make_profile(schema_of(COLUMNS), raw)
    assert found.duplicates.rows == 0  # rows 1 and 2 differ in note; row 6 differs from row 0 in house
    assert found.overlap.rows == 1  # rows 0 and 6: both are empty in age and note


def test_the_order_of_the_cells_matters(raw: Path) -> None:
    """Two columns that swap their values are not the same row."""
    columns = {
        "a": {"role": "feature", "type": "integer"},
        "b": {"role": "feature", "type": "integer"},
        "y": {"role": "target", "type": "integer", "categories": [0, 1]},
    }
    rows = {"a": [1, 2, 3], "b": [2, 1, 4], "y": [0, 0, 1]}
    prepared(rows, 2, dict.fromkeys("aby", pa.int64()))
    found = make_profile(schema_of(columns), raw)
    assert (found.duplicates.rows, found.overlap.rows) == (0, 0)


def test_no_value_of_a_person_is_in_it(profile: ProfileFile) -> None:
    text = json.dumps(profile.model_dump(mode="json"), ensure_ascii=False)
    for name in ("who", "town", "note"):
        for value in ROWS[name]:
            assert value is None or f'"{value}"' not in text
    for name in ("who", "house"):
        assert set(facts(profile, name)) == {"role", "type", "nulls", "null_share", "distinct"}
    assert "person-" not in text
    assert "secret" not in text


def test_the_twenty_most_frequent_are_listed(raw: Path) -> None:
    labels = [f"c{number:02}" for number in range(25)]
    columns = {
        "c": {"role": "feature", "type": "category", "categories": labels},
        "y": {"role": "target", "type": "number"},
    }
    cells = [*labels, "c24", "c24", "c23"]
    rows = {"c": cells, "y": [float(number) for number in range(28)]}
    prepared(rows, 14, {"c": pa.string(), "y": pa.float64()})
    found = facts(make_profile(schema_of(columns, "regression"), raw), "c")
    assert list(found["categories"].items())[:3] == [("c24", 3), ("c23", 2), ("c00", 1)]
    assert len(found["categories"]) == 20
    assert found["other"] == 5
    assert found["distinct"] == 25


def test_a_regression_has_quantiles_for_a_balance(raw: Path) -> None:
    columns = {"x": {"role": "feature", "type": "number"}, "y": {"role": "target", "type": "number"}}
    types = {"x": pa.float64(), "y": pa.float64()}
    prepared({"x": [1.0, 2.0, 3.0], "y": [10.0, 30.0, 20.0]}, 2, types)
    target = make_profile(schema_of(columns, "regression"), raw).target
    assert target.overall.mean == 20.0
    assert target.overall.classes is None
    assert (target.train.mean, target.test.mean, target.test.rows) == (20.0, 20.0, 1)
    assert target.train.quantiles is not None
    assert (target.train.quantiles["25"], target.train.quantiles["50"]) == (15.0, 20.0)


def test_empty_parts_and_empty_columns(raw: Path) -> None:
    columns = {
        "x": {"role": "feature", "type": "number", "nullable": True},
        "z": {"role": "feature", "type": "number"},
        "y": {"role": "target", "type": "number"},
    }
    types = dict.fromkeys("xzy", pa.float64())
    prepared({"x": [None], "z": [7.0], "y": [1.0]}, 1, types)
    found = make_profile(schema_of(columns, "regression"), raw)
    assert facts(found, "x") == {
        "role": "feature", "type": "number", "nulls": 1, "null_share": 1.0, "distinct": 0,
    }  # fmt: skip
    assert facts(found, "z")["std"] == 0.0
    assert found.target.test.model_dump(exclude_none=True) == {"rows": 0}
    assert found.overlap.model_dump() == {"rows": 0, "share": 0.0}
    prepared({"x": [], "z": [], "y": []}, 0, types)
    found = make_profile(schema_of(columns, "regression"), raw)
    assert facts(found, "z")["null_share"] == 0.0
    assert found.duplicates.model_dump() == {"rows": 0, "share": 0.0}


NULLABLE = {**COLUMNS, "left": {**COLUMNS["left"], "nullable": True}}


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8", ","), ("utf-8-sig", ";"), ("cp1252", "\t"), ("utf-16", ",")]
)
def test_rows_without_a_target_are_counted_in_the_table(raw: Path, encoding: str, delimiter: str) -> None:
    frame = pd.DataFrame(ROWS).astype({"left": object})
    frame.loc[8] = frame.loc[0]
    frame.loc[9] = frame.loc[0]
    frame.loc[[8, 9], "left"] = ["", "NA"]
    frame["note"] = ["line 1\nline 2", *frame["note"][1:]]
    frame.to_csv(raw, index=False, encoding=encoding, sep=delimiter)
    prepared(ROWS, 6)
    file = {"format": "csv", "delimiter": delimiter, "decimal": ".", "encoding": encoding}
    found = make_profile(schema_of(NULLABLE, **file), raw)
    assert found.rows.model_dump() == {"total": 10, "train": 6, "test": 2, "without_target": 2}
    assert found.table.rows == 10


def test_a_parquet_table_knows_its_rows(raw: Path) -> None:
    table = Path("data/raw/t.parquet")
    pq.write_table(pa.table({"left": [0] * 11}), table)
    prepared(ROWS, 6)
    found = make_profile(schema_of(NULLABLE, format="parquet"), table)
    assert (found.rows.total, found.rows.without_target) == (11, 3)


def test_significant_digits() -> None:
    assert significant(np.float64(123456.789)) == 123457.0
    assert significant(0.000123456789) == 0.000123457


# ---------------------------------------------------------------- the command


@pytest.fixture
def ready(project: Path) -> Path:
    """The project with its sample prepared, by hand."""
    frame = pd.read_csv("data/raw/breast_cancer.csv")
    folder = Path("data/prepared")
    folder.mkdir(parents=True)
    frame[:400].to_parquet(folder / "train.parquet", index=False)
    frame[400:].to_parquet(folder / "test.parquet", index=False)
    return project


def test_profile_writes_the_same_bytes_each_time(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["profile"])
    assert end.value.code == 0
    assert (
        capsys.readouterr().out == "profile: 569 rows, 31 columns, 0 repeated, 0 test rows also in training\n"
    )
    first = Path("reports/data_profile.json").read_bytes()
    write_profile()
    assert Path("reports/data_profile.json").read_bytes() == first
    assert b"null," not in first  # what does not apply is left out
    found = ProfileFile.read("reports/data_profile.json")
    assert found.target.overall.classes == {"benign": 357, "malignant": 212}
    frame = pd.read_csv("data/raw/breast_cancer.csv")
    column = found.columns["mean area"]
    assert column.mean == significant(frame["mean area"].mean())
    assert column.std == significant(frame["mean area"].std())
    assert column.quantiles is not None
    for percent, value in column.quantiles.items():
        assert value == significant(frame["mean area"].quantile(int(percent) / 100))


def remove(path: str) -> Callable[[], None]:
    return lambda: Path(path).unlink()


def garbage() -> None:
    Path("data/prepared/test.parquet").write_bytes(b"PAR1 nonsense PAR1")


def less() -> None:
    frame = pd.read_parquet("data/prepared/train.parquet").drop(columns="worst area")
    frame.to_parquet("data/prepared/train.parquet", index=False)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove("data/prepared/train.parquet"), "data/prepared/train.parquet is missing. Make it first: uv run dvc repro prepare"),
        (garbage, "data/prepared/test.parquet cannot be read"),
        (less, "data/prepared/train.parquet has no column worst area, which schema.yaml names"),
        (remove("data/raw/breast_cancer.csv"), "data/raw/breast_cancer.csv (params.yaml, data.table) is missing"),
        (remove("schema.yaml"), "schema.yaml is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_profiled_is_said(
    ready: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[], None], message: str
) -> None:
    spoil()
    assert message in said("profile", capsys=capsys)
    assert not Path("reports").exists()


def test_a_missing_file_is_a_fault(raw: Path) -> None:
    with pytest.raises(Fault, match="dvc repro prepare"):
        make_profile(schema_of(COLUMNS), raw)
