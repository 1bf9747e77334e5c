"""`gitops-ml unpack`: a candidate's files and bytes put into a checkout, so that its tests see what was built."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from gitops_ml.build.seal import object_path
from gitops_ml.build.sealed import opened


@click.command()
@click.option(
    "--head",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("."),
    help="The checkout.",
)
@click.option(
    "--candidate", type=click.Path(path_type=Path), default=Path("candidate"), help="The candidate's folder."
)
@click.option(
    "--digest", default="", help="sha256 of its manifest; empty: fetch what the checkout's lock names."
)
def unpack(head: Path, candidate: Path, digest: str) -> None:
    """Put a candidate into a checkout; without one, fetch the bytes that its lock names."""
    root = head.resolve()
    if digest:
        count = place(root, candidate, digest)
        click.echo(f"unpacked  {count} files of candidate {digest[:12]}")
        return
    from gitops_ml import storage

    report = storage.pull(root)
    click.echo(report.screen())


def place(root: Path, candidate: Path, digest: str) -> int:
    """Copy every file and object to its path below ``root``; how many. Raises :class:`Fault` for a swapped candidate."""
    sealed = opened(candidate, digest)
    copies = {root / path: candidate / "files" / path for path in sealed.files}
    for each in sealed.objects:
        if not each.md5.endswith(".dir"):  # its members are objects of their own
            copies[root / each.path] = object_path(candidate, each.md5)
    for target, source in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)
    for path in sealed.removed:
        (root / path).unlink(missing_ok=True)
    return len(copies)
