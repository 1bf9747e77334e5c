"""Bytes moved out of git into an object store: the same loop, with DVC's remote underneath (a folder stands for a bucket)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workflows.test_loop_first import edit
from tests.workflows.world import SLUG, World

pytestmark = pytest.mark.full


def test_a_moved_project_is_built_judged_and_released_from_its_new_storage(
    world: World, tmp_path: Path
) -> None:
    bucket = tmp_path / "bucket"
    clone = world.fresh()
    moved = world.gitops("storage", "move", str(bucket), "--yes")
    assert moved.returncode == 0, moved.stdout + moved.stderr
    objects = sum(1 for path in bucket.rglob("*") if path.is_file())
    assert objects >= 4, "every object of every released version was copied first"
    files = {
        ".dvc/config": (clone / ".dvc/config").read_text(),
        ".gitops-ml.yaml": (clone / ".gitops-ml.yaml").read_text(),
    }
    world.repo.commit("main", files, world.ada, "Bytes live elsewhere now")
    world.settle()
    store = world.refs()["refs/dvc/store"]

    number = world.pull_request("params", edit("params.yaml", "max_iter: 40", "max_iter: 30"), "Fewer trees")
    runs = world.settle()
    assert world.ran("pull-request", runs).ok, world.errors(runs)
    assert world.status(number)[0] == "success", world.comment(number)
    assert f"refs/dvc/pr/{number}" not in world.refs(), "nothing of it lies in git"
    assert sum(1 for path in bucket.rglob("*") if path.is_file()) > objects
    world.merge(number)
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert f"{SLUG}@v1.1.0" in world.repo.tags()
    assert world.refs()["refs/dvc/store"] == store
    world.fresh()
    verified = world.gitops("storage", "verify", "--all")
    assert verified.returncode == 0, verified.stdout + verified.stderr
