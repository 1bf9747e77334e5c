"""REST: issues, comments on issues and pull requests, labels on both."""

from __future__ import annotations

import json

from tests.forge import events, pulls, shapes
from tests.forge.access import Refused, can_push, invalid
from tests.forge.calls import REPO, Reply, Request
from tests.forge.plumbing import now
from tests.forge.repo import Repo
from tests.forge.rest_repos import find_label, make_label
from tests.forge.state import Json


def _find(repo: Repo, number: str) -> Json:
    found: Json | None = repo.data["issues"].get(number)
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _names(asked: object) -> list[str]:
    listed = asked.get("labels", []) if isinstance(asked, dict) else asked
    if not isinstance(listed, list):
        raise Refused(422, "Invalid request.")
    return [item["name"] if isinstance(item, dict) else str(item) for item in listed]


def _known(repo: Repo, names: list[str]) -> list[str]:
    """The labels by their defined names; unknown ones are made, as GitHub makes them."""
    found = []
    for name in names:
        record = find_label(repo, name) or make_label(repo, name)
        if record["name"] not in found:
            found.append(record["name"])
    return found


@REPO.on("GET", "/issues")
def listed(request: Request, repo: Repo) -> Reply:
    """Issues and pull requests alike, newest first."""
    request.need(repo, "issues: read")
    state = request.query.get("state", "open")
    wanted = {name.lower() for name in request.query.get("labels", "").split(",") if name}
    creator = request.query.get("creator", "").lower()
    found = [
        record
        for record in reversed(list(repo.data["issues"].values()))
        if state in ("all", record["state"])
        and wanted <= {name.lower() for name in record["labels"]}
        and (not creator or record["user"].lower() == creator)
    ]
    return request.pages(found, lambda record: shapes.issue(repo, record))


@REPO.on("POST", "/issues")
def create(request: Request, repo: Repo) -> Reply:
    request.need(repo, "issues: comment")
    if not repo.data["settings"]["has_issues"]:
        raise Refused(410, "Issues are disabled for this repo")
    asked = request.json()
    if not asked.get("title"):
        raise invalid("Issue", field="title", code="missing_field")
    pulls.check_body("Issue", asked.get("body"))
    # Labels of somebody without push access are silently dropped.
    pushes = request.caller.bot or can_push(request.forge.state, request.caller, repo.data)
    names = _known(repo, _names(asked)) if pushes and asked.get("labels") else []
    record = pulls.new_issue(repo, request.caller, asked["title"], asked.get("body"), names)
    events.issue_event(repo, request.caller, record, "opened")
    return Reply(201, shapes.issue(repo, record))


@REPO.on("GET", "/issues/{number}")
def get(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "issues: read", "pull-requests: read")
    return Reply(200, shapes.issue(repo, _find(repo, number)))


@REPO.on("PATCH", "/issues/{number}")
def edit(request: Request, repo: Repo, number: str) -> Reply:
    record, caller = _find(repo, number), request.caller
    level = "comment" if not caller.bot and record["user"] == caller.login else "write"
    _need(request, repo, record, level)
    asked = request.json()
    pulls.check_body("Issue", asked.get("body"))
    changes = {
        key: {"from": record[key]} for key in ("title", "body") if key in asked and asked[key] != record[key]
    }
    record |= {key: asked[key] for key in changes}
    if "labels" in asked:
        record["labels"] = _known(repo, _names(asked))
    record["updated_at"] = now()
    if changes:
        events.issue_event(repo, caller, record, "edited", changes=changes)
    wanted = asked.get("state")
    if wanted == "closed" and record["state"] == "open":
        pulls.close(repo, caller, record, asked.get("state_reason"))
    elif wanted == "open" and record["state"] == "closed":
        pulls.reopen(repo, caller, record)
    return Reply(200, shapes.issue(repo, record))


def _need(request: Request, repo: Repo, record: Json, level: str) -> None:
    """Pull requests can be written to with either permission; issues with their own."""
    needs = ["issues"]
    if record["pull"]:
        needs = ["pull-requests", "issues"]
    request.need(repo, *(f"{name}: {level}" for name in needs))


# --- comments ------------------------------------------------------------------------------------------


@REPO.on("GET", "/issues/comments")
def all_comments(request: Request, repo: Repo) -> Reply:
    request.need(repo, "issues: read", "pull-requests: read")
    return request.pages(repo.data["comments"], lambda c: shapes.comment(repo, c))


