"""Every plant of `gitops-ml gates selftest` as a pull request: what the executed workflow says, and that the forge refuses it."""

from __future__ import annotations

import json
import urllib.error
from pathlib import Path

import pytest
from tests.workflows.act import Run
from tests.workflows.test_loop_forgeries import poison
from tests.workflows.world import World

from gitops_ml.selftest.plant import Plant
from gitops_ml.selftest.plants import PLANTS, expired_entry, named
from gitops_ml.selftest.site import Site, merged

BRANCH = "planted"
FULL, CHANGE = pytest.mark.full, pytest.mark.change
# Plant -> state of the required status, and what the comment says of it.
ANSWERS = {
    "worse-model": ("failure", "ROC AUC falls by"),
    "leaky-feature": ("failure", "known_only_afterwards"),
    "schema-break": ("pending", "must be at"),
    "unfair-slice": ("failure", "slice"),
    "miscalibrated-model": ("failure", "Brier score rises by"),
    "slow-model": ("pending", "latency"),
    "huge-model": ("pending", "bytes"),
    "shifted-data": ("pending", "rows"),
    "unpushed-bytes": ("failure", "could not be had"),
    "tampered-bytes": ("failure", "corrupted"),
    "loosened-policy": ("failure", "changes the rules it is judged by"),
    "expired-override": ("failure", "expired on"),
    "empty-card": ("pending", "intended_use"),
}
QUICK = ("leaky-feature",)


def proposed(world: World, plant: Plant) -> tuple[int, Run]:
    """Bob plants it, on a main whose policy has its checks on; the pull request, and its run."""
    project = world.fresh()
    if plant.strict is not None:
        policy = merged(world.text("main", "policy.yaml").encode(), plant.strict(Site(project)))
        world.repo.commit("main", {"policy.yaml": policy}, world.ada, "Stricter")
        world.repo.take_events()
    if plant.name == "empty-card":
        changed_hands(world)
    rows = Site(project).rows().read_bytes()
    number = world.pull_request(BRANCH, lambda root: plant.edit(Site(root)), plant.title, by=world.bob)
    if plant.poisons:
        poison(world, f"refs/dvc/branch/{BRANCH}", {Site(world.clone).named: rows + b"\n"}, world.bob)
    return number, world.ran("pull-request", world.settle())


def changed_hands(world: World) -> None:
    """Production has served another model before: what people owe a card is then no note any more."""
    path = "deploy/production/model.yaml"
    served = world.text("main", path)
    sha256 = world.yaml("main", path)["sha256"]
    for text in (served.replace(sha256, "ab" * 32), served):
        world.repo.commit("main", {path: text}, world.ada, "Serve")
    world.repo.take_events()


def refused(world: World, number: int) -> None:
    """The merge button, pressed by somebody who may, does not work, and main is what it was."""
    main = world.repo.git.ref("refs/heads/main")
    with pytest.raises(urllib.error.HTTPError) as answer:
        world.api("PUT", f"/pulls/{number}/merge", {})
    assert answer.value.code in (403, 405)
    assert "gitops-ml" in answer.value.read().decode()
    assert world.repo.git.ref("refs/heads/main") == main


def test_every_plant_has_its_answer_here() -> None:
    assert {plant.name for plant in PLANTS if plant.expects} == set(ANSWERS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=CHANGE if name in QUICK else FULL) for name in ANSWERS]
)
def test_what_is_planted_cannot_be_merged(world: World, name: str) -> None:
    (plant,) = named((name,))
    state, words = ANSWERS[name]
    number, run = proposed(world, plant)
    if plant.then is not None:
        assert world.status(number)[0] == "failure" and words not in world.comment(number)
        model = json.loads(world.text(world.head(number), "reports/evaluation.json"))["model_sha256"]

        def argue(project: Path) -> None:
            (project / "overrides.yaml").write_text(expired_entry("quality/roc_auc", model), "utf-8")

        world.push(BRANCH, argue, by=world.bob)
        run = world.ran("pull-request", world.settle())
    assert world.status(number)[0] == state, (world.status(number), world.errors([run]))
    assert run.ok == (state == "pending"), world.errors([run])
    assert words in world.comment(number), world.comment(number)
    refused(world, number)


@CHANGE
def test_an_equally_good_model_passes_and_is_merged(world: World) -> None:
    (plant,) = named(("equal-model",))
    number, run = proposed(world, plant)
    assert run.ok and world.status(number)[0] == "success", (world.status(number), world.errors([run]))
    before = json.loads(world.text("main", "reports/evaluation.json"))["model_sha256"]
    assert world.api("PUT", f"/pulls/{number}/merge", {})["merged"]
    after = json.loads(world.text("main", "reports/evaluation.json"))["model_sha256"]
    assert before != after, "it was another model"


@FULL
def test_a_pass_is_of_the_commit_that_was_judged_and_of_no_later_one(world: World) -> None:
    """The required status of the new head is missing until its own run has posted it: nobody can be faster."""
    (equal,), (worse,) = named(("equal-model",)), named(("worse-model",))
    number, run = proposed(world, equal)
    assert world.status(number)[0] == "success", world.errors([run])
    world.push(BRANCH, lambda root: worse.edit(Site(root)), by=world.bob)
    assert world.status(number) == ("", "")
    refused(world, number)
    world.ran("pull-request", world.settle())
    assert world.status(number)[0] == "failure"
    refused(world, number)
