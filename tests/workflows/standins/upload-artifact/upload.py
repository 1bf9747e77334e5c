"""Stand-in for actions/upload-artifact: the files a path names, copied below the run's folder of the store."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path


def fail(text: str) -> None:
    print(f"::error::{text}")
    sys.exit(1)


def files_of(pattern: str, hidden: bool) -> set[Path]:
    """All files that one line of ``path`` names; a folder names what is in it."""
    found: set[Path] = set()
    for name in glob.glob(
        os.path.join(os.environ["GITHUB_WORKSPACE"], pattern), recursive=True, include_hidden=True
    ):
        path = Path(os.path.abspath(name))
        inside = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        for one in inside:
            below = one.relative_to(path).parts if path.is_dir() else ()
            # The pattern may name a hidden file or folder itself; below it they are left out.
            if hidden or not any(part.startswith(".") for part in below):
                found.add(one)
    return found


def chosen() -> tuple[list[Path], Path]:
    """The files, and the folder that their names in the artifact are relative to."""
    hidden = os.environ["WITH_HIDDEN"].lower() == "true"
    patterns = [line.strip() for line in os.environ["WITH_PATH"].splitlines() if line.strip()]
    roots: list[Path] = []
    found: set[Path] = set()
    for pattern in patterns:
        if pattern.startswith("!"):
            found -= files_of(pattern[1:], True)
        else:
            found |= files_of(pattern, hidden)
            fixed = re.split(r"[*?\[]", pattern, maxsplit=1)
            base = pattern if len(fixed) == 1 else os.path.dirname(fixed[0] + "x")
            root = Path(os.path.abspath(os.path.join(os.environ["GITHUB_WORKSPACE"], base)))
            roots.append(root.parent if root.is_file() else root)
    top = Path(os.path.commonpath(roots)) if roots else Path()
    return sorted(found), top


def main() -> None:
    name = os.environ["WITH_NAME"].strip()
    if not name or re.search(r'[":<>|*?\r\n\\/]', name):
        fail(f"The artifact name is not valid: {name!r}")
    files, top = chosen()
    archive = os.environ["WITH_ARCHIVE"].lower() == "true"
    if not files:
        said = f"No files were found with the provided path: {os.environ['WITH_PATH'].strip()}. No artifacts will be uploaded."
        if os.environ["WITH_MISSING"] == "error":
            fail(said)
        if os.environ["WITH_MISSING"] == "warn":
            print(f"::warning::{said}")
        return
    if not archive:
        if len(files) > 1:
            fail("When 'archive' is set to false, only a single file can be uploaded")
        name = files[0].name
    store = Path(os.environ["STANDIN_ARTIFACTS"]) / os.environ["GITHUB_RUN_ID"]
    target = store / name
    if target.exists():
        if os.environ["WITH_OVERWRITE"].lower() != "true":
            fail(
                "Failed to CreateArtifact: (409) Conflict: an artifact with this name already exists on the workflow run"
            )
        shutil.rmtree(target)
    whole = hashlib.sha256()
    for file in files:
        place = target / file.relative_to(top)
        place.parent.mkdir(parents=True, exist_ok=True)
        # Content alone: the real one's zip keeps no modes, and follows links.
        shutil.copyfile(file, place)
        whole.update(str(file.relative_to(top)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    number = str(len(list(store.iterdir())))
    url = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}/actions/runs/{os.environ['GITHUB_RUN_ID']}"
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as output:
        output.write(
            f"artifact-id={number}\nartifact-url={url}/artifacts/{number}\nartifact-digest={whole.hexdigest()}\n"
        )
    print(f"Artifact {name} has been successfully uploaded: {len(files)} files")


if __name__ == "__main__":
    main()
