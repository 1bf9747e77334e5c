"""Answers for the token: where one is looked for, in which order, and to whom it may be sent."""

from __future__ import annotations

import os
import shutil
import subprocess
from urllib.parse import urlsplit

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.forge.place import Place

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SECONDS = 20  # gh and credential helpers answer at once, or wait for a person who is not there


def token(place: Place) -> str:
    """The token for this server: GITOPS_ML_TOKEN, GITHUB_TOKEN, GH_TOKEN, the gh command, git's credential helper.

    Raises :class:`Fault` that names the fix if there is none.
    """
    for name in _names(place):
        value = os.environ.get(name, "").strip()
        if value:
            return checked(value, name)
    for value, source in ((_gh(place), "gh auth token"), (_helper(place), "git's credential helper")):
        if value:
            return checked(value, source)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        raise Fault(
            f"no token for {place.host}: this step cannot read or write {place.slug}.\n"
            "  Give it one in the workflow: env: GITHUB_TOKEN: ${{ github.token }}"
        )
    raise Fault(
        f"no token for {place.host}: {place.slug} cannot be read or written.\n"
        f"  Log in: gh auth login --hostname {place.host}\n"
        "  or make a fine-grained token for this repository and: export GITOPS_ML_TOKEN=..."
    )


def checked(value: str, source: str) -> str:
    """The token, if it can stand in a header. The Fault does not repeat it."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise Fault(
            f"the token from {source} holds a space, a line break or a letter beyond ASCII: it was pasted "
            f"wrongly.\n  Copy it again."
        )
    return value


def _names(place: Place) -> list[str]:
    """The variables that hold a token *for this server*.

    GITHUB_TOKEN and GH_TOKEN are github.com's, or the server's that the run is on: an address in a clone's
    ``origin`` must not be able to ask for them.
    """
    host = urlsplit(place.server).hostname or ""
    names = ["GITOPS_ML_TOKEN"]
    ours = os.environ.get("GITHUB_SERVER_URL", "").rstrip("/") == place.server
    if ours or host == "github.com" or host.endswith(".ghe.com") or host in LOOPBACK:
        names += ["GITHUB_TOKEN", "GH_TOKEN"]
    if host != os.environ.get("GH_HOST", ""):
        return names
    return [*names, "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"]


def _gh(place: Place) -> str:
    if shutil.which("gh") is None:
        return ""
    return _asked(["gh", "auth", "token", "--hostname", place.host], "").strip()


def _helper(place: Place) -> str:
    """The password that git would use for a push over HTTP."""
    scheme = urlsplit(place.server).scheme
    question = f"protocol={scheme}\nhost={place.host}\npath={place.slug}.git\n\n"
    answer = _asked(["git", "credential", "fill"], question)
    found = [line.partition("=")[2] for line in answer.splitlines() if line.startswith("password=")]
    return found[0].strip() if found else ""


def _asked(command: list[str], question: str) -> str:
    # A window or a prompt would wait for a person.
    env = shell.environment() | {"GIT_ASKPASS": "", "SSH_ASKPASS": "", "GCM_INTERACTIVE": "never"}
    try:
        done = subprocess.run(
            command, input=question, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""
