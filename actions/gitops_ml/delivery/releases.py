"""The released versions: tags `<model>@vX.Y.Z`, in the order of their numbers, and what their messages record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault

EVALUATION = "reports/evaluation.json"
OVERRIDDEN = "overridden"
"""Under this key a tag records the checks that failed and that somebody answers for."""
_NUMBERS = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def numbers(version: str) -> tuple[int, int, int]:
    """(major, minor, patch) of "v1.2.3" or "1.2.3". Raises ValueError."""
    found = _NUMBERS.fullmatch(version)
    if found is None:
        raise ValueError(f"{version!r} is no version such as v1.2.3")
    return int(found[1]), int(found[2]), int(found[3])


@dataclass(frozen=True)
class Release:
    """A released version: its tag, and the commit that the tag names."""

    version: str
    tag: str
    commit: str

    @property
    def numbers(self) -> tuple[int, int, int]:
        """(major, minor, patch)."""
        return numbers(self.version)


def tag_of(model: str, version: str) -> str:
    """The tag of a model's version."""
    return f"{model}@{version}"


def releases(root: Path, model: str, reachable: str | None = None) -> list[Release]:
    """The model's releases, newest (greatest) version first; ``reachable``: those that this revision contains."""
    merged = [f"--merged={reachable}"] if reachable else []
    # Of an annotated tag *objectname is the commit, of a light one it is empty.
    fields = "--format=%(refname)%00%(*objecttype)%00%(*objectname)%00%(objecttype)%00%(objectname)"
    found = []
    for line in shell.git(root, "for-each-ref", fields, *merged, "refs/tags").splitlines():
        name, inner_type, inner, outer_type, outer = line.split("\0")
        tag = name.removeprefix("refs/tags/")
        version = tag.removeprefix(f"{model}@")
        kind, commit = (inner_type, inner) if inner else (outer_type, outer)
        if kind == "commit" and tag.startswith(f"{model}@v") and _NUMBERS.fullmatch(version):
            found.append(Release(version, tag, commit))
    return sorted(found, key=lambda release: release.numbers, reverse=True)


def newest(root: Path, model: str, revision: str) -> Release | None:
    """The greatest version that a revision contains."""
    return next(iter(releases(root, model, revision)), None)


def model_sha256(root: Path, revision: str) -> str | None:
    """The digest of the model that a revision evaluates; None if it has no model yet. Raises :class:`Fault`."""
    said = tree.plain(root, revision, EVALUATION)
    if said is None:
        return None
    # Only this key: a release of years ago may have another layout.
    digest = said.get("model_sha256") if isinstance(said, dict) else None
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        Evaluation.parse(said, f"{EVALUATION} of {revision[:12]}")
        raise Fault(f"{EVALUATION} of {revision[:12]} names no model_sha256.")
    return digest


def recorded(root: Path, tag: str, key: str) -> str | None:
    """What the message of an annotated tag records under ``key``, such as "verdict: pass"; None if nothing."""
    message = shell.ask_git(root, "for-each-ref", "--format=%(contents)", f"refs/tags/{tag}") or ""
    found = re.search(rf"^{re.escape(key)}: (.+)$", message, re.MULTILINE)
    return found[1].strip() if found else None
