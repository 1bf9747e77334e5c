"""What a test needs of the machine itself: under CI it is installed, so that no test is left out there."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path


class NotInstalled(Exception):
    """The package could not be had; the text is what apt said."""


def install(package: str) -> None:
    """Install a package of Debian's or Ubuntu's, one test process at a time. Raises :class:`NotInstalled`."""
    root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    with (Path(tempfile.gettempdir()) / "gitops-ml-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for step in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            try:
                done = subprocess.run([*root, "apt-get", *step], capture_output=True, text=True)
            except FileNotFoundError as missing:
                raise NotInstalled(f"{missing.filename} was not found") from None
            if done.returncode:
                raise NotInstalled(done.stderr[-2000:])
