"""From a generated folder to a trained model: first commit, environment, `gitops-ml first-run`. Can be run again.

Needs Python 3.11 and git, nothing else: it must work before anything is installed, so it uses the standard library
only, and fetches uv through pip into the project's .venv where there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = Path(".github", "actions", "first_run.py")
# Measured with an empty cache on Linux, Python 3.11.
MEGABYTES, MINUTES = 650, "1 to 3"
FOREIGN = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT")


class Stop(Exception):
    """What happened and what to do; the command that resumes is added below it."""


def environment() -> dict[str, str]:
    """The shell's environment without what would point git, Python or uv at another project."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN and not name.startswith("GIT_")
    }
    return kept | {"DO_NOT_TRACK": "true"}


def run(*command: str | Path, quiet: bool = True) -> str:
    """Run a command in the project and return what it printed. Raises :class:`Stop` if it fails or is missing."""
    try:
        done = subprocess.run(
            list(map(str, command)),
            cwd=PROJECT,
            env=environment(),
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
        )
    except FileNotFoundError:
        raise Stop(f"{command[0]} was not found. Install it (Debian: apt install {command[0]}).") from None
    if done.returncode:
        raise Stop(f"`{shlex.join(map(str, command[:6]))}` failed:\n{(done.stderr or '').strip()}")
    return (done.stdout or "").strip()


def answer(name: str) -> str:
    """One answer or entry of .gitops-ml.yaml, which the template writes as JSON strings; empty if it is not there."""
    found = re.search(
        rf'^\s*{name}: ("(?:[^"\\]|\\.)*")', (PROJECT / ".gitops-ml.yaml").read_text("utf-8"), re.MULTILINE
    )
    return str(json.loads(found[1])) if found else ""


def git(*arguments: str) -> str:
    """Run git without the user's hooks, signing and global ignore list, which are meant for other projects."""
    neutral = [
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.excludesFile=/dev/null",
        "-c",
        "commit.gpgsign=false",
    ]
    return run("git", *neutral, *arguments)


def identity() -> list[str]:
    """Who commits where git does not know: the author's answers, for this commit only."""
    try:
        known = run("git", "config", "user.name") and run("git", "config", "user.email")
    except Stop:
        known = ""
    if known:
        return []
    name, email = (
        answer("author_name").strip(" .,:;<>\"\\'\n") or "unknown",
        answer("author_email") or "nobody@example.invalid",
    )
    return ["-c", f"user.name={name}", "-c", f"user.email={email}"]


def first_commit(table: str, target: str, task: str) -> None:
    """Commit the untouched template, unless that was done; note the user's table in .git/config, where only git looks."""
    if not (PROJECT / ".git").exists():
        git("init", "--quiet", "--initial-branch=main")
    if not git("rev-list", "--all", "--max-count=1"):
        git("add", "--all")
        git(
            *identity(),
            "commit",
            "--quiet",
            "--message",
            f"Generated from cookiecutter-gitops-ml {answer('version')}",
        )
    if table:
        for key, value in {"table": table, "target": target, "task": task}.items():
            git("config", "--local", f"gitops-ml.{key}", value)


def find_uv() -> str:
    """The uv to use: on PATH, or fetched into the project's own .venv. Raises :class:`Stop`."""
    found = shutil.which("uv")
    if found:
        return found
    own = PROJECT / ".venv" / "bin" / "uv"
    if not own.exists():
        print("  uv        is not installed: fetching it into .venv", flush=True)
        try:
            run(sys.executable, "-m", "venv", ".venv")
        except Stop as failed:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise Stop(f"{failed}\nOn Debian and Ubuntu: apt install python{version}-venv") from None
        run(".venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    return str(own)


def install(uv: str) -> None:
    """Install what training needs, at the versions this template was tested with."""
    installed = (PROJECT / ".venv" / "bin" / "gitops-ml").exists()
    if not installed:
        print(
            f"  installing what training needs: about {MEGABYTES} MB on disk, {MINUTES} minutes the first time",
            flush=True,
        )
    started = time.monotonic()
    # --inexact: a uv that lives in .venv stays there. Its own output is shown only if it fails.
    run(uv, "sync", "--quiet", "--inexact")
    if not installed:
        print(f"  installed in {time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--table", default="", help="absolute path of the table to adopt; default: the sample"
    )
    parser.add_argument("--target", default="", help="the column to predict")
    parser.add_argument("--task", default="auto", help="auto, classification or regression")
    parser.add_argument("--commit-only", action="store_true", help="stop after the first commit")
    wish = parser.parse_args()
    commands = sys.argv[1:]
    try:
        first_commit(wish.table, wish.target, wish.task)
        commands = []  # from here on .git/config knows the table
        if wish.commit_only:
            print(
                f"\n{answer('project_slug')} is generated, and not trained yet. The first run:\n{resume(commands)}",
                flush=True,
            )
            return 0
        install(find_uv())
        done = subprocess.run([".venv/bin/gitops-ml", "first-run"], cwd=PROJECT, env=environment())
        if done.returncode in (0, 1):
            return done.returncode
        raise Stop(f"`gitops-ml first-run` ended with status {done.returncode}.")
    except KeyboardInterrupt:
        print(f"\nStopped. The project is whole; to go on:\n{resume(commands)}", file=sys.stderr, flush=True)
    except (Stop, OSError) as stopped:
        print(
            f"error: {stopped}\nThe project is whole; to go on:\n{resume(commands)}",
            file=sys.stderr,
            flush=True,
        )
    return 1


def resume(arguments: list[str]) -> str:
    """The command that goes on from here, as it can be pasted into a fresh shell."""
    where = f"cd {shlex.quote(str(PROJECT))} && "
    if shutil.which("uv") and not arguments and shutil.which("git"):
        return where + "uv run gitops-ml first-run"
    return where + shlex.join(
        ["python3", str(SCRIPT), *[each for each in arguments if each != "--commit-only"]]
    )


if __name__ == "__main__":
    sys.exit(main())
