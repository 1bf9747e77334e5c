"""REST: dispatches of repositories and workflows, the list of workflows, deployments."""

from __future__ import annotations

from tests.forge import events, shapes
from tests.forge.access import Refused, invalid
from tests.forge.calls import REPO, Reply, Request
from tests.forge.plumbing import now
from tests.forge.repo import Repo
from tests.forge.rest_commits import resolve
from tests.forge.rules import WORKFLOWS
from tests.forge.state import Json

STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")


@REPO.on("POST", "/dispatches")
def repository_dispatch(request: Request, repo: Repo) -> Reply:
    """Starts workflows whoever asks, GITHUB_TOKEN too."""
    request.need(repo, "contents: write")
    asked = request.json()
    kind = asked.get("event_type", "")
    if not kind or len(kind) > 100:
        raise Refused(422, 'Invalid request.\n\n"event_type" wasn\'t supplied.')
    payload = asked.get("client_payload") or {}
    if len(payload) > 10:
        raise Refused(422, "Invalid request.\n\nNo more than 10 properties are allowed; 11 were supplied.")
    branch = repo.data["default_branch"]
    events.emit(
        repo,
        request.caller,
        "repository_dispatch",
        {"branch": branch, "client_payload": payload},
        action=kind,
    )
    return Reply(204)


def _workflows(repo: Repo, revision: str) -> list[Json]:
    listed: list[Json] = []
    for name, kind, _, _ in repo.git.entries(revision, WORKFLOWS.rstrip("/")):
        if kind == "blob" and name.endswith((".yml", ".yaml")):
            number = len(listed) + 1
            listed.append(
                {
                    "id": number,
                    "node_id": f"W_{number}",
                    "name": name,
                    "path": f"{WORKFLOWS}{name}",
                    "state": repo.data.get("workflow_states", {}).get(name, "active"),
                    "created_at": repo.data["created_at"],
                    "updated_at": repo.data["pushed_at"],
                    "url": f"{repo.api}/actions/workflows/{number}",
                    "html_url": f"{repo.url}/blob/{revision}/{WORKFLOWS}{name}",
                    "badge_url": f"{repo.url}/workflows/{name}/badge.svg",
                }
            )
    return listed


def _workflow(repo: Repo, name: str) -> Json:
    """Workflows are known by the default branch."""
    found = _workflows(repo, repo.data["default_branch"])
    match = next((w for w in found if name in (str(w["id"]), w["name"], w["path"])), None)
    if match is None:
        raise Refused(404, "Not Found")
    return match


@REPO.on("GET", "/actions/workflows")
def workflows(request: Request, repo: Repo) -> Reply:
    request.need(repo, "actions: read")
    return request.pages(_workflows(repo, repo.data["default_branch"]), lambda item: item, "workflows")


@REPO.on("GET", "/actions/workflows/{name}")
def workflow(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "actions: read")
    return Reply(200, _workflow(repo, name))


