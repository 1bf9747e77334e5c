"""Carries a ruling to its pull request: bytes, commit, comment, status, in this order; whatever stops it, the next run goes on.

Each step looks before it writes, so a run that repeats another changes nothing. The status comes last: it is the
permission to merge, and must not stand on a head that lacks the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import trees
from gitops_ml.build.derived import is_derived
from gitops_ml.build.merge import merge
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.client import Forge


@dataclass(frozen=True)
class Target:
    """A pull request's branch: the commit that was built, and the branch's newest commit on the forge."""

    branch: str
    built: str
    tip: str


class Superseded(Fault):
    """Somebody pushed meanwhile: the run that their push started judges the newer commit."""

    def __init__(self, target: Target) -> None:
        super().__init__(
            f"{target.branch} moved to {target.tip[:8]} since this run began. That commit has a run of its own."
        )


def keep(root: Path, ref: str, candidate: Candidate, folder: Path) -> None:
    """Put the candidate's bytes, already verified, into a quarantine ref; without an account, git keeps them."""
    from gitops_ml import storage

    storage.push(root, ref, [each.md5 for each in candidate.objects], source=folder / "objects")


def changes(candidate: Candidate, folder: Path) -> dict[str, bytes | None]:
    """Path -> bytes of the derived files that the candidate changes; None for those it removes."""
    written: dict[str, bytes | None] = {
        path: (folder / "files" / path).read_bytes() for path in candidate.files
    }
    return written | dict.fromkeys(candidate.removed)


def left_behind(root: Path, target: Target, candidate: Candidate | None, folder: Path) -> str:
    """The head that a run leaves behind: the built commit, or a new one on top of it. Pushes nothing.

    Raises :class:`Superseded` if the branch holds something else meanwhile.
    """
    made = target.built if candidate is None else _commit(root, target.built, candidate, folder)
    if target.tip in (target.built, made):
        return made
    if candidate is None or made == target.built or not _cut_off(root, target.tip, made):
        raise Superseded(target)
    if _shape(root, target.tip) == _shape(root, made):
        return target.tip
    # The same commit built again gave other bytes: they go on top, for what was pushed is never taken back.
    return commits.commit_files(root, [target.tip], {}, message(candidate), tree=f"{made}^{{tree}}")


def push(root: Path, forge: Forge, token: str, target: Target, head: str) -> None:
    """Put that head on the branch, if it is not there. Raises :class:`Superseded`."""
    if head == target.tip:
        return
    try:
        commits.push(root, forge.place, token, head, f"refs/heads/{target.branch}", expect=target.tip)
    except commits.Lost:
        raise Superseded(target) from None


def message(candidate: Candidate) -> str:
    """What the robot's commit says."""
    ran = ", ".join(candidate.stages) or "none, the bytes were here"
    merged = f"main at {candidate.merged[:12]} was merged first. " if candidate.merged else ""
    return f"Built by CI: model {candidate.model.sha256[:12]}\n\n{merged}Stages that ran: {ran}."


def _commit(root: Path, built: str, candidate: Candidate, folder: Path) -> str:
    files = changes(candidate, folder)
    if candidate.merged is None:
        return commits.commit_files(root, [built], files, message(candidate)) if files else built
    merged = merge(root, built, candidate.merged)
    # What the merge made of derived files, nobody built: the candidate carries every one that there is.
    gone = {path: None for path in trees.listed(root, merged.tree) if is_derived(path)}
    parents = [built, candidate.merged]
    return commits.commit_files(root, parents, gone | files, message(candidate), tree=merged.tree)


def _cut_off(root: Path, tip: str, made: str) -> bool:
    """Whether the tip is what an earlier run of ours pushed before it was stopped: in ``made``'s place, by a robot,
    and other than it in derived files at most."""
    same_place = _shape(root, tip)[1] == _shape(root, made)[1]
    ours = shell.git(root, "show", "--no-patch", "--format=%ae", tip) == commits.EMAIL
    return same_place and ours and all(map(is_derived, trees.changed(root, tip, made)))


def _shape(root: Path, revision: str) -> tuple[str, str]:
    """Tree and parents: what makes two commits of the same content the same, but for the clock."""
    tree, *parents = shell.git(root, "show", "--no-patch", "--format=%T %P", revision).split()
    return tree, " ".join(parents)
