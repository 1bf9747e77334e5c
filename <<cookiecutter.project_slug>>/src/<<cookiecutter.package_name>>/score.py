"""The score contract: `python -m <package>.score --model M --input I --output O`, in pieces, with flat
memory.

Output: one row per input row, in order; the id column if declared; `prediction`; for classes
`score_<class>` in the model's class order. The prediction is the class with the highest score, so the two
never contradict each other.

With `--loop` the model is loaded once and asked many times, so that someone else's clock can measure it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .artifact import ArtifactError, load
from .config import ConfigError
from .failures import DataError
from .schema import Schema, load_schema
from .table import iter_table

ROWS = 50_000  # rows of one piece: large enough for fast arrays, small enough for a laptop


def predict(model: Any, features: pd.DataFrame) -> dict[str, Any]:
    """`prediction` and `score_<class>` as arrays of shape (rows,). Raises :class:`DataError` for
    infinities."""
    for name, column in features.items():
        if column.dtype == np.float64 and np.isinf(column.to_numpy()).any():
            raise DataError(f"column {name!r} holds an infinite number. Correct the cell, or leave it empty.")
    classes = getattr(model, "classes_", None)
    if classes is None:
        return {"prediction": np.asarray(model.predict(features), dtype="float64")}
    scores = model.predict_proba(features)
    best = np.asarray(classes)[scores.argmax(axis=1)]
    return {
        "prediction": best,
        **{f"score_{label}": scores[:, number] for number, label in enumerate(classes.tolist())},
    }


def score(model: Any, schema: Schema, source: Path, destination: Path, rows: int = ROWS) -> int:
    """Score a table into another; the destination appears when it is whole. Returns the number of rows.

    Raises :class:`DataError` for a file or cell that cannot be scored; nothing is left behind then.
    """
    names = [column.name for column in schema.features]
    wanted = [column for column in schema.columns.values() if column.role == "id"] + schema.features
    destination.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=destination.parent, prefix=f".{destination.name}.")
    os.close(handle)
    done = 0
    try:
        write, close = _writer(temporary, destination.suffix.lower())
        try:
            for piece in iter_table(source, schema, rows, wanted):
                result = predict(model, piece[names])
                if schema.id is not None:
                    result = {schema.id: piece[schema.id], **result}
                write(result)
                done += len(piece)
        finally:
            close()
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, destination)
    except BaseException:
        os.unlink(temporary)
        raise
    return done


def answer(model: Any, schema: Schema, asks: Iterable[str], answers: TextIO, rows: int = ROWS) -> None:
    """Score a table for each line of ``asks``, `{"input": I, "output": O}`, and say so in a line of
    ``answers`` when it is whole: `{"rows": n}`. The first line of answers, `{"ready": true}`, comes before.

    Raises as :func:`score`; a line that is no such ask is a :class:`ConfigError`.
    """
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in asks:
        try:
            ask = json.loads(line)
            source, destination = Path(ask["input"]), Path(ask["output"])
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f'--loop reads lines such as {{"input": "I", "output": "O"}}, not {line!r}.'
            ) from None
        done = score(model, schema, source, destination, rows)
        print(json.dumps({"rows": done}), file=answers, flush=True)


def _writer(path: str, suffix: str) -> tuple[Callable[[dict[str, Any]], None], Callable[[], None]]:
    """How a piece is added, and how the file is finished, by suffix."""
    if suffix == ".csv":
        file = open(path, "w", encoding="utf-8", newline="")  # noqa: SIM115 - closed by the second function

        def add(piece: dict[str, Any]) -> None:
            pd.DataFrame(piece, copy=False).to_csv(
                file, index=False, header=file.tell() == 0, lineterminator="\n"
            )

        return add, file.close
    writers: list[pq.ParquetWriter] = []

    def append(piece: dict[str, Any]) -> None:
        columns = {name: pa.array(values, from_pandas=True) for name, values in piece.items()}
        table = pa.table({name: _plain(values) for name, values in columns.items()})
        if not writers:
            words = [field.name for field in table.schema if pa.types.is_string(field.type)]
            writers.append(pq.ParquetWriter(path, table.schema, compression="lz4", use_dictionary=words))
        writers[0].write_table(table)

    def finish() -> None:
        for writer in writers:
            writer.close()

    return append, finish


def _plain(values: Any) -> Any:
    """Text always as `string`, so that pieces fit one file."""
    return values.cast(pa.string()) if pa.types.is_large_string(values.type) else values


def expected_digest(model: Path) -> str | None:
    """The digest that training.json beside the model names; None if there is no such file."""
    note = model.with_name("training.json")
    if not note.is_file():
        return None
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        return str(facts["model"]["sha256"]) if Path(facts["model"]["path"]).name == model.name else None
    except (ValueError, KeyError, TypeError):
        raise ArtifactError(f"{note} is damaged. Build it again: uv run dvc repro train") from None


def _apart() -> TextIO:
    """Standard output for answers alone: what a library prints from now on goes to standard error."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.score", description="Score a table with a model."
    )
    parser.add_argument("--model", type=Path, required=True, help="models/model.skops")
    parser.add_argument("--input", type=Path, help="CSV or Parquet, by suffix")
    parser.add_argument("--output", type=Path, help="CSV or Parquet, by suffix; replaced when it is whole")
    parser.add_argument(
        "--loop", action="store_true", help="instead of both: load once, then read them from stdin, as JSON"
    )
    parser.add_argument("--sha256", help="the model's digest (default: what training.json beside it says)")
    parser.add_argument(
        "--schema", type=Path, default=Path("schema.yaml"), help="the data contract (default: schema.yaml)"
    )
    parser.add_argument("--chunk-rows", type=int, default=ROWS, help=f"rows held at a time (default: {ROWS})")
    given = parser.parse_args(arguments)
    tables = [path for path in (given.input, given.output) if path is not None]
    if len(tables) != (0 if given.loop else 2):
        parser.error("--input and --output are needed; or --loop, which reads them from stdin")
    try:
        if given.chunk_rows < 1:
            raise ConfigError(f"--chunk-rows must be 1 or more, not {given.chunk_rows}.")
        for path in tables:
            if path.suffix.lower() not in (".csv", ".parquet"):
                raise ConfigError(
                    f"{path}: a table is .csv or .parquet, by its suffix. Rename it or name another."
                )
        schema = load_schema(given.schema)
        model = load(given.model, given.sha256 or expected_digest(given.model))
        if given.loop:
            answer(model, schema, sys.stdin, _apart(), given.chunk_rows)
            return
        rows = score(model, schema, given.input, given.output, given.chunk_rows)
    except (ConfigError, DataError, ArtifactError, OSError) as wrong:
        sys.exit(f"error: {wrong}")
    print(f"score: {rows:,} rows -> {given.output}")


if __name__ == "__main__":
    main()
