"""Answers for texts that GitHub takes: cut to its limits without breaking their Markdown, compared as it keeps them."""

from __future__ import annotations

LONGEST_BODY = 65_536  # characters of a comment, an issue or a pull request
LONGEST_DESCRIPTION = 140  # characters of a status
NOTE = "\n\n*Cut here: GitHub takes no longer text. The whole is in the summary of the run.*\n"


def body(text: str, limit: int = LONGEST_BODY) -> str:
    """The text, cut at the end of a line below the limit, with what was open closed and a note."""
    text = text.replace("\r\n", "\n")
    if _length(text) < limit:
        return text
    room = limit - len(NOTE) - 200  # for what has to be closed
    kept: list[str] = []
    length = 0
    for line in text.split("\n"):
        length += _length(line) + 1
        if length > room:
            break
        kept.append(line)
    # One line that is too long by itself, half a table without its end: cut within.
    if not kept:
        kept = [text[: room // 2]]
    cut = "\n".join(kept)
    fences = sum(1 for line in kept if line.lstrip().startswith("```"))
    closing = "\n```" if fences % 2 else ""
    closing += "\n</details>" * min(max(cut.count("<details") - cut.count("</details>"), 0), 10)
    return cut + closing + NOTE


def description(text: str, limit: int = LONGEST_DESCRIPTION) -> str:
    """One line of at most 140 characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def same(one: str, other: str) -> bool:
    """Whether GitHub would show both alike: it keeps line ends as a browser sent them, and trims."""
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def _length(text: str) -> int:
    # As JavaScript and the web form count: a picture beyond the basic plane is two.
    return len(text.encode("utf-16-le")) // 2
