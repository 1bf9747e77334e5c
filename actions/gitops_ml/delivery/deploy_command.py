"""STAND-IN until helper `serve` is merged: `gitops-ml deploy` without --local."""

from __future__ import annotations

import click

from gitops_ml import shell


@click.command()
@click.option("--plan", is_flag=True, help="Only say what must be proven before anything moves.")
@click.option("--proofs", default="", help="What `gitops-ml prove` said, as JSON. Default: nothing is proven")
def deploy(plan: bool, proofs: str) -> None:
    """Move what shows what is served to where main's pointers are."""
    from gitops_ml.delivery.deploy import run

    run(shell.project(), proofs, plan)
