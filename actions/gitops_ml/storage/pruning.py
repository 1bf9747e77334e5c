"""`storage prune`: deletes the refs of branches and pull requests that are over, unless something still needs them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.storage.objects import named, releases
from gitops_ml.storage.refs import STORE, check_name, opened


@dataclass
class Pruned:
    """Refs that are over: to delete, and those that stay because only they hold what a version needs."""

    gone: dict[str, str] = field(default_factory=dict)  # ref -> why
    kept: dict[str, str] = field(default_factory=dict)
    deleted: bool = False

    def screen(self, again: str) -> str:
        """For a person; ``again``: the command that does it."""
        verb = "deleted" if self.deleted else "over"
        lines = [f"  {verb:<9} {ref}  ({why})" for ref, why in self.gone.items()] or ["  over      nothing"]
        lines += [f"  kept      {ref}  ({why})" for ref, why in self.kept.items()]
        if self.gone and not self.deleted:
            lines += ["", f"  next      {again}"]
        return "\n".join(lines)


def prune(root: Path, pulls: Sequence[int] = (), delete: bool = False) -> Pruned:
    """Find, and with ``delete`` remove, refs whose branch is gone from the remote or whose pull request is closed.

    ``pulls``: numbers known to be closed; else the forge is asked, if it can be reached.
    """
    result = Pruned(deleted=delete)
    with opened(root) as store:
        there = store.list()
        heads = store.list("refs/heads/*")
        over = {
            ref: "its branch is gone"
            for ref in there
            if ref.startswith("refs/dvc/branch/")
            and f"refs/heads/{ref.removeprefix('refs/dvc/branch/')}" not in heads
        }
        numbers = [int(ref.rpartition("/")[2]) for ref in there if ref.startswith("refs/dvc/pr/")]
        for number, why in _closed(root, numbers, pulls):
            over[f"refs/dvc/pr/{number}"] = why
        needed = _needed(root)
        store.load(there)
        safe = {md5 for ref in there if ref not in over for md5 in store.entries[ref]}
        for ref, why in over.items():
            only = needed & (store.entries[ref].keys() - safe)
            if only:
                result.kept[ref] = (
                    f"{why}, but a version needs {len(only)} of its objects, which {STORE} lacks"
                )
            else:
                result.gone[ref] = why
        for ref in result.gone if delete else ():
            store.delete(ref)
    return result


def delete_ref(root: Path, ref: str) -> None:
    """Remove one ref of the storage from the remote; nothing if it is gone."""
    check_name(ref)
    with opened(root) as store:
        store.delete(ref)


def list_refs(root: Path) -> dict[str, str]:
    """The storage's refs on the remote, each with its commit."""
    with opened(root) as store:
        return store.list()


def _needed(root: Path) -> set[str]:
    """What the released versions, this HEAD and the remote's default branch name."""
    main = shell.ask_git(root, "rev-parse", "--verify", "--quiet", "refs/remotes/origin/HEAD")
    main = main or shell.ask_git(root, "rev-parse", "--verify", "--quiet", "refs/remotes/origin/main")
    revisions = [*releases(root), "HEAD", *([main] if main else [])]
    return {entry.md5 for revision in revisions for entry in named(root, revision)}


def _closed(root: Path, numbers: Iterable[int], known: Sequence[int]) -> list[tuple[int, str]]:
    said = [(number, "you say that it is closed") for number in numbers if number in known]
    rest = [number for number in numbers if number not in known]
    if known or not rest:
        return said
    try:
        forge_place = importlib.import_module("gitops_ml.forge.place")
        token = importlib.import_module("gitops_ml.forge.token")
        client = importlib.import_module("gitops_ml.forge.client")
        place = forge_place.place(root)
        forge = client.connect(place, token.token(place))
        return [
            (number, "its pull request is closed") for number in rest if forge.pull(number).state != "open"
        ]
    except (Fault, ModuleNotFoundError):
        return said  # no forge to ask: only --pr N can say so
