"""Runs `gitops-ml` in an environment of its own, made of this folder: what each action's one step calls.

Needs Python 3.11, nothing else: it uses the standard library only, and fetches uv through pip where there is none. The
suite must not share the project's environment: a job that judges runs the *base* branch's suite, whatever the pull
request installs. With ``--sync FOLDER`` it also installs that folder's project, for the jobs that run its code.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = Path(__file__).resolve().parent
REQUIREMENTS = SUITE / "requirements.txt"
FOREIGN = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT")
# What a project's own build code must not see while it is installed.
SECRET = ("TOKEN", "SECRET", "PASSWORD", "APP_KEY", "GITOPS_ML_STORAGE", "ACTIONS_RUNTIME", "ACTIONS_ID")


def environment(secrets: bool = True) -> dict[str, str]:
    """This job's environment without another project's Python; without secrets for code that is not ours."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN and (secrets or not any(word in name for word in SECRET))
    } | {"DO_NOT_TRACK": "true", "UV_LINK_MODE": os.environ.get("UV_LINK_MODE", "hardlink")}


def run(*command: str | Path, secrets: bool = False) -> None:
    """Run; end with the command's own words and status if it fails."""
    done = subprocess.run(
        list(map(str, command)), env=environment(secrets), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.stderr.write(done.stdout.decode("utf-8", "replace"))
        print(f"::error title=Set-up failed::{' '.join(map(str, command))[:200]}", flush=True)
        sys.exit(done.returncode)


def home() -> Path:
    """Where this version of the suite is installed; another version is another folder."""
    digest = hashlib.sha256(f"{SUITE}\n{sys.executable}\n".encode() + REQUIREMENTS.read_bytes()).hexdigest()
    return Path(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir()) / f"gitops-ml-{digest[:16]}"


def uv(place: Path) -> str:
    """The uv to use: on PATH, or the pinned one, fetched once."""
    found = shutil.which("uv")
    if found:
        return found
    own = place.with_name(place.name + "-uv") / "bin" / "uv"
    if not own.exists():
        pinned = re.search(r"^uv==.*$", REQUIREMENTS.read_text("utf-8"), re.MULTILINE)
        run(sys.executable, "-m", "venv", own.parents[1])
        run(own.with_name("python"), "-m", "pip", "install", "--quiet", pinned[0] if pinned else "uv")
    return str(own)


def suite() -> Path:
    """The Python of the suite's environment, made if it is not there. It appears when it is whole."""
    place = home()
    python = place / "bin" / "python"
    if not python.exists():
        scratch = place.with_name(f"{place.name}.{os.getpid()}")
        installer = uv(place)
        run(installer, "venv", "--quiet", "--python", sys.executable, "--relocatable", scratch)
        run(
            installer, "pip", "install", "--quiet", "--python", scratch / "bin" / "python", "-r", REQUIREMENTS
        )
        packages = next(scratch.glob("lib/python*/site-packages"))
        (packages / "gitops_ml.pth").write_text(f"{SUITE}\n", encoding="utf-8")
        try:
            scratch.rename(place)
        except OSError:  # another step was faster
            shutil.rmtree(scratch)
    return python


def sync(folder: str, groups: list[str]) -> None:
    """Install a project as its lock says: `uv sync --frozen`; without a lock, as its pyproject.toml says."""
    root = Path(folder).resolve()
    answers = root / ".gitops-ml.yaml"
    chosen = re.search(
        r'^\s*python_version: "([0-9.]+)"', answers.read_text("utf-8") if answers.exists() else "", re.M
    )
    command = [uv(home()), "sync", "--quiet", "--project", str(root)]
    command += ["--frozen"] if (root / "uv.lock").exists() else []
    command += ["--python", chosen[1]] if chosen else []
    command += [f"--group={group}" for group in groups]
    run(*command)
    for name in filter(None, [os.environ.get("GITHUB_PATH")]):
        with open(name, "a", encoding="utf-8") as file:
            file.write(f"{Path(command[0]).parent}\n")


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--sync"]:
        suite()
        if arguments[1]:
            sync(arguments[1], [group for group in arguments[2].split() if group])
        return 0
    return subprocess.run([suite(), "-m", "gitops_ml", *arguments], env=environment()).returncode


if __name__ == "__main__":
    sys.exit(main())
