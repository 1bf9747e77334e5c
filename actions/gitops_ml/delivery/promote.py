"""`gitops-ml promote`: by hand, the pull request that serves a version in the next environment: one pointer, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proofs
from gitops_ml.delivery import moving
from gitops_ml.delivery.champion import pointer_of
from gitops_ml.delivery.following import promotion
from gitops_ml.delivery.judgement import Word
from gitops_ml.delivery.moving import Desk, Look, Target
from gitops_ml.delivery.offer import pointer, propose, release_url, serving
from gitops_ml.delivery.release import artifact_of
from gitops_ml.delivery.releases import OVERRIDDEN, Release, numbers, recorded, releases, tag_of
from gitops_ml.delivery.retired import refusal, retired
from gitops_ml.errors import Fault

WORDS: dict[str | None, Word] = {"pass": "pass", "accepted": "accepted", "override": "override"}


@dataclass(frozen=True)
class Aim:
    """Where a version is to be served, by which pointer, and the one that stands there now."""

    environment: str
    content: Pointer
    served: Pointer | None

    @property
    def target(self) -> Target:
        """What must be proven."""
        return self.environment, self.content.version


@dataclass
class Opened:
    """What was done: the pull request (None: where the setting forbids to open it), its address, and the line that says so."""

    number: int | None = None
    url: str = ""
    lines: list[str] = field(default_factory=list)


def aim(desk: Desk, seen: Look, environment: str = "", version: str = "") -> Aim | None:
    """What to promote: by default the first environment that is behind the one before it, to the version of that one.

    None: nobody is behind. Raises :class:`Fault` where what was asked for is refused.
    """
    if not environment:
        found = _behind(desk, seen)
        if found is None and version:
            raise Fault(
                f"no environment is behind the one before it, so where {version} should go is unknown.\n"
                f"  Name it: --environment {seen.environments[0]}"
            )
        if found is None:
            return None
        environment = found
    known(seen, environment)
    served = pointer_of(desk.root, seen.main, environment)
    content = _content(desk, seen, environment, version)
    if served is not None and served.version == content.version:
        raise Fault(
            f"{environment} is set to {content.version} already: there is nothing to promote.\n"
            "  What it serves: gitops-ml status"
        )
    if served is not None and numbers(served.version) > numbers(content.version):
        raise Fault(
            f"{environment} is set to {served.version}, which is newer than {content.version}.\n"
            f"  To go back: gitops-ml roll-back --environment {environment} --version {content.version}"
        )
    _not_retired(desk, seen, content.version)
    return Aim(environment, content, served)


def promote(desk: Desk, seen: Look, at: Aim, proofs: Proofs) -> Opened:
    """Open or update the pull request. Raises :class:`Fault` where the version cannot be served: nothing is opened then."""
    problems = moving.objections(desk, seen, at.environment, at.content, proofs)
    if problems:
        raise moving.refused(at.content, at.environment, problems)
    if at.content.promoted_from is not None:
        made = promotion(desk, seen, at.environment, at.content)
    else:
        status = f"{at.content.version} is proven for {at.environment}; only the pointer changes"
        url = release_url(desk.forge.place, at.content)
        argued = recorded(desk.root, tag_of(at.content.model, at.content.version), OVERRIDDEN)
        made = serving(at.content, at.environment, at.served, "somebody asked for it", url, status, argued)
    opened, line = propose(desk.root, desk.forge, desk.token, seen.main, made)
    return Opened(opened.number, opened.url, [line])


def known(seen: Look, environment: str) -> None:
    """Raises :class:`Fault` unless policy.yaml of main names the environment."""
    if environment not in seen.environments:
        raise Fault(
            f"policy.yaml of main names no environment {environment}; it names {', '.join(seen.environments)}.\n"
            f"  Add it there, by pull request, or name one of these: --environment {seen.environments[0]}"
        )


def released(desk: Desk, seen: Look, version: str) -> Release:
    """The release of a version, with or without its "v". Raises :class:`Fault` where it was never released."""
    try:
        wanted = numbers(version)
    except ValueError as wrong:
        raise Fault(f"{wrong}.\n  See what there is: git tag --list '{seen.model}@v*'") from None
    there = releases(desk.root, seen.model)
    found = next((one for one in there if one.numbers == wanted), None)
    if found is None:
        newest = ", ".join(one.version for one in there[:5]) or "none"
        raise Fault(
            f"{version} was never released: there is no tag {tag_of(seen.model, version)}.\n"
            f"  Released were: {newest}. Name one of these: --version VERSION"
        )
    return found


def content_of(desk: Desk, seen: Look, release: Release) -> Pointer:
    """The pointer of a release, from git alone. Raises :class:`Fault`."""
    word = WORDS.get(recorded(desk.root, release.tag, "verdict"), "accepted")
    return pointer(seen.model, release, artifact_of(desk.root, release), word)


def _behind(desk: Desk, seen: Look) -> str | None:
    """The first environment that serves less than the one before it; else the first one, if a release is newer."""
    for earlier, later in pairwise(seen.environments):
        source, there = (pointer_of(desk.root, seen.main, one) for one in (earlier, later))
        if source is not None and (there is None or numbers(there.version) < numbers(source.version)):
            return later
    first = seen.environments[0]
    served, newest = pointer_of(desk.root, seen.main, first), _newest(desk, seen)
    if newest is not None and (served is None or numbers(served.version) < newest.numbers):
        return first
    return None


def _newest(desk: Desk, seen: Look) -> Release | None:
    """The newest release that main contains and that is not retired."""
    listed = releases(desk.root, seen.model, seen.main)
    return next((one for one in listed if retired(desk.root, seen.main, one.version) is None), None)


def _content(desk: Desk, seen: Look, environment: str, version: str) -> Pointer:
    place = seen.environments.index(environment)
    if place == 0:
        release = released(desk, seen, version) if version else _newest(desk, seen)
        if release is None:
            raise Fault(
                "nothing was released yet, so nothing can be promoted.\n  Merge a change: `release` gives it a version."
            )
        return content_of(desk, seen, release)
    before = seen.environments[place - 1]
    source = pointer_of(desk.root, seen.main, before)
    if version:
        released(desk, seen, version)
    if source is None or (version and numbers(source.version) != numbers(version)):
        there = f"serves {source.version}" if source is not None else "serves nothing"
        raise Fault(
            f"{environment} gets what {before} serves, and {before} {there}.\n"
            f"  Promote it there first: gitops-ml promote --environment {before}"
            + (f" --version {version}" if version else "")
        )
    return source.model_copy(update={"promoted_from": before})


def _not_retired(desk: Desk, seen: Look, version: str) -> None:
    gone = retired(desk.root, seen.main, version)
    if gone is not None:
        raise Fault(
            f"{refusal(version, gone)}, so nothing may serve it any more.\n  Name another: --version VERSION"
        )
