"""Serve a folder as a forge until Ctrl-C: ``python -m tests.forge FOLDER [--port N]``."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from tests.forge import Forge


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.forge", description="Serve a folder as a forge.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    asked = parser.parse_args()
    with Forge.start(asked.folder, asked.port) as forge:
        print(f"Serving {asked.folder} at {forge.url} (Ctrl-C ends it)", flush=True)
        for repo in forge.repos():
            print(f"  {repo.url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
