"""Edits one column of schema.yaml, in place: the file's other lines and all comments stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gitops_ml.adopt.infer import find, widened
from gitops_ml.adopt.yaml_text import edited
from gitops_ml.contracts.base import write_text
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.schema import Column, Label, SchemaFile
from gitops_ml.errors import Fault

BY_HAND = "ignored by hand (schema set)"
KEYS = list(Column.model_fields)


def change(path: Path, name: str, edit: Callable[[CommentedMap], list[str]]) -> list[str]:
    """Apply ``edit`` to the entry of column ``name``; the result is checked before it is written. Returns what to say.

    Raises :class:`Fault` for an unknown column and where the result would not be a valid contract.
    """
    find(name, list(SchemaFile.read(path).columns), str(path))
    said: list[str] = []

    def on_column(content: CommentedMap) -> None:
        said.extend(edit(content["columns"][name]))

    text = edited(path, on_column)
    try:
        SchemaFile.parse(YAML(typ="safe", pure=True).load(text), str(path))
    except Fault as fault:
        raise Fault(f"That cannot be, so nothing was changed; {fault}") from None
    write_text(path, text)
    return said


def allow(entry: CommentedMap, name: str, values: tuple[str, ...]) -> list[str]:
    """Add categories; each is read as the column's type. Says which were new."""
    if entry.get("categories") is None:
        raise Fault(f"Column {name} ({entry['type']}) lists no categories" + (
            ": any value is allowed already." if entry["type"] == "category" else "; use schema widen for numbers."
        ))  # fmt: skip
    said = []
    for text in values:
        value = _label(text, str(entry["type"]), name)
        known = any(
            type(value) is type(other) and value == other for other in map(_plain, entry["categories"])
        )
        if known:
            said.append(f"{name}: {value!r} was allowed already")
            continue
        entry["categories"].append(value)
        said.append(f"{name}: {value!r} is allowed now")
    if len(entry["categories"]) > 2 and "positive" in entry:
        del entry["positive"]
        said.append(f"{name}: more than two classes now, so positive is gone")
    if isinstance(entry["categories"], CommentedSeq) and entry.fa.flow_style():
        entry["categories"].fa.set_flow_style()
    return said


def _plain(value: object) -> object:
    """Without ruamel's subclass that remembers quotes."""
    return str(value) if isinstance(value, str) else value


def _label(text: str, kind: str, name: str) -> Label:
    if kind == "integer":
        try:
            return int(text)
        except ValueError:
            raise Fault(f"Column {name} holds whole numbers; {text!r} is none.") from None
    if kind == "boolean":
        raise Fault(f"Column {name} is boolean: true and false are all there is.")
    return text


def widen(entry: CommentedMap, name: str, minimum: float | None, maximum: float | None) -> list[str]:
    """Move the bounds outward. Raises :class:`Fault` if a bound would move inward, or the column has no range."""
    if entry["type"] not in ("number", "integer"):
        raise Fault(
            f"Column {name} is of type {entry['type']} and has no range. For categories: schema allow."
        )
    said = []
    for key, bound, outside in (("minimum", minimum, -1), ("maximum", maximum, 1)):
        before = entry.get(key)
        if bound is None or before is None or bound == before:
            continue
        if (bound - before) * outside < 0:
            raise Fault(
                f"{key} {_short(bound)} would narrow {name}, whose {key} is {before}. Edit schema.yaml to narrow."
            )
        entry[key] = _short(bound)
        said.append(f"{name}: {key} {before} -> {_short(bound)}")
    return said or [f"{name}: the range is wide enough"]


def _short(value: float) -> float | int:
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def fitted(name: str, path: Path) -> tuple[float | None, float | None]:
    """Bounds of ``name`` that fit the project's table: those it has where they suffice, else adopt's."""
    from gitops_ml.adopt.kinds import type_column
    from gitops_ml.adopt.read import read_table

    schema = SchemaFile.read(path)
    find(name, list(schema.columns), str(path))
    table = read_table(Path(ParamsFile.read("params.yaml").data.table))
    find(name, table.data.column_names, "schema widen")
    facts = type_column(name, table.data.column(name), table.file).facts
    if facts.minimum is None or facts.maximum is None:
        raise Fault(f"Column {name} holds no numbers in the table, so there is nothing to fit.")
    column = schema.columns[name]
    low, high = widened(facts.minimum, facts.maximum, column.type == "integer")
    if column.minimum is None or facts.minimum >= column.minimum:
        low = column.minimum
    if column.maximum is None or facts.maximum <= column.maximum:
        high = column.maximum
    return low, high


