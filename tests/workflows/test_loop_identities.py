"""From GitHub's default settings to a release and a mergeable change: as a GitHub App, and where robots may open no pull request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.workflows.edits import newer_rows
from tests.workflows.world import APP, SLUG, World

pytestmark = pytest.mark.change
BOT = f"{APP.slug}[bot]"


def test_an_app_releases_and_judges_and_its_own_pushes_cause_no_loop(
    make_world: Callable[..., World],
) -> None:
    world = make_world("before-release", app=True)
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert list(world.repo.tags()) == [f"{SLUG}@v1.0.0"]
    (pointer,) = world.repo.open_pulls()
    assert (pointer["head"]["ref"], pointer["user"]["login"]) == ("deploy/production", BOT)
    assert world.status(pointer["number"])[0] == "success", "an App's pull request has its required status"

    number = world.pull_request("data", newer_rows, "Newer rows")
    before = world.head(number)
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    # GitHub starts the workflow for the App's own commit too: it finds nothing to build, judges once more (the first run could
    # have been cancelled by it), and leaves nothing behind.
    ours = [run for run in runs if run.name == "pull-request"]
    assert [run.event.action for run in ours] == ["opened", "synchronize"]
    (_, second) = ours
    assert second.event.actor == BOT
    assert second.jobs["candidate/plan"].step("plan").outputs["stages"] == "", "CI built that lock itself"
    log = world.git("log", "--format=%an", f"{before}..{world.head(number)}", cwd=world.repo.bare).split("\n")
    assert len(log) == 1, f"one commit of the robot's, not {log}"
    assert world.status(number)[0] == "success"
    comment = world.comment(number)
    assert "Pass" in comment and "v1.0.1" in comment, "the second run keeps what the first one told"
    listed = [each["user"]["login"] for each in world.repo.comments(number)]
    assert listed == [BOT]

    main = world.merge(number)
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert world.repo.tags()[f"{SLUG}@v1.0.1"] == main
    assert [pull["number"] for pull in world.repo.open_pulls()] == [pointer["number"]], (
        "updated, not opened anew"
    )
    world.healthy()


@pytest.mark.full
def test_without_the_permission_one_issue_says_what_to_click(make_world: Callable[..., World]) -> None:
    world = make_world("before-release")
    world.repo.allow_pull_requests(False)
    runs = world.settle()
    run = world.ran("release", runs)
    assert run.ok, world.errors(runs)
    assert any("may not open pull requests" in one.title for one in run.commands if one.kind == "warning")
    assert list(world.repo.tags()) == [f"{SLUG}@v1.0.0"]
    head = world.repo.head("deploy/production")
    assert head and world.repo.changed_files("main", head) == ["deploy/production/model.yaml"]
    assert world.repo.open_pulls() == []
    (issue,) = world.repo.issues()
    assert f"{world.repo.url}/compare/main...deploy/production" in issue["body"]
    assert f"{world.repo.url}/settings/actions" in issue["body"]

    world.loop.dispatch("release.yml")
    runs = world.settle()
    assert world.ran("release", runs).ok, world.errors(runs)
    assert [one["number"] for one in world.repo.issues("all")] == [issue["number"]], "one issue, not two"
    assert world.repo.head("deploy/production") == head, "nothing is pushed twice"

    world.repo.allow_pull_requests()
    world.loop.dispatch("release.yml")
    runs = world.settle()
    assert world.ran("release", runs).ok, world.errors(runs)
    (pull,) = world.repo.open_pulls()
    assert pull["head"]["sha"] == head and world.status(pull["number"])[0] == "success"
    assert world.repo.issues() == [], "the issue is closed once the pull request is open"
    # Two runs were refused, by the setting and not for a permission that a job lacks.
    refused = [call for call in world.forge.calls if call.status == 403]
    assert [(call.method, call.path.rpartition("/")[2]) for call in refused] == [("POST", "pulls")] * 2
    for call in refused:
        world.forge.calls.remove(call)
    world.healthy()
