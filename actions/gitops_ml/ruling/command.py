"""`gitops-ml judge` and `gitops-ml approve`: what the writing job of a pull request does, from verdict to status."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.ruling.reason import Reason
    from gitops_ml.ruling.task import Task

Folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option(
    "--mode",
    type=click.Choice(["pull-request", "update", "drift", "refresh"]),
    default="pull-request",
    help="What was built.",
)
@click.option(
    "--number", type=int, default=0, help="The pull request; none for update and drift, which open their own."
)
@click.option("--head", required=True, help="The commit that was built.")
@click.option("--kind", default="model", help="What plan decided: none, model, pointer or invalid.")
@click.option("--results", default="", help='Results of the jobs before: "build=success check=failure".')
@click.option("--reason", default="", help="The last words of a job that stopped.")
@click.option("--candidate", type=Folder, default=Path("candidate"), help="Folder of the build.")
@click.option("--candidate-digest", default="", help="sha256 of its manifest; empty: there is no candidate.")
@click.option("--scores", type=Folder, default=Path("scores"), help="Folder of the predictions.")
@click.option("--scores-digest", default="", help="sha256 of their manifest; empty: there are none.")
@click.option("--proofs", default="", help="What `gitops-ml prove` said, as JSON; empty: nothing was proven.")
@click.option("--drift", type=Folder, default=Path("drift"), help="Folder of check-drift (mode drift).")
@click.option("--drift-digest", default="", help="sha256 of its drift.json.")
@click.option(
    "--out", type=Folder, default=Path("verdict"), help="Where verdict, measurements and report go."
)
def judge(
    mode: str,
    number: int,
    head: str,
    kind: str,
    results: str,
    reason: str,
    candidate: Path,
    candidate_digest: str,
    scores: Path,
    scores_digest: str,
    proofs: str,
    drift: Path,
    drift_digest: str,
    out: Path,
) -> None:
    """Judge a candidate by this checkout's policy, and carry the ruling to its pull request. Runs none of its code."""
    from gitops_ml.forge import actions
    from gitops_ml.ruling.flow import Desk, update, visit
    from gitops_ml.ruling.task import Task

    task = Task(
        root=shell.project(),
        head=head,
        kind=kind or "model",
        results=_results(results),
        reason=reason,
        candidate=candidate,
        candidate_digest=candidate_digest,
        scores=scores,
        scores_digest=scores_digest,
        run_url=actions.run_url(),
        proofs=proofs,
        drift=drift,
        drift_digest=drift_digest,
        artifact=f"verdict-{number}",  # as candidate.yml calls it
    )
    desk = Desk.of(task.root)
    retrained = mode in ("update", "drift")
    if not retrained and not number:
        raise Fault("--number is needed: which pull request is judged?")
    done = update(desk, task, out, _reason(mode, task)) if retrained else visit(desk, task, number, out)
    for name, value in (
        ("overall", done.overall),
        ("number", done.number or ""),
        ("commit", done.head or ""),
    ):
        actions.output(name, value)
    actions.summary(done.text)
    click.echo(f"{done.overall:<12} {done.line}")
    if done.overall == "block":
        actions.annotation("error", "Blocked", done.line)
        sys.exit(1)


@click.command()
@click.option("--number", type=int, required=True, help="The pull request.")
def approve(number: int) -> None:
    """Turn a status that waits for a human into a success, if somebody else with write access approved this commit."""
    from gitops_ml.ruling.flow import Desk
    from gitops_ml.ruling.flow import approve as settle

    click.echo(settle(Desk.of(shell.project()), number))


def _reason(mode: str, task: Task) -> Reason:
    """Why a model was retrained. Raises :class:`Fault` for a report of drift that is not the one of its digest."""
    from gitops_ml.contracts.policy import PolicyFile
    from gitops_ml.drift.sealed import opened
    from gitops_ml.ruling.reason import Drifted, NewerData

    if mode == "update":
        return NewerData()
    policy = PolicyFile.read(task.root / "policy.yaml").drift
    return Drifted(opened(task.drift, task.drift_digest), policy.cooldown_days)


def _results(text: str) -> dict[str, str]:
    """ "build=success check=failure" as a mapping. Raises :class:`Fault`."""
    pairs = [word.partition("=") for word in text.split()]
    if any(not mark for _, mark, _ in pairs):
        raise Fault(f'--results {text!r} is not of the form "build=success check=failure"')
    return {name: result for name, _, result in pairs}
