"""REST: who may what, and each refusal in GitHub's words."""

from __future__ import annotations

import pytest
from tests.forge.conftest import World

INTEGRATION = "Resource not accessible by integration"


def test_tokens_missing_bad_and_expired(world: World) -> None:
    assert world.api("GET", "/api/v3/user").status == 401
    assert world.api("POST", "/issues", title="x").status == 401
    assert world.api("GET", "", "ghp_wrong").message == "Bad credentials"
    expired = world.forge.pat(world.writer, expired=True)
    got = world.api("GET", "", expired)
    assert got.status == 401 and "expired" in got.message
    job = world.repo.github_token(permissions={"issues": "write"})
    world.forge.expire(job)
    assert world.api("POST", "/issues", job, title="x").status == 401
    assert world.api("GET", "").status == 200


def test_the_user_of_a_token_and_bots_have_none(world: World) -> None:
    assert world.api("GET", "/api/v3/user", world.reader).body["login"] == "rita"
    for token in (world.repo.github_token(), world.repo.app("bot", {}).token):
        got = world.api("GET", "/api/v3/user", token)
        assert (got.status, got.message) == (403, INTEGRATION)


def test_private_repositories_are_hidden(world: World) -> None:
    hidden = world.forge.create("ada/secret", world.owner, private=True)
    assert world.api("GET", "/api/v3/repos/ada/secret", world.stranger).status == 404
    assert world.api("GET", "/api/v3/repos/ada/secret", world.repo.github_token()).status == 404
    assert world.api("GET", "/api/v3/repos/ada/secret", world.owner).status == 200
    job = hidden.github_token(permissions={"contents": "read"})
    got = world.api("GET", "/api/v3/repos/ada/secret/issues", job)
    assert (got.status, got.message) == (403, INTEGRATION)


CALLS = [
    ("POST", "/issues", {"title": "x"}, "issues"),
    ("POST", "/issues/1/comments", {"body": "x"}, "pull-requests"),
    ("POST", "/issues/1/labels", {"labels": ["bug"]}, "pull-requests"),
    ("POST", "/labels", {"name": "x", "color": "000000"}, "issues"),
    ("POST", "/statuses/{sha}", {"state": "success"}, "statuses"),
    ("POST", "/pulls", {"title": "x", "head": "other", "base": "main"}, "pull-requests"),
    ("PATCH", "/pulls/1", {"title": "new"}, "pull-requests"),
    ("PUT", "/pulls/1/merge", {"merge_method": "squash"}, "contents"),
    ("POST", "/releases", {"tag_name": "v1"}, "contents"),
    ("POST", "/git/refs", {"ref": "refs/tags/t", "sha": "{sha}"}, "contents"),
    ("POST", "/git/tags", {"tag": "t", "message": "m", "object": "{sha}", "type": "commit"}, "contents"),
    ("POST", "/dispatches", {"event_type": "x"}, "contents"),
    ("POST", "/actions/workflows/ci.yml/dispatches", {"ref": "main"}, "actions"),
    ("POST", "/deployments", {"ref": "main", "required_contexts": []}, "deployments"),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "permission"), CALLS, ids=[f"{c[0]} {c[1]}" for c in CALLS]
)
def test_each_write_needs_its_permission(
    world: World, method: str, path: str, body: dict[str, str], permission: str
) -> None:
    world.pull()
    world.repo.commit("other", {"o": "o"}, world.writer)
    world.repo.allow_pull_requests()
    sha = world.repo.head("main") or ""
    path, body = (
        path.format(sha=sha),
        {k: v.format(sha=sha) if isinstance(v, str) else v for k, v in body.items()},
    )
    others = dict.fromkeys(
        {"issues", "pull-requests", "statuses", "contents", "actions", "deployments"} - {permission}, "write"
    )
    # Labels, and comments on a pull request, may be written with either of two permissions.
    others = {k: v for k, v in others.items() if {k, permission} != {"issues", "pull-requests"}}
    got = world.api(method, path, world.repo.github_token(permissions=others), **body)
    assert (got.status, got.message) == (403, INTEGRATION)
    weak = world.forge.pat(world.writer, {permission: "read", "metadata": "read"})
    got = world.api(method, path, weak, **body)
    assert (got.status, got.message) == (403, "Resource not accessible by personal access token")
    with world.forge.recording() as calls:
        got = world.api(
            method, path, world.repo.github_token("7", {permission: "write"}, job="judge"), **body
        )
    assert got.status < 300, got.body
    assert calls[-1].permission_used == f"{permission}: write" and calls[-1].effect
    assert (calls[-1].identity, calls[-1].job) == ("github-actions[bot]", "judge")


def test_readers_may_speak_but_not_write(world: World) -> None:
    assert world.api("POST", "/issues", world.reader, title="x", labels=["bug"]).body["labels"] == []
    assert world.status(world.repo.head("main"), who=world.reader).status == 403
    assert world.api("POST", "/releases", world.reader, tag_name="v1").status == 403
    assert world.api("PUT", "/actions/permissions/workflow", world.writer, x=1).status == 403


