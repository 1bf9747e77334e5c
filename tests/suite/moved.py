"""Two environments on the strict forge, two released versions, and one run of each workflow that moves what is served."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.forge import Forge as Hub
from tests.suite import delivery, ruled
from tests.suite.delivery import verdict
from tests.suite.ruled import Bench, bench

from gitops_ml import storage
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proof, Proofs
from gitops_ml.delivery import deploy, moving, promote, roll_back
from gitops_ml.delivery import release as releasing
from gitops_ml.delivery.champion import pointer_of
from gitops_ml.delivery.deploy import Outcome
from gitops_ml.delivery.moving import Desk, Target
from gitops_ml.delivery.promote import Opened
from gitops_ml.delivery.releases import model_sha256, releases
from gitops_ml.errors import Fault

GRANTED = {**ruled.GRANTED, "deployments": "write"}
POLICY = "version: 1\nenvironments: [staging, production]\n"


def desk(at: Bench, permissions: Mapping[str, str] | None = None) -> Desk:
    """The desk of a new job, at main as it is."""
    there = at.desk(permissions or GRANTED)
    return Desk(there.root, there.forge, there.token, there.forge, storage)


def prove(root: Path, wanted: list[Target], bad: tuple[str, ...] = ()) -> Proofs:
    """What the job that proves would say: all is well but for the versions in ``bad``."""
    found = []
    for environment, version in wanted:
        released = next(one for one in releases(root, "churn") if one.version == version)
        proof = Proof(
            environment=environment,
            version=version,
            revision=released.commit,
            sha256=model_sha256(root, released.commit),
            rows=9,
            problems=[f"{version} does not load: planted"] if version in bad else [],
        )
        found.append(proof)
    return Proofs(version=1, proofs=found)


def deployed(at: Bench, bad: tuple[str, ...] = ()) -> Outcome:
    """One run of the workflow deploy."""
    first = desk(at)
    proofs = prove(first.root, deploy.targets(first), bad)
    return deploy.deploy(desk(at), proofs)


def promoted(at: Bench, environment: str = "", version: str = "", bad: tuple[str, ...] = ()) -> Opened | None:
    """One run of the workflow promote."""
    first = desk(at)
    aim = promote.aim(first, moving.look(first), environment, version)
    if aim is None:
        return None
    proofs = prove(first.root, [aim.target], bad)
    second = desk(at)
    seen = moving.look(second)
    again = promote.aim(second, seen, environment, version)
    assert again is not None
    return promote.promote(second, seen, again, proofs)


def rolled_back(at: Bench, environment: str = "", version: str = "", bad: tuple[str, ...] = ()) -> Opened:
    """One run of the workflow roll-back."""
    first = desk(at)
    aim = roll_back.aim(first, moving.look(first), environment, version)
    proofs = prove(first.root, [aim.target], bad)
    second = desk(at)
    seen = moving.look(second)
    return roll_back.roll_back(second, seen, roll_back.aim(second, seen, environment, version), proofs)


def released(at: Bench, world: delivery.World) -> releasing.Outcome:
    """One run of the workflow release, with main checked out."""
    there = at.desk()
    at_work = releasing.Desk(
        there.root,
        there.forge,
        there.token,
        lambda case: verdict(),
        storage,
        lambda v: f"Verdict: {v.overall}",
    )
    world.git("fetch", "-q", "origin")
    built = world.built() if releasing.plan(at_work).release else None
    return releasing.release(at_work, built)


def merge(at: Bench, branch: str) -> str:
    """Press the button of the pull request of a branch."""
    (number,) = [one["number"] for one in at.repo.open_pulls() if one["head"]["ref"] == branch]
    return at.repo.merge(number, by=at.ada)


def served(at: Bench, environment: str, revision: str = "main") -> Pointer | None:
    """The pointer of an environment on a branch of the forge."""
    return pointer_of(at.checkout(), f"origin/{revision}", environment)


def stage_tags(at: Bench) -> dict[str, str]:
    """Stage tag -> the version that it is of."""
    text = at.repo.git.text("for-each-ref", "--format=%(refname:short) %(contents:subject)", "refs/tags")
    return {line.split()[0]: line.split()[-1] for line in text.splitlines() if "#" in line}


def newest_deployments(at: Bench) -> dict[str, tuple[str, str]]:
    """Environment -> version and state of its newest deployment."""
    return {
        d["environment"]: (d["payload"]["version"], d["statuses"][-1]["state"])
        for d in at.repo.data["deployments"]
        if d["statuses"]
    }


def build(at: Bench, folder: Path, files: Mapping[str, Any], **facts: int) -> delivery.World:
    """Ada's commit on main, built: the next release's candidate. ``folder``: where her clone is, or will be."""
    world = delivery.World(folder)
    if not folder.exists():
        delivery.World.make(folder)
        world.git("remote", "set-url", "origin", at.repo.address(at.ada))
        world.git("push", "-q", "origin", "main")
    else:
        world.git("remote", "set-url", "origin", at.repo.address(at.ada))
        world.git("pull", "-q", "--ff-only", "origin", "main")
    world.commit(files, **facts)
    at.repo.take_events()
    return world


def plant(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """The seed: both environments serve v1.0.0 and show it; v1.0.1 is released and offered to staging."""
    with Hub.start(folder / "empty" / "hub") as hub:
        repo = hub.create("ada/churn", hub.user("ada"))
        repo.collaborator(hub.user("will"), "write")
        repo.allow_pull_requests()
    with bench(folder / "empty", folder / "seed", patch) as at:
        world = build(at, folder / "clone", {"policy.yaml": POLICY})
        assert released(at, world).version == "v1.0.0"
        for environment in ("staging", "production"):
            merge(at, f"deploy/{environment}")
            assert deployed(at).ok
        world = build(at, folder / "clone", {}, data=2)
        assert released(at, world).version == "v1.0.1"
    return folder / "seed"


def in_words(act: Any) -> None:
    """It may fail, and then says what happened, and below it what to do."""
    try:
        act()
    except Fault as fault:
        assert "\n" in str(fault).strip(), f"no fix is named: {fault}"
