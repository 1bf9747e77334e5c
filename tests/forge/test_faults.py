"""Faults: each one happens when it was ordered, as often as it was ordered, and is in the log."""

from __future__ import annotations

import http.client
import time
import urllib.error

import pytest
from tests.forge.conftest import World

GONE = (http.client.RemoteDisconnected, ConnectionError, urllib.error.URLError)


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        (401, 401, "Bad credentials"),
        (403, 403, "Resource not accessible"),
        (404, 404, "Not Found"),
        (409, 409, "Conflict"),
        (422, 422, "Validation Failed"),
        (429, 429, "API rate limit exceeded"),
        ("secondary", 403, "You have exceeded a secondary rate limit"),
        (500, 500, "Internal"),
        (502, 502, "Server Error"),
    ],
)
def test_an_answer_instead_of_an_effect(world: World, kind: int | str, status: int, text: str) -> None:
    world.forge.faults.add(kind, "POST", "/issues$", times=1, after=1, retry_after=1)
    assert world.api("GET", "/issues").status == 200
    assert world.api("POST", "/issues", world.writer, title="before").status == 201
    got = world.api("POST", "/issues", world.writer, title="hit")
    assert got.status == status and got.message.startswith(text)
    assert got.headers.get("Retry-After") == ("1" if kind in (429, "secondary") else None)
    assert world.api("POST", "/issues", world.writer, title="after").status == 201
    assert [issue["title"] for issue in world.repo.issues()] == ["before", "after"]
    assert [call.fault for call in world.forge.calls] == ["", "", str(kind), ""]
    assert [call.effect for call in world.forge.calls] == [False, True, False, True]


def test_dropped_before_and_after_the_effect(world: World) -> None:
    for kind, made in (("drop", 0), ("drop-after", 1)):
        world.forge.faults.add(kind, "POST")
        with pytest.raises(GONE):
            world.api("POST", "/issues", world.writer, title="x")
        assert len(world.repo.issues()) == made
        assert world.forge.calls[-1].status == 0


def test_a_dropped_push(world: World) -> None:
    clone = world.clone(world.writer)
    world.write(clone, "a", "a")
    for kind, landed in (("drop", False), ("drop-after", True)):
        world.forge.faults.add(kind, "POST", "git-receive-pack")
        world.git("push", "-q", "origin", f"HEAD:refs/heads/{kind}", cwd=clone, ok=False)
        assert bool(world.repo.head(kind)) is landed
    world.forge.faults.add(502, "GET", "git-receive-pack")
    assert "502" in world.git("push", "origin", "HEAD:refs/heads/y", cwd=clone, ok=False)


def test_slow(world: World) -> None:
    world.forge.faults.add("slow", seconds=0.3)
    start = time.monotonic()
    assert world.api("GET", "").status == 200 and time.monotonic() - start >= 0.3


def test_dead_after_n_effects(world: World) -> None:
    called: list[int] = []
    world.forge.faults.add("dead-after-n-effects", after=2, callback=lambda: called.append(1))
    clone = world.clone(world.writer)
    world.git("push", "-q", "origin", "HEAD:refs/heads/x", cwd=clone)
    assert not called
    assert world.api("POST", "/issues", world.writer, title="second").status == 201
    assert called == [1]
    for _ in range(2):
        with pytest.raises(GONE):
            world.api("GET", "")
    world.git("ls-remote", world.repo.git_url, ok=False)
    world.forge.faults.clear()
    assert world.api("GET", "").status == 200 and world.forge.faults.effects == 2


def test_a_fault_for_one_job_alone(world: World) -> None:
    judge, score = (
        world.repo.github_token(permissions={"issues": "write"}, job=job) for job in ("judge", "score")
    )
    world.forge.faults.add(500, job="judge")
    assert world.api("POST", "/issues", score, title="x").status == 201
    assert world.api("POST", "/issues", judge, title="x").status == 500


def test_a_half_made_asset(world: World) -> None:
    made = world.api("POST", "/releases", world.writer, tag_name="v1", draft=True).body
    world.forge.faults.add("starter", "POST", "/assets")
    upload = f"/api/uploads/repos/ada/churn/releases/{made['id']}/assets?name=a.txt"
    assert world.api("POST", upload, world.writer, x="bytes").status == 502
    (asset,) = world.api("GET", f"/releases/{made['id']}/assets", world.writer).body
    assert (asset["state"], asset["size"]) == ("starter", 0)
    assert "already_exists" in world.api("POST", upload, world.writer, x="bytes").text
    assert world.api("DELETE", f"/releases/assets/{asset['id']}", world.writer).status == 204
    assert world.api("POST", upload, world.writer, x="bytes").status == 201


def test_an_unknown_fault_is_no_fault(world: World) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        world.forge.faults.add("earthquake")
