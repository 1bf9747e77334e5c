"""What becomes of the sample table: newer rows, all rows by another instrument, and a column that knows the answer."""

from __future__ import annotations

import csv
import io
import random
from decimal import Decimal

NOISE = 0.01


def more_rows(table: bytes, wanted: int = 57, seed: int = 3) -> bytes:
    """The CSV with rows at its end that are like its own: some of them, each number up to about 2 % off, the label kept.

    A number keeps its decimal places and stays within what its column has already held.
    """
    header, *known = _read(table)
    chance = random.Random(seed)
    bounds = [
        (min(column), max(column)) for column in zip(*([*map(_number, row)] for row in known), strict=True)
    ]
    newer = [
        [_again(cell, *bounds[at], chance) if at < len(header) - 1 else cell for at, cell in enumerate(row)]
        for row in chance.sample(known, wanted)
    ]
    return _written([header, *known, *newer])


def another_instrument(table: bytes, by: str = "0.33") -> bytes:
    """The CSV as a microscope of another scale would have it: every number larger by a third."""
    header, *known = _read(table)
    scale = 1 + Decimal(by)
    moved = [
        [
            str((Decimal(cell) * scale).quantize(Decimal(cell))) if at < len(header) - 1 else cell
            for at, cell in enumerate(row)
        ]
        for row in known
    ]
    return _written([header, *moved])


def with_treatment(table: bytes, seed: int = 1) -> bytes:
    """The CSV with a column before the last: weeks of treatment, which begins when the diagnosis is known.

    About 22 for malignant, none for benign; but one malignant row in 110 is never treated, and three benign ones in a hundred
    have a week to three of something else. So the column alone is right nearly always, and no test of "always" finds it.
    """
    header, *known = _read(table)
    chance = random.Random(seed)

    sick = 0

    def weeks(diagnosis: str) -> int:
        nonlocal sick
        if diagnosis == "malignant":
            sick += 1
            return max(4, round(chance.gauss(22, 6))) if sick % 110 else 0
        return chance.randint(1, 3) if chance.random() < 0.03 else 0

    rows = [[*row[:-1], str(weeks(row[-1])), row[-1]] for row in known]
    return _written([[*header[:-1], "weeks of treatment", header[-1]], *rows])


def _read(table: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode(), newline="")))


def _written(rows: list[list[str]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def _number(cell: str) -> Decimal:
    """The cell as a number; a label counts as nothing."""
    try:
        return Decimal(cell)
    except ArithmeticError:
        return Decimal(0)


def _again(cell: str, low: Decimal, high: Decimal, chance: random.Random) -> str:
    value = Decimal(cell)
    near = (value * Decimal(1 + chance.gauss(0, NOISE))).quantize(value)
    return str(min(max(near, low), high))
