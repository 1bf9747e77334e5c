"""What the demo prints: when, what happened, where to look; and where its files lie."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "demo"
SLUG = "tumour-demo"
STARTED = time.monotonic()
WIDTH = 46


def step(text: str, detail: str = "") -> None:
    """One line of the timeline: minutes and seconds since the start, what happened, where to look."""
    minutes, seconds = divmod(int(time.monotonic() - STARTED), 60)
    under_way("")
    print(f"  {minutes:>2}:{seconds:02}  {text:<{WIDTH}} {detail}".rstrip(), flush=True)


def more(text: str, detail: str = "") -> None:
    """A line that belongs to the one above."""
    under_way("")
    print(f"         {text:<{WIDTH - 2}} {detail}".rstrip(), flush=True)


def under_way(text: str) -> None:
    """What takes its time now, on a terminal only: the next line takes its place."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K         {text}\r" if text else "\r\x1b[K", end="", flush=True)


def stop(why: str) -> SystemExit:
    """The end of a demo that went wrong: ``raise stop("...")``."""
    under_way("")
    return SystemExit(f"error: {why}")


def environment() -> dict[str, str]:
    """The shell's environment without another project's Python, and without anybody's account."""
    foreign = ("VIRTUAL_ENV", "PYTHON", "GIT_", "GITHUB_", "GH_", "GITOPS_ML_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        # Certificates that git must trust here are no setting of the person's.
        **{name: os.environ[name] for name in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH") if name in os.environ},
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
