"""Every named combination of answers gives a project that is whole: trained, clean, tested, linted."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.template.conftest import HOSTILE, NAMED, ROOT, Project
from tests.tiers import BIN, actionlint

from gitops_ml.contracts.answers import AnswersFile
from gitops_ml.template import merge
from gitops_ml.template.render import render

Bake = Callable[[str], Project]
EACH = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMED]
)
TEXT = {".md", ".yaml", ".yml", ".toml", ".json", ".py", ".txt", ".cfg", "", ".lock"}


@EACH
def test_ends_well_with_clean_commits(bake: Bake, name: str) -> None:
    project = bake(name)
    assert project.returncode == 0, project.printed
    subjects = project.git("log", "--format=%s", "--reverse").splitlines()
    assert subjects[0].startswith("Generated from cookiecutter-gitops-ml")
    assert subjects[1:] == ([] if name == "first_run=no" else ["First run"]), project.printed
    assert project.git("status", "--porcelain") == ""


@EACH
def test_the_recorded_answers_give_the_first_commit_again(bake: Bake, name: str, tmp_path: Path) -> None:
    """What `gitops-ml template update` stands on."""
    project = bake(name).path
    recorded = AnswersFile.read(project / ".gitops-ml.yaml")
    again = merge.tree_of(project, render(ROOT, recorded.version, recorded, tmp_path), recorded.source)
    first = bake(name).git("rev-list", "--max-parents=0", "HEAD")
    assert merge.untouched(project, first, recorded.version, recorded.source) == again


@EACH
def test_no_delimiter_is_left_over(bake: Bake, name: str) -> None:
    project = bake(name)
    for path in project.git("ls-files", "-z", ":!.github/actions", ":!uv.lock").split("\0"):
        if path and Path(path).suffix in TEXT:
            text = (project.path / path).read_text(encoding="utf-8")
            assert not re.search(r"<<|>>|<%|%>|cookiecutter\.", text), f"{path} of {name}"
            assert "<<" not in path


@EACH
def test_top_level_is_small(bake: Bake, name: str) -> None:
    first = bake(name).git("rev-list", "--max-parents=0", "HEAD")
    entries = bake(name).git("ls-tree", "--name-only", first).splitlines()
    assert len([entry for entry in entries if not entry.startswith(".")]) <= 15, entries


@EACH
def test_its_own_tests_hooks_and_pipeline_pass(bake: Bake, name: str) -> None:
    project = bake(name)
    project.install("dev")
    if name == "first_run=no":
        project.run("gitops-ml", "first-run")
    assert "didn't change" in (again := project.run("dvc", "repro").stdout) or "up to date" in again
    project.run("pre-commit", "run", "--all-files")
    tested = project.run("python", "-m", "pytest", "-q", CI="true").stdout
    assert " passed" in tested, tested
    assert project.git("status", "--porcelain") == ""


@EACH
def test_its_workflows_have_no_finding(bake: Bake, name: str) -> None:
    """zizmor (pedantic), actionlint with shellcheck, check-jsonschema: nothing, in workflows and actions."""
    project = bake(name)
    github = project.path / ".github"
    workflows = [str(path) for path in sorted(github.glob("workflows/*.yml"))]
    actions = [str(path) for path in sorted(github.glob("actions/*/action.yml"))]
    assert len(workflows) >= 7 and len(actions) >= 13
    schema = ["check-jsonschema", "--builtin-schema"]
    for command in (
        ["zizmor", "--offline", "--persona", "pedantic", "--no-progress", *workflows, *actions],
        [*schema, "vendor.github-workflows", *workflows],
        [*schema, "vendor.github-actions", *actions],
        [str(actionlint() or pytest.skip("Go is not installed")), "-color=false"],
    ):
        tool = BIN / command[0] if "/" not in command[0] else Path(command[0])
        done = project.run(tool, *command[1:], check=False, PATH=f"{BIN}:{os.environ['PATH']}")
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"


@pytest.mark.xdist_group("hostile answers")
def test_hostile_answers_arrive_as_data(bake: Bake) -> None:
    project = bake("hostile answers")
    assert not list(project.path.parent.parent.rglob("pwned"))
    project.install("dev")
    script = "import json,sys; from ruamel.yaml import YAML; print(json.dumps(YAML(typ='safe').load(open('.gitops-ml.yaml'))))"
    answers = json.loads(project.run("python", "-c", script).stdout)["answers"]
    assert {name: answers[name] for name in HOSTILE} == HOSTILE
    script = (
        "import tomllib; print(tomllib.load(open('pyproject.toml', 'rb'))['project']['description'], end='')"
    )
    assert project.run("python", "-c", script).stdout == HOSTILE["description"]
    assert project.git("log", "-1", "--format=%an") == HOSTILE["author_name"]


@pytest.mark.xdist_group("s3 storage")
def test_storage_is_configured(bake: Bake) -> None:
    project = bake("s3 storage")
    assert project.run("dvc", "remote", "list").stdout.split()[:2] == [
        "storage",
        "s3://some-bucket/some/path",
    ]
    assert project.run("python", "-c", "import dvc_s3").returncode == 0


@pytest.mark.xdist_group("own table")
def test_own_table_is_under_dvc_and_leaves_no_path(bake: Bake) -> None:
    project = bake("own table")
    assert (project.path / "data" / "raw" / "churn.csv.dvc").exists()
    assert "data/raw/churn.csv" not in project.git("ls-files").splitlines()
    assert not (project.path / "data" / "raw" / "breast_cancer.csv").exists()
    outside = str(project.path.parent.parent)
    assert project.run("git", "grep", "-lF", outside, check=False).stdout == ""
