"""`gitops-ml gates selftest`: breaks a clone of the project in every way that the gate exists for, and shows what stops it."""

from __future__ import annotations

import sys

import click

from gitops_ml import shell


@click.group()
def gates() -> None:
    """What the gate is worth: try it."""


@gates.command()
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Plant this one; may be given several times, or with commas.",
)
@click.option("--list", "listed", is_flag=True, help="Say what would be planted, and plant nothing.")
def selftest(only: tuple[str, ...], listed: bool) -> None:
    """Plant failures in a throw-away clone of this project, and show which check of the real gate stops each.

    What is committed is judged, by this policy.yaml, against today's model. Nothing is pushed, and nothing here is changed.
    Status 1 where a failure got past a check that is switched on, or where an equally good model did not pass.
    """
    from gitops_ml import __version__
    from gitops_ml.forge import actions
    from gitops_ml.selftest import screen
    from gitops_ml.selftest.clone import cloned
    from gitops_ml.selftest.plants import named
    from gitops_ml.selftest.run import run

    plants = named(tuple(name for given in only for name in given.replace(",", " ").split()))
    if listed:
        for plant in plants:
            click.echo(f"  {plant.name:<22}{plant.title:<38}{', '.join(plant.expects) or 'must pass'}")
        return
    root = shell.project()
    with cloned(root) as clone:
        judged = f"{clone.commit[:8]} of {root.name}, judged by its policy.yaml and gitops-ml {__version__}"
        click.echo(f"  {judged}\n")
        progress: list[str] = []
        results = []
        for one in run(clone, plants, progress.append):
            results.append(one)
            click.echo(screen.line(one))
    click.echo("\n".join([*screen.details(results), "", f"  {screen.sentence(results)}"]))
    actions.summary(screen.markdown(results, judged))
    if not all(one.ok for one in results):
        sys.exit(1)
