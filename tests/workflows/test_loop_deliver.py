"""What is served, moved forward and back, executed: two environments, promotion, one merge to go back, and bytes that are lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.workflows.act import Run
from tests.workflows.edits import text
from tests.workflows.world import APP, PACKAGE, SLUG, World

SERVICE = f"src/{PACKAGE}/service.py"


def two_environments(world: World) -> None:
    """Ada puts staging before production, and mends the service; she has run the pipeline, which reads policy.yaml."""
    clone = world.fresh()
    done = world.gitops("storage", "pull")
    assert done.returncode == 0, done.stderr
    text("policy.yaml", (r"environments: \[production\]", "environments: [staging, production]"))(clone)
    world.repo.commit(
        "main", {"policy.yaml": (clone / "policy.yaml").read_bytes()}, world.ada, "Staging first"
    )
    world.repo.take_events()
    with (clone / SERVICE).open("a", encoding="utf-8") as file:
        file.write("\n# Another service.\n")
    world.reproduce(clone)
    changed = world.git("diff", "--name-only").splitlines()
    assert "dvc.lock" in changed
    files: dict[str, bytes | str | None] = {
        path: (clone / path).read_bytes() for path in changed if path != "policy.yaml"
    }
    world.repo.commit("main", files, world.ada, "Mend the service")


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


def forward_and_back(world: World, by_hand: bool = False) -> None:
    """v1.0.1 is offered to staging: through both environments, and back in production with one merge."""
    world.merge(offered(world, "deploy/staging", "v1.0.1", f"Serve {SLUG} v1.0.1 in staging"))
    settled(world)
    shows(world, "staging", "v1.0.1")
    assert world.stages("production") == ["v1.0.0"], "nothing moves before its merge"
    number = offered(world, "deploy/production", "v1.0.1", f"Serve {SLUG} v1.0.1 in production")
    assert world.yaml(world.head(number), "deploy/production/model.yaml")["promoted_from"] == "staging"
    if by_hand:  # what deploy has offered already: the same pull request
        world.loop.dispatch("promote.yml", {"environment": "production", "version": "v1.0.1"})
        assert world.ran("promote", settled(world)).ok
    assert offered(world, "deploy/production", "v1.0.1", f"Serve {SLUG} v1.0.1 in production") == number
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
    settled(world)
    assert world.versions == [f"{SLUG}@v1.0.0", f"{SLUG}@v1.0.1"]
    forward_and_back(world)


@pytest.mark.full
def test_the_same_as_an_app_whose_own_pushes_cause_no_loop(make_world: Callable[..., World]) -> None:
    world = make_world(app=True)
    two_environments(world)
    settled(world)
    forward_and_back(world, by_hand=True)
    ours = [pull for pull in world.repo.pulls if pull["number"] > 1]
    assert {pull["user"]["login"] for pull in ours} == {f"{APP.slug}[bot]"}
    makers = {one["creator"] for one in world.repo.data["deployments"]}
    assert makers == {"github-actions[bot]"}, "the App needs no right to deployments"


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
def test_a_machine_that_dies_in_deploy_leaves_nothing_half_done(
    make_world: Callable[..., World],
) -> None:
    for effects in (1, 3):
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


def cut_off(world: World, workflow: str, effects: int, inputs: dict[str, str]) -> None:
    """Start a workflow by hand, let its machine die behind its n-th effect, and press "Re-run all jobs"."""
    world.loop.kill_after(effects, workflow)
    world.loop.dispatch(f"{workflow}.yml", inputs)
    (run,) = [one for one in world.settle() if one.name == workflow]
    assert run.result == "killed", world.errors([run])
    world.loop.rerun(run)
    settled(world)


def given_up(world: World, number: int) -> None:
    """Close a pull request, and delete its branch."""
    branch = world.repo.pull(number)["head"]["ref"]
    world.api("PATCH", f"/pulls/{number}", {"state": "closed"})
    world.api("DELETE", f"/git/refs/heads/{branch}")
    world.repo.take_events()


@pytest.mark.full
def test_a_machine_that_dies_in_promote_or_roll_back_leaves_one_pull_request(world: World) -> None:
    two_environments(world)
    settled(world)
    world.merge(offered(world, "deploy/staging", "v1.0.1", f"Serve {SLUG} v1.0.1 in staging"))
    settled(world)
    title = f"Serve {SLUG} v1.0.1 in production"
    for effects in (1, 2):
        given_up(world, offered(world, "deploy/production", "v1.0.1", title))
        cut_off(world, "promote", effects, {"environment": "production", "version": "v1.0.1"})
    world.merge(offered(world, "deploy/production", "v1.0.1", title))
    settled(world)
    for effects in (1, 2):
        cut_off(world, "roll-back", effects, {"environment": "production"})
        number = offered(world, "roll-back/production", "v1.0.0", "Roll production back to v1.0.0")
        if effects == 1:
            given_up(world, number)
    world.merge(number)
    settled(world)
    shows(world, "production", "v1.0.0", "v1.0.1", "v1.0.0")
    assert world.repo.open_pulls() == []
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
