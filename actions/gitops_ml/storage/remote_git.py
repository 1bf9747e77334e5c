"""Where the project's git remote is, with which rights we come to it, and git's answers told to a person."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault

TOKENS = ("GITOPS_ML_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")
REMOTE = "origin"
# Settings of the user's own clone that decide how git gets to its remote; a helper repository does not see them.
_ACCESS = re.compile(r"(http|credential|ssh)\..+|core\.(sshcommand|askpass|gitproxy)")
_PASSING = re.compile(
    r"returned error: (429|5\d\d)|Connection reset|early EOF|unexpected disconnect|hung up|timed out|"
    r"Operation too slow|Empty reply|Connection refused|RPC failed|Recv failure|transfer closed|bad line length"
)
_RIGHTS = re.compile(
    r"returned error: 40[13]|Authentication failed|could not read Username|Permission denied|Permission to|"
    r"terminal prompts disabled|not found|does not exist|protected branch"
)
TRIES = 4


def address(root: Path, push: bool = False) -> str:
    """Where git fetches from, or pushes to. Raises :class:`Fault` where there is no such remote."""
    url = shell.ask_git(root, "remote", "get-url", *(["--push"] if push else []), REMOTE)
    if not url:
        raise Fault(
            f"this repository has no remote named {REMOTE}, and with the `git` storage the bytes live there.\n"
            f"Make one: {shell.prefix(root)}gitops-ml publish, or git remote add {REMOTE} URL"
        )
    if "://" not in url and not re.match(r"[^/]+:", url) and not url.startswith("/"):
        top = shell.git(root, "rev-parse", "--show-toplevel")
        return str((Path(top) / url).resolve())
    return url


def remote_env(root: Path) -> dict[str, str]:
    """What git needs in its environment to reach the remote: a token of the environment, else the clone's own settings.

    Never in argv, where every process of the machine could read it.
    """
    url = address(root, push=True)
    token = next((os.environ[name] for name in TOKENS if os.environ.get(name)), "")
    given: dict[str, str] = {}
    if token and url.startswith(("http://", "https://")):
        try:
            forge_place = importlib.import_module("gitops_ml.forge.place")
            forge_commits = importlib.import_module("gitops_ml.forge.commits")
        except ModuleNotFoundError:
            forge_place = None
        with contextlib.suppress(Fault):  # a remote that is no OWNER/NAME of a forge: git's own ways remain
            place = forge_place.place(root) if forge_place is not None else None
            # A token goes to the forge that it is of, and to no other host.
            if place is not None and url.startswith(f"{place.server}/"):
                given = dict(forge_commits.auth_env(place, token))
    return _with_settings(given, _access(root, headers=not given))


def _access(root: Path, headers: bool) -> list[tuple[str, str]]:
    listed = shell.ask_git(root, "config", "--list", "--show-scope", "-z") or ""
    fields = listed.split("\0")
    found = []
    for scope, entry in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = entry.partition("\n")
        # Two headers of authority would be refused: the clone's own only goes where no token does.
        ours = scope in ("local", "worktree") and _ACCESS.fullmatch(key)
        if ours and (headers or not key.endswith(".extraheader")):
            found.append((key, value))
    return found


def _with_settings(env: dict[str, str], settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    number = int(env.get("GIT_CONFIG_COUNT") or os.environ.get("GIT_CONFIG_COUNT") or 0)
    result = dict(env)
    for key, value in settings:
        result |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        number += 1
    return result | ({"GIT_CONFIG_COUNT": str(number)} if number else {})


def environment(root: Path) -> dict[str, str]:
    """For git in the helper repository: quiet, in English, never fetching behind our back."""
    return {
        **shell.environment(),
        "LC_ALL": "C",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        **remote_env(root),
    }


def author(root: Path) -> dict[str, str]:
    """Who writes a commit of the store: the person as git knows them here, else the suite."""
    names = {"GIT_AUTHOR_NAME": "gitops-ml[bot]", "GIT_AUTHOR_EMAIL": "gitops-ml@users.noreply.github.com"}
    known = shell.ask_git(root, "config", "user.name"), shell.ask_git(root, "config", "user.email")
    if all(known):
        names = {"GIT_AUTHOR_NAME": str(known[0]), "GIT_AUTHOR_EMAIL": str(known[1])}
    names |= {key: os.environ[key] for key in names if os.environ.get(key)}
    return names | {key.replace("AUTHOR", "COMMITTER"): value for key, value in names.items()}


class Failed(Exception):
    """Git's own words about what it would not do."""


def call(command: Sequence[str], folder: Path, env: dict[str, str], given: bytes = b"") -> bytes:
    """Git's output. Raises :class:`Failed` with its words."""
    try:
        done = subprocess.run(
            ["git", *command], cwd=folder, env=env, input=given, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise Fault("the program git was not found. Install it, then run this again.") from None
    if done.returncode:
        raise Failed((done.stderr + b"\n" + done.stdout).decode("utf-8", "replace").strip())
    return done.stdout


def call_remote(command: Sequence[str], folder: Path, env: dict[str, str], given: bytes = b"") -> bytes:
    """The same for a command that talks to the remote: what passes by itself is tried again, with growing pauses."""
    for attempt in range(TRIES):
        try:
            return call(command, folder, env, given)
        except Failed as failed:
            if attempt + 1 == TRIES or not _PASSING.search(str(failed)):
                raise
        pause(attempt)
    raise AssertionError("not reached")


def pause(attempt: int) -> None:
    """Wait a random part of a time that doubles, at most 4 s: those who collided do not collide again."""
    time.sleep(random.uniform(0.02, min(4.0, 0.15 * 2**attempt)))


def explain(failed: Failed, root: Path, doing: str) -> Fault:
    """What a person can do about it."""
    words = re.sub(r"(://)[^/@\s]+@", r"\1", str(failed))  # an address may hold a password
    if _RIGHTS.search(words):
        fix = (
            "The remote does not let you in, or not write. Log in (gh auth login) or set GITHUB_TOKEN to a token "
            "with `contents: write` on this repository, then run this again."
        )
    else:
        fix = "What was done stays done. Run this again; if it goes on, look at: git ls-remote origin"
    return Fault(f"{doing} did not work. git says:\n  " + words.replace("\n", "\n  ") + f"\n{fix}")
