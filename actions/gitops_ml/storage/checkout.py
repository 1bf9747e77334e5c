"""Objects of the cache become files of the workspace, and never in the place of bytes that nobody else has."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from gitops_ml.errors import Fault
from gitops_ml.storage.cache import CHUNK, Cache, digest, side_by_side
from gitops_ml.storage.objects import Named
from gitops_ml.storage.scratch import scratch

FICLONE = 0x40049409


def checkout(
    root: Path, cache: Cache, files: Sequence[Named], folders: Sequence[Named]
) -> tuple[int, list[str]]:
    """Write the files (none ends in ``.dir``); of folders given whole, what they no longer hold is removed.

    The number written, and notes on what was left alone: a file whose present bytes the cache does not have.
    Raises :class:`Poor` for an object that the cache does not hold as it should.
    """
    # Temporary files stand outside of the folders that DVC keeps: one left by a kill would be a change of theirs.
    with scratch(root / ".dvc" / "tmp" / "gitops-ml-files") as aside:
        outcomes = side_by_side(lambda entry: _place(root, cache, entry, aside), files)
    notes = [
        f"{entry.path} has changes that DVC does not keep yet: left as it is. Keep them (dvc add, dvc commit) "
        "or delete the file, then pull again"
        for entry, outcome in zip(files, outcomes, strict=True)
        if outcome == "left"
    ]
    kept = {entry.path for entry in files}
    for folder in folders:
        _tidy(root, cache, folder.path, kept)
    return outcomes.count("written"), notes


class Poor(Exception):
    """An object of the cache is not what its name says; it was removed."""

    def __init__(self, entry: Named) -> None:
        super().__init__(entry.path)
        self.entry = entry


def _place(root: Path, cache: Cache, entry: Named, aside: Path) -> str:
    target = _safe(root, entry.path)
    if target.is_symlink() or target.exists():
        if not target.is_file():
            return "left"
        present = digest(target)
        if present == entry.md5:
            return "same"
        if not cache.has(present):
            return "left"
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=aside)
    with os.fdopen(handle, "wb", buffering=0) as out:
        right = _copy(cache.path(entry.md5), out) == entry.md5
    if not right:
        cache.remove(entry.md5)
        raise Poor(entry)
    os.chmod(name, 0o666 & ~_UMASK)
    try:
        os.replace(name, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.move(name, target)  # a folder mounted from elsewhere
    return "written"


def _copy(source: Path, out: FileIO) -> str:
    """Copy, sharing the blocks where the file system can; the md5 of what was read."""
    hashed = hashlib.md5(usedforsecurity=False)
    buffer = memoryview(bytearray(CHUNK))
    with source.open("rb", buffering=0) as file:
        try:
            fcntl.ioctl(out.fileno(), FICLONE, file.fileno())
            cloned = True
        except OSError:
            cloned = False
        while length := file.readinto(buffer):
            hashed.update(buffer[:length])
            written = length if cloned else 0
            while written < length:
                written += out.write(buffer[written:length])
    return hashed.hexdigest()


def _tidy(root: Path, cache: Cache, path: str, kept: set[str]) -> None:
    """Remove from a folder the files of another version of it, and only those."""
    for file in sorted(_safe(root, path).rglob("*")):
        name = file.relative_to(root).as_posix()
        if name not in kept and file.is_file() and not file.is_symlink() and cache.has(digest(file)):
            file.unlink()


def _safe(root: Path, path: str) -> Path:
    """The file's place. A link in a pull request must not lead what we write out of the project."""
    target = root / path
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise Fault(f"{path} leads out of the project by a link. Remove the link, then run this again.")
    return target


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _mask()  # once: asking for it changes it for a moment, which threads would see
