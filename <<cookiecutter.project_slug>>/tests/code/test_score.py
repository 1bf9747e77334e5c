"""The score contract: one row for each row, in order, the same in any number of pieces; or nothing at all."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from <<cookiecutter.package_name>> import score
from <<cookiecutter.package_name>>.config import ConfigError
from <<cookiecutter.package_name>>.schema import Schema

Run = Callable[..., pd.DataFrame]


@pytest.fixture
def run(needed: Callable[[str], Path], root: Path) -> Run:
    """Score a file with the trained model, as the command does."""
    model = str(needed("models/model.skops"))

    def scored(source: Path, output: Path, *more: str) -> pd.DataFrame:
        schema = str(root / "schema.yaml")
        score.main(
            ["--model", model, "--schema", schema, "--input", str(source), "--output", str(output), *more]
        )
        return pd.read_parquet(output) if output.suffix == ".parquet" else pd.read_csv(output)

    return scored


def test_scores_are_what_the_model_says(
    run: Run,
    needed: Callable[[str], Path],
    model: Any,
    schema: Schema,
    test_rows: pd.DataFrame,
    tmp_path: Path,
) -> None:
    features = [column.name for column in schema.features]
    found = run(needed("data/prepared/test.parquet"), tmp_path / "out.parquet", "--chunk-rows", "1000")
    assert len(found) == len(test_rows)
    if schema.id is not None:
        assert found[schema.id].tolist() == test_rows[schema.id].tolist()
    if schema.task == "regression":
        np.testing.assert_allclose(found["prediction"], model.predict(test_rows[features]), rtol=1e-9)
        return
    direct = model.predict_proba(test_rows[features])
    assert [name for name in found if name.startswith("score_")] == [
        f"score_{label}" for label in model.classes_.tolist()
    ]
    np.testing.assert_allclose(
        found[[f"score_{label}" for label in model.classes_.tolist()]], direct, atol=1e-9
    )
    assert found["prediction"].tolist() == model.classes_[direct.argmax(axis=1)].tolist()


def test_pieces_and_formats_do_not_matter(
    run: Run, schema: Schema, test_rows: pd.DataFrame, tmp_path: Path
) -> None:
    # the target may be absent, and columns that nobody knows are ignored
    some = test_rows.head(50).drop(columns=schema.target.name).assign(**{"a column nobody knows": "x"})
    some.to_parquet(tmp_path / "in.parquet")
    some.to_csv(
        tmp_path / "in.csv",
        index=False,
        sep=schema.file.delimiter,
        decimal=schema.file.decimal,
        encoding=schema.file.encoding,
    )
    whole = run(tmp_path / "in.parquet", tmp_path / "a.parquet")
    pieces = run(tmp_path / "in.parquet", tmp_path / "b.parquet", "--chunk-rows", "7")
    text = run(tmp_path / "in.csv", tmp_path / "c.csv", "--chunk-rows", "11")
    assert list(whole) == list(pieces) == list(text)
    for name in whole:
        if pd.api.types.is_float_dtype(whole[name]):
            np.testing.assert_allclose(pieces[name], whole[name], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(text[name], whole[name], rtol=1e-6, atol=1e-6)
        else:
            assert pieces[name].tolist() == whole[name].tolist()


def test_what_cannot_be_scored_leaves_nothing(
    run: Run, schema: Schema, test_rows: pd.DataFrame, tmp_path: Path
) -> None:
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    lost = schema.features[0].name
    test_rows.drop(columns=lost).to_parquet(source)
    for change, said in (
        ([], lost),
        (["--sha256", "0" * 64], "not the file that was approved"),
        (["--output", str(tmp_path / "out.txt")], "suffix"),
    ):
        with pytest.raises(SystemExit) as stop:
            run(source, output, *change)
        assert said in str(stop.value)
    assert not output.exists() and sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet"]


def test_a_loop_answers_each_ask_as_the_command_does(
    run: Run, needed: Callable[[str], Path], root: Path, test_rows: pd.DataFrame, tmp_path: Path
) -> None:
    """In a process of its own, which ends when nobody asks any more."""
    asks = []
    for count in (1, 20):
        test_rows.head(count).to_parquet(tmp_path / f"in-{count}.parquet")
        source, output = tmp_path / f"in-{count}.parquet", tmp_path / f"out-{count}.parquet"
        asks.append(json.dumps({"input": str(source), "output": str(output)}) + "\n")
    model, contract = str(needed("models/model.skops")), str(root / "schema.yaml")
    command = [sys.executable, "-m", score.__name__, "--loop", "--model", model, "--schema", contract]
    done = subprocess.run(
        command, input="".join(asks), cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers == [{"ready": True}, {"rows": 1}, {"rows": 20}]
    once = run(tmp_path / "in-20.parquet", tmp_path / "once.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out-20.parquet"), once)
    assert len(pd.read_parquet(tmp_path / "out-1.parquet")) == 1


def test_while_it_answers_what_is_printed_goes_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    kept = os.dup(1)
    try:
        with score._apart() as answers:
            os.write(1, b"noise\n")
            print("an answer", file=answers)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    found = capfd.readouterr()
    assert "an answer" in found.out and "noise" not in found.out and "noise" in found.err


@pytest.mark.parametrize("line", ["", "{", "[]", '{"input": 1, "output": 2}', '{"input": "a.parquet"}'])
def test_what_is_no_ask_ends_the_loop(line: str, schema: Schema) -> None:
    answers = io.StringIO()
    with pytest.raises(ConfigError, match="--loop reads lines"):
        score.answer(None, schema, [line], answers)
    assert answers.getvalue() == '{"ready": true}\n', "it says that it is ready, and no more"


def test_tables_are_named_here_or_asked_for_and_not_both(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--loop", "--input", "a.csv"], ["--input", "a.csv"], []):
        with pytest.raises(SystemExit) as stop:
            score.main(["--model", "m", *arguments])
        assert (
            stop.value.code == 2 and "--input and --output are needed; or --loop" in capsys.readouterr().err
        )
