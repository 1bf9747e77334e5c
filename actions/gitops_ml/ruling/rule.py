"""Decides what a head is told: the state of its required status, the line beside it, and the comment."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_ml import shell
from gitops_ml.build import gold, trees
from gitops_ml.build.merge import merge
from gitops_ml.build.sealed import opened
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.overrides import OverridesFile
from gitops_ml.contracts.verdict import Measurements, Verdict, told
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.gate.evidence import Forged

if TYPE_CHECKING:
    from gitops_ml.contracts.report import Report
    from gitops_ml.gate.beside import Beside
    from gitops_ml.report.context import Context

Render = Callable[[str], str]
"""head left behind -> Markdown: pictures are linked at that commit"""

STOPPED = ("plan", "build", "score", "prove")
UNTESTED = "Blocked: lint or tests fail"
WELL = ("success", "skipped", "")


@dataclass(frozen=True)
class Task:
    """What the jobs before handed over. ``root``: a checkout of main, whose policy and suite judge.

    ``head``: the commit that was built. ``kind``: what plan decided. ``results``: job -> success, failure, skipped or
    cancelled. ``reason``: the last words of a job that stopped. Digests are empty where there is no such folder.
    ``proofs``: what `gitops-ml prove` said of the versions that changed pointers name.
    ``drift``: what check-drift wrote, whose rows both models were asked besides. ``artifact``: the name under which
    the run keeps the folder of the verdict.
    """

    root: Path
    head: str
    kind: str
    results: Mapping[str, str]
    reason: str
    candidate: Path
    candidate_digest: str
    scores: Path
    scores_digest: str
    run_url: str
    proofs: str = ""
    drift: Path = Path("drift")
    drift_digest: str = ""
    artifact: str = ""

    @property
    def failed(self) -> str | None:
        """The first job that must not have failed; lint and tests are told apart: see :func:`rule`."""
        return next((name for name in STOPPED if self.results.get(name, "") not in WELL), None)

    @property
    def checks_failed(self) -> bool:
        return self.results.get("check", "") not in WELL


@dataclass(frozen=True)
class Ruling:
    """The answer. ``overall``: pass, needs-human or block. ``whole`` renders what GitHub's comment may be too short for.

    ``report`` tells the same as data, ``pictures`` are those it names, by path: both only where a model was judged.
    """

    overall: str
    description: str
    render: Render
    candidate: Candidate | None = None
    verdict: Verdict | None = None
    measurements: Measurements | None = None
    beside: Sequence[Beside] = ()
    whole: Render | None = None
    report: Callable[[str], Report] | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    def settled(self, head: str) -> Ruling:
        """The same, with all texts written for one head: they need no folder of the build any more."""
        text, whole = self.render(head), self.summary(head)
        story = self.report(head) if self.report is not None else None
        return replace(
            self,
            render=lambda _: text,
            whole=lambda _: whole,
            report=None if story is None else lambda _: story,
        )

    def summary(self, head: str) -> str:
        """The Markdown for the step summary: nothing of it is left out."""
        return (self.whole or self.render)(head)

    @property
    def state(self) -> str:
        """Of the commit status."""
        return {"pass": "success", "needs-human": "pending", "block": "failure"}[self.overall]


def blocked(stage: str, reason: str, run_url: str, more: str = "") -> Ruling:
    """Something stopped; nothing is committed."""
    from gitops_ml.report.stopped import failed

    first = reason.strip().splitlines()[0] if reason.strip() else "see the run"
    return Ruling(
        "block", f"Blocked: {stage} stopped: {first}", lambda head: failed(stage, reason, run_url) + more
    )


def rule(task: Task, alone: Callable[[], bool]) -> Ruling:
    """The ruling on a pull request's head. ``alone``: whether nobody but its author could approve it."""
    root = task.root
    if task.failed is not None or task.kind == "invalid":
        return blocked(task.failed or "build", task.reason, task.run_url)
    parted = shell.git(root, "merge-base", "HEAD", task.head)
    changed = trees.changed(root, parted, task.head)
    if task.kind == "pointer":
        return _pointer(task, parted, changed)
    if not task.candidate_digest:
        return _nothing(task, changed, alone)
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


def _nothing(task: Task, changed: list[str], alone: Callable[[], bool]) -> Ruling:
    """No new model; a change of the rules still needs a second person."""
    from gitops_ml.delivery.champion import champion
    from gitops_ml.delivery.releases import model_sha256
    from gitops_ml.report.stopped import failed, nothing

    if task.checks_failed:
        why = task.reason or "Lint or tests failed."
        return Ruling("block", UNTESTED, lambda head: failed("check", why, task.run_url))
    guarded = tuple(gold.guarded(task.root, "HEAD", changed))
    serving = champion(task.root, "HEAD")
    people = tuple(path for path in changed if path not in guarded)
    model = model_sha256(task.root, task.head) if guarded and alone() else None
    try:
        reason = _override(task, model)
    except Fault as fault:
        return blocked("judge", str(fault), task.run_url)

    def render(head: str) -> str:
        return nothing(people, guarded, serving.version if serving else None, model, reason)

    if not guarded:
        return Ruling("pass", "Nothing to build: the model stays", render)
    if reason is not None:
        return Ruling("pass", f"Override: {reason}", render)
    return Ruling("needs-human", f"Needs a human: it changes {', '.join(guarded)}", render)


def _override(task: Task, model: str | None) -> str | None:
    """The reason of an entry for the protected files, bound to the model that stays, and not expired."""
    content = tree.plain(task.root, task.head, "overrides.yaml")
    if content is None or model is None:
        return None
    for one in OverridesFile.parse(content, "overrides.yaml").overrides:
        if one.check == "protected" and one.sha256 == model and one.expires >= date.today():
            return f"{one.reason} ({one.owner})"
    return None


def _pointer(task: Task, parted: str, changed: list[str]) -> Ruling:
    """A change of what is served: the version exists, its bytes are in the store, and it was proven that it answers."""
    from gitops_ml.contracts.pointer import Pointer
    from gitops_ml.delivery import proofs
    from gitops_ml.delivery.pointer import check_pointer, environment_of
    from gitops_ml.report.stopped import failed, pointer

    problems = check_pointer(task.root, "HEAD", task.head)
    paths = [path for path in changed if environment_of(path) is not None]
    try:
        given = proofs.read(task.proofs)
        news = {path: Pointer.parse(tree.plain(task.root, task.head, path), path) for path in paths}
        path = paths[0] if paths else ""
        new = news[path] if paths else Pointer.parse(None, "deploy/<environment>/model.yaml")
        before = tree.plain(task.root, parted, path)
        old = None if before is None else Pointer.parse(before, path)
    except Fault as fault:
        why = "\n".join(problems) or str(fault)
        return Ruling(
            "block", f"Blocked: {why.splitlines()[0]}", lambda head: failed("judge", why, task.run_url)
        )
    if not problems:
        for name, one in news.items():
            lacking = proofs.lacking(given, name.split("/")[1], one.version, one.sha256)
            problems += [f"{name}: {problem}" for problem in lacking]
    environment = path.split("/")[1]
    proof = proofs.proof_of(given, environment, new.version)
    rows = 0 if proof is None else proof.rows
    first = problems[0] if problems else f"{new.version} in {environment}: {rows} rows answered as judged"
    return Ruling(
        "block" if problems else "pass",
        f"Blocked: {first}" if problems else f"Pass: {first}",
        lambda head: pointer(environment, old, new, tuple(problems), rows),
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
