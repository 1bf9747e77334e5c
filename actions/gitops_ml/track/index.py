"""What is already logged, so that repeating is free: .mlflow/synced.json, and the lock that lets one sync at a time write."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from gitops_ml.contracts.base import read_plain, to_json, write_text
from gitops_ml.errors import Fault

FOLDER = ".mlflow"
Known = dict[str, dict[str, str | None]]


@dataclass(frozen=True)
class Target:
    """Where runs go. ``embedded`` is the project's own SQLite store; ``label`` is the address without a password."""

    uri: str
    label: str
    embedded: bool
    folder: Path


def target(root: Path, answer: str) -> Target:
    """The environment's MLFLOW_TRACKING_URI, else the project's answer, else the embedded store.

    Under `dvc exp run --temp` or a queue the project is a copy; DVC_ROOT names the real one, whose store is used.
    """
    # A DVC_ROOT left over from another project must not make this one write there.
    outer = Path(os.environ.get("DVC_ROOT") or root)
    real = outer.resolve() if root.is_relative_to(outer.resolve() / ".dvc" / "tmp") else root
    folder = real / FOLDER
    uri = os.environ.get("MLFLOW_TRACKING_URI") or answer
    if uri:
        return Target(uri, redact(uri), False, folder)
    return Target(f"sqlite:///{folder / 'mlflow.db'}", f"{FOLDER}/mlflow.db", True, folder)


def redact(uri: str) -> str:
    """The address without user and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else uri


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One sync at a time for one store; the kernel lets go of the lock however the holder ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "sync.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except PermissionError as wrong:
        raise Fault(
            f"{wrong.filename} cannot be written. Give yourself the right to: chmod -R u+rwX {FOLDER}"
        ) from None


def load(where: Target) -> dict[str, Known]:
    """Address -> dvc.lock's sha256 -> run and commit. An index that cannot be read is as good as none: it is a cache."""
    try:
        content = read_plain(where.folder / "synced.json")
    except Fault:
        return {}
    return content if isinstance(content, dict) else {}


def save(where: Target, index: dict[str, Known]) -> None:
    """Write the index in one step."""
    write_text(where.folder / "synced.json", to_json(index))


def key(where: Target) -> str:
    """The index's key for a store: its address, without a password."""
    return redact(where.uri)


def moved(where: Target, index: dict[str, Known]) -> bool:
    """Whether the project's folder was moved since: MLflow's SQLite store keeps absolute paths, so it is built again."""
    if not where.embedded or key(where) in index or not (where.folder / "mlflow.db").exists():
        return False
    return any(address.startswith("sqlite:///") for address in index)


def set_aside(where: Target) -> Path:
    """Put the store of the old place out of the way; its new name."""
    number = 1
    while (aside := where.folder / f"mlflow.moved-{number}.db").exists():
        number += 1
    os.replace(where.folder / "mlflow.db", aside)
    return aside


def forget(index: dict[str, Known]) -> dict[str, Known]:
    """The index without embedded stores."""
    return {address: known for address, known in index.items() if not address.startswith("sqlite:///")}
