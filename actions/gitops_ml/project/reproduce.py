"""`gitops-ml reproduce`: runs the pipeline, then records the run; with --check, compares a clean run with CI's."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.project import facts


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--check",
    is_flag=True,
    help="Build a revision (default: HEAD; or a version) in a clean folder, and compare it with what CI built.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def reproduce(check: bool, arguments: tuple[str, ...]) -> None:
    """Run what changed (`dvc repro`) and record it. ARGUMENTS go to dvc, behind `--`; with --check, one revision."""
    root = shell.project()
    if check:
        from gitops_ml.project import same

        if len(arguments) > 1:
            raise Fault("--check looks at one revision: gitops-ml reproduce --check v1.0.0")
        click.echo(same.check(root, *arguments, say=click.echo))
        return
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
