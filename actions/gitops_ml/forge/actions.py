"""Answers for what GitHub Actions gives a run and takes from it: outputs, the step summary, annotations, the run's page."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from gitops_ml.errors import Fault

SUMMARY_LIMIT = 1024 * 1024  # bytes a step; GitHub shows nothing at all of a longer one
CUT = "\n\n*Cut here: GitHub shows at most 1 MiB of a step's summary.*\n"
LONGEST_MESSAGE = 4_000  # characters; what is longer is in the log and the summary
LEVELS = ("notice", "warning", "error")


def in_actions() -> bool:
    """Whether a GitHub runner (or one that behaves like it) runs this."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def run_url() -> str:
    """The page of this run; "" outside a run."""
    number, slug = os.environ.get("GITHUB_RUN_ID", ""), os.environ.get("GITHUB_REPOSITORY", "")
    if not number or not slug:
        return ""
    server = os.environ.get("GITHUB_SERVER_URL", "").rstrip("/") or "https://github.com"
    attempt = os.environ.get("GITHUB_RUN_ATTEMPT", "")
    again = f"/attempts/{attempt}" if attempt.isdigit() and int(attempt) > 1 else ""
    return f"{server}/{slug}/actions/runs/{number}{again}"


def output(name: str, value: object) -> None:
    """An output of this step; nothing outside Actions. True and False are written as workflows compare them."""
    target = os.environ.get("GITHUB_OUTPUT")
    if not target:
        return
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # Random, so that no value (a branch's name, a title) can end itself and begin an output of its own.
    mark = f"end-{secrets.token_hex(16)}"
    with Path(target).open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(f"{name}<<{mark}\n{text}\n{mark}\n")


def summary(markdown: str) -> None:
    """Add to the step's summary, which is the page a person reads; nothing outside Actions."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    path = Path(target)
    content = (markdown.rstrip("\n") + "\n\n").encode()
    room = SUMMARY_LIMIT - (path.stat().st_size if path.exists() else 0)
    if len(content) > room:
        room -= len(CUT.encode())
        if room <= 0:
            return
        kept = content[:room].decode("utf-8", "ignore")
        content = (kept.rpartition("\n")[0] + CUT).encode()
    with path.open("ab") as stream:
        stream.write(content)


def annotation(level: str, title: str, message: str) -> None:
    """One ``::error``, ``::warning`` or ``::notice`` on the run's page; nothing outside Actions."""
    if level not in LEVELS:
        raise ValueError(f"{level} is none of {', '.join(LEVELS)}")
    if not in_actions():
        return
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    click.echo(f"::{level} title={_property(title)}::{_data(message)}")


def warn(title: str, message: str) -> None:
    """A warning that a person sees: an annotation in Actions, a text on stderr elsewhere."""
    if in_actions():
        annotation("warning", title, message)
    else:
        click.echo(f"warning: {title}\n  {message}", err=True)


def report_fault(fault: Fault) -> None:
    """In Actions: one ``::error`` line and the whole text in the summary. Elsewhere nothing: the text is on stderr."""
    if not in_actions():
        return
    text = str(fault).strip()
    first, _, rest = text.partition("\n")
    annotation("error", _title(first), text)
    # A tilde fence: texts of the host and of git hold backticks, and must not end it.
    block = f"\n\n~~~~text\n{rest.replace('~~~~', '~ ~ ~ ~')}\n~~~~" if rest.strip() else ""
    summary(f"### ⛔ {_inline(first)}{block}")


def _title(line: str) -> str:
    """The first statement of a line: what happened, without why."""
    heads = [line.partition(end)[0] for end in (". ", ": ", "; ")]
    line = min((head for head in heads if len(head) >= 10), key=len, default=line)
    return line if len(line) <= 80 else line[:79].rstrip() + "…"


def _inline(line: str) -> str:
    """A line as Markdown shows it word for word."""
    escaped = "".join(f"\\{sign}" if sign in "\\`*_[]<>|~#" else sign for sign in line)
    return escaped.replace("@", "@\u200b")  # names nobody


def _data(text: str) -> str:
    # As the toolkit's @actions/core escapes: https://github.com/actions/toolkit, command.ts
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
