"""A folder for one operation: gone when it ends, and swept by the next one if a kill left it behind."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``. Who lives holds the lock beside it; what nobody holds is removed."""
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(dir=parent))
    lock = folder.with_suffix(".lock")
    with folder.with_suffix(".new").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        # Only now does it bear the name that others sweep by: no moment in which it is there and not held.
        folder.with_suffix(".new").rename(lock)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _sweep(parent: Path) -> None:
    for lock in parent.glob("*.lock"):
        with contextlib.suppress(OSError), lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: in use
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
