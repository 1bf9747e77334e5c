"""Answers for which workflows a change would start, on its pull request and after its merge, and why: by their `on:`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_ml import shell

FOLDER = ".github/workflows"
When = Literal["pull request", "merge", "otherwise"]
OPENED = ("opened", "synchronize", "reopened")
FORKS_ONLY = re.compile(r"head\.repo\.full_name\s*!=\s*github\.repository")
SPELLED = {
    "schedule": "on a schedule",
    "workflow_dispatch": "by hand",
    "workflow_call": "called by others",
    "repository_dispatch": "by a dispatch",
    "pull_request_review": "by a review",
    "workflow_run": "after another workflow",
}


@dataclass(frozen=True)
class Workflow:
    """One workflow and this change: when it starts, if it does, and the reason in a few words."""

    file: str
    when: When
    starts: bool
    why: str


def workflows(root: Path, base: str, head: str = "HEAD") -> dict[str, tuple[Any, Any]]:
    """File name -> content on the base branch and in the change; None where it is not, or cannot be read."""
    names: dict[str, None] = {}
    for revision in (base, head):
        listed = shell.ask_git(root, "ls-tree", "--name-only", revision, f"{FOLDER}/") or ""
        names |= {
            path.rpartition("/")[2]: None for path in listed.splitlines() if path.endswith((".yml", ".yaml"))
        }
    return {name: (_read(root, base, name), _read(root, head, name)) for name in sorted(names)}


def starting(
    found: Mapping[str, tuple[Any, Any]], changed: Sequence[str], branch: str = "main"
) -> list[Workflow]:
    """What each of them does when a branch of this repository with these changed paths asks to go to ``branch``.

    pull_request_target is read from the base branch, all else from the change: as GitHub does it.
    """
    result: list[Workflow] = []
    for name, (old, new) in found.items():
        target, other = _events(old), _events(new)
        lines = []
        if "pull_request_target" in target:
            lines.append(_pull(name, old, target["pull_request_target"], changed, branch))
        if "pull_request" in other:
            lines.append(_pull(name, new, other["pull_request"], changed, branch))
        if "push" in other:
            lines.append(_push(name, other["push"], changed, branch))
        if not lines:
            events = [SPELLED.get(event, event) for event in {**target, **other}]
            lines.append(Workflow(name, "otherwise", False, ", ".join(events) or "its `on:` cannot be read"))
        result += lines
    order = {"pull request": 0, "merge": 1, "otherwise": 2}
    return sorted(result, key=lambda one: (order[one.when], not one.starts, one.file))


def _read(root: Path, revision: str, name: str) -> Any:
    text = shell.ask_git(root, "show", f"{revision}:{FOLDER}/{name}")
    try:
        return None if text is None else YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None


def _events(content: Any) -> dict[str, Any]:
    """Event -> its filters, of the three ways to write `on:`."""
    on = content.get("on") if isinstance(content, dict) else None
    if isinstance(on, str):
        return {on: {}}
    if isinstance(on, list):
        return {str(event): {} for event in on}
    return {str(event): filters or {} for event, filters in on.items()} if isinstance(on, dict) else {}


def _pull(name: str, content: Any, filters: Any, changed: Sequence[str], branch: str) -> Workflow:
    types = _list(filters, "types")
    if types and not set(types) & set(OPENED):
        return Workflow(name, "pull request", False, f"only when {', '.join(types)}")
    starts, why = _filtered(filters, changed, branch)
    if starts and _for_forks(content):
        return Workflow(name, "pull request", False, "for forks only: its jobs are skipped")
    return Workflow(name, "pull request", starts, why or "every pull request")


def _push(name: str, filters: Any, changed: Sequence[str], branch: str) -> Workflow:
    tags = _list(filters, "tags") or _list(filters, "tags-ignore")
    if tags and not (_list(filters, "branches") or _list(filters, "branches-ignore")):
        return Workflow(name, "otherwise", False, "by a tag")
    starts, why = _filtered(filters, changed, branch)
    return Workflow(name, "merge", starts, why or f"{branch} moves")


def _filtered(filters: Any, changed: Sequence[str], branch: str) -> tuple[bool, str]:
    """Whether branch and paths let it start; the reason where a filter decided."""
    wanted, kept_out = _list(filters, "branches"), _list(filters, "branches-ignore")
    if (wanted and not matches(wanted, branch)) or (kept_out and matches(kept_out, branch)):
        return False, f"not for {branch}"
    wanted, kept_out = _list(filters, "paths"), _list(filters, "paths-ignore")
    if wanted:
        hit = next((path for path in changed if matches(wanted, path)), None)
        return hit is not None, f"{hit} changed" if hit else f"nothing of {', '.join(wanted[:2])} changed"
    if kept_out and changed and all(matches(kept_out, path) for path in changed):
        return False, f"only {', '.join(kept_out[:2])} changed"
    return True, ""


def matches(patterns: Sequence[str], name: str) -> bool:
    """GitHub's filter patterns, in their order: `!` takes back what an earlier one let in."""
    found = False
    for pattern in patterns:
        if re.fullmatch(_regex(pattern.removeprefix("!")), name):
            found = not pattern.startswith("!")
    return found


def _regex(pattern: str) -> str:
    """`**` is anything, `*` anything without a slash, `?` and `+` count what stands before them, `[..]` one of these."""
    parts = re.findall(r"\*\*/|\*\*|\*|\[[^\]]+\]|[?+]|.", pattern)
    special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "?", "+": "+"}
    return "".join(
        special.get(part, part if part.startswith("[") and len(part) > 1 else re.escape(part))
        for part in parts
    )


def _list(filters: Any, key: str) -> list[str]:
    value = filters.get(key) if isinstance(filters, dict) else None
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


def _for_forks(content: Any) -> bool:
    jobs = content.get("jobs") if isinstance(content, dict) else None
    written = [str(job.get("if", "")) for job in jobs.values()] if isinstance(jobs, dict) else []
    return bool(written) and all(FORKS_ONLY.search(one) for one in written)
