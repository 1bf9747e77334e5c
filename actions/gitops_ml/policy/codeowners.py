"""Who owns a path, by the repository's CODEOWNERS: the people whom the host asks for a review."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in its order: the first one there is counts."""


def owners(root: Path, path: str) -> list[str]:
    """The owners of a file at the top of the repository, by the last line that names it; none: nobody is asked."""
    place = next((root / name for name in PLACES if (root / name).is_file()), None)
    found: list[str] = []
    for line in place.read_text("utf-8", "replace").splitlines() if place else []:
        pattern, *named = line.partition("#")[0].split() or [""]
        if pattern and fnmatchcase(path, pattern.removeprefix("/")):
            found = named
    return found
