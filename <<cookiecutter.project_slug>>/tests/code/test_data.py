"""Tables are checked as a whole, typed by the schema, and split without a row on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from <<cookiecutter.package_name>> import data
from <<cookiecutter.package_name>>.failures import DataError
from <<cookiecutter.package_name>>.params import Split
from <<cookiecutter.package_name>>.schema import Schema
from <<cookiecutter.package_name>>.table import iter_table, read_table

CONTRACT = Schema.model_validate(
    {
        "version": 1,
        "task": "classification",
        "columns": {
            name: {"name": name, **column}
            for name, column in {
                "key": {"role": "id", "type": "integer"},
                "when": {"role": "time", "type": "datetime"},
                "who": {"role": "group", "type": "category"},
                "age 🎂": {"role": "feature", "type": "number", "minimum": 0, "maximum": 120},
                "plan": {
                    "role": "feature",
                    "type": "category",
                    "nullable": True,
                    "categories": ["basic", "pro"],
                },
                "count": {"role": "feature", "type": "integer", "nullable": True},
                "paid": {"role": "feature", "type": "boolean"},
                "left": {"role": "target", "type": "category", "categories": ["no", "yes"]},
            }.items()
        },
    }
)

UNNAMED = Schema.model_validate(
    {
        "version": 1,
        "task": "classification",
        "columns": {
            name: {"name": name, **column}
            for name, column in {
                "key": {"role": "feature", "type": "integer"},
                "who": {"role": "group", "type": "category"},
                "size": {"role": "feature", "type": "number"},
                "left": {"role": "target", "type": "category", "categories": ["no", "yes"]},
            }.items()
        },
    }
)


def table(rows: int = 60) -> pd.DataFrame:
    number = np.arange(rows)
    return pd.DataFrame(
        {
            "key": number,
            "when": [f"2024-01-{1 + row // 4 % 28:02d}T00:00:00" for row in number],
            "who": [f"w{row % 9}" for row in number],
            "age 🎂": number % 90 + 0.5,
            "plan": np.where(number % 2, "pro", "basic"),
            "count": number % 7,
            "paid": number % 3 == 0,
            "left": np.where(number % 4 == 0, "yes", "no"),
        }
    )


def written(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


def failing(path: Path) -> str:
    before = path.read_bytes()
    with pytest.raises(DataError) as error:
        data.load(path, CONTRACT)
    assert path.read_bytes() == before
    return str(error.value)


def test_all_failures_come_in_one_table(tmp_path: Path) -> None:
    frame = table().astype(object)
    frame.loc[[3, 5], "age 🎂"] = [500, -1]
    frame.loc[7, "age 🎂"] = "abc"
    frame.loc[9, "plan"] = "Pro "
    frame.loc[11, "key"] = 10
    frame.loc[13, "paid"] = None
    said = failing(written(frame, tmp_path / "a.csv"))
    assert "disagree (5 failures in 4 columns)" in said
    assert "between 0 and 120" in said and "4, 6 (500.0)" in said
    assert "'abc'" in said and "8 (" in said
    assert "uv run gitops-ml schema allow plan 'Pro '" in said
    assert "is unique" in said and "is never empty" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="plan"), "is in the file (it is missing)"),
        (lambda f: f.assign(extra=1), "is in schema.yaml (it is unknown)"),
        (lambda f: f.assign(**{"age 🎂": np.inf}), "is finite"),
        (lambda f: f.assign(plan=None), "has a value somewhere"),
        (lambda f: f.assign(plan=None), "uv run gitops-ml schema set plan --role ignored"),
        (
            lambda f: f.assign(left=f["left"].mask(f.index == 1)),
            "uv run gitops-ml schema set left --nullable",
        ),
        (
            lambda f: f.assign(**{"age 🎂": f["age 🎂"].mask(f.index == 1)}),
            "uv run gitops-ml schema set 'age 🎂' --nullable",
        ),
        (lambda f: f.assign(left="no"), "two classes or more"),
        (lambda f: f.assign(when="yesterday"), "a date and time (ISO 8601)"),
        (lambda f: f.head(0), "no rows"),
        (lambda f: f.head(3), "is known in 4 rows or more"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change, said: str) -> None:
    assert said in failing(written(change(table()), tmp_path / "a.csv"))
    if "ISO" not in said:
        path = tmp_path / "a.parquet"
        change(table().assign(when=pd.Timestamp("2024-01-01"))).to_parquet(path)
        assert said in failing(path)


def test_a_wrong_cell_deep_in_a_parquet_file_is_named(tmp_path: Path) -> None:
    frame = table().assign(when=pd.Timestamp("2024-01-01"), count=np.where(np.arange(60) == 40, 1.5, 1.0))
    frame.to_parquet(tmp_path / "a.parquet")
    said = failing(tmp_path / "a.parquet")
    assert "a whole number (the file holds double)" in said and "41 ('1.5')" in said


def test_names_twice_no_bytes_and_false_suffixes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("key,key\n1,2\n", encoding="utf-8")
    assert "appears once" in failing(path)
    path.write_bytes(b"")
    assert "is empty" in failing(path)
    path.write_text("key,when\n1,2,3\n", encoding="utf-8")
    assert "more cells than there are column names" in failing(path)
    path = tmp_path / "a.parquet"
    path.write_text("key,when\n", encoding="utf-8")
    assert "is not a Parquet file" in failing(path)


def test_encodings_ends_and_delimiters(tmp_path: Path) -> None:
    path, expected = tmp_path / "a.csv", data.load(written(table(), tmp_path / "b.csv"), CONTRACT)
    path.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "b.csv").read_bytes().replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(data.load(path, CONTRACT), expected)
    german = CONTRACT.model_copy(
        update={"file": CONTRACT.file.model_copy(update={"delimiter": ";", "decimal": ","})}
    )
    table().to_csv(path, index=False, sep=";", decimal=",")
    pd.testing.assert_frame_equal(data.load(path, german), expected)
    path.write_bytes("key,when\nä,ö\n".encode("latin-1"))
    assert "latin-1" in failing(path)


def test_csv_and_parquet_and_pieces_agree(tmp_path: Path) -> None:
    frame = table()
    frame.loc[4, "plan"] = None
    whole = read_table(written(frame, tmp_path / "a.csv"), CONTRACT)
    frame.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.parquet", CONTRACT), whole)
    for name in ("a.csv", "a.parquet"):
        pieces = list(iter_table(tmp_path / name, CONTRACT, 7, CONTRACT.kept))
        pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), whole)


@pytest.mark.parametrize("strategy", ["random", "time", "group"])
def test_each_row_is_on_one_side(tmp_path: Path, strategy: str) -> None:
    frame = data.load(written(table(), tmp_path / "a.csv"), CONTRACT)
    settings = Split(strategy=strategy, test_size=0.25, seed=1)
    train, test = data.split(frame, CONTRACT, settings)
    assert sorted([*train["key"], *test["key"]]) == frame["key"].tolist()
    assert 8 <= len(test) <= 22
    assert train["key"].is_monotonic_increasing and test["key"].is_monotonic_increasing
    if strategy == "time":
        assert train["when"].max() < test["when"].min()
    if strategy == "group":
        assert not set(train["who"]) & set(test["who"])
    if strategy == "random":
        assert (len(test), (test["left"] == "yes").sum()) == (15, 4)
    again, _ = data.split(frame, CONTRACT, settings)
    pd.testing.assert_frame_equal(train, again)


@pytest.mark.parametrize("contract", [CONTRACT, UNNAMED], ids=["by id", "by content"])
@pytest.mark.parametrize("strategy", ["random", "group"])
def test_old_rows_keep_their_sides(contract: Schema, strategy: str) -> None:
    """A champion is scored on today's test rows: hardly any may have trained it."""
    draw = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "key": range(3300),
            "who": draw.integers(0, 400, 3300).astype(str),
            "size": draw.normal(size=3300).round(1),
            "left": np.where(draw.random(3300) < 0.3, "yes", "no"),
        }
    )
    settings = Split(strategy=strategy, test_size=0.25, seed=1)
    before, _ = data.split(rows[:3000], contract, settings)
    _, test = data.split(rows.sample(frac=1, random_state=5), contract, settings)
    assert 815 <= len(test) <= 835
    assert test["key"].isin(before["key"]).mean() < 0.05  # by chance it would be two thirds


def test_equal_rows_draw_apart() -> None:
    """A table of few distinct rows is split by copies, not by kinds: of each kind some are the test."""
    number = np.arange(1000)
    rows = pd.DataFrame(
        {
            "key": 0,
            "who": [f"w{row % 20}" for row in number],
            "size": 1.0,
            "left": np.where(number % 2, "yes", "no"),
        }
    )
    train, test = data.split(rows, UNNAMED, Split(test_size=0.2, seed=1))
    assert len(test) == 200 and (test["left"] == "yes").sum() == 100
    assert train["who"].nunique() == test["who"].nunique() == 20


def test_prepare_leaves_nothing_when_the_table_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        data.prepare(
            CONTRACT, written(table().assign(left="no"), tmp_path / "a.csv"), Split(), tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()
    assert data.prepare(CONTRACT, written(table(), tmp_path / "a.csv"), Split(), tmp_path / "out") == (45, 15)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["test.parquet", "train.parquet"]
