"""Plants one failure after the other, lets the real gate judge each, and says in one word what came of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from gitops_ml.contracts.verdict import Check, Severity, Verdict, told
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.report.summary import in_the_way, short
from gitops_ml.ruling.laptop import rehearsed
from gitops_ml.ruling.task import Ruling
from gitops_ml.selftest.clone import Clone
from gitops_ml.selftest.plant import BUILD, Plant
from gitops_ml.selftest.plants import worse
from gitops_ml.selftest.site import Impossible, merged

Word = Literal["stopped", "passed", "unprotected", "let through", "not planted"]

BROKEN = (BUILD, "job/score")


@dataclass(frozen=True)
class Stopper:
    """What stood in the way: a check, or a job that ended."""

    id: str
    severity: Severity
    said: str


@dataclass(frozen=True)
class Result:
    """What came of a plant. ``stoppers``: the worst first, the plant's own before others. ``why``: where it needs a word.

    ``line``: what to write into policy.yaml to be protected.
    """

    plant: Plant
    word: Word
    stoppers: tuple[Stopper, ...]
    why: str
    seconds: float
    line: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the gate: a check that is switched on stopped it, or it had to pass and did."""
        return self.word != "let through"

    @property
    def own(self) -> bool:
        """Whether a check that exists for it was what stopped it; or it had to pass."""
        return not self.plant.expects or any(self.plant.expected(one.id) for one in self.stoppers)


def run(clone: Clone, plants: Sequence[Plant], say: Callable[[str], None]) -> Iterator[Result]:
    """One result per plant, as it comes. Nothing is remembered but the ruling on the worse model, which two plants share."""
    known: dict[Any, Judged] = {}
    for plant in plants:
        say(plant.title)
        started = time.monotonic()
        try:
            found = _judged(clone, plant, known)
            result = _result(plant, found)
        except Impossible as why:
            result = Result(plant, "not planted", (), str(why), 0)
        yield replace(result, seconds=time.monotonic() - started)


@dataclass(frozen=True)
class Judged:
    """The ruling by the project's policy; where that let it through, the one by a policy that has the checks on."""

    ruling: Ruling
    strict: Ruling | None
    keys: dict[str, Any] | None


def _judged(clone: Clone, plant: Plant, known: dict[Any, Judged]) -> Judged:
    if plant.then is None:
        found = _planted(clone, plant)
        if plant.edit is worse:
            known[worse] = found
        return found
    first = known.get(worse) or _planted(clone, plant)
    site = clone.site()
    plant.edit(site)
    clone.commit_all(plant.title)
    plant.then(site, first.ruling)
    with rehearsed(clone.root, clone.base, head=clone.commit_all(plant.title)) as rehearsal:
        return Judged(rehearsal.ruling(), None, None)


def _planted(clone: Clone, plant: Plant) -> Judged:
    site = clone.site()
    # Asked of the base: what a plant does to the policy must not decide by which policy it is tried again.
    keys = None if plant.strict is None else dict(plant.strict(site))
    honest = site.rows().read_bytes() if plant.poisons else b""
    plant.edit(site)
    head = clone.commit_all(plant.title)
    store = clone.poisoned(site.named, honest + b"\n") if plant.poisons else contextlib.nullcontext()
    with store, rehearsed(clone.root, clone.base, head=head) as rehearsal:
        ruling = rehearsal.ruling()
        if keys is None or any(plant.expected(one.id) for one in _stoppers(ruling, plant)):
            return Judged(ruling, None, None)
        try:
            policy = merged(tree.content(clone.root, clone.base, "policy.yaml") or b"version: 1", keys)
        except Fault:  # a suite without this check
            return Judged(ruling, None, None)
        strict = rehearsal.ruling(clone.policy(policy, handed_over=plant.waits))
        return Judged(ruling, strict, keys)


