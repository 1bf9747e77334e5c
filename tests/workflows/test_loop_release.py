"""What main is given: a version by the rule, once, complete; nothing where it falls short."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.forge.access import Refused
from tests.workflows.edits import newer_rows, no_strictness, params, text
from tests.workflows.world import SLUG, World

pytestmark = pytest.mark.change
SHORT = "<!-- gitops-ml: main-falls-short -->"


def effects(world: World, since: int) -> list[str]:
    """What jobs wrote since the n-th call."""
    made = [call for call in world.forge.calls[since:] if call.effect and call.kind in ("job", "app")]
    return [f"{call.job}: {call.method} {call.path}" for call in made]


def whole(world: World, version: str) -> None:
    """A release has all its files, and its checksums fit."""
    tag = f"{SLUG}@{version}"
    (release,) = [one for one in world.repo.releases() if one["tag_name"] == tag]
    bento = f"{SLUG}-{version}.bento"
    names = {asset["name"] for asset in release["assets"]}
    listed = {"MODEL_CARD.md", "model_card.json", "verdict.json", "measurements.json", "dvc.lock", bento}
    assert names == {*listed, "SHA256SUMS"}
    sums = world.repo.asset(tag, "SHA256SUMS") or b""
    found = dict(reversed(line.split("  ")) for line in sums.decode().splitlines())
    assert set(found) == listed
    for name, sha256 in found.items():
        assert hashlib.sha256(world.repo.asset(tag, name) or b"").hexdigest() == sha256, name
        assert sha256 in release["body"], f"the text names the sum of {name}"
    assert world.repo.asset(tag, "dvc.lock") == world.repo.file(tag, "dvc.lock")
    card = (world.repo.asset(tag, "MODEL_CARD.md") or b"").decode()
    assert f"**Version {version}**" in card and world.repo.tags()[tag] in card


def stored(world: World) -> None:
    """The store has every byte of every release."""
    world.fresh()
    done = world.gitops("storage", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"and of {len(world.versions)} released versions" in done.stdout


def test_a_release_is_whole_and_is_made_once(world: World, tmp_path: Path) -> None:
    whole(world, "v1.0.0")
    stored(world)
    world.git("clone", "--quiet", "--mirror", world.repo.address(world.ada), "mirror", cwd=tmp_path)
    store = world.refs()["refs/dvc/store"]
    world.git("clone", "--quiet", world.repo.address(world.ada), "plain", cwd=tmp_path)
    assert "refs/dvc" not in world.git("for-each-ref", cwd=tmp_path / "plain")
    assert store in world.git("rev-list", "--all", cwd=tmp_path / "mirror").split(), "the mirror has it"
    with pytest.raises(AssertionError):
        world.git("cat-file", "-e", store, cwd=tmp_path / "plain")
    since = len(world.forge.calls)
    before = world.repo.git.refs()
    world.loop.dispatch("release.yml")
    runs = world.settle()
    run = world.ran("release", runs)
    assert run.ok and "build" not in run.ran(), world.errors(runs)
    assert effects(world, since) == [], "the same commit twice: nothing twice"
    assert world.repo.git.refs() == before


@pytest.mark.full
def test_three_merges_in_a_row_are_a_patch_a_minor_and_a_major(world: World) -> None:
    no_strictness(world)

    def prepared(branch: str, onto: str, edit: Callable[[Path], None]) -> int:
        """A pull request on top of another one, built and judged."""
        if onto:
            world.fresh()
            world.git("push", "--quiet", "origin", f"origin/{onto}:refs/heads/{branch}")
        number = world.pull_request(branch, edit, branch)
        runs = world.settle()
        assert world.ran("pull-request", runs).ok, world.errors(runs)
        return number

    patch = prepared("newer-rows", "", newer_rows)
    assert world.status(patch)[0] == "success"
    minor = prepared("more-trees", "newer-rows", params(("max_iter: 40", "max_iter: 50")))
    assert world.status(minor)[0] == "success"
    # Every row is within the narrower limit, but a caller's may not be.
    narrower = text("schema.yaml", (r"(mean radius: .*maximum: )39", r"\g<1>35"))
    major = prepared("narrower", "more-trees", narrower)
    comment = world.comment(major)
    assert "v2.0.0" in comment, comment
    assert world.status(major)[0] == "success"

    merged = [world.repo.merge(number, by=world.ada, method="merge") for number in (patch, minor, major)]
    runs = world.settle()
    released = [run for run in runs if run.name == "release"]
    assert [run.result for run in released] == ["success"] * 3, world.errors(runs)
    versions = ["v1.0.1", "v1.1.0", "v2.0.0"]
    tags = world.repo.tags()
    assert [tags.get(f"{SLUG}@{version}") for version in versions] == merged
    why = [release["body"] for release in reversed(world.repo.releases())][1:]
    assert "newer data, same recipe" in why[0]
    assert "changed: params (train.params.max_iter)" in why[1]
    assert "callers must change: mean radius must be at most 35" in why[2]
    (pointer,) = world.repo.open_pulls()
    offered = world.yaml(pointer["head"]["sha"], "deploy/production/model.yaml")
    assert (offered["version"], offered["revision"]) == ("v2.0.0", merged[2])
    assert len([pull for pull in world.repo.pulls if pull["head"]["ref"] == "deploy/production"]) == 2
    for version in versions:
        whole(world, version)
    stored(world)


def test_a_worse_model_is_blocked_and_not_released_even_when_forced(world: World) -> None:
    stump = "max_iter: 1\n    max_leaf_nodes: 2"
    worse = params(("max_iter: 40", stump))
    number = world.pull_request("worse", worse, "A worse model")
    runs = world.settle()
    assert world.ran("pull-request", runs).result in ("success", "failure"), world.errors(runs)
    state, line = world.status(number)
    assert state == "failure", line
    comment = world.comment(number)
    assert comment.count("Block") and "roc_auc" in comment, comment
    with pytest.raises(Refused) as refused:
        world.merge(number)
    assert refused.value.status == 405

    # Ada may push past the rule; no version comes of it.
    head, good = world.head(number), world.repo.head() or ""
    changed = world.repo.changed_files(good, head)
    world.repo.commit("main", {path: world.repo.file(head, path) for path in changed}, world.ada, "Force")
    runs = world.settle()
    assert world.ran("release", runs).result == "failure", "red, and it says why"
    assert world.versions == [f"{SLUG}@v1.0.0"]
    assert [pull["head"]["ref"] for pull in world.repo.open_pulls()] == ["worse"], "nothing is offered"
    (issue,) = world.repo.issues()
    assert SHORT in issue["body"] and "roc_auc" in issue["body"]

    back: dict[str, bytes | None] = {path: world.repo.file(good, path) for path in changed}
    world.repo.commit("main", back, world.ada, "Revert")
    runs = world.settle()
    assert world.ran("release", runs).ok, world.errors(runs)
    assert [(one["number"], one["state"]) for one in world.repo.issues("all")] == [
        (issue["number"], "closed")
    ]
    assert world.versions == [f"{SLUG}@v1.0.0"]