def test_a_fresh_repository_and_its_settings(world: World) -> None:
    made = world.api("POST", "/api/v3/user/repos", world.owner, name="fresh", private=True)
    assert made.status == 201 and made.body["full_name"] == "ada/fresh" and made.body["private"]
    again = world.api("POST", "/api/v3/user/repos", world.owner, name="fresh")
    assert again.status == 422 and "name already exists" in again.text
    got = world.api("GET", "/api/v3/repos/ada/fresh/actions/permissions/workflow", world.owner)
    assert got.body == {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}
    world.forge.create("acme/first", world.owner)
    assert world.api("POST", "/api/v3/orgs/acme/repos", world.owner, name="second").status == 201
    assert world.api("POST", "/api/v3/orgs/acme/repos", world.writer, name="third").status == 403
    changed = world.api("PATCH", "", world.owner, delete_branch_on_merge=True, description="Who leaves")
    assert changed.body["delete_branch_on_merge"] and changed.body["description"] == "Who leaves"


def test_actions_may_open_pull_requests_only_once_allowed(world: World) -> None:
    world.repo.commit("topic", {"a": "a"}, world.writer)
    job = world.repo.github_token(permissions={"pull-requests": "write"})
    asked = {"title": "x", "head": "topic", "base": "main"}
    got = world.api("POST", "/pulls", job, **asked)
    assert got.status == 403
    assert got.message == "GitHub Actions is not permitted to create or approve pull requests."
    app = world.repo.app("bot", {"pull_requests": "write"})
    allowed = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": True}
    assert world.api("PUT", "/actions/permissions/workflow", world.owner, **allowed).status == 204
    assert world.api("POST", "/pulls", job, **asked).body["user"]["login"] == "github-actions[bot]"
    world.repo.commit("other", {"b": "b"}, world.writer)
    assert world.api("POST", "/pulls", app, **{**asked, "head": "other"}).body["user"]["type"] == "Bot"


def test_rulesets_and_the_free_plan(world: World) -> None:
    made = world.ruleset()
    assert made.status == 201
    assert world.ruleset().status == 422  # the name is taken
    assert world.ruleset(name="x", rules=[{"type": "nonsense"}]).status == 422
    number = made.body["id"]
    assert [r["id"] for r in world.api("GET", "/rulesets").body] == [number]
    changed = world.api("PUT", f"/rulesets/{number}", world.owner, enforcement="disabled")
    assert changed.body["enforcement"] == "disabled" and changed.body["rules"]
    assert (
        world.ruleset(name="y").status == 201
        and world.api("POST", "/rulesets", world.writer, name="z").status == 403
    )
    world.repo.data["private"] = True
    for got in (world.ruleset(name="w"), world.api("GET", "/rulesets", world.owner)):
        assert got.status == 403 and got.message.startswith(
            "Upgrade to GitHub Pro or make this repository public"
        )
    world.repo.data["plan"] = "pro"
    assert world.ruleset(name="w").status == 201


def test_refs_and_tags_by_rest(world: World) -> None:
    sha = world.repo.head("main")
    assert world.api("POST", "/git/refs", world.writer, ref="refs/heads/x", sha=sha).status == 201
    again = world.api("POST", "/git/refs", world.writer, ref="refs/heads/x", sha=sha)
    assert (again.status, again.message) == (422, "Reference already exists")
    lost = world.api("POST", "/git/refs", world.writer, ref="refs/heads/y", sha="1" * 40)
    assert (lost.status, lost.message) == (422, "Object does not exist")
    assert world.api("POST", "/git/refs", world.writer, ref="main", sha=sha).status == 422
    ahead = world.repo.commit("ahead", {"a": "a"}, world.writer)
    assert world.api("PATCH", "/git/refs/heads/x", world.writer, sha=ahead).status == 200
    back = world.api("PATCH", "/git/refs/heads/x", world.writer, sha=sha)
    assert (back.status, back.message) == (422, "Update is not a fast forward")
    assert world.api("PATCH", "/git/refs/heads/x", world.writer, sha=sha, force=True).status == 200
    assert world.api("GET", "/git/ref/heads/x").body["object"]["sha"] == sha
    assert world.api("GET", "/git/ref/heads").status == 404
    assert world.api("DELETE", "/git/refs/heads/x", world.writer).status == 204
    assert world.repo.head("x") is None
    made = world.api(
        "POST", "/git/tags", world.writer, tag="m@v1.0.0", message="M", object=sha, type="commit"
    )
    assert world.repo.tags() == {}
    world.api("POST", "/git/refs", world.writer, ref="refs/tags/m@v1.0.0", sha=made.body["sha"])
    assert world.repo.tags() == {"m@v1.0.0": sha}
    assert world.api("GET", f"/git/tags/{made.body['sha']}").body["object"]["sha"] == sha
    world.ruleset()
    blocked = world.api("PATCH", "/git/refs/heads/main", world.owner, sha=ahead)
    assert blocked.status == 422 and "GH013" in blocked.message