def set_(
    entry: CommentedMap,
    name: str,
    *,
    role: str | None = None,
    available: bool | None = None,
    nullable: bool | None = None,
    reason: str | None = None,
) -> list[str]:
    """Set what is given; None leaves it, an empty ``reason`` removes it. Raises :class:`Fault` where it makes no sense."""
    if role is None and available is None and nullable is None and reason is None:
        raise Fault(
            "Nothing to set: add --role, --available, --unavailable, --nullable, --not-nullable or --reason."
        )
    if reason and not reason.isprintable():
        raise Fault("--reason is one line of text.")
    said = _set_role(entry, name, role) if role not in (None, entry["role"]) else []
    if available is not None and entry["role"] != "feature":
        raise Fault(f"Column {name} has role: {entry['role']}; available is about features.")
    for key, value in (("nullable", nullable), ("available", available), ("reason", reason)):
        if value == "":
            entry.pop(key, None)
            said.append(f"{name}: no reason")
        elif value is not None:
            _put(entry, key, value)
            said.append(f"{name}: {key}: {str(value).lower() if isinstance(value, bool) else value}")
    return said or [f"{name}: role: {role} already"]


def _set_role(entry: CommentedMap, name: str, role: str | None) -> list[str]:
    """The role, and what belongs to the role before and not to this one."""
    if "target" in (role, entry["role"]):
        raise Fault(
            f"schema set does not move the target to or from {name}: adopt does, because the task and the classes "
            "follow from the rows: gitops-ml adopt --target COLUMN"
        )
    entry["role"] = role
    entry.pop("reason", None)
    if role == "feature":
        _put(entry, "available", True)
    else:
        entry.pop("available", None)
    if role == "ignored":
        _put(entry, "reason", BY_HAND)
    return [f"{name}: role: {role}"]


def _put(entry: CommentedMap, key: str, value: object) -> None:
    """Set a key; a new one goes where schema.yaml has it by custom."""
    if key not in entry:
        later = KEYS[KEYS.index(key) + 1 :]
        entry.insert(next((i for i, other in enumerate(entry) if other in later), len(entry)), key, value)
    entry[key] = value


# ---------------------------------------------------------------- showing


def table_text(schema: SchemaFile) -> str:
    """The contract as aligned text: column, role, type, empty cells, what it may hold."""
    rows = [("column", "role", "type", "empty", "may hold")]
    rows += [_row(name, column) for name, column in schema.columns.items()]
    wide = [min(40, max(len(row[i]) for row in rows)) for i in range(4)]
    lines = [
        f"{schema.task}, {schema.file.format}, {len(schema.columns)} columns, {len(schema.features)} features",
        "",
    ]
    for row in rows:
        lines.append(
            "  ".join(cell.ljust(width) for cell, width in zip(row, [*wide, 0], strict=True)).rstrip()
        )
    return "\n".join(lines)


def _row(name: str, column: Column) -> tuple[str, str, str, str, str]:
    holds = "anything"
    if column.categories is not None:
        shown = ", ".join(str(value) for value in column.categories[:6])
        holds = shown + (f", ... ({len(column.categories)})" if len(column.categories) > 6 else "")
    elif column.minimum is not None or column.maximum is not None:
        low = "" if column.minimum is None else f"{column.minimum:g}"
        high = "" if column.maximum is None else f"{column.maximum:g}"
        holds = f"{low} to {high}" if low and high else (f"from {low}" if low else f"up to {high}")
    if column.role == "ignored":
        holds = column.reason or ""
    elif not column.available:
        holds += " (not known when predicting)"
    shown_name = name if name.isprintable() else repr(name)
    return shown_name, column.role, column.type, "yes" if column.nullable else "no", holds
