"""Files of a revision as they are in git, never as they are in the folder; and commits in each other's line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_ml import shell
from gitops_ml.build.trees import commit_of as commit_of
from gitops_ml.errors import Fault


def blob_id(root: Path, revision: str, path: str) -> str | None:
    """The id that git gives to a file of a revision; None if it has no such file."""
    return shell.ask_git(root, "rev-parse", "--quiet", "--verify", f"{revision}:./{path}")


def content(root: Path, revision: str, path: str) -> bytes | None:
    """The bytes of a file of a revision; None if it has no such file."""
    return shell.ask(["git", "cat-file", "blob", f"{revision}:./{path}"], root)


def plain(root: Path, revision: str, path: str) -> Any:
    """What a YAML or JSON file of a revision says; None if it has no such file. Raises :class:`Fault`."""
    found = content(root, revision, path)
    if found is None:
        return None
    try:
        text = found.decode("utf-8")
        return json.loads(text) if path.endswith(".json") else YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as wrong:
        raise Fault(f"{path} of {revision[:12]} cannot be read: {wrong}") from None


def is_ancestor(root: Path, older: str, newer: str) -> bool:
    """Whether ``newer`` is ``older`` or comes after it."""
    return shell.ask_git(root, "merge-base", "--is-ancestor", older, newer) is not None


def changed(root: Path, old: str, new: str) -> list[str]:
    """Paths that differ between two revisions; a renamed file counts under both names."""
    listed = shell.git(root, "diff-tree", "-r", "-z", "--no-renames", "--name-only", "--relative", old, new)
    return [path for path in listed.split("\0") if path]


def model_name(root: Path, revision: str) -> str:
    """What the model is called: project_slug of .gitops-ml.yaml, else the folder's name."""
    said = plain(root, revision, ".gitops-ml.yaml")
    answers = said.get("answers") if isinstance(said, dict) else None
    slug = answers.get("project_slug") if isinstance(answers, dict) else None
    return str(slug or root.resolve().name)
