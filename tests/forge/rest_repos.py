"""REST: the user, repositories, collaborators, settings of Actions, labels, rate limit."""

from __future__ import annotations

import re

from tests.forge import shapes
from tests.forge.access import INTEGRATION, ROLES, Refused, invalid, readable, role
from tests.forge.calls import REPO, TOP, Reply, Request
from tests.forge.repo import Repo
from tests.forge.state import Json

SETTINGS = set(
    [
        "allow_squash_merge",
        "allow_merge_commit",
        "allow_rebase_merge",
        "allow_auto_merge",
        "delete_branch_on_merge",
        "allow_update_branch",
        "has_issues",
        "has_wiki",
        "has_projects",
    ]
)


@TOP.on("GET", "")
def root(request: Request) -> Reply:
    return Reply(
        200,
        {
            "current_user_url": f"{request.forge.api}/user",
            "rate_limit_url": f"{request.forge.api}/rate_limit",
        },
    )


@TOP.on("GET", "/user")
def me(request: Request) -> Reply:
    """Whose token it is; bots have no user."""
    if request.caller.kind == "anonymous":
        raise Refused(401, "Requires authentication")
    if request.caller.bot:
        raise Refused(403, INTEGRATION)
    user = shapes.user(request.forge, request.caller.login)
    return Reply(200, {**user, "name": user["login"], "email": None, "plan": {"name": "free"}})


@TOP.on("GET", "/users/{login}")
def user(request: Request, login: str) -> Reply:
    if request.forge.state.known(login) is None:
        raise Refused(404, "Not Found")
    return Reply(200, shapes.user(request.forge, login))


@TOP.on("GET", "/rate_limit")
def rate_limit(request: Request) -> Reply:
    rate = {"limit": 5000, "remaining": 4999, "used": 1, "reset": 4102444800, "resource": "core"}
    return Reply(200, {"resources": {"core": rate, "search": rate, "graphql": rate}, "rate": rate})


# --- repositories --------------------------------------------------------------------------------------


@TOP.on("POST", "/user/repos")
def create_own(request: Request) -> Reply:
    return _create(request, request.caller.login)


@TOP.on("POST", "/orgs/{org}/repos")
def create_in(request: Request, org: str) -> Reply:
    known = request.forge.state.known(org)
    if known is None or known["type"] != "Organization":
        raise Refused(404, "Not Found")
    if request.caller.login not in known.get("admins", []):
        raise Refused(403, "You need admin access to the organization before adding a repository to it.")
    return _create(request, known["login"])


def _create(request: Request, owner: str) -> Reply:
    caller = request.caller
    if caller.kind == "anonymous":
        raise Refused(401, "Requires authentication")
    if caller.bot:
        raise Refused(403, INTEGRATION)
    if caller.permissions is not None and caller.permissions.get("administration") != "write":
        raise Refused(403, "Resource not accessible by personal access token")
    caller.used.append("administration: write")
    asked = request.json()
    name = asked.get("name", "")
    if not name:
        raise invalid("Repository", field="name", code="missing_field")
    name = re.sub(r"[^A-Za-z0-9._-]", "-", name)
    if request.forge.state.repo(f"{owner}/{name}"):
        said = "name already exists on this account"
        raise invalid("Repository", field="name", message=said)
    who = request.forge.user(caller.login)
    private = bool(asked.get("private", asked.get("visibility") == "private"))
    made = request.forge.create(f"{owner}/{name}", who, private=private)
    made.data["description"] = asked.get("description")
    made.data["homepage"] = asked.get("homepage")
    made.data["settings"] |= {key: asked[key] for key in SETTINGS & set(asked)}
    if asked.get("auto_init"):
        made.commit("main", {"README.md": f"# {name}\n"}, who, "Initial commit")
    return Reply(201, shapes.repository(made, caller))


@REPO.on("GET", "")
def get(request: Request, repo: Repo) -> Reply:
    request.need(repo, "metadata: read")
    return Reply(200, shapes.repository(repo, request.caller))


@REPO.on("PATCH", "")
def edit(request: Request, repo: Repo) -> Reply:
    request.need(repo, "administration: write")
    asked = request.json()
    if "default_branch" in asked:
        if repo.git.ref(f"refs/heads/{asked['default_branch']}") is None:
            said = f"The branch {asked['default_branch']} was not found. Please push that ref first or create it."
            raise invalid("Repository", field="default_branch", code="invalid", message=said)
        repo.data["default_branch"] = asked["default_branch"]
        repo.git.run("symbolic-ref", "HEAD", f"refs/heads/{asked['default_branch']}")
    repo.data["settings"] |= {key: asked[key] for key in SETTINGS & set(asked)}
    repo.data |= {key: asked[key] for key in {"description", "homepage", "private"} & set(asked)}
    if "visibility" in asked:
        repo.data["private"] = asked["visibility"] != "public"
    return Reply(200, shapes.repository(repo, request.caller))


@REPO.on("GET", "/forks")
def forks(request: Request, repo: Repo) -> Reply:
    request.need(repo, "metadata: read")
    found = [fork for fork in map(request.forge.repo, repo.forks()) if fork]
    shown = [fork for fork in found if readable(request.forge.state, request.caller, fork.data)]
    return request.pages(shown, shapes.repository)


