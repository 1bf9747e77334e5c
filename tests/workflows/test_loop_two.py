"""Two pull requests at once: the one that main overtook is built again, and a merge that nobody judged is not released."""

from __future__ import annotations

import pytest
from tests.workflows.edits import no_strictness, params, text
from tests.workflows.world import SLUG, World

pytestmark = pytest.mark.change


def test_a_pull_request_that_main_overtook_is_merged_with_it_and_built_again(world: World) -> None:
    first = world.pull_request("trees", params(("max_iter: 40", "max_iter: 30")), "Fewer trees")
    second = world.pull_request(
        "penalty", params(("l2_regularization: 5", "l2_regularization: 4")), "Less penalty"
    )
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert [world.status(number)[0] for number in (first, second)] == ["success"] * 2
    before, told = world.head(second), world.repo.comments(second)
    main = world.merge(first)
    assert state(world, second) == "dirty", "both changed dvc.lock"
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert world.repo.tags()[f"{SLUG}@v1.1.0"] == main
    after = world.head(second)
    assert world.git("rev-parse", f"{after}^1", f"{after}^2", cwd=world.repo.bare).split() == [before, main]
    written = world.text(after, "params.yaml")
    assert "max_iter: 30" in written and "l2_regularization: 4" in written, "nobody's change is lost"
    assert (
        world.yaml(after, "dvc.lock")["stages"]["train"]["params"]["params.yaml"]["train"]["params"]
        == (world.yaml(after, "params.yaml")["train"]["params"])
    ), "the lock is of the merge"
    assert world.status(second)[0] == "success"
    (comment,) = world.repo.comments(second)
    assert comment["id"] == told[0]["id"] and comment["body"] != told[0]["body"], "updated in place"
    # Which version it would be depends on whether the release of the first was faster than this.
    assert f"/raw/{after}/" in comment["body"], "pictures of the new head"
    assert state(world, second) == "clean"
    merged = world.merge(second)
    assert world.repo.git.blob(merged, "dvc.lock") == world.repo.git.blob(after, "dvc.lock")
    world.repo.take_events()  # its release is as any other


@pytest.mark.full
def test_a_clean_merge_that_nobody_judged_is_built_anew_before_anything_is_released(world: World) -> None:
    no_strictness(world)
    _with_slices(world)
    # Each is right alone: fewer test rows leave slices of 25, which are not judged; and no slice has 20 to 29 rows.
    fewer = world.pull_request("fewer", params(("test_size: 0.25", "test_size: 0.18")), "Fewer test rows")
    smaller = world.pull_request(
        "smaller", text("policy.yaml", ("min_slice_rows: 30", "min_slice_rows: 20")), "Small slices"
    )
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert world.status(smaller)[0] == "pending", "the rules change: a second person decides"
    world.repo.approve(smaller, world.bob)
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert [world.status(number)[0] for number in (smaller, fewer)] == ["success"] * 2
    world.merge(smaller)
    main = world.merge(fewer)
    evaluated = world.yaml(main, "reports/evaluation.json")["slices"]
    assert {one["judged"] for one in evaluated} == {False} and min(one["n"] for one in evaluated) >= 20
    assert world.yaml(main, "policy.yaml")["min_slice_rows"] == 20, (
        "git merged cleanly into what nobody built"
    )

    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert world.versions == [f"{SLUG}@v1.0.0"], "nothing is released"
    (pull,) = world.repo.open_pulls()
    assert pull["head"]["ref"] == "rebuild/main" and world.repo.head() == main
    head = pull["head"]["sha"]
    assert {one["judged"] for one in world.yaml(head, "reports/evaluation.json")["slices"]} == {True}
    assert world.status(pull["number"])[0] == "success"
    merged = world.merge(pull["number"])
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert world.repo.tags()[f"{SLUG}@v1.1.0"] == merged
    (pointer,) = world.repo.open_pulls()
    assert pointer["head"]["ref"] == "deploy/production"


def state(world: World, number: int) -> str:
    """clean, behind, blocked, dirty; whoever asks GitHub first makes it look."""
    world.api("GET", f"/pulls/{number}")
    return str(world.api("GET", f"/pulls/{number}")["mergeable_state"])


def _with_slices(world: World) -> None:
    """Main names slices, and its lock is right: Ada built it and pushed it past the rule; what that starts is not of interest."""
    clone = world.fresh()
    text("policy.yaml", (r"slices: \[\]", "slices: [{column: mean radius, quantiles: 4}]"))(clone)
    world.reproduce(clone)
    world.git("add", "--all")
    changed = world.git("diff", "--cached", "--name-only").splitlines()
    assert "dvc.lock" in changed and "policy.yaml" in changed
    world.repo.commit("main", {path: (clone / path).read_bytes() for path in changed}, world.ada, "Slices")
    world.repo.take_events()
