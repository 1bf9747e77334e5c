"""`gitops-ml check-drift` looks; `gitops-ml record-drift` remembers what was seen, and says whether to retrain."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_ml import shell

Folder = click.Path(path_type=Path, file_okay=False)


@click.command("check-drift")
@click.option("--out", type=Folder, default=Path("drift"), show_default=True, help="Where the report goes.")
def check_drift(out: Path) -> None:
    """Compare today's rows with those the serving model was tested on: stable, drifted, broken or unknown."""
    from gitops_ml.drift.check import SUMMARY, Tools, check
    from gitops_ml.drift.measure import PAGE
    from gitops_ml.drift.summary import headline
    from gitops_ml.forge import actions

    found, digest = check(shell.project(), out.absolute(), Tools(say=click.echo))
    actions.output("state", found.state)
    actions.output("digest", digest)
    actions.summary((out / SUMMARY).read_text("utf-8"))
    click.echo(f"{found.state:<9} {headline(found)}")
    click.echo(f"report    {out / SUMMARY}" + (f", {out / PAGE}" if (out / PAGE).exists() else ""))
    if found.state == "unknown":
        click.echo(found.reason)


@click.command("record-drift")
@click.option(
    "--drift", type=Folder, default=Path("drift"), show_default=True, help="What check-drift wrote."
)
@click.option("--digest", required=True, help="sha256 of its drift.json, as check-drift said it.")
@click.option("--run", required=True, help="The run's number: a run that is repeated is remembered once.")
def record_drift(drift: Path, digest: str, run: str) -> None:
    """Remember a look in refs/gitops-ml/drift, keep one issue where the rows are broken, and say whether to retrain."""
    from gitops_ml.drift.record import record
    from gitops_ml.forge import actions
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token

    root = shell.project()
    where = place(root)
    secret = token(where)
    done = record(root, connect(where, secret), secret, drift, digest, run, run_url=actions.run_url())
    actions.output("retrain", done.retrain)
    actions.summary(f"**{'Retrain' if done.retrain else 'No retraining'}:** {done.why}")
    click.echo(f"{done.state:<9} {'retrain' if done.retrain else 'no retraining'}: {done.why}")