def test_statuses_know_their_creator(world: World) -> None:
    sha = world.repo.head("main") or ""
    lost = world.status("1" * 40)
    assert (lost.status, lost.message) == (422, f"No commit found for SHA: {'1' * 40}")
    assert world.status(sha, "great").status == 422
    assert (
        world.api("POST", f"/statuses/{sha}", world.writer, state="success", description="x" * 141).status
        == 422
    )
    world.status(sha, "pending")
    world.status(sha, "failure", world.repo.app("bot", {"statuses": "write"}))
    world.status(sha, "success", world.repo.github_token(permissions={"statuses": "write"}))
    listed = world.api("GET", f"/commits/{sha}/statuses").body
    assert [(s["state"], s["creator"]["login"], s["creator"]["type"]) for s in listed] == [
        ("success", "github-actions[bot]", "Bot"),
        ("failure", "bot[bot]", "Bot"),
        ("pending", "will", "User"),
    ]
    assert world.api("GET", "/commits/main/status").body["state"] == "success"


def test_labels_issues_and_comments_have_limits(world: World) -> None:
    assert world.api("POST", "/labels", world.writer, name="Bug", color="000000").status == 422
    assert world.api("POST", "/labels", world.writer, name="x", color="red").status == 422
    assert (
        world.api("POST", "/labels", world.writer, name="x", color="f00f00", description="y" * 101).status
        == 422
    )
    issue = world.api("POST", "/issues", world.writer, title="A", body="B", labels=["bug"])
    assert issue.body["labels"][0]["color"] == "d73a4a"
    long = world.api("POST", "/issues/1/comments", world.writer, body="x" * 65537)
    assert long.status == 422 and "too long" in long.text
    for number in range(3):
        world.api("POST", "/issues/1/comments", world.writer, body=str(number))
    page = world.api("GET", "/issues/1/comments?per_page=2")
    assert [c["body"] for c in page.body] == ["0", "1"]
    link = page.headers["Link"]
    assert 'rel="next"' in link and f"{world.forge.url}/api/v3/repos/ada/churn/issues/1/comments" in link
    assert [c["body"] for c in world.api("GET", "/issues/1/comments?per_page=2&page=2").body] == ["2"]
    assert world.api("GET", "/issues?labels=bug").body[0]["number"] == 1
    assert world.api("GET", "/issues?labels=wontfix").body == []
    world.api("PATCH", "/issues/1", world.writer, state="closed")
    assert (
        world.api("GET", "/issues").body == []
        and world.repo.issues("closed")[0]["closed_by"]["login"] == "will"
    )


def test_collaborators(world: World) -> None:
    roles = {"ada": "admin", "will": "write", "rita": "read"}
    for login, role in roles.items():
        got = world.api("GET", f"/collaborators/{login}/permission", world.writer)
        assert got.body["permission"] == role
    assert world.api("GET", "/collaborators/nobody/permission", world.writer).status == 404
    assert world.api("GET", "/collaborators/will/permission", world.reader).status == 403
    token = world.repo.github_token(permissions={})
    assert world.api("GET", "/collaborators/will/permission", token).body["permission"] == "write"


def test_contents_compare_and_branches(world: World) -> None:
    world.repo.commit("topic/one", {"dir/a.txt": "a"}, world.writer)
    assert world.api("GET", "/contents/dir/a.txt?ref=topic/one").body["encoding"] == "base64"
    assert world.api("GET", "/contents/dir/a.txt").status == 404
    assert [f["name"] for f in world.api("GET", "/contents").body] == [".github", "README.md", "data.csv"]
    got = world.api("GET", "/compare/main...topic/one").body
    assert (got["status"], got["ahead_by"], got["files"][0]["filename"]) == ("ahead", 1, "dir/a.txt")
    assert world.api("GET", "/branches/topic/one").body["commit"]["commit"]["author"]["name"] == "will"
    assert world.api("GET", "/branches/none").status == 404


def test_deployments(world: World) -> None:
    sha = world.repo.head("main")
    world.status(sha, "failure")
    assert world.api("POST", "/deployments", world.writer, ref="main").status == 409
    made = world.api(
        "POST", "/deployments", world.writer, ref="main", required_contexts=[], environment="production"
    )
    number = made.body["id"]
    assert world.api("POST", f"/deployments/{number}/statuses", world.writer, state="success").status == 201
    second = world.api("POST", "/deployments", world.writer, ref="main", required_contexts=[]).body["id"]
    world.api("POST", f"/deployments/{second}/statuses", world.writer, state="success")
    states = [s["state"] for s in world.api("GET", f"/deployments/{number}/statuses").body]
    assert states == ["inactive", "success"]
