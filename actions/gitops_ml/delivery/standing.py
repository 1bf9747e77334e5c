"""The one standing branch and pull request of a reason: main and some files on top of it, moved forward, never forced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.client import Forge
from gitops_ml.forge.opening import Opened, open_or_explain

LABELS = {
    "gitops-ml: deploy": ("1d76db", "Changes what is served"),
    "gitops-ml: rebuild": ("fbca04", "Puts right what nobody built"),
    "gitops-ml: retrain": ("5319e7", "Carries a retrained model"),
    "gitops-ml: template": ("0e8a16", "Brings a newer template"),
    "gitops-ml: rollback": ("d93f0b", "Serves an earlier version again"),
}


class Occupied(Fault):
    """Somebody's own commits are on the branch: no robot builds on them, or over them."""


@dataclass(frozen=True)
class Branch:
    """A robot's branch on the forge: what it wants to hold is ``main`` with ``files`` (None: removed)."""

    name: str
    main: str
    files: Mapping[str, bytes | None]
    message: str


def put(root: Path, forge: Forge, token: str, branch: Branch) -> str:
    """Make the branch hold main and the files; its head. Nothing is pushed where it holds them already.

    A branch that is there is built upon, with main merged in: what its pull request shows is then the files alone.
    Raises :class:`Occupied`, and :class:`commits.Lost` if somebody pushes at the same moment.
    """
    ref = f"refs/heads/{branch.name}"
    fresh = commits.commit_files(root, [branch.main], branch.files, branch.message)
    tip = commits.ls_remote(root, forge.place, token, ref).get(ref)
    if tip is None:
        commits.push(root, forge.place, token, fresh, ref, expect="")
        return fresh
    commits.fetch(root, forge.place, token, f"+{ref}:refs/gitops-ml/{branch.name}")
    people = _people(root, branch.main, tip, _merged(forge, branch.name))
    if people:
        raise Occupied(
            f"{branch.name} has commits by {', '.join(people)}, so no robot touches it.\n"
            f"  Merge or close its pull request, then delete the branch: git push origin --delete {branch.name}"
        )
    wanted = shell.git(root, "rev-parse", f"{fresh}^{{tree}}")
    held = shell.git(root, "rev-parse", f"{tip}^{{tree}}")
    if held == wanted and tip != branch.main and tree.is_ancestor(root, branch.main, tip):
        return tip
    if tree.is_ancestor(root, tip, branch.main):
        made = fresh
    else:
        parents = [tip] if tree.is_ancestor(root, branch.main, tip) else [tip, branch.main]
        made = commits.commit_files(root, parents, {}, branch.message, tree=wanted)
    commits.push(root, forge.place, token, made, ref, expect=tip)
    return made


def request(forge: Forge, *, branch: str, base: str, title: str, body: str, labels: Sequence[str]) -> Opened:
    """The one pull request of the branch, opened or updated; where that is forbidden, one issue says what to click."""
    forge.labels({name: LABELS[name] for name in labels})
    reason = f"open {branch}"
    return open_or_explain(
        forge, branch=branch, base=base, title=title, body=body, labels=labels, reason=reason
    )


def _merged(forge: Forge, branch: str) -> list[str]:
    """Heads of the branch that were merged: whoever wrote those commits, they are done with."""
    return [pull.head_sha for pull in forge.pulls(state="closed", head=branch) if pull.merged]


def _people(root: Path, main: str, tip: str, merged: Sequence[str]) -> list[str]:
    """Authors of the branch's own commits who are no robots. A merge of main, by a button, changes nothing of ours."""
    known = [sha for sha in merged if shell.ask_git(root, "cat-file", "-e", f"{sha}^{{commit}}") is not None]
    apart = [f"^{sha}" for sha in (main, *known)]
    listed = shell.git(root, "log", "--no-merges", "--format=%an%x00%ae", tip, *apart)
    pairs = [line.split("\0") for line in listed.splitlines()]
    return sorted({name for name, email in pairs if "[bot]" not in name and "[bot]@" not in email})
