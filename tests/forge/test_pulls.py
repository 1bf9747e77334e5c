"""Pull requests: opened, followed, conflicting, blocked, merged; and the events that all of it makes."""

from __future__ import annotations

import pytest
from tests.forge import Loop, Refused
from tests.forge.conftest import World


def names(world: World) -> list[tuple[str, str, bool]]:
    return [(event.name, event.action, event.starts) for event in world.repo.take_events()]


def test_what_a_pull_request_is_refused_for(world: World) -> None:
    def ask(**body: str) -> str:
        got = world.api(
            "POST", "/pulls", world.writer, **{"title": "x", "head": "topic", "base": "main"} | body
        )
        assert got.status == 422 and got.message == "Validation Failed", got.body
        return got.text

    assert '"field": "head", "code"' in ask().replace(
        '"code": "invalid", "field": "head"', '"field": "head", "code"'
    )
    world.repo.git.update("refs/heads/topic", world.repo.head("main"))
    assert "No commits between main and topic" in ask()
    world.repo.commit("topic", {"a": "a"}, world.writer)
    assert '"base"' in ask(base="none")
    assert "missing_field" in ask(title="")
    assert "too long" in ask(body="x" * 65537)
    assert world.api("POST", "/pulls", world.writer, title="x", head="topic", base="main").status == 201
    assert "A pull request already exists for ada:topic." in ask()


def test_heads_and_merges_of_pull_requests_are_refs(world: World) -> None:
    number = world.pull()
    first = world.repo.head("topic")
    assert world.repo.git.ref(f"refs/pull/{number}/head") == first
    assert set(world.repo.files(f"refs/pull/{number}/merge")) >= {"topic.txt", "README.md"}
    second = world.repo.commit("topic", {"data.csv": "a\n2\n"}, world.writer)
    assert world.repo.git.ref(f"refs/pull/{number}/head") == second == world.repo.pull(number)["head"]["sha"]
    world.repo.commit("main", {"data.csv": "a\n3\n"}, world.owner)
    assert world.repo.git.ref(f"refs/pull/{number}/merge") is None
    world.repo.commit("topic", {"data.csv": "a\n1\n"}, world.writer)
    assert world.repo.git.ref(f"refs/pull/{number}/merge")


def test_mergeable_is_unknown_when_first_asked(world: World) -> None:
    number = world.pull()
    first, second = (world.api("GET", f"/pulls/{number}").body for _ in range(2))
    assert (first["mergeable"], first["mergeable_state"]) == (None, "unknown")
    assert (second["mergeable"], second["mergeable_state"]) == (True, "clean")
    world.repo.commit("topic", {"data.csv": "a\n2\n"}, world.writer)
    world.repo.commit("main", {"data.csv": "a\n3\n"}, world.owner)
    world.forge.lazy_mergeable = False
    world.api("GET", f"/pulls/{number}")
    assert world.api("GET", f"/pulls/{number}").body["mergeable_state"] == "dirty"


def test_pull_requests_are_found_by_head_and_base(world: World) -> None:
    world.pull("one")
    world.pull("two")
    found = world.api("GET", "/pulls?head=ada:one&base=main").body
    assert [pull["head"]["ref"] for pull in found] == ["one"]
    assert len(world.api("GET", "/pulls?head=one").body) == 2  # GitHub ignores a head without its owner
    assert world.api("GET", "/pulls?head=ada:one&base=other").body == []
    assert world.api("GET", "/pulls?head=ada:one&state=closed").body == []


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merge(world: World, method: str) -> None:
    number = world.pull()
    world.repo.commit("topic", {"more.txt": "2\n"}, world.writer, "More")
    world.repo.commit("main", {"other.txt": "3\n"}, world.owner)
    before = world.repo.head("main") or ""
    stale = world.api("PUT", f"/pulls/{number}/merge", world.writer, sha="1" * 40, merge_method=method)
    assert (stale.status, stale.message) == (409, "Head branch was modified. Review and try the merge again.")
    got = world.api("PUT", f"/pulls/{number}/merge", world.writer, merge_method=method)
    assert got.body["merged"] and got.body["sha"] == world.repo.head("main")
    assert {"topic.txt", "more.txt", "other.txt"} <= set(world.repo.files("main"))
    parents = world.repo.git.text("rev-list", "--parents", "-1", "main").split()[1:]
    assert len(parents) == (2 if method == "merge" else 1)
    assert world.repo.git.count(f"{before}..main") == {"merge": 3, "squash": 1, "rebase": 2}[method]
    pull = world.repo.pull(number)
    assert pull["merged"] and pull["state"] == "closed" and pull["merged_by"]["login"] == "will"
    assert world.repo.head("topic")  # nothing is deleted
    assert world.api("PUT", f"/pulls/{number}/merge", world.writer).status == 405
    assert [p["number"] for p in world.api("GET", f"/commits/{got.body['sha']}/pulls").body] == [number]


