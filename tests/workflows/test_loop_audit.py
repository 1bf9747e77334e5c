"""The audit, executed: silent on a served project, one issue for what was lost, closed when it is back."""

from __future__ import annotations

import pytest
from tests.workflows.world import World

STORE = "refs/dvc/store"


def audited(world: World, hand: bool = False) -> tuple[bool, list[tuple[str, str]]]:
    """Run the workflow by its clock, or by hand: whether it was green, and the issues there are."""
    if hand:
        world.loop.dispatch("audit.yml")
    else:
        world.loop.schedule("audit.yml")
    with world.forge.recording() as calls:
        runs = world.settle()
    run = world.ran("audit", runs)
    assert {call.path.split("/issues")[0] for call in calls if call.effect} <= {
        f"/api/v3/repos/{world.repo.slug}"
    }
    return run.ok, [(one["state"], one["title"]) for one in world.repo.issues("all")]


def lose(world: World) -> str:
    """An object of the released version disappears from the store; what the store was."""
    git = world.repo.git
    whole = git.ref(STORE)
    assert whole is not None
    path = git.text("ls-tree", "-r", "--name-only", STORE).splitlines()[0]
    left = git.commit(git.tree_with(whole, {path: None}), [whole], "Lost", ("x", "x@y"), ("x", "x@y"))
    git.update(STORE, left)
    return whole


@pytest.mark.change
def test_a_loss_is_one_issue_and_closed_when_it_is_made_good(world: World) -> None:
    assert audited(world) == (True, []), world.errors(world.runs)
    whole = lose(world)
    for _ in range(2):
        assert audited(world) == (True, [("open", "Audit: 1 disagreement")])
    (issue,) = world.repo.issues()
    assert "is missing in the store" in issue["body"] and "gitops-ml storage push" in issue["body"]
    world.repo.git.update(STORE, whole)
    assert audited(world, hand=True) == (True, [("closed", "Audit: 1 disagreement")])


@pytest.mark.full
def test_what_cannot_be_looked_at_is_red_and_no_issue(world: World) -> None:
    world.loop.env = {**world.loop.env, "GITOPS_ML_RETRY_SECONDS": "0"}
    world.forge.faults.add("502", "GET", r"/rules/branches/", times=1000)
    assert audited(world) == (False, [])
    assert any("502" in one for one in world.runs[-1].errors())
    assert "Could not look at the rule on main" in "".join(world.runs[-1].summaries.values())
    world.forge.faults.clear()
    assert audited(world) == (True, [])


@pytest.mark.full
def test_the_same_on_a_laptop_writes_nothing(world: World) -> None:
    world.fresh()
    done = world.gitops("audit")
    assert done.returncode == 0 and "nothing disagrees" in done.stdout, done.stdout + done.stderr
    lose(world)
    done = world.gitops("audit")
    assert done.returncode == 1 and "is missing in the store" in done.stdout
    assert not world.repo.issues("all")
