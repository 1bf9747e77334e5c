"""Open pull requests that CI can mend: main has overtaken them in derived files alone, or a run stopped behind its push."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build.derived import is_derived
from gitops_ml.delivery import tree
from gitops_ml.delivery.main_lock import BRANCH
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.client import CONTEXT, Forge


@dataclass(frozen=True)
class Overtaken:
    """A pull request that is to be merged with main and built again, at the head that was looked at.

    ``paths``: where it conflicts; none, if its head is a robot's that no run has said a word about.
    """

    number: int
    head: str
    paths: list[str]


def overtaken(root: Path, forge: Forge, token: str) -> list[Overtaken]:
    """The pull requests to refresh, by number. Forks are left out: nobody but their author can push to them.

    Those that merge cleanly are left out, too: the rule "up to date before merging" has them built again; and a
    conflict in a file that people own is theirs to decide.
    """
    base = forge.default_branch()
    pulls = [pull for pull in forge.pulls(base=base) if not pull.fork and pull.head_ref != BRANCH]
    if not pulls:
        return []
    main = f"refs/remotes/origin/{base}"
    # A branch can be deleted while we look: what is fetched is what is there, and a pull request without one is left out.
    there = commits.ls_remote(root, forge.place, token, *(f"refs/heads/{pull.head_ref}" for pull in pulls))
    heads = {pull.number: there.get(f"refs/heads/{pull.head_ref}") for pull in pulls}
    wanted = [
        f"+refs/heads/{pull.head_ref}:refs/gitops-ml/pulls/{pull.number}"
        for pull in pulls
        if heads[pull.number]
    ]
    commits.fetch(root, forge.place, token, f"+refs/heads/{base}:{main}", *wanted)
    found = []
    for pull in sorted(pulls, key=lambda pull: pull.number):
        if heads[pull.number] is None:
            continue
        head = tree.commit_of(root, f"refs/gitops-ml/pulls/{pull.number}")
        paths = conflicts(root, main, head)
        if all(map(is_derived, paths)) if paths else _speechless(root, forge, head):
            found.append(Overtaken(pull.number, head, paths))
    return found


def _speechless(root: Path, forge: Forge, head: str) -> bool:
    """Whether CI pushed this head and was stopped before its status: no event starts a run for what a robot pushed."""
    if shell.git(root, "show", "--no-patch", "--format=%ae", head) != commits.EMAIL:
        return False
    return all(status.context != CONTEXT for status in forge.statuses(head))


def conflicts(root: Path, ours: str, theirs: str) -> list[str]:
    """Paths in which two commits cannot be merged by git alone; without touching index or folder. Raises :class:`Fault`."""
    command = ["git", "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs]
    done = subprocess.run(command, cwd=root, env=shell.environment(), capture_output=True, check=False)
    if done.returncode not in (0, 1):
        words = done.stderr.decode("utf-8", "replace").strip()
        raise Fault(f"git merge-tree failed (git 2.38 or newer is needed):\n  {words}")
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")[1:]
    return sorted({name for name in names if name})
