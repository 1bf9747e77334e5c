"""Executed workflows: one published project is made once per test run, and each test works on a copy of its forge."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.workflows.world import APP, World, enter, plant


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The seed's folder, shared by all workers: whoever comes first makes it.

    GITOPS_ML_SEED names a folder that is kept for the next test run: for whoever writes tests. It holds the suite as it
    was when the seed was made; remove it after a change of the product.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    folder = Path(os.environ.get("GITOPS_ML_SEED") or shared / "seed")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            plant(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture
def world(seed: Path, tmp_path: Path) -> Iterator[World]:
    """The published, released and served project, as GITHUB_TOKEN runs it; healthy at the end."""
    made = enter(seed, tmp_path)
    with made.forge:
        yield made
        made.healthy()


@pytest.fixture
def make_world(seed: Path, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """``make_world("before-release", app=True)``: another state of the seed, or another identity."""
    worlds: list[World] = []

    def make(state: str = "served", app: bool = False, **variables: str) -> World:
        folder = tmp_path / f"world-{len(worlds)}"
        folder.mkdir()
        worlds.append(enter(seed, folder, state, variables, APP if app else None))
        return worlds[-1]

    yield make
    for made in worlds:
        made.forge.stop()
