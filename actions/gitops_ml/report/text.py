"""Text of strangers inside a comment: it pings nobody, links nowhere, breaks no table, and is never longer than it may be."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from gitops_ml.card import markdown

LIMIT = 60_000  # a comment of GitHub holds 65,536 characters
NAME = 60  # of a column, a path, a value
SENTENCE = 600
WORD = 100  # no digest is longer
MINUS = "\N{MINUS SIGN}"  # a hyphen is too short before a figure
# Between "@" and a name, "#" and a number, "://": invisible, and enough to make neither mention nor link.
_BREAK = "&#8203;"


def clip(text: object, most: int = NAME) -> str:
    """At most so many characters, on one line; the cut is shown."""
    content = markdown.line(text)
    return content if len(content) <= most else content[: most - 1].rstrip() + "…"


def name(text: object, most: int = NAME) -> str:
    """A name as code: GitHub makes no mention, reference or link of code."""
    return markdown.code(clip(text, most))


def title_name(text: object, most: int = NAME) -> str:
    """A name inside a <summary>: a line of HTML, where Markdown's own escapes would be shown and tags would be tags."""
    return f"<code>{_entities(clip(text, most), ' _')}</code>"


def _entities(text: str, kept: str) -> str:
    """HTML in which every sign is a number, so that nothing that reads it on the way takes one for its own."""
    return "".join(c if c.isalnum() or c in kept else f"&#{ord(c)};" for c in text)


def words(text: object, most: int = SENTENCE) -> str:
    """A sentence that may hold strangers' words, as it is; a word that would push a page aside is cut."""
    fitting = re.sub(rf"\S{{{WORD + 1},}}", lambda long: f"{long[0][: WORD - 1]}…", clip(text, most))
    escaped = markdown.plain(fitting)
    escaped = re.sub(r"@(?=[\w\[-])", f"@{_BREAK}", escaped)
    escaped = re.sub(r"(\\#|GH-)(?=\d)", rf"\1{_BREAK}", escaped, flags=re.I)
    return re.sub(r"(:)(?=//)|(www)(?=\.)", rf"\g<0>{_BREAK}", escaped, flags=re.I)


_SPOKEN = re.compile(
    r"(?P<fence>`+)(?P<code>.+?)(?<!`)(?P=fence)(?!`)"  # a name
    r"|\\(?P<escaped>[\\`*{}\[\]<>#|~$_.)+=-])"
    r"|\*\*|</?(?:sub|b)>|&#8203;"
    r"|\[(?P<shown>[^\]\\]*)\]\([^)\s]*\)"
)


def spoken(text: str) -> str:
    """The words of Markdown that this room wrote, without its signs: for a terminal, for report.json, for a page.

    Of whatever :func:`name` and :func:`words` made it gives back what they were given, clipped.
    """

    def one(found: re.Match[str]) -> str:
        if found["code"] is not None:
            return _keep(found["code"].strip(" ") or " ")
        return _keep(found["escaped"] or found["shown"] or "")

    return html.unescape(_SPOKEN.sub(one, text))


def _keep(text: str) -> str:
    """Safe from the reading of entities that follows."""
    return text.replace("&", "&amp;")


def version(text: str) -> str:
    """A version as tags spell it: v1.0.1."""
    return words(f"v{text}" if text[:1].isdigit() else text, 40)


def block(text: str, lines: int = 40, width: int = 300) -> str:
    """The last lines of a log, as a block of code that the log cannot close."""
    kept = [clip(line, width) if line.strip() else "" for line in text.strip().splitlines()]
    left = len(kept) - lines
    shown = [f"… {left:,} earlier lines", *kept[-lines:]] if left > 0 else kept
    fence = "`" * max([3, *(len(run) + 1 for line in shown for run in re.findall("`+", line))])
    return "\n".join([f"{fence}text", *shown, fence])


def some(items: Sequence[str], most: int, noun: str = "") -> str:
    """The first of them, and how many more there are."""
    more = len(items) - most
    tail = f" and {more:,} more{f' {noun}' if noun else ''}" if more > 0 else ""
    return ", ".join(items[:most]) + tail


def picture(title: str, web: str, revision: str, path: str) -> str:
    """A picture committed at a revision, half as wide as the comment; GitHub refuses inlined ones.

    GitHub shows it in private repositories too.
    """
    return f'<img width="49%" alt="{_entities(clip(title), " ,-")}" src="{web}/raw/{quote(revision)}/{quote(path)}">'


def joined(
    parts: Iterable[str],
    spare: Sequence[str] = (),
    last: Sequence[str] = (),
    where: str = "",
    limit: int = LIMIT,
) -> str:
    """``parts``, as many of the ``spare`` ones as fit, and ``last``; what was left out is said, with ``where`` it is."""
    first = [part for part in parts if part]
    end = [part for part in last if part]
    kept: list[str] = []
    wanted = [part for part in spare if part]
    cut = f"{{}} parts did not fit into a comment{f'; they are {where}' if where else ''}."
    room = limit - sum(len(part) + 2 for part in [*first, *end]) - len(cut) - 10
    for part in wanted:
        if len(part) + 2 <= room:
            kept.append(part)
            room -= len(part) + 2
    missing = len(wanted) - len(kept)
    if missing == 1:
        cut = cut.replace("{} parts did", "One part did").replace("they are", "it is")
    text = "\n\n".join([*first, *kept, *([cut.format(missing)] if missing else []), *end]) + "\n"
    if len(text) <= limit:
        return text
    said = f"\n\n(Cut here: it did not fit into a comment{f'; all of it is {where}' if where else ''}.)\n"
    return text[: limit - len(said)].rpartition("\n")[0] + said
