"""Decides, from facts alone, what a column is for and what it may hold. Pure: no file, no table, no clock."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from gitops_ml.adopt.kinds import Facts
from gitops_ml.contracts.schema import Column, Label, Task, Type
from gitops_ml.errors import Fault

LISTED = 50
"""A category column with more distinct values than this lists none: any value is allowed (high cardinality)."""
CLASSES = 20
"""A whole number with more distinct values than this is a number to predict, not a class."""

_ID_NAME = re.compile(
    r"(?i:(^|[\W_])(id|ids|key|uuid|guid|index|idx|nr|no|number|rowid)($|[\W_]))|[a-z](Id|ID)$"
)
_INDEX = re.compile(r"^__index_level_\d+__$")


# ---------------------------------------------------------------- ranges


def outward(value: float | int | Decimal, up: bool) -> Decimal:
    """``value`` rounded to two significant digits, away from the data: up for a maximum, down for a minimum."""
    exact = Decimal(str(value))
    if exact == 0:
        return Decimal(0)
    step = Decimal(1).scaleb(exact.adjusted() - 1)
    return (exact / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step


def widened(
    minimum: float | int, maximum: float | int, whole: bool
) -> tuple[float | int | None, float | int | None]:
    """Bounds half the observed span beyond each side, rounded outward; 0 where nothing observed is negative.

    A single value counts as its own span. ``whole``: the bounds of an integer column are integers. A bound that
    would leave what float64 (or int64) can hold becomes None: no bound.
    """
    low, high = Decimal(str(minimum)), Decimal(str(maximum))
    half = ((high - low) or abs(high) or Decimal(1)) / 2
    lower = Decimal(0) if low >= 0 else outward(low - half, up=False)
    return _plain(lower, whole, False), _plain(outward(high + half, up=True), whole, True)


def _plain(bound: Decimal, whole: bool, up: bool) -> float | int | None:
    if whole:
        rounded = int(bound.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR))
        return rounded if abs(rounded) < 2**63 else None
    if abs(bound) < 10**15 and bound == bound.to_integral_value():
        return int(bound)
    value = float(bound)
    return value if abs(value) != float("inf") else None


# ---------------------------------------------------------------- features


def feature(facts: Facts) -> Column:
    """The column as a feature of the model, or ignored with the reason."""
    if facts.filled == 0:
        return ignored("text", True, "empty in every row")
    if facts.distinct == 1 and not facts.nulls:
        return ignored(facts.type, False, "the same value in every row")
    if _INDEX.match(facts.name):
        return ignored(facts.type, facts.nulls > 0, "the row index that pandas wrote")
    if reason := id_like(facts):
        return ignored(facts.type, facts.nulls > 0, reason)
    if text_like(facts):
        return Column(role="feature", type="text", nullable=facts.nulls > 0)
    return described(facts, "feature")


def described(facts: Facts, role: str) -> Column:
    """A column of the type that was found, with bounds or categories where they apply."""
    entry: dict[str, object] = {"role": role, "type": facts.type, "nullable": facts.nulls > 0}
    if role == "feature" and facts.minimum is not None and facts.maximum is not None:
        low, high = widened(facts.minimum, facts.maximum, facts.type == "integer")
        entry |= {"minimum": low, "maximum": high}
    if role == "feature" and facts.type == "category" and lists_categories(facts):
        entry["categories"] = [value for value, _ in facts.values]
    return Column.model_validate(entry)


def ignored(kind: Type, nullable: bool, reason: str) -> Column:
    """A column that stays in the file and goes nowhere else."""
    return Column(role="ignored", type=kind, nullable=nullable, reason=reason)


def lists_categories(facts: Facts) -> bool:
    """Few values, each seen about twice or more: new ones would be a surprise."""
    return bool(facts.values) and facts.distinct <= LISTED and facts.distinct * 2 <= facts.filled


def id_like(facts: Facts) -> str | None:
    """Why the column names rows rather than describing them, or None."""
    if facts.filled < 10:
        return None
    unique = facts.distinct == facts.filled
    if facts.type == "integer" and unique and facts.counting:
        return "counts the rows"
    if facts.type == "integer" and unique and _ID_NAME.search(facts.name):
        return "a number of its own in every row, like an id"
    if facts.type != "category":
        return None
    if facts.uuid and facts.distinct > facts.filled / 2:
        return "UUIDs"
    if facts.distinct >= 0.95 * facts.filled and not text_like(facts):
        return "a value of its own in almost every row, like an id"
    return None


def text_like(facts: Facts) -> bool:
    """Sentences: several words, and mostly different ones in each row."""
    if facts.type != "category" or facts.filled < 10 or facts.uuid:
        return False
    return facts.distinct > 0.5 * facts.filled and facts.mean_words >= 3 and facts.mean_length >= 12


# ---------------------------------------------------------------- target


def task_of(facts: Facts, asked: str) -> Task:
    """Classification or regression, as asked or as the target suggests. Raises :class:`Fault` where it cannot be."""
    if facts.filled == 0:
        raise Fault(
            f"The target {facts.name} is empty in every row: there is nothing to learn. Choose another column."
        )
    if facts.distinct == 1:
        raise Fault(
            f"The target {facts.name} has one value in every row: there is nothing to tell apart. "
            "Add rows of another class, or choose another column."
        )
    if facts.type == "datetime":
        raise Fault(
            f"The target {facts.name} is a date. Turn it into a number (such as days from a start) first."
        )
    if asked == "regression":
        if facts.type not in ("number", "integer"):
            hint = f" ({facts.hint})" if facts.hint else ""
            raise Fault(
                f"The target {facts.name} is no number{hint}: regression needs one. Use --task classification."
            )
        return "regression"
    if asked == "classification" or facts.type in ("category", "boolean"):
        _check_classes(facts)
        return "classification"
    few = facts.distinct <= 10 or facts.distinct <= 0.02 * facts.filled
    return "classification" if facts.whole and facts.distinct <= CLASSES and few else "regression"


def _check_classes(facts: Facts) -> None:
    if facts.type == "number" and not facts.whole:
        raise Fault(
            f"The target {facts.name} holds numbers with a fraction, not classes. Use --task regression."
        )
    if (facts.distinct > facts.filled / 2 and facts.filled >= 10) or not facts.values:
        hint = (
            f" It holds {facts.hint}: clean those."
            if facts.hint and facts.hint.startswith("numbers, but")
            else ""
        )
        raise Fault(
            f"The target {facts.name} has {facts.distinct:,} different values in {facts.filled:,} rows: "
            f"too many to be classes.{hint} Choose another column, or group the values."
        )


def target(facts: Facts, task: Task) -> Column:
    """The target's entry: its classes, and the positive one of two (the last in sorted order)."""
    nullable = facts.nulls > 0
    if task == "regression":
        return Column(role="target", type=facts.type, nullable=nullable)
    kind: Type = "integer" if facts.type == "number" else facts.type
    classes: list[Label] = [int(value) if kind == "integer" else value for value, _ in facts.values]
    return Column(
        role="target", type=kind, nullable=nullable, categories=classes,
        positive=classes[-1] if len(classes) == 2 else None,
    )  # fmt: skip


