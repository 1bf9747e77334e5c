"""Whose params.yaml puts the newest rows into the test: what a pull request must not change unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitops_ml.contracts.base import read_plain
from gitops_ml.gate.chain import Source

PARAMS = "params.yaml"


def by_time(base: Path, source: Source) -> tuple[str, ...]:
    """Of base and head those that split by time. Raises :class:`Fault` for a params.yaml that cannot be read."""
    found = []
    if (base / PARAMS).is_file() and _by_time(read_plain(base / PARAMS)):
        found.append("base")
    if source.has(PARAMS) and _by_time(source.yaml(PARAMS)):
        found.append("head")
    return tuple(found)


def _by_time(content: Any) -> bool:
    """params.yaml is the team's own: one without such a block says nothing of time."""
    for key in ("data", "split", "strategy"):
        content = content.get(key) if isinstance(content, dict) else None
    return bool(content == "time")
