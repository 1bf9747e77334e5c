"""Calls git, dvc and ourselves as child processes, in an environment that cannot mislead them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gitops_ml.errors import Fault

# Set by git hooks, by uv and by an outer `dvc exp run`: each would point the child at another repository.
MISLEADING = (
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "VIRTUAL_ENV",
)
QUIET = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
}


def environment() -> dict[str, str]:
    """This process's environment without what misleads, and with this Python's folder first on PATH.

    The stages of dvc.yaml call ``python`` and ``gitops-ml``; both must be ours when nobody activated anything.
    """
    kept = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    path = kept.get("PATH", os.defpath)
    return {**kept, **QUIET, "PATH": os.pathsep.join([str(Path(sys.executable).parent), path])}


def run(command: Sequence[str], root: Path, keep: tuple[int, ...] = ()) -> int:
    """Run with this terminal's output; the exit status. ``keep``: file descriptors that the child inherits."""
    # What a child prints goes to the same terminal: ours must not come out behind it.
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        done = subprocess.run(list(command), cwd=root, env=environment(), pass_fds=keep, check=False)
    except FileNotFoundError:
        raise Fault(f"the program {command[0]} was not found. Install it, then run this again.") from None
    return done.returncode


def repro(root: Path, *arguments: str, keep: tuple[int, ...] = ()) -> int:
    """`dvc repro` with its output on this terminal, less DVC's advice to add and push by hand; its exit status."""
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    env = environment() | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=root, env=env, pass_fds=keep, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        advice = False
        for line in child.stdout:
            advice = advice or line.startswith("To track the changes with git")
            if not advice and line.strip() and not line.startswith("Updating lock file"):
                print(line, end="", flush=True)
            advice = advice and not line.startswith("Use `dvc push`")
    return child.returncode


def ask(command: Sequence[str], root: Path) -> bytes | None:
    """What the command prints; None if it fails."""
    try:
        done = subprocess.run(list(command), cwd=root, env=environment(), capture_output=True, check=False)
    except FileNotFoundError:
        raise Fault(f"the program {command[0]} was not found. Install it, then run this again.") from None
    return done.stdout if done.returncode == 0 else None


def ask_git(root: Path, *arguments: str) -> str | None:
    """What git prints, without the last newline; None if it fails."""
    answer = ask(["git", *arguments], root)
    return None if answer is None else answer.decode("utf-8", "surrogateescape").rstrip("\n")


def git(root: Path, *arguments: str) -> str:
    """What git prints. Raises :class:`Fault` with git's own words."""
    env = environment()
    try:
        done = subprocess.run(["git", *arguments], cwd=root, env=env, capture_output=True, check=False)
    except FileNotFoundError:
        raise Fault("the program git was not found. Install it, then run this again.") from None
    if done.returncode:
        words = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        verb = next((word for word in arguments if word.replace("-", "").isalpha() and word[0] != "-"), "")
        raise Fault(f"git {verb} failed in {root}:\n  " + words.replace("\n", "\n  "))
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def prefix(root: Path) -> str:
    """What a fresh shell in the project's folder needs before our commands."""
    if shutil.which("uv"):
        return "uv run "
    local = root / ".venv" / "bin"
    if (local / "gitops-ml").exists():
        return ".venv/bin/"
    return f"{shlex.quote(str(Path(sys.executable).parent))}/" if shutil.which("gitops-ml") is None else ""


def project(start: Path | None = None) -> Path:
    """The project's folder: the nearest one upwards with dvc.yaml. Raises :class:`Fault`."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file():
            return folder
    raise Fault(f"no dvc.yaml in {start} or above it. Go to the project's folder: cd <project>")
