"""Which workflows an event starts, by GitHub's rules, and why the others stay still: act itself ignores all filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from tests.workflows import cron
from tests.workflows.globs import any_selected, selected

Json = dict[str, Any]
FOLDER = ".github/workflows/"
DEFAULT_TYPES = {
    "pull_request": ("opened", "synchronize", "reopened"),
    "pull_request_target": ("opened", "synchronize", "reopened"),
}
# Events whose workflow GitHub takes from the revision of the event; all others come from the default branch.
OF_THE_REF = {
    "push",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "workflow_dispatch",
    "create",
    "release",
    "merge_group",
    "deployment",
    "deployment_status",
}
EVENTS = OF_THE_REF | {
    "pull_request_target",
    "schedule",
    "repository_dispatch",
    "workflow_run",
    "workflow_call",
    "issue_comment",
    "issues",
    "label",
    "delete",
    "fork",
    "status",
    "check_run",
    "check_suite",
    "milestone",
    "discussion",
    "discussion_comment",
    "page_build",
    "public",
    "watch",
    "gollum",
    "branch_protection_rule",
    "registry_package",
    "image_version",
}
SKIP = re.compile(r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]")
ALWAYS = ("workflow_dispatch", "repository_dispatch")
MAX_INPUTS = 25


class WorkflowError(Exception):
    """A workflow, or a dispatch of one, that GitHub would refuse."""


class Event(Protocol):
    """What the matcher needs to know of an event; tests.forge.events.Event is one."""

    @property
    def name(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def payload(self) -> Json: ...
    @property
    def actor(self) -> str: ...
    @property
    def ref(self) -> str: ...
    @property
    def sha(self) -> str: ...
    @property
    def target_sha(self) -> str: ...
    @property
    def starts(self) -> bool: ...
    @property
    def triggers(self) -> list[str]: ...
    @property
    def files(self) -> list[str]: ...
    @property
    def fork(self) -> bool: ...


@dataclass(frozen=True)
class Decision:
    """Whether one workflow starts on one event, and the reason if it does not. ``trigger``: the key of ``on:``."""

    workflow: str
    trigger: str
    starts: bool
    reason: str = ""
    inputs: Json = field(default_factory=dict)


def load(text: str | bytes, name: str = "workflow") -> Json:
    """A workflow or an action as plain data. YAML 1.2, as GitHub: 1.1 would read `on:` as True."""
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except YAMLError as wrong:
        raise WorkflowError(f"{name} cannot be read: {wrong}") from None
    if not isinstance(found, dict):
        raise WorkflowError(f"{name} is no mapping")
    return found


def triggers_of(workflow: Mapping[str, Any], name: str = "workflow") -> dict[str, Any]:
    """``on:`` in its long form, whichever of the three it was written in. Raises for events that do not exist."""
    if "on" not in workflow:
        raise WorkflowError(f"{name} has no on:")
    on = workflow["on"]
    if isinstance(on, str):
        found: dict[str, Any] = {on: {}}
    elif isinstance(on, list):
        found = {str(key): {} for key in on}
    elif isinstance(on, dict):
        found = {str(key): value if value is not None else {} for key, value in on.items()}
    else:
        raise WorkflowError(f"{name}: on: is neither a name, a list nor a mapping")
    unknown = sorted(set(found) - EVENTS)
    if unknown:
        raise WorkflowError(f"{name}: no such event: {', '.join(unknown)}")
    return found


def source(event: Event, trigger: str, default_tip: str = "") -> str:
    """The commit whose workflow files count: the PR's merge, the ref, or the default branch's tip.

    ``default_tip`` is asked for by pull_request_target alone, where the base is another branch: GitHub takes the
    workflow from the default branch all the same (since December 2025).
    """
    if trigger != "pull_request_target":
        return event.sha
    base = event.payload["pull_request"]["base"]["ref"]
    return event.target_sha if base == event.payload["repository"]["default_branch"] else default_tip


def decide(
    event: Event, files: Callable[[str], Mapping[str, str | bytes]], head_message: str = ""
) -> list[Decision]:
    """Every workflow with a verdict for each trigger of the event. ``files(trigger)``: path -> text, right revision.

    A file that is no valid workflow is a verdict too: GitHub starts nothing from it. ``head_message``: of a pull
    request's last commit, which its payload does not carry.
    """
    decisions = []
    both = ["pull_request", "pull_request_target"] if event.name == "pull_request" else []
    for trigger in both or event.triggers or [event.name]:
        for path, text in sorted(files(trigger).items()):
            if (
                path.startswith(FOLDER)
                and "/" not in path[len(FOLDER) :]
                and path.endswith((".yml", ".yaml"))
            ):
                decisions.append(judge(event, trigger, path, text, head_message))
    return decisions


def judge(event: Event, trigger: str, path: str, text: str | bytes, head_message: str = "") -> Decision:
    """The verdict on one workflow for one trigger."""
    try:
        workflow = load(text, path)
        triggers = triggers_of(workflow, path)
        reason, inputs = _judge(event, trigger, path, triggers, head_message)
    except (WorkflowError, cron.CronError) as wrong:
        return Decision(path, trigger, False, f"invalid: {wrong}")
    return Decision(path, trigger, not reason, reason, inputs)


def _judge(
    event: Event, trigger: str, path: str, triggers: Mapping[str, Any], head_message: str
) -> tuple[str, Json]:
    if trigger not in triggers:
        return f"on: has no {trigger}", {}
    if not event.starts and trigger not in ALWAYS:
        return f"what {event.actor} does with GITHUB_TOKEN starts nothing", {}
    if event.name == "pull_request" and trigger not in event.triggers:
        return "the pull request has conflicts: there is no merge to test", {}
    said = triggers[trigger]
    if trigger == "schedule":
        return _schedule(event, said), {}
    if not isinstance(said, dict):
        raise WorkflowError(f"{path}: on.{trigger} is no mapping")
    if trigger == "workflow_dispatch":
        if _named(event) not in ("", path, path.removeprefix(FOLDER)):
            return f"the dispatch names {_named(event)}", {}
        return "", dispatch_inputs(said, event.payload.get("inputs") or {})
    checks: Iterable[Callable[[], str]] = (
        lambda: _types(event, trigger, said),
        lambda: _skipped(event, trigger, head_message),
        lambda: _branches(event, trigger, said),
        lambda: _paths(event, trigger, said),
        lambda: _upstream(event, trigger, said),
    )
    return next((reason for check in checks if (reason := check())), ""), {}


def _named(event: Event) -> str:
    return str(event.payload.get("workflow") or "")


def _schedule(event: Event, said: Any) -> str:
    lines = crons(said)
    for line in lines:
        cron.parse(line)
    struck = event.payload.get("schedule")
    return (
        "" if struck in (None, *lines) else f"the clock struck for {struck!r}, not for {' or '.join(lines)}"
    )


def crons(said: Any) -> list[str]:
    """The cron lines of ``on.schedule``."""
    if not isinstance(said, list) or not all(isinstance(one, dict) and "cron" in one for one in said):
        raise WorkflowError("on.schedule is no list of cron: lines")
    return [str(one["cron"]) for one in said]


def _list(said: Mapping[str, Any], key: str) -> list[str] | None:
    if key not in said:
        return None
    value = said[key]
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _types(event: Event, trigger: str, said: Mapping[str, Any]) -> str:
    if trigger == "repository_dispatch":
        happened = str(event.payload.get("action") or event.action)
        wanted: Sequence[str] | None = _list(said, "types")
    else:
        happened = event.action
        wanted = _list(said, "types") or DEFAULT_TYPES.get(trigger)
    if wanted is None or happened in wanted:
        return ""
    return f"types: {', '.join(wanted)} has no {happened or 'empty one'}"


def _skipped(event: Event, trigger: str, head_message: str) -> str:
    if trigger == "push":
        message = str((event.payload.get("head_commit") or {}).get("message", ""))
        if event.payload.get("deleted"):
            return "the ref was deleted"
    elif trigger == "pull_request":
        message = head_message
    else:
        return ""
    found = SKIP.search(message)
    return f"the commit says {found[0]}" if found else ""


def _branch_lists(said: Mapping[str, Any], kind: str) -> tuple[list[str] | None, list[str] | None]:
    only, ignored = _list(said, kind), _list(said, f"{kind}-ignore")
    if only is not None and ignored is not None:
        raise WorkflowError(f"{kind} and {kind}-ignore exclude each other")
    if only is not None and only and all(pattern.startswith("!") for pattern in only):
        raise WorkflowError(f"{kind} has only patterns with !: nothing can match")
    return only, ignored


def _filtered(name: str, said: Mapping[str, Any], kind: str) -> str:
    only, ignored = _branch_lists(said, kind)
    if only is not None and not selected(only, name):
        return f"{kind}: {', '.join(only)} does not match {name}"
    if ignored is not None and selected(ignored, name):
        return f"{kind}-ignore: {', '.join(ignored)} matches {name}"
    return ""


def _branches(event: Event, trigger: str, said: Mapping[str, Any]) -> str:
    if trigger == "push":
        kind, other = ("tags", "branches") if event.ref.startswith("refs/tags/") else ("branches", "tags")
        has = [key for key in (kind, f"{kind}-ignore") if key in said]
        if not has and any(key in said for key in (other, f"{other}-ignore")):
            return f"only {other} are filtered: {kind} start nothing"
        return _filtered(event.ref.removeprefix("refs/heads/").removeprefix("refs/tags/"), said, kind)
    if trigger in ("pull_request", "pull_request_target"):
        return _filtered(event.payload["pull_request"]["base"]["ref"], said, "branches")
    if trigger == "workflow_run":
        return _filtered(str(event.payload["workflow_run"]["head_branch"]), said, "branches")
    return ""


def _paths(event: Event, trigger: str, said: Mapping[str, Any]) -> str:
    if trigger not in ("push", "pull_request", "pull_request_target") or event.ref.startswith("refs/tags/"):
        return ""
    only, ignored = _branch_lists(said, "paths")
    if only is not None and not any_selected(only, event.files):
        return f"paths: {', '.join(only)} matches none of {len(event.files)} changed files"
    if ignored is not None and all(selected(ignored, name) for name in event.files):
        return f"paths-ignore: {', '.join(ignored)} matches all changed files"
    return ""


def _upstream(event: Event, trigger: str, said: Mapping[str, Any]) -> str:
    if trigger != "workflow_run":
        return ""
    wanted = _list(said, "workflows")
    if not wanted:
        raise WorkflowError("on.workflow_run names no workflows")
    name = str(event.payload["workflow_run"]["name"])
    return "" if selected(wanted, name) else f"workflows: {', '.join(wanted)} has no {name}"


def dispatch_inputs(said: Mapping[str, Any], given: Mapping[str, Any]) -> Json:
    """The inputs of a dispatch with defaults filled in, as strings or booleans. Raises with GitHub's words (422)."""
    declared: Mapping[str, Any] = said.get("inputs") or {}
    if len(declared) > MAX_INPUTS:
        raise WorkflowError(
            f"you may only define up to {MAX_INPUTS} `inputs` for a `workflow_dispatch` event"
        )
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise WorkflowError(f"Unexpected inputs provided: {unknown}")
    found: Json = {}
    for name, rules in declared.items():
        found[name] = _input(name, rules or {}, given)
    return found


def _input(name: str, rules: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    kind = rules.get("type", "string")
    if kind not in ("string", "boolean", "choice", "number", "environment"):
        raise WorkflowError(f"input {name!r} is of no known type: {kind}")
    options = [str(one) for one in rules.get("options") or []]
    if kind == "choice" and not options:
        raise WorkflowError(f"input {name!r} is a choice without options")
    value = given.get(name)
    if value is None or value == "":
        if rules.get("required") and "default" not in rules:
            raise WorkflowError(f"Required input '{name}' not provided")
        empty = {"boolean": "false", "choice": options[0] if options else ""}.get(kind, "")
        value = rules.get("default", empty)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "choice" and text not in options:
        raise WorkflowError(f"Provided value '{text}' for input '{name}' not in the list of allowed values")
    if kind == "boolean" and text not in ("true", "false"):
        raise WorkflowError(f"Provided value '{text}' for input '{name}' is no boolean")
    if kind == "number" and text and not re.fullmatch(r"-?\d+(\.\d+)?", text):
        raise WorkflowError(f"Provided value '{text}' for input '{name}' is no number")
    return text
