"""How long both models take, asked in turn for the same rows while both are loaded, so that one noise falls on both.

It is measured when the predictions are sealed already, and nothing that goes wrong here fails anything: it is written
down, and the judge calls it unknown.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_ml.build.environment import scrubbed
from gitops_ml.build.loop import Late, Loop, Silent
from gitops_ml.contracts.timings import Asks, Timings, Who
from gitops_ml.errors import Fault

LOAD = 120.0
"""Seconds that a model may take to load."""
BATCH = 10_000
"""Rows of a batch: the first of the test rows."""
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads of OpenMP wait without spinning: on a busy machine that made answers fifty times slower, and no two alike."""
AGAIN = 1.5
"""Where the challenger's quickest answers take so many times the champion's, both are started and asked once more."""
AGREE = 0.99
"""Of the answers, so many must be the predictions that were sealed; some flip where scores tie."""


@dataclass(frozen=True)
class Plan:
    """``asks`` of each model after ``warm`` ones, in ``seconds`` at most; with fewer than ``least`` none counts as warm-up."""

    asks: int
    warm: int
    least: int
    seconds: float


ONE_ROW = Plan(asks=100, warm=10, least=20, seconds=20.0)
MANY = Plan(asks=20, warm=2, least=5, seconds=20.0)


@dataclass(frozen=True)
class Ready:
    """A model that can be asked: its score command without --loop, where that runs, and the predictions it has made."""

    command: tuple[str, ...]
    project: Path
    python: str
    predictions: Path


def measured(
    players: Mapping[Who, Ready],
    rows: Path,
    desk: Path,
    *,
    one_row: Plan = ONE_ROW,
    many: Plan = MANY,
    load: float = LOAD,
) -> Timings:
    """Ask the challenger, and the champion if there is one, for the ``rows`` (Parquet, no target). Raises nothing.

    A challenger that seems slow is asked in a second life of both processes, and the kinder answer counts: on a busy machine
    a process can be unlucky for as long as it lives, and noise never makes a slow model quick. ``desk``: a folder for
    tables and answers.
    """
    first = _once(players, rows, desk, one_row, many, load)
    if first.missing or max(map(_slower, (first.one_row, first.batch))) < AGAIN:
        return first
    second = _once(players, rows, desk, one_row, many, load)
    if second.missing:
        return first
    return first.model_copy(
        update={
            "one_row": _kinder(first.one_row, second.one_row),
            "batch": _kinder(first.batch, second.batch),
            "rounds": 2,
        }
    )


def _once(
    players: Mapping[Who, Ready], rows: Path, desk: Path, one_row: Plan, many: Plan, load: float
) -> Timings:
    found = _Found()
    try:
        _measure(players, rows, desk, one_row, many, load, found)
    except Exception as wrong:  # a measurement is never worth a failed job
        found.missing.setdefault("challenger", f"{type(wrong).__name__}: {wrong}"[:500])
    if found.missing:  # what was measured of a model that then failed says nothing of it
        found.one_row = found.batch = None
    return Timings(
        version=1,
        one_row=found.one_row,
        batch=found.batch,
        peak_bytes=found.peaks,
        missing=found.missing,
    )


