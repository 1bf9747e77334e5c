"""What the jobs before hand to the judgement, and its answer: the state of the required status, a line beside it, a comment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.verdict import Measurements, Verdict

if TYPE_CHECKING:
    from gitops_ml.contracts.report import Report
    from gitops_ml.gate.beside import Beside

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
