"""`gitops-ml policy explain`: each key with its meaning, its type, what holds here, and whether anybody has said so."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from gitops_ml.policy.keys import MISSING, Key, shown, value

MOST = 200  # characters of a value


def text(keys: Sequence[Key], written: Any, in_force: Any, width: int) -> str:
    """The keys as plain text of at most ``width`` columns. ``written``: the file; ``in_force``: with its defaults."""
    return "\n".join(line for key in keys for line in _lines(key, written, in_force, width))


def _lines(key: Key, written: Any, in_force: Any, width: int) -> list[str]:
    # Names and bounds may be longer than a line: they are cut, never run over.
    wrap = textwrap.TextWrapper(width, initial_indent="      ", subsequent_indent="      ")
    told = wrap.wrap(f"{key.meaning.rstrip('.')}.")
    if key.group:
        return ["", f"  {key.path}", *told]
    return [f"  {line}" for line in textwrap.wrap(f"{key.path}{_said(key, written, in_force)}", width - 2)] + [
        *told, *wrap.wrap(f"Type: {key.type}"),
    ]  # fmt: skip


def _said(key: Key, written: Any, in_force: Any) -> str:
    if "[]" in key.path or "<" in key.path:
        default = "must be said" if key.default is MISSING else f"default {shown(key.default)}"
        return f"  (of each entry; {default})"
    here = shown(value(in_force, key.path))
    here = here if len(here) <= MOST else f"{here[: MOST - 3]}..."
    if value(written, key.path) is MISSING:
        return f" = {here}  (the default)"
    if key.default is MISSING or value(in_force, key.path) == key.default:
        return f" = {here}  (policy.yaml{'' if key.default is MISSING else ', as the default'})"
    return f" = {here}  (policy.yaml; the default is {shown(key.default)})"