@REPO.on("GET", "/issues/{number}/comments")
def comments(request: Request, repo: Repo, number: str) -> Reply:
    record = _find(repo, number)
    _need(request, repo, record, "read")
    found = [c for c in repo.data["comments"] if c["issue"] == record["number"]]
    return request.pages(found, lambda c: shapes.comment(repo, c))


@REPO.on("POST", "/issues/{number}/comments")
def add_comment(request: Request, repo: Repo, number: str) -> Reply:
    record = _find(repo, number)
    _need(request, repo, record, "comment")
    body = request.json().get("body")
    if not body:
        raise invalid("IssueComment", field="body", code="missing_field")
    pulls.check_body("IssueComment", body)
    made = {
        "id": request.forge.state.number(),
        "issue": record["number"],
        "body": body,
        "user": request.caller.login,
        "created_at": now(),
        "updated_at": now(),
    }
    repo.data["comments"].append(made)
    _tell(request, repo, record, made, "created")
    return Reply(201, shapes.comment(repo, made))


def _tell(request: Request, repo: Repo, record: Json, made: Json, action: str, **more: object) -> None:
    payload = {"issue": shapes.issue(repo, record), "comment": shapes.comment(repo, made), **more}
    events.emit(repo, request.caller, "issue_comment", payload, action=action)


def _comment(repo: Repo, number: str) -> Json:
    found: Json | None = next((c for c in repo.data["comments"] if str(c["id"]) == number), None)
    if found is None:
        raise Refused(404, "Not Found")
    return found


@REPO.on("GET", "/issues/comments/{number}")
def get_comment(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "issues: read", "pull-requests: read")
    return Reply(200, shapes.comment(repo, _comment(repo, number)))


@REPO.on("PATCH", "/issues/comments/{number}")
def edit_comment(request: Request, repo: Repo, number: str) -> Reply:
    found = _comment(repo, number)
    record, caller = _find(repo, str(found["issue"])), request.caller
    _need(request, repo, record, "comment" if not caller.bot and found["user"] == caller.login else "write")
    body = request.json().get("body")
    if not body:
        raise invalid("IssueComment", field="body", code="missing_field")
    pulls.check_body("IssueComment", body)
    before = found["body"]
    found |= {"body": body, "updated_at": now()}
    _tell(request, repo, record, found, "edited", changes={"body": {"from": before}})
    return Reply(200, shapes.comment(repo, found))


@REPO.on("DELETE", "/issues/comments/{number}")
def delete_comment(request: Request, repo: Repo, number: str) -> Reply:
    found = _comment(repo, number)
    record = _find(repo, str(found["issue"]))
    _need(request, repo, record, "write")
    repo.data["comments"].remove(found)
    _tell(request, repo, record, found, "deleted")
    return Reply(204)


# --- labels of one issue -------------------------------------------------------------------------------


@REPO.on("GET", "/issues/{number}/labels")
def labels(request: Request, repo: Repo, number: str) -> Reply:
    record = _find(repo, number)
    _need(request, repo, record, "read")
    return request.pages(shapes.labels_of(repo, record), lambda label: label)


@REPO.on("POST", "/issues/{number}/labels")
def add_labels(request: Request, repo: Repo, number: str) -> Reply:
    record = _find(repo, number)
    _need(request, repo, record, "write")
    # The body may be a bare list of names.
    bare = request.raw.strip().startswith(b"[")
    names = _known(repo, _names(json.loads(request.raw) if bare else request.json()))
    for name in names:
        if name not in record["labels"]:
            record["labels"].append(name)
            label = next(x for x in shapes.labels_of(repo, record) if x["name"] == name)
            events.issue_event(repo, request.caller, record, "labeled", label=label)
    return Reply(200, shapes.labels_of(repo, record))


@REPO.on("PUT", "/issues/{number}/labels")
def set_labels(request: Request, repo: Repo, number: str) -> Reply:
    record = _find(repo, number)
    _need(request, repo, record, "write")
    record["labels"] = []
    return add_labels(request, repo, number)


@REPO.on("DELETE", "/issues/{number}/labels/{name*}")
def remove_label(request: Request, repo: Repo, number: str, name: str) -> Reply:
    record = _find(repo, number)
    _need(request, repo, record, "write")
    found = next((x for x in shapes.labels_of(repo, record) if x["name"].lower() == name.lower()), None)
    if found is None:
        raise Refused(404, "Label does not exist")
    record["labels"].remove(found["name"])
    events.issue_event(repo, request.caller, record, "unlabeled", label=found)
    return Reply(200, shapes.labels_of(repo, record))
