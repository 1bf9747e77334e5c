"""Answers for what a pull request from here would say: planned, scored and judged as CI does it, on this machine's bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.preview.starts import Workflow, starting, workflows

if TYPE_CHECKING:
    from gitops_ml.contracts.plan import Plan
    from gitops_ml.contracts.verdict import Verdict
    from gitops_ml.delivery.champion import Champion
    from gitops_ml.delivery.version import Decision

PROFILE, PARAMS = "reports/data_profile.json", "params.yaml"


@dataclass(frozen=True)
class Story:
    """All that the preview tells. ``comment`` is None where there can be none yet; ``missing`` says why, with the fix."""

    base: str
    commits: int
    comment: str | None
    missing: str
    notes: tuple[str, ...]
    version: str | None
    why: str
    starts: tuple[Workflow, ...]


@dataclass(frozen=True)
class Rooms:
    """The rooms that do the work; tests give others. ``judge`` scores and judges HEAD against a base commit."""

    plan: Callable[[Path, str], Plan]
    stale: Callable[[Path], list[str]]
    judge: Callable[[Path, str, Plan], Verdict]
    champion: Callable[[Path, str], Champion | None]
    upcoming: Callable[[Path, str], Decision]


def rooms(say: Callable[[str], None]) -> Rooms:
    """Those of the suite."""
    from gitops_ml.build.plan import plan
    from gitops_ml.delivery.champion import champion
    from gitops_ml.delivery.version import upcoming
    from gitops_ml.project.facts import stale

    return Rooms(
        plan=lambda root, base: plan(root, base),
        stale=stale,
        judge=lambda root, base, found: judged(root, base, found, say),
        champion=champion,
        upcoming=upcoming,
    )


def story(root: Path, base: str, uses: Rooms) -> Story:
    """What a pull request from HEAD to ``base`` would say. Nothing is built, pushed or written into the project."""
    head = shell.git(root, "rev-parse", "HEAD")
    there = shell.git(root, "rev-parse", f"{base}^{{commit}}")
    changed = _changed(root, there, head)
    decision = uses.upcoming(root, "HEAD")
    version, why = decision.version, decision.why
    comment, missing, notes = None, "", []
    if not changed:
        missing = f"nothing differs from {_short(base)}: a pull request would be empty"
    else:
        found = uses.plan(root, base)
        notes += [f"note: {note}" for note in found.notes]
        try:
            comment, more = _comment(root, there, found, decision, uses)
            notes += more
        except Fault as fault:
            missing = str(fault)
            version, why = None, "unknown until there is a model to judge"
    return Story(
        base=_short(base),
        commits=int(shell.git(root, "rev-list", "--count", f"{there}..{head}")),
        comment=comment,
        missing=missing,
        notes=tuple(notes),
        version=version,
        why=why,
        starts=tuple(starting(workflows(root, there), changed)),
    )


def _comment(root: Path, base: str, found: Plan, decision: Decision, uses: Rooms) -> tuple[str, list[str]]:
    """The comment, by what the plan says the change is; and notes that belong beside it."""
    from gitops_ml.report import stopped
    from gitops_ml.report.comment import comment

    if found.kind == "invalid":
        return stopped.failed("build", found.reason or ""), []
    if found.kind == "pointer":
        return _pointers(root, base, found), ["CI also checks that the bytes it names are in the store"]
    if found.kind == "none":
        stays = uses.champion(root, base)
        return stopped.nothing(_written(found), tuple(found.protected), stays.version if stays else None), []
    stale = uses.stale(root)
    if stale:
        raise Fault(
            f"the model is stale ({'; '.join(stale[:3])}): it is not the one that CI would build.\n"
            f"  Build it here first, and commit: {shell.prefix(root)}gitops-ml reproduce"
        )
    verdict = uses.judge(root, base, found)
    notes = []
    champion = verdict.inputs.champion
    if champion is not None and champion.predictions is None:
        why = next(
            (one.reason for one in verdict.checks if one.id == "champion/scored"), "its bytes are not here"
        )
        notes.append(f"{champion.version or 'the champion'} could not be scored on this machine: {why}")
    return comment(verdict, _context(root, base, found, decision)), notes


def judged(root: Path, base: str, found: Plan, say: Callable[[str], None]) -> Verdict:
    """The verdict on this machine's bytes. Raises :class:`Fault` where some are not here."""
    from gitops_ml.build.score import score
    from gitops_ml.build.seal import seal
    from gitops_ml.build.trees import Side
    from gitops_ml.build.workshop import fresh
    from gitops_ml.delivery.handed_over import handed_over
    from gitops_ml.gate.judge import judge
    from gitops_ml.gate.read import gather
    from gitops_ml.storage.cache import cache_folder

    side = Side(root, "HEAD")
    with fresh("gitops-ml-preview-") as desk, checkout(root, base, desk / "base") as main:
        candidate, scores = desk / "candidate", desk / "scores"
        sealed = seal(
            root,
            candidate,
            side=side,
            pipeline=side.pipeline,
            cache=cache_folder(root),
            commit=found.head,
            merged=None,
            moved=[],
            ran=[],
            seconds={},
        )
        result = score(
            candidate,
            root,
            main,
            scores,
            digest=sealed.digest,
            pull=lambda at, paths: lend(root, at, paths),
            say=say,
        )
        evidence = gather(
            candidate,
            scores,
            base=main,
            head=root,
            today=date.today(),
            candidate_digest=sealed.digest,
            scores_digest=result.digest,
            protected=found.protected,
            history=root,
            handed_over=handed_over(main, "HEAD"),
        )
        return judge(evidence)


