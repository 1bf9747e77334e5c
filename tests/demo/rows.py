"""Newer rows for the sample table: old ones, measured once more."""

from __future__ import annotations

import csv
import random
from decimal import Decimal
from pathlib import Path

NOISE = 0.01


def add_rows(table: Path, wanted: int = 57, seed: int = 3) -> int:
    """Append rows that are like those of the table: some of them, each number up to about 2 % off, the label kept.

    A number keeps its decimal places and stays within what its column has already held. Returns how many were added.
    """
    with table.open(encoding="utf-8", newline="") as file:
        header, *known = list(csv.reader(file))
    chance = random.Random(seed)
    bounds = [
        (min(column), max(column)) for column in zip(*([*map(_number, row)] for row in known), strict=True)
    ]
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in chance.sample(known, wanted):
            writer.writerow(
                _again(cell, *bounds[at], chance) if header[at] != header[-1] else cell
                for at, cell in enumerate(row)
            )
    return wanted


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
