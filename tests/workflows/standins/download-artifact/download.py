"""Stand-in for actions/download-artifact: copies out of the store; a test may have swapped what it gives."""

from __future__ import annotations

import fnmatch
import os
import shutil
import sys
from pathlib import Path


def fail(text: str) -> None:
    print(f"::error::{text}")
    sys.exit(1)


def copy(source: Path, target: Path) -> None:
    """Files into a folder that may have others already; modes are lost, as in the real one's zip."""
    for file in source.rglob("*"):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def main() -> None:
    name, run = os.environ["WITH_NAME"].strip(), os.environ["WITH_RUN"].strip()
    if run != os.environ["GITHUB_RUN_ID"] and not os.environ["WITH_TOKEN"].strip():
        fail("Unable to download artifact(s): another run's artifacts need github-token")
    store = Path(os.environ["STANDIN_ARTIFACTS"])
    there = sorted(path.name for path in (store / run).iterdir()) if (store / run).exists() else []
    if name:
        if name not in there:
            fail(f"Unable to download artifact(s): Artifact not found for name: {name}")
        wanted = [name]
    else:
        wanted = [one for one in there if fnmatch.fnmatch(one, os.environ["WITH_PATTERN"].strip() or "*")]
    target = Path(os.environ["GITHUB_WORKSPACE"]) / os.environ["WITH_PATH"].strip()
    apart = not name and os.environ["WITH_MERGE"].lower() != "true"
    for one in wanted:
        place = target / one if apart else target
        place.mkdir(parents=True, exist_ok=True)
        swapped = store / "swap" / one
        if swapped.is_file():
            # One file stands for a whole artifact: it replaces the only file that the artifact has.
            (only,) = [path for path in (store / run / one).rglob("*") if path.is_file()]
            shutil.copyfile(swapped, place / only.name)
        else:
            copy(swapped if swapped.is_dir() else store / run / one, place)
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as output:
        output.write(f"download-path={target}\n")
    print(f"Downloaded {len(wanted)} artifact(s)")


if __name__ == "__main__":
    main()
