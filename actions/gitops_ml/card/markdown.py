"""Text that is safe inside Markdown, tables and YAML front matter, whatever a column or a category is called."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\u200b\u202a-\u202e\u2066-\u2069]+")
# An underscore inside a word is only an underscore; at a word's edge it is emphasis.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>#|~$]|(?<![^\W_])_|_(?![^\W_]))")


def line(text: object) -> str:
    """On one line: control characters, and those that turn the direction of writing, become one space."""
    return _CONTROL.sub(" ", str(text)).strip() or " "


def plain(text: object) -> str:
    """Text that shows as it is: Markdown's and HTML's signs are escaped."""
    escaped = _SPECIAL.sub(r"\\\1", line(text)).replace("&", "&amp;")
    # What opens a list, a rule or a heading opens none.
    return re.sub(r"^(?:(\d{1,9})([.)])(?=\s|$)|([-+=]))", r"\1\\\2\3", escaped)


def code(text: object) -> str:
    """A name in backticks, more of them where the name holds some."""
    content = line(text)
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if content[0] in "` " or content[-1] in "` " else ""
    return f"{fence}{edge}{content}{edge}{fence}"


def prose(text: str) -> str:
    """What a person wrote, as Markdown of its own; it cannot open a heading, a block of code, or HTML."""
    kept = []
    for part in text.strip().splitlines():
        part = "".join(char if char == "\t" or not _CONTROL.match(char) else " " for char in part)
        part = re.sub(r"^(\s{0,3})(#|-{3,}|={1,}|`{3,}|~{3,})", r"\1\\\2", part.replace("<", "&lt;"))
        kept.append(part.rstrip())
    return "\n".join(kept)


def table(head: list[str], rows: Iterable[list[str]], right: frozenset[int] = frozenset()) -> str:
    """A table; the columns numbered in ``right`` are set to the right. Cells are Markdown already."""

    def row(cells: list[str]) -> str:
        return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells) + " |"

    rule = ["--:" if number in right else "---" for number in range(len(head))]
    return "\n".join([row(head), "|" + "|".join(rule) + "|", *(row(cells) for cells in rows)])


def folded(summary: str, content: str, unfolded: bool = False) -> str:
    """Content that opens on a click, or, ``unfolded``, closes on one."""
    return f"<details{' open' if unfolded else ''}><summary>{summary}</summary>\n\n{content}\n\n</details>"


def number(value: float | None) -> str:
    """A number for people: three figures where they count; None is "unknown"."""
    if value is None:
        return "unknown"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1 and value != 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.001 or value == 0 else f"{value:.1e}"


def between(low: float, high: float) -> str:
    """An interval; a dash would be read as a minus beside a negative number."""
    return f"{number(low)}{' to ' if low < 0 else '-'}{number(high)}"


def bytes_(size: int) -> str:
    """A size as people say it."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:,.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"


def scalar(value: Any) -> str:
    """A YAML scalar that every YAML reader takes for the same thing: numbers bare, texts in double quotes."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text
    )
