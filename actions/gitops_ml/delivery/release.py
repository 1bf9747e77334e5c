"""`gitops-ml release`: main at one commit gets its version, tag, release and pointer pull request, each once, whatever was cut off.

Level-triggered: every step looks at what is there before it writes. The bytes come before the tag, the tag before the
release, the release before the pull request, so what is seen first rests on what came before it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from gitops_ml.build.sealed import opened as open_candidate
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.training import Artifact
from gitops_ml.contracts.verdict import Measurements, Verdict
from gitops_ml.delivery import assets, main_lock, tree
from gitops_ml.delivery.judgement import (
    Built,
    Case,
    Judged,
    Word,
    answered_for,
    brought,
    brought_alone,
    judged,
    policy_revision,
)
from gitops_ml.delivery.offer import offer, pointer
from gitops_ml.delivery.releases import OVERRIDDEN, Release, model_sha256, newest, recorded, releases, tag_of
from gitops_ml.delivery.standing import Occupied
from gitops_ml.delivery.survey import Desk, Survey, complete, plan, survey
from gitops_ml.errors import Fault
from gitops_ml.gate.read import measurements

__all__ = ["Desk", "Outcome", "plan", "release"]

SHORT = "main-falls-short"
STORE = "refs/dvc/store"
TRIES = 3  # versions asked for, if another run takes them meanwhile


@dataclass
class Outcome:
    """What was done, for outputs and summary. ``ok`` False: main falls short, and the run is red."""

    version: str | None = None
    number: int | None = None
    ok: bool = True
    lines: list[str] = field(default_factory=list)


def release(desk: Desk, built: Built | None) -> Outcome:
    """Do what is missing, in order. Raises :class:`Fault` where it cannot go on; the next run starts from what is there."""
    look = survey(desk)
    outcome = Outcome()
    if built is None or look.overtaken is not None:
        if look.overtaken is not None:
            outcome.lines.append(
                f"{look.commit[:12]} gets no version: {look.overtaken.version} was released from a later commit"
            )
        return finish(desk, look, outcome)
    candidate = open_candidate(built.candidate, built.digest)
    if candidate.head != look.commit:
        raise Fault(
            f"the candidate was built from {candidate.head[:12]}, and this is {look.commit[:12]}. Run the workflow again."
        )
    before = policy_revision(desk.root, look.commit)
    came = brought(desk.root, look.commit)
    verdict = desk.judge(Case(desk.root, built, before, came, lambda: brought_alone(desk.forge, came)))
    if candidate.lock != look.lock:
        return _correct(desk, look, built, candidate, verdict, outcome)
    main_lock.record(desk.forge, look.commit, candidate.lock)
    main_lock.corrected(desk.forge)
    if look.tagged is None and look.decision.version is None:
        return finish(desk, look, outcome)
    ruling = judged(desk.forge, desk.root, look.commit, verdict)
    word = _word(desk.root, look.tagged) or ruling.word
    if word is None:
        return _fall_short(desk, look, ruling, outcome)
    desk.forge.close_issue(SHORT, f"{look.commit[:12]} is fit to be released.")
    _keep(desk, candidate, built)
    if look.tagged is None:
        look = _tag(desk, look, candidate, verdict, word)
    assert look.tagged is not None
    measured = measurements(built.candidate, built.scores)
    url = _publish(desk, look, look.tagged, candidate.model, ruling.why, verdict, measured, bento=built.bento)
    outcome.version = look.tagged.version
    outcome.lines.append(f"{look.tagged.version} is released: {url} ({look.decision.why})")
    _offer(desk, look, look.tagged, candidate.model, word, url, outcome, answered_for(verdict))
    return outcome


def finish(desk: Desk, look: Survey, outcome: Outcome) -> Outcome:
    """Without a candidate: see to it that the newest version of main has its release and its pull request."""
    last = newest(desk.root, look.model, look.main)
    if last is None:
        outcome.lines.append(f"nothing to release: {look.decision.why}")
        return outcome
    if look.tagged is None and look.overtaken is None and look.decision.version is None:
        outcome.lines.append(f"nothing to release: {look.decision.why}")
        if model_sha256(desk.root, look.commit) is not None and look.commit == look.main:
            desk.forge.close_issue(SHORT, f"Main is {last.version} again.")
    artifact = artifact_of(desk.root, last)
    url = f"{desk.forge.place.web}/releases/tag/{last.tag}"
    word = _word(desk.root, last) or "accepted"
    # verdict.json and measurements.json come from a candidate; the plan asks for one while this commit lacks them.
    if not complete(desk.forge, last, assets.OF_GIT):
        url = _publish(desk, look, last, artifact, f"recorded as {word}", None, None)
        outcome.lines.append(f"the release of {last.version} was cut off, and is completed from git: {url}")
    _offer(desk, look, last, artifact, word, url, outcome)
    return outcome


def artifact_of(root: Path, release: Release) -> Artifact:
    """Path, sha256 and size of a released model, from git alone. Raises :class:`Fault` where two files disagree."""
    said = tree.plain(root, release.commit, assets.CARD_DATA)
    sha256 = model_sha256(root, release.commit)
    part = said.get("model") if isinstance(said, dict) else None
    if not isinstance(part, dict) or sha256 is None:
        raise Fault(
            f"{release.tag} holds no reports/model_card.json, so the size of its model is unknown.\n"
            "  Build the card, and merge it: gitops-ml card"
        )
    artifact = Artifact.parse(part.get("file"), f"{assets.CARD_DATA} of {release.tag}")
    if artifact.sha256 != sha256:
        raise Fault(
            f"{release.tag}: the card names model {artifact.sha256[:8]}, the evaluation {sha256[:8]}. One was changed by "
            "hand; a pointer to either would be a guess."
        )
    return artifact


def _word(root: Path, tagged: Release | None) -> Word | None:
    """How a version passed, as its tag records it."""
    words: dict[str | None, Word] = {"pass": "pass", "accepted": "accepted", "override": "override"}
    return None if tagged is None else words.get(recorded(root, tagged.tag, "verdict"))


def _keep(desk: Desk, candidate: Candidate, built: Built) -> None:
    """The candidate's verified bytes in the store, and read back there: a version never names what nobody has."""
    named = [each.md5 for each in candidate.objects]
    desk.storage.push(desk.root, STORE, named, source=built.candidate / "objects")
    # Tables that people keep under DVC were read by the build, and lie where their owners put them.
    tables = [one.md5 for one in desk.storage.needed(desk.root, candidate.head) if one.md5 not in named]
    if tables and desk.storage.kind(desk.root) == "git":
        sources = [ref for ref in desk.storage.list_refs(desk.root) if ref != STORE]
        desk.storage.copy(desk.root, tables, sources=sources, destination=STORE)
    losses = desk.storage.verify(desk.root, [candidate.head], STORE)
    if losses:
        raise Fault(
            "the store does not hold what was pushed, so nothing is released:\n"
            + "\n".join(f"  {loss}" for loss in losses[:20])
            + "\n  Run this again; if it stays so: gitops-ml storage verify"
        )


