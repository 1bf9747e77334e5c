"""`gitops-ml first-run`: from generated files to a trained, carded, committed model; run it again after whatever stopped it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.project import commits, facts
from gitops_ml.project.reproduce import record

TABLE, TARGET, TASK = "gitops-ml.table", "gitops-ml.target", "gitops-ml.task"


@click.command("first-run")
def first_run() -> None:
    """Adopt the table, train, record and commit. It can be run again: what is done stays done."""
    root = shell.project()
    started = time.monotonic()
    try:
        with _alone(root) as lock:
            commits.begin(root)
            _adopt(root, lock)
            _reproduce(root, lock)
            left = commits.finish(root)
            record(root)
    except Fault as fault:
        again = facts.command(root, "gitops-ml first-run")
        raise Fault(f"{fault}\n\nThe project stays as it is. After the fix, go on with:\n  {again}") from None
    click.echo(summary(root, time.monotonic() - started, left))


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[int]:
    """Hold the project; the descriptor goes to the children, so a run whose parent was killed still holds it."""
    folder = root / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "first-run.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            click.echo("waiting for another run in this folder to end ...", err=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        _forget_the_dead(root)
        yield file.fileno()


def _forget_the_dead(root: Path) -> None:
    """Remove DVC's note of who uses which file when all who stand in it are gone: a killed run cannot strike itself.

    DVC takes a process that ended, but was not yet collected by its parent, for a living one.
    """
    note = root / ".dvc" / "tmp" / "rwlock"
    if note.exists() and not any(map(_alive, re.findall(r'"pid": (\d+)', note.read_text("utf-8")))):
        note.unlink()


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return "\nState:\tZ" not in Path("/proc", pid, "status").read_text("utf-8")
    except OSError:  # no /proc here, or gone meanwhile
        return True


def _adopt(root: Path, lock: int) -> None:
    """Take in the table that generation noted in git's local settings, once."""

    def noted(key: str) -> str:
        return shell.ask_git(root, "config", "--local", "--get", key) or ""

    path = noted(TABLE)
    if not path:
        return
    command = [sys.executable, "-m", "gitops_ml", "adopt", path]
    for option, value in (("--target", noted(TARGET)), ("--task", noted(TASK))):
        if value and value != "auto":
            command.append(f"{option}={value}")  # in one word: a value may start with a dash
    if shell.run(command, root, keep=(lock,)):
        raise Fault(f"the table {path} was not adopted; the reason is above")
    for key in (TARGET, TASK, TABLE):  # the table last: while it is noted, adopting is not done
        shell.ask_git(root, "config", "--local", "--unset-all", key)


def _reproduce(root: Path, lock: int) -> None:
    status = shell.repro(root, keep=(lock,))
    if status:
        raise Fault(f"dvc repro stopped with status {status}; the reason is above")


def summary(root: Path, seconds: float, left: list[str]) -> str:
    """One screen: what was made, and the commands that go on."""
    name = facts.name(root)
    prefix = shell.prefix(root)
    subjects = ", ".join(f'"{subject}"' for subject in commits.subjects(root))
    lines = [
        f"  {f'{name} is ready.':<58} {seconds:.0f} s",
        "",
        f"  data      {facts.data_line(root)}",
        f"  model     {facts.model_line(root)}",
        f"  bytes     {facts.bytes_line(root)}",
        f"  card      {facts.card_line(root)}",
        f"  commits   {subjects}",
    ]
    if left:
        shown = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
        lines.append(f"  left      not committed, because not of this run: {shown}")
    lines += [
        "",
        f"  next      {facts.cd(root)}",
        f"            {prefix}gitops-ml publish     to GitHub: shows what becomes visible to whom, asks before each step",
        f"            {prefix}gitops-ml status      what there is, what is stale, what to do next",
        f"            {prefix}gitops-ml reproduce   after a change: run the pipeline again and record it",
    ]
    return "\n".join(lines)
