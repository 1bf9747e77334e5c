"""What the champion's own commit says of its data: its profile and its schema, read from git, so bound by the commit's id."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_ml import shell
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.errors import Fault

PROFILE, SCHEMA = "reports/data_profile.json", "schema.yaml"


@dataclass(frozen=True)
class Past:
    """None where the commit has no such file, or one that this suite cannot read; ``trouble`` says so of the profile."""

    profile: ProfileFile | None
    schema: SchemaFile | None
    trouble: str = ""


def past(history: Path | None, revision: str) -> Past:
    """The files of a commit. ``history``: a checkout whose repository has it; None: nobody gave one."""
    if history is None:
        return Past(None, None, "no history was given to read it from")
    if shell.ask_git(history, "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}") is None:
        return Past(
            None, None, f"commit {revision[:12]} is not in the history here: git fetch --unshallow origin"
        )
    profile, schema, trouble = None, None, ""
    content = _blob(history, revision, PROFILE)
    try:
        if content is None:
            trouble = f"commit {revision[:12]} has no {PROFILE}"
        else:
            profile = ProfileFile.parse(json.loads(content), PROFILE)
    except (Fault, ValueError):
        trouble = f"{PROFILE} of commit {revision[:12]} cannot be read"
    content = _blob(history, revision, SCHEMA)
    try:
        if content is not None:
            schema = SchemaFile.parse(YAML(typ="safe", pure=True).load(content.decode("utf-8")), SCHEMA)
    except (Fault, YAMLError, ValueError):
        schema = None
    return Past(profile, schema, trouble)


def _blob(root: Path, revision: str, path: str) -> bytes | None:
    return shell.ask(["git", "cat-file", "blob", f"{revision}:./{path}"], root)
