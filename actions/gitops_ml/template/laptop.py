"""The update on a laptop: a new branch with one commit, or with real conflicts; all of it, or nothing."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.project.commits import NEUTRAL, identity
from gitops_ml.template import merge
from gitops_ml.template.plan import SUITE, WORKFLOWS, Planned, answers_of, plan, step

BRANCH = "template/update"
QUIET = [
    *NEUTRAL,
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "commit.gpgSign=false",
    "-c",
    "advice.detachedHead=false",
    "-c",
    "rerere.enabled=false",  # what it remembers would end conflicts that were announced
]


def update(root: Path, given: str | None, to: str | None) -> str:
    """Merge the newer template on the branch ``template/update``; what to tell. Raises :class:`Fault`, and nothing moved."""
    _ready(root)
    head = shell.git(root, "rev-parse", "HEAD")
    answers = answers_of(root, head)
    wish = step(answers, given, to)
    if not wish.newer:
        return (
            f"Nothing to do: this project has version {wish.old} of the template, the newest is {wish.new}."
        )
    with tempfile.TemporaryDirectory(prefix="gitops-ml-template-") as scratch:
        planned = plan(root, head, answers, wish, Path(scratch))
    _ready(root, head)  # rendering took its time
    before = shell.ask_git(root, "symbolic-ref", "--short", "--quiet", "HEAD") or head
    if planned.conflicts:
        _stop_in_conflict(root, planned, before)
        return _conflicting(root, planned, before)
    person = [*QUIET, *identity(root)]
    made = shell.git(root, *person, "commit-tree", planned.tree, "-p", head, "-m", planned.title)
    shell.git(root, *QUIET, "switch", "--quiet", "--no-track", "--create", BRANCH, made)
    return _done(root, planned, head, before)


def newest(root: Path, given: str | None, to: str | None) -> tuple[bool, str]:
    """Whether there is something newer, and one line that says so. Raises :class:`Fault`."""
    wish = step(answers_of(root, "HEAD"), given, to)
    if wish.newer:
        return (
            True,
            f"{wish.new} is there; this project has {wish.old}. Take it: {shell.prefix(root)}gitops-ml template update",
        )
    return False, f"up to date: {wish.old}"


def kinds(paths: list[str]) -> dict[str, list[str]]:
    """Changed paths by what they are to a person."""
    found: dict[str, list[str]] = {"suite": [], "workflows": [], "docs": [], "project files": []}
    for path in paths:
        if path.startswith(SUITE):
            kind = "suite"
        elif path.startswith(WORKFLOWS):
            kind = "workflows"
        elif path.startswith("docs/") or path.endswith(".md"):
            kind = "docs"
        else:
            kind = "project files"
        found[kind].append(path)
    return found


def _ready(root: Path, head: str | None = None) -> None:
    if head is not None and shell.git(root, "rev-parse", "HEAD") != head:
        raise Fault(
            "somebody committed while the template was rendered. Nothing was changed; run this again."
        )
    if shell.git(root, "status", "--porcelain"):
        raise Fault(
            "there are changes that are not committed, and a merge would mix with them. Commit them, or put them aside: "
            "git stash --include-untracked"
        )
    if shell.ask_git(root, "rev-parse", "--quiet", "--verify", f"refs/heads/{BRANCH}") is not None:
        raise Fault(
            f"there is a branch {BRANCH} from an earlier update. Merge it (by pull request), or drop it: "
            f"git branch -D {BRANCH}"
        )


def _stop_in_conflict(root: Path, planned: Planned, before: str) -> None:
    """The conflicts as git leaves them: markers, and an unmerged index, in the middle of a cherry-pick.

    To pick T onto the branch is the very merge that was planned: its parent is the base.
    """
    command = ["git", *QUIET, *identity(root), "cherry-pick", planned.theirs]
    env = shell.environment() | {"GIT_EDITOR": "true", "LC_ALL": "C"}
    shell.git(root, *QUIET, "switch", "--quiet", "--no-track", "--create", BRANCH)
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, check=False)
        if done.returncode == 0 or not shell.git(root, "ls-files", "--unmerged"):
            words = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            raise Fault(
                f"git could not leave the conflicts in the folder; everything is as it was:\n  {words}"
            )
    except BaseException:
        shell.ask_git(root, *QUIET, "reset", "--hard", "--quiet", BRANCH)  # it was clean before
        detached = shell.ask_git(root, "show-ref", "--verify", f"refs/heads/{before}") is None
        shell.ask_git(root, *QUIET, "switch", "--quiet", *(["--detach"] if detached else []), before)
        shell.ask_git(root, "branch", "-D", "--quiet", BRANCH)
        raise


def _done(root: Path, planned: Planned, head: str, before: str) -> str:
    lines = [f"{planned.title}: merged, one commit on the branch {BRANCH}.", ""]
    for kind, paths in kinds(merge.changed(root, head, planned.tree)).items():
        if paths:
            shown = ", ".join(paths[:4]) + (", ..." if len(paths) > 4 else "")
            lines.append(f"  {kind:<14} {len(paths):>3}  {shown}")
    lines += ["", *(f"  {note}" for note in planned.notes), *([""] if planned.notes else [])]
    prefix = shell.prefix(root)
    return "\n".join(
        [
            *lines,
            "  next      look at it      git show --stat",
            f"            try it          {prefix}pytest    (with --group dev, if it is not installed)"
            if prefix != "uv run "
            else "            try it          uv run --group dev pytest",
            f"            propose it      git push -u origin {BRANCH}    and open its pull request",
            f"            leave it        git switch {before} && git branch -D {BRANCH}",
        ]
    )


def _conflicting(root: Path, planned: Planned, before: str) -> str:
    many = len(planned.conflicts)
    clean = len(planned.wanted) - len(set(planned.wanted) & set(planned.conflicts))
    return "\n".join(
        [
            f"{planned.title}: {many} {'file' if many == 1 else 'files'} changed on both sides; {clean} are merged.",
            f"You are on the branch {BRANCH}, in the middle of the merge. Decide in:",
            "",
            *(f"  {path}" for path in planned.conflicts),
            "",
            *(f"  {note}" for note in planned.notes),
            "  go on     edit them, then git add -A && git cherry-pick --continue",
            "            uv lock, and commit uv.lock, if pyproject.toml changed",
            f"  abort     git cherry-pick --abort && git switch {before} && git branch -D {BRANCH}",
        ]
    )
