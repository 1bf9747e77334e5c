"""Newer rows for the sample table: old ones, measured once more; and all of them, by another instrument."""

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
