"""The same inputs give the same bytes: two folders, two hash seeds, nothing from a cache."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.template.conftest import Project

MADE = ["models", "reports", "data/prepared", "MODEL_CARD.md", "dvc.lock"]


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file that the pipeline makes."""
    files = [path for made in MADE for path in [folder / made, *(folder / made).rglob("*")] if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
    }


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in ("default", "regression")]
)
def test_forced_runs_are_byte_identical(bake: Callable[[str], Project], tmp_path: Path, name: str) -> None:
    project = bake(name)
    first = digests(project.path)
    assert "models/model.skops" in first and sum(path.endswith(".svg") for path in first) >= 2

    elsewhere = tmp_path / "another folder"
    project.run("git", "clone", "--quiet", project.path, elsewhere)
    shutil.copytree(project.path / "data" / "raw", elsewhere / "data" / "raw", dirs_exist_ok=True)
    # The environment is the other folder's; the code that runs is this one's.
    again = Project(elsewhere, "", 0, project.home)
    path = f"{project.path}/.venv/bin:{project.environment()['PATH']}"
    again.run(
        "dvc",
        "repro",
        "-f",
        "--no-run-cache",
        PYTHONPATH=f"{elsewhere}/src",
        PYTHONHASHSEED="4711",
        PATH=path,
    )
    assert digests(elsewhere) == first

    project.run("dvc", "repro", "-f", "--no-run-cache", PYTHONHASHSEED="1")
    assert digests(project.path) == first
    assert project.git("status", "--porcelain") == ""
