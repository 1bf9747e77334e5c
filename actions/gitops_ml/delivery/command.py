"""`gitops-ml release` and `gitops-ml refresh`: main gets its version; open pull requests that main overtook are listed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.contracts.verdict import Verdict
    from gitops_ml.delivery.judgement import Built
    from gitops_ml.delivery.release import Desk

Folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option(
    "--plan", is_flag=True, help="Only say whether main needs a candidate, and the version it would get."
)
@click.option(
    "--candidate", type=Folder, default=Path("candidate"), help="Folder of the build. Default: candidate"
)
@click.option("--candidate-digest", default="", help="sha256 of its manifest. Default: there is no candidate")
@click.option(
    "--scores", type=Folder, default=Path("scores"), help="Folder of the predictions. Default: scores"
)
@click.option("--scores-digest", default="", help="sha256 of their manifest. Default: there are none")
@click.option(
    "--bento",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The Bento to attach. Default: none",
)
@click.option("--bento-digest", default="", help="sha256 of the Bento, as the job that built it said it.")
@click.option(
    "--build-bento",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Only build the Bento of this checkout into this file, labelled with the version to come.",
)
def release(
    plan: bool,
    candidate: Path,
    candidate_digest: str,
    scores: Path,
    scores_digest: str,
    bento: Path | None,
    bento_digest: str,
    build_bento: Path | None,
) -> None:
    """Judge main again; if it passes, give it a version: tag, GitHub release, pull request of the pointer."""
    from gitops_ml.forge import actions

    root = shell.project()
    if build_bento is not None:
        from gitops_ml.delivery.bento import build_bento as build
        from gitops_ml.delivery.bento import file_sha256
        from gitops_ml.delivery.version import upcoming

        made = build(root, build_bento, upcoming(root, "HEAD").version or "unreleased")
        digest = file_sha256(made)
        actions.output("digest", digest)
        click.echo(f"{made} is built: sha256 {digest}")
        return
    desk = at_work(root)
    if plan:
        from gitops_ml.delivery.release import plan as look

        planned = look(desk)
        actions.output("release", planned.release)
        actions.output("version", planned.version or "")
        line = f"{planned.version or 'no version'}: {planned.why}"
        actions.summary(f"### Release: {line}")
        click.echo(line)
        return
    from gitops_ml.delivery.release import release as act

    if bento is not None:
        _unchanged(bento, bento_digest)
    outcome = act(desk, _built(candidate, candidate_digest, scores, scores_digest, bento))
    actions.output("version", outcome.version or "")
    actions.output("number", outcome.number or "")
    text = "\n\n".join(outcome.lines)
    actions.summary(f"### {'🚀' if outcome.version else '⛔' if not outcome.ok else '☕'} {text}")
    click.echo("\n".join(outcome.lines))
    if not outcome.ok:
        actions.annotation("error", "Main falls short", outcome.lines[-1])
        sys.exit(1)


@click.command()
def refresh() -> None:
    """List open pull requests that conflict with main in derived files only, as JSON: number and head."""
    from gitops_ml.delivery.refresh import overtaken
    from gitops_ml.forge import actions

    root = shell.project()
    desk = at_work(root)
    found = overtaken(root, desk.forge, desk.token)
    listed = json.dumps([{"number": one.number, "head": one.head} for one in found])
    actions.output("pulls", listed)
    lines = [f"- #{one.number}: {', '.join(one.paths) or 'a run stopped behind its push'}" for one in found]
    actions.summary(
        "\n".join([f"### {len(found)} open pull requests to merge with main and build again", "", *lines])
    )
    click.echo(listed)


def at_work(root: Path) -> Desk:
    """The desk of this repository: its forge with this job's token, the gate, the storage."""
    from gitops_ml import storage
    from gitops_ml.delivery.judgement import by_the_gate
    from gitops_ml.delivery.release import Desk
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token

    where = place(root)
    secret = token(where)
    return Desk(root, connect(where, secret), secret, by_the_gate, storage, brief)


def brief(verdict: Verdict) -> str:
    """The verdict as a table, the worst first: what an issue and a pull request of ours say."""
    from gitops_ml.card.markdown import plain, table
    from gitops_ml.delivery.assets import MARKS

    order = {"fail": 0, "unknown": 1, "pass": 2}
    checks = sorted(verdict.checks, key=lambda check: order[check.outcome])
    rows = ([MARKS[check.outcome], plain(check.title), plain(check.reason)] for check in checks)
    return f"**Verdict: {verdict.overall}**\n\n" + table(["", "check", ""], rows)


def _built(
    candidate: Path, digest: str, scores: Path, scores_digest: str, bento: Path | None
) -> Built | None:
    from gitops_ml.delivery.judgement import Built

    if not digest and not scores_digest:
        return None
    if not digest or not scores_digest:
        raise Fault(
            "a candidate without scores, or scores without a candidate, cannot be judged. Give both --candidate-digest and "
            "--scores-digest, as the jobs before said them."
        )
    return Built(candidate, digest, scores, scores_digest, bento)


def _unchanged(bento: Path, digest: str) -> None:
    """Raises :class:`Fault` unless the Bento is, byte for byte, what the job before built."""
    from gitops_ml.delivery.bento import file_sha256

    if not digest:
        raise Fault(
            f"{bento} came without its digest, so whether it is what was built cannot be known. Nothing is released.\n"
            "  Give --bento-digest, as `gitops-ml release --build-bento` said it."
        )
    if not bento.is_file():
        raise Fault(f"there is no {bento}, so the release would lack its Bento. Run the workflow again.")
    found = file_sha256(bento)
    if found != digest:
        raise Fault(
            f"{bento} has sha256 {found[:12]}, and {digest[:12]} was built: it was changed or swapped on its way. Nothing "
            "is released. Run the workflow again; if it stays so, look who can write this run's artifacts."
        )
