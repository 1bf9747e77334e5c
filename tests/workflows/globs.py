"""GitHub's patterns for branches, tags and paths: `*`, `**`, `?`, `+`, `[]`, and `!` that takes back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def expression(pattern: str) -> re.Pattern[str]:
    """The regular expression of one pattern, without a leading `!`.

    Source: "Filter pattern cheat sheet" of GitHub's workflow syntax: `*` any characters but `/`, `**` any characters,
    `?` zero or one and `+` one or more of the *preceding character*, `[]` one of the characters or ranges, `\\`
    makes the next character plain.
    """
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        rest = pattern[at:]
        sign = rest[0]
        if rest.startswith("**/") and at in (0, pattern.rfind("/", 0, at) + 1):
            # "**/x" matches "x" at the top too.
            parts.append("(?:.*/)?")
            at += 3
        elif rest.startswith("**"):
            parts.append(".*")
            at += 2
        elif sign == "*":
            parts.append("[^/]*")
            at += 1
        elif sign in "?+" and parts:
            parts[-1] = f"(?:{parts[-1]}){sign}"
            at += 1
        elif sign == "[" and "]" in rest:
            end = rest.index("]")
            inside = rest[1:end].replace("\\", "\\\\").replace("^", "\\^")
            parts.append(f"[{inside}]")
            at += end + 1
        elif sign == "\\" and len(rest) > 1:
            parts.append(re.escape(rest[1]))
            at += 2
        else:
            parts.append(re.escape(sign))
            at += 1
    return re.compile("".join(parts), re.DOTALL)


def matches(pattern: str, name: str) -> bool:
    """Whether one pattern (no `!`) covers a whole name."""
    return expression(pattern).fullmatch(name) is not None


def selected(patterns: Sequence[str], name: str) -> bool:
    """Whether a list selects a name: the last pattern that matches decides, `!` takes back."""
    chosen = False
    for pattern in patterns:
        if pattern.startswith("!"):
            chosen = chosen and not matches(pattern[1:], name)
        else:
            chosen = chosen or matches(pattern, name)
    return chosen


def any_selected(patterns: Sequence[str], names: Iterable[str]) -> bool:
    """Whether a list selects at least one of the names."""
    return any(selected(patterns, name) for name in names)
