"""Checks a pull request of a pointer: one file, a version that was released, and bytes that are in the store and hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery import tree
from gitops_ml.delivery.releases import Release, model_sha256, recorded, releases, tag_of
from gitops_ml.delivery.retired import refusal, retired
from gitops_ml.errors import Fault


def check_pointer(root: Path, base: str, head: str, *, storage: Any = None) -> list[str]:
    """What is wrong with the pointers that ``head`` changes since it left ``base``; empty: nothing.

    ``base`` is main as it is now: its policy.yaml says which versions are retired. Tags must be fetched. ``storage``: what stands in for :mod:`gitops_ml.storage`.
    """
    parted = shell.git(root, "merge-base", base, head)
    changed = tree.changed(root, parted, head)
    pointers = [path for path in changed if environment_of(path) is not None]
    problems = [
        f"{path} changes, and a pull request of a pointer changes deploy/<environment>/model.yaml only"
        for path in changed
        if path not in pointers
    ]
    if not pointers:
        return [*problems, "no deploy/<environment>/model.yaml changes"]
    for path in pointers:
        problems += [f"{path}: {problem}" for problem in problems_of(root, base, head, path, storage=storage)]
    return problems


def changed_pointers(root: Path, base: str, head: str) -> list[str]:
    """The pointers that ``head`` changes since it left ``base``, by path."""
    parted = shell.git(root, "merge-base", base, head)
    return [path for path in tree.changed(root, parted, head) if environment_of(path) is not None]


def environment_of(path: str) -> str | None:
    """The environment whose pointer a path is; None: it is none."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "deploy" and parts[2] == "model.yaml" else None


def problems_of(root: Path, base: str, head: str, path: str, *, storage: Any = None) -> list[str]:
    """What is wrong with one pointer as ``head`` has it, as far as git and bytes tell without running anything."""
    try:
        said = tree.plain(root, head, path)
        if said is None:
            return ["it is removed; a pointer names what is served. To go back, name an earlier version"]
        pointer = Pointer.parse(said, path)
    except Fault as fault:
        return [" ".join(str(fault).split())]
    model = tree.model_name(root, head)
    if pointer.model != model:
        return [f"model is {pointer.model}; this repository makes {model}"]
    released = next((one for one in releases(root, model) if one.version == pointer.version), None)
    if released is None:
        return [f"there is no tag {tag_of(model, pointer.version)}: this version was never released"]
    problems = _against_release(root, pointer, released)
    return problems or problems_of_release(root, base, released, storage=storage)


def problems_of_release(root: Path, base: str, released: Release, *, storage: Any = None) -> list[str]:
    """Why a released version must not be served: it is retired, or bytes of it are not in the store."""
    reason = retired(root, base, released.version)
    return [refusal(released.version, reason)] if reason is not None else _bytes(root, released, storage)


def _against_release(root: Path, pointer: Pointer, released: Release) -> list[str]:
    found = []
    if pointer.revision != released.commit:
        found.append(
            f"revision is {pointer.revision[:12]}; the tag {released.tag} names {released.commit[:12]}"
        )
    sha256 = model_sha256(root, released.commit)
    if pointer.sha256 != sha256:
        found.append(f"sha256 is {pointer.sha256[:12]}; {released.version} is {(sha256 or 'no model')[:12]}")
    word = recorded(root, released.tag, "verdict")
    if word is not None and pointer.verdict != word:
        found.append(f"verdict is {pointer.verdict}; the tag {released.tag} records {word}")
    outs = {
        name: out for entry in locks.read(root, released.commit).values() for name, out in entry.outs.items()
    }
    out = outs.get(pointer.path)
    if out is None:
        found.append(f"path is {pointer.path}, which the lock of {released.version} does not name")
    elif out.size and out.size != pointer.size:
        found.append(f"size is {pointer.size:,}; the lock of {released.version} says {out.size:,}")
    return found


def _bytes(root: Path, released: Release, storage: Any) -> list[str]:
    """Whether every object of the version is in the store and is what its name says."""
    if storage is None:
        from gitops_ml import storage as real

        storage = real
    return [
        f"{loss}; bytes that are lost cannot be served" for loss in storage.verify(root, [released.commit])
    ]
