"""The report in a terminal: readable text, as wide as the window, without Markdown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from gitops_ml.contracts.report import Reason, Report
from gitops_ml.report.text import clip

NARROWEST, WIDEST = 40, 110
INDENT, LABEL = 2, 10
LISTED = 8
LEAST = 30  # columns for the first and the last of a table


def screen(report: Report, width: int) -> str:
    """Lines of at most ``width`` columns: verdict first, the next step last. The first line that is not blank is the verdict."""
    width = max(NARROWEST, min(width, WIDEST))
    parts = [
        _wrapped(report.heading, width),
        _labelled("rules", [report.banner], width) if report.banner else [],
        _labelled("accepted", [_accepted(one) for one in report.overridden], width),
        _wrapped(report.lead, width),
        _stopped(report, width),
        _numbered(report.reasons, width),
        _table(report.figures.head, report.figures.rows, width),
        _facts(report, width),
        _labelled("next", [report.next.text], width),
    ]
    text = "\n\n".join("\n".join(part) for part in parts if part)
    # As long as they are: they are to be copied.
    entries = [f"{' ' * (INDENT + LABEL)}{clip(line, 500)}" for line in report.next.overrides.splitlines()]
    said = _labelled("or", ["argue in overrides.yaml, below overrides:"], width) if entries else []
    return "\n".join([text, *said, *entries])


def _facts(report: Report, width: int) -> list[str]:
    facts = [
        ("changed", [report.changed.text] if report.changed.text else []),
        ("flips", [report.flips] if report.flips else []),
        ("notes", report.notes[:LISTED]),
        ("made", [report.built]),
    ]
    return [line for label, texts in facts for line in _labelled(label, texts, width)]


def _accepted(one: Reason) -> str:
    return f"{one.title}. {one.text} Because: {one.override}"


def _stopped(report: Report, width: int) -> list[str]:
    if report.stopped is None:
        return []
    kept = [clip(line, width - 6) for line in report.stopped.reason.strip().splitlines()[-20:]]
    return [f"{' ' * INDENT}{report.stopped.stage} failed:", *(f"      {line}" for line in kept)]


def _numbered(reasons: Sequence[Reason], width: int) -> list[str]:
    lines = []
    for number, one in enumerate(reasons, start=1):
        lines += _wrapped(f"{one.title}. {one.text}", width, f"{number}. ")
    return lines


def _labelled(label: str, texts: Sequence[str], width: int) -> list[str]:
    """A word, and beside it what it stands for."""
    lines = []
    for place, text in enumerate(texts):
        lines += _wrapped(text, width, f"{label if place == 0 else '':<{LABEL}}")
    return lines


def _wrapped(text: str, width: int, first: str = "") -> list[str]:
    lead = " " * INDENT + first
    lines = folded(clip(text, 4_000), width - len(lead))
    return [f"{lead if place == 0 else ' ' * len(lead)}{line}" for place, line in enumerate(lines)]


def folded(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns; a word that is longer than a line is cut where it must be."""
    lines, used = [""], 0
    for word in text.split():
        wide = columns(word)
        if used and used + 1 + wide > width and wide <= width:
            lines.append("")
            used = 0
        if used:
            word, wide = f" {word}", wide + 1
        if used + wide <= width:
            lines[-1] += word
            used += wide
            continue
        for char in word:
            one = columns(char)
            if used + one > width:
                lines.append("")
                used = 0
                char = char.lstrip(" ")
            lines[-1] += char
            used += one if char else 0
    return lines


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns where they fit, the first and the last folded if they must be; else each row by itself."""
    if not rows:
        return []
    last = len(head) - 1
    cells = [head, *([clip(cell, 80) if cell else "" for cell in row] for row in rows)]
    wide = [max(columns(row[place]) for row in cells) for place in range(len(head))]
    left = width - INDENT - 2 * last - sum(wide[1:last])
    if left < LEAST:
        return [line for row in rows for line in _stacked(head, row, width)]
    wide[last] = min(wide[last], max(left // 3, left - wide[0]))
    wide[0] = min(wide[0], left - wide[last])
    lines = []
    for row in cells:
        parts = [folded(cell, wide[place]) for place, cell in enumerate(row)]
        for number in range(max(map(len, parts))):
            shown = [part[number] if number < len(part) else "" for part in parts]
            aligned = [_filled(cell, wide[place], 0 < place < last) for place, cell in enumerate(shown)]
            lines.append((" " * INDENT + "  ".join(aligned)).rstrip())
    return lines


def _stacked(head: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    yield from _wrapped(row[0], width)
    figures = " → ".join(cell for cell in row[1:3] if cell) if len(head) > 3 else row[1]
    rest = [figures, *row[3:]] if len(head) > 3 else [figures, *row[2:]]
    yield from _wrapped("  ".join(part for part in rest if part), width, "    ")


def _filled(text: str, wide: int, right: bool) -> str:
    gap = " " * (wide - columns(text))
    return gap + text if right else text + gap


def columns(text: str) -> int:
    """How many columns a terminal gives a text: signs are two wide, marks that join others none."""
    return sum(
        0
        if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )
