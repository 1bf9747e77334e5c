"""`gitops-ml score`: lets champion and challenger predict the candidate's test rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.contracts.scores import Baseline

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.option("--candidate", type=FOLDER, default=Path("candidate"), help="What `gitops-ml build` wrote.")
@click.option("--digest", help="sha256 of the candidate's manifest, as the build said it.")
@click.option("--head", type=FOLDER, help="The checkout that was built.")
@click.option("--base", type=FOLDER, help="A checkout of the base branch, with its tags (default: the same).")
@click.option(
    "--also", multiple=True, metavar="NAME=FILE", help="A further table (Parquet), scored and not judged."
)
@click.option(
    "--drift", type=click.Path(path_type=Path), default=Path("drift"), help="What check-drift wrote."
)
@click.option("--drift-digest", default="", help="sha256 of its drift.json: both its tables are scored too.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("scores"), help="Where the scores go.")
def score(
    candidate: Path,
    digest: str | None,
    head: Path | None,
    base: Path | None,
    also: tuple[str, ...],
    drift: Path,
    drift_digest: str,
    out: Path,
) -> None:
    """Score the test rows with the candidate's model, and with the model that it would replace."""
    from gitops_ml.build import score as scoring
    from gitops_ml.build.environment import outputs

    root = head.resolve() if head is not None else shell.project()
    other = base.resolve() if base is not None else root
    further = {name: Path(file) for name, _, file in (one.partition("=") for one in also)}
    if "gold" in further:
        raise Fault("--also gold=... is taken: name the table in policy.yaml (gold: {table: ...}).")
    if "disturbed" in further:
        raise Fault("--also disturbed=... is taken: policy.yaml asks for it (robustness: {noise: ...}).")
    if drift_digest:
        from gitops_ml.drift.sealed import tables

        further |= tables(drift, drift_digest)
    result = scoring.score(
        candidate.absolute(),
        root,
        other,
        out.absolute(),
        digest=digest or None,
        also=further,
        measure=True,
        say=click.echo,
    )
    found = result.scores
    click.echo(f"challenger {found.challenger.rows:,} rows in {found.challenger.seconds:.1f} s")
    if found.champion is None:
        click.echo("champion   none: this would be the first model")
    elif found.champion.scored is None:
        reason = (found.champion.error or "unknown").splitlines()[0]
        click.echo(f"champion   {found.champion.version} could not be scored: {reason}")
    else:
        click.echo(f"champion   {found.champion.version}, {found.champion.scored.seconds:.1f} s")
    if found.baseline is not None:
        click.echo(f"baseline   {found.baseline.version}{_trouble(found.baseline)}")
    for one in found.also:
        click.echo(
            f"{one.name:<10} {one.rows:,} rows" + (f": {one.error.splitlines()[0]}" if one.error else "")
        )
    if found.gold is not None and found.gold.error:
        click.echo(f"gold       {found.gold.error.splitlines()[0]}")
    click.echo(f"digest     {result.digest}")
    outputs(digest=result.digest)


def _trouble(baseline: Baseline) -> str:
    release = baseline.release
    why = baseline.error if release is None else release.error
    return "" if why is None else f" could not be scored: {why.splitlines()[0]}"
