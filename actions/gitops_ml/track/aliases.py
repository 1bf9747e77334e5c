"""The alias of an environment in MLflow's registry: it names the model that the environment's pointer on HEAD names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery import tree
from gitops_ml.delivery.champion import environments, pointer_of
from gitops_ml.delivery.proofs import lacking, read
from gitops_ml.delivery.served import stages
from gitops_ml.errors import Fault
from gitops_ml.track import record
from gitops_ml.track.index import Known
from gitops_ml.track.places import Found, Place, head

if TYPE_CHECKING:
    from gitops_ml.track.store import Store


@dataclass(frozen=True)
class Served:
    """An environment, and the pointer that HEAD has for it."""

    environment: str
    pointer: Pointer

    @property
    def mark(self) -> str:
        """Its key in the index of what was done."""
        return f"alias {self.environment}"


def served(root: Path, embedded: bool, proofs: str | None) -> list[Served]:
    """What aliases are to name: the project's own store follows HEAD; a server follows what is proven.

    A server is what others load from: ``proofs`` (None: leave its aliases alone) must be good for exactly that version
    and bytes, or the newest stage tag says that it is served already.
    """
    commit = head(root)
    if commit is None or (not embedded and proofs is None):
        return []
    found = []
    for environment in environments(root, commit):
        pointer = pointer_of(root, commit, environment)
        if pointer is not None and (embedded or _proven(root, environment, pointer, proofs or "")):
            found.append(Served(environment, pointer))
    return found


def _proven(root: Path, environment: str, pointer: Pointer, proofs: str) -> bool:
    newest = next(iter(stages(root, pointer.model, environment)), None)
    if newest is not None and newest.names(pointer):
        return True
    return not lacking(read(proofs), environment, pointer.version, pointer.sha256)


def done(one: Served, known: Known) -> bool:
    """Whether this folder has set the alias so before."""
    return known.get(one.mark, {}).get("commit") == one.pointer.revision


def point(root: Path, store: Store, one: Served, known: Known, package: str | None) -> str:
    """Make the alias name the pointer's model, recorded first if need be; what was done, "" if nothing had to be.

    Raises :class:`Fault` where the model cannot be recorded: an alias never names another one instead.
    """
    pointer = one.pointer
    place = Place(root, pointer.version, pointer.revision)
    lock = tree.content(root, pointer.revision, "dvc.lock")
    if lock is None:
        raise Fault(f"{pointer.version} has no dvc.lock here. Fetch it: git fetch --tags origin")
    key = hashlib.sha256(lock).hexdigest()
    run = known.get(key, {}).get("run")
    if run is None or not store.holds(run, pointer.sha256):
        run, _ = store.log(_record(root, Found(key, lock, (place,)), package, pointer))
        known[key] = {"run": run, "commit": pointer.revision}
    moved = store.alias(pointer.model, one.environment, run, pointer.sha256, pointer.version)
    known[one.mark] = {"run": run, "commit": pointer.revision}
    return f"{one.environment} names {pointer.version}" if moved else ""


def _record(root: Path, found: Found, package: str | None, pointer: Pointer) -> record.Record:
    """The run of a released version, with its bytes: fetched where this machine has none."""
    try:
        made = record.read(found, package)
        if made.model is None:
            from gitops_ml import storage

            storage.pull(root, [pointer.path], revision=pointer.revision)
            made = record.read(found, package)
    except record.Stale as stale:
        raise Fault(f"the files of {pointer.version} are not those of its dvc.lock ({stale}).") from None
    if made.model is None or made.model.sha256 != pointer.sha256:
        raise Fault(
            f"the bytes of {pointer.version} (sha256 {pointer.sha256[:12]}) are not here: {made.missing}"
        )
    return made


def all_of(
    root: Path,
    store: Store,
    due: list[Served],
    known: Known,
    package: str | None,
    note: Callable[[str], None],
    save: Callable[[], None],
) -> list[str]:
    """Every alias that is due; what moved. In the project's own store what cannot be had is a note."""
    moved = []
    for one in due:
        try:
            line = point(root, store, one, known, package)
        except Fault as fault:
            if not store.embedded:
                raise
            note(f"{one.environment} has no alias for {one.pointer.version}: {str(fault).splitlines()[0]}")
            continue
        save()
        moved += [line] if line else []
    return moved
