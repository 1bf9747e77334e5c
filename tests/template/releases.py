"""This repository's own template as a git repository with released versions: as it is here, and what may come after it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.template.conftest import ROOT

TEMPLATE = "<<cookiecutter.project_slug>>"
VERSION: str = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))["__version"]
NEXT = "9.0.0"
Edit = Callable[[Path], None]


def git(folder: Path, *arguments: str) -> str:
    """git as the one who releases."""
    identity = ["-c", "user.name=Rel", "-c", "user.email=rel@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout.strip()


def first_release(folder: Path) -> Path:
    """The template as it is here, tagged with its version, without what a project is not made of."""
    folder.mkdir(parents=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--"]
    wanted = ["cookiecutter.json", "hooks", TEMPLATE, "actions"]
    names = subprocess.run([*listed, *wanted], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    git(folder, "init", "--quiet", "--initial-branch=main")
    _tag(folder, VERSION)
    return folder


def release(folder: Path, version: str, *edits: Edit) -> None:
    """One more version: edits of the template's folder, and the version wherever it stands."""
    for edit in edits:
        edit(folder / TEMPLATE)
    for path in ("cookiecutter.json", "actions/pyproject.toml", "actions/gitops_ml/__init__.py"):
        text = (folder / path).read_text("utf-8")
        changed = re.sub(r'(version(?:__)?"?(?: =|:) )"[^"]+"', rf'\g<1>"{version}"', text, count=1)
        assert changed != text, path
        (folder / path).write_text(changed, "utf-8")
    _tag(folder, version)


def _tag(folder: Path, version: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", f"Release {version}")
    git(folder, "tag", "--annotate", f"v{version}", "--message", f"v{version}")


def replaced(path: str, old: str, new: str) -> Edit:
    """An edit of one text."""

    def edit(folder: Path) -> None:
        text = (folder / path).read_text("utf-8")
        assert old in text, f"{old!r} is not in {path}"
        (folder / path).write_text(text.replace(old, new, 1), "utf-8")

    return edit


def written(path: str, text: str) -> Edit:
    return lambda folder: (folder / path).write_text(text, "utf-8") and None


def removed(path: str) -> Edit:
    return lambda folder: (folder / path).unlink()


WORKFLOW = replaced(".github/workflows/train.yml", "every night", "every night, while people sleep")
SECOND: tuple[Edit, ...] = (
    written("docs/questions.md", "# Questions\n\nNone yet.\n"),
    removed(".vscode/extensions.json"),
    replaced("docs/runbook.md", "Commands first.", "The commands come first."),
    replaced("params.yaml", "max_categories: 25", "max_categories: 30"),
)
