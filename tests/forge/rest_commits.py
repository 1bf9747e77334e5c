"""REST over git: commits, the pull requests they belong to, and their statuses."""

from __future__ import annotations

from tests.forge import events, shapes
from tests.forge.access import Refused, invalid
from tests.forge.calls import REPO, Reply, Request
from tests.forge.plumbing import now
from tests.forge.repo import Repo
from tests.forge.state import Json

STATES = ("error", "failure", "pending", "success")


def resolve(repo: Repo, name: str) -> str:
    """The commit that a branch, tag or id names; 422 as GitHub says it."""
    for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", name, f"refs/{name}"):
        found = repo.git.resolve(candidate)
        if found:
            return found
    raise Refused(422, f"No commit found for SHA: {name}")


@REPO.on("GET", "/commits")
def commits(request: Request, repo: Repo) -> Reply:
    request.need(repo, "contents: read")
    if not repo.git.refs("refs/heads"):
        raise Refused(409, "Git Repository is empty.")
    start = resolve(repo, request.query.get("sha") or repo.data["default_branch"])
    paths = ["--", request.query["path"]] if request.query.get("path") else []
    found = repo.git.text("rev-list", start, *paths).split()
    return request.pages(found, lambda sha: shapes.commit(repo, sha))


@REPO.on("GET", "/commits/{name*}/pulls")
def pulls_of(request: Request, repo: Repo, name: str) -> Reply:
    """Pull requests that brought the commit to the base, or that are open and contain it."""
    request.need(repo, "pull-requests: read")
    sha, found = resolve(repo, name), []
    for record in repo.data["issues"].values():
        data = record["pull"]
        if not data:
            continue
        inside = repo.git.is_ancestor(sha, data["head"]["sha"])
        onto = data["base"]["sha"]
        if (data["merge_commit_sha"] == sha and data["merged"]) or (
            inside and not repo.git.is_ancestor(sha, onto)
        ):
            found.append(record)
    return request.pages(found, lambda record: shapes.pull(repo, record))


@REPO.on("GET", "/commits/{name*}/status")
def combined(request: Request, repo: Repo, name: str) -> Reply:
    """The newest status of each context, and what they make together."""
    request.need(repo, "statuses: read")
    sha = resolve(repo, name)
    newest = {status["context"]: status for status in repo.data["statuses"].get(sha, [])}
    states = {status["state"] for status in newest.values()}
    state = "failure" if states & {"failure", "error"} else "success" if states == {"success"} else "pending"
    reply = request.pages(list(newest.values()), lambda status: shapes.status(repo, status), "statuses")
    return Reply(200, {"sha": sha, "state": state, "url": f"{repo.api}/commits/{sha}/status", **reply.body}
                 | {"commit_url": f"{repo.api}/commits/{sha}", "repository": shapes.repository(repo)},
                 reply.headers)  # fmt: skip


@REPO.on("GET", "/commits/{name*}/statuses")
def statuses(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "statuses: read")
    found = repo.data["statuses"].get(resolve(repo, name), [])
    return request.pages(found[::-1], lambda status: shapes.status(repo, status))


@REPO.on("GET", "/statuses/{sha}")
def statuses_of(request: Request, repo: Repo, sha: str) -> Reply:
    return statuses(request, repo, sha)


@REPO.on("GET", "/commits/{name*}/check-runs")
def check_runs(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "checks: read")
    resolve(repo, name)
    return Reply(200, {"total_count": 0, "check_runs": []})


@REPO.on("GET", "/commits/{name*}")
def commit(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "contents: read")
    return Reply(200, shapes.commit(repo, resolve(repo, name), full=True))


@REPO.on("POST", "/statuses/{sha}")
def set_status(request: Request, repo: Repo, sha: str) -> Reply:
    """A commit status; contexts are compared as they are written."""
    request.need(repo, "statuses: write")
    if repo.git.kind(sha) != "commit" or len(sha) != 40:
        raise Refused(422, f"No commit found for SHA: {sha}")
    asked = request.json()
    if asked.get("state") not in STATES:
        raise invalid("Status", field="state", code="invalid")
    if len(asked.get("description") or "") > 140:
        said = "description is too long (maximum is 140 characters)"
        raise invalid("Status", field="description", message=said)
    known = repo.data["statuses"].setdefault(sha, [])
    if len(known) >= 1000:
        raise Refused(422, "This SHA and context has reached the maximum number of statuses.")
    made: Json = {
        "id": request.forge.state.number(),
        "sha": sha,
        "state": asked["state"],
        "description": asked.get("description"),
        "target_url": asked.get("target_url"),
        "context": asked.get("context") or "default",
        "creator": request.caller.login,
        "kind": request.caller.kind,
        "created_at": now(),
    }
    known.append(made)
    shape = shapes.status(repo, made)
    payload = {**shape, "sha": sha, "commit": shapes.commit(repo, sha), "branches": []}
    events.emit(repo, request.caller, "status", payload, sha=sha)
    return Reply(201, shape)
