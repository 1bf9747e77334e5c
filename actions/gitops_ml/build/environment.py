"""Where we run and for whom: the project's Python, an environment without secrets for its code, outputs for a workflow."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault

# What GitHub gives a job for itself, what git and uv would take a person's rights or another folder from.
_OURS = re.compile(
    r"ACTIONS_.*|GITOPS_ML_.*|GITHUB_(OUTPUT|ENV|PATH|STATE|STEP_SUMMARY)|GIT_CONFIG.*|(GIT|SSH)_ASKPASS|SSH_AUTH_SOCK|GIT_SSH.*"
    r"|UV_PROJECT_ENVIRONMENT|(.*_)?(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_KEY|ACCESS_KEY|ACCESS_KEY_ID|PRIVATE_KEY)"
)


def in_ci() -> bool:
    """Whether this is a job of a workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def python_of(project: Path) -> str:
    """The Python of the project's own environment; this one where the project has none of its own."""
    own = project / ".venv" / "bin" / "python"
    return str(own.absolute()) if own.exists() else sys.executable


def scrubbed(python: str) -> dict[str, str]:
    """The environment of project code: its own Python first on PATH, and nothing by which it could speak for us.

    A second line of defence only: such a job has a read-only token and no secrets to begin with.
    """
    env = {name: value for name, value in shell.environment().items() if not _OURS.fullmatch(name.upper())}
    env["PATH"] = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])
    env["PYTHONUNBUFFERED"] = "1"
    return env


def dvc_of(root: Path) -> list[str]:
    """A DVC that is not of the folder it looks at: this environment's, else that of the checkout ``root``.

    ``-I``: with a plain ``-m`` Python would import modules from the current folder, and a pull request could put
    a ``dvc.py`` there. Raises :class:`Fault`.
    """
    if importlib.util.find_spec("dvc") is not None:
        return [sys.executable, "-I", "-m", "dvc"]
    own = root / ".venv" / "bin" / "python"
    if not own.exists():
        raise Fault(f"there is no DVC: neither beside gitops-ml nor in {own.parent}. Install it: uv sync")
    return [str(own.absolute()), "-I", "-m", "dvc"]


def ask_status(head: Path, dvc: Sequence[str], more: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """`dvc status --json`, still running: it takes longer than all else. It executes no command and asks no remote."""
    command = [*dvc, "status", "--json"]
    env = {**scrubbed(command[0]), **more}
    try:
        return subprocess.Popen(command, cwd=head, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise Fault(f"the program {command[0]} was not found. Install it, then run this again.") from None


def outputs(**values: str | bool | Sequence[str]) -> None:
    """Give a workflow's step its outputs (underscores become hyphens); nothing on a laptop."""
    path = os.environ.get("GITHUB_OUTPUT")
    if not path:
        return
    with open(path, "a", encoding="utf-8") as file:
        for name, value in values.items():
            if isinstance(value, bool):
                text = "true" if value else "false"
            else:
                text = value if isinstance(value, str) else ",".join(value)
            # One line each: a newline from a name of the pull request would be an output of its own.
            file.write(f"{name.replace('_', '-')}={' '.join(text.split())}\n")


def first_lines(text: str, lines: int = 12) -> str:
    """The beginning of a long message."""
    kept = [line.rstrip() for line in text.strip().splitlines()]
    return "\n".join(kept[:lines] + ([f"... ({len(kept) - lines} more lines)"] if len(kept) > lines else []))


def last_lines(text: str, lines: int = 12) -> str:
    """The end of a long message: where a traceback says what went wrong."""
    return "\n".join([line.rstrip() for line in text.strip().splitlines()][-lines:])
