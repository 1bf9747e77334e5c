"""Answers for which repository is meant: what was asked for, else the remote `origin`, else the login and the slug."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.forge.place import Place, _at, _parse
from gitops_ml.project import facts

PUBLIC_SERVER = "https://github.com"
NAMES = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/[A-Za-z0-9._-]+")


def server(asked: str | None) -> str:
    """The server's address: what was asked for, else the environment's, else github.com."""
    found = (asked or os.environ.get("GITHUB_SERVER_URL", "") or PUBLIC_SERVER).rstrip("/")
    if not re.fullmatch(r"https?://[^/@\s]+", found):
        raise Fault(
            f"{found} is no address of a server. Write it like this: --server https://github.example.org"
        )
    return found


def origin(root: Path) -> Place | None:
    """Where the remote `origin` points to; None without one. GITHUB_REPOSITORY is not asked: it names where we run."""
    url = shell.ask_git(root, "remote", "get-url", "origin")
    return at(*_parse(url)) if url else None


def wanted(root: Path, asked: str | None, on: str | None) -> Place:
    """The repository. An owner of "" is not known yet: it is the token's own login.

    Raises :class:`Fault` where what was asked for and the remote `origin` disagree: nobody's remote is replaced.
    """
    there = origin(root)
    if asked and not NAMES.fullmatch(asked):
        raise Fault(
            f"--repository {asked} is not OWNER/NAME. For example: --repository ada/{facts.name(root)}"
        )
    if there is None:
        return at(server(on), asked or f"/{facts.name(root)}")
    place = at(server(on), asked) if asked else at(server(on), there.slug) if on else there
    if not same(place, there):
        raise Fault(
            f"the remote origin is {there.web}, and you asked for {place.web}.\n"
            "  To publish to origin: leave --repository and --server out.\n"
            "  To publish elsewhere, put origin aside first: git remote rename origin old"
        )
    return place


def at(server: str, slug: str) -> Place:
    """The repository on a server. GITHUB_API_URL is the address of GITHUB_SERVER_URL's API, and of no other's."""
    ours = os.environ.get("GITHUB_SERVER_URL", "").rstrip("/") == server
    return _at(server, slug, os.environ.get("GITHUB_API_URL", "").rstrip("/") if ours else "")


def same(one: Place, other: Place) -> bool:
    """Whether both are one repository: GitHub tells names apart without regard to case, and SSH has no port of it."""
    return (one.host.lower(), one.slug.lower()) == (other.host.lower(), other.slug.lower())
