"""Release this repository: every version agrees, the changelog says what is new, and a tag is made that nobody moves.

``make version VERSION=0.2.0`` writes the version wherever it stands and closes the changelog's section: a pull request.
``make release VERSION=0.2.0`` on main, after its merge, checks all that and makes the tag; pushing it starts
.github/workflows/release.yml, which runs ``publish``.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

# Where the version stands, and the line that says it.
PLACES = {
    "pyproject.toml": r'^version = "([^"]+)"$',
    "actions/pyproject.toml": r'^version = "([^"]+)"$',
    "actions/gitops_ml/__init__.py": r'^__version__ = "([^"]+)"$',
    "cookiecutter.json": r'^  "__version": "([^"]+)",$',
}
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


class Stop(Exception):
    """What is wrong, and what to do."""


def git(root: Path, *arguments: str) -> str:
    """What git prints. Raises :class:`Stop`."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Stop(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def section(root: Path, version: str) -> str:
    """What CHANGELOG.md says of a version, without its heading; "" if it has no such section."""
    text = (root / "CHANGELOG.md").read_text("utf-8")
    found = re.search(
        rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    return found[1].strip() if found else ""


def problems(root: Path, version: str) -> list[str]:
    """Why this folder is not the version; empty: it is."""
    wrong = []
    if not VERSION.fullmatch(version):
        return [f"{version!r} is no version. Such as: 0.2.0"]
    for name, pattern in PLACES.items():
        found = re.search(pattern, (root / name).read_text("utf-8"), re.MULTILINE)
        if found is None or found[1] != version:
            said = found[1] if found else "nothing"
            wrong.append(f"{name} says {said}, not {version}. All at once: make version VERSION={version}")
    if not section(root, version):
        wrong.append(f"CHANGELOG.md has no section `## {version}`, or an empty one. Say there what is new.")
    return wrong


def write(root: Path, version: str, day: str) -> None:
    """Write the version wherever it stands; what was unreleased becomes its section. Raises :class:`Stop`."""
    if not VERSION.fullmatch(version):
        raise Stop(f"{version!r} is no version. Such as: 0.2.0")
    for name, pattern in PLACES.items():
        text = (root / name).read_text("utf-8")
        found = re.search(pattern, text, re.MULTILINE)
        if found is None:
            raise Stop(f"{name} has no line that says the version: {pattern}")
        (root / name).write_text(text[: found.start(1)] + version + text[found.end(1) :], "utf-8")
    if section(root, version):
        return
    if not section(root, "Unreleased"):
        raise Stop("CHANGELOG.md has nothing under `## Unreleased`: say there what is new.")
    file = root / "CHANGELOG.md"
    heading = f"## Unreleased\n\n## {version} - {day}"
    file.write_text(file.read_text("utf-8").replace("## Unreleased", heading, 1), "utf-8")


def tag(root: Path, version: str) -> str:
    """Make the tag on main; the command that publishes it. Raises :class:`Stop`, and no tag is made then."""
    wrong = problems(root, version)
    if wrong:
        raise Stop("\n".join(wrong))
    if git(root, "status", "--porcelain"):
        raise Stop("there are changes that are not committed: what is tagged would not be what is tested.")
    branch = git(root, "rev-parse", "--abbrev-ref", "HEAD")
    if branch != "main":
        raise Stop(f"this is {branch}, and releases are made of main: git switch main && git pull --ff-only")
    name = f"v{version}"
    given = [one for one in git(root, "tag", "--list", "v*").splitlines() if VERSION.fullmatch(one[1:])]
    if name in given:
        raise Stop(f"the tag {name} is there. What was given is never moved: take the next version.")
    newest = max(given, key=_number, default="v0.0.0")
    if _number(newest) > _number(name):
        raise Stop(f"{newest} is newer than {name}. Versions go up.")
    git(
        root,
        "tag",
        "--annotate",
        name,
        "--cleanup=verbatim",
        "--message",
        f"{name}\n\n{section(root, version)}",
    )
    return f"git push origin main {name}"


def publish(root: Path, name: str) -> str:
    """Make the GitHub release of a pushed tag, from the changelog; its address. Made once, completed if cut off."""
    from gitops_ml.errors import Fault
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token

    version = name.removeprefix("v")
    wrong = problems(root, version)
    if wrong:
        raise Stop("\n".join(wrong))
    where = place(root)
    commit = git(root, "rev-parse", f"{name}^{{commit}}")
    if git(root, "rev-parse", "HEAD") != commit:
        raise Stop(f"HEAD is not {name}: check that tag out.")
    base = next((one for one in ("origin/main", "main") if _known(root, one)), "")
    if not base or git(root, "merge-base", commit, base) != commit:
        raise Stop(f"{name} is not on main: releases are made of main. Delete the tag, and tag main.")
    body = (
        f"{section(root, version)}\n\n"
        f"Projects: `uv run gitops-ml template update --to {version}`\n\n"
        f"Actions: `{where.slug}/actions/NAME@{commit} # {name}`\n"
    )
    try:
        return connect(where, token(where)).release(name, name=name, body=body, target=commit, assets={})
    except Fault as fault:
        raise Stop(str(fault)) from None


def _known(root: Path, revision: str) -> bool:
    done = subprocess.run(
        ["git", "rev-parse", "--quiet", "--verify", revision], cwd=root, capture_output=True
    )
    return done.returncode == 0


def _number(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.removeprefix("v").split(".")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=["version", "tag", "publish"])
    parser.add_argument("version", help="such as 0.2.0; of publish, the tag")
    wish = parser.parse_args()
    root = Path.cwd()
    sys.path.insert(0, str(root / "actions"))  # of the suite, publish needs what speaks to GitHub
    try:
        if wish.do == "version":
            write(root, wish.version, datetime.date.today().isoformat())
            print(
                f"{wish.version} is written. Next: look (git diff), a pull request, its merge, then on main:"
            )
            print(f"make release VERSION={wish.version}")
        elif wish.do == "tag":
            print(f"v{wish.version} is tagged. To publish it:\n{tag(root, wish.version)}")
        else:
            print(publish(root, wish.version))
    except Stop as stop:
        for line in str(stop).splitlines():
            print(
                f"::error::{line}" if os.environ.get("GITHUB_ACTIONS") else f"error: {line}", file=sys.stderr
            )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
