"""What a planted pull request runs between its own stages: copied into the throw-away clone, it spoils rows or the model.

Nothing is imported but what every project of the template has, and nothing is asked of its code: rows are those that
`prepare` wrote, the model is the file that `train` wrote.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TRAIN = Path("data/prepared/train.parquet")
MODEL, NOTE = Path("models/model.skops"), Path("models/training.json")
SEED = 20
TIMES, WRONG = 5, 2


def shuffled(rows: Any) -> Any:
    """The same rows in another order: nothing that a learner should care about."""
    return rows.take(np.random.default_rng(SEED).permutation(rows.num_rows))


def worse(rows: Any, target: str) -> Any:
    """The answers belong to other rows: there is nothing left to learn."""
    return _answers(rows, target, np.random.default_rng(SEED).permutation(rows.num_rows))


def unfair(rows: Any, target: str, column: str, group: str) -> Any:
    """The same for one group alone: those whose cell is ``group``, or at most that number."""
    cells = rows.column(column)
    number = pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type)
    own = pc.less_equal(cells, float(group)) if number else pc.equal(cells.cast(pa.string()), group)
    places = np.flatnonzero(pc.fill_null(own, False).to_numpy(zero_copy_only=False))
    order = np.arange(rows.num_rows)
    order[places] = np.random.default_rng(SEED).permutation(places)
    return _answers(rows, target, order)


def unsure(rows: Any, target: str) -> Any:
    """Every row five times, twice of them with another class: who ranks rows as before is much less sure of it."""
    classes = pc.unique(rows.column(target))
    codes = pc.index_in(rows.column(target), classes)
    following = classes.take(pc.if_else(pc.equal(codes, len(classes) - 1), 0, pc.add(codes, 1)))
    wrong = rows.set_column(rows.column_names.index(target), rows.schema.field(target), following)
    return pa.concat_tables([rows] * (TIMES - WRONG) + [wrong] * WRONG)


def shifted(rows: Any, column: str) -> Any:
    """Only rows of the upper half of a column: what was collected is another population."""
    cells = rows.column(column)
    border = float(np.nanmedian(cells.cast(pa.float64()).to_numpy()))
    return rows.filter(pc.fill_null(pc.greater(cells, border), False))


def huge(times: str) -> None:
    """The model's file grows by incompressible bytes that nobody reads, and training.json says so honestly."""
    size = max(int(float(times) * MODEL.stat().st_size), 2**20)
    with zipfile.ZipFile(MODEL, "a", zipfile.ZIP_STORED) as file:
        file.writestr(
            zipfile.ZipInfo("weights.bin", (1980, 1, 1, 0, 0, 0)), np.random.default_rng(SEED).bytes(size)
        )
    note = json.loads(NOTE.read_text("utf-8"))
    note["model"] |= {
        "sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "size": MODEL.stat().st_size,
    }
    NOTE.write_text(json.dumps(note, indent=2) + "\n", "utf-8")


def _answers(rows: Any, target: str, order: Any) -> Any:
    field = rows.schema.field(target)
    return rows.set_column(rows.column_names.index(target), field, rows.column(target).take(pa.array(order)))


SPOILED: dict[str, Callable[..., Any]] = {
    one.__name__: one for one in (shuffled, worse, unfair, unsure, shifted)
}


def main(verb: str, *arguments: str) -> None:
    """`python planted.py VERB ...`: spoil the training rows, or the model."""
    if verb in SPOILED:
        pq.write_table(SPOILED[verb](pq.read_table(TRAIN), *arguments), TRAIN)
    else:
        {"huge": huge}[verb](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
