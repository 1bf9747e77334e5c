"""Which changes of schema.yaml make a caller of the service change: those are a major version."""

from __future__ import annotations

from collections.abc import Mapping

from gitops_ml.contracts.schema import Column, SchemaFile

# What was accepted still is: a whole number is a number, one of the listed texts is a text.
_WIDER = {("integer", "number"), ("category", "text")}


def breaks(old: SchemaFile, new: SchemaFile) -> list[str]:
    """What a caller who sends rows of ``old``, and reads answers of ``old``, would trip over; empty: nothing."""
    before, after = _inputs(old), _inputs(new)
    found = [f"{name} is no longer a field of a row" for name in before if name not in after]
    found += [
        f"{name} is a new field that every row must have"
        for name, column in after.items()
        if name not in before and not _optional(column)
    ]
    for name, column in after.items():
        if name in before:
            found += [f"{name} {words}" for words in _narrower(before[name], column)]
    return found + _answers(old, new)


def _inputs(schema: SchemaFile) -> dict[str, Column]:
    """The fields of a row that the service accepts: features, and the id."""
    names = [*schema.features, *schema.names("id")]
    return {name: schema.columns[name] for name in names}


def _optional(column: Column) -> bool:
    return column.nullable or column.role == "id"


def _narrower(old: Column, new: Column) -> list[str]:
    """In which ways a cell that was accepted may be refused now."""
    found = []
    if old.type != new.type and (old.type, new.type) not in _WIDER:
        found.append(f"is {new.type}, was {old.type}")
    if _optional(old) and not _optional(new):
        found.append("may no longer be empty")
    if new.minimum is not None and (old.minimum is None or new.minimum > old.minimum):
        found.append(f"must be at least {new.minimum}, was {_limit(old.minimum)}")
    if new.maximum is not None and (old.maximum is None or new.maximum < old.maximum):
        found.append(f"must be at most {new.maximum}, was {_limit(old.maximum)}")
    if new.categories is not None and old.type == new.type:
        if old.categories is None:
            found.append(f"must be one of {len(new.categories)} values, was any")
        else:
            gone = [str(value) for value in old.categories if value not in new.categories]
            found += [f"may no longer be {', '.join(gone[:3])}" + _more(gone, 3)] if gone else []
    return found


def _answers(old: SchemaFile, new: SchemaFile) -> list[str]:
    """What changes in an answer: prediction, scores of the classes, id."""
    if old.task != new.task:
        return [f"the answer is of a {new.task}, was of a {old.task}"]
    before, after = old.columns[old.target], new.columns[new.target]
    found = []
    if old.task == "classification" and sorted(map(str, before.categories or [])) != sorted(
        map(str, after.categories or [])
    ):
        found.append(f"the classes are {_listed(after)}, were {_listed(before)}")
    if old.task == "classification" and before.type != after.type:
        found.append(f"the prediction is {after.type}, was {before.type}")
    if old.names("id") and not new.names("id"):
        found.append("the answer no longer carries an id")
    return found


def answers(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What differs in the answers themselves, column -> kind: a class may have lost its score though schema.yaml lists it.

    A further score is one that callers need not read.
    """
    if not old or not new:
        return []
    found = [f"the answer no longer has {name}" for name in old if name not in new]
    kinds = {"i": "numbers", "u": "numbers", "f": "numbers", "b": "truth values", "O": "texts", "U": "texts"}
    for name, kind in old.items():
        before, now = (kinds.get(one, one) for one in (kind, new.get(name, kind)))
        found += [f"{name} of the answer is {now}, was {before}"] if before != now else []
    return found


def _limit(bound: float | None) -> str:
    return "without limit" if bound is None else str(bound)


def _listed(column: Column) -> str:
    values = [str(value) for value in column.categories or []]
    return ", ".join(values[:5]) + _more(values, 5)


def _more(values: list[str], shown: int) -> str:
    return f" and {len(values) - shown} more" if len(values) > shown else ""
