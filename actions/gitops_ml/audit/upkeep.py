"""Whether the loop itself is in order: its schedules run, its rule still blocks, no pull request of a robot is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gitops_ml import shell
from gitops_ml.audit.said import Finding, Note, Passed, Said
from gitops_ml.audit.scene import DRIFT, Scene
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.forge.client import CONTEXT
from gitops_ml.forge.errors import Refused

STANDING = ("deploy/", "roll-back/", "retrain/", "template/", "rebuild/")
WAITS = timedelta(days=30)
PLAN = "upgrade to github"
FOLDER = ".github/workflows/"


def drift(scene: Scene) -> Iterator[Said]:
    """The drift check ran as often as its schedule says."""
    every = _interval(scene.workflow("drift"))
    if every is None:
        yield Passed("main has no workflow drift.yml with a schedule")
        return
    run = "gh workflow run drift.yml"
    why = "nobody knows whether the model still fits its data"
    try:
        last, state = _last_run(scene)
    except Fault as fault:
        yield Finding(str(fault).splitlines()[0], why, run)
        return
    since = last or _appeared(scene, f"{FOLDER}drift.yml")
    if since is not None and scene.now - since > 2 * every:
        what = f"drift ran last on {last:%Y-%m-%d}" if last else "drift has never run"
        yield Finding(f"{what}, and its schedule says every {_words(every)}", why, run)
    elif last is None:
        yield Note("drift has not run yet; its first turn may still come")
    if state == "unknown":
        yield Note(
            "drift says unknown: nothing to watch. How to connect a log of predictions: docs/runbook.md"
        )


def _last_run(scene: Scene) -> tuple[datetime | None, str]:
    """When drift ran last, and what it said; None if it never did. Raises :class:`Fault` for a record that is none."""
    commit = scene.refs.get(DRIFT)
    if commit is None:
        return None, ""
    said = tree.plain(scene.root, commit, "state.json")
    runs = said.get("runs") if isinstance(said, dict) else None
    if not isinstance(runs, list):
        raise Fault(f"state.json of {DRIFT} names no runs")
    found = []
    for one in runs:
        at = _moment(one.get("date") or one.get("at")) if isinstance(one, dict) else None
        if at is not None and at <= scene.now + timedelta(days=1):
            found.append((at, str(one.get("state") or "")))
    return max(found) if found else (None, "")


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _appeared(scene: Scene, path: str) -> datetime | None:
    """When a file came to main."""
    listed = shell.git(
        scene.root, "log", "--first-parent", "--diff-filter=A", "--format=%cI", scene.main, "--", path
    )
    return _moment(listed.splitlines()[0]) if listed else None


def _interval(workflow: Any) -> timedelta | None:
    """The longest pause between two turns of a workflow's schedule, roughly, and never too short; None without one."""
    on = workflow.get("on") if isinstance(workflow, dict) else None
    schedule = on.get("schedule") if isinstance(on, dict) else None
    lines = [str(one.get("cron")) for one in schedule or [] if isinstance(one, dict)]
    return min((_pause(line) for line in lines), default=None)


def _pause(line: str) -> timedelta:
    fields = line.split()
    day, month, weekday = fields[2:] if len(fields) == 5 else ("*", "*", "*")
    if month != "*":
        return timedelta(days=366)
    pauses = [days for field, days in ((day, 31), (weekday, 7)) if field != "*"]
    return timedelta(days=min(pauses, default=1))


def _words(every: timedelta) -> str:
    return "day" if every.days == 1 else f"{every.days} days"


def rule(scene: Scene) -> Iterator[Said]:
    """Main cannot be changed without the status gitops-ml, and nobody is let past that."""
    fix = "gitops-ml publish"
    why = "what the gate blocks can be merged all the same"
    try:
        active = list(scene.hub.api.pages("rules/branches/main"))
    except Refused as refused:
        if refused.status == 403 and PLAN in refused.said.lower():
            yield Note(
                "merges are not blocked here: this plan has no rulesets for a private repository; release still judges"
            )
            return
        raise
    required = {
        check.get("context")
        for one in active
        if one.get("type") == "required_status_checks"
        for check in (one.get("parameters") or {}).get("required_status_checks") or []
    }
    if CONTEXT not in required:
        yield Finding(f"main does not require the status {CONTEXT}", why, fix)
    if not any(one.get("type") == "pull_request" for one in active):
        yield Finding("main can be pushed to: no rule asks for a pull request", why, fix)
    for number in sorted(
        {int(one["ruleset_id"]) for one in active if one.get("ruleset_source_type") == "Repository"}
    ):
        there = scene.hub.api.get(f"rulesets/{number}")
        if "bypass_actors" not in there:
            # GitHub shows them to administrators only: a workflow's token never sees them.
            yield Note(f"who may bypass the rule {there.get('name')} is shown to administrators only")
        elif there["bypass_actors"]:
            kinds = sorted({str(one.get("actor_type")) for one in there["bypass_actors"]})
            page = f"{scene.hub.place.web}/settings/rules/{number}"
            yield Finding(
                f"the rule {there.get('name')} lets {len(there['bypass_actors'])} past it ({', '.join(kinds)})",
                why,
                f"empty its bypass list: {page}",
            )


def standing(scene: Scene) -> Iterator[Said]:
    """A robot's branch has one open pull request at most, and none is forgotten."""
    open_: dict[str, list[dict[str, Any]]] = {}
    for pull in scene.hub.api.pages("pulls", state="open"):
        head = pull["head"]
        ours = ((head.get("repo") or {}).get("full_name") or "").lower() == scene.hub.place.slug.lower()
        if ours and str(head["ref"]).startswith(STANDING):
            open_.setdefault(str(head["ref"]), []).append(pull)
    for branch, pulls in open_.items():
        numbers = sorted(int(pull["number"]) for pull in pulls)
        if len(numbers) > 1:
            listed = ", ".join(f"#{number}" for number in numbers)
            yield Finding(
                f"{branch} has {len(numbers)} open pull requests: {listed}",
                "a robot keeps one up to date; the others say what is no longer so",
                f"gh pr close {numbers[-1]}",
            )
        since = _moment(pulls[0].get("created_at"))
        if since is not None and scene.now - since > WAITS:
            days = (scene.now - since).days
            yield Note(f"#{numbers[0]} ({branch}) has waited for {days} days: merge it, or close it")


def schedules(scene: Scene) -> Iterator[Said]:
    """GitHub has switched none of main's workflows off."""
    listed = scene.hub.api.get("actions/workflows", per_page=100)["workflows"]
    for one in listed:
        path, state = str(one["path"]), str(one["state"])
        if state == "active" or tree.blob_id(scene.root, scene.main, path) is None:
            continue
        name = path.removeprefix(FOLDER)
        if state == "disabled_inactivity":
            yield Finding(
                f"GitHub switched {name} off: nothing happened here for 60 days",
                "its schedule does not run, and nothing says so",
                f"gh workflow enable {name}",
            )
        else:
            yield Note(f"{name} is switched off ({state}). On again: gh workflow enable {name}")
