"""Computes the verdict of a release again, from git and bytes alone, and says whether it is the one that its tag records."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gitops_ml import __version__, shell
from gitops_ml.build import run as building
from gitops_ml.build import score as scoring
from gitops_ml.contracts.overrides import OverridesFile
from gitops_ml.contracts.verdict import Side, Verdict
from gitops_ml.delivery import tree
from gitops_ml.delivery.judgement import Built, Case, brought, by_the_gate, policy_revision
from gitops_ml.delivery.releases import Release, recorded
from gitops_ml.delivery.workbench import Bench, Wanted, bring, laid_out
from gitops_ml.errors import Fault

Word = Literal["same", "differs", "unknown"]
Published = Callable[[Release], bytes | None]
"""verdict.json of a release as it was published; it counts only if its digest is the tag's."""
CLOSE = 1e-9
PASSED = {"pass": ("pass",), "override": ("pass", "needs-human"), "accepted": ("needs-human",)}
"""How a tag says that a version passed -> what its verdict may have said overall."""


@dataclass(frozen=True)
class Answer:
    """``differs`` lists what is another; ``unknown``: why it could not be computed, in ``why``."""

    word: Word
    why: str
    expected: str | None = None
    found: str | None = None
    differs: tuple[str, ...] = ()
    other_suite: bool = False
    rival_lost: bool = False


def verify(
    root: Path,
    release: Release,
    *,
    bench: Bench | None = None,
    published: Published | None = None,
    pull: Callable[..., object] | None = None,
    install: Sequence[str] | None = None,
) -> Answer:
    """Judge a release again as it was judged: its commit, its champion then, the policy before its merge, its day.

    ``bench``: the version laid out already. Runs code of the version and of its champion. ``pull`` and ``install``: see
    :mod:`gitops_ml.delivery.workbench`.
    """
    expected = recorded(root, release.tag, "verdict-digest")
    if expected is None:
        return Answer(
            "unknown", f"the tag {release.tag} records no verdict-digest: nobody can say how it passed"
        )
    suite = recorded(root, release.tag, "suite") or _vendored(root, release)
    found: Verdict | None = None
    try:
        with contextlib.closing(_verdicts(root, release, bench, pull, install)) as possible:
            for verdict in possible:
                if verdict.digest() == expected:
                    return Answer(
                        "same", "git and bytes give the verdict that the tag records", expected, expected
                    )
                found = found or verdict
    except (Fault, OSError) as wrong:
        other = suite is not None and suite != __version__
        return Answer("unknown", _one_line(str(wrong)), expected, other_suite=other)
    assert found is not None
    said = _published(release, expected, published)
    lost = _lost(found, said)
    if lost is not None:
        other = suite is not None and suite != __version__
        return Answer("unknown", lost, expected, found.digest(), other_suite=other, rival_lost=True)
    suite = said.inputs.suite if said is not None else suite
    if suite is not None and suite != __version__:
        return _by_other_suite(root, release, found, said, expected, suite)
    if said is None:
        why = "another verdict comes out, and its release has no verdict.json of that digest that would say in what"
        named = [*_recorded_inputs(root, release, found), _overall_differs(root, release, found)]
        differs = tuple(filter(None, named)) or ("the digest",)
        return Answer("differs", why, expected, found.digest(), differs)
    listed = tuple(_differences(said, found))
    rounding = [one for one in listed if one.startswith("inputs.") and ".predictions" in one.split(":")[0]]
    if len(rounding) == len(listed):
        # On another processor the last bits of a sum are others: docs/decisions.
        why = "every check says the same; scores differ in their last digits, as on another processor"
        return Answer("same", why, expected, found.digest(), listed)
    return Answer("differs", "another verdict comes out", expected, found.digest(), listed)


