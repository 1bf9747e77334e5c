"""Answers for git talking to the server: with the token in the environment only, tried again, explained when refused."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.forge.errors import Refused
from gitops_ml.forge.patience import Patience
from gitops_ml.forge.place import Place

STALLED = 60  # seconds below 1 kB/s after which git gives a connection up

# git's and curl's words for a connection that failed, which may do better the next time.
PASSING = re.compile(
    r"could not resolve host|connection (?:refused|reset|timed out|was reset|closed)|failed to connect|"
    r"operation timed out|operation too slow|remote end hung up|early eof|unexpected disconnect|empty reply|"
    r"rpc failed|http 5\d\d|returned error: (?:5\d\d|429|408)|transfer closed|recv failure|send failure|"
    r"gnutls_handshake|ssl_read|ssl_connect|network is unreachable|bad line length|"
    r"remote did not send all necessary objects|expected flush after ref listing|internal server error",
    re.IGNORECASE,
)
UNKNOWN = re.compile(
    r"authentication failed|returned error: 401|could not read (?:username|password)", re.IGNORECASE
)
FORBIDDEN = re.compile(
    r"returned error: 403|permission to \S+ denied|write access .* not granted", re.IGNORECASE
)
UNSEEN = re.compile(r"repository .*not found|returned error: 404", re.IGNORECASE)


def auth_env(place: Place, token: str) -> dict[str, str]:
    """Variables that make git send the token to this server alone; for the environment of a child process.

    Never on a command line, where every process of the machine can read it, nor in a file. What checkout or a person
    has configured for the server gives way to it: two Authorization headers are refused.
    """
    settings = [("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", str(STALLED))]
    if token:
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        header = f"http.{place.server}/.extraHeader"
        settings += [
            (header, ""),
            (header, f"AUTHORIZATION: basic {basic}"),
            # Else a refused token makes git ask whoever is logged in here, and forget their password.
            ("credential.helper", ""),
        ]
    # Somebody may hand us settings in the same way: ours come behind them.
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdigit() else 0
    env = {"GIT_CONFIG_COUNT": str(first + len(settings)), "GIT_ASKPASS": "", "SSH_ASKPASS": ""}
    for number, (key, value) in enumerate(settings, first):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def fetch(root: Path, place: Place, token: str, *refspecs: str, options: Sequence[str] = ()) -> None:
    """Fetch refs of the server into this repository; no tags but those that a refspec names."""
    _remote(
        root, place, token, ["fetch", "--quiet", "--no-tags", "--no-auto-maintenance", *options], refspecs
    )


def ls_remote(root: Path, place: Place, token: str, *patterns: str) -> dict[str, str]:
    """The server's refs that match: full name -> object. "^{}" behind a name is what an annotated tag names."""
    found = {}
    for line in _remote(root, place, token, ["ls-remote", "--quiet"], patterns).splitlines():
        sha, _, name = line.partition("\t")
        found[name] = sha
    return found


def _remote(root: Path, place: Place, token: str, verb: Sequence[str], names: Sequence[str]) -> str:
    patience = Patience()
    attempt = 0
    while True:
        attempt += 1
        done = run(root, [*verb, place.git_url, *names], auth_env(place, token))
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "surrogateescape")
        said = words(done)
        if not (PASSING.search(said) and patience.wait(f"git {verb[0]}: {line(said)}", attempt)):
            raise explained(place, f"git {verb[0]}", said, token)


def run(
    root: Path, arguments: Sequence[str], env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """One git command, in English, with nobody to ask."""
    complete = {**shell.environment(), "LC_ALL": "C", **(env or {})}
    try:
        return subprocess.run(
            ["git", *arguments], cwd=root, env=complete, input=stdin, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise Fault("the program git was not found. Install it, then run this again.") from None


def words(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git and the server said, on both streams."""
    both = done.stderr.decode("utf-8", "replace") + "\n" + done.stdout.decode("utf-8", "replace")
    return "\n".join(part.rstrip() for part in both.splitlines() if part.strip())


def line(said: str) -> str:
    """The line that says most: the first error."""
    lines = said.splitlines()
    telling = [one for one in lines if re.match(r"(fatal|error|remote: error):", one)]
    return (telling or lines or ["no message"])[0].strip()


def explained(place: Place, what: str, said: str, token: str) -> Fault:
    """The Fault for a git command that the server did not serve."""
    shown = "\n  ".join(said.splitlines()[-15:])
    if UNKNOWN.search(said):
        why = (
            "The token is wrong, expired or was revoked"
            if token
            else "This needs a token, and none was given"
        )
        return Refused(
            f"{place.host} does not know who asks: {what} did nothing. {why}.\n"
            f"  Log in: gh auth login --hostname {place.host} (or export a new GITOPS_ML_TOKEN; in a workflow "
            f"GITHUB_TOKEN: ${{{{ github.token }}}}).\n  {shown}",
            401,
            said,
        )
    if FORBIDDEN.search(said):
        return Refused(
            f"the token may not write to {place.slug}: {what} did nothing. It lacks the permission "
            f"contents: write.\n  In a workflow: add `contents: write` under `permissions:` of the job.\n  {shown}",
            403,
            said,
        )
    if UNSEEN.search(said):
        return Refused(
            f"{place.git_url} does not exist, or this token cannot see it: GitHub answers both alike.\n"
            f"  Look at {place.web} and give the token access to this repository.\n  {shown}",
            404,
            said,
        )
    missing = re.search(r"couldn't find remote ref (\S+)", said)
    if missing:
        return Fault(
            f"{place.slug} has no {missing.group(1)}.\n  See what it has: git ls-remote {place.git_url}"
        )
    return Fault(f"{what} failed with {place.git_url}:\n  {shown}")
