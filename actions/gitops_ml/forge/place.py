"""Answers for where the repository lives: which server, which API, which owner and name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gitops_ml import shell
from gitops_ml.errors import Fault

SCP = re.compile(r"^(?:[^@/]+@)?(?P<host>[^:/]+):(?!//)(?P<path>.+)$")  # git@github.com:owner/name.git
NAMES = re.compile(r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")
FIX = (
    "Name it: git remote add origin https://github.com/OWNER/NAME.git\n"
    "  or set GITHUB_SERVER_URL (https://github.com) and GITHUB_REPOSITORY (OWNER/NAME)."
)


@dataclass(frozen=True)
class Place:
    """A repository on a GitHub server; ``server`` and ``api`` carry no slash at the end and no credentials."""

    server: str
    api: str
    owner: str
    name: str

    @property
    def slug(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def git_url(self) -> str:
        return f"{self.server}/{self.slug}.git"

    @property
    def web(self) -> str:
        return f"{self.server}/{self.slug}"

    @property
    def host(self) -> str:
        """Host and port, as ``gh`` and git's credential helpers call it."""
        return urlsplit(self.server).netloc or self.server


def place(root: Path) -> Place:
    """Where this repository lives: what GitHub Actions says, else the remote ``origin``.

    Raises :class:`Fault` if neither names an ``owner/name`` on a server.
    """
    server = os.environ.get("GITHUB_SERVER_URL", "").rstrip("/")
    slug = os.environ.get("GITHUB_REPOSITORY", "")
    if slug:
        if not NAMES.match(slug):
            raise Fault(f"GITHUB_REPOSITORY is {slug!r}, not OWNER/NAME: the repository cannot be found.")
        server = server or "https://github.com"
    else:
        origin = shell.ask_git(root, "remote", "get-url", "origin")
        if not origin:
            raise Fault(
                f"nothing says where {root} lives on GitHub: it has no remote called origin.\n  {FIX}"
            )
        named, slug = _parse(origin)
        # A machine's GITHUB_API_URL belongs to its GITHUB_SERVER_URL, not to whatever origin names.
        if server and server != named:
            return _at(named, slug, "")
        server = named
    return _at(server, slug, os.environ.get("GITHUB_API_URL", "").rstrip("/"))


def _at(server: str, slug: str, api: str) -> Place:
    owner, _, name = slug.partition("/")
    return Place(server, api or _api(server), owner, name)


def _api(server: str) -> str:
    """The address of a server's REST API: github.com and *.ghe.com have a host of their own for it."""
    scheme, _, host = server.partition("://")
    if host == "github.com" or host.endswith(".ghe.com"):
        return f"{scheme}://api.{host}"
    return f"{server}/api/v3"


def _parse(origin: str) -> tuple[str, str]:
    """Server and ``owner/name`` of a remote's address; a password in it is left out."""
    shown = re.sub(r"//[^@/]*@", "//", origin)
    if "://" in origin:
        address = urlsplit(origin)
        scheme, host, path = address.scheme, address.hostname or "", address.path
        # A port that is no number stays in the text, and is then not understood.
        port = re.sub(r"^[^:]*", "", address.netloc.rpartition("@")[2]) if scheme in ("http", "https") else ""
    elif (scp := SCP.match(origin)) is not None:
        scheme, host, path, port = "ssh", scp["host"], scp["path"], ""
    else:
        scheme, host, path, port = "", "", "", ""
    if host == "ssh.github.com":  # SSH over the HTTPS port
        host = "github.com"
    slug = path.strip("/").removesuffix(".git")
    if scheme not in ("http", "https", "ssh", "git+ssh", "git") or not host or not NAMES.match(slug):
        raise Fault(f"the remote origin is {shown}: not OWNER/NAME on a GitHub server.\n  {FIX}")
    if scheme not in ("http", "https") and "." not in host:
        raise Fault(
            f"the remote origin is {shown}: {host} is a name of your SSH settings, not of a server.\n  {FIX}"
        )
    return f"{'http' if scheme == 'http' else 'https'}://{host}{port}", slug