def _lost(found: Verdict, said: Verdict | None) -> str | None:
    """Why a released model that took part cannot be scored any more, if that is so now and was not then."""
    for part, check in (("champion", "champion/scored"), ("baseline", "baseline/")):
        side: Side | None = getattr(found.inputs, part)
        then: Side | None = None if said is None else getattr(said.inputs, part)
        named = then or side
        if (
            named is None
            or (side and side.predictions)
            or (said is not None and not (then and then.predictions))
        ):
            continue
        why = next((one.reason for one in found.checks if one.id.startswith(check)), "")
        return _one_line(f"its {part} of then, {named.version}, cannot be scored any more: {why}")
    return None


def _by_other_suite(
    root: Path, release: Release, found: Verdict, said: Verdict | None, expected: str, suite: str
) -> Answer:
    """Two suites need not write the same bytes: what it came to and what it rested on is compared instead."""
    note = f"judged by gitops-ml {suite}, computed again by {__version__}, so their hashes are not compared"
    inputs = [] if said is None else [one for one in _differences(said, found) if one.startswith("inputs.")]
    inputs += _recorded_inputs(root, release, found)
    if inputs:
        return Answer("differs", note, expected, found.digest(), tuple(inputs), True)
    overall = _overall_differs(root, release, found)
    if overall:
        return Answer("unknown", f"{note}; {overall}", expected, found.digest(), (overall,), True)
    return Answer(
        "same", f"{note}: both come to {found.overall} on the same inputs", expected, found.digest(), (), True
    )


def _overall_differs(root: Path, release: Release, found: Verdict) -> str | None:
    word = recorded(root, release.tag, "verdict") or ""
    if found.overall in PASSED.get(word, ()):
        return None
    return f"overall: {found.overall}, and the tag records {word or 'nothing'}"


def _recorded_inputs(root: Path, release: Release, found: Verdict) -> list[str]:
    """Inputs that the tag itself records, where they are others."""
    pairs = {"sha256": found.inputs.challenger.sha256, "lock": found.inputs.lock}
    return [
        f"inputs.{key}: {now[:12]}, and the tag records {then[:12]}"
        for key, now in pairs.items()
        if (then := recorded(root, release.tag, key)) is not None and then != now
    ]


# ---------------------------------------------------------------- computing


def _verdicts(
    root: Path,
    release: Release,
    bench: Bench | None,
    pull: Callable[..., object] | None,
    install: Sequence[str] | None,
) -> Generator[Verdict, None, None]:
    """The verdict; and what it would be where git does not say all: on the day before, and with nobody to approve."""
    if bench is None:
        wanted = wanted_of(root, release)
        with laid_out(root, wanted, install=install, pull=pull) as made:
            yield from _verdicts(root, release, made, pull, install)
        return
    built = _built(root, release, bench, pull, install)
    project, commit = bench.project, release.commit
    before, came = policy_revision(project, commit), brought(project, commit)
    day = tagged_on(root, release)
    # A run that judged just before midnight tagged just after it; what an override's last day was then.
    days = [day, *(d for d in [day - timedelta(days=1)] if d in _expiries(project))]
    for today in days:
        asked: list[bool] = []

        def alone(answer: bool, asked: list[bool] = asked) -> bool:
            asked.append(answer)
            return answer

        yield by_the_gate(Case(project, built, before, came, partial(alone, False)), today)
        if asked:
            yield by_the_gate(Case(project, built, before, came, partial(alone, True)), today)


def _built(
    root: Path,
    release: Release,
    bench: Bench,
    pull: Callable[..., object] | None,
    install: Sequence[str] | None,
) -> Built:
    """Candidate and scores of the release's commit: its bytes sealed again, without training; both models predict again."""
    candidate, scores = bench.scratch / "candidate", bench.scratch / "scores"

    def again(project: Path, paths: Sequence[str], checkout: bool = True) -> None:
        """For the release and for its champion, each at its own commit."""
        bring(root, tree.commit_of(project, "HEAD"), project, paths, pull, checkout)

    quiet: Callable[[str], None] = lambda _: None  # noqa: E731
    sealed = building.build(
        bench.project,
        candidate,
        stages=[],
        isolated=False,
        python=bench.python,
        pull=again,
        say=quiet,
    )
    if sealed is None or sealed.changed:
        changed = ", ".join(sealed.candidate.files) if sealed else "nothing"
        raise Fault(f"the files of {release.tag} are not those that its lock names: {changed}")
    done = scoring.score(
        candidate,
        bench.project,
        bench.project,
        scores,
        digest=sealed.digest,
        pull=again,
        install=install,
        python=bench.python,
        say=quiet,
    )
    return Built(candidate, sealed.digest, scores, done.digest)


