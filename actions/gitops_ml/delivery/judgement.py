"""Whether main may be released: judged once more, with the policy that main had before the merge; or approved by a person."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from gitops_ml import shell
from gitops_ml.build import gold
from gitops_ml.contracts.verdict import Verdict
from gitops_ml.delivery import tree
from gitops_ml.forge.client import Forge
from gitops_ml.forge.errors import Refused
from gitops_ml.forge.records import Pull

Word = Literal["pass", "accepted", "override"]
SPEAKS = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")


@dataclass(frozen=True)
class Built:
    """What the jobs before made, by digest: the folders of candidate and scores, and the Bento if there is one.

    ``bento``: its digest was checked by whoever names it here.
    """

    candidate: Path
    digest: str
    scores: Path
    scores_digest: str
    bento: Path | None = None


@dataclass(frozen=True)
class Case:
    """What is judged. ``root``: a checkout of the commit. ``before``: whose policy judges. ``brought``: what came to main.

    ``alone``: whether nobody but the author of what came could have approved it; asked only where that matters.
    """

    root: Path
    built: Built
    before: str
    brought: str
    alone: Callable[[], bool] = lambda: False


Judge = Callable[[Case], Verdict]


def by_the_gate(case: Case, today: date | None = None) -> Verdict:
    """The verdict of :mod:`gitops_ml.gate`, with policy and schema of ``before``. Raises :class:`Fault`.

    ``today``: the day by which overrides expire (default: this one).
    """
    from gitops_ml.delivery.handed_over import handed_over
    from gitops_ml.gate.judge import judge
    from gitops_ml.gate.read import gather

    guarded = gold.guarded(case.root, case.before, tree.changed(case.root, case.before, case.brought))
    with tempfile.TemporaryDirectory(prefix="gitops-ml-") as folder:
        base = Path(folder)
        for name in ("policy.yaml", "schema.yaml", "params.yaml"):
            content = tree.content(case.root, case.before, name)
            if content is not None:
                (base / name).write_bytes(content)
        _gold(case, base)
        evidence = gather(
            case.built.candidate,
            case.built.scores,
            base=base,
            head=case.root,
            today=today or datetime.now(UTC).date(),
            candidate_digest=case.built.digest,
            scores_digest=case.built.scores_digest,
            protected=guarded,
            alone=bool(guarded) and case.alone(),
            history=case.root,
            handed_over=handed_over(case.root, case.before),
        )
        return judge(evidence)


def _gold(case: Case, base: Path) -> None:
    """What ``before`` says of the gold set, in the folder ``base``: its .dvc file, or the table where git keeps it."""
    from gitops_ml.contracts.policy import PolicyFile

    table = PolicyFile.read(base / "policy.yaml").gold.table if (base / "policy.yaml").is_file() else None
    for name in (f"{table}.dvc", table) if table else ():
        content = tree.content(case.root, case.before, name)
        if content is not None:
            (base / name).parent.mkdir(parents=True, exist_ok=True)
            (base / name).write_bytes(content)


@dataclass(frozen=True)
class Judged:
    """The verdict; and in one word how it was passed, None if it was not. ``why``: a sentence for people."""

    verdict: Verdict
    word: Word | None
    why: str


def brought(root: Path, commit: str) -> str:
    """The commit of main's own line that brought the lock to it: a merge counts, what was merged does not."""
    found = shell.git(root, "log", "--first-parent", "--format=%H", "-1", commit, "--", "dvc.lock")
    return found or commit


def policy_revision(root: Path, commit: str) -> str:
    """Whose policy.yaml judges: main's before the merge. A change cannot lower the bar for itself.

    Without a parent, or where the parent had no policy, it is the commit's own.
    """
    parent = shell.ask_git(root, "rev-parse", "--quiet", "--verify", f"{brought(root, commit)}^1")
    return parent if parent and tree.blob_id(root, parent, "policy.yaml") else commit


def judged(forge: Forge, root: Path, commit: str, verdict: Verdict) -> Judged:
    """What a verdict allows. ``needs-human`` is passed by an approval of the merged head, given before or after the merge."""
    overridden = answered_for(verdict)
    if verdict.overall == "pass":
        if overridden:
            return Judged(verdict, "override", f"passed with an override of {overridden}")
        return Judged(verdict, "pass", f"all {len(verdict.checks)} checks pass")
    if verdict.overall == "block":
        return Judged(verdict, None, "it is blocked")
    pulls = [pull for pull in forge.pulls_of(brought(root, commit)) if pull.merged]
    for pull in pulls:
        approver = approved_by(forge, pull)
        if approver:
            # An entry of overrides.yaml asks for an approval of its own: the graver word of the two is written down.
            why = f"approved by {approver} in #{pull.number}"
            word: Word = "override" if overridden else "accepted"
            return Judged(verdict, word, f"{why}, with an override of {overridden}" if overridden else why)
    where = f"#{pulls[0].number}" if pulls else "no pull request"
    return Judged(
        verdict, None, f"it needs a person, and nobody with write access approved its head ({where})"
    )


def answered_for(verdict: Verdict) -> str:
    """The checks that somebody answers for in overrides.yaml, each with reason and owner, on one line; empty: none."""
    said = [f"{check.id}: {check.override}" for check in verdict.checks if check.override]
    return " ".join("; ".join(said).split())


def approved_by(forge: Forge, pull: Pull) -> str | None:
    """Who approved the very head that was merged: somebody else than its author, with write access, who did not withdraw."""
    last = {}
    for review in forge.reviews(pull.number):  # oldest first: the last word of each counts
        if review.state in SPEAKS:
            last[review.user] = review
    for user, review in last.items():
        ours = review.state == "APPROVED" and review.commit == pull.head_sha
        if ours and user != pull.author and not user.endswith("[bot]") and forge.can_write(user):
            return user
    return None


def alone(forge: Forge, pull: Pull) -> bool:
    """Whether nobody but the author of a pull request may write here: then nobody could approve it."""
    try:
        people = list(forge.api.pages("collaborators"))
    except Refused:
        return False  # unknown is not alone
    may = [one["login"] for one in people if one.get("permissions", {}).get("push")]
    return bool(may) and all(login == pull.author for login in may)


def brought_alone(forge: Forge, commit: str) -> bool:
    """:func:`alone` of the pull request that brought a commit of main's own line; a push past it has no author to ask."""
    pulls = [pull for pull in forge.pulls_of(commit) if pull.merged]
    return bool(pulls) and all(alone(forge, pull) for pull in pulls)
