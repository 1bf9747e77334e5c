"""Answers for a pull request that has to be there: opened, or, where a setting forbids it, explained in one issue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitops_ml.forge.actions import warn
from gitops_ml.forge.client import Forge
from gitops_ml.forge.errors import SETTING, NotAllowed, Refused

# Statuses after which the pull request, or its link, still stands: no permission, or no issues in this repository.
BEARABLE = (403, 404, 410)


@dataclass(frozen=True)
class Opened:
    """The pull request of a branch; or, with no number, the issue that asks for it and the page that opens it."""

    number: int | None
    url: str
    compare_url: str | None = None


def open_or_explain(
    forge: Forge, *, branch: str, base: str, title: str, body: str, labels: Sequence[str] = (), reason: str
) -> Opened:
    """Open or update the one pull request of a pushed branch.

    Where the repository's setting forbids GitHub Actions to do so, keep one issue (told by ``reason``) that says what
    to click, and warn. That issue is closed once the pull request is there.
    """
    try:
        pull = forge.open_or_update(branch=branch, base=base, title=title, body=body, labels=labels)
    except NotAllowed as refused:
        return _explain(forge, branch, title, reason, refused.compare_url)
    try:
        forge.close_issue(reason, f"The pull request is open: {pull.url}")
    except Refused as refused:
        if refused.status not in BEARABLE:
            raise
    return Opened(pull.number, pull.url)


def _explain(forge: Forge, branch: str, title: str, reason: str, link: str) -> Opened:
    settings = f"{forge.place.web}/settings/actions"
    body = (
        f"The branch `{branch}` is pushed and ready, but this repository does not let GitHub Actions open its pull "
        f"request.\n\n**{_plain(title)}**\n\n"
        f"1. Now: [open the pull request]({link}). Whoever opens it is its author.\n"
        f"2. For the next time: [{SETTING}]({settings}), then *Save*. Greyed out? The organisation decides it: the "
        f"same page in the organisation's settings.\n\n"
        "A GitHub App's token needs no such permission, and the checks of its pull requests start by themselves.\n\n"
        "This issue is updated in place, and closed when the pull request is open."
    )
    try:
        url = forge.issue(reason, f"Open the pull request of {branch}: GitHub Actions may not", body)
    except Refused as refused:
        if refused.status not in BEARABLE:
            raise
        url = link
    warn(
        "GitHub Actions may not open pull requests here",
        f"The branch {branch} is pushed. Open its pull request: {link}\n  or allow it: {settings} ({SETTING})",
    )
    return Opened(None, url, link)


def _plain(title: str) -> str:
    """A title that can stand inside bold text and call nobody."""
    return title.replace("*", "\\*").replace("@", "@\u200b")
