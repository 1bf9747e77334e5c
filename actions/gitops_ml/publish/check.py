"""Answers for whether the project can be published as it is: committed, trained, without a password, on the branch main."""

from __future__ import annotations

import re
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.project import commits

BRANCH = "main"  # the branch that the workflows name
LARGEST = 100 * 1024 * 1024  # bytes of a file in git that GitHub takes
SECRET = re.compile(
    r"^\s*(?P<key>\w*(?:password|secret_access_key|account_key|connection_string|sas_token|session_token))\s*=\s*\S",
    re.IGNORECASE | re.MULTILINE,
)
IN_ADDRESS = re.compile(r"://[^/\s:@\"']+:[^/\s@\"']+@")


def ready(root: Path) -> list[str]:
    """Notes on what is unusual. Raises :class:`Fault` with the fix for what must be put right first."""
    prefix = shell.prefix(root)
    if shell.ask_git(root, "rev-parse", "--git-dir") is None or not commits.done(root):
        raise Fault(
            "the first run is not committed: there is no model to publish.\n"
            f"  Make it: {prefix}gitops-ml first-run"
        )
    top = Path(shell.git(root, "rev-parse", "--show-toplevel"))
    if top.resolve() != root.resolve():
        raise Fault(
            f"the project lies inside the git repository {top}: GitHub reads workflows from a repository's top only.\n"
            "  Give the project a repository of its own: move its folder out, then in it: "
            f"git init -b {BRANCH} && git add --all && git commit -m 'Begin'"
        )
    _branch(root)
    notes = _committed(root)
    _no_secrets(root)
    _sizes(root, prefix)
    if shell.ask_git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise Fault(
            "this clone is shallow: GitHub takes whole histories only.\n  Get it: git fetch --unshallow"
        )
    if not (shell.ask_git(root, "config", "user.email") and shell.ask_git(root, "config", "user.name")):
        notes.append(
            "git does not know who you are, for your next commits: git config --global user.name NAME; "
            "git config --global user.email ADDRESS"
        )
    return notes


def _branch(root: Path) -> None:
    branch = shell.ask_git(root, "symbolic-ref", "--short", "--quiet", "HEAD") or ""
    if branch == BRANCH:
        return
    there = shell.ask_git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCH}")
    fix = f"git switch {BRANCH}" if there else f"git branch -m {BRANCH}"
    raise Fault(
        f"you are on {branch or 'no branch'}, and publish sends {BRANCH}, the branch that the workflows name.\n  Go there: {fix}"
    )


def _committed(root: Path) -> list[str]:
    """Refuse changes of what is published; new files of the person's own are only named."""
    changed = commits.changed(root)
    known = set((shell.git(root, "ls-files", "-z", "--cached")).split("\0"))
    ours = [path for path in changed if path in known or commits.ours(path)]
    if ours:
        shown = ", ".join(ours[:3]) + (f" and {len(ours) - 3} more" if len(ours) > 3 else "")
        raise Fault(
            f"not committed: {shown}. Only commits are published.\n"
            '  Commit them: git add --all && git commit -m "..."\n'
            "  or put them aside: git stash --include-untracked"
        )
    if changed:
        shown = ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")
        return [f"not in git, so they stay here: {shown}"]
    return []


def _no_secrets(root: Path) -> None:
    """Passwords where DVC and the answers would keep one. What is in git's history is published for good."""
    for path in (".dvc/config", ".gitops-ml.yaml"):
        text = shell.ask_git(root, "show", f"HEAD:{path}") or ""
        found = SECRET.search(text)
        if found or IN_ADDRESS.search(text):
            what = found["key"] if found else "an address with a password"
            fix = (
                "dvc remote modify --local REMOTE KEY VALUE (keeps it in .dvc/config.local), take it out of .dvc/config"
                if path == ".dvc/config"
                else "take it out, and give it to the workflows as a secret"
            )
            raise Fault(
                f"{path} holds {what}: publishing would give it to every reader, and git forgets nothing.\n"
                f"  Move it: {fix},\n  commit, make a new password, then run this again."
            )


def _sizes(root: Path, prefix: str) -> None:
    """Refuse what GitHub would refuse at the end of a long push: a file of 100 MB, also in an older commit."""
    listed = shell.git(
        root, "rev-list", "--objects", f"--filter=blob:limit={LARGEST}", "--filter-print-omitted", "HEAD"
    )
    large = [line[1:] for line in listed.splitlines() if line.startswith("~")]
    if not large:
        return
    named = dict(
        line.split(" ", 1)
        for line in shell.git(root, "rev-list", "--objects", "HEAD").splitlines()
        if " " in line
    )
    raise Fault(
        f"{named.get(large[0], large[0])} in git has 100 MB or more: GitHub takes no such file, whatever commit it is in.\n"
        f"  Keep it under DVC instead: git rm --cached FILE && {prefix}dvc add FILE, and commit.\n"
        "  If an older commit has it, take it out of the history too: git filter-repo --path FILE --invert-paths"
    )
