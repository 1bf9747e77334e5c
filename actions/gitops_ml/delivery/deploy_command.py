"""`gitops-ml deploy`: what is served follows the pointers on main; with --local, one of them is served on this machine."""

from __future__ import annotations

import importlib

import click

from gitops_ml import shell
from gitops_ml.errors import Fault


@click.command()
@click.argument("environment", metavar="[ENV]", required=False)
@click.option("--local", is_flag=True, help="Serve exactly the bytes of ENV's pointer here, until Ctrl-C.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=3000, help="With --local: where. Default: 3000"
)
@click.option("--proofs", default="", help="What `gitops-ml prove` found out. Without --local: needed")
@click.option(
    "--plan", is_flag=True, help="Without --local: only say what would be moved, and must be proven."
)
def deploy(environment: str | None, local: bool, port: int, proofs: str, plan: bool) -> None:
    """Make what is served equal to the pointers on main; or serve one of them here (--local; ENV: default the first)."""
    root = shell.project()
    if local:
        if proofs or plan:
            raise Fault("--local looks for itself: it takes neither --proofs nor --plan.")
        from gitops_ml.delivery.local import serve

        serve(root, environment, port, say=click.echo)
        return
    if environment is not None:
        raise Fault(
            f"all environments are deployed together. To serve one here: gitops-ml deploy --local {environment}"
        )
    importlib.import_module("gitops_ml.delivery.deploy").run(root, proofs=proofs, plan=plan)
