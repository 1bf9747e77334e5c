"""A candidate's folder, read by a later job: nothing of it is believed before its digest was checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gitops_ml.build.derived import is_derived, is_source_pointer
from gitops_ml.build.seal import object_path, read_plainly, sha256_of, walk
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.errors import Fault


def opened(folder: Path, digest: str | None = None) -> Candidate:
    """The candidate of a folder, every byte of it checked. ``digest``: of its manifest, as the builder said it.

    Raises :class:`Fault` for a swapped, damaged, incomplete or over-full folder.
    """
    manifest = folder / "manifest.json"
    if manifest.is_symlink() or not manifest.is_file():
        raise Fault(f"{manifest} is missing: this is no candidate. Build one: gitops-ml build")
    if digest is not None and sha256_of(manifest) != digest:
        raise Fault(
            f"the artifact was swapped between two jobs: {manifest.parent.name}/{manifest.name} is {sha256_of(manifest)[:12]}, "
            f"and not the one that the build sealed, {digest[:12]}. Run the workflow again, and look who can write its "
            "artifacts."
        )
    candidate = Candidate.read(manifest)
    wanted = {"manifest.json"}
    for path, sha256 in candidate.files.items():
        if not is_derived(path) and not is_source_pointer(path):
            raise Fault(f"the candidate wants to commit {path!r}, which is no derived file.")
        wanted.add(f"files/{path}")
        if hashlib.sha256(read_plainly(folder, f"files/{path}")).hexdigest() != sha256:
            raise Fault(f"files/{path} of the candidate is not what its manifest names.")
    for entry in candidate.objects:
        path = object_path(folder, entry.md5).relative_to(folder).as_posix()
        if path in wanted:
            continue
        wanted.add(path)
        content = hashlib.md5(read_plainly(folder, path), usedforsecurity=False).hexdigest()
        if content != entry.md5.removesuffix(".dir"):
            raise Fault(f"the candidate's object of {entry.path} is not what its manifest names.")
    if any(not is_derived(path) for path in candidate.removed):
        raise Fault("the candidate wants to remove files that are not derived.")
    if candidate.test_rows not in candidate.objects:
        raise Fault("the candidate's test rows are not among its objects.")
    spare = sorted(set(walk(folder, ["."])) - wanted)
    if spare:
        raise Fault(f"the candidate's folder holds {spare[0]!r}, which its manifest does not name.")
    model = next((entry for entry in candidate.objects if entry.path == candidate.model.path), None)
    if model is None or sha256_of(object_path(folder, model.md5)) != candidate.model.sha256:
        raise Fault("the candidate's model is not what its manifest names.")
    return candidate


def model_file(folder: Path, candidate: Candidate) -> Path:
    """The candidate's model, inside its folder."""
    entry = next(entry for entry in candidate.objects if entry.path == candidate.model.path)
    return object_path(folder, entry.md5)
