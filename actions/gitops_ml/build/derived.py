"""Who may change a path: derived files are written by CI alone, protected files need a reviewer, documentation is free."""

from __future__ import annotations

from pathlib import PurePosixPath

_PROTECTED = (
    "policy.yaml",
    "overrides.yaml",
    "CODEOWNERS",
    "docs/CODEOWNERS",
    ".dvc/config",
    ".dvc/config.local",
)
_DOCUMENTATION = (
    ".gitignore",
    ".gitattributes",
    ".editorconfig",
    "LICENSE",
    "LICENCE",
    "CITATION.cff",
    "NOTICE",
)
_WORDS = (".md", ".rst", ".adoc")
_MACHINE_READ = ("src", "tests", "data", "models", "reports", "deploy", ".github")


def _parts(path: str) -> tuple[str, ...] | None:
    """The parts of a plain relative path; None for anything that could lead elsewhere."""
    parts = PurePosixPath(path).parts
    plain = bool(parts) and not path.startswith("/") and "/".join(parts) == path
    odd = "\\" in path or any(ord(letter) < 32 or ord(letter) == 127 for letter in path)
    return parts if plain and ".." not in parts and not odd else None


def inside(path: str) -> bool:
    """Whether it is a plain path inside the project: relative, nothing like ``..``, ``//`` or a control character."""
    return _parts(path) is not None


def is_derived(path: str) -> bool:
    """Whether a robot may commit it: dvc.lock, MODEL_CARD.md, and what lies below reports/ and is not hidden."""
    parts = _parts(path)
    if parts is None:
        return False
    if path in ("dvc.lock", "MODEL_CARD.md"):
        return True
    return len(parts) > 1 and parts[0] == "reports" and not any(part.startswith(".") for part in parts)


def is_source_pointer(path: str) -> bool:
    """Whether it is the ``.dvc`` file of a table in data/raw: what ``train`` may commit besides."""
    parts = _parts(path)
    return (
        parts is not None
        and len(parts) == 3
        and parts[:2] == ("data", "raw")
        and parts[2].endswith(".dvc")
        and not parts[2].startswith(".")
    )


def protected(path: str) -> bool:
    """Whether only reviewers may change it: the policy, its overrides, workflows and suite, and where bytes are kept."""
    return path in _PROTECTED or path.startswith(".github/") or path == ".github"


def documentation(path: str) -> bool:
    """Whether no linter, test or stage has anything to say about it."""
    parts = _parts(path)
    if parts is None or protected(path) or is_derived(path) or parts[0] in _MACHINE_READ:
        return False
    if parts[0] == "docs":
        return True
    stem = parts[-1].partition(".")[0]
    return parts[-1] in _DOCUMENTATION or stem in ("LICENSE", "LICENCE") or parts[-1].lower().endswith(_WORDS)


def served(path: str) -> bool:
    """Whether it says what is served: anything below deploy/."""
    return path.startswith("deploy/")
