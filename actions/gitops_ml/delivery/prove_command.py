"""`gitops-ml prove` and `gitops-ml verify-verdict`: whether a version can be served, and whether its verdict holds."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.contracts.proof import Proofs
    from gitops_ml.delivery.prove import Target
    from gitops_ml.delivery.releases import Release


@click.command()
@click.option(
    "--change", default="", metavar="REV", help="Prove each pointer that REV changes since it left HEAD."
)
@click.option(
    "--target",
    multiple=True,
    metavar="ENV=VERSION",
    help="Prove this version for this environment; may be given several times.",
)
def prove(change: str, target: tuple[str, ...]) -> None:
    """Prove that released versions can be served: tag, bytes, environment, answers and verdict. Runs their code."""
    from gitops_ml.delivery import proofs
    from gitops_ml.delivery.prove import by_serving, changed
    from gitops_ml.delivery.prove import prove as find
    from gitops_ml.forge import actions

    root = shell.project()
    targets, notes = changed(root, "HEAD", change) if change else ([], [])
    targets += _targets(target)
    run = partial(by_serving, published=partial(published, root))
    found = find(root, targets, run=run, say=click.echo)
    notes += found.notes
    actions.output("proofs", proofs.write(found.proofs))
    actions.output("reason", "")
    click.echo(screen(found.proofs, notes))
    actions.summary(_summary(found.proofs, notes))


@click.command(name="verify-verdict")
@click.argument("version")
def verify_verdict(version: str) -> None:
    """Compute the verdict of a release again from git and bytes, and compare it with the one that its tag records."""
    from gitops_ml.delivery.verify import verify

    root = shell.project()
    release = _release(root, version)
    click.echo(f"{release.tag}: its bytes are sealed, its models predict and it is judged again")
    answer = verify(root, release, published=partial(published, root))
    words = {"same": "same", "differs": "differs", "unknown": "cannot be computed"}
    click.echo(f"{words[answer.word]}: {answer.why}")
    for line in answer.differs:
        click.echo(f"  {line}")
    if answer.expected:
        click.echo(f"  recorded {answer.expected}\n  computed {answer.found or 'nothing'}")
    if answer.word != "same":
        sys.exit(1)


def published(root: Path, release: Release) -> bytes | None:
    """verdict.json of the GitHub release; None where it cannot be had. It is believed for its digest only."""
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token

    try:
        where = place(root)
        forge = connect(where, token(where))
        address = forge.release_assets(release.tag).get("verdict.json")
        return None if address is None else forge.download(address)
    except Fault:
        return None


def _release(root: Path, version: str) -> Release:
    from gitops_ml.delivery import tree
    from gitops_ml.delivery.releases import releases

    model = tree.model_name(root, "HEAD")
    wanted = version.rpartition("@")[2]
    listed = releases(root, model)
    found = next((one for one in listed if one.version in (wanted, f"v{wanted}")), None)
    if found is None:
        there = ", ".join(one.version for one in listed[:8]) or "none"
        raise Fault(
            f"{model} has no version {version}. Released: {there}.\n  Fetch the tags: git fetch --tags origin"
        )
    return found


def _targets(given: tuple[str, ...]) -> list[Target]:
    from gitops_ml.delivery.prove import Target

    found = []
    for word in [word for text in given for word in text.split()]:
        environment, _, version = word.partition("=")
        if not re.fullmatch(r"[a-z0-9-]+", environment) or not re.fullmatch(r"v?\d+\.\d+\.\d+", version):
            raise Fault(f"--target {word!r} is not of the form production=v1.0.0")
        found.append(Target(environment, version))
    return found


def screen(found: Proofs, notes: list[str]) -> str:
    """The proofs as a table, problems below each, then what is worth a note."""
    if not found.proofs:
        return "\n".join(["nothing to prove: no pointer changes", *(f"  note: {note}" for note in notes)])
    lines = []
    for one in found.proofs:
        verdict = "cannot be served" if one.problems else f"{one.rows} rows answered as the model predicts"
        digest = f"sha256 {one.sha256[:12]}" if one.sha256 else ""
        lines.append(f"{one.environment:<14} {one.version:<10} {verdict}  {digest}".rstrip())
        lines += [f"  {problem}" for problem in one.problems]
    return "\n".join([*lines, *(f"  note: {note}" for note in notes)])


def _summary(found: Proofs, notes: list[str]) -> str:
    from gitops_ml.card.markdown import plain, table

    wrong = sum(bool(one.problems) for one in found.proofs)
    total = len(found.proofs)
    head = f"### ⛔ {wrong} of {total} cannot be served" if wrong else f"### ✅ {total} proven"
    rows = (
        [
            "⛔" if one.problems else "✅",
            plain(one.environment),
            plain(one.version),
            _cell(one.sha256),
            str(one.rows),
        ]
        for one in found.proofs
    )
    listed = [f"- {plain(one.version)}: {plain(problem)}" for one in found.proofs for problem in one.problems]
    listed += [f"- {plain(note)}" for note in notes]
    return "\n".join([head, "", table(["", "environment", "version", "sha256", "rows"], rows), "", *listed])


def _cell(sha256: str | None) -> str:
    from gitops_ml.card.markdown import code

    return code(sha256[:12]) if sha256 else ""
