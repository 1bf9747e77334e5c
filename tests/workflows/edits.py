"""What people change in executed tests: params, rows, the contract, and one setting of the repository."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.workflows.world import World

Edit = Callable[[Path], None]
TABLE = "data/raw/breast_cancer.csv"


def text(path: str, *changes: tuple[str, str]) -> Edit:
    """An edit of a text file: each pattern must be there, and is replaced."""

    def edit(project: Path) -> None:
        file = project / path
        content = file.read_text("utf-8")
        for old, new in changes:
            assert re.search(old, content), f"{old} is not in {path}"
            content = re.sub(old, new, content)
        file.write_text(content, "utf-8")

    return edit


def params(*changes: tuple[str, str]) -> Edit:
    """An edit of params.yaml."""
    return text("params.yaml", *changes)


def newer_rows(project: Path, count: int = 20) -> None:
    """More rows of the same kind: some of all over the table once more, a little larger."""
    table = project / TABLE
    lines = table.read_text("utf-8").splitlines()
    for line in lines[1 :: len(lines) // count]:
        radius, _, rest = line.partition(",")
        lines.append(f"{float(radius) + 0.01:.2f},{rest}")
    table.write_text("\n".join(lines) + "\n", "utf-8")


def no_strictness(world: World) -> None:
    """Ada takes "branches must be up to date before merging" out of the rule, as a team in a hurry does."""
    (listed,) = world.api("GET", "/rulesets")
    rules = world.api("GET", f"/rulesets/{listed['id']}")["rules"]
    for rule in rules:
        if rule["type"] == "required_status_checks":
            rule["parameters"]["strict_required_status_checks_policy"] = False
    world.api("PUT", f"/rulesets/{listed['id']}", {"rules": rules})