# --- settings ------------------------------------------------------------------------------------------


@REPO.on("GET", "/actions/permissions")
def actions(request: Request, repo: Repo) -> Reply:
    request.need(repo, "administration: read")
    return Reply(200, {"enabled": True, "allowed_actions": "all", "sha_pinning_required": False})


@REPO.on("GET", "/actions/permissions/workflow")
def workflow(request: Request, repo: Repo) -> Reply:
    request.need(repo, "administration: read")
    return Reply(200, dict(repo.data["actions"]))


@REPO.on("PUT", "/actions/permissions/workflow")
def set_workflow(request: Request, repo: Repo) -> Reply:
    request.need(repo, "administration: write")
    asked = request.json()
    known = {key: asked[key] for key in repo.data["actions"] if key in asked}
    if known.get("default_workflow_permissions", "read") not in ("read", "write"):
        raise Refused(422, "Invalid request.")
    repo.data["actions"] |= known
    return Reply(204)


@REPO.on("GET", "/collaborators")
def collaborators(request: Request, repo: Repo) -> Reply:
    """Who may do what here, the owner among them; people need push access to ask."""
    request.need(repo, "metadata: read")
    caller = request.caller
    roles = {login: role(request.forge.state, repo.data, login) for login in repo.data["collaborators"]}
    if request.forge.state.user(repo.data["owner"])["type"] == "User":
        roles[repo.data["owner"]] = "admin"
    if not caller.bot and ROLES.index(roles.get(caller.login, "none")) < ROLES.index("write"):
        raise Refused(403, "Must have push access to view repository collaborators.")
    listed = [
        {
            **shapes.user(request.forge, login),
            "role_name": given,
            "permissions": {
                name: ROLES.index(given) >= ROLES.index(least)
                for name, least in (("admin", "admin"), ("push", "write"), ("pull", "read"))
            },
        }
        for login, given in roles.items()
    ]
    return Reply(200, listed)


@REPO.on("GET", "/collaborators/{login}/permission")
def permission(request: Request, repo: Repo, login: str) -> Reply:
    """What somebody may do here; people need push access to ask."""
    request.need(repo, "metadata: read")
    caller = request.caller
    if not caller.bot and (
        not caller.login
        or ROLES.index(role(request.forge.state, repo.data, caller.login)) < ROLES.index("write")
    ):
        raise Refused(403, "Must have push access to view collaborator permission.")
    if request.forge.state.known(login) is None:
        raise Refused(404, f"{login} is not a user")
    given = role(request.forge.state, repo.data, login)
    legacy = {"triage": "read", "maintain": "write"}.get(given, given)
    user = {**shapes.user(request.forge, login), "role_name": given}
    return Reply(200, {"permission": legacy, "role_name": given, "user": user})


# --- labels --------------------------------------------------------------------------------------------


def find_label(repo: Repo, name: str) -> Json | None:
    found: Json | None = next((x for x in repo.data["labels"] if x["name"].lower() == name.lower()), None)
    return found


def make_label(repo: Repo, name: str, color: str = "ededed", description: str | None = None) -> Json:
    """Define a label; 422 for what GitHub does not take."""
    if find_label(repo, name):
        raise invalid("Label", field="name", code="already_exists")
    if not name or len(name) > 50:
        raise invalid("Label", field="name", message="name is too long (maximum is 50 characters)")
    if not re.fullmatch(r"[0-9A-Fa-f]{6}", color):
        raise invalid("Label", field="color", code="invalid")
    if description and len(description) > 100:
        said = "description is too long (maximum is 100 characters)"
        raise invalid("Label", field="description", message=said)
    number = repo.forge.state.number()
    record = {"id": number, "name": name, "color": color, "description": description, "default": False}
    repo.data["labels"].append(record)
    return record


@REPO.on("GET", "/labels")
def labels(request: Request, repo: Repo) -> Reply:
    request.need(repo, "issues: read", "pull-requests: read")
    return request.pages(repo.data["labels"], lambda record: shapes.label(repo, record))


@REPO.on("POST", "/labels")
def create_label(request: Request, repo: Repo) -> Reply:
    request.need(repo, "issues: write", "pull-requests: write")
    asked = request.json()
    made = make_label(repo, asked.get("name", ""), asked.get("color", "ededed"), asked.get("description"))
    return Reply(201, shapes.label(repo, made))


@REPO.on("GET", "/labels/{name*}")
def get_label(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "issues: read", "pull-requests: read")
    found = find_label(repo, name)
    if found is None:
        raise Refused(404, "Not Found")
    return Reply(200, shapes.label(repo, found))


@REPO.on("PATCH", "/labels/{name*}")
def edit_label(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "issues: write", "pull-requests: write")
    found = find_label(repo, name)
    if found is None:
        raise Refused(404, "Not Found")
    asked = request.json()
    if "color" in asked and not re.fullmatch(r"[0-9A-Fa-f]{6}", asked["color"]):
        raise invalid("Label", field="color", code="invalid")
    if "new_name" in asked:
        for record in repo.data["issues"].values():
            record["labels"] = [asked["new_name"] if x == found["name"] else x for x in record["labels"]]
        found["name"] = asked["new_name"]
    found |= {key: asked[key] for key in ("color", "description") if key in asked}
    return Reply(200, shapes.label(repo, found))
