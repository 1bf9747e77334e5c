"""Storage in git refs against a local DVC remote: push and pull of 100 MB in 200 objects, in interleaved repeats."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gitops_ml import shell

OBJECTS, SIZE, REPEATS = 200, 500_000, 3
LIMIT = 3.0  # ours over theirs


def measure(folder: Path, repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of push and pull, ours and DVC's, as commands from start to end; and their ratios.

    Both sides push into an empty place, and pull into a clone without cache or files. git works over the file system.
    """
    root = _project(folder)
    seconds: dict[str, list[float]] = {}
    for repeat in range(repeats):
        for name, run in _steps(root, folder, repeat).items():
            seconds.setdefault(name, []).append(_timed(run))
    result = {name: statistics.median(values) for name, values in seconds.items()}
    for verb in ("push", "pull"):
        result[f"{verb} ratio"] = result[f"{verb}, git refs"] / result[f"{verb}, DVC remote"]
    return result


def _project(folder: Path) -> Path:
    """A project with the objects under DVC, a bare remote that serves as GitHub does, and a local DVC remote."""
    root, make = folder / "project", random.Random(0).randbytes
    (root / "data/raw/many").mkdir(parents=True)
    for number in range(OBJECTS):
        (root / f"data/raw/many/{number}.bin").write_bytes(make(SIZE))
    server = folder / "origin.git"
    _run(folder, "git", "init", "-q", "--bare", "-b", "main", str(server))
    for setting in ("allowFilter", "allowAnySHA1InWant"):
        _run(server, "git", "config", f"uploadpack.{setting}", "true")
    _run(root, "git", "init", "-q", "-b", "main")
    _run(root, "git", "remote", "add", "origin", str(server))
    _run(root, sys.executable, "-m", "dvc", "init", "-q")
    (root / "dvc.yaml").write_text("stages: {}\n", "utf-8")
    _run(root, sys.executable, "-m", "dvc", "add", "-q", "data/raw/many")
    _run(root, "git", "add", "-A")
    _run(root, "git", "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-qm", "Data")
    _run(root, "git", "push", "-q", "origin", "main")
    return root


def _steps(root: Path, folder: Path, repeat: int) -> dict[str, Callable[[], None]]:
    """Four commands; their places are made empty here, before any clock starts."""
    place, server = folder / f"bytes-{repeat}", folder / "origin.git"
    theirs, ours = folder / f"theirs-{repeat}", folder / f"ours-{repeat}"
    subprocess.run(["git", "update-ref", "-d", "refs/dvc/store"], cwd=server, check=True)
    _run(server, "git", "gc", "-q", "--prune=now")
    for clone in (theirs, ours):
        _run(folder, "git", "clone", "-q", "--no-local", str(server), str(clone))
    for project in (root, theirs):
        _run(project, sys.executable, "-m", "dvc", "remote", "add", "-q", "-f", "bench", str(place))
    storage = [sys.executable, "-m", "gitops_ml", "storage"]
    dvc = [sys.executable, "-m", "dvc"]
    return {
        "push, DVC remote": lambda: _run(root, *dvc, "push", "-q", "-r", "bench"),
        "push, git refs": lambda: _run(root, *storage, "push", "--to", "refs/dvc/store"),
        "pull, DVC remote": lambda: _run(theirs, *dvc, "pull", "-q", "-r", "bench"),
        "pull, git refs": lambda: _run(ours, *storage, "pull"),
    }


def _timed(run: Callable[[], None]) -> float:
    os.sync()  # what the step before left to be written is not this one's
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _run(folder: Path, *command: str) -> None:
    # Its own cache of what DVC knows about remotes: a second run would find nothing to do.
    env = shell.environment() | {"DVC_SITE_CACHE_DIR": str(folder.parent / f"site-{folder.name}")}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(Path(scratch))
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=2))
    sys.exit(any(value > LIMIT for name, value in figures.items() if name.endswith("ratio")))