def test_a_conflict_cannot_be_merged(world: World) -> None:
    number = world.pull(files={"data.csv": "a\n2\n"})
    world.repo.commit("main", {"data.csv": "a\n3\n"}, world.owner)
    got = world.api("PUT", f"/pulls/{number}/merge", world.owner)
    assert (got.status, got.message) == (405, "Pull Request is not mergeable")


def test_a_required_status_blocks_until_it_stands_on_the_head(world: World) -> None:
    number = world.pull()
    world.ruleset()
    old = world.repo.head("topic")
    for state in (None, "pending", "failure"):
        if state:
            world.status(old, state)
        got = world.api("PUT", f"/pulls/{number}/merge", world.owner)
        assert got.status == 405 and 'Required status check "gitops-ml" is expected.' in got.message
    world.status(old)
    world.repo.commit("topic", {"late": "x"}, world.writer)
    assert world.api("PUT", f"/pulls/{number}/merge", world.owner).status == 405
    world.status(world.repo.head("topic"))
    assert world.api("PUT", f"/pulls/{number}/merge", world.owner).status == 200


def test_strict_means_up_to_date(world: World) -> None:
    number = world.pull()
    world.repo.commit("main", {"other.txt": "3\n"}, world.owner)
    world.ruleset(strict=True)
    world.status(world.repo.head("topic"))
    got = world.api("PUT", f"/pulls/{number}/merge", world.owner)
    assert got.status == 405 and "out-of-date" in got.message
    world.api("GET", f"/pulls/{number}")
    assert world.api("GET", f"/pulls/{number}").body["mergeable_state"] == "behind"
    clone = world.clone(world.writer)
    world.git("checkout", "-q", "topic", cwd=clone)
    world.git("merge", "-q", "--no-edit", "origin/main", cwd=clone)
    world.git("push", "-q", "origin", "topic", cwd=clone)
    world.status(world.repo.head("topic"))
    assert world.api("PUT", f"/pulls/{number}/merge", world.owner).status == 200


def test_reviews(world: World) -> None:
    number = world.pull()
    world.ruleset(reviews=1)
    world.status(world.repo.head("topic"))
    with pytest.raises(Refused, match="Unprocessable"):
        world.repo.approve(number, world.writer)
    own = world.api("POST", f"/pulls/{number}/reviews", world.writer, event="APPROVE")
    assert own.status == 422 and "Can not approve your own pull request" in own.text
    job = world.repo.github_token(permissions={"pull-requests": "write"})
    not_allowed = world.api("POST", f"/pulls/{number}/reviews", job, event="APPROVE")
    assert not_allowed.status == 422 and "not permitted to approve" in not_allowed.text
    world.repo.approve(number, world.reader)
    with pytest.raises(Refused, match="approving review is required"):
        world.repo.merge(number, world.owner)
    world.repo.approve(number, world.owner)
    assert [r["user"]["login"] for r in world.api("GET", f"/pulls/{number}/reviews").body] == ["rita", "ada"]
    world.repo.merge(number, world.owner)
    assert world.repo.open_pulls() == []


def test_a_fork_and_its_pull_request(world: World) -> None:
    fork = world.forge.fork(world.repo, world.stranger)
    fork.commit("idea", {"idea.txt": "!\n"}, world.stranger)
    assert world.repo.git.kind(fork.head("idea") or "") is None
    made = world.api("POST", "/pulls", world.stranger, title="Idea", head="stan:idea", base="main")
    assert (
        made.body["head"]["repo"]["full_name"] == "stan/churn" and made.body["head"]["label"] == "stan:idea"
    )
    number = made.body["number"]
    assert world.repo.file(f"refs/pull/{number}/merge", "idea.txt") == b"!\n"
    event = world.repo.take_events()[-1]
    assert event.fork and event.files == ["idea.txt"] and event.starts
    fork.commit("idea", {"idea.txt": "?\n"}, world.stranger)
    assert [event.action for event in world.repo.take_events()] == ["synchronize"]
    token = world.repo.github_token(permissions={"contents": "write", "issues": "write"}, fork=True)
    assert world.api("POST", "/issues", token, title="x").status == 403
    assert world.api("POST", "/pulls", world.stranger, title="x", head="rita:idea", base="main").status == 422
    world.repo.merge(number, world.owner)
    assert world.repo.file("main", "idea.txt") == b"?\n"


