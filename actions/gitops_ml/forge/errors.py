"""Answers for what a person reads when GitHub refuses: each status explained, with the line that fixes it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from gitops_ml.errors import Fault
from gitops_ml.forge.place import Place

SETTING = 'Settings -> Actions -> General -> "Allow GitHub Actions to create and approve pull requests"'


class Refused(Fault):
    """The server's answer was a clear no: ``status`` is HTTP's, ``said`` is the server's own message."""

    def __init__(self, text: str, status: int = 0, said: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.said = said


class NotAllowed(Refused):
    """The repository's setting forbids GitHub Actions to open pull requests; a person can, at ``compare_url``."""

    def __init__(self, text: str, status: int = 403, said: str = "", compare_url: str = "") -> None:
        super().__init__(text, status, said)
        self.compare_url = compare_url


class Unsure(Fault):
    """No answer, or none of use (dropped, 5xx): whether the call took effect is unknown."""


class Lost(Fault):
    """Somebody else moved the ref first: nothing was written. Read it again and do your work on top of it."""


# What a call needs, where GitHub does not say it itself (X-Accepted-GitHub-Permissions; GHES leaves it out).
PERMISSIONS = (
    ("GET", r"/pulls|/commits/[^/]+/pulls", "pull-requests: read"),
    ("", r"/pulls", "pull-requests: write"),
    ("GET", r"/issues|/labels", "issues: read"),
    ("", r"/issues|/labels", "issues: write (for a pull request: pull-requests: write)"),
    ("GET", r"/commits/[^/]+/statuses", "statuses: read"),
    ("", r"/statuses", "statuses: write"),
    ("GET", r"/deployments", "deployments: read"),
    ("", r"/deployments", "deployments: write"),
    ("GET", r"/collaborators", "metadata: read"),
    ("GET", r"/git|/releases|/commits", "contents: read"),
    ("", r"/git|/releases|/dispatches", "contents: write"),
)


def explain(
    place: Place,
    method: str,
    path: str,
    status: int,
    headers: Mapping[str, Any],
    data: Any,
    anonymous: bool = False,
) -> Refused:
    """The Fault for a refused call. ``headers`` have lower-case names; ``data`` is the answer's JSON, if it was."""
    said = words(data)
    call = f"{method} {path.partition('?')[0]}"
    heard = f"{place.host} answered {status} to {call}" + (f": {said}" if said else "")
    return Refused(f"{heard}\n  {_why(place, method, path, status, headers, said, anonymous)}", status, said)


def words(data: Any) -> str:
    """GitHub's own message and the errors that it lists, on one line."""
    if not isinstance(data, dict):
        return ""
    parts = [str(data.get("message") or "").strip()]
    errors = data.get("errors")
    for error in errors if isinstance(errors, list) else [errors] if isinstance(errors, str) else []:
        if isinstance(error, dict):
            where = " ".join(str(error[key]) for key in ("resource", "field") if error.get(key))
            what = str(error.get("message") or error.get("code") or "").replace("_", " ")
            parts.append(what if error.get("message") else f"{where}: {what}".strip(": "))
        else:
            parts.append(str(error))
    return "; ".join(dict.fromkeys(" ".join(part.split()) for part in parts if part.strip()))


def forbids_pull_requests(refused: Refused) -> bool:
    """Whether it was the setting that keeps GitHub Actions from opening pull requests."""
    return refused.status in (403, 422) and "not permitted to create or approve pull requests" in refused.said


def needed(method: str, path: str, headers: Mapping[str, Any]) -> str:
    """The permission that a call wants, as a workflow's ``permissions:`` writes it; "" if unknown."""
    accepted = str(headers.get("x-accepted-github-permissions") or "")
    if accepted:
        # "contents=write,workflows=write; statuses=write": semicolons part alternatives, commas what is all needed.
        ways = [
            " and ".join(": ".join(part.strip().split("=", 1)) for part in way.split(",") if part.strip())
            for way in accepted.split(";")
        ]
        return " or ".join(way.replace("_", "-") for way in ways if way)
    below = re.sub(r"^/repos/[^/]+/[^/]+", "", path)
    for verb, pattern, permission in PERMISSIONS:
        if verb in ("", method) and re.match(rf"(?:{pattern})(?:[/?]|$)", below):
            return permission
    return "metadata: read" if method == "GET" else "administration: write"


def _why(
    place: Place, method: str, path: str, status: int, headers: Mapping[str, Any], said: str, anonymous: bool
) -> str:
    """Why a status came, and what to do."""
    renew = _renew(place)
    if status == 401:
        if anonymous:
            return f"No token was sent, and this call needs one. {renew}"
        return f"The token is wrong, expired or was revoked: nothing was done. {renew}"
    if status == 403:
        return _forbidden(place, method, path, headers, said)
    if status == 404:
        return (
            f"Either it does not exist, or this token cannot see {place.slug}: GitHub answers both alike.\n"
            f"  Look at {place.web} and give the token access to this repository. {renew}"
        )
    if status == 409:
        return "Something else changed it at the same moment, or the repository is empty. Run this again."
    if status == 410:
        return f"This part of the repository is switched off. Switch it on: {place.web}/settings"
    if status == 413:
        return "It is larger than the server takes."
    if status == 422:
        return _invalid(place, said)
    if status == 429:
        return "Too many calls in a short time. Run this again in some minutes."
    if status in (301, 302, 307, 308):
        return (
            "The repository was renamed or moved.\n"
            f"  Take its new address: git remote set-url origin {place.server}/OWNER/NAME.git"
        )
    if status == 451:
        return "The repository was closed for legal reasons."
    return "Run this again; if it stays so, the server's message above is all that is known."


def _forbidden(place: Place, method: str, path: str, headers: Mapping[str, Any], said: str) -> str:
    lower = said.lower()
    sso = str(headers.get("x-github-sso") or "")
    if sso or "saml" in lower:
        link = re.search(r"url=(\S+)", sso)
        return f"{place.owner} wants single sign-on for this token. Authorise it: " + (
            link.group(1) if link else f"{place.server}/settings/tokens"
        )
    if "not permitted to create or approve pull requests" in lower:
        return f"Allow it: {place.web}/settings/actions\n  {SETTING}"
    if "archived" in lower:
        return f"An archived repository takes no changes. Unarchive it: {place.web}/settings"
    if "rate limit" in lower:
        return "The token's calls of this hour are used up. Run this again later."
    want = needed(method, path, headers)
    return (
        f"The token lacks the permission {want}: nothing was done.\n"
        f"  GITHUB_TOKEN: add `{want}` under `permissions:` of the job in .github/workflows/.\n"
        "  A GitHub App or a fine-grained token: give it the same permission on this repository."
    )


def _invalid(place: Place, said: str) -> str:
    lower = said.lower()
    if "no commits between" in lower:
        return "The branch holds nothing that its base does not hold: there is nothing to open."
    if re.search(r"\bhead\b.*\binvalid\b", lower):
        return "The branch was never pushed. Push it first: git push origin BRANCH"
    if re.search(r"\bbase\b.*\binvalid\b", lower):
        return f"The base branch does not exist. See the branches: {place.web}/branches"
    if "no commit found" in lower:
        return "The commit was never pushed to this repository. Push its branch first: git push origin BRANCH"
    return "The server understood the call and refuses what it asks; its words above say why."


def _renew(place: Place) -> str:
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return "In the workflow: env: GITHUB_TOKEN: ${{ github.token }}, or make a new App token."
    return f"Log in again: gh auth login --hostname {place.host} (or export a new GITOPS_ML_TOKEN)."
