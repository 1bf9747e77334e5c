"""`gitops-ml track`: records in MLflow what git knows."""

from __future__ import annotations

import click

from gitops_ml import shell


@click.group()
def track() -> None:
    """Experiments in MLflow, as a projection of git."""


@track.command("sync")
@click.option(
    "--force", is_flag=True, help="Ask the store also about runs that this folder has logged before."
)
@click.option("--history", is_flag=True, help="Log the dvc.lock of every earlier commit too.")
def sync_command(force: bool, history: bool) -> None:
    """Log every dvc.lock not yet logged: workspace, HEAD and experiments. Repeating is free."""
    from gitops_ml.track.sync import sync

    result = sync(shell.project(), force, history, say=lambda text: click.echo(text, err=True))
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(result.line)
