"""Imported tables: asks their sources for newer rows, and says which really moved."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from gitops_ml.build import pipeline as pipelines
from gitops_ml.build.environment import last_lines
from gitops_ml.contracts.base import read_plain
from gitops_ml.errors import Fault


def imports(head: Path) -> list[str]:
    """The ``.dvc`` files of data/raw that were made by `dvc import` or `dvc import-url`."""
    found = []
    for path in sorted((head / "data/raw").glob("*.dvc")):
        if path.is_symlink() or not path.is_file() or path.name.startswith("."):
            continue
        if is_import(path):
            found.append(path.relative_to(head).as_posix())
    return found


def is_import(path: Path) -> bool:
    """Whether a ``.dvc`` file was made by `dvc import` or `dvc import-url`: then it has a source to ask."""
    content = read_pointer(path)
    return content.get("frozen") is True and bool(content.get("deps"))


def read_pointer(path: Path) -> dict[str, object]:
    """A ``.dvc`` file's content."""
    content = read_plain(path)
    return content if isinstance(content, dict) else {}


def update(head: Path, python: str, env: Mapping[str, str]) -> list[str]:
    """`dvc update` each import; the ``.dvc`` files whose rows are others now.

    A source that only looks newer (another date, another etag, the same bytes) leaves its file as it was, so that
    nothing at all changes. Raises :class:`Fault` for a source that does not answer.
    """
    return [name for name in imports(head) if ask(head, name, python, env)]


def ask(head: Path, name: str, python: str, env: Mapping[str, str]) -> bool:
    """`dvc update` one ``.dvc`` file; whether its rows are others now. Raises :class:`Fault`: its source does not answer."""
    path = head / name
    before = path.read_text("utf-8")
    command = [python, "-I", "-m", "dvc", "update", name]
    done = subprocess.run(command, cwd=head, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        path.write_text(before, "utf-8")
        words = last_lines(done.stderr or done.stdout, 6)
        raise Fault(
            f"the source of {name.removesuffix('.dvc')} could not be read, so nothing was trained:\n{words}\n"
            f"Try it: dvc update {name}"
        )
    after = path.read_text("utf-8")
    if pipelines.table(before, name) == pipelines.table(after, name):
        path.write_text(before, "utf-8")
        return False
    return True