@REPO.on("POST", "/actions/workflows/{name}/dispatches")
def workflow_dispatch(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "actions: write")
    found, asked = _workflow(repo, name), request.json()
    if not asked.get("ref"):
        raise Refused(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
    branch = asked["ref"].removeprefix("refs/heads/")
    tip = repo.head(branch)
    if tip is None:
        raise Refused(422, f"No ref found for: {asked['ref']}")
    text = repo.git.blob(tip, found["path"]) or b""
    if b"workflow_dispatch" not in text:
        raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
    payload = {"inputs": asked.get("inputs") or {}, "ref": f"refs/heads/{branch}", "workflow": found["path"]}
    events.emit(repo, request.caller, "workflow_dispatch", payload, ref=f"refs/heads/{branch}", sha=tip)
    return Reply(204)


# --- deployments ---------------------------------------------------------------------------------------


def _shape(repo: Repo, record: Json) -> Json:
    api = f"{repo.api}/deployments/{record['id']}"
    return {
        **{key: value for key, value in record.items() if key not in ("statuses", "creator")},
        "node_id": f"DE_{record['id']}",
        "url": api,
        "statuses_url": f"{api}/statuses",
        "repository_url": repo.api,
        "creator": shapes.user(repo.forge, record["creator"]),
    }


def _status_shape(repo: Repo, record: Json, status: Json) -> Json:
    return {
        **status,
        "node_id": f"DES_{status['id']}",
        "environment": record["environment"],
        "creator": shapes.user(repo.forge, status["creator"]),
        "url": f"{repo.api}/deployments/{record['id']}/statuses/{status['id']}",
        "deployment_url": f"{repo.api}/deployments/{record['id']}",
        "repository_url": repo.api,
    }


def _find(repo: Repo, number: str) -> Json:
    found: Json | None = next((d for d in repo.data["deployments"] if str(d["id"]) == number), None)
    if found is None:
        raise Refused(404, "Not Found")
    return found


@REPO.on("GET", "/deployments")
def deployments(request: Request, repo: Repo) -> Reply:
    request.need(repo, "deployments: read")
    wanted = {
        key: request.query[key] for key in ("sha", "ref", "task", "environment") if key in request.query
    }
    found = [d for d in reversed(repo.data["deployments"]) if all(d[k] == v for k, v in wanted.items())]
    return request.pages(found, lambda record: _shape(repo, record))


@REPO.on("POST", "/deployments")
def deploy(request: Request, repo: Repo) -> Reply:
    """A deployment of a ref; without required_contexts, 409 unless every status on it is a success."""
    request.need(repo, "deployments: write")
    asked = request.json()
    if not asked.get("ref"):
        raise invalid("Deployment", field="ref", code="missing_field")
    sha = resolve(repo, asked["ref"])
    newest = {s["context"]: s["state"] for s in repo.data["statuses"].get(sha, [])}
    contexts = asked.get("required_contexts")
    wanted = list(newest) if contexts is None else contexts
    if any(newest.get(context) != "success" for context in wanted):
        raise Refused(409, "Conflict: Commit status checks failed for " + asked["ref"])
    record: Json = {
        "id": request.forge.state.number(),
        "sha": sha,
        "ref": asked["ref"],
        "task": asked.get("task") or "deploy",
        "payload": asked.get("payload") or {},
        "environment": asked.get("environment") or "production",
        "original_environment": asked.get("environment") or "production",
        "description": asked.get("description"),
        "transient_environment": bool(asked.get("transient_environment")),
        "production_environment": bool(asked.get("production_environment", True)),
        "creator": request.caller.login,
        "created_at": now(),
        "updated_at": now(),
        "statuses": [],
    }
    repo.data["deployments"].append(record)
    shape = _shape(repo, record)
    events.emit(repo, request.caller, "deployment", {"deployment": shape}, action="created", sha=sha)
    return Reply(201, shape)


@REPO.on("GET", "/deployments/{number}")
def get(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "deployments: read")
    return Reply(200, _shape(repo, _find(repo, number)))


@REPO.on("GET", "/deployments/{number}/statuses")
def statuses(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "deployments: read")
    record = _find(repo, number)
    return request.pages(record["statuses"][::-1], lambda status: _status_shape(repo, record, status))


@REPO.on("POST", "/deployments/{number}/statuses")
def set_status(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "deployments: write")
    record, asked = _find(repo, number), request.json()
    if asked.get("state") not in STATES:
        raise invalid("DeploymentStatus", field="state", code="invalid")
    status: Json = {
        "id": request.forge.state.number(),
        "state": asked["state"],
        "description": asked.get("description") or "",
        "target_url": asked.get("target_url") or "",
        "log_url": asked.get("log_url") or "",
        "environment_url": asked.get("environment_url") or "",
        "creator": request.caller.login,
        "created_at": now(),
        "updated_at": now(),
    }
    if asked["state"] == "success" and asked.get("auto_inactive", True):
        for other in repo.data["deployments"]:
            last = other["statuses"][-1]["state"] if other["statuses"] else ""
            if other is not record and other["environment"] == record["environment"] and last == "success":
                other["statuses"].append({**status, "id": request.forge.state.number(), "state": "inactive"})
    record["statuses"].append(status)
    shape = _status_shape(repo, record, status)
    payload = {"deployment": _shape(repo, record), "deployment_status": shape}
    events.emit(repo, request.caller, "deployment_status", payload, action="created", sha=record["sha"])
    return Reply(201, shape)
