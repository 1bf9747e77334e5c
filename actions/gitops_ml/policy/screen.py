"""`gitops-ml policy`: which checks stop a model here, which only tell, and what nobody looks at, on one screen."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.gate.catalogue import Standing, standings


def text(policy: PolicyFile, schema: SchemaFile, width: int, handed_over: bool = True) -> str:
    """The screen, at most ``width`` columns wide. ``handed_over``: see :mod:`gitops_ml.delivery.handed_over`."""
    found = standings(policy, schema)
    # What waits for production's first change of hands is a note until then; turning it on is no key's business.
    waits = [one for one in found if one.stops and not handed_over and one.entry.waits]
    stops = [one for one in found if one.stops and one not in waits]
    tells = [one for one in found if one.ids and not one.stops]
    off = [
        one for one in found if not one.ids and one.entry.on
    ]  # without a line to turn it on, it adds to another
    column = max(len(", ".join(one.ids) or one.entry.id) for one in found)
    column = min(column, 34)
    lines = _part("stops a model", stops, column, width)
    lines += _part("stops it once production has changed hands", waits, column, width)
    lines += _part("tells, and stops nothing", tells, column, width)
    lines += _part("UNPROTECTED: nobody looks", off, column, width)
    return "\n".join(lines).strip("\n")


def _part(title: str, standings: Sequence[Standing], column: int, width: int) -> list[str]:
    if not standings:
        return []
    lines = ["", f"  {title}"]
    for one in standings:
        name = ", ".join(one.ids) or one.entry.id
        said = one.entry.question
        if one.stops:
            said += f"  ({'blocks' if one.severity == 'block' else 'a person decides'})"
        indent = " " * (column + 6)
        first = f"    {name:<{column}}  "
        wrapped = textwrap.wrap(said, width, initial_indent=first, subsequent_indent=indent)
        if len(first) > column + 6:  # a long name has a line of its own
            wrapped = [
                first.rstrip(),
                *textwrap.wrap(said, width, initial_indent=indent, subsequent_indent=indent),
            ]
        lines += wrapped
        if one.line:
            lines.append(f"{indent}-> {one.line}")  # never wrapped: it is there to be copied
    return lines
