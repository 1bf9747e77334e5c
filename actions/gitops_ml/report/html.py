"""HTML whose text cannot break out: everything is escaped unless this module made it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from gitops_ml.card.markdown import line
from gitops_ml.report.text import NAME, clip

LONGEST = 800  # characters of any one text: what is longer is cut, and shows it
VOID = frozenset({"meta", "img", "input", "br"})
# Signs of the comment, drawn by the page itself: a font with emoji is not everywhere. Word, class, sign.
SIGNS = {
    "✅": ("pass", "pass", "✓"),
    "⛔": ("blocks", "block", "\N{MULTIPLICATION SIGN}"),
    "✋": ("needs a human", "needs-human", "!"),
    "📝": ("note", "note", "i"),
    "☑️": ("overridden", "override", "✓"),
    "⚠️": ("mind", "needs-human", "!"),
}
_SIGN = re.compile("|".join(f"{sign[0]}\ufe0f?" for sign in SIGNS))


class Safe(str):
    """HTML that is finished."""


Part = str | Safe | None | Iterable[Any]


def joined(parts: Iterable[Part]) -> Safe:
    """Parts one after the other; texts among them are escaped, None is left out."""
    return Safe("".join(_one(part) for part in parts))


def _one(part: Any) -> str:
    if part is None:
        return ""
    if isinstance(part, Safe):
        return part
    if isinstance(part, str):
        if not part.strip():
            return " " if part else ""
        before, behind = " " * part[0].isspace(), " " * part[-1].isspace()
        return f"{before}{html.escape(clip(part, LONGEST))}{behind}"
    return joined(part)


def tag(element: str, /, *parts: Part, **attributes: Any) -> Safe:
    """An element. Attributes: ``_`` is ``-``, a last ``_`` is dropped; None and False are left out, True has no value."""
    given = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        given.append(f" {key}" if value is True else f' {key}="{html.escape(_attribute(value))}"')
    opened = f"<{element}{''.join(given)}>"
    return Safe(opened if element in VOID else f"{opened}{joined(parts)}</{element}>")


def _attribute(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value) if isinstance(value, Safe | int) else line(value)[:LONGEST]


def name(text: object, most: int = NAME) -> Safe:
    """A stranger's name, as code; all of it on a hover."""
    shown = clip(text, most)
    whole = clip(text, LONGEST)
    return tag("code", shown, title=whole if whole != shown else None)


def sign(mark: str, *, named: bool = True) -> Safe:
    """A sign with its word, for those who see no colours and those who hear the page. ``named``: the word is nowhere else."""
    word, kind, drawn = SIGNS[next(one for one in SIGNS if one[0] == mark[0])]
    label: Mapping[str, Any] = {"role": "img", "aria_label": word} if named else {"aria_hidden": "true"}
    return tag("span", drawn, class_=f"sign {kind}", **label)


def signed(text: str) -> Safe:
    """A text with its signs drawn."""
    parts: list[Part] = []
    last = 0
    for found in _SIGN.finditer(text):
        parts += [text[last : found.start()].rstrip(" ") or None, " " if last < found.start() else None]
        parts += [sign(found[0]), " "]
        last = found.end()
    return joined([*parts, text[last:].lstrip() or None])


def table(
    head: Iterable[Part],
    rows: Iterable[Iterable[Part]],
    numbers: Iterable[int] = (),
    caption: str = "",
    *,
    sortable: bool = False,
    tall: bool = False,
    keys: Iterable[Iterable[str | float | None]] = (),
    marked: Iterable[Mapping[str, str]] = (),
    class_: str | None = None,
) -> Safe:
    """A table that stacks on a phone. ``numbers``: columns set to the right. ``keys``: per row, what each cell sorts by.

    ``marked``: per row, its data attributes, which filters read. ``tall``: long, so it scrolls in a room of its own.
    """
    titles, right = [*head], frozenset(numbers)
    labels = [re.sub(r"<[^>]*>", "", _one(one)) for one in titles]
    ordered, data = [list(one) for one in keys], list(marked)
    body = []
    for number, row in enumerate(rows):
        cells = []
        for place, cell in enumerate(row):
            key = ordered[number][place] if number < len(ordered) else None
            cells.append(
                tag(
                    "td" if place else "th",
                    cell,
                    scope="row" if not place else None,
                    class_="number" if place in right else None,
                    data_label=Safe(html.unescape(labels[place])) or None,
                    data_key=None if key is None else f"{key:.9g}" if isinstance(key, float) else str(key),
                )
            )
        more = {f"data_{key}": value for key, value in data[number].items()} if number < len(data) else {}
        body.append(tag("tr", *cells, **more))
    tops = [
        tag("th", one, scope="col", class_="number" if place in right else None)
        for place, one in enumerate(titles)
    ]
    made = tag(
        "table",
        tag("caption", caption, class_="hear") if caption else None,
        tag("thead", tag("tr", *tops)),
        tag("tbody", *body),
        class_=class_,
        data_sortable=sortable,
    )
    return tag("div", made, class_="scroll tall" if tall else "scroll", tabindex="0" if tall else None)


def lines(text: str) -> Safe:
    """A text whose lines count, such as YAML."""
    return tag("pre", [Safe(f"{_one(one)}\n") for one in text.splitlines()], tabindex="0")


def folded(title: Part, *parts: Part) -> Safe:
    """What opens on a click, without a script."""
    return tag("details", tag("summary", title), *parts)
