"""Reading and writing contract files: refused by name, written whole or not at all; and the exported JSON Schemas."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.suite import runs

from gitops_ml.contracts import base
from gitops_ml.contracts.base import Contract, read_plain, to_json, write_text
from gitops_ml.contracts.export import CONTRACTS, contract, json_schemas
from gitops_ml.errors import Fault


class Small(Contract):
    a: int
    b: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.yaml", None, "x.yaml is missing. Run this in the project's folder, where dvc.yaml is."),
        ("x.yaml", b"a: \xff\xfe", "x.yaml is not UTF-8 text. Save it as UTF-8."),
        ("x.yaml", b"a: [", "x.yaml cannot be read: "),
        ("x.json", b"{,}", "x.json cannot be read: "),
        ("x.json", b"a: 1", "x.json cannot be read: "),
        ("x.yaml", b"- 1\n", "x.yaml is not valid:\n  (file): "),
        ("x.yaml", b"b: [1]\nc: 2\n", "x.yaml is not valid:\n  a: Field required\n  b.0: Input should be a valid string\n  c: Extra"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(Fault) as fault:
        Small.read(name)
    assert str(fault.value).startswith(message)


def test_yaml_is_that_of_dvc(tmp_path: Path) -> None:
    """YAML 1.2: ``no`` is a word, and 010 is ten."""
    (tmp_path / "x.yaml").write_text("a: no\nb: 010\n", "utf-8")
    assert read_plain(tmp_path / "x.yaml") == {"a": "no", "b": 10}


def test_written_json_is_read_back(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Small(a=1, b=("ü",)).write_json(tmp_path / "new" / "x.json")
    finally:
        os.umask(before)
    path = tmp_path / "new" / "x.json"
    assert path.read_text("utf-8") == '{\n  "a": 1,\n  "b": [\n    "ü"\n  ]\n}\n'
    assert path.stat().st_mode & 0o777 == 0o640
    assert Small.read(path) == Small(a=1, b=("ü",))
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"a": float("nan")})


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("old", "utf-8")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(base.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert {each.name: each.read_text("utf-8") for each in tmp_path.iterdir()} == {"x.yaml": "old"}


@pytest.mark.parametrize("files", [runs.binary(), runs.multiclass(), runs.regression(), runs.unknown()])
def test_the_results_of_a_run_pass_the_exported_schemas(tmp_path: Path, files: dict[str, Any]) -> None:
    runs.write(tmp_path, files)
    schemas = json_schemas()
    checked = []
    for name, (path, _) in CONTRACTS.items():
        if not (tmp_path / path).exists() or path in (".gitops-ml.yaml", "params.yaml"):  # sketches there
            continue
        plain = read_plain(tmp_path / path) or {}
        jsonschema.validate(json.loads(json.dumps(plain)), schemas[name])
        contract(name).read(tmp_path / path)
        checked.append(name)
    assert {"schema", "training", "metrics", "evaluation", "human_card", "data_profile"} <= set(checked)


def test_a_pointer_has_a_schema() -> None:
    good = {
        "model": "churn", "version": "1.2.3", "revision": "a" * 40, "path": "models/model.skops",
        "sha256": "b" * 64, "size": 1, "image": None, "verdict": "pass", "promoted_from": None,
    }  # fmt: skip
    schema = json_schemas()["pointer"]
    jsonschema.validate(good, schema)
    for key, value in {
        "version": "1.2",
        "revision": "main",
        "sha256": "b",
        "size": 0,
        "verdict": "fail",
    }.items():
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**good, key: value}, schema)


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_field_says_what_it_means(name: str) -> None:
    schema = json_schemas()[name]
    for title, part in {name: schema, **schema.get("$defs", {})}.items():
        for field, about in part.get("properties", {}).items():
            assert about.get("description"), f"{title}.{field}"
