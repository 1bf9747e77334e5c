"""dvc.lock: what differs and why, and which texts are refused."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_ml.build.lock import Entry, Out, diff, parse, what_changed
from gitops_ml.errors import Fault

A, B = "a" * 32, "b" * 32
TRAIN = Entry(
    "python -m churn.train",
    {"data/prepared/train.parquet": A, "src/churn/train.py": A, "schema.yaml": A},
    {"params.yaml": {"train.seed": 7}, "pyproject.toml": {"project.dependencies": ["x==1"]}},
    {"models/model.skops": Out(A, 7)},
)
PREPARE = Entry("prepare", {"data/raw/churn.csv": A}, {}, {"data/prepared/train.parquet": Out(A, 1)})
LOCK = {"prepare": PREPARE, "train": TRAIN}


def entry(of: Entry, **new: Any) -> Entry:
    return Entry(**{**of.__dict__, **new})


@pytest.mark.parametrize(
    ("stage", "new", "kind", "recipe"),
    [
        ("prepare", {"deps": {"data/raw/churn.csv": B}}, "data", False),
        ("train", {"deps": {**TRAIN.deps, "src/churn/train.py": B}}, "code", True),
        ("train", {"deps": {**TRAIN.deps, "data/prepared/train.parquet": B}}, "upstream", False),
        ("train", {"deps": {**TRAIN.deps, "schema.yaml": B}}, "schema", True),
        ("train", {"params": {**TRAIN.params, "params.yaml": {"train.seed": 8}}}, "params", True),
        ("train", {"params": {**TRAIN.params, "params.yaml": {"train.seed": 7.0}}}, "params", True),
        (
            "train",
            {"params": {**TRAIN.params, "pyproject.toml": {"project.dependencies": []}}},
            "libraries",
            True,
        ),
        ("train", {"cmd": "other"}, "command", True),
        ("train", {"outs": {"models/model.skops": Out(B, 7)}}, "result", False),
    ],
)
def test_each_difference_has_its_kind(stage: str, new: dict[str, Any], kind: str, recipe: bool) -> None:
    other = {**LOCK, stage: entry(LOCK[stage], **new)}
    assert [(c.stage, c.kind) for c in diff(LOCK, other)] == [(stage, kind)]
    changes = what_changed(LOCK, other)
    assert changes.recipe is recipe
    assert changes and not what_changed(LOCK, LOCK)
    assert not what_changed(LOCK, other, stages=["card"])


def test_another_table_is_another_source_and_other_rows_are_not() -> None:
    rows = {**LOCK, "prepare": entry(PREPARE, deps={"data/raw/churn.csv": B})}
    table = {**LOCK, "prepare": entry(PREPARE, deps={"data/raw/other.csv": A})}
    assert what_changed(LOCK, rows).data and not what_changed(LOCK, rows).source
    assert what_changed(LOCK, table).source and what_changed(LOCK, table).recipe


def test_stages_that_come_and_go() -> None:
    assert [c.kind for c in diff({"prepare": PREPARE}, LOCK)][:1] == ["added"]
    assert [c.kind for c in diff(LOCK, {"prepare": PREPARE})][:1] == ["removed"]
    assert what_changed({"prepare": PREPARE}, LOCK).command


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< ours\nschema: '2.0'\n",
        "schema: [",
        "stages: 7\n",
        "a text",
        "stages: {train: {cmd: x, outs: [{path: ../x, hash: md5, md5: " + A + "}]}}",
        "stages: {train: {cmd: x, outs: [{path: /x, hash: md5, md5: " + A + "}]}}",
        "stages: {train: {cmd: x, outs: [{path: x, hash: md5, md5: ../../x}]}}",
        "stages: {train: {cmd: x, outs: [{path: x, md5: " + A + "}]}}",
        "stages: {train: {deps: []}}",
        "stages: {train: 7}",
    ],
)
def test_what_is_no_lock_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(Fault, match=r"dvc\.lock(.|\n)*git checkout origin/main -- dvc\.lock"):
        parse(text)


def test_an_empty_lock_has_no_stages() -> None:
    assert parse("schema: '2.0'\n") == {} == parse("")
