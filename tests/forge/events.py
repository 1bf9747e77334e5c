"""What happened, as GitHub would tell workflows: events with payloads, who caused them, and whether they start anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tests.forge import shapes
from tests.forge.access import Caller
from tests.forge.plumbing import ZERO, GitError
from tests.forge.state import Json

if TYPE_CHECKING:
    from tests.forge.repo import Repo

GENERATIONS = 10
# GitHub creates no events for tags when more than three are pushed at once.
TAGS_AT_ONCE = 3
ALWAYS_START = ("workflow_dispatch", "repository_dispatch")


class Loop(RuntimeError):
    """Events caused by workflows caused by events, and so on: more than ten generations."""


@dataclass
class Event:
    """One event. ``triggers``: the keys of ``on:`` it can start; ``ref`` and ``sha``: what the run would get."""

    number: int
    name: str
    action: str
    payload: Json
    actor: str
    ref: str
    sha: str
    starts: bool
    generation: int
    triggers: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """Changed files: of the push, or of the pull request against its merge base."""
    target_sha: str = ""
    """Of pull requests: the tip of the base branch, which is what pull_request_target gets."""
    fork: bool = False
    error: str = ""


def emit(
    repo: Repo,
    caller: Caller,
    name: str,
    payload: Json,
    *,
    action: str = "",
    ref: str = "",
    sha: str = "",
    files: Sequence[str] = (),
    triggers: Sequence[str] | None = None,
    target_sha: str = "",
    fork: bool = False,
) -> Event:
    """Write an event into the log of its repository, where a runner finds it."""
    generation = caller.generation
    if generation is None:
        generation = repo.data["generation"] + 1 if caller.bot else 0
    error = ""
    if generation > GENERATIONS:
        error = (
            f"a loop: {name} {action} by {caller.login} is generation {generation}, caused by its own kind"
        )
    branch = repo.data["default_branch"]
    repo.data["event_number"] += 1
    event = Event(
        number=repo.data["event_number"],
        name=name,
        action=action,
        payload={
            **({"action": action} if action else {}),
            **payload,
            "repository": shapes.repository(repo),
            "sender": shapes.user(repo.forge, caller.login),
        },
        actor=caller.login,
        ref=ref or f"refs/heads/{branch}",
        sha=sha or repo.git.ref(f"refs/heads/{branch}") or "",
        starts=(caller.starts_workflows or name in ALWAYS_START) and not error,
        generation=generation,
        triggers=list(triggers) if triggers is not None else [name],
        files=list(files),
        target_sha=target_sha,
        fork=fork,
        error=error,
    )
    repo.log.append(event)
    repo.data["events"].append(asdict(event))
    return event


def pushed(repo: Repo, caller: Caller, updates: Sequence[tuple[str, str, str]]) -> None:
    """A push event for each branch and tag that moved; other refs fire none."""
    tags = [ref for _, _, ref in updates if ref.startswith("refs/tags/")]
    for old, new, ref in updates:
        quiet = ref.startswith("refs/tags/") and len(tags) > TAGS_AT_ONCE
        if quiet or not ref.startswith(("refs/heads/", "refs/tags/")):
            continue
        _push(repo, caller, old, new, ref)


def _push(repo: Repo, caller: Caller, old: str, new: str, ref: str) -> None:
    created, deleted = old == ZERO, new == ZERO
    tip = None if deleted else repo.git.resolve(new)
    base = None if created else repo.git.resolve(old)
    default = repo.git.ref(f"refs/heads/{repo.data['default_branch']}")
    commits: list[Json] = []
    files: list[str] = []
    if tip and ref.startswith("refs/heads/"):
        against = base or (default if default != tip else None)
        listed = repo.git.commits(tip, *([f"^{against}"] if against else []))
        commits = [shapes.pushed_commit(repo, sha) for sha in listed[-20:]]
        start = (repo.git.merge_base(against, tip) if created else against) if against else None
        try:
            files = [change.path for change in repo.git.changes(start or shapes.EMPTY_TREE, tip)]
        except GitError:
            files = []
    user = repo.forge.state.user(caller.login)
    payload = {
        "ref": ref,
        "before": old,
        "after": new,
        "created": created,
        "deleted": deleted,
        "forced": bool(base and tip and not repo.git.is_ancestor(base, tip)),
        "base_ref": None,
        "compare": f"{repo.url}/compare/{old[:12]}...{new[:12]}",
        "commits": commits,
        "head_commit": shapes.pushed_commit(repo, tip) if tip else None,
        "pusher": {"name": caller.login, "email": user["email"]},
    }
    emit(repo, caller, "push", payload, ref=ref, sha=tip or ZERO, files=files)


def pull(repo: Repo, caller: Caller, issue: Json, action: str, **more: Any) -> None:
    """A pull_request event; a conflicted one starts pull_request_target alone, as there is no merge to test."""
    data = issue["pull"]
    base = repo.git.ref(f"refs/heads/{data['base']['ref']}") or data["base"]["sha"]
    head = data["head"]["sha"]
    start = repo.git.merge_base(base, head) if base else None
    both = not data["conflict"] or action == "closed"
    emit(
        repo,
        caller,
        "pull_request",
        {"number": issue["number"], "pull_request": shapes.pull(repo, issue, full=True), **more},
        action=action,
        ref=f"refs/pull/{issue['number']}/merge",
        sha=data["merge_commit_sha"] or head,
        files=[change.path for change in repo.git.changes(start, head)] if start else [],
        triggers=["pull_request", "pull_request_target"] if both else ["pull_request_target"],
        target_sha=base,
        fork=data["head"]["repo"] != repo.slug,
    )


def issue_event(repo: Repo, caller: Caller, issue: Json, action: str, **more: Any) -> None:
    """An event of an issue, or of a pull request where it is one."""
    if issue["pull"]:
        pull(repo, caller, issue, action, **more)
    else:
        emit(repo, caller, "issues", {"issue": shapes.issue(repo, issue), **more}, action=action)
