"""DVC's cache on this machine, and hashing: an object enters it checked, whole and read-only, as DVC keeps it."""

from __future__ import annotations

import configparser
import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gitops_ml.errors import Fault

CHUNK = 1 << 20
Item = TypeVar("Item")
Result = TypeVar("Result")


class Cache:
    """``files/md5`` of the project's DVC cache."""

    def __init__(self, root: Path) -> None:
        self.base = cache_folder(root)
        self.folder = self.base / "files" / "md5"

    def path(self, md5: str) -> Path:
        """Where the object stands, if it does."""
        return self.folder / md5[:2] / md5[2:]

    def has(self, md5: str) -> bool:
        """Whether it is there. One that somebody could write to is hashed; the read-only ones were, when they came."""
        path = self.path(md5)
        try:
            mode = path.stat().st_mode
        except OSError:
            return False
        return stat.S_ISREG(mode) and (not mode & 0o222 or digest(path) == md5.removesuffix(".dir"))

    def read(self, md5: str) -> bytes | None:
        """A folder's listing; None if it is not here."""
        return self.path(md5).read_bytes() if self.has(md5) else None

    def keep(self, temporary: Path, md5: str) -> None:
        """Take a file whose hash was checked, from the same file system, in one step."""
        path = self.path(md5)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(temporary, 0o444)
        os.replace(temporary, path)

    def remove(self, md5: str) -> bool:
        """Erase it; whether it was there."""
        try:
            self.path(md5).unlink()
        except FileNotFoundError:
            return False
        return True


def cache_folder(root: Path) -> Path:
    """``.dvc/cache``, or what DVC's settings name instead: this clone's, the project's, the person's."""
    personal = Path(
        os.environ.get("DVC_GLOBAL_CONFIG_DIR")
        or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dvc"
    )
    for file in (root / ".dvc/config.local", root / ".dvc/config", personal / "config"):
        given = setting(file, "cache", "dir")
        if given:
            return (file.parent / os.path.expanduser(given)).resolve()
    return root / ".dvc" / "cache"


def setting(file: Path, section: str, key: str) -> str | None:
    """One value of a DVC settings file; None if it is not there. Raises :class:`Fault` for a file that is no such."""
    if not file.is_file():
        return None
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(file.read_text("utf-8"))
    except (configparser.Error, UnicodeDecodeError) as wrong:
        raise Fault(f"{file} cannot be read: {wrong}\nRepair it, or take it from git again.") from None
    return parser.get(section, key, fallback=None)


def digest(path: Path) -> str:
    """md5 of a file's bytes."""
    return identify(path, blob=False)[0]


def identify(path: Path, blob: bool = True) -> tuple[str, str, int]:
    """md5, git's blob id (empty unless asked for) and size, in one reading."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        md5, sha1 = hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
        sha1.update(b"blob %d\0" % size)
        buffer = memoryview(bytearray(CHUNK))
        while length := file.readinto(buffer):
            md5.update(buffer[:length])
            if blob:
                sha1.update(buffer[:length])
    return md5.hexdigest(), sha1.hexdigest() if blob else "", size


def side_by_side(call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Results in order; hashing and copying leave Python's lock, so that threads use every core."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(call, items))
