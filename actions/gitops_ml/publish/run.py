"""Answers for going through the steps: plan line, question, effect, result; nothing is written before its yes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gitops_ml.errors import Fault
from gitops_ml.forge.errors import Refused
from gitops_ml.publish.step import State, Step, Work
from gitops_ml.publish.visible import whom

Came = Literal["done", "already", "impossible", "left", "planned"]
WIDTH = 14


class Stopped(Fault):
    """Somebody said no to what the rest rests on."""


@dataclass(frozen=True)
class Outcome:
    """How a step ended."""

    title: str
    came: Came
    says: str


@dataclass(frozen=True)
class Talk:
    """How people are spoken to. ``agree``: a plain yes or no. ``understand``: the yes that public rows need."""

    say: Callable[[str], None]
    agree: Callable[[str], bool]
    understand: Callable[[], bool]


def go(steps: Sequence[Step], work: Work, talk: Talk, dry: bool) -> list[Outcome]:
    """Every step in turn. ``dry``: only ask the host. Raises :class:`Fault` where going on makes no sense."""
    outcomes: list[Outcome] = []
    understood = False
    for number, step in enumerate(steps, 1):
        state = _state(step)
        head, asked = f"{number}/{len(steps)} {step.title}", False
        if state.kind != "todo":
            outcome = _settled(step, state)
        elif dry:
            outcome = Outcome(step.title, "planned", state.says)
        else:
            if step.shows and not understood:
                understood = _understood(work, talk)
            asked = True
            if talk.agree(_line(head, state.says)):
                outcome = _done(step)
            elif step.needed:
                raise Stopped(
                    f"stopped before: {step.title}. Nothing further was done, and what is done stays.\n"
                    "  To go on: gitops-ml publish"
                )
            else:
                outcome = Outcome(
                    step.title, "left", f"left out. {step.without}" if step.without else "left out"
                )
        outcomes.append(outcome)
        talk.say(_line("" if asked else head, f"{_mark(outcome)} {outcome.says}"))
    return outcomes


def _state(step: Step) -> State:
    try:
        return step.state()
    except Refused as refused:
        state = step.refused(refused)
        if state is None:
            raise
        return state


def _done(step: Step) -> Outcome:
    try:
        return Outcome(step.title, "done", step.do())
    except Refused as refused:
        state = step.refused(refused)
        if state is None:
            raise
        return _settled(step, state)


def _settled(step: Step, state: State) -> Outcome:
    return Outcome(step.title, "already" if state.kind == "done" else "impossible", state.says)


def _understood(work: Work, talk: Talk) -> bool:
    """Everybody will read the rows: that is asked as late as it is certain, and apart from the step itself."""
    visibility = work.visibility()
    if visibility != "private" and not talk.understand():
        raise Stopped(
            f"stopped: {work.host.place.slug} is {visibility}, and nobody said that {whom(visibility)} may read the rows. "
            "Nothing was pushed.\n  To go on: make it private, or run this again and type its name."
        )
    return True


def _mark(outcome: Outcome) -> str:
    words = {
        "done": "done:",
        "already": "is already so:",
        "impossible": "not possible:",
        "planned": "would:",
        "left": "-",
    }
    return words[outcome.came]


def _line(head: str, text: str) -> str:
    return f"  {head:<{WIDTH}}  {text}"
