"""`gitops-ml roll-back`: the pull request that serves an earlier version again: one pointer, no retraining, no revert of code."""

from __future__ import annotations

from gitops_ml.card.markdown import plain
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proofs
from gitops_ml.delivery import moving
from gitops_ml.delivery.champion import pointer_of, pointer_path
from gitops_ml.delivery.identity import identity
from gitops_ml.delivery.moving import Desk, Look
from gitops_ml.delivery.offer import Offer, propose, release_url
from gitops_ml.delivery.promote import Aim, Opened, content_of, known, released
from gitops_ml.delivery.proofs import proof_of
from gitops_ml.delivery.releases import numbers, releases
from gitops_ml.delivery.retired import refusal, retired
from gitops_ml.delivery.served import history
from gitops_ml.errors import Fault
from gitops_ml.gate.callers import breaks

LABEL = "gitops-ml: rollback"
SHOWN = 10  # differences for callers


def aim(desk: Desk, seen: Look, environment: str = "", version: str = "") -> Aim:
    """Where to go back to. Default: the last environment, which callers use; the version that it served before.

    Raises :class:`Fault` for a version that was never released, is retired, is served already, or is no step back.
    """
    environment = environment or seen.environments[-1]
    known(seen, environment)
    served = pointer_of(desk.root, seen.main, environment)
    if served is None:
        raise Fault(
            f"{environment} serves nothing, so there is nothing to go back from.\n"
            f"  To serve a version: gitops-ml promote --environment {environment} --version VERSION"
        )
    # As it was served here, if it was: with its image, and where it came from.
    before = {
        one.pointer.version: one.pointer for one in reversed(history(desk.root, seen.main, environment))
    }
    chosen = released(desk, seen, version).version if version else _before(desk, seen, environment, served)
    if chosen == served.version:
        raise Fault(
            f"{environment} is set to {chosen} already: there is nothing to go back to.\n  What it serves: gitops-ml status"
        )
    gone = retired(desk.root, seen.main, chosen)
    if gone is not None:
        raise Fault(
            f"{refusal(chosen, gone)}, so nothing may serve it any more.\n  Name another: --version VERSION"
        )
    if numbers(chosen) > numbers(served.version) and chosen not in before:
        raise Fault(
            f"{chosen} is newer than {served.version}, which {environment} serves, and was never served there: that is no "
            f"way back.\n  Forward: gitops-ml promote --environment {environment} --version {chosen}"
        )
    return Aim(
        environment, before.get(chosen) or content_of(desk, seen, released(desk, seen, chosen)), served
    )


def roll_back(desk: Desk, seen: Look, at: Aim, proofs: Proofs) -> Opened:
    """Open or update the pull request. Raises :class:`Fault` where the version cannot be served: nothing is opened then."""
    problems = moving.objections(desk, seen, at.environment, at.content, proofs)
    if problems:
        raise moving.refused(at.content, at.environment, problems)
    assert at.served is not None
    proof = proof_of(proofs, at.environment, at.content.version)
    made = Offer(
        environment=at.environment,
        content=at.content,
        branch=f"roll-back/{at.environment}",
        title=f"Roll {at.environment} back to {at.content.version}",
        body=_body(desk, at, at.served, proof.rows if proof is not None else 0),
        label=LABEL,
        status=f"{at.content.version} is proven for {at.environment}; only the pointer changes",
    )
    opened, _ = propose(desk.root, desk.forge, desk.token, seen.main, made)
    what = f"#{opened.number}" if opened.number is not None else opened.url
    line = f"{what} takes {at.environment} from {at.served.version} back to {at.content.version}: merge it"
    return Opened(opened.number, opened.url, [line])


def _before(desk: Desk, seen: Look, environment: str, served: Pointer) -> str:
    """The version that was served before: the last older one, so that going back twice does not go forward again.

    Retired ones, and those without a release any more, are skipped.
    """
    there = {one.version for one in releases(desk.root, seen.model)}
    for named in history(desk.root, seen.main, environment):
        version = named.pointer.version
        older = numbers(version) < numbers(served.version)
        if older and version in there and retired(desk.root, seen.main, version) is None:
            return version
    raise Fault(
        f"{environment} has served nothing before {served.version} that could be served again.\n"
        f"  Name any released version: gitops-ml roll-back --environment {environment} --version VERSION"
    )


def _body(desk: Desk, at: Aim, served: Pointer, rows: int) -> str:
    content, place = at.content, desk.forge.place
    now = f"[{served.version}]({release_url(place, served)}) (sha256 `{served.sha256[:8]}`)"
    then = f"[{content.version}]({release_url(place, content)}) (sha256 `{content.sha256[:8]}`)"
    answered = f", and answers {rows} rows as the model predicts" if rows else ", and answers"
    return (
        f"### Roll {at.environment} back from {served.version} to {content.version}\n\n"
        f"Now {now} is served; merging this serves {then} again. Nothing is trained, and no code is reverted.\n\n"
        f"**Why it is safe:** only `{pointer_path(at.environment)}` changes. The bytes of {content.version} are in the store "
        f"and hash to `{content.sha256}`; its service loads them in its own environment{answered}.\n\n"
        f"**What changes for callers:** {_callers(desk, served, content)}\n\n"
        f"Next: merge it; `deploy` then proves it once more and moves what follows. {served.version} is not offered again; "
        f"the next version is. Closing this keeps {served.version}.\n"
    )


def _callers(desk: Desk, served: Pointer, content: Pointer) -> str:
    """What somebody trips over who calls what is served now."""
    old, new = (identity(desk.root, one.revision).schema for one in (served, content))
    if old is None or new is None:
        return "unknown: the schema of one of the two cannot be read. Compare them before the merge."
    found = breaks(old, new)
    major = numbers(served.version)[0] != numbers(content.version)[0]
    if not found:
        return (
            "the major version differs, but whoever sends rows for the one can send them to the other."
            if major
            else "nothing; both take the same rows and answer alike."
        )
    listed = "".join(f"\n- {plain(words)}" for words in found[:SHOWN])
    more = f"\n- and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"they must change what they send or read:{listed}{more}"
