"""Which workflows a change starts: `on:` in its three forms, filters of branches and paths, and the template's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gitops_ml.preview.starts import Workflow, matches, starting

WORKFLOWS = Path(__file__).parents[2] / "<<cookiecutter.project_slug>>" / ".github" / "workflows"


def one(on: Any, changed: list[str] | None = None, **more: Any) -> Workflow:
    content = {"on": on, **more}
    found = starting({"x.yml": (content, content)}, changed or ["src/train.py"])
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    "on", ["pull_request", ["pull_request"], {"pull_request": None}, {"pull_request": {"types": ["opened"]}}]
)
def test_every_way_to_write_on(on: Any) -> None:
    assert one(on) == Workflow("x.yml", "pull request", True, "every pull request")


@pytest.mark.parametrize(
    ("on", "changed", "when", "starts", "why"),
    [
        ({"push": {"branches": ["main"]}}, [], "merge", True, "main moves"),
        ({"push": {"branches": ["release/**"]}}, [], "merge", False, "not for main"),
        ({"push": {"branches-ignore": ["ma*"]}}, [], "merge", False, "not for main"),
        ({"push": {"tags": ["v*"]}}, [], "otherwise", False, "by a tag"),
        ({"push": {"branches": ["main"], "paths": ["deploy/**"]}}, ["deploy/production/model.yaml"], "merge", True, "deploy/production/model.yaml changed"),
        ({"push": {"branches": ["main"], "paths": ["deploy/**"]}}, ["params.yaml"], "merge", False, "nothing of deploy/** changed"),
        ({"push": {"paths-ignore": ["docs/**", "*.md"]}}, ["docs/a.md", "README.md"], "merge", False, "only docs/**, *.md changed"),
        ({"push": {"paths-ignore": ["docs/**"]}}, ["docs/a.md", "src/a.py"], "merge", True, "main moves"),
        ({"pull_request": {"branches": ["dev"]}}, [], "pull request", False, "not for main"),
        ({"pull_request": {"types": ["labeled", "closed"]}}, [], "pull request", False, "only when labeled, closed"),
        ({"schedule": [{"cron": "1 1 * * *"}], "workflow_dispatch": None}, [], "otherwise", False, "on a schedule, by hand"),
        ({"pull_request_review": {"types": ["submitted"]}}, [], "otherwise", False, "by a review"),
    ],
)  # fmt: skip
def test_filters_decide_and_say_why(on: Any, changed: list[str], when: str, starts: bool, why: str) -> None:
    assert one(on, changed) == Workflow("x.yml", when, starts, why)  # type: ignore[arg-type]


def test_a_workflow_for_forks_does_nothing_for_a_branch_of_ours() -> None:
    job = {"if": "github.event.pull_request.head.repo.full_name != github.repository"}
    assert not one("pull_request", jobs={"check": job}).starts
    assert one("pull_request", jobs={"check": job, "all": {}}).starts


def test_pull_request_target_is_the_bases_and_all_else_the_changes() -> None:
    target, push = {"on": "pull_request_target"}, {"on": {"push": {"branches": ["main"]}}}
    found = starting({"added.yml": (None, target), "kept.yml": (target, None), "new.yml": (None, push)}, [])
    assert [(w.file, w.when, w.starts) for w in found] == [
        ("kept.yml", "pull request", True),
        ("new.yml", "merge", True),
        ("added.yml", "otherwise", False),
    ]


def test_a_file_that_is_no_workflow_starts_nothing() -> None:
    assert one({}).why == "its `on:` cannot be read"


@pytest.mark.parametrize(
    ("patterns", "name", "fits"),
    [
        (["*"], "main", True),
        (["*"], "a/b", False),
        (["**"], "a/b", True),
        (["**/model.yaml"], "model.yaml", True),
        (["**/model.yaml"], "deploy/x/model.yaml", True),
        (["v[12].?"], "v1.", True),
        (["releases/**", "!releases/old"], "releases/old", False),
        (["!releases/old", "releases/**"], "releases/old", True),
        (["a.b"], "axb", False),
    ],
)
def test_patterns_are_githubs(patterns: list[str], name: str, fits: bool) -> None:
    assert matches(patterns, name) is fits


def test_the_templates_own_workflows() -> None:
    files = {
        path.name: YAML(typ="safe", pure=True).load(path.read_text()) for path in WORKFLOWS.glob("*.yml")
    }
    found = starting({name: (content, content) for name, content in files.items()}, ["params.yaml"])
    started = {(w.when, w.file) for w in found if w.starts}
    assert {
        ("pull request", "pull-request.yml"),
        ("merge", "release.yml"),
        ("merge", "refresh.yml"),
    } <= started
    assert "fork.yml" not in {w.file for w in found if w.starts}
