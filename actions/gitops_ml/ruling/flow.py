"""From a ruling to the pull request: bytes, commit, comment, status. Whatever stops it, the next run ends at the same place.

The status comes last: it is the permission to merge, and must not stand on a head that lacks the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import records
from gitops_ml.build.derived import is_source_pointer
from gitops_ml.contracts.base import write_text
from gitops_ml.delivery import standing
from gitops_ml.delivery.judgement import alone, approved_by
from gitops_ml.forge import commits
from gitops_ml.forge.client import CONTEXT, Forge, connect
from gitops_ml.forge.place import place
from gitops_ml.forge.records import Pull
from gitops_ml.forge.token import token as token_of
from gitops_ml.ruling import carry
from gitops_ml.ruling.reason import NewerData, Reason
from gitops_ml.ruling.rule import rule
from gitops_ml.ruling.task import Ruling, Task

NEWER_DATA = NewerData()
RETRAIN_LABEL = "gitops-ml: retrain"
WAITS = "Needs a human"


@dataclass(frozen=True)
class Desk:
    """A checkout of main, its repository on the forge, and the token that may write there."""

    root: Path
    forge: Forge
    token: str

    @classmethod
    def of(cls, root: Path) -> Desk:
        where = place(root)
        secret = token_of(where)
        return cls(root, connect(where, secret), secret)


@dataclass(frozen=True)
class Done:
    """What a run did: the ruling's word (superseded: nothing), one line, the text of the summary, the head left behind."""

    overall: str
    line: str
    text: str
    number: int | None = None
    head: str | None = None


def visit(desk: Desk, task: Task, number: int, out: Path) -> Done:
    """Judge a pull request and tell it. Does nothing but say so where somebody pushed meanwhile, or closed it."""
    pull = desk.forge.pull(number)
    if pull.state != "open":
        return Done("superseded", f"#{number} is {pull.state}", f"#{number} is {pull.state}.", number)
    ref = f"refs/pull/{number}/head"
    commits.fetch(desk.root, desk.forge.place, desk.token, f"+{ref}:refs/gitops-ml/pull/{number}")
    tip = shell.git(desk.root, "rev-parse", f"refs/gitops-ml/pull/{number}")
    target = carry.Target(pull.head_ref, task.head, tip)
    ruling = rule(task, lambda: alone(desk.forge, pull))
    try:
        head = carry.left_behind(desk.root, target, ruling.candidate, task.candidate)
        if ruling.candidate is not None:
            carry.keep(desk.root, f"refs/dvc/pr/{number}", ruling.candidate, task.candidate)
        carry.push(desk.root, desk.forge, desk.token, target, head)
    except carry.Superseded as superseded:
        return Done("superseded", str(superseded), str(superseded), number)
    tell(desk, task, ruling, number, head, out, pull)
    return Done(ruling.overall, ruling.description, ruling.summary(head), number, head)


def update(desk: Desk, task: Task, out: Path, reason: Reason = NEWER_DATA) -> Done:
    """Carry a retrained model to the one pull request of its reason's branch; keep one issue if it stopped."""
    forge, root = desk.forge, desk.root
    if task.failed is None and not task.candidate_digest:
        idle = reason.idle(root, forge, task)
        return Done("pass", idle.line, idle.text)
    ruling = rule(task, lambda: False)
    if ruling.candidate is None:
        text = ruling.render(task.head)
        forge.issue(reason.issue, reason.stopped, text)
        return Done(ruling.overall, ruling.description, text)
    if reason.nothing(ruling):
        idle = reason.idle(root, forge, task)
        return Done("pass", idle.line, idle.text)
    candidate = ruling.candidate
    moved = [path.removesuffix(".dvc") for path in candidate.files if is_source_pointer(path)]
    carry.keep(root, f"refs/dvc/branch/{reason.branch}", candidate, task.candidate)
    files = carry.changes(candidate, task.candidate)
    try:
        branch = standing.Branch(reason.branch, candidate.head, files, carry.message(candidate))
        head = standing.put(root, forge, desk.token, branch)
    except standing.Occupied as occupied:
        from gitops_ml.forge.actions import warn

        warn("The branch is a person's now", str(occupied))
        return Done("superseded", str(occupied).splitlines()[0], str(occupied))
    title, body = reason.told(forge, task, ruling, moved)
    opened = standing.request(
        forge,
        branch=reason.branch,
        base=forge.default_branch(),
        title=title,
        body=body,
        labels=[RETRAIN_LABEL],
    )
    pull = forge.pull(opened.number) if opened.number is not None else None
    tell(desk, task, ruling, opened.number, head, out, pull)
    forge.close_issue(reason.issue, reason.built)
    reason.carried(forge)
    return Done(ruling.overall, ruling.description, ruling.summary(head), opened.number, head)


def tell(
    desk: Desk, task: Task, ruling: Ruling, number: int | None, head: str, out: Path, pull: Pull | None
) -> None:
    """Record, comment, status; and the files of the verdict for whoever downloads them."""
    from gitops_ml.report.page import page

    text = ruling.render(head)
    write_text(out / "report.md", text)
    if ruling.report is not None:
        story = ruling.report(head)
        story.write_json(out / "report.json")
        write_text(out / "report.html", page(story, ruling.pictures))
    if ruling.verdict is not None and ruling.measurements is not None:
        ruling.verdict.write_json(out / "verdict.json")
        ruling.measurements.write_json(out / "measurements.json")
    if ruling.candidate is not None:
        lock = records.description(ruling.candidate.lock)
        desk.forge.set_status(head, "success", lock, context=records.CONTEXT, url=task.run_url)
    if number is not None:
        desk.forge.comment(number, text)
    state, line = ruling.state, ruling.description
    if ruling.overall == "needs-human" and pull is not None:
        approver = approved_by(desk.forge, pull) if pull.head_sha == head else None
        state, line = ("success", f"Approved by {approver}: {line}") if approver else (state, line)
    desk.forge.set_status(head, state, line, url=task.run_url)


def approve(desk: Desk, number: int) -> str:
    """Clear ``needs a human`` on the head that was reviewed. Says what it did, or why it did nothing."""
    pull = desk.forge.pull(number)
    newest = next((one for one in desk.forge.statuses(pull.head_sha) if one.context == CONTEXT), None)
    if newest is None or newest.creator != desk.forge.me() or newest.state != "pending":
        return f"#{number}: its head does not wait for a human"
    if not newest.description.startswith(WAITS):
        return f"#{number}: its head waits for something else: {newest.description}"
    approver = approved_by(desk.forge, pull)
    if approver is None:
        return f"#{number}: nobody else with write access approved {pull.head_sha[:8]}"
    line = f"Approved by {approver}: {newest.description.removeprefix(WAITS).lstrip(': ')}"
    desk.forge.set_status(pull.head_sha, "success", line, url=newest.url)
    return f"#{number}: approved by {approver}"
