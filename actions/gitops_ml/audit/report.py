"""An audit as people read it: one screen, the text of the one issue, JSON."""

from __future__ import annotations

from typing import Any

from gitops_ml.audit.said import Audit, Look
from gitops_ml.card.markdown import line
from gitops_ml.report.text import joined, name, words


def count(audit: Audit) -> str:
    """ "3 disagreements"."""
    number = len(audit.findings)
    return "nothing disagrees" if number == 0 else f"{number} disagreement{'' if number == 1 else 's'}"


def screen(audit: Audit) -> str:
    """For a terminal: what is wrong, what could not be looked at, remarks, what agrees."""
    lines = [f"  {audit.model}, main at {audit.commit[:12]}: {count(audit)}", ""]
    for _, found in audit.findings:
        lines += [
            f"  wrong     {line(found.what)}",
            f"            {line(found.why)}",
            f"            mend: {line(found.mend)}",
            "",
        ]
    for look in audit.failed:
        first, *rest = look.failed.splitlines()
        lines += [f"  unknown   {look.title} could not be looked at: {line(first)}"]
        lines += [f"            {line(one)}" for one in rest]
    lines += [f"  note      {line(note.what)}" for look in audit.looks for note in look.notes]
    if audit.stale:
        lines.append(f"  note      {audit.stale}")
    lines += [f"  not seen  {title}: {line(why)}" for why, title in _passed(audit)]
    agrees = [look.title for look in audit.looks if look.agrees]
    if agrees:
        lines.append(f"  agrees    {', '.join(agrees)}")
    return "\n".join(lines)


def _passed(audit: Audit) -> list[tuple[str, str]]:
    """Why -> titles of the checks that were passed by for this reason."""
    found: dict[str, list[str]] = {}
    for look in audit.looks:
        if look.passed:
            found.setdefault(look.passed, []).append(look.title)
    return [(why, ", ".join(titles)) for why, titles in found.items()]


def title(audit: Audit) -> str:
    """Of the issue and of the run's page."""
    return f"Audit: {count(audit)}"


def markdown(audit: Audit) -> str:
    """For the issue and the run's page. What others wrote (names, descriptions) stays text."""
    rows = [
        f"{number}. **{words(found.what)}**\n   {words(found.why)}.\n   Mend it: {name(found.mend, 300)}"
        for number, (_, found) in enumerate(audit.findings, start=1)
    ]
    unknown = [f"- **Could not look at {look.title}:** {words(look.failed)}" for look in audit.failed]
    notes = [f"- {words(note.what)}" for look in audit.looks for note in look.notes]
    passed = [f"- Not looked at: {words(title)} ({words(why)})" for why, title in _passed(audit)]
    agrees = ", ".join(look.title for look in audit.looks if look.agrees)
    return joined(
        [
            "What is served is what the pointers on `main` say; everything else follows from them. Here it does not:"
            if rows
            else "",
            "\n".join(rows),
            "\n".join([*unknown, *notes, *passed]),
            f"**Agrees:** {agrees}." if agrees else "",
        ]
    )


def issue(audit: Audit) -> str:
    """The text of the one issue."""
    return joined(
        [
            markdown(audit),
            "The same on a laptop: `gitops-ml audit`. This issue is updated in place, and closed when all of it agrees.",
        ]
    )


def plain(audit: Audit) -> dict[str, Any]:
    """For ``--json``."""

    def of(look: Look) -> dict[str, Any]:
        return {
            "check": look.key,
            "agrees": look.agrees,
            "findings": [{"what": one.what, "why": one.why, "mend": one.mend} for one in look.findings],
            "notes": [one.what for one in look.notes],
            "not_looked_at": look.passed,
            "could_not_look": look.failed,
        }

    return {
        "version": 1,
        "model": audit.model,
        "main": audit.commit,
        "healthy": audit.healthy,
        "stale": audit.stale,
        "checks": [of(look) for look in audit.looks],
    }