@contextlib.contextmanager
def checkout(root: Path, revision: str, folder: Path) -> Iterator[Path]:
    """A checkout of a revision, with its tags, that shares this repository's objects and leaves it untouched."""
    shell.git(root, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(folder))
    shell.git(folder, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", revision)
    yield folder


def lend(root: Path, project: Path, paths: Iterable[str]) -> None:
    """Put what another checkout's lock names into it: from this machine's cache, else from the storage.

    Raises :class:`Fault` where neither has it.
    """
    import shutil

    from gitops_ml.storage import pull
    from gitops_ml.storage.cache import Cache
    from gitops_ml.storage.objects import named

    cache, revision = Cache(root), shell.git(project, "rev-parse", "HEAD")
    known = {entry.path: entry.md5 for entry in named(root, revision)}
    for path in paths:
        md5 = known.get(path)
        if md5 is None:
            raise Fault(f"{path} is not in the lock of {revision[:12]}.")
        if not cache.has(md5):
            pull(root, [path], revision=revision, checkout=False)
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cache.path(md5), project / path)


def _context(root: Path, base: str, found: Plan, decision: Decision) -> Any:
    """What the comment tells beyond the verdict. No pictures: they are shown from a commit that GitHub does not have."""
    from gitops_ml.contracts.profile import ProfileFile
    from gitops_ml.delivery import tree
    from gitops_ml.report.context import Context

    def profile(revision: str) -> ProfileFile | None:
        content = tree.plain(root, revision, PROFILE)
        return None if content is None else ProfileFile.parse(content, f"{PROFILE} of {revision[:12]}")

    return Context(
        version=decision.version,
        why=decision.why,
        old_profile=profile(base),
        new_profile=profile("HEAD"),
        old_params=tree.plain(root, base, PARAMS),
        new_params=tree.plain(root, "HEAD", PARAMS),
        changed=_written(found),
        stages=tuple(found.names),
    )


def _pointers(root: Path, base: str, found: Plan) -> str:
    from gitops_ml.delivery.champion import pointer_of
    from gitops_ml.report import stopped

    texts = []
    for path in found.changed:
        parts = path.split("/")
        new = pointer_of(root, "HEAD", parts[1]) if len(parts) == 3 and parts[2] == "model.yaml" else None
        if new is not None:
            texts.append(stopped.pointer(parts[1], pointer_of(root, base, parts[1]), new))
    return "\n".join(texts) or "Nothing is served any more where the pointer is removed."


def _written(found: Plan) -> tuple[str, ...]:
    """Files of the change that people wrote."""
    from gitops_ml.build.derived import is_derived

    return tuple(path for path in found.changed if not is_derived(path))


def _changed(root: Path, base: str, head: str) -> Sequence[str]:
    parted = shell.ask_git(root, "merge-base", base, head)
    if parted is None:
        raise Fault(
            "this branch has nothing in common with the base: no pull request is possible.\n"
            "  Fetch its whole history: git fetch --unshallow origin; or name another: gitops-ml preview --base BRANCH"
        )
    listed = shell.git(root, "diff-tree", "-r", "-z", "--no-renames", "--name-only", parted, head)
    return [path for path in listed.split("\0") if path]


def _short(base: str) -> str:
    return base.removeprefix("refs/remotes/").removeprefix("refs/heads/")