def _tag(desk: Desk, look: Survey, candidate: Candidate, verdict: Verdict, word: Word) -> Survey:
    """Give the version. If another run took it for another commit, decide again."""
    for attempt in range(TRIES):
        decision = look.decision
        assert decision.version is not None
        tag = tag_of(look.model, decision.version)
        message = (
            f"{look.model} {decision.version}\n\n"
            f"why: {decision.why}\nstep: {decision.step}\nsha256: {candidate.model.sha256}\n"
            f"lock: {candidate.lock}\nverdict: {word}\nverdict-digest: {verdict.digest()}\n"
            f"suite: {verdict.inputs.suite}\n"
        )
        argued = answered_for(verdict)
        message += f"{OVERRIDDEN}: {argued}\n" if argued else ""
        try:
            desk.forge.create_tag(tag, look.commit, message)
        except Fault:
            again = survey(desk)
            if (
                attempt + 1 == TRIES
                or again.tagged is not None
                or again.decision.version in (decision.version, None)
            ):
                if again.tagged is not None:
                    return again
                raise
            look = again
            continue
        return replace(look, tagged=Release(decision.version, tag, look.commit))
    raise AssertionError("not reached")


def _publish(
    desk: Desk,
    look: Survey,
    given: Release,
    model: Artifact,
    passed: str,
    verdict: Verdict | None,
    measured: Measurements | None,
    bento: Path | None = None,
) -> str:
    """The GitHub release, complete; its address."""
    root, place = desk.root, desk.forge.place
    before = [one for one in releases(root, look.model, given.commit) if one.commit != given.commit]
    why = recorded(root, given.tag, "why") or look.decision.why
    story = assets.Story(given, before[0] if before else None, model, why, passed, verdict)
    with tempfile.TemporaryDirectory(prefix="gitops-ml-") as folder:
        found = assets.collect(root, given, Path(folder), verdict, measured, bento)
        return desk.forge.release(
            given.tag,
            name=f"{look.model} {given.version}",
            body=assets.text(root, place, story, found),
            target=given.commit,
            assets=found,
            rewrite=verdict is not None,
        )


