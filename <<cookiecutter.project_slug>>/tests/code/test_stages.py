"""A stage of dvc.yaml runs again when any code behind it has changed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

PACKAGE = "<<cookiecutter.package_name>>"
ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / PACKAGE
STAGES: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))[
    "stages"
]


def imported(code: str) -> set[str]:
    """The package's modules that a module of the package names in its imports, wherever they stand."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            origin = ".".join(filter(None, [PACKAGE if node.level else "", node.module]))
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == PACKAGE and len(part) > 1 and _file(part[1]).is_file()}


def behind(module: str) -> set[str]:
    """The module, and what it imports of the package, directly or not."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imported(_file(name).read_text(encoding="utf-8"))
    return found


def runs(stage: str) -> list[str]:
    """The package's modules that a stage runs."""
    command = STAGES[stage]["cmd"]
    words = " ".join(command if isinstance(command, list) else [command]).split()
    return [word.removeprefix(f"{PACKAGE}.") for word in words if word.startswith(f"{PACKAGE}.")]


def code_of(stage: str) -> set[str]:
    """The modules among the deps of a stage."""
    paths = [Path(dep) for dep in STAGES[stage]["deps"] if isinstance(dep, str)]
    return {path.stem for path in paths if path.suffix == ".py"}


def _file(module: str) -> Path:
    return SOURCE / f"{module}.py"


def test_imports_are_found_in_every_spelling() -> None:
    code = f"""
from . import artifact, no_module
from .schema import Schema
def later():
    from {PACKAGE}.params import Params
    import {PACKAGE}.table, json
"""
    assert imported(code) == {"artifact", "schema", "params", "table"}


@pytest.mark.parametrize("stage", [stage for stage in STAGES if runs(stage)])
def test_all_code_behind_a_stage_is_among_its_deps(stage: str) -> None:
    needed = set().union(*(behind(module) for module in runs(stage)))
    assert needed - code_of(stage) == set(), f"dvc.yaml: add these to the deps of {stage}"
