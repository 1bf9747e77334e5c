"""Where a commit of main stands: its version or the one it would get, what is incomplete, and whether a build is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_ml.contracts.verdict import Verdict
from gitops_ml.delivery import assets, main_lock, tree
from gitops_ml.delivery.judgement import Judge
from gitops_ml.delivery.releases import Release, recorded, releases
from gitops_ml.delivery.version import Decision, free, identity, next_version
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.client import Forge


@dataclass(frozen=True)
class Desk:
    """What a release works with. ``root``: a checkout of main at the commit in question, with its whole history."""

    root: Path
    forge: Forge
    token: str
    judge: Judge
    storage: Any  # the module gitops_ml.storage, or what stands in for it
    report: Callable[[Verdict], str]
    recorders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """Where a commit stands. ``tagged``: it has a version; ``overtaken``: a later commit has one; ``main``: main's tip."""

    commit: str
    main: str
    model: str
    lock: str | None
    tagged: Release | None
    overtaken: Release | None
    previous: Release | None
    decision: Decision


def survey(desk: Desk) -> Survey:
    """Read tags and main afresh, and decide. Raises :class:`Fault` for a commit that main does not contain."""
    root, place = desk.root, desk.forge.place
    base = desk.forge.default_branch()
    remote = f"refs/remotes/origin/{base}"
    commits.fetch(root, place, desk.token, f"+refs/heads/{base}:{remote}", "+refs/tags/*:refs/tags/*")
    commit, main = tree.commit_of(root, "HEAD"), tree.commit_of(root, remote)
    if not tree.is_ancestor(root, commit, main):
        raise Fault(
            f"{commit[:12]} is not part of {base} of {place.slug}, and only what was merged is released.\n"
            f"  Check it out: git checkout {base} && git pull"
        )
    model = tree.model_name(root, commit)
    tagged = next((one for one in releases(root, model) if one.commit == commit), None)
    later = [one for one in releases(root, model, main) if tree.is_ancestor(root, commit, one.commit)]
    overtaken = later[-1] if later and tagged is None else None
    previous = next((one for one in releases(root, model, commit) if one.commit != commit), None)
    before = None if previous is None else identity(root, previous.commit)
    decision = free(root, model, previous, next_version(previous, identity(root, commit), before))
    if tagged is not None:
        why = recorded(root, tagged.tag, "why") or decision.why
        decision = Decision(tagged.version, decision.step, why)
    lock = tree.blob_id(root, commit, "dvc.lock")
    return Survey(commit, main, model, lock, tagged, overtaken, previous, decision)


@dataclass(frozen=True)
class Planned:
    """Whether a candidate is needed, the version it would get, and why."""

    release: bool
    version: str | None
    why: str


def plan(desk: Desk) -> Planned:
    """Whether main must be built (or fetched), scored and judged: a version is due, a release incomplete, a lock unproven."""
    look = survey(desk)
    if look.lock is None:
        return Planned(False, None, "there is no model yet")
    if look.overtaken is not None:
        return Planned(False, None, f"{look.overtaken.version} was released from a later commit")
    if look.tagged is not None:
        if complete(desk.forge, look.tagged, assets.ALL):
            return Planned(False, None, f"{look.tagged.version} is released")
        return Planned(True, look.tagged.version, f"the release of {look.tagged.version} is not complete")
    if look.decision.version is not None:
        return Planned(True, look.decision.version, look.decision.why)
    if not main_lock.built_record(desk.forge, desk.root, look.commit, desk.recorders):
        return Planned(True, None, "no build of main's dvc.lock is recorded")
    return Planned(False, None, look.decision.why)


def complete(forge: Forge, release: Release, wanted: tuple[str, ...]) -> bool:
    """Whether the release is published with all these assets."""
    return set(wanted) <= set(forge.release_assets(release.tag))
