"""Who calls, and what they may: tokens, roles, the permissions of jobs and Apps, GitHub's refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.forge.state import ACTIONS_BOT, Json, State

ROLES = ["none", "read", "triage", "write", "maintain", "admin"]
INTEGRATION = "Resource not accessible by integration"
WEAK_PAT = "Resource not accessible by personal access token"
# What a person with each role may do; all else needs admin.
WRITERS = {"contents", "pull-requests", "issues", "statuses", "actions", "deployments", "workflows", "checks"}


class Refused(Exception):
    """An answer other than success, in GitHub's words."""

    def __init__(self, status: int, message: str, errors: list[Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


def invalid(resource: str, *, field: str = "", code: str = "custom", message: str = "") -> Refused:
    """422 as GitHub shapes it."""
    error = {"resource": resource, "code": code}
    if field:
        error["field"] = field
    if message:
        error["message"] = message
    return Refused(422, "Validation Failed", [error])


def plain(permissions: Mapping[str, str] | None) -> dict[str, str] | None:
    """Permissions under the names of workflows: pull_requests and pull-requests are one."""
    if permissions is None:
        return None
    return {name.replace("_", "-"): level for name, level in permissions.items()}


@dataclass
class Caller:
    """The identity behind one call; kind: anonymous, pat, app, job."""

    login: str = ""
    kind: str = "anonymous"
    token: str = ""
    repo: str = ""
    permissions: dict[str, str] | None = None
    job: str | None = None
    run: str | None = None
    generation: int | None = None
    used: list[str] = field(default_factory=list)

    @property
    def bot(self) -> bool:
        return self.kind in ("job", "app")

    @property
    def starts_workflows(self) -> bool:
        """GitHub's own guard against loops: what GITHUB_TOKEN does starts nothing."""
        return self.kind != "job"


def caller_of(state: State, token: str | None) -> Caller:
    """The caller that a token names; Refused 401 for an unknown or an expired one."""
    if token is None:
        return Caller()
    record = state.data["tokens"].get(token)
    if record is None:
        raise Refused(401, "Bad credentials")
    if record.get("expired"):
        if record["kind"] == "pat":
            raise Refused(401, "Bad credentials. The personal access token has expired.")
        raise Refused(401, "Bad credentials. The token has expired.")
    return Caller(
        login=record["login"],
        kind=record["kind"],
        token=token,
        repo=record.get("repo", ""),
        permissions=record.get("permissions"),
        job=record.get("job"),
        run=record.get("run"),
        generation=record.get("generation"),
    )


def role(state: State, repo: Json, login: str) -> str:
    """The role of a person in a repository."""
    if login.lower() == repo["owner"].lower():
        return "admin"
    given: str | None = next(
        (r for u, r in repo["collaborators"].items() if u.lower() == login.lower()), None
    )
    if given:
        return given
    return "none" if repo["private"] else "read"


def readable(state: State, caller: Caller, repo: Json) -> bool:
    """Whether the repository exists, as far as this caller is told."""
    if not repo["private"]:
        return True
    if caller.kind == "anonymous":
        return False
    if caller.bot:
        return caller.repo.lower() == f"{repo['owner']}/{repo['name']}".lower()
    return role(state, repo, caller.login) != "none"


def _has(caller: Caller, name: str, level: str) -> bool:
    if caller.permissions is None:
        return not caller.bot
    given = caller.permissions.get(name, "none")
    return given in ("write", "admin") or (level == "read" and given == "read")


def require(state: State, caller: Caller, repo: Json, *needs: str) -> None:
    """Refuse unless the caller has one of the needs, like "contents: write" or "issues: comment".

    Records the need that was used: the first one that the token grants. "comment" is what any reader may do
    as a person, and what needs write as a token.
    """
    if not readable(state, caller, repo):
        raise Refused(404, "Not Found")
    public_read = False
    allowed = []
    for need in needs:
        name, _, level = need.partition(": ")
        level_of_token = "write" if level == "comment" else level
        if level == "read" and name == "metadata":
            allowed.append(need)
            continue
        if level == "read" and not repo["private"] and name != "administration":
            public_read = True
        own = not caller.bot or caller.repo.lower() == f"{repo['owner']}/{repo['name']}".lower()
        if own and caller.kind != "anonymous" and _has(caller, name, level_of_token):
            allowed.append(f"{name}: {level_of_token}")
    asked = needs[0].replace(": comment", ": write")
    if not allowed and not public_read:
        caller.used.append(asked)
        if caller.kind == "anonymous":
            raise Refused(401, "Requires authentication")
        raise Refused(403, INTEGRATION if caller.bot else WEAK_PAT)
    caller.used.append(allowed[0] if allowed else asked)
    if not caller.bot and not public_read:
        _role(state, caller, repo, needs)


def _role(state: State, caller: Caller, repo: Json, needs: tuple[str, ...]) -> None:
    """A person's token may all that the person may, and no more."""
    if caller.kind == "anonymous":
        return
    rank = ROLES.index(role(state, repo, caller.login))
    for need in needs:
        name, _, level = need.partition(": ")
        if (level == "read" and name != "administration") or level == "comment":
            wanted = "read"
        elif name in WRITERS:
            wanted = "write"
        else:
            wanted = "admin"
        if rank >= ROLES.index(wanted):
            return
    if any(need.startswith("administration") for need in needs):
        raise Refused(403, "Must have admin rights to Repository.")
    raise Refused(403, "Must have push access to repository")


def can_push(state: State, caller: Caller, repo: Json) -> bool:
    """Whether the caller has write access, asked without recording a use."""
    if caller.kind == "anonymous":
        return False
    if caller.bot:
        own = caller.repo.lower() == f"{repo['owner']}/{repo['name']}".lower()
        return own and _has(caller, "contents", "write")
    return _has(caller, "contents", "write") and ROLES.index(role(state, repo, caller.login)) >= 3


def user_type(login: str) -> str:
    return "Bot" if login.endswith("[bot]") or login == ACTIONS_BOT else "User"
