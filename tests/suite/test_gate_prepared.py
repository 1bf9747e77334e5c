"""What the gate measures on the rows themselves: equal rows, single columns and time, whatever the order of rows and columns."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.suite import judged, runs
from tests.template.tables import TABLES

from gitops_ml.adopt.plan import Asked, make_plan
from gitops_ml.adopt.read import read_table
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.gate.data import data
from gitops_ml.gate.prepared import Prepared, by_chance, measured
from gitops_ml.rows import alone
from gitops_ml.rows.equal import combined, hashes

FEATURE = {"role": "feature", "type": "number"}


def schema(kind: str = "binary", **columns: Any) -> SchemaFile:
    return judged.schema(kind, columns or {"x": FEATURE})


def found(folder: Path, train: Any, test: Any, of: SchemaFile, limit: float = 0.99) -> Prepared:
    paths = []
    for name, content in (("train", train), ("test", test)):
        path = folder / f"{name}.parquet"
        table = content if isinstance(content, pa.Table) else pa.table(content)
        pq.write_table(table, path)
        paths.append(path)
    return measured(paths[0], paths[1], of, limit)


def labels(truth: Any) -> list[str]:
    return ["yes" if one else "no" for one in truth]


# ---------------------------------------------------------------- equal rows


def test_equal_rows_are_counted_by_hand(tmp_path: Path) -> None:
    """Test rows 1 and 3 stand in the training rows, whatever their target; row 2 differs in one cell."""
    of = schema(x=FEATURE, plan={"role": "feature", "type": "category"}, free={**FEATURE, "available": False})
    train = {
        "x": [1.0, 2.0, None],
        "plan": ["a", "b", "c"],
        "free": [0, 0, 0],
        "churned": ["no", "no", "yes"],
    }
    test = {"x": [2.0, 2.0, None], "plan": ["b", "a", "c"], "free": [1, 1, 1], "churned": ["yes", "no", "no"]}
    rows = found(tmp_path, train, test, of).overlap
    assert rows is not None and (rows.rows, rows.of) == (2, 3)


def test_cells_are_equal_whatever_type_held_them(tmp_path: Path) -> None:
    """Whole numbers beside such with gaps, short beside long texts, 0 beside -0, dictionaries beside texts."""
    of = schema(
        n=FEATURE,
        zero=FEATURE,
        plan={"role": "feature", "type": "category"},
        day={"role": "feature", "type": "datetime"},
    )
    day = dt.datetime(2024, 5, 1)
    train = pa.table(
        {
            "n": pa.array([1, 2]),
            "zero": [0.0, 1.0],
            "plan": pa.array(["a", "b"]).dictionary_encode(),
            "day": pa.array([day, day], pa.timestamp("ns")),
            "churned": ["no", "yes"],
        }
    )
    test = pa.table(
        {
            "n": pa.array([1.0, None]),
            "zero": [-0.0, 1.0],
            "plan": pa.array(["a", "b"], pa.large_string()),
            "day": pa.array([day.date(), day.date()]),
            "churned": ["no", "yes"],
        }
    )
    rows = found(tmp_path, train, test, of).overlap
    assert rows is not None and rows.rows == 1


def test_texts_are_hashed_alike_in_every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = pa.chunked_array([pa.array(["a", None, "b"]), pa.array(["a", "c"])])
    whole = hashes(cells)
    monkeypatch.setattr("gitops_ml.rows.equal.PIECE", 2)
    assert hashes(cells).tolist() == whole.tolist()
    assert whole[0] == whole[3] and len(set(whole.tolist())) == 4
    assert len(hashes(cells.slice(0, 0))) == 0


def test_rows_that_swap_their_cells_are_not_equal() -> None:
    a, b = hashes(pa.chunked_array([[1, 2]])), hashes(pa.chunked_array([[2, 1]]))
    key = combined([a, b])
    assert key[0] != key[1]


@pytest.mark.parametrize(
    ("copies", "test"), [([1] * 50, 10), ([2] * 30, 15), ([1, 2, 3, 4, 40], 13), ([9], 9)]
)
def test_the_share_by_chance_is_that_of_random_splits(copies: list[int], test: int) -> None:
    key = np.repeat(np.arange(len(copies)), copies)
    draw = np.random.default_rng(0)
    shares = []
    for _ in range(4000):
        order = draw.permutation(len(key))
        shares.append(np.isin(key[order[:test]], key[order[test:]]).mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert by_chance(np.array(copies), test) == pytest.approx(np.mean(shares), abs=4 * error + 1e-12)


def test_pairs_by_hand() -> None:
    """Of two copies, one in the test: the other of three remaining rows trains unless it is the second test row."""
    assert by_chance(np.array([2, 2]), 2) == pytest.approx(2 / 3)
    assert by_chance(np.array([1, 1]), 1) == 0


# ---------------------------------------------------------------- one column


def test_planted_leaks_are_found_and_honest_columns_are_not(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    n = 1200
    noise, signal = draw.normal(size=n), draw.normal(size=n)
    of = schema(
        "binary",
        signal=FEATURE,
        late=FEATURE,
        reason={"role": "feature", "type": "category"},
        code={"role": "feature", "type": "category"},
        note={"role": "feature", "type": "category"},
    )
    truth = signal + noise > 0
    table = pa.table(
        {
            "signal": signal,
            "late": np.where(truth, draw.random(n) + 1, draw.random(n)),
            "reason": [("moved", "price")[k % 2] if yes else None for k, yes in enumerate(truth)],
            "code": [f"customer {k}" for k in range(n)],
            "note": [f"{'left' if yes else 'stayed'} {k % 40}" for k, yes in enumerate(truth)],
            "churned": labels(truth),
        }
    )
    rows = found(tmp_path, table.slice(0, 900), table.slice(900), of)
    assert rows.looked == n and rows.skipped == ()
    assert min(rows.alone[name] for name in ("late", "reason", "note")) > 0.99
    assert rows.alone["code"] < 0.6, "a value of its own in each row says nothing of other rows"
    assert 0.7 < rows.alone["signal"] < 0.95


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_planted_leaks_of_more_classes_and_of_numbers(tmp_path: Path, kind: str) -> None:
    draw = np.random.default_rng(2)
    truth = draw.integers(0, 3, 900) if kind == "multiclass" else draw.uniform(0, 3, 900)
    of = schema(kind, leak=FEATURE, part=FEATURE, named={"role": "feature", "type": "category"})
    part = (truth == 1) if kind == "multiclass" else truth + draw.normal(size=900)
    named = truth if kind == "multiclass" else np.round(truth, 1)
    table = pa.table(
        {
            "leak": truth * -3.0 + 1,
            "part": np.asarray(part, dtype=float),
            "named": [f"v {one}" for one in named],
            "churned": truth,
        }
    )
    rows = found(tmp_path, table.slice(0, 700), table.slice(700), of)
    assert rows.alone["leak"] > 0.99 and rows.alone["named"] > 0.98
    assert rows.alone["part"] < 0.9, "one class, or half of the spread, is not the answer"


def test_the_limit_decides_how_exact_a_figure_is(tmp_path: Path) -> None:
    """The worst class counts; below the limit the search ends early, at or above it never."""
    draw = np.random.default_rng(3)
    truth = draw.integers(0, 3, 900)
    # Class 0 is told from the rest in 9 of 10 rows, 2 from 1 in 6 of 10.
    cells = np.where(draw.random(900) < 0.9, truth > 0, truth == 0) + 2.0 * (
        draw.random(900) < 0.1 * (1 + truth)
    )
    table = pa.table({"x": cells, "churned": truth})
    low = found(tmp_path, table.slice(0, 700), table.slice(700), schema("multiclass"), 0.51).alone["x"]
    high = found(tmp_path, table.slice(0, 700), table.slice(700), schema("multiclass"), 0.99).alone["x"]
    assert low <= high < 0.99


def test_of_many_rows_spaced_ones_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitops_ml.gate.prepared.SAMPLE", 300)
    draw = np.random.default_rng(4)
    x = draw.normal(size=2000)
    table = pa.table({"x": x, "churned": labels(x > 0)})
    rows = found(tmp_path, table.slice(0, 1500), table.slice(1500), schema())
    assert (rows.looked, rows.train, rows.test) == (300, 1500, 500)
    assert rows.alone["x"] > 0.99


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_order_of_rows_and_columns_changes_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitops_ml.gate.prepared.SAMPLE", 500)  # so that which rows are looked at matters
    draw = np.random.default_rng(5)
    truth = {"binary": lambda: draw.random(900) < 0.4, "multiclass": lambda: draw.integers(0, 3, 900)}.get(
        kind, lambda: draw.normal(size=900)
    )()
    columns = {"x": FEATURE, "city": {"role": "feature", "type": "category"}, "few": FEATURE}
    table = pa.table(
        {
            "x": truth + draw.normal(size=900),
            "city": [f"c{one}" for one in draw.integers(0, 40, 900)],
            "few": draw.integers(0, 3, 900).astype(float),
            "churned": labels(truth) if kind == "binary" else truth,
        }
    )
    train, test = table.slice(0, 700), table.slice(700)
    first = found(tmp_path, train, test, schema(kind, **columns), 0.6)
    turned = dict(reversed(columns.items()))
    for seed in range(3):
        mixed = [part.take(np.random.default_rng(seed).permutation(part.num_rows)) for part in (train, test)]
        mixed = [part.select(part.column_names[::-1]) for part in mixed]
        again = found(tmp_path, mixed[0], mixed[1], schema(kind, **turned), 0.6)
        assert again == first


# ---------------------------------------------------------------- what is not there


def test_unreadable_cells_are_skipped_and_named(tmp_path: Path) -> None:
    of = schema(x=FEATURE, nested=FEATURE, gone=FEATURE)
    cells = {
        "x": [float(k) for k in range(60)],
        "nested": [[k] for k in range(60)],
        "churned": ["no", "yes"] * 30,
    }
    rows = found(tmp_path, cells, cells, of)
    assert rows.skipped == ("nested", "gone") and rows.overlap is None and list(rows.alone) == ["x"]


def test_without_training_rows_the_test_rows_are_looked_at(tmp_path: Path) -> None:
    cells = {"x": [float(k % 2) for k in range(80)], "churned": ["no", "yes"] * 40}
    pq.write_table(pa.table(cells), tmp_path / "test.parquet")
    (tmp_path / "train.parquet").write_text("rows")
    for train, words in ((None, "no training rows"), (tmp_path / "train.parquet", "not Parquet")):
        rows = measured(train, tmp_path / "test.parquet", schema(), 0.99)
        assert (rows.train, rows.test, rows.looked, rows.overlap) == (None, 80, 80, None)
        assert rows.alone == {"x": 1.0} and words in rows.trouble


def test_names_with_dots_are_names(tmp_path: Path) -> None:
    of = schema(**{"a": FEATURE, "a.b": FEATURE})
    cells = {"a": [1.0, 2.0], "a.b": [3.0, 4.0], "churned": ["no", "yes"]}
    rows = found(tmp_path, cells, {**cells, "a.b": [3.0, 5.0]}, of)
    assert rows.skipped == () and rows.overlap is not None and rows.overlap.rows == 1


# ---------------------------------------------------------------- order of time


@pytest.mark.parametrize("kind", ["datetime", "integer", "number"])
def test_test_rows_older_than_training_rows_are_counted(tmp_path: Path, kind: str) -> None:
    def moments(*days: int | None) -> list[Any]:
        if kind != "datetime":
            return [None if day is None else (float if kind == "number" else int)(day) for day in days]
        return [None if day is None else dt.datetime(2024, 1, day) for day in days]

    of = schema(x=FEATURE, when={"role": "time", "type": kind})
    train = {"x": [0.0] * 3, "when": moments(1, 2, 5), "churned": ["no", "yes", "no"]}
    for days, early, without in (((5, 6, 7), 0, 0), ((4, 5, 6), 1, 0), ((1, 2, None), 2, 1)):
        test = {"x": [0.0] * 3, "when": moments(*days), "churned": ["no", "yes", "no"]}
        order = found(tmp_path, train, test, of).order
        assert order is not None and (order.column, order.early, order.of, order.without) == (
            "when",
            early,
            3,
            without,
        )


def test_no_column_of_time_no_order(tmp_path: Path) -> None:
    cells = {"x": [0.0, 1.0], "churned": ["no", "yes"]}
    assert found(tmp_path, cells, cells, schema()).order is None
    assert (
        found(tmp_path, cells, cells, schema(x=FEATURE, when={"role": "time", "type": "integer"})).order
        is None
    )


def test_the_shipped_sample_has_no_leak(tmp_path: Path) -> None:
    """The worst perimeter alone has an AUC of about 0.976."""
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    frame["churned"] = labels(frame.pop("target"))
    of = schema("binary", **{name: FEATURE for name in frame.columns if name != "churned"})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    rows = found(tmp_path, table.slice(0, 427), table.slice(427), of)
    assert 0.97 < max(rows.alone.values()) < alone.LEAK
    assert rows.overlap is not None and rows.overlap.rows == 0


@pytest.mark.parametrize("name", [name for name in TABLES if name != "200,000 rows"])
def test_honest_tables_of_every_shape_pass(tmp_path: Path, name: str) -> None:
    """The tables that projects are generated with: as adoption types them, drawn apart at random."""
    make, file, asked = TABLES[name]
    frame = make()
    frame.to_csv(tmp_path / file, index=False) if file.endswith(".csv") else frame.to_parquet(tmp_path / file)
    options = {key.removeprefix("--"): value for key, value in zip(asked[::2], asked[1::2], strict=True)}
    of = make_plan(read_table(tmp_path / file), Asked(**options), None).schema
    for column, entry in of.columns.items():
        if entry.type == "datetime":
            frame[column] = pd.to_datetime(frame[column])
    frame = frame[frame[of.target].notna()].reset_index(drop=True)
    test = np.random.default_rng(6).random(len(frame)) < 0.25
    parts = [
        pa.Table.from_pandas(frame[side].astype({of.target: object}).infer_objects(), preserve_index=False)
        for side in (~test, test)
    ]
    rows = found(tmp_path, parts[0], parts[1], of)
    given = replace(judged.evidence(prepared=rows), champion=None, past=None)
    assert max(rows.alone.values()) < alone.LEAK and not rows.skipped
    assert data(given)[1].outcome == "pass", data(given)[1].reason


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_neither_hash_seed_nor_threads_change_a_figure(tmp_path: Path, kind: str) -> None:
    draw = np.random.default_rng(7)
    x = draw.normal(size=3000)
    cells = {"x": x + draw.normal(size=3000), "city": [f"c{one}" for one in draw.integers(0, 90, 3000)]}
    table = pa.table({**cells, "churned": labels(x > 0) if kind == "binary" else x})
    of = schema(kind, x=FEATURE, city={"role": "feature", "type": "category"})
    found(tmp_path, table.slice(0, 2000), table.slice(2000), of)
    (tmp_path / "schema.json").write_text(of.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from gitops_ml.contracts.schema import SchemaFile; "
        "from gitops_ml.gate.prepared import measured; import pyarrow; pyarrow.set_cpu_count(int(sys.argv[1])); "
        "print(measured(Path('train.parquet'), Path('test.parquet'), SchemaFile.read('schema.json'), 0.6))"
    )
    said = set()
    for seed, threads in (("0", "1"), ("1", "8")):
        env = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "OMP_NUM_THREADS": threads,
            "PYTHONPATH": str(runs.ACTIONS),
        }
        done = subprocess.run(
            [sys.executable, "-c", code, threads],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(done.stdout)
    assert len(said) == 1 and "alone={'city'" in said.pop()