def _slower(asks: Asks | None) -> float:
    """How many times the champion's the challenger's quickest tenth took; 0 where there is nothing to compare."""
    if asks is None or asks.champion is None or asks.late == "champion":
        return 0.0
    own, other = (sorted(times[asks.warm :]) for times in (asks.challenger, asks.champion))
    return own[len(own) // 10] / max(other[len(other) // 10], 1e-9)


def _kinder(first: Asks | None, second: Asks | None) -> Asks | None:
    """The one in which the challenger was less slow; an answer that never came is no kinder one."""
    if first is None or second is None:
        return first or second
    return min(first, second, key=lambda asks: (asks.late is not None, _slower(asks)))


class _Found:
    """What is known so far."""

    def __init__(self) -> None:
        self.one_row: Asks | None = None
        self.batch: Asks | None = None
        self.peaks: dict[Who, int] = {}
        self.missing: dict[Who, str] = {}


class _Stopped(Exception):
    """One of them cannot be asked any more; ``missing`` says why."""


@dataclass(frozen=True)
class _Table:
    """``count`` rows of the test rows, from row ``first`` on, in a file."""

    path: Path
    first: int
    count: int


def _measure(
    players: Mapping[Who, Ready],
    rows: Path,
    desk: Path,
    one_row: Plan,
    many: Plan,
    load: float,
    found: _Found,
) -> None:
    singles, batch = _tables(rows, desk, one_row.asks + one_row.warm)
    loops: dict[Who, Loop] = {}
    try:
        for who, one in players.items():  # both load at the same time
            with _said(who, found):
                log = desk / f"loop-{who}.txt"
                loops[who] = Loop(one.command, one.project, {**PASSIVE, **scrubbed(one.python)}, log)
        for who, loop in loops.items():
            with _said(who, found):
                loop.ready(load)
        found.one_row = _asks(loops, singles, one_row, desk, players, found)
        if found.one_row.late is None:
            found.batch = _asks(loops, [batch], many, desk, players, found)
    except _Stopped:
        pass
    finally:
        for who, loop in loops.items():
            loop.end()
            if loop.peak is not None and who not in found.missing:
                found.peaks[who] = loop.peak


@contextlib.contextmanager
def _said(who: Who, found: _Found) -> Iterator[None]:
    """What goes wrong with this one is written down, and ends the measuring."""
    try:
        yield
    except (Fault, OSError) as wrong:
        found.missing[who] = str(wrong)[:500]
        raise _Stopped from None


def _tables(rows: Path, desk: Path, wanted: int) -> tuple[list[_Table], _Table]:
    """Files of one row each, spread over the test rows, and one of many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(rows)
    total = table.num_rows
    places = [number * total // wanted for number in range(wanted)] if total > wanted else range(total)
    made = []
    for first, count in [*((place, 1) for place in places), (0, min(total, BATCH))]:
        path = desk / f"ask-{first}-{count}{'' if count == 1 else '-many'}.parquet"
        # concat_tables: a slice alone would be written with the buffers of the whole table in mind
        pq.write_table(pa.concat_tables([table.slice(first, count)]), path)
        made.append(_Table(path, first, count))
    return made[:-1], made[-1]


def _asks(
    loops: Mapping[Who, Loop],
    tables: Sequence[_Table],
    plan: Plan,
    desk: Path,
    players: Mapping[Who, Ready],
    found: _Found,
) -> Asks:
    """Ask in the order ABBA until there are enough answers, or the time is up; then look whether they are right."""
    seconds: dict[Who, list[float]] = {who: [] for who in loops}
    answers: dict[Who, list[tuple[_Table, Path]]] = {who: [] for who in loops}
    wanted, order = plan.asks + plan.warm, list(loops)
    late: Who | None = None
    deadline = time.monotonic() + plan.seconds
    for turn in range(wanted):
        table = tables[turn % len(tables)]
        for who in order:
            output = desk / f"answer-{who}-{table.count}-{turn}.parquet"
            with _said(who, found):
                try:
                    took = loops[who].ask(table.path, output, plan.seconds)
                    answers[who].append((table, output))
                except Late:
                    took, late = plan.seconds, who
            seconds[who].append(round(took, 7))
        order.reverse()
        if late is not None or time.monotonic() > deadline:
            break
    for who, given in answers.items():
        with _said(who, found):
            _right(given, players[who].predictions)
    done = len(seconds["challenger"])
    return Asks(
        rows=tables[0].count,
        wanted=wanted,
        warm=min(plan.warm, max(0, done - plan.least)),
        challenger=seconds["challenger"],
        champion=seconds.get("champion"),
        late=late,
    )


def _right(answers: Sequence[tuple[_Table, Path]], predictions: Path) -> None:
    """What answers quickly must answer what it was judged by. Raises :class:`Silent`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sealed = pq.read_table(predictions, columns=["prediction"])["prediction"].to_pylist()
    total = agree = 0
    # Of many rows the last answer stands for all; of one row each is another.
    for table, path in answers if len({table.first for table, _ in answers}) > 1 else answers[-1:]:
        try:
            said = pq.read_table(path, columns=["prediction"])["prediction"].to_pylist()
        except (pa.ArrowException, OSError, KeyError) as wrong:
            raise Silent(f"its answer is no table with a column `prediction`: {wrong}") from None
        wanted = sealed[table.first : table.first + table.count]
        total += len(wanted)
        agree += len(said) == len(wanted) and sum(map(_same, said, wanted))
    if agree < AGREE * total:
        raise Silent(f"asked again, it gave the same prediction for {agree:,} of {total:,} rows only.")


def _same(one: Any, other: Any) -> bool:
    """Equal; or numbers whose last digits differ, as sums do that were added up in another order."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return bool(one == other)
