"""What the selftest found, for a terminal and for the summary of a run: a table, what is unprotected, one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_ml.report.text import words
from gitops_ml.selftest.run import Result

NAMES = {"block": "blocked", "needs-human": "needs a human", "note": "noted"}
SIGNS = {"stopped": "✅", "passed": "✅", "unprotected": "⚠️", "let through": "⛔", "not planted": "▫️"}


def line(one: Result) -> str:
    """A result on one line of a terminal."""
    return f"  {one.plant.title:<38}{_word(one):<15}{one.seconds:4.0f} s  {_by(one)}".rstrip()


def details(results: Sequence[Result]) -> list[str]:
    """Lines on what is not protected by its own check, or could not be planted, and on what to do about it."""
    found = []
    for one in filter(_told, results):
        found += ["", f"  {one.plant.title}: {_title(one)}: {one.why.rstrip('.')}."]
        if one.line:
            found += [
                "    to be protected, in policy.yaml:",
                *(f"      {each}" for each in one.line.splitlines()),
            ]
    return found


def sentence(results: Sequence[Result]) -> str:
    """All of it in one sentence."""
    bad = [one for one in results if one.plant.expects]
    stopped = [one for one in bad if one.word == "stopped"]
    parts = [f"{len(stopped)} of {len(bad)} planted failures were stopped"] if bad else []
    others = [one.plant.name for one in stopped if not one.own]
    parts += (
        [f"{len(others)} of them by another check than their own ({', '.join(others)})"] if others else []
    )
    for word, said in (
        ("let through", "got through a check that is on"),
        ("unprotected", "met a check that is off"),
        ("not planted", "could not be planted here"),
    ):
        names = [one.plant.name for one in bad if one.word == word]
        parts += [f"{len(names)} {said} ({', '.join(names)})"] if names else []
    for one in results:
        if not one.plant.expects:
            what = {"passed": "passed", "not planted": "could not be planted"}.get(one.word, "did not pass")
            parts.append(f"{one.plant.title} {what}")
    return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "."


def markdown(results: Sequence[Result], judged: str) -> str:
    """The same for the page of a run."""
    lines = [
        f"### {'✅' if all(one.ok for one in results) else '⛔'} {words(sentence(results), 400)}",
        "",
        judged,
        "",
    ]
    lines += ["|  | planted | came to | by | seconds |", "|---|---|---|---|--:|"]
    for one in results:
        lines.append(
            f"| {SIGNS[one.word]} | {one.plant.title} | {_word(one)} | {words(_by(one), 200)} | {one.seconds:.0f} |"
        )
    for one in filter(_told, results):
        lines += ["", f"**{one.plant.title}**: {_title(one)}: {words(one.why.rstrip('.'), 500)}."]
        if one.line:
            lines += ["To be protected, in `policy.yaml`:", "", "```yaml", one.line, "```"]
    return "\n".join(lines)


def _told(one: Result) -> bool:
    return one.word in ("unprotected", "let through", "not planted") or bool(one.why and not one.own)


def _title(one: Result) -> str:
    return "stopped, but not by its own check" if one.word == "stopped" else one.word


def _word(one: Result) -> str:
    if one.word != "stopped":
        return one.word
    severities = {each.severity for each in one.stoppers}
    return NAMES["block" if "block" in severities else "needs-human"]


def _by(one: Result) -> str:
    if one.word == "stopped":
        first, more = one.stoppers[0], len(one.stoppers) - 1
        return f"{first.id}: {first.said}" + (f" (and {more} more)" if more else "")
    return one.why if one.word == "passed" else ""