def test_events_of_people_start_workflows_those_of_github_token_do_not(world: World) -> None:
    number = world.pull()
    assert names(world) == [("push", "", True), ("pull_request", "opened", True)]
    job = world.repo.github_token(permissions={"contents": "write", "issues": "write", "actions": "write"})
    clone = world.clone(job)
    world.git("checkout", "-q", "topic", cwd=clone)
    world.write(clone, "by-job", "x")
    world.git("push", "-q", "origin", "topic", cwd=clone)
    assert names(world) == [("push", "", False), ("pull_request", "synchronize", False)]
    world.api("POST", f"/issues/{number}/comments", job, body="x")
    world.api("POST", "/dispatches", job, event_type="data-changed", client_payload={"a": 1})
    world.api("POST", "/actions/workflows/ci.yml/dispatches", job, ref="main", inputs={"b": "2"})
    assert names(world) == [
        ("issue_comment", "created", False),
        ("repository_dispatch", "data-changed", True),
        ("workflow_dispatch", "", True),
    ]
    app = world.repo.app("bot", {"contents": "write"})
    world.write(clone, "by-app", "x")
    world.git("push", "-q", world.repo.address(app), "topic", cwd=clone)
    assert names(world) == [("push", "", True), ("pull_request", "synchronize", True)]


def test_a_dispatch_needs_the_workflow_and_its_trigger(world: World) -> None:
    path = "/actions/workflows/{}/dispatches"
    assert world.api("POST", path.format("none.yml"), world.writer, ref="main").status == 404
    world.repo.commit("main", {".github/workflows/ci.yml": "on: push\n"}, world.owner)
    assert world.api("POST", path.format("ci.yml"), world.writer, ref="main").status == 422
    assert world.api("POST", path.format("ci.yml"), world.writer, ref="gone").status == 422


def test_a_conflicted_pull_request_starts_pull_request_target_alone(world: World) -> None:
    number = world.pull()
    assert world.repo.take_events()[-1].triggers == ["pull_request", "pull_request_target"]
    world.repo.commit("main", {"data.csv": "a\n3\n"}, world.owner)
    world.repo.commit("topic", {"data.csv": "a\n2\n"}, world.writer)
    event = world.repo.take_events()[-1]
    assert (event.action, event.triggers) == ("synchronize", ["pull_request_target"])
    assert event.target_sha == world.repo.head("main") and event.payload["number"] == number


def test_the_payload_of_a_push(world: World) -> None:
    before = world.repo.head("main")
    after = world.repo.commit("main", {"data.csv": None, "b/c.txt": "1"}, world.owner, "Move")
    (event,) = world.repo.take_events()
    assert (event.payload["before"], event.payload["after"], event.ref) == (before, after, "refs/heads/main")
    assert sorted(event.files) == ["b/c.txt", "data.csv"] and event.sha == after
    assert event.payload["commits"][0]["added"] == ["b/c.txt"] and event.payload["sender"]["login"] == "ada"
    assert event.payload["repository"]["full_name"] == "ada/churn"


def test_more_than_three_tags_at_once_make_no_events(world: World) -> None:
    clone = world.clone(world.writer)
    for count in (3, 4):
        for number in range(count):
            world.git("tag", f"t{count}-{number}", cwd=clone)
        world.git("push", "-q", "origin", "--tags", cwd=clone)
        assert len(world.repo.take_events()) == (3 if count == 3 else 0)


def test_a_loop_of_generations_is_an_error(world: World) -> None:
    world.repo.commit("main", {"start": "0"}, world.owner)
    with pytest.raises(Loop, match="generation 11"):
        for number in range(20):
            for event in world.repo.take_events():
                app = world.repo.app("bot", {"contents": "write"}, event=event)
                world.repo.commit("main", {"n": str(number)}, app)
    assert number == 11 and world.repo.events[-1].error and not world.repo.events[-1].starts


def test_merging_by_hand_closes_the_pull_request(world: World) -> None:
    number = world.pull()
    clone = world.clone(world.owner)
    world.git("push", "-q", "origin", "origin/topic:refs/heads/main", cwd=clone)
    assert world.repo.pull(number)["merged"]
    other = world.pull("other")
    world.git("push", "-q", "origin", ":other", cwd=clone)
    assert world.repo.pull(other)["state"] == "closed" and not world.repo.pull(other)["merged"]


def test_a_job_may_not_merge_changes_of_workflows(world: World) -> None:
    number = world.pull(files={".github/workflows/new.yml": "on: push\n"})
    job = world.repo.github_token(permissions={"contents": "write"})
    got = world.api("PUT", f"/pulls/{number}/merge", job)
    assert got.status == 403 and "without `workflows` permission" in got.message
    assert world.api("PUT", f"/pulls/{number}/merge", world.writer).status == 200
