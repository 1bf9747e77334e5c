"""YAML as people keep it: comments and unchanged lines stay as they are, a column is one line."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from gitops_ml.contracts.schema import Column, FileFormat, SchemaFile
from gitops_ml.errors import Fault

HEADER = """\
# The data contract: what each column is, and what may be in it.
# role: feature | target | id | time | group | ignored. available: known when the prediction is made.
# `uv run gitops-ml schema show` prints it; `schema allow` and `schema widen` edit it.
"""


class _Representer(RoundTripRepresenter):
    """Writes null as a word; ruamel's round trip would leave nothing."""


_Representer.add_representer(
    type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def round_trip() -> YAML:
    """A reader and writer that keeps comments, quotes and long lines."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = 1 << 30
    yaml.allow_unicode = True
    return yaml


def edited(path: Path, edit: Callable[[CommentedMap], None]) -> str:
    """The text of a YAML mapping after ``edit`` changed it. Raises :class:`Fault` if it cannot be read."""
    try:
        before = path.read_text("utf-8")
    except FileNotFoundError:
        raise Fault(f"{path} is missing. Run this in the project's folder, where dvc.yaml is.") from None
    except UnicodeDecodeError as wrong:
        raise Fault(f"{path} cannot be read: {wrong}") from None
    return edited_text(before, path, edit)


def edited_text(before: str, path: Path, edit: Callable[[CommentedMap], None]) -> str:
    """:func:`edited` of a text that is not in its file (``path``, for messages) yet."""
    yaml = round_trip()
    try:
        content = yaml.load(before)
    except YAMLError as wrong:
        raise Fault(f"{path} cannot be read: {wrong}") from None
    if not isinstance(content, CommentedMap):
        raise Fault(f"{path} must hold keys and values.")
    edit(content)
    # A comment keeps its column when the value before it gets shorter: on changed lines, one blank is enough.
    kept = set(before.split("\n"))
    text = dump(yaml, content)
    closer = "\n".join(line if line in kept else re.sub(r"  +# ", " # ", line) for line in text.split("\n"))
    # Blanks before a # inside of quotes are no comment: then the columns stay as they are.
    return closer if closer == text or _same(closer, text) else text


def _same(one: str, other: str) -> bool:
    safe = YAML(typ="safe", pure=True)
    return bool(safe.load(one) == safe.load(other))


def dump(yaml: YAML, content: Any) -> str:
    """The YAML text of ``content``."""
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


# YAML 1.1, which many readers still speak, takes these words for true and false.
_TRUTHS = {"y", "n", "yes", "no", "on", "off"}


def _plain(value: Any) -> Any:
    return SingleQuotedScalarString(value) if isinstance(value, str) and value.lower() in _TRUTHS else value


def flow(values: dict[str, Any]) -> CommentedMap:
    """A mapping that is written on one line."""
    line = CommentedMap(
        (key, CommentedSeq(map(_plain, value)) if isinstance(value, list) else _plain(value))
        for key, value in values.items()
    )
    line.fa.set_flow_style()
    for value in line.values():
        if isinstance(value, CommentedSeq):
            value.fa.set_flow_style()
    return line


def column_entry(column: Column) -> dict[str, Any]:
    """What schema.yaml says of a column: no key that says nothing."""
    entry: dict[str, Any] = {"role": column.role, "type": column.type, "nullable": column.nullable}
    if column.role == "feature":
        entry["available"] = column.available
    optional = column.model_dump(
        include={"minimum", "maximum", "categories", "positive", "reason"}, exclude_none=True
    )
    return entry | optional


def file_entry(file: FileFormat) -> dict[str, Any]:
    """What schema.yaml says of the file."""
    return file.model_dump(exclude_none=True)


def schema_text(schema: SchemaFile) -> str:
    """schema.yaml as adopt writes it: a header, then one line for each column."""
    content = CommentedMap(version=1, task=schema.task)
    content["file"] = flow(file_entry(schema.file))
    content["columns"] = CommentedMap(
        (name, flow(column_entry(column))) for name, column in schema.columns.items()
    )
    return HEADER + dump(round_trip(), content)
