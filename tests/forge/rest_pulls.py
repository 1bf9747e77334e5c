"""REST: pull requests, their files, commits and reviews, and the merge button."""

from __future__ import annotations

from tests.forge import events, pulls, shapes
from tests.forge.access import ROLES, Caller, Refused, invalid, role
from tests.forge.calls import REPO, Reply, Request
from tests.forge.plumbing import now
from tests.forge.repo import Repo
from tests.forge.state import Json


def find(repo: Repo, number: str) -> Json:
    record = repo.data["issues"].get(number)
    if record is None or not record["pull"]:
        raise Refused(404, "Not Found")
    found: Json = record
    return found


@REPO.on("GET", "/pulls")
def listed(request: Request, repo: Repo) -> Reply:
    """Newest first; head=owner:branch filters by both, as it must."""
    request.need(repo, "pull-requests: read")
    state, head, base = (request.query.get(key) for key in ("state", "head", "base"))
    found = []
    for record in reversed(list(repo.data["issues"].values())):
        data = record["pull"]
        if not data or (state or "open") not in ("all", record["state"]):
            continue
        label = f"{(data['head']['repo'] or '').partition('/')[0]}:{data['head']['ref']}"
        # GitHub ignores a head without an owner: the list is then not filtered at all.
        if head and ":" in head and head != label:
            continue
        if base and base != data["base"]["ref"]:
            continue
        found.append(record)
    if request.query.get("direction") == "asc":
        found.reverse()
    return request.pages(found, lambda record: shapes.pull(repo, record))


@REPO.on("POST", "/pulls")
def create(request: Request, repo: Repo) -> Reply:
    request.need(repo, "pull-requests: comment")
    asked = request.json()
    for key in ("head", "base"):
        if not asked.get(key):
            raise invalid("PullRequest", field=key, code="missing_field")
    record = pulls.open_pull(
        repo,
        request.caller,
        title=asked.get("title", ""),
        head=asked["head"],
        base=asked["base"],
        body=asked.get("body"),
        draft=bool(asked.get("draft")),
    )
    return Reply(201, shapes.pull(repo, record, full=True))


@REPO.on("GET", "/pulls/{number}")
def get(request: Request, repo: Repo, number: str) -> Reply:
    """One pull request; asking is what makes GitHub work out whether it can be merged."""
    request.need(repo, "pull-requests: read")
    record = find(repo, number)
    shape = shapes.pull(repo, record, full=True)
    record["pull"]["looked"] = True
    return Reply(200, shape)


@REPO.on("PATCH", "/pulls/{number}")
def edit(request: Request, repo: Repo, number: str) -> Reply:
    record = find(repo, number)
    caller = request.caller
    author = not caller.bot and record["user"] == caller.login
    request.need(repo, "pull-requests: comment" if author else "pull-requests: write")
    asked = request.json()
    pulls.check_body("PullRequest", asked.get("body"))
    changes: dict[str, object] = {
        key: {"from": record[key]} for key in ("title", "body") if key in asked and asked[key] != record[key]
    }
    record |= {key: asked[key] for key in changes}
    if "base" in asked and asked["base"] != record["pull"]["base"]["ref"]:
        tip = repo.git.ref(f"refs/heads/{asked['base']}")
        if tip is None:
            raise invalid("PullRequest", field="base", code="invalid")
        changes["base"] = {"ref": {"from": record["pull"]["base"]["ref"]}}
        record["pull"]["base"] = {"ref": asked["base"], "sha": tip}
        pulls.refresh(repo, record)
    if changes:
        record["updated_at"] = now()
        events.pull(repo, caller, record, "edited", changes=changes)
    wanted = asked.get("state")
    if wanted == "closed" and record["state"] == "open":
        pulls.close(repo, caller, record)
    elif wanted == "open" and record["state"] == "closed":
        pulls.reopen(repo, caller, record)
    return Reply(200, shapes.pull(repo, record, full=True))


@REPO.on("GET", "/pulls/{number}/files")
def files(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "pull-requests: read")
    data = find(repo, number)["pull"]
    head = data["head"]["sha"]
    start = repo.git.merge_base(data["base"]["sha"], head) or data["base"]["sha"]
    return request.pages(shapes.files(repo, start, head), lambda item: item)


@REPO.on("GET", "/pulls/{number}/commits")
def commits(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "pull-requests: read")
    data = find(repo, number)["pull"]
    found = repo.git.commits(data["head"]["sha"], f"^{data['base']['sha']}")
    return request.pages(found, lambda sha: shapes.commit(repo, sha))


@REPO.on("GET", "/pulls/{number}/merge")
def merged(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "pull-requests: read")
    if not find(repo, number)["pull"]["merged"]:
        raise Refused(404, "Not Found")
    return Reply(204)


@REPO.on("PUT", "/pulls/{number}/merge")
def merge(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "contents: write")
    record, asked = find(repo, number), request.json()
    sha = pulls.merge(
        repo,
        request.caller,
        record,
        method=asked.get("merge_method", "merge"),
        sha=asked.get("sha"),
        title=asked.get("commit_title"),
        message=asked.get("commit_message"),
    )
    return Reply(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


# --- reviews -------------------------------------------------------------------------------------------


def add_review(repo: Repo, caller: Caller, record: Json, state: str, body: str, sha: str | None) -> Json:
    """Record a review of the head (or the commit named); nobody approves their own."""
    if state not in ("APPROVED", "CHANGES_REQUESTED", "COMMENTED"):
        raise invalid("PullRequestReview", field="event", code="invalid")
    if state != "COMMENTED":
        verb = "approve" if state == "APPROVED" else "request changes on"
        if caller.login == record["user"]:
            raise Refused(422, "Unprocessable Entity", [f"Can not {verb} your own pull request"])
        if caller.kind == "job" and not repo.data["actions"]["can_approve_pull_request_reviews"]:
            said = "GitHub Actions is not permitted to approve pull requests."
            raise Refused(422, "Unprocessable Entity", [said])
    if state != "APPROVED" and not body:
        raise Refused(422, "Unprocessable Entity", ["body cannot be blank"])
    if not caller.bot and ROLES.index(role(repo.forge.state, repo.data, caller.login)) < 1:
        raise Refused(404, "Not Found")
    review = {
        "id": repo.forge.state.number(),
        "user": caller.login,
        "state": state,
        "body": body,
        "commit_id": sha or record["pull"]["head"]["sha"],
        "submitted_at": now(),
    }
    record["pull"]["reviews"].append(review)
    shape = shapes.review(repo, review, record["number"])
    told = {**shape, "state": state.lower()}
    data = record["pull"]
    events.emit(
        repo,
        caller,
        "pull_request_review",
        {"review": told, "pull_request": shapes.pull(repo, record)},
        action="submitted",
        ref=f"refs/pull/{record['number']}/merge",
        sha=data["merge_commit_sha"] or data["head"]["sha"],
        fork=data["head"]["repo"] != repo.slug,
    )
    return shape


@REPO.on("GET", "/pulls/{number}/reviews")
def reviews(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "pull-requests: read")
    record = find(repo, number)
    return request.pages(record["pull"]["reviews"], lambda r: shapes.review(repo, r, record["number"]))


@REPO.on("POST", "/pulls/{number}/reviews")
def create_review(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "pull-requests: comment")
    record, asked = find(repo, number), request.json()
    states = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
    state = states.get(asked.get("event", ""), "")
    made = add_review(repo, request.caller, record, state, asked.get("body") or "", asked.get("commit_id"))
    return Reply(200, made)
