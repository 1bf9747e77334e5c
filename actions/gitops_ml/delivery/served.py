"""What an environment serves and has served: its stage tags, and its pointer in the history of main."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery.champion import pointer_of, pointer_path
from gitops_ml.errors import Fault

SHA256 = re.compile(r"^sha256: ([0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True)
class Stage:
    """The stage tag `<model>#<environment>#N` (GTO's convention): the newest N says what the environment serves."""

    environment: str
    number: int
    version: str
    sha256: str
    revision: str

    def names(self, pointer: Pointer) -> bool:
        """Whether it is of the version and the bytes that a pointer names."""
        return (self.version, self.sha256, self.revision) == (
            pointer.version,
            pointer.sha256,
            pointer.revision,
        )


@dataclass(frozen=True)
class Named:
    """A pointer, and the commit of main that brought it."""

    commit: str
    pointer: Pointer


def stage_tag(model: str, environment: str, number: int) -> str:
    """The name of a stage tag."""
    return f"{model}#{environment}#{number}"


def stage_message(pointer: Pointer, environment: str, commit: str) -> str:
    """The message of a stage tag. ``commit``: of main, whose pointer it is."""
    return f"{pointer.model} {environment} {pointer.version}\n\nsha256: {pointer.sha256}\npointer: {commit}\n"


def stages(root: Path, model: str, environment: str) -> list[Stage]:
    """The stage tags of an environment, newest first. Tags must be fetched; what says no version is left out."""
    start = f"refs/tags/{model}#{environment}#"
    fields = "--format=%(refname)%00%(*objectname)%00%(contents)%00%01%00"
    found = []
    for entry in shell.git(root, "for-each-ref", fields, "refs/tags").split("\0\1\0"):
        name, _, rest = entry.strip("\n").partition("\0")
        number = name.removeprefix(start)
        if not name.startswith(start) or not re.fullmatch(r"[1-9]\d*", number):
            continue
        revision, _, message = rest.partition("\0")
        version, sha256 = message.partition("\n")[0].rpartition(" ")[2], SHA256.search(message)
        if revision and version and sha256:
            found.append(Stage(environment, int(number), version, sha256[1], revision))
    return sorted(found, key=lambda stage: stage.number, reverse=True)


def history(root: Path, main: str, environment: str) -> list[Named]:
    """What main's own line said that an environment serves, newest first: what it says now, if anything, leads.

    A pointer that cannot be read, or was removed, is left out.
    """
    path = pointer_path(environment)
    listed = shell.git(root, "log", "--first-parent", "--format=%H", main, "--", f":(literal){path}")
    found = []
    for commit in listed.splitlines():
        try:
            pointer = pointer_of(root, commit, environment)
        except Fault:
            continue
        if pointer is not None:
            found.append(Named(commit, pointer))
    return found
