"""The machine a run gets: act itself, an environment with nothing of this one's projects, and a way to pull the plug."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.tools.go import NoGo, tool

ROOT = Path(__file__).resolve().parents[2]
ACT = "github.com/nektos/act@v0.2.87"
# Kept from this process: certificates and proxies, so that packages can be fetched as here; caches, so that they are
# fetched once; what makes numbers repeat.
KEPT = ("SSL_", "UV_", "PIP_", "OPENBLAS_", "OMP_", "MKL_", "LC_")
KEPT_NAMES = {
    "LANG",
    "TERM",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "PYTHONDONTWRITEBYTECODE",
}
TRACKING = "RUNNER_TRACKING_ID"
"""GitHub's own runner finds leftover processes by this variable; so do we."""


def act_binary() -> Path:
    """act, built once into .cache; a test is skipped where that cannot be done, except under CI. Raises NoGo otherwise."""
    try:
        return tool(ACT, "act", "-tags", "WITHOUT_DOCKER")
    except NoGo as missing:
        if os.environ.get("CI") or "PYTEST_CURRENT_TEST" not in os.environ:
            raise
        import pytest  # the demo runs workflows without it

        pytest.skip(str(missing))


def _caches() -> dict[str, str]:
    """Where uv and pip keep packages here: a run has another HOME, but should not fetch everything again."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    found = {
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_PYTHON_INSTALL_DIR": str(data / "uv" / "python"),
        "PIP_CACHE_DIR": str(cache / "pip"),
    }
    for name, path in {
        "UV_CONFIG_FILE": config / "uv" / "uv.toml",
        "PIP_CONFIG_FILE": config / "pip" / "pip.conf",
    }.items():
        if path.is_file():
            found[name] = str(path)
    return found


def path_variable(folder: Path) -> str:
    """PATH with this repository's environment out, uv in, and python3 the Python of the tests."""
    tools = folder / "bin"
    tools.mkdir(parents=True, exist_ok=True)
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    for name in ("python3", "python"):
        with contextlib.suppress(FileExistsError):
            (tools / name).symlink_to(python)
    inside = str(ROOT / ".venv")
    kept = [one for one in os.environ.get("PATH", os.defpath).split(os.pathsep) if not one.startswith(inside)]
    return os.pathsep.join([str(tools), *kept, str(ROOT / ".tools" / "bin")])


def environment(folder: Path, tracking: str) -> dict[str, str]:
    """The environment of act, and so of every step: all that it writes lands below the folder."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT_NAMES or name.startswith(KEPT)}
    own = {
        "PATH": path_variable(folder),
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "TMPDIR": str(folder / "tmp"),
        # Steps of act run on a terminal: nothing may wait for a key.
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        TRACKING: tracking,
    }
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"):
        Path(own[name]).mkdir(parents=True, exist_ok=True)
    return {**_caches(), **kept, **own}


def _marked(tracking: str) -> list[int]:
    """The processes of a run, wherever they moved: act gives each step a session of its own."""
    wanted = f"{TRACKING}={tracking}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def _descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False)
    children: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        child, parent = (int(word) for word in line.split())
        children.setdefault(parent, []).append(child)
    found, todo = [], [pid]
    while todo:
        following = children.get(todo.pop(), [])
        found += following
        todo += following
    return found


def kill(process: subprocess.Popen[str], tracking: str) -> None:
    """Pull the plug: act first, so that it starts nothing more, then all that it started."""
    family = [] if Path("/proc/self/environ").exists() else _descendants(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    for _ in range(50):
        left = _marked(tracking) if Path("/proc/self/environ").exists() else family
        alive = [pid for pid in left if _kill(pid)]
        if not alive:
            return
        family = []
        time.sleep(0.02)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True
