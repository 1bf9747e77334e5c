"""STAND-IN for `gitops-ml prove` until helper `serve` is merged: good proofs for its targets, from tags alone."""

from __future__ import annotations

import os

import click

from gitops_ml import shell
from gitops_ml.contracts.proof import Proof, Proofs
from gitops_ml.delivery import proofs, tree
from gitops_ml.delivery.releases import model_sha256, releases
from gitops_ml.forge import actions


@click.command()
@click.option("--change", default="", help="A revision whose pointers are proven. Default: none")
@click.option("--target", multiple=True, help="ENVIRONMENT=VERSION; can be given several times.")
def prove(change: str, target: tuple[str, ...]) -> None:
    """Prove that released versions can be served."""
    root = shell.project()
    model = tree.model_name(root, "HEAD")
    found = []
    for one in target:
        environment, _, version = one.partition("=")
        release = next((each for each in releases(root, model) if each.version == version), None)
        bad = os.environ.get("GITOPS_ML_STAND_IN_REFUSES", "") == version
        problems = (
            [] if release and not bad else ["its bytes do not load: planted" if release else "never released"]
        )
        found.append(
            Proof(
                environment=environment,
                version=version,
                revision=release.commit if release else None,
                sha256=model_sha256(root, release.commit) if release else None,
                rows=3 if not problems else 0,
                problems=problems,
            )
        )
    text = proofs.write(Proofs(version=1, proofs=found))
    actions.output("proofs", text)
    click.echo(text)
