"""The keys of policy.yaml, read from its contract: none can be forgotten, none described that is not there."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.errors import Fault

BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
MISSING = object()


@dataclass(frozen=True)
class Key:
    """A key: its dotted path (``<name>`` for a name that the team chooses, ``[]`` for each entry of a list)."""

    path: str
    meaning: str
    type: str
    default: Any
    """What holds where the file does not say; :data:`MISSING`: it must be said."""
    group: bool
    """It only holds other keys."""

    @property
    def depth(self) -> int:
        return self.path.count(".")


def keys() -> list[Key]:
    """Every key, in the order of the contract; what a key holds comes behind it."""
    schema = PolicyFile.model_json_schema()
    return list(_below(schema, schema, ""))


def find(asked: str) -> list[Key]:
    """The key that a person means, and all that it holds. Raises :class:`Fault` with the closest ones.

    Names of the team's own stand for any: ``quality.secondary.recall.margin`` is a key, and so is ``slices.column``.
    """
    every = keys()
    exact = next((one for one in every if one.path == asked or _pattern(one.path).fullmatch(asked)), None)
    if exact is None:
        paths = [one.path for one in every]
        near = difflib.get_close_matches(asked, paths, n=3, cutoff=0.6)
        near = near or [path for path in paths if asked.rpartition(".")[2] == re.split(r"\W+", path)[-1]][:3]
        fix = f"Did you mean {' or '.join(near)}?" if near else "All of them: gitops-ml policy explain"
        raise Fault(f"policy.yaml has no key {asked!r}. {fix}")
    start = re.compile(re.escape(exact.path) + r"(\.|\[\]|$)")
    return [one for one in every if start.match(one.path)]


def _pattern(path: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in re.split(r"<[^>]*>", path.replace("[]", ""))]
    return re.compile(r"[^.]+".join(parts))


def value(content: Any, path: str) -> Any:
    """What plain data says under a path without names of the team's own; :data:`MISSING` if nothing."""
    for part in path.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return MISSING
        content = content[part]
    return content


def shown(content: Any) -> str:
    """A value as one would write it into the file, on one line."""
    return "nothing" if content is MISSING else json.dumps(content, ensure_ascii=False, default=str)


def _below(schema: Mapping[str, Any], part: Mapping[str, Any], path: str) -> Iterator[Key]:
    for name, field in part.get("properties", {}).items():
        here = f"{path}{name}"
        inner = _resolved(schema, field)
        held = list(_held(schema, inner, here))
        yield Key(
            here,
            " ".join(str(field.get("description", inner.get("description", ""))).split()),
            _type(schema, inner | {key: field[key] for key in field if key in BOUNDS}),
            field.get("default", MISSING),
            inner.get("properties") is not None,
        )
        yield from held


def _held(schema: Mapping[str, Any], field: Mapping[str, Any], path: str) -> Iterator[Key]:
    """The keys of what a key holds: an object's, or those of each entry of a list or a mapping."""
    yield from _below(schema, field, f"{path}.")
    for holder, mark in (("items", "[]"), ("additionalProperties", ".<name>")):
        entry = field.get(holder)
        if isinstance(entry, Mapping):
            yield from _below(schema, _resolved(schema, entry), f"{path}{mark}.")


def _resolved(schema: Mapping[str, Any], field: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that a field refers to; of "that, or null", that."""
    for one in field.get("anyOf", []):
        if "$ref" in one:
            return dict(schema["$defs"][one["$ref"].rpartition("/")[2]])
    if "$ref" in field:
        return dict(schema["$defs"][field["$ref"].rpartition("/")[2]])
    return dict(field)


def _type(schema: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    """A type in plain words, with its bounds."""
    if "$ref" in field:
        return _type(schema, _resolved(schema, field))
    if "anyOf" in field:
        return " or ".join(_type(schema, one) for one in field["anyOf"])
    if "const" in field or "enum" in field:
        return " or ".join(str(one) for one in field.get("enum", [field.get("const")]))
    kind = field.get("type")
    if kind == "array":
        return f"list; each: {_type(schema, field.get('items', {}))}"
    if kind == "object":
        if field.get("properties") is not None:
            return "an entry of the keys below"
        entries = [field.get("additionalProperties"), *field.get("patternProperties", {}).values()]
        held = next((one for one in entries if isinstance(one, Mapping)), {})
        return f"name -> {_type(schema, held)}"
    words = {
        "number": "number",
        "integer": "whole number",
        "string": "text",
        "null": "null",
        "boolean": "true or false",
    }
    bounds = [f"{said} {field[key]:,}" for key, said in BOUNDS.items() if key in field]
    return " ".join([words.get(str(kind), "anything"), ", ".join(bounds)]).strip()
