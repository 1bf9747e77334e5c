"""Decides what a head is told."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_ml import shell
from gitops_ml.build import gold, trees
from gitops_ml.build.merge import merge
from gitops_ml.build.sealed import opened
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.verdict import told
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.gate.evidence import Forged
from gitops_ml.ruling.modelless import nothing, pointer
from gitops_ml.ruling.task import UNTESTED, Ruling, Task, blocked

if TYPE_CHECKING:
    from gitops_ml.gate.beside import Beside
    from gitops_ml.report.context import Context


def rule(task: Task, alone: Callable[[], bool]) -> Ruling:
    """The ruling on a pull request's head. ``alone``: whether nobody but its author could approve it."""
    root = task.root
    if task.failed is not None or task.kind == "invalid":
        return blocked(task.failed or "build", task.reason, task.run_url)
    parted = shell.git(root, "merge-base", "HEAD", task.head)
    changed = trees.changed(root, parted, task.head)
    if task.kind == "pointer":
        return pointer(task, parted, changed)
    if not task.candidate_digest:
        return nothing(task, changed, alone)
    try:
        return _model(task, parted, changed, alone)
    except Forged as forged:
        return blocked("judge", str(forged), task.run_url)


def _model(task: Task, parted: str, changed: list[str], alone: Callable[[], bool]) -> Ruling:
    from gitops_ml.delivery.handed_over import handed_over
    from gitops_ml.drift.sealed import tables
    from gitops_ml.gate.beside import beside
    from gitops_ml.gate.curves import looks
    from gitops_ml.gate.judge import judge
    from gitops_ml.gate.read import gather, measurements
    from gitops_ml.report import story
    from gitops_ml.report.budgets import price
    from gitops_ml.report.comment import SUMMARY, comment
    from gitops_ml.report.stopped import failed
    from gitops_ml.report.summary import DESCRIPTION, because, status_line
    from gitops_ml.report.text import LIMIT, clip
    from gitops_ml.ruling.around import context_of, pictures_of

    guarded = gold.guarded(task.root, "HEAD", changed)
    try:
        candidate = opened(task.candidate, task.candidate_digest)
    except Fault as fault:
        raise Forged(str(fault)) from None
    lone = bool(guarded) and alone()
    with checked_out(task.root, _built(task, candidate)) as head:
        try:
            evidence = gather(
                task.candidate,
                task.scores,
                base=task.root,
                head=head,
                today=date.today(),
                candidate_digest=task.candidate_digest,
                scores_digest=task.scores_digest,
                protected=guarded,
                alone=lone,
                history=task.root,
                handed_over=handed_over(task.root, "HEAD"),
            )
        except Fault as fault:  # evidence that disagrees, or a file of people that is not valid
            raise Forged(str(fault)) from None
        pictures = pictures_of(evidence.evaluation, task.candidate / "files", head)
    verdict = judge(evidence)
    counts = looks(evidence)
    failure = ("check", task.reason or "Lint or tests failed.") if task.checks_failed else None
    measured = measurements(task.candidate, task.scores, evidence)
    seen = told(verdict, measured.checks)
    also = because(seen) if seen.overall == "block" else ""
    besides: list[Beside] = []
    if task.drift_digest:
        besides = beside(
            evidence, tables(task.drift, task.drift_digest), task.candidate, task.candidate_digest, task.scores,
            task.scores_digest,
        )  # fmt: skip

    def context(left: str) -> Context:
        made = context_of(task, parted, left, changed, candidate, evidence.evaluation, lone)
        return replace(made, digest=verdict.digest(), price=price(measured))

    def render(left: str, limit: int = LIMIT) -> str:
        text = comment(seen, context(left), limit)
        return failed(*failure, task.run_url, text, also) if failure else text

    description = status_line(seen)[1]
    overall: str = seen.overall
    if task.checks_failed:
        overall, description = "block", clip(f"{UNTESTED}, and {also}" if also else UNTESTED, DESCRIPTION)
    return Ruling(
        overall,
        description,
        render,
        candidate,
        verdict,
        measured,
        besides,
        whole=lambda left: render(left, SUMMARY),
        report=lambda left: story.told(seen, context(left), measured, counts, failure),
        pictures=pictures,
    )


def _built(task: Task, candidate: Candidate) -> str:
    """A commit of the tree that was built: the head's, or that of main merged into it."""
    if candidate.merged is None:
        return task.head
    tree_id = merge(task.root, task.head, candidate.merged).tree
    return commits.commit_files(
        task.root, [task.head, candidate.merged], {}, "Merged to be read", tree=tree_id
    )


@contextlib.contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """The commit's files in a folder of their own, for reading; nothing of them is run."""
    with tempfile.TemporaryDirectory(prefix="gitops-ml-head-") as scratch:
        folder = Path(scratch) / "head"
        shell.git(
            root,
            "-c",
            "core.hooksPath=/dev/null",
            "worktree",
            "add",
            "--detach",
            "--force",
            str(folder),
            commit,
        )
        try:
            yield folder
        finally:
            shell.ask_git(root, "worktree", "remove", "--force", str(folder))
