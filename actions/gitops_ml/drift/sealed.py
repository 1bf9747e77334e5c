"""The folder of a look, read by a later job: nothing of it is believed before its digest was checked."""

from __future__ import annotations

from pathlib import Path

from gitops_ml.build.seal import sha256_of
from gitops_ml.contracts.drift import DriftFile
from gitops_ml.errors import Fault


def opened(folder: Path, digest: str) -> DriftFile:
    """drift.json and both tables, checked. Raises :class:`Fault` for a swapped, damaged or incomplete folder."""
    file = folder / "drift.json"
    if file.is_symlink() or not file.is_file():
        raise Fault(f"{file} is missing: nobody looked. Look: gitops-ml check-drift")
    if sha256_of(file) != digest:
        raise Fault(
            f"the artifact was swapped between two jobs: {folder.name}/drift.json is {sha256_of(file)[:12]}, and not the "
            f"one that check-drift sealed, {digest[:12]}.\n  Run the workflow again, and look who can write its artifacts."
        )
    found = DriftFile.read(file)
    for table in (found.reference, found.current):
        if table is None:
            continue
        path = folder / table.file
        if path.is_symlink() or not path.is_file() or sha256_of(path) != table.sha256:
            raise Fault(
                f"{folder.name}/{table.file} is not what drift.json names.\n  Run the workflow again."
            )
    return found


def tables(folder: Path, digest: str) -> dict[str, Path]:
    """Both tables by name, ``reference`` and ``current``; none where no rows were compared. Raises :class:`Fault`."""
    found = opened(folder, digest)
    pairs = (("reference", found.reference), ("current", found.current))
    return {name: folder / table.file for name, table in pairs if table is not None}
