"""Every `gitops-ml` command in the documentation, in messages and in workflows exists, with the options it is given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from gitops_ml.cli import cli

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "<<cookiecutter.project_slug>>"
# docs/reference is written from the commands themselves.
PAGES = sorted(
    [
        ROOT / "README.md",
        *(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "reference"),
        TEMPLATE / "README.md",
        TEMPLATE / "docs/runbook.md",
    ]
)
COMMAND = re.compile(r"(?:^|[`\s])(?:uv run |\.venv/bin/)?gitops-ml ([a-z][^\n`#|]*)", re.MULTILINE)


def known(words: list[str]) -> str:
    """What is wrong with a command's words; empty if click knows all of them."""
    command: click.Command = cli
    while words and isinstance(command, click.Group):
        context = click.Context(command)
        found = command.get_command(context, words[0])
        if found is None:
            return f"no command {words[0]}"
        command, words = found, words[1:]
    options = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    given = [word.partition("=")[0] for word in words if word.startswith("--") and word != "--"]
    strange = [option for option in given if option not in options and option != "--help"]
    return f"no option {strange[0]}" if strange else ""


def commands(text: str) -> list[list[str]]:
    """The words after `gitops-ml` of every command in a text; placeholders in capitals stay words."""
    found = []
    for line in COMMAND.findall(text):
        try:
            words = shlex.split(line.rstrip(" .,;:)"), comments=True)
        except ValueError:
            words = line.split()
        found.append([word for word in words if word not in ("...", "&&", "\\")])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_on_a_page(page: Path) -> None:
    wrong = {}
    for words in commands(page.read_text("utf-8")):
        if words[0].isupper() or words[0] in ("and",):
            continue
        problem = known(words)
        if problem:
            wrong[" ".join(words)] = problem
    assert not wrong


def test_a_wrong_command_is_found() -> None:
    assert known(["storage", "fetch"]) == "no command fetch"
    assert known(["publish", "--force"]) == "no option --force"
    assert known(["storage", "pull"]) == ""
