"""`gitops-ml plan`: says what CI will do with a commit, for people and for the workflow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.contracts.plan import Plan

WORDS = {
    "none": "nothing to build: no model changes here",
    "model": "a model to build and judge",
    "pointer": "a pointer moves: what is served changes, no model is built",
    "invalid": "cannot be built",
}


@click.command()
@click.option(
    "--head", type=click.Path(path_type=Path, file_okay=False, exists=True), help="The checkout to look at."
)
@click.option("--base", help="The commit to compare with (default: origin/main, else main).")
@click.option("--number", type=int, help="The pull request: its labels may ask for a second build.")
@click.option(
    "--trust",
    type=click.Choice(["base", "records"]),
    default="base",
    help="base: what the base's lock says was built; records: only what CI recorded (release).",
)
@click.option(
    "--recorder", multiple=True, metavar="LOGIN", help="Whose records count too (default: our own)."
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write plan.json there.")
def plan(
    head: Path | None,
    base: str | None,
    number: int | None,
    trust: str,
    recorder: tuple[str, ...],
    output: Path | None,
) -> None:
    """Say which stages CI will build of a commit, and why. Runs none of its code."""
    from gitops_ml.build.environment import ask_status, dvc_of, in_ci, outputs
    from gitops_ml.build.workshop import fresh

    on_main = trust == "records"
    root = head.resolve() if head is not None else shell.project()
    base = base or default_base(root)
    with fresh("gitops-ml-dvc-") as folder:
        # DVC's notes about files are read with pickle: never from a place that the checkout's settings name.
        env = {"DVC_SITE_CACHE_DIR": str(folder)} if in_ci() else {}
        status = ask_status(root, dvc_of(Path.cwd() if head is not None else root), env)
        try:
            # Imported while DVC works: what reads contracts takes half as long as DVC itself.
            from gitops_ml.build import plan as planning
            from gitops_ml.build import records

            recorded = records.of_main(root, recorder) if on_main else records.of_branch(root, base, recorder)
            look = head is None
            found = planning.plan(root, base, built=recorded, main=on_main, look=look, status=status)
        finally:
            status.kill()
            status.communicate()
    click.echo(screen(found, number))
    if recorded.note:
        click.echo(f"note: {recorded.note}; every lock that is not main's is built again", err=True)
    if output is not None:
        found.write_json(output)
    outputs(
        kind=found.kind,
        check=found.check,
        build=found.kind == "model",
        stages=found.names,
        head=found.head,
        protected=bool(found.protected),
        reason=(found.reason or "").partition("\n")[0],
        again="yes" if found.kind == "model" and number and asked_twice(root, number) else "chance",
    )
    if found.kind == "invalid" and "GITHUB_ACTIONS" not in os.environ:
        raise Fault(found.reason or "the commit cannot be read")


def asked_twice(root: Path, number: int) -> bool:
    """Whether the pull request carries the label that asks for a second build; a forge that does not answer: no."""
    from gitops_ml.build.again import LABEL
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token

    try:
        where = place(root)
        labels = connect(where, token(where)).pull(number).labels
    except Fault as fault:
        click.echo(f"note: the labels of #{number} could not be read: {str(fault).splitlines()[0]}", err=True)
        return False
    if LABEL not in labels:
        return False
    click.echo(f"  #{number} asks for a second build ({LABEL})")
    return True


def default_base(root: Path) -> str:
    """The branch that a pull request would go to, as far as this clone knows. Raises :class:`Fault`."""
    named = shell.ask_git(root, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
    for name in filter(None, (named, "refs/remotes/origin/main", "refs/heads/main")):
        if shell.ask_git(root, "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"):
            return name
    raise Fault("there is no main branch to compare with. Name one: gitops-ml plan --base BRANCH")


def screen(found: Plan, number: int | None = None) -> str:
    """The plan for a person."""
    what = f"pull request #{number}" if number is not None else found.head[:12]
    lines = [f"plan for {what}: {WORDS[found.kind]}"]
    if found.kind == "model" and not found.stages:
        lines = [f"plan for {what}: CI built this model before; it is judged, not built"]
    for stage in found.stages:
        shown = ", ".join(stage.reasons[:3]) + (", ..." if len(stage.reasons) > 3 else "")
        lines.append(f"  {stage.name:<12} {shown}")
    if found.reason:
        lines += [f"  {line}" for line in found.reason.splitlines()]
    if found.protected:
        lines.append(f"  reviewers must look: {', '.join(found.protected[:6])}")
    lines += [f"  note: {note}" for note in found.notes]
    if found.kind != "pointer":
        lines.append(
            f"  {'lint and tests run' if found.check else 'no lint or tests: only documentation changed'}"
        )
    return "\n".join(lines)
