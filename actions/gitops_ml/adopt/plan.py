"""From a table and what was asked to a plan: the new schema, its facts and warnings. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gitops_ml.adopt import infer, warn
from gitops_ml.adopt.kinds import Column as TypedColumn
from gitops_ml.adopt.kinds import Facts, rows_where, type_column
from gitops_ml.adopt.read import Table
from gitops_ml.contracts.schema import Column, SchemaFile, Task
from gitops_ml.errors import Fault
from gitops_ml.rows.alone import LEAK, Leakage

DROPPED = "dropped by hand (adopt --drop)"


@dataclass(frozen=True)
class Asked:
    """The command line: None and () mean "not said"."""

    target: str | None = None
    task: str = "auto"
    time: str | None = None
    group: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()
    afresh: bool = False


@dataclass(frozen=True)
class Plan:
    """What adopting would write, and what to tell."""

    schema: SchemaFile
    facts: dict[str, Facts]
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    same_table: bool = False
    """A newer version of the table that schema.yaml describes: roles and edits were kept."""


def make_plan(table: Table, asked: Asked, current: SchemaFile | None) -> Plan:
    """Decide everything. Raises :class:`Fault` naming column and rows where the table cannot be adopted so."""
    names = table.data.column_names
    same = current is not None and not asked.afresh and set(current.columns) <= set(names)
    kept = current if same else None
    target = asked.target or (kept.target if kept else None)
    if target is None:
        raise Fault(
            f"Which column should be predicted? Add --target COLUMN. {table.name} has: {_some(names)}"
        )
    roles = infer.roles(names, target, asked.time, asked.group, asked.id, asked.drop)
    if kept:
        roles |= _kept_roles(kept, roles)
    typed_target = _typed(table, target)
    task: Task = infer.task_of(
        typed_target.facts,
        kept.task if kept and asked.task == "auto" and kept.target == target else asked.task,
    )
    leakage = Leakage(typed_target.cells, task == "classification")
    facts: dict[str, Facts] = {}
    columns: dict[str, Column] = {}
    leaks: list[tuple[float, str]] = []
    for name in names:
        role = roles.get(name, "feature")
        before = kept.columns.get(name) if kept else None
        if role == "drop":
            columns[name] = _dropped(table, name)
            continue
        if before and before.role == "ignored" and name not in roles:
            columns[name] = before
            continue
        typed = typed_target if name == target else _typed(table, name)
        facts[name] = typed.facts
        columns[name] = _decide(typed, role, task, before)
        # Somebody wrote down why it is known although it says so much: the gate asks no more either.
        told = bool(columns[name].reason)
        if columns[name].role == "feature" and columns[name].available and not told:
            score = leakage.score(typed.cells)
            if score >= LEAK:
                leaks.append((score, name))
    if not any(column.role == "feature" and column.available for column in columns.values()):
        raise Fault(_no_features(table.name, columns))
    schema = SchemaFile(version=1, task=task, file=table.file, columns=columns)
    warnings = [
        warn.leak_text(name, score, task == "classification")
        for score, name in sorted(leaks, reverse=True)[:5]
    ]
    if len(leaks) > 5:
        warnings.append(f"{len(leaks) - 5} more columns predict the target alone.")
    warnings += warn.target_texts(facts[target], schema)
    hints = [f"{name}: {f.hint}" for name, f in facts.items() if f.hint and columns[name].role == "feature"]
    return Plan(schema, facts, warnings, hints, same)


def _typed(table: Table, name: str) -> TypedColumn:
    return type_column(name, table.data.column(name), table.file)


def _dropped(table: Table, name: str) -> Column:
    try:
        facts = _typed(table, name).facts
    except Fault:  # a column that cannot be used is a good reason to drop it
        return infer.ignored("text", True, DROPPED)
    return infer.ignored(facts.type, facts.nulls > 0, DROPPED)


def _kept_roles(kept: SchemaFile, asked: dict[str, str]) -> dict[str, str]:
    """The roles id, time and group of schema.yaml that this command does not give to another column."""
    return {
        name: column.role
        for name, column in kept.columns.items()
        if column.role in ("id", "time", "group") and name not in asked and column.role not in asked.values()
    }


def _decide(typed: TypedColumn, role: str, task: Task, before: Column | None) -> Column:
    facts = typed.facts
    if role == "target":
        column = infer.target(facts, task)
        if before and before.positive is not None and before.categories == column.categories:
            return column.model_copy(update={"positive": before.positive})
        return column
    if role in ("id", "time", "group"):
        _check_role(typed, role)
        return infer.described(facts, role)
    column = infer.feature(facts)
    return with_edits(column, before, facts) if before and before.role == "feature" else column


def with_edits(found: Column, before: Column, facts: Facts) -> Column:
    """The column as found, with what people decided of it before: availability, nulls, bounds, categories, reason.

    Bounds and categories give way only where the table holds more. A column whose type has changed keeps only
    ``available``; a feature that would now be ignored (as an id, say) stays a feature if its type is the same.
    """
    if found.role == "ignored":
        return before if facts.type == before.type and facts.distinct > 1 else found
    if found.type != before.type:
        return found.model_copy(update={"available": before.available})
    update: dict[str, object] = {"available": before.available, "nullable": before.nullable or found.nullable}
    update["reason"] = before.reason
    if facts.minimum is not None and facts.maximum is not None:
        low, high = before.minimum, before.maximum
        update["minimum"] = found.minimum if low is not None and facts.minimum < low else low
        update["maximum"] = found.maximum if high is not None and facts.maximum > high else high
    if before.categories is None:
        update["categories"] = None
    elif found.categories is not None:
        update["categories"] = before.categories + [c for c in found.categories if c not in before.categories]
    return Column.model_validate(found.model_dump() | update)


def _check_role(typed: TypedColumn, role: str) -> None:
    name, cells, facts = typed.facts.name, typed.cells, typed.facts
    if facts.nulls:
        raise Fault(
            f"--{role}: column {name} is empty in row {rows_where(pc.is_null(cells))}. "
            f"Every row needs a value there: fill it, remove the rows, or adopt without --{role}."
        )
    if role == "id" and facts.distinct < facts.rows:
        raise Fault(_duplicates(name, cells))
    if role == "time" and facts.type not in ("datetime", "number", "integer"):
        hint = f" ({facts.hint})" if facts.hint else ""
        raise Fault(
            f"--time: column {name} holds no times{hint}. Write them as 2024-12-31 or 2024-12-31T23:59:00 (ISO 8601), "
            "or as numbers that grow with time."
        )


def _duplicates(name: str, cells: pa.Array) -> str:
    counted = pc.value_counts(cells)
    several = counted.filter(pc.greater(counted.field("counts"), 1))
    value = several.field("values")[0]
    rows = rows_where(pc.equal(cells, value))
    others = f", and {len(several) - 1} more values like it" if len(several) > 1 else ""
    return (
        f"--id: column {name} does not name rows: {value.as_py()!r} stands in rows {rows}{others}. "
        "Remove the repeated rows, choose another column, or use --group if several rows belong together."
    )


def _no_features(table: str, columns: dict[str, Column]) -> str:
    reasons = "".join(
        f"\n  {name}: {c.reason}" for name, c in list(columns.items())[:20] if c.role == "ignored"
    )
    return f"{table} has no column left that a model could learn from. Add columns, or drop fewer.{reasons}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f", ... ({len(names)} columns)" if len(names) > 12 else "")


def project_file(path: Path) -> SchemaFile | None:
    """The schema that is there now, or None if there is none that can be read."""
    try:
        return SchemaFile.read(path)
    except Fault:
        return None
