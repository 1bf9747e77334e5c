"""`gitops-ml report`: one Markdown file as the one comment of a pull request."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_ml import shell


@click.command()
@click.option("--number", type=int, required=True, help="The pull request.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=Path("verdict/report.md"),
    help="The Markdown. Default: verdict/report.md",
)
def report(number: int, file: Path) -> None:
    """Keep the one comment of a pull request up to date with a Markdown file."""
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token
    from gitops_ml.report.context import MARKER

    where = place(shell.project())
    text = file.read_text(encoding="utf-8")
    url = connect(where, token(where)).comment(number, text if MARKER in text else f"{MARKER}\n{text}")
    click.echo(url)
