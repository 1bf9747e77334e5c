"""`gitops-ml unpack`: a candidate's files and bytes put into a checkout, so that its tests see what was built."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from gitops_ml.build.seal import object_path
from gitops_ml.build.sealed import opened
from gitops_ml.errors import Fault


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
        tables = absent_tables(root)
        if tables:
            click.echo(_fetched(root, tables))
        return
    from gitops_ml import storage

    report = storage.pull(root)
    click.echo(report.screen())


def absent_tables(root: Path) -> list[str]:
    """Paths that .dvc files name and that are not here: a candidate does not carry a table that no stage had to read."""
    from gitops_ml.storage.objects import named

    return [
        one.path
        for one in named(root)
        if (root / f"{one.path}.dvc").is_file() and not (root / one.path).exists()
    ]


def _fetched(root: Path, tables: list[str]) -> str:
    """What became of them. One that cannot be had stops nothing here: tests that read it say so."""
    from gitops_ml import storage

    try:
        return storage.pull(root, tables).screen()
    except Fault as fault:
        return f"left out  {', '.join(tables)}: {fault}"


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
