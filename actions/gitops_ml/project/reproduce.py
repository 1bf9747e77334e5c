"""`gitops-ml reproduce`: runs the pipeline, then records the run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.project import facts


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def reproduce(arguments: tuple[str, ...]) -> None:
    """Run what changed (`dvc repro`) and record it. ARGUMENTS go to dvc, behind `--`."""
    root = shell.project()
    status = shell.repro(root, *arguments)
    if status:
        sys.exit(status)
    click.echo(f"reproduced: {facts.model_line(root)}; {record(root)}")


def record(root: Path) -> str:
    """`track sync`, as half a sentence; notes go to stderr. Raises :class:`Fault` that says what is already done."""
    from gitops_ml.track.sync import sync

    try:
        result = sync(root)
    except Fault as fault:
        raise Fault(f"the pipeline ran, but its run is not recorded: {fault}") from None
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    return result.line
