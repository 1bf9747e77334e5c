"""Brings an update to people: the one pull request `template/update`; or the one issue, where a robot may not or cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build.derived import is_derived
from gitops_ml.card.markdown import plain
from gitops_ml.contracts.template_update import TemplateUpdate
from gitops_ml.delivery import standing
from gitops_ml.delivery.tree import changed, is_ancestor
from gitops_ml.delivery.tree import plain as plain_of
from gitops_ml.forge import commits
from gitops_ml.forge.actions import warn
from gitops_ml.forge.client import CONTEXT, Forge
from gitops_ml.forge.errors import Refused
from gitops_ml.template.laptop import BRANCH, kinds
from gitops_ml.template.render import FILE

LABEL, REASON = "gitops-ml: template", "template-update"
COMMAND = "uv run gitops-ml template update"


@dataclass(frozen=True)
class Done:
    """One line of text; the open pull request; its head, if nobody has judged that yet."""

    text: str
    number: int | None = None
    head: str | None = None


def offer(
    root: Path, forge: Forge, token: str, update: TemplateUpdate, folder: Path, may_push_workflows: bool
) -> Done:
    """Make what people see agree with the update. It can run again at any point. Raises :class:`Fault`."""
    if update.outcome == "unknown":
        warn(
            "Where the template comes from is not written down",
            f"Name it once, in {FILE}: a line `source: https://HOST/OWNER/NAME.git` under `version`. Then this workflow can look.",
        )
        return Done("🤷 Nobody wrote down where the template is, so nothing is known about newer versions.")
    if update.outcome == "current":
        said = f"Up to date: main has version {update.old} of the template."
        forge.close_issue(REASON, said)
        for pull in forge.pulls(head=BRANCH):
            if not pull.fork:
                forge.close_pull(pull.number, said)
        return Done(f"☕ {said}")
    title = f"Template {update.old} -> {update.new}"
    there = _by_hand(root, forge, token, update)
    if there is not None:
        forge.close_issue(REASON, f"#{there} brings it.")
        return Done(f"☕ #{there} brings {update.new} already.", there)
    for pull in forge.pulls(state="closed", head=BRANCH):
        if pull.title == title and not pull.fork and not pull.merged:
            forge.close_issue(REASON, f"#{pull.number} was closed: {update.new} is not offered again.")
            return Done(f"☕ #{pull.number} was closed without a merge: {update.new} is not offered again.")
    if update.outcome == "conflict":
        return _ask(forge, update, "These changed on both sides, and git cannot decide", update.conflicts)
    if update.workflows and not may_push_workflows:
        return _ask(
            forge, update, "These are workflow files, which this token may not push", update.workflows
        )
    files: dict[str, bytes | None] = {path: (folder / "files" / path).read_bytes() for path in update.files}
    files |= dict.fromkeys(update.removed)
    branch = standing.Branch(BRANCH, update.main, files, title)
    try:
        head = _held(root, forge, token, branch) or standing.put(root, forge, token, branch)
    except standing.Occupied as occupied:
        warn("The branch is a person's now", str(occupied))
        return Done(f"☕ {str(occupied).splitlines()[0]}")
    except Refused as refused:
        if not update.workflows or refused.status != 403:
            raise
        return _ask(
            forge, update, "These are workflow files, which this token may not push", update.workflows
        )
    opened = standing.request(
        forge, branch=BRANCH, base=forge.default_branch(), title=title, body=_body(update), labels=[LABEL]
    )
    forge.close_issue(REASON, f"{opened.url} brings it.")
    judged = any(status.context == CONTEXT for status in forge.statuses(head))
    where = f"#{opened.number}" if opened.number is not None else opened.url
    return Done(f"📦 {title}: {where}", opened.number, None if judged or opened.number is None else head)


def _held(root: Path, forge: Forge, token: str, branch: standing.Branch) -> str | None:
    """The branch's head, if it holds this update and, besides, only what CI built of it: that is not to be undone."""
    tip = _tip(root, forge, token)
    if tip is None or not is_ancestor(root, branch.main, tip):
        return None
    fresh = commits.commit_files(root, [branch.main], branch.files, branch.message)
    return tip if all(map(is_derived, changed(root, fresh, tip))) else None


def _tip(root: Path, forge: Forge, token: str) -> str | None:
    """The newest commit of the branch, fetched; None if there is no such branch."""
    ref = f"refs/heads/{BRANCH}"
    if ref not in commits.ls_remote(root, forge.place, token, ref):
        return None
    commits.fetch(root, forge.place, token, f"+{ref}:refs/gitops-ml/{BRANCH}")
    return shell.git(root, "rev-parse", f"refs/gitops-ml/{BRANCH}")


def _by_hand(root: Path, forge: Forge, token: str, update: TemplateUpdate) -> int | None:
    """The open pull request in which a person brings this version already, by the laptop's command."""
    for pull in forge.pulls(head=BRANCH):
        tip = None if pull.fork else _tip(root, forge, token)
        if tip is None:
            continue
        said = plain_of(root, tip, FILE)
        robots = "[bot]" in shell.git(root, "log", "--format=%an %ae", "-1", tip)
        if not robots and isinstance(said, dict) and str(said.get("version")) == update.new:
            return pull.number
    return None


def _ask(forge: Forge, update: TemplateUpdate, why: str, paths: list[str]) -> Done:
    """The one issue: which files, and the command for a laptop."""
    forge.labels({LABEL: standing.LABELS[LABEL]})
    listed = "\n".join(f"- `{path}`" for path in paths)
    source = "" if update.source else " --source FOLDER-OR-ADDRESS"
    body = (
        f"Version **{plain(update.new)}** of the template is there; main has {plain(update.old)}. A robot cannot bring it. "
        f"{why}:\n\n{listed}\n\n"
        f"On a laptop, in an up-to-date clone:\n\n```bash\n{COMMAND} --to {update.new}{source}\ngit push -u origin {BRANCH}"
        "    # then open its pull request\n```\n\n"
        "The command merges, lists conflicts, and says how to go on or to stop. A GitHub App with the permission "
        "*workflows: write* may push workflow files; then this arrives as a pull request.\n\n"
        "This issue is updated in place, and closed when main is up to date.\n"
    )
    url = forge.issue(REASON, f"Update the template to {update.new}: on a laptop", body, labels=[LABEL])
    return Done(f"🙋 {update.new} needs a person: {url}")


def _body(update: TemplateUpdate) -> str:
    rows = []
    for kind, paths in kinds(sorted([*update.files, *update.removed])).items():
        if paths:
            names = "".join(
                f"- `{path}`{' (goes)' if path in update.removed else ''}\n" for path in paths[:200]
            )
            rows.append(f"<details><summary>{kind}: {len(paths)}</summary>\n\n{names}\n</details>\n")
    notes = "".join(f"- {note}\n" for note in update.notes)
    return (
        f"### Version {plain(update.new)} of the template\n\n"
        f"What the template changed since {plain(update.old)}, merged into what this team made of it. Lock files of the "
        "pipeline, reports, data and models are not touched.\n\n"
        f"{notes}{chr(10) if notes else ''}{''.join(rows)}\n"
        "It edits `.github/`, so somebody else with write access approves it. The same on a laptop: "
        f"`{COMMAND} --to {update.new}`. Closing it keeps main as it is; this version is not offered again.\n"
    )
