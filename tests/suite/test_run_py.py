"""actions/run.py: what each action's one step calls, before anything of ours is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_ml import __version__
from gitops_ml.errors import Fault
from gitops_ml.storage.remote import options

RUN = Path(__file__).parents[2] / "actions" / "run.py"

SETUP = """\
import json, os, sys
from setuptools import setup
if "{seen}":
    open("{seen}", "w").write(json.dumps(dict(os.environ)))
setup(name="demo", version="1")
"""


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """run.py in a job's environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GITOPS_ML_"))}
    environment |= {"RUNNER_TEMP": str(folder)} | more
    return subprocess.run(
        [sys.executable, RUN, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_the_suite_gets_an_environment_of_its_own_once(tmp_path: Path) -> None:
    first = run(tmp_path, "--version")
    assert first.returncode == 0, first.stderr
    assert __version__ in first.stdout
    (made,) = tmp_path.iterdir()
    before = (made / "pyvenv.cfg").stat().st_mtime_ns
    assert run(tmp_path, "--version").returncode == 0
    assert [made] == list(tmp_path.iterdir()) and (made / "pyvenv.cfg").stat().st_mtime_ns == before
    foreign = subprocess.run([made / "bin" / "python", "-c", "import dvc"], capture_output=True)
    assert foreign.returncode, "the project's libraries are not the suite's"


def test_a_verb_that_fails_fails_the_step(tmp_path: Path) -> None:
    failed = run(tmp_path, "storage", "pull")
    assert failed.returncode == 1 and "no dvc.yaml" in failed.stderr


def test_code_that_is_installed_sees_no_secret(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    seen = tmp_path / "seen.json"
    (project / "setup.py").write_text(SETUP.format(seen=seen), "utf-8")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11"\n'
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
        "utf-8",
    )
    done = run(
        tmp_path,
        "--sync",
        "project",
        "",
        GITOPS_ML_TOKEN="planted-1",
        GITOPS_ML_STORAGE="planted-2",
        MY_SECRET="planted-3",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PATH" in seen.read_text("utf-8") and "planted" not in seen.read_text("utf-8")
    assert (project / ".venv/bin/python").exists()


def test_an_environment_that_cannot_be_made_says_so_and_leaves_none(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("not toml", "utf-8")
    done = run(tmp_path, "--sync", "project", "")
    assert done.returncode and "::error title=Set-up failed::" in done.stdout


def test_credentials_of_a_store_are_read_line_by_line_and_never_repeated() -> None:
    text = "# mine\naccess_key_id = AKIA\nsecret_access_key=a=b\n\n"
    assert options(text) == {"access_key_id": "AKIA", "secret_access_key": "a=b"}
    with pytest.raises(Fault, match="line 1") as wrong:
        options("hunter2")
    assert "hunter2" not in str(wrong.value)
