"""REST: rulesets, and the rules that hold for a branch."""

from __future__ import annotations

from tests.forge import rules
from tests.forge.access import Refused, invalid, role
from tests.forge.calls import REPO, Reply, Request
from tests.forge.plumbing import now
from tests.forge.repo import Repo
from tests.forge.state import Json

NO_PLAN = "Upgrade to GitHub Pro or make this repository public to enable this feature."
TYPES = set(
    [
        "creation",
        "update",
        "deletion",
        "required_linear_history",
        "merge_queue",
        "required_deployments",
        "required_signatures",
        "pull_request",
        "required_status_checks",
        "non_fast_forward",
        "commit_message_pattern",
        "commit_author_email_pattern",
        "committer_email_pattern",
        "branch_name_pattern",
        "tag_name_pattern",
        "workflows",
        "code_scanning",
    ]
)


def _allowed(request: Request, repo: Repo, level: str) -> None:
    request.need(repo, f"administration: {level}" if level == "write" else "metadata: read")
    if not repo.has_rulesets:
        raise Refused(403, NO_PLAN)


def _shape(repo: Repo, record: Json, full: bool = True) -> Json:
    shape = {
        key: value
        for key, value in record.items()
        if full or key not in ("rules", "conditions", "bypass_actors")
    }
    return {
        **shape,
        "source_type": "Repository",
        "source": repo.slug,
        "node_id": f"RRS_{record['id']}",
        "current_user_can_bypass": "never",
        "_links": {"self": {"href": f"{repo.api}/rulesets/{record['id']}"}},
    }


def _checked(asked: Json) -> Json:
    """A ruleset as asked for, or 422."""
    if not asked.get("name"):
        raise invalid("Ruleset", field="name", code="missing_field")
    if asked.get("enforcement") not in ("active", "disabled", "evaluate"):
        raise invalid("Ruleset", field="enforcement", code="invalid")
    if asked["enforcement"] == "evaluate":
        raise Refused(422, "Validation Failed", ["Enforcement evaluate is not available on this plan."])
    if asked.get("target", "branch") not in ("branch", "tag", "push"):
        raise invalid("Ruleset", field="target", code="invalid")
    for rule in asked.get("rules", []):
        if rule.get("type") not in TYPES:
            raise Refused(422, "Validation Failed", [f"Invalid rule '{rule.get('type')}': "])
        wanted = rule.setdefault("parameters", {})
        if rule["type"] == "required_status_checks":
            if not isinstance(wanted.get("strict_required_status_checks_policy"), bool):
                raise Refused(422, "Validation Failed", ["strict_required_status_checks_policy is missing"])
            if not wanted.get("required_status_checks"):
                raise Refused(422, "Validation Failed", ["required_status_checks is missing"])
        if rule["type"] == "pull_request":
            for key in [
                "dismiss_stale_reviews_on_push",
                "require_code_owner_review",
                "require_last_push_approval",
                "required_approving_review_count",
                "required_review_thread_resolution",
            ]:
                if key not in wanted:
                    raise Refused(
                        422, "Validation Failed", [f"Invalid rule 'pull_request': {key} is missing"]
                    )
    return {
        "name": asked["name"],
        "target": asked.get("target", "branch"),
        "enforcement": asked["enforcement"],
        "bypass_actors": asked.get("bypass_actors", []),
        "conditions": asked.get("conditions", {"ref_name": {"include": [], "exclude": []}}),
        "rules": asked.get("rules", []),
    }


def _same_name(repo: Repo, name: str, but: int = 0) -> None:
    if any(r["name"] == name and r["id"] != but for r in repo.data["rulesets"]):
        raise Refused(422, "Validation Failed", ["Name must be unique"])


def _find(repo: Repo, number: str) -> Json:
    found: Json | None = next((r for r in repo.data["rulesets"] if str(r["id"]) == number), None)
    if found is None:
        raise Refused(404, "Not Found")
    return found


@REPO.on("GET", "/rulesets")
def listed(request: Request, repo: Repo) -> Reply:
    _allowed(request, repo, "read")
    return request.pages(repo.data["rulesets"], lambda record: _shape(repo, record, full=False))


@REPO.on("POST", "/rulesets")
def create(request: Request, repo: Repo) -> Reply:
    _allowed(request, repo, "write")
    record = _checked(request.json())
    _same_name(repo, record["name"])
    record |= {"id": request.forge.state.number(), "created_at": now(), "updated_at": now()}
    repo.data["rulesets"].append(record)
    return Reply(201, _shape(repo, record))


@REPO.on("GET", "/rulesets/{number}")
def get(request: Request, repo: Repo, number: str) -> Reply:
    """Who may bypass it is told to those who may change it."""
    _allowed(request, repo, "read")
    shape = _shape(repo, _find(repo, number))
    if request.caller.bot or role(request.forge.state, repo.data, request.caller.login) != "admin":
        del shape["bypass_actors"]
    return Reply(200, shape)


@REPO.on("PUT", "/rulesets/{number}")
def update(request: Request, repo: Repo, number: str) -> Reply:
    _allowed(request, repo, "write")
    record = _find(repo, number)
    changed = _checked({**record, **request.json()})
    _same_name(repo, changed["name"], record["id"])
    record |= {**changed, "updated_at": now()}
    return Reply(200, _shape(repo, record))


@REPO.on("DELETE", "/rulesets/{number}")
def delete(request: Request, repo: Repo, number: str) -> Reply:
    _allowed(request, repo, "write")
    repo.data["rulesets"].remove(_find(repo, number))
    return Reply(204)


@REPO.on("GET", "/rules/branches/{branch*}")
def of_branch(request: Request, repo: Repo, branch: str) -> Reply:
    _allowed(request, repo, "read")
    found = rules.active(repo, f"refs/heads/{branch}")
    return request.pages(
        found, lambda rule: {**rule, "ruleset_source_type": "Repository", "ruleset_source": repo.slug}
    )
