"""Baked projects: each named combination of answers is generated once per worker, with its hooks, and then looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = {
    "project_name": """O'Brien "quoted" ${{ github.token }} $(touch pwned) `id` 🚀 #1: {a} \\ -x""",
    "project_slug": "hostile",
    "author_name": """-n "Ada" O'Hara \\ $(touch pwned) ${{ x }} é 名""",
    "description": """🚀 yes: 'no' "maybe" '''triple''' \"\"\"six\"\"\" {{ braces }} % $HOME | & ; # not a comment""",
}
NAMED: dict[str, dict[str, str]] = {
    "default": {},
    "regression": {"project_name": "Progress", "task": "regression", "license": "BSD-3-Clause"},
    "own table": {
        "project_name": "Churn",
        "table": "churn.csv",
        "target": "churned",
        "license": "proprietary",
    },
    "s3 storage": {
        "project_name": "Bucket",
        "storage": "s3://some-bucket/some/path",
        "license": "Apache-2.0",
    },
    "first_run=no": {"project_name": "Later", "first_run": "no"},
    "hostile answers": HOSTILE,
}


@dataclass(frozen=True)
class Project:
    """A generated project: where it is, what generating printed, and how to run things in it."""

    path: Path
    printed: str
    returncode: int
    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        """A shell's environment: an empty home without a git identity, no Python of ours, a shared package cache."""
        return clean_environment(self.home) | {"PATH": f"{self.path}/.venv/bin:{os.environ['PATH']}"} | more

    def run(self, *command: str | Path, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; fail the test with its output if it fails."""
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.path,
            env=self.environment(**more),
            capture_output=True,
            text=True,
        )
        if check and done.returncode:
            pytest.fail(
                f"{command} exited with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def git(self, *arguments: str) -> str:
        """What git prints, in the project."""
        return self.run("git", *arguments).stdout.strip()

    def install(self, *groups: str) -> None:
        """Install more of the project's groups into its environment."""
        self.run("uv", "sync", "--quiet", "--inexact", *[f"--group={group}" for group in groups])


def clean_environment(home: Path) -> dict[str, str]:
    """The environment of a new user: nothing of git, Python or this test run, but the machine's package cache."""
    foreign = ("VIRTUAL_ENV", "PYTHON", "GIT_", "COV_", "PYTEST", "UV_CONSTRAINT", "CI", "MLFLOW", "DVC")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    cache = (
        os.environ.get("UV_CACHE_DIR") or subprocess.check_output(["uv", "cache", "dir"], text=True).strip()
    )
    return kept | {
        "HOME": str(home),
        "UV_CACHE_DIR": cache,
        "GIT_CONFIG_NOSYSTEM": "1",
        "DO_NOT_TRACK": "true",
    }


def generate(folder: Path, **answers: str) -> Project:
    """Run cookiecutter in a folder, as a person would, and return what came of it (``path`` may not exist)."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    output = folder / "out"
    output.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(output), str(ROOT)]
    command += [f"{name}={value}" for name, value in answers.items()]
    environment = clean_environment(home) | {"PWD": str(folder), "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    made = next(iter(sorted(output.iterdir())), output / "nothing")
    return Project(made, done.stdout + done.stderr, done.returncode, home)


@pytest.fixture(scope="session")
def bake(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """``bake("regression")`` generates that combination of :data:`NAMED`, once per worker."""
    baked: dict[str, Project] = {}

    def make(name: str) -> Project:
        if name not in baked:
            folder = tmp_path_factory.mktemp("bake")
            if name == "own table":
                from tests.template.tables import mixed

                mixed(400).to_csv(folder / "churn.csv", index=False)
            baked[name] = generate(folder, **NAMED[name])
        return baked[name]

    return make


@pytest.fixture(scope="session")
def baked(bake: Callable[[str], Project]) -> Project:
    """The default project, trained."""
    return bake("default")
