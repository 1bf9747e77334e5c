"""What a pull request changes: data, by two profiles; params, by two files. Small pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gitops_ml.contracts.profile import Balance, ColumnProfile, ProfileFile

NOTHING = ""  # no JSON is empty
# Smaller moves are the noise of a new draw of rows.
DEVIATIONS, SHARES = 0.02, 0.005


@dataclass(frozen=True)
class Move:
    """A column that moved. ``size`` orders moves of all kinds: old standard deviations, or share of the rows."""

    column: str
    kind: Literal["mean", "share", "empty", "type"]
    old: str | float
    new: str | float
    size: float
    value: str = ""  # which category


@dataclass(frozen=True)
class DataDiff:
    """What two profiles tell apart. Profiles hold no rows: how many came and went in between, nobody knows."""

    rows: int
    old_rows: int
    same_bytes: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    moves: tuple[Move, ...]
    balance: tuple[Move, ...]
    duplicates: int
    overlap: int

    def __bool__(self) -> bool:
        return bool(self.rows or self.added or self.removed or self.moves or self.balance) or (
            not self.same_bytes
        )


def data_diff(old: ProfileFile | None, new: ProfileFile) -> DataDiff:
    """From an earlier profile to this one; with none, all rows and columns are new."""
    if old is None:
        return DataDiff(
            new.rows.total,
            0,
            False,
            tuple(new.columns),
            (),
            (),
            (),
            new.duplicates.rows,
            new.overlap.rows,
        )
    moves = [
        move
        for name, column in new.columns.items()
        if name in old.columns and column.role != "target"
        for move in _moves(name, old.columns[name], column)
    ]
    return DataDiff(
        rows=new.rows.total - old.rows.total,
        old_rows=old.rows.total,
        same_bytes=old.table.md5 == new.table.md5,
        added=tuple(name for name in new.columns if name not in old.columns),
        removed=tuple(name for name in old.columns if name not in new.columns),
        moves=tuple(sorted(moves, key=lambda move: (-move.size, move.column, move.kind))),
        balance=tuple(_balance(old.target.overall, new.target.overall, new.target.column)),
        duplicates=new.duplicates.rows - old.duplicates.rows,
        overlap=new.overlap.rows - old.overlap.rows,
    )


def _moves(name: str, old: ColumnProfile, new: ColumnProfile) -> list[Move]:
    found: list[Move] = []
    if old.type != new.type:
        # Another type says more than any figure of either.
        return [Move(name, "type", old.type, new.type, float("inf"))]
    if abs(new.null_share - old.null_share) > SHARES:
        found.append(
            Move(name, "empty", old.null_share, new.null_share, abs(new.null_share - old.null_share))
        )
    if old.mean is not None and new.mean is not None:
        spread = old.std or 0.0
        size = abs(new.mean - old.mean) / spread if spread else float(new.mean != old.mean)
        if size > DEVIATIONS:
            found.append(Move(name, "mean", old.mean, new.mean, size))
    if old.categories is not None and new.categories is not None:
        found += _shares(name, _as_shares(old.categories, old.other), _as_shares(new.categories, new.other))[
            :1
        ]
    return found


def _as_shares(counts: Mapping[str, int], other: int | None = None) -> dict[str, float]:
    total = sum(counts.values()) + (other or 0)
    return {value: count / total for value, count in counts.items()} if total else {}


def _shares(name: str, old: Mapping[str, float], new: Mapping[str, float]) -> list[Move]:
    """Values whose share moved, the biggest first."""
    values = list(dict.fromkeys([*old, *new]))
    moves = [(value, old.get(value, 0.0), new.get(value, 0.0)) for value in values]
    found = [Move(name, "share", a, b, abs(b - a), value) for value, a, b in moves if abs(b - a) > SHARES]
    return sorted(found, key=lambda move: -move.size)


def _balance(old: Balance, new: Balance, target: str) -> list[Move]:
    if old.classes is not None and new.classes is not None:
        return _shares(target, _as_shares(old.classes), _as_shares(new.classes))
    if old.mean is not None and new.mean is not None and old.mean != new.mean:
        return [Move(target, "mean", old.mean, new.mean, 0.0)]
    return []


@dataclass(frozen=True)
class ParamChange:
    """One knob: its dotted key, and both values as they are written; NOTHING where it was not, or is no more."""

    key: str
    old: str
    new: str


def params_diff(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[ParamChange]:
    """The knobs that differ, by key."""
    before, after = _flat(old or {}), _flat(new or {})
    keys = sorted(set(before) | set(after))
    return [
        ParamChange(key, before.get(key, NOTHING), after.get(key, NOTHING))
        for key in keys
        if before.get(key, NOTHING) != after.get(key, NOTHING)
    ]


def _flat(content: Any, path: str = "") -> dict[str, str]:
    """Dotted key -> value as JSON; lists are values, empty mappings too."""
    if isinstance(content, Mapping) and content:
        found: dict[str, str] = {}
        for key, value in content.items():
            found |= _flat(value, f"{path}.{key}" if path else str(key))
        return found
    return {path: json.dumps(content, ensure_ascii=False, default=str)} if path else {}