# ---------------------------------------------------------------- names


def find(name: str, names: Sequence[str], option: str) -> str:
    """``name`` if the table has it. Raises :class:`Fault` with the closest names."""
    if name in names:
        return name
    by_folded = {other.casefold().strip(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.casefold().strip(), list(by_folded), n=3, cutoff=0.6)
    if close:
        fix = "Did you mean " + " or ".join(by_folded[other] for other in close) + "?"
    else:
        fix = (
            "It has: "
            + ", ".join(names[:12])
            + (f", ... ({len(names)} columns)" if len(names) > 12 else "")
            + "."
        )
    raise Fault(f"{option}: the table has no column {name!r}. {fix}")


def roles(
    names: Sequence[str],
    target: str,
    time: str | None,
    group: str | None,
    id_: str | None,
    drop: Iterable[str],
) -> dict[str, str]:
    """Column -> role, of those that were asked for. Raises :class:`Fault` for unknown names and double roles."""
    asked: dict[str, str] = {}
    wanted = [
        ("target", target),
        ("time", time),
        ("group", group),
        ("id", id_),
        *(("drop", name) for name in drop),
    ]
    for role, name in wanted:
        if name is None:
            continue
        find(name, names, f"--{role}")
        if asked.get(name, role) != role:
            raise Fault(f"Column {name} cannot be both --{asked[name]} and --{role}: choose one.")
        asked[name] = role
    return asked