def tagged_on(root: Path, release: Release) -> date:
    """The day (UTC) on which a version was given; a light tag has its commit's."""
    fields = "--format=%(taggerdate:unix) %(committerdate:unix)"
    text = shell.git(root, "for-each-ref", fields, f"refs/tags/{release.tag}")
    return datetime.fromtimestamp(int(text.split()[0]), UTC).date()


def wanted_of(root: Path, release: Release) -> Wanted:
    """Place and digest of a release's model, as its commit says. Raises :class:`Fault`."""
    from gitops_ml.delivery.release import artifact_of

    artifact = artifact_of(root, release)
    return Wanted(release.version, release.commit, artifact.path, artifact.sha256)


def _expiries(project: Path) -> set[date]:
    path = project / "overrides.yaml"
    return {one.expires for one in OverridesFile.read(path).overrides} if path.is_file() else set()


# ---------------------------------------------------------------- comparing


def _published(release: Release, expected: str, published: Published | None) -> Verdict | None:
    """verdict.json as it was published, if it is the one that the tag names."""
    try:
        content = published(release) if published else None
        verdict = None if content is None else Verdict.parse(json.loads(content), "verdict.json")
    except (Fault, ValueError):
        return None
    return verdict if verdict is not None and verdict.digest() == expected else None


def _vendored(root: Path, release: Release) -> str | None:
    """The version of the suite that stood in the released commit, and so judged it; None: it came from elsewhere."""
    text = tree.content(root, release.commit, ".github/actions/gitops_ml/__init__.py") or b""
    found = re.search(rb'^__version__ = "([^"]+)"', text, re.M)
    return found[1].decode() if found else None


def _differences(said: Verdict, found: Verdict) -> Iterator[str]:
    """What is another, in words: inputs by name, checks by id."""
    yield from _unlike("inputs", said.inputs.model_dump(mode="json"), found.inputs.model_dump(mode="json"))
    old, new = ({check.id: check for check in one.checks} for one in (said, found))
    for name in dict.fromkeys([*old, *new]):
        if name not in old or name not in new:
            yield f"check {name}: only in {'the release' if name in old else 'what comes out now'}"
            continue
        before, now = old[name].model_dump(mode="json"), new[name].model_dump(mode="json")
        if old[name].outcome != new[name].outcome:
            yield f"check {name}: {new[name].outcome}, and the release says {old[name].outcome}"
        else:
            yield from (f"check {name}: {one}" for one in list(_unlike("", before, now))[:1])
    if said.overall != found.overall:
        yield f"overall: {found.overall}, and the release says {said.overall}"


def _unlike(name: str, said: Any, found: Any) -> Iterator[str]:
    """Leaves that are not equal; numbers may differ in their last digits."""
    if isinstance(said, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*said, *found]):
            if key != "suite":
                yield from _unlike(f"{name}.{key}".lstrip("."), said.get(key), found.get(key))
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for place, (left, right) in enumerate(zip(said, found, strict=True)):
            yield from _unlike(f"{name}.{place}", left, right)
    elif isinstance(said, float) and isinstance(found, float):
        if not math.isclose(said, found, rel_tol=CLOSE, abs_tol=CLOSE):
            yield f"{name}: {found:g}, and the release says {said:g}"
    elif said != found:
        yield f"{name}: {_short(found)}, and the release says {_short(said)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text[:12] if re.fullmatch(r"[0-9a-f]{40,64}", text) else text[:80]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:600]


__all__ = ["Answer", "Published", "tagged_on", "verify", "wanted_of"]
