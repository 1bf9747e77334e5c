"""What act ignores and GitHub does not: pins, permissions, timeouts, concurrency, expressions in scripts, by reading files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PIN = re.compile(r"@[0-9a-f]{40}$")
VERSION = re.compile(r"#\s*v?\d+(\.\d+)*\b")
REASON = re.compile(r"#\s*\S+")
Check = Callable[[Iterable[Path]], list[str]]


@dataclass(frozen=True)
class File:
    """A workflow or an action with its lines."""

    path: Path
    lines: list[str]
    data: Any

    @property
    def workflow(self) -> bool:
        return "jobs" in self.data

    def jobs(self) -> Iterator[tuple[str, Any]]:
        yield from (self.data.get("jobs") or {}).items()

    def steps(self) -> Iterator[Any]:
        """All steps: of every job, or of a composite action."""
        for _, job in self.jobs():
            yield from job.get("steps") or []
        yield from (self.data.get("runs") or {}).get("steps") or []

    def line(self, node: Any, key: str | None = None) -> int:
        """Counted from 1: where a node, or a key of it, stands."""
        if key is not None and key in node:
            return int(node.lc.key(key)[0]) + 1
        return int(node.lc.line) + 1 if node is not None and hasattr(node, "lc") else 1

    def says(self, number: int, text: str) -> str:
        return f"{self.path}:{number} {text}"


def read(paths: Iterable[Path]) -> Iterator[File]:
    """The files with the places of their keys. A file that is no YAML raises."""
    for path in paths:
        text = path.read_text("utf-8")
        yield File(path, text.splitlines(), YAML(typ="rt").load(text))


def _uses(file: File) -> Iterator[tuple[Any, str]]:
    for _, job in file.jobs():
        if "uses" in job:
            yield job, str(job["uses"])
    for step in file.steps():
        if "uses" in step:
            yield step, str(step["uses"])


def unpinned(paths: Iterable[Path]) -> list[str]:
    """Third-party actions that are not pinned to a full commit id, or do not say which version that is."""
    found = []
    for file in read(paths):
        for node, uses in _uses(file):
            number = file.line(node, "uses")
            if uses.startswith("./"):
                continue
            if not PIN.search(uses):
                found.append(file.says(number, f"uses {uses}: not a full commit id"))
            elif not VERSION.search(file.lines[number - 1]):
                found.append(file.says(number, f"uses {uses}: no version in a comment behind it"))
    return found


def open_permissions(paths: Iterable[Path]) -> list[str]:
    """Workflows that do not begin with `permissions: {}`, which takes everything away from all jobs."""
    found = []
    for file in read(paths):
        if file.workflow and file.data.get("permissions", None) != {}:
            found.append(file.says(file.line(file.data, "permissions"), "permissions at the top are not {}"))
    return found


def unexplained_grants(paths: Iterable[Path]) -> list[str]:
    """Grants without their reason behind them, and grants of everything at once."""
    found = []
    for file in read(paths):
        for name, job in file.jobs():
            granted = job.get("permissions")
            if isinstance(granted, str):
                found.append(file.says(file.line(job, "permissions"), f"job {name}: permissions: {granted}"))
                continue
            for permission in granted or {}:
                number = file.line(granted, permission)
                if not REASON.search(file.lines[number - 1]):
                    found.append(
                        file.says(number, f"job {name}: {permission}: {granted[permission]} has no reason")
                    )
    return found


def endless_jobs(paths: Iterable[Path]) -> list[str]:
    """Jobs without `timeout-minutes`; a job that calls a workflow cannot have one."""
    return [
        file.says(file.line(file.data["jobs"], name), f"job {name} has no timeout-minutes")
        for file in read(paths)
        for name, job in file.jobs()
        if "uses" not in job and "timeout-minutes" not in job
    ]


def uncontrolled(paths: Iterable[Path]) -> list[str]:
    """Workflows without `concurrency`; one that is only called by others has its caller's."""
    found = []
    for file in read(paths):
        if not file.workflow:
            continue
        on = file.data.get("on")
        called = on == "workflow_call" or (isinstance(on, dict | list) and list(on) == ["workflow_call"])
        group = file.data.get("concurrency")
        if not called and not (isinstance(group, dict) and "group" in group):
            found.append(file.says(file.line(file.data, "concurrency"), "no concurrency with a group"))
    return found


def expressions_in_scripts(paths: Iterable[Path]) -> list[str]:
    """`${{` inside `run:` (or a script of github-script): whoever writes the value writes the program."""
    found = []
    for file in read(paths):
        for step in file.steps():
            scripts = [(step, "run")]
            if isinstance(step.get("with"), dict):
                scripts.append((step["with"], "script"))
            for node, key in scripts:
                if "${{" in str(node.get(key, "")):
                    found.append(file.says(file.line(node, key), f"an expression inside {key}:"))
    return found


def kept_credentials(paths: Iterable[Path]) -> list[str]:
    """Checkouts that leave their token in the folder."""
    found = []
    for file in read(paths):
        for step in file.steps():
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                kept = (step.get("with") or {}).get("persist-credentials", True)
                if str(kept).lower() != "false":
                    found.append(file.says(file.line(step, "uses"), "checkout keeps its credentials"))
    return found


CHECKS: tuple[Check, ...] = (
    unpinned,
    open_permissions,
    unexplained_grants,
    endless_jobs,
    uncontrolled,
    expressions_in_scripts,
    kept_credentials,
)


def findings(paths: Iterable[Path]) -> list[str]:
    """All checks over all files."""
    listed = list(paths)
    return [finding for check in CHECKS for finding in check(listed)]


def files(root: Path) -> list[Path]:
    """The workflows and actions of a repository: .github, and actions/ where the suite stands."""
    patterns = (".github/workflows/*.y*ml", ".github/actions/*/action.y*ml", "actions/*/action.y*ml")
    return sorted({path for pattern in patterns for path in root.glob(pattern)})
