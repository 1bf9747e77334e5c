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
@click.option(
    "--proofs",
    default=None,
    help="What `gitops-ml prove` said, as JSON: on a server too, let the alias of each proven environment follow its "
    "pointer. Default: on a server no alias moves",
)
def sync_command(force: bool, history: bool, proofs: str | None) -> None:
    """Log every dvc.lock not yet logged: workspace, HEAD and experiments; then aliases. Repeating is free.

    The alias of an environment (models:/NAME@production) names what its pointer on HEAD names.
    """
    from gitops_ml.track.sync import sync

    result = sync(shell.project(), force, history, say=lambda text: click.echo(text, err=True), proofs=proofs)
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(result.line)
