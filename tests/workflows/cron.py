"""Cron lines as GitHub reads them: which are valid, and which minutes they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 6),
)
MONTHS = {
    name: number
    for number, name in enumerate(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1
    )
}
DAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}
SHORTEST = 5
"""Minutes. GitHub runs nothing more often."""


class CronError(ValueError):
    """A line that GitHub would refuse."""


def _number(word: str, names: dict[str, int], field: str, low: int, high: int) -> int:
    number = names.get(word.upper())
    if number is None:
        if not re.fullmatch(r"\d+", word):
            raise CronError(f"{word!r} is no {field}")
        number = int(word)
    if not low <= number <= high:
        raise CronError(f"{field} {number} is not within {low}-{high}")
    return number


def _field(text: str, index: int) -> frozenset[int]:
    field, low, high = FIELDS[index]
    names = {3: MONTHS, 4: DAYS}.get(index, {})
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and (not re.fullmatch(r"\d+", step) or int(step) == 0):
            raise CronError(f"{part!r}: a step is a number above zero")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            left, right = span.split("-", 1)
            first, last = (_number(word, names, field, low, high) for word in (left, right))
            if first > last:
                raise CronError(f"{span!r} ends before it begins")
        else:
            first = _number(span, names, field, low, high)
            last = high if slash else first
        found.update(range(first, last + 1, int(step) if slash else 1))
    return frozenset(found)


def parse(line: str) -> tuple[frozenset[int], ...]:
    """The minutes, hours, days, months and weekdays of a line. Raises CronError: five fields, no `@daily`, no 7."""
    words = line.split()
    if len(words) != len(FIELDS):
        raise CronError(f"{line!r} has {len(words)} fields, not 5: minute hour day month weekday")
    fields = tuple(_field(word, index) for index, word in enumerate(words))
    minutes, hours = sorted(fields[0]), fields[1]
    gaps = [after - before for before, after in pairwise(minutes)]
    if len(hours) == 24 or len(minutes) > 1:
        gaps.append(60 - minutes[-1] + minutes[0])
    if gaps and min(gaps) < SHORTEST:
        raise CronError(f"{line!r} asks for runs less than {SHORTEST} minutes apart")
    return fields


def due(line: str, moment: datetime) -> bool:
    """Whether the line names this minute (UTC). With both days restricted, either will do, as in POSIX."""
    minutes, hours, days, months, weekdays = parse(line)
    _, _, day, _, weekday = line.split()
    on_day = moment.day in days
    on_weekday = moment.isoweekday() % 7 in weekdays
    today = on_day or on_weekday if "*" not in (day[0], weekday[0]) else on_day and on_weekday
    return moment.minute in minutes and moment.hour in hours and moment.month in months and today


def moments(line: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The minutes in [start, end) that the line names."""
    moment = start.replace(second=0, microsecond=0)
    if moment < start:
        moment += timedelta(minutes=1)
    while moment < end:
        if due(line, moment):
            yield moment
        moment += timedelta(minutes=1)