def _result(plant: Plant, found: Judged) -> Result:
    ruling = found.ruling
    stoppers = _stoppers(ruling, plant)
    if any(one.id in BROKEN and not plant.expected(one.id) for one in stoppers):
        # No merit of the gate: what was planted does not run in this project.
        return Result(plant, "not planted", (), f"with it, {stoppers[0].said}", 0)
    if not plant.expects:
        word: Word = "passed" if ruling.overall == "pass" else "let through"
        said = ruling.description.partition(": ")[2]
        why = said if word == "passed" else f"nothing got worse, and the gate says: {said}"
        return Result(plant, word, stoppers, why, 0)
    if any(plant.expected(one.id) for one in stoppers):
        return Result(plant, "stopped", stoppers, _beside(plant, ruling), 0)
    word = "stopped" if stoppers else "unprotected"
    on = [one for one in _own(plant, ruling) if one.severity != "note"]
    if on:
        why = f"{on[0].id} is on, and says: {on[0].reason}"
        return Result(plant, "stopped" if stoppers else "let through", stoppers, why, 0)
    if found.strict is None:
        word = word if plant.strict or stoppers else "let through"
        seen = _seen(plant, ruling)
        why = (
            f"{_names(plant)} stops nothing here{seen}" if seen else f"there is no check {_names(plant)} here"
        )
        return Result(plant, word, stoppers, why, 0)
    would = [one for one in _stoppers(found.strict, plant) if plant.expected(one.id)]
    if not would:
        why = f"{_names(plant)} is off in policy.yaml; switched on, these rows would not have shown it either"
        return Result(plant, word, stoppers, why, 0)
    if plant.waits:
        why = f"{would[0].id} waits until production has changed hands{_seen(plant, ruling)}"
        return Result(plant, word, stoppers, why, 0)
    here = "a note" if _own(plant, ruling) else "off"
    why = f"{would[0].id} would stop it, and is {here} in policy.yaml{_seen(plant, ruling)}"
    return Result(plant, word, stoppers, why, 0, _line(found.keys or {}))


def _stoppers(ruling: Ruling, plant: Plant) -> tuple[Stopper, ...]:
    if ruling.overall == "pass":
        return ()
    verdict = _told(ruling)
    if verdict is None:
        said = ruling.description.partition(": ")[2]
        job = said.partition(" stopped")[0] if " stopped" in said else "judge"
        severity: Severity = "block" if ruling.overall == "block" else "needs-human"
        return (Stopper(f"job/{job}", severity, said),)
    found = [Stopper(one.id, one.severity, short(one)) for one in in_the_way(verdict)]
    return tuple(sorted(found, key=lambda one: not plant.expected(one.id)))


def _told(ruling: Ruling) -> Verdict | None:
    """The verdict with what clocks were judged by."""
    measured = ruling.measurements.checks if ruling.measurements else []
    return None if ruling.verdict is None else told(ruling.verdict, measured)


def _own(plant: Plant, ruling: Ruling) -> list[Check]:
    verdict = _told(ruling)
    return [one for one in verdict.checks if plant.expected(one.id)] if verdict else []


def _seen(plant: Plant, ruling: Ruling) -> str:
    """What the plant's own check said as a note."""
    notes = [one for one in _own(plant, ruling) if one.severity == "note" and one.outcome != "pass"]
    return f"; it says: {notes[0].reason}" if notes else ""


def _beside(plant: Plant, ruling: Ruling) -> str:
    if not plant.note or ruling.verdict is None:
        return ""
    said = next((one for one in ruling.verdict.checks if one.id == plant.note), None)
    return said.reason if said else f"and no word of {plant.note}"


def _names(plant: Plant) -> str:
    return " or ".join("the build" if one == BUILD else f"`{one}`" for one in plant.expects)


def _line(keys: dict[str, Any]) -> str:
    """The keys as one would write them into policy.yaml, each on a line."""
    return "\n".join(f"{key}: {_flow(value)}" for key, value in keys.items())


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)
