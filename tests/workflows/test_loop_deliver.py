"""What is served, moved forward and back, executed: two environments, promotion, one merge to go back, and bytes that are lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.workflows.act import Run
from tests.workflows.edits import newer_rows
from tests.workflows.world import APP, PACKAGE, SLUG, World

TWO = ("environments: [production]", "environments: [staging, production]")
SERVICE = f"src/{PACKAGE}/service.py"


def two_environments(world: World) -> None:
    """Ada puts staging before production; nothing runs for it yet."""
    text = world.text("main", "policy.yaml")
    assert TWO[0] in text
    world.repo.commit("main", {"policy.yaml": text.replace(*TWO)}, world.ada, "Staging first")


def settled(world: World, bad: str = "") -> list[Run]:
    """Let everything run; all but the workflow ``bad`` is green."""
    runs = world.settle()
    assert all(run.ok == (run.name != bad) for run in runs), world.errors(runs)
    return runs


def offered(world: World, branch: str, version: str, title: str) -> int:
    """The one open pull request of a branch: it names the version, touches its pointer alone, and may be merged."""
    (pull,) = [one for one in world.repo.open_pulls() if one["head"]["ref"] == branch]
    environment = branch.partition("/")[2]
    head = pull["head"]["sha"]
    assert world.repo.changed_files("main", head) == [f"deploy/{environment}/model.yaml"]
    assert world.yaml(head, f"deploy/{environment}/model.yaml")["version"] == version
    assert pull["title"] == title
    assert world.status(pull["number"])[0] == "success"
    return int(pull["number"])


def shows(world: World, environment: str, *versions: str) -> None:
    """Pointer, stage tags and deployment agree; the tags say what was served in which order."""
    assert world.yaml("main", f"deploy/{environment}/model.yaml")["version"] == versions[-1]
    assert world.stages(environment) == list(versions)
    assert world.deployment(environment)[:2] == (versions[-1], "success")


def forward_and_back(world: World) -> None:
    """v1.0.1 is offered to staging: through both environments, and back in production with one merge."""
    world.merge(offered(world, "deploy/staging", "v1.0.1", f"Serve {SLUG} v1.0.1 in staging"))
    settled(world)
    shows(world, "staging", "v1.0.1")
    assert world.stages("production") == ["v1.0.0"], "nothing moves before its merge"
    number = offered(world, "deploy/production", "v1.0.1", f"Serve {SLUG} v1.0.1 in production")
    assert world.yaml(world.head(number), "deploy/production/model.yaml")["promoted_from"] == "staging"
    world.merge(number)
    settled(world)
    shows(world, "production", "v1.0.0", "v1.0.1")
    assert world.repo.open_pulls() == []

    world.loop.dispatch("roll-back.yml")
    run = world.ran("roll-back", settled(world))
    assert run.ran() == ["prove", "roll-back"], "nothing is trained or built"
    back = offered(world, "roll-back/production", "v1.0.0", "Roll production back to v1.0.0")
    pull = world.repo.pull(back)
    assert [one["name"] for one in pull["labels"]] == ["gitops-ml: rollback"]
    assert "from v1.0.1 to v1.0.0" in pull["body"] and "both take the same rows" in pull["body"]
    world.merge(back)
    settled(world)
    shows(world, "production", "v1.0.0", "v1.0.1", "v1.0.0")
    shows(world, "staging", "v1.0.1")
    assert world.repo.open_pulls() == [], (
        "what was rolled back from is not offered again, by release or by deploy"
    )
    world.healthy()


@pytest.mark.change
def test_a_version_goes_through_both_environments_and_back_with_one_merge(world: World) -> None:
    shows(world, "production", "v1.0.0")
    two_environments(world)
    # Served anew, not trained anew: the quickest second version there is.
    text = world.text("main", SERVICE)
    world.repo.take_events()
    world.repo.commit("main", {SERVICE: f"{text}\n# Another service.\n"}, world.ada, "Mend the service")
    settled(world)
    assert world.versions == [f"{SLUG}@v1.0.0", f"{SLUG}@v1.0.1"]
    forward_and_back(world)


@pytest.mark.full
def test_from_nothing_as_an_app_whose_own_pushes_cause_no_loop(make_world: Callable[..., World]) -> None:
    world = make_world("before-release", app=True)
    two_environments(world)
    settled(world)
    world.merge(offered(world, "deploy/staging", "v1.0.0", f"Serve {SLUG} v1.0.0 in staging"))
    settled(world)
    shows(world, "staging", "v1.0.0")
    number = offered(world, "deploy/production", "v1.0.0", f"Serve {SLUG} v1.0.0 in production")
    assert world.repo.pull(number)["user"]["login"] == f"{APP.slug}[bot]"
    makers = {one["creator"] for one in world.repo.data["deployments"]}
    assert makers == {"github-actions[bot]"}, "the App needs no right to deployments"
    world.merge(number)
    settled(world)
    shows(world, "production", "v1.0.0")

    change = world.pull_request("rows", newer_rows, "Newer rows")
    settled(world)
    world.merge(change)
    settled(world)
    world.merge(offered(world, "deploy/staging", "v1.0.1", f"Serve {SLUG} v1.0.1 in staging"))
    settled(world)
    shows(world, "staging", "v1.0.0", "v1.0.1")
    # By hand, what deploy has offered already: the same pull request.
    there = offered(world, "deploy/production", "v1.0.1", f"Serve {SLUG} v1.0.1 in production")
    world.loop.dispatch("promote.yml", {"environment": "production", "version": "v1.0.1"})
    assert world.ran("promote", settled(world)).ok
    assert offered(world, "deploy/production", "v1.0.1", f"Serve {SLUG} v1.0.1 in production") == there
    world.merge(there)
    settled(world)
    shows(world, "production", "v1.0.0", "v1.0.1")

    world.loop.dispatch("roll-back.yml", {"version": "v1.0.0"})
    settled(world)
    world.merge(offered(world, "roll-back/production", "v1.0.0", "Roll production back to v1.0.0"))
    settled(world)
    shows(world, "production", "v1.0.0", "v1.0.1", "v1.0.0")
    assert world.repo.open_pulls() == []
    world.healthy()


@pytest.mark.full
def test_bytes_that_are_lost_move_nothing_and_stop_the_way_back(make_world: Callable[..., World]) -> None:
    world = make_world("before-merge")
    (pull,) = world.repo.open_pulls()
    store = world.refs()["refs/dvc/store"]
    world.repo.git.update("refs/dvc/store", None)
    world.merge(pull["number"])
    run = world.ran("deploy", settled(world, bad="deploy"))
    assert run.result == "failure"
    version, state, why = world.deployment("production")
    assert (version, state) == ("v1.0.0", "failure") and "not served" in why
    assert world.stages("production") == []
    (issue,) = world.repo.issues()
    assert "does not serve v1.0.0" in issue["title"] and "roll-back" in issue["body"]

    world.loop.dispatch("roll-back.yml", {"version": "v0.9.0"})
    refused = world.ran("roll-back", settled(world, bad="roll-back"))
    assert any("never released" in one for one in refused.errors()), refused.errors()
    assert world.repo.open_pulls() == []

    world.repo.git.update("refs/dvc/store", store)
    world.loop.dispatch("deploy.yml")
    settled(world)
    shows(world, "production", "v1.0.0")
    assert [one["state"] for one in world.repo.issues("all")] == ["closed"]
    again = what_is_there(world)
    world.loop.dispatch("deploy.yml")
    settled(world)
    assert what_is_there(world) == again, "nothing twice"
    world.healthy()


@pytest.mark.full
def test_a_machine_that_dies_anywhere_in_deploy_leaves_nothing_half_done(
    make_world: Callable[..., World],
) -> None:
    for effects in (1, 2, 3):
        world = make_world("before-merge")
        (pull,) = world.repo.open_pulls()
        world.loop.kill_after(effects, "deploy")
        world.merge(pull["number"])
        runs = world.settle()
        (run,) = [one for one in runs if one.name == "deploy"]
        assert run.result == "killed", world.errors(runs)
        world.loop.rerun(run)
        settled(world)
        shows(world, "production", "v1.0.0")
        assert len(world.repo.data["deployments"]) == 1
        world.healthy()


def what_is_there(world: World) -> dict[str, Any]:
    """All that a person could see of what is served."""
    data = world.repo.data
    return {
        "refs": world.repo.git.refs(),
        "deployments": [(one["sha"], one["payload"], len(one["statuses"])) for one in data["deployments"]],
        "statuses": {sha: len(listed) for sha, listed in data["statuses"].items()},
        "issues": [(one["state"], one["title"]) for one in data["issues"].values()],
        "comments": len(data["comments"]),
    }
