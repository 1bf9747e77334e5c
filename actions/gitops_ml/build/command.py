"""`gitops-ml build`: builds a commit and seals the result, for the judge and for whoever wants to see it before pushing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.build.again import Wanted

MODES = {
    "stale": "what DVC finds stale, and with --main what CI has no record of",
    "stages": "those of --stages, whatever their lock says",
    "all": "every stage",
    "update": "what follows when the sources of imported tables have newer rows",
    "drift": "as update, because today's rows have drifted",
    "refresh": "what is needed after --main was merged into the folder",
    "fork": "every stage, on rows made from schema.yaml if the table is not here; seals nothing",
}


@click.command()
@click.option(
    "--head", type=click.Path(path_type=Path, file_okay=False, exists=True), help="The checkout to build."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("candidate"), help="The candidate's folder."
)
@click.option(
    "--mode",
    type=click.Choice(list(MODES)),
    default="stale",
    help="What is built. " + "; ".join(f"{name}: {words}" for name, words in MODES.items()) + ".",
)
@click.option("--main", metavar="COMMIT", help="The commit of main to compare with, or to merge (refresh).")
@click.option("--stages", default="", help="Names with commas, as `gitops-ml plan` says them; may be empty.")
@click.option(
    "--again",
    type=click.Choice(["no", "chance", "yes"]),
    default="no",
    help="Build twice and compare the bytes: yes, or by the share in policy.yaml of --main (chance).",
)
def build(head: Path | None, out: Path, mode: str, main: str | None, stages: str, again: str) -> None:
    """Run what must be run, without a run-cache, and write the candidate: files, bytes and their digests."""
    from gitops_ml.build import run
    from gitops_ml.build.environment import outputs

    root = head.resolve() if head is not None else shell.project()
    wanted = [name for name in re.split(r"[,\s]+", stages) if name]
    if wanted and mode != "stages":
        raise Fault(f"--stages is for --mode stages; --mode {mode} decides itself what is built.")
    if mode == "refresh" and not main:
        raise Fault("--mode refresh needs the commit to merge: --main COMMIT")
    if mode == "fork":
        _rehearse(root)
        outputs(changed=False, digest="", lock="", model_sha256="")
        return
    names = wanted if mode == "stages" else run.every_stage(root) if mode == "all" else None
    sealed = run.build(
        root,
        out.absolute(),
        stages=names,
        base=main if mode == "stale" else None,
        update=mode in ("update", "drift"),
        merge=main if mode == "refresh" else None,
        twice=_twice(root, again, main),
        rules=main,
        say=click.echo,
    )
    if sealed is None:
        click.echo("nothing to build: no source moved, and nothing is stale")
        outputs(changed=False, digest="", lock="", model_sha256="")
        return
    found = sealed.candidate
    ran = ", ".join(found.stages) or "nothing: CI built it before"
    click.echo(f"built     {ran}  ({sum(found.seconds.values()):.1f} s)")
    click.echo(f"model     {found.model.path}  {found.model.size:,} bytes  sha256 {found.model.sha256[:12]}")
    click.echo(
        f"to commit {len(found.files)} changed, {len(found.removed)} removed; dvc.lock {found.lock[:12]}"
    )
    if found.again is not None:
        other = [name for name, outs in found.again.stages.items() if outs]
        answer = f"stage {other[0]} gave other bytes" if other else "same bytes"
        click.echo(f"twice     {found.again.failed or answer}")
    click.echo(f"digest    {sealed.digest}")
    outputs(changed=sealed.changed, digest=sealed.digest, lock=found.lock, model_sha256=found.model.sha256)


def _twice(root: Path, wish: str, main: str | None) -> Wanted | None:
    """Whether the built lock is built once more. ``main``: the commit whose policy.yaml says how often."""
    from gitops_ml.build.again import by_chance
    from gitops_ml.contracts.policy import PolicyFile
    from gitops_ml.delivery import tree

    if wish != "chance":
        return (lambda _: True) if wish == "yes" else None
    content = tree.plain(root, main or "HEAD", "policy.yaml")
    share = 0.0 if content is None else PolicyFile.parse(content, "policy.yaml").reproduction.share
    return by_chance(share) if share else None


def _rehearse(root: Path) -> None:
    """Run the pipeline on made-up rows: it shows that the code runs, and nothing else."""
    from gitops_ml.build import run, synthetic

    made = synthetic.write(root)
    click.echo(synthetic.HEADER if made is not None else "the table is here: its own rows are used")
    log = run.rehearse(root, made, click.echo)
    click.echo(
        f"ran: {', '.join(log.ran) or 'nothing'}" + (f" ({synthetic.HEADER})" if made is not None else "")
    )