def _offer(
    desk: Desk,
    look: Survey,
    given: Release,
    model: Artifact,
    word: Word,
    url: str,
    outcome: Outcome,
    argued: str = "",
) -> None:
    """The pull request of the pointer, unless a newer version is offered already."""
    last = newest(desk.root, look.model, look.main)
    if last is not None and last.numbers > given.numbers:
        outcome.lines.append(f"{last.version} is newer, so {given.version} is not offered")
        return
    why = recorded(desk.root, given.tag, "why") or look.decision.why
    argued = recorded(desk.root, given.tag, OVERRIDDEN) or argued
    content = pointer(look.model, given, model, word)
    try:
        request, line = offer(desk.root, desk.forge, desk.token, look.main, content, why, url, argued)
    except Occupied as occupied:
        # The version is released; what is served stays as it is until a person decides.
        outcome.lines.append(str(occupied))
        return
    outcome.lines.append(line)
    outcome.number = request.number if request else None


def _correct(
    desk: Desk, look: Survey, built: Built, candidate: Candidate, verdict: Verdict, outcome: Outcome
) -> Outcome:
    """Main names results that its build does not give: nothing is released; a pull request puts it right."""
    if look.commit != look.main and look.lock != tree.blob_id(desk.root, look.main, "dvc.lock"):
        outcome.lines.append(f"main has moved on from {look.commit[:12]}, and its dvc.lock with it")
        return outcome
    request = main_lock.correct_main(
        desk.forge,
        desk.root,
        desk.token,
        candidate=candidate,
        folder=built.candidate,
        verdict=verdict,
        report=desk.report(verdict),
        storage=desk.storage,
    )
    what = f"#{request.number}" if request.number is not None else request.url
    outcome.number = request.number
    outcome.lines.append(
        f"nothing is released: the dvc.lock of {look.commit[:12]} is not what its build gives; {what} puts it right"
    )
    if verdict.overall == "block":
        _issue(desk, look, "built anew, it is blocked", verdict)
        outcome.ok = False
    return outcome


def _fall_short(desk: Desk, look: Survey, ruling: Judged, outcome: Outcome) -> Outcome:
    url = _issue(desk, look, ruling.why, ruling.verdict)
    outcome.ok = False
    outcome.lines.append(f"{look.decision.version} is not released: {ruling.why}. See {url}")
    return outcome


def _issue(desk: Desk, look: Survey, why: str, verdict: Verdict) -> str:
    base = desk.forge.default_branch()
    body = (
        f"`{base}` at {look.commit} gets no version: {why}. What is served stays as it is.\n\n"
        f"{desk.report(verdict)}\n\n"
        f"To go on: revert the merge, or open a pull request that mends it. If a person's approval is all that lacks: "
        f"approve the merged pull request (GitHub allows it after the merge), and run the workflow `release` again. This "
        f"issue is updated in place, and closed when `{base}` can be released.\n"
    )
    return desk.forge.issue(
        SHORT, f"{base} falls short: {look.decision.version or 'no version'} is not released", body
    )
