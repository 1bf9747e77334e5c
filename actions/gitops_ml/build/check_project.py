"""`gitops-ml check-project`: lint and tests of a checkout, both always, and by name what fails."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click

from gitops_ml.build.environment import last_lines, python_of, scrubbed
from gitops_ml.card.markdown import line
from gitops_ml.errors import Fault

LONGEST = 3_000  # characters of a reason
NAMED = 15  # hooks, and tests
WIDTH = 200  # of a line
HOOK = re.compile(r"^- hook id: (\S+)$")
ENDED = re.compile(r"\.{3,}(?:\(.*\))?(?:Passed|Failed|Skipped)$")
PLACE = re.compile(r"[^\s:]+\.\w+:\d+")
ABOUT = re.compile(r"^- (?:exit code|duration): ")
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+)$")
NO_TESTS = 5  # pytest's status where it found none


@click.command("check-project")
@click.option(
    "--head",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Folder of the checkout. Default: this one.",
)
def check_project(head: Path) -> None:
    """Run the project's lint (pre-commit) and its tests (pytest); name what fails. Runs the project's code."""
    said = [*lint(head.absolute()), *tests(head.absolute())]
    if said:
        raise Fault(shortened(said))
    click.echo("lint and tests pass")


def lint(head: Path) -> list[str]:
    """What lint says is wrong, in lines; none if nothing is. Raises :class:`Fault` where it cannot be run."""
    status, text = _shown(head, "pre-commit", "run", "--all-files")
    if status == 0:
        return []
    hooks = failed_hooks(text)
    if not hooks:
        return [f"Lint ends with status {status}:", *_end(text)]
    return [f"Lint fails in {_some(len(hooks), 'hook')}:", *_listed(hooks, "hook")]


def tests(head: Path) -> list[str]:
    """What the tests say is wrong, in lines; none if nothing is. Raises :class:`Fault` where they cannot be run."""
    status, text = _shown(head, "pytest", "-q", "-rfE")
    if status == 0:
        return []
    if status == NO_TESTS:
        return ["There are no tests: pytest found none, so nothing was tried."]
    failed = failed_tests(text)
    if not failed:
        return [f"pytest ends with status {status}:", *_end(text)]
    return [f"{_some(len(failed), 'test')} fail{'s' if len(failed) == 1 else ''}:", *_listed(failed, "test")]


def failed_hooks(text: str) -> list[str]:
    """Each hook of pre-commit's output that failed, and the line that tells most."""
    found: list[str] = []
    lines = text.splitlines()
    for number, one in enumerate(lines):
        named = HOOK.match(one)
        if named is None or number == 0 or not lines[number - 1].endswith("Failed"):
            continue
        said: list[str] = []
        for other in lines[number + 1 :]:
            if HOOK.match(other) or ENDED.search(other):
                break
            if other.strip() and not ABOUT.match(other):
                said.append(other.strip().removeprefix("- "))
        found.append(": ".join(filter(None, [named[1], _telling(said)])))
    return found


def _telling(said: list[str]) -> str:
    """The first line with a place in a file, and what stands above an arrow to it; else the first line.

    pre-commit calls a hook once for each part of the files: what it says first may be that the other part is well.
    """
    for number, one in enumerate(said):
        if PLACE.search(one):
            return f"{said[number - 1]} {one}" if number and one.startswith("-->") else one
    return said[0] if said else ""


def failed_tests(text: str) -> list[str]:
    """Each line of pytest's summary: a test, and why it failed."""
    summary = re.split(r"^=+ short test summary info =+$", text, flags=re.MULTILINE)[1:]
    matches = (FAILED.match(one) for one in (summary[-1] if summary else "").splitlines())
    return [found[1] for found in matches if found]


def shortened(lines: list[str]) -> str:
    """As many whole lines as fit, and how many did not."""
    kept: list[str] = []
    room = LONGEST - 40
    for number, one in enumerate(lines):
        cut = one if len(one) <= WIDTH else one[: WIDTH - 1] + "…"
        if len(cut) + 1 > room:
            return "\n".join([*kept, f"and {len(lines) - number} more lines: see the log"])
        kept.append(cut)
        room -= len(cut) + 1
    return "\n".join(kept)


def _listed(entries: list[str], noun: str) -> list[str]:
    more = [f"  and {_some(len(entries) - NAMED, noun)} more"] if len(entries) > NAMED else []
    return [f"  {line(one)}" for one in entries[:NAMED]] + more


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _end(text: str) -> list[str]:
    return [f"  {line(one)}" for one in last_lines(text, NAMED).splitlines()]


def _shown(head: Path, program: str, *arguments: str) -> tuple[int, str]:
    """Run a tool of the project's environment; its output goes to this terminal as it comes, and back to us."""
    python = python_of(head)
    path = Path(python).with_name(program)
    if not path.exists():
        raise Fault(
            f"there is no {program} in {path.parent}, so lint and tests cannot be run.\n"
            "  Install the project's tools: uv sync --group dev"
        )
    # Else pytest cuts its summary to the width of a terminal.
    env = scrubbed(python) | {"COLUMNS": "300", "PY_COLORS": "0", "PRE_COMMIT_COLOR": "never"}
    click.echo(f"$ {program} {' '.join(arguments)}")
    said = []
    with subprocess.Popen(
        [str(path), *arguments],
        cwd=head,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as child:
        assert child.stdout is not None
        for one in child.stdout:
            print(one, end="", flush=True)
            said.append(one)
    return child.returncode, "".join(said)
