"""What is wrong with a table, where, and what to do: one error that lists every broken rule."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .schema import Schema

FIRST = 3  # how many failing rows a message names
LINES = 40  # how many failures a message lists
Mask = np.ndarray[Any, np.dtype[np.bool_]]  # one bool for each row


@dataclass(frozen=True)
class Failure:
    """One rule that the table breaks. ``rows``: how many; ``first``: the first of them, counted from 1."""

    column: str
    rule: str
    rows: int | None = None
    first: tuple[int, ...] = ()
    example: str = ""
    fix: str = ""


class DataError(Exception):
    """A table that does not keep the contract. ``failures`` lists every broken rule."""

    def __init__(self, message: str, failures: Iterable[Failure] = ()) -> None:
        self.failures = list(failures)
        super().__init__(message)


def disagree(path: Path | str, failures: list[Failure]) -> DataError:
    """The one error about a table: what is wrong where, and what to do."""
    columns = len({failure.column for failure in failures})
    rows = [("column", "rule", "rows", "first")]
    for failure in failures[:LINES]:
        first = ", ".join(f"{row:,}" for row in failure.first) + (
            f" ({failure.example})" if failure.example else ""
        )
        rows.append(
            (failure.column, failure.rule, "" if failure.rows is None else f"{failure.rows:,}", first)
        )
    wide = [min(48, max(len(row[i]) for row in rows)) for i in range(3)]
    lines = [f"  {a:<{wide[0]}}   {b:<{wide[1]}}   {c:>{wide[2]}}   {d}".rstrip() for a, b, c, d in rows]
    if len(failures) > LINES:
        lines.append(f"  ... and {len(failures) - LINES} more")
    fixes = list(dict.fromkeys(failure.fix for failure in failures[:LINES] if failure.fix))
    if fixes:
        lines += [
            "",
            "  The file was not touched. If the data is right:",
            *(f"    {fix}" for fix in fixes[:8]),
        ]
        if len(fixes) > 8:
            lines.append(f"    ... and {len(fixes) - 8} more of the kind")
    else:
        lines += ["", "  The file was not touched."]
    head = (
        f"schema.yaml and {path} disagree ({_many(len(failures), 'failure')} in {_many(columns, 'column')})"
    )
    return DataError("\n".join([head, "", *lines]), failures)


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def first_rows(mask: Mask) -> tuple[int, ...]:
    """The first rows, counted from 1, where ``mask`` is true."""
    return tuple(int(row) + 1 for row in np.flatnonzero(mask)[:FIRST])


def adopt_again(path: Path | str, schema: Schema) -> str:
    """The command that writes the contract anew from the table."""
    return f"uv run gitops-ml adopt {shlex.quote(str(path))} --target {shlex.quote(schema.target.name)}"
