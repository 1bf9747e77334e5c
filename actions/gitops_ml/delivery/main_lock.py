"""Whether CI built the lock that main has; and the pull request that puts main right where it did not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.build.records import CONTEXT, Recorded, description
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.verdict import Verdict
from gitops_ml.delivery import tree
from gitops_ml.delivery.releases import releases
from gitops_ml.delivery.standing import Branch, put, request
from gitops_ml.forge.client import CONTEXT as REQUIRED
from gitops_ml.forge.client import Forge
from gitops_ml.forge.opening import Opened

BRANCH = "rebuild/main"
LABEL = "gitops-ml: rebuild"
STATES = {"pass": "success", "needs-human": "pending", "block": "failure"}


def built_record(forge: Forge, root: Path, commit: str, recorders: Collection[str] = ()) -> bool:
    """Whether CI recorded that it built the lock of this commit of main.

    The record stands on the commit itself, on the one that brought the lock, on the head of the merged pull request that
    either came by (a squash merge loses the commit, and keeps the lock's bytes), or on a released commit with this lock.
    """
    lock = tree.blob_id(root, commit, "dvc.lock")
    if lock is None:
        return False

    def candidates(_: Any) -> Iterator[str]:
        brought = shell.git(root, "log", "--first-parent", "--format=%H", "-1", commit, "--", "dvc.lock")
        mine = list(dict.fromkeys([commit, *brought.split()]))
        yield from mine
        for one in mine:
            yield from (pull.head_sha for pull in forge.pulls_of(one) if pull.merged)
        for release in releases(root, tree.model_name(root, commit), commit):
            if tree.blob_id(root, release.commit, "dvc.lock") == lock:
                yield release.commit

    return lock in Recorded(candidates, lambda: forge, recorders)


def record(forge: Forge, commit: str, lock: str, url: str = "") -> None:
    """Write down that CI built this lock, on a commit that has it."""
    forge.set_status(commit, "success", description(lock), context=CONTEXT, url=url)


def correct_main(
    forge: Forge,
    root: Path,
    token: str,
    *,
    candidate: Candidate,
    folder: Path,
    verdict: Verdict,
    report: str,
    storage: Any,
) -> Opened:
    """Open or update the pull request ``rebuild/main``: what CI built of main in place of what main says it built.

    Bytes go to the pull request's quarantine; record and required status to the head that it leaves behind.
    """
    base = forge.default_branch()
    files: dict[str, bytes | None] = {
        path: (folder / "files" / path).read_bytes() for path in candidate.files
    }
    files |= dict.fromkeys(candidate.removed)
    message = (
        f"Build main anew: model {candidate.model.sha256[:12]}\n\n"
        f"What main's dvc.lock names at {candidate.head[:12]} was built by nobody."
    )
    head = put(root, forge, token, Branch(BRANCH, candidate.head, files, message))
    named = [each.md5 for each in candidate.objects]
    storage.push(root, f"refs/dvc/branch/{BRANCH}", named, source=folder / "objects")
    record(forge, head, candidate.lock)
    forge.set_status(head, STATES[verdict.overall], f"{verdict.overall}: main, built anew", context=REQUIRED)
    body = (
        f"`dvc.lock` on `{base}` names results that no build made: two pull requests were merged whose changes met, or "
        f"somebody's own bytes came in. Nothing is released until this is merged.\n\n{report}\n"
    )
    return request(
        forge,
        branch=BRANCH,
        base=base,
        title=f"Put {base} right: results built anew",
        body=body,
        labels=[LABEL],
    )


def corrected(forge: Forge) -> None:
    """Main's lock is one that CI built: a pull request that would put it right has no reason any more."""
    for pull in forge.pulls(head=BRANCH):
        if not pull.fork:
            forge.close_pull(
                pull.number, "Main's lock is now one that CI built. Nothing is left to put right."
            )
