"""What an environment serves, offered to the next one: the promotion pull request, opened, updated, or withdrawn."""

from __future__ import annotations

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proofs
from gitops_ml.delivery import moving, tree
from gitops_ml.delivery.champion import pointer_of, pointer_path
from gitops_ml.delivery.moving import Desk, Look
from gitops_ml.delivery.offer import Offer, branch_of, declined, propose, release_url, serving
from gitops_ml.delivery.proofs import proof_of
from gitops_ml.delivery.releases import OVERRIDDEN, numbers, recorded, tag_of
from gitops_ml.delivery.retired import refusal, retired
from gitops_ml.delivery.standing import Occupied
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.client import CONTEXT
from gitops_ml.forge.records import Pull


def following(desk: Desk, seen: Look, earlier: str, later: str) -> Pointer | None:
    """The pointer that ``later`` is to be offered, as ``earlier`` has it; None: nothing is due, or it is offered already."""
    content = due(desk, seen, earlier, later)
    return None if content is None or _stands(desk, seen, later, content) else content


def due(desk: Desk, seen: Look, earlier: str, later: str) -> Pointer | None:
    """What of ``earlier`` is newer than what ``later`` serves, and may be offered; None: nothing."""
    source = pointer_of(desk.root, seen.main, earlier)
    if source is None or retired(desk.root, seen.main, source.version) is not None:
        return None
    content = source.model_copy(update={"promoted_from": earlier})
    return None if declined(desk.root, desk.forge, seen.main, later, content) else content


def promotion(desk: Desk, seen: Look, later: str, content: Pointer) -> Offer:
    """The offer of what the environment before serves."""
    return serving(
        content,
        later,
        pointer_of(desk.root, seen.main, later),
        f"{content.promoted_from} serves it",
        release_url(desk.forge.place, content),
        f"{content.version} is proven for {later}; only the pointer changes",
        recorded(desk.root, tag_of(content.model, content.version), OVERRIDDEN),
    )


def follow(desk: Desk, seen: Look, earlier: str, later: str, proofs: Proofs) -> tuple[str, bool]:
    """Offer what ``earlier`` serves to ``later``; what was done ("": nothing to say), and whether it went well."""
    withdrawn = _withdraw(desk, seen, earlier, later)
    content = following(desk, seen, earlier, later)
    if content is None:
        return withdrawn, True
    if proof_of(proofs, later, content.version) is None:
        return f"{later}: {content.version} is not offered yet: the next run of `deploy` proves it", True
    problems = moving.objections(desk, seen, later, content, proofs)
    if problems:
        return f"{later}: {content.version} is not offered: {'; '.join(problems)}", False
    try:
        _, line = propose(desk.root, desk.forge, desk.token, seen.main, promotion(desk, seen, later, content))
    except Occupied as occupied:
        return str(occupied), True
    return line, True


def _standing(desk: Desk, later: str) -> Pull | None:
    return next((pull for pull in desk.forge.pulls(head=branch_of(later)) if not pull.fork), None)


def _offered(desk: Desk, later: str, pull: Pull) -> Pointer | None:
    """The pointer that a standing pull request carries; None where it cannot be read."""
    name = f"refs/gitops-ml/{branch_of(later)}"
    commits.fetch(desk.root, desk.forge.place, desk.token, f"+refs/heads/{branch_of(later)}:{name}")
    try:
        return pointer_of(desk.root, pull.head_sha, later)
    except Fault:
        return None


def _stands(desk: Desk, seen: Look, later: str, content: Pointer) -> bool:
    """Whether the open pull request offers exactly this on top of main's tip, and has its status."""
    pull = _standing(desk, later)
    if pull is None or _offered(desk, later, pull) != content:
        return False
    if not tree.is_ancestor(desk.root, seen.main, pull.head_sha):
        return False
    if tree.changed(desk.root, seen.main, pull.head_sha) != [pointer_path(later)]:
        return False
    newest = next((one for one in desk.forge.statuses(pull.head_sha) if one.context == CONTEXT), None)
    return newest is not None and newest.state == "success"


def _withdraw(desk: Desk, seen: Look, earlier: str, later: str) -> str:
    """Close the offer of a version that ``earlier`` has gone back from."""
    source, pull = pointer_of(desk.root, seen.main, earlier), _standing(desk, later)
    if source is None or pull is None:
        return ""
    offered = _offered(desk, later, pull)
    if offered is None or offered.promoted_from != earlier:
        return ""
    gone = retired(desk.root, seen.main, offered.version)
    if gone is None and numbers(offered.version) <= numbers(source.version):
        return ""
    why = (
        f"{earlier} serves {source.version} again, so {offered.version} is no longer offered to {later}."
        if gone is None
        else f"{refusal(offered.version, gone)}."
    )
    desk.forge.close_pull(pull.number, f"{why} To offer another: the workflow `promote`.")
    return f"#{pull.number} is closed: {why}"
