"""`gitops-ml report`: what a reviewer will read, in the terminal or as a page; with --number, the one comment kept up to date."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.contracts.report import Report

COLOURS = {"pass": "green", "needs-human": "yellow", "block": "red"}
MARKDOWN = Path("verdict/report.md")


@click.command()
@click.option("--base", metavar="BRANCH", help="Where it would go. Default: origin/main, else main")
@click.option(
    "--verdict",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Show a downloaded artifact `verdict-N` instead of judging.",
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write the page there.")
@click.option("--number", type=int, help="The pull request whose comment is written; nothing is judged.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"With --number: the Markdown. Default: {MARKDOWN}",
)
def report(
    base: str | None, folder: Path | None, html: Path | None, number: int | None, file: Path | None
) -> None:
    """Judge this commit as CI would, and show what a reviewer will read. Ends with status 1 if it is blocked.

    The model is the one that `dvc repro` left here, the policy is the base's. Nothing is pushed.
    """
    if number is not None:
        _comment(number, file or MARKDOWN)
        return
    if file is not None:
        raise Fault("--file is posted to a pull request: name it with --number.")
    story, pictures = _judged(shell.project(), base) if folder is None else (_read(folder), None)
    if html is not None:
        from gitops_ml.contracts.base import write_text
        from gitops_ml.report.page import page

        write_text(html, page(story, _committed(story) if pictures is None else pictures))
    _show(story)
    if html is not None:
        click.echo(f"\n  page      {html}")
    if folder is None and story.overall == "block":
        sys.exit(1)


def _show(story: Report) -> None:
    from gitops_ml.report.terminal import screen

    width = shutil.get_terminal_size((80, 24)).columns
    verdict, rest = screen(story, width).split("\n\n", 1)
    # click leaves colours out where nobody sees them.
    click.echo(f"{click.style(verdict, fg=COLOURS[story.overall], bold=True)}\n\n{rest}")


def _read(folder: Path) -> Report:
    from gitops_ml.contracts.report import Report

    if not (folder / "report.json").is_file():
        raise Fault(
            f"{folder}/report.json is missing: this is no artifact of a run that judged a model.\n"
            "  Fetch one from the run's page, or: gh run download RUN --name verdict-N --dir FOLDER"
        )
    return Report.read(folder / "report.json")


def _judged(root: Path, base: str | None) -> tuple[Report, dict[str, bytes]]:
    """The report on this machine's bytes. Raises :class:`Fault` where CI would judge no model, with what it would say."""
    from gitops_ml.build.plan_command import default_base
    from gitops_ml.preview.command import committed
    from gitops_ml.ruling.laptop import judged_here

    committed(root)
    ruling = judged_here(
        root, base or default_base(root), rebuild=False, say=lambda text: click.echo(text, err=True)
    )
    if ruling.report is None:
        raise Fault(
            f"no model is judged here: {ruling.description}\n"
            f"  The whole answer: {shell.prefix(root)}gitops-ml preview"
        )
    return ruling.report(""), dict(ruling.pictures)


def _committed(story: Report) -> dict[str, bytes]:
    """The pictures of the commit that was judged, where this is a clone that has it."""
    from gitops_ml.delivery import tree

    try:
        root = shell.project()
    except Fault:
        return {}
    found = {one.file: tree.content(root, story.head, one.file) for one in story.pictures if story.head}
    return {path: content for path, content in found.items() if content is not None}


def _comment(number: int, file: Path) -> None:
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token
    from gitops_ml.report.context import MARKER

    if not file.is_file():
        raise Fault(f"{file} is missing: `gitops-ml judge` writes it, or name another with --file.")
    where = place(shell.project())
    text = file.read_text(encoding="utf-8")
    url = connect(where, token(where)).comment(number, text if MARKER in text else f"{MARKER}\n{text}")
    click.echo(url)
