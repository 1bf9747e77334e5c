"""This repository's own template moves on under a project that its team has edited in six ways: must-hold 6."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.template.conftest import ROOT, Project, clean_environment
from tests.template.releases import (
    NEXT,
    SECOND,
    VERSION,
    WORKFLOW,
    first_release,
    git,
    release,
    removed,
    replaced,
    written,
)  # fmt: skip

from gitops_ml.contracts.answers import AnswersFile

BRANCH, ADDRESS = "template/update", "https://example.invalid/acme/template.git"
STAGE = "  extra: # ours\n    cmd: python -c \"open('reports/extra.txt','w').write('x')\"\n    outs:\n      - reports/extra.txt:\n          cache: false\n"


def generated(folder: Path, template: Path | str, **answers: str) -> Project:
    """A project of that template, as a person generates it."""
    home, output = folder / "home", folder / "out"
    home.mkdir(parents=True, exist_ok=True)
    output.mkdir()
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(output), str(template)]
    done = subprocess.run(
        [*command, *(f"{name}={value}" for name, value in answers.items())],
        cwd=folder,
        env=clean_environment(home) | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    (made,) = output.iterdir()
    project = Project(made, done.stdout + done.stderr, done.returncode, home)
    for key, value in {"user.name": "Ada", "user.email": "ada@example.org"}.items():
        project.git("config", key, value)
    return project


def edited(project: Project) -> None:
    """What the team does: params, its own feature, a deleted example, README, a stage, a workflow."""
    root = project.path
    replaced("params.yaml", "learning_rate: 0.05", "learning_rate: 0.06")(root)
    (features,) = root.glob("src/*/features.py")
    features.write_text(features.read_text("utf-8") + "\n\nOURS = 1\n", "utf-8")
    removed(".devcontainer/devcontainer.json")(root)
    replaced("README.md", "Every command that runs here", "We meet on Mondays. Every command that runs here")(
        root
    )
    replaced("dvc.yaml", "stages:\n", f"stages:\n{STAGE}")(root)
    replaced(".github/workflows/refresh.yml", "main moved: open", "ours, main moved: open")(root)
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "Six edits")


def update(project: Project) -> subprocess.CompletedProcess[str]:
    """The command on a laptop, with the suite of this repository."""
    command = [sys.executable, "-m", "gitops_ml", "template", "update"]
    return subprocess.run(
        command, cwd=project.path, env=project.environment(), capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        ("https://example.invalid/acme/template.git", True),
        ("gh:acme/template", True),
        ("git@example.invalid:acme/template.git", True),
        ("ssh://git@example.invalid/acme/template.git", True),
        ("https://ada:secret@example.invalid/acme/template.git", False),
        ("https://example.invalid/acme/template.zip", False),
        ('https://example.invalid/"\nversion: "9', False),
        ("/home/ada/template", False),
        ("file:///home/ada/template", False),
        ("template", False),
    ],
)
def test_an_address_is_written_down_and_nothing_else(
    typed: str, recorded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook's own function: its one placeholder filled in."""
    monkeypatch.chdir(tmp_path)
    before = 'template: cookiecutter-gitops-ml\nversion: "0.1.0"\nanswers:\n  project_slug: "x"\n'
    Path(".gitops-ml.yaml").write_text(before)
    hook = (ROOT / "hooks" / "post_gen_project.py").read_text("utf-8")
    filled = hook.replace("<< cookiecutter | tojson >>", json.dumps({"_template": typed}))
    names: dict[str, Any] = {"__name__": "hook"}
    exec(compile(filled, "hook", "exec"), names)
    names["record_source"]()
    after = Path(".gitops-ml.yaml").read_text()
    assert after == (before.replace("answers:", f'source: "{typed}"\nanswers:') if recorded else before)
    assert AnswersFile.read(".gitops-ml.yaml").source == (typed if recorded else None)


@pytest.mark.change
def test_an_edited_project_gets_the_next_version_or_its_conflicts(tmp_path: Path) -> None:
    template = first_release(tmp_path / "template")
    table = tmp_path / "churn.csv"
    table.write_text("age,plan,churned\n" + "".join(f"{n},basic,{n % 2}\n" for n in range(20, 60)))
    (tmp_path / "made" / "home").mkdir(parents=True)
    (tmp_path / "made" / "home" / ".gitconfig").write_text(f'[url "{template}"]\n\tinsteadOf = {ADDRESS}\n')
    project = generated(tmp_path / "made", ADDRESS, first_run="no", table=str(table), target="churned")
    assert project.git("log", "--format=%s") == f"Generated from cookiecutter-gitops-ml {VERSION}", (
        project.printed
    )
    recorded = AnswersFile.read(project.path / ".gitops-ml.yaml")
    assert recorded.source == ADDRESS and recorded.answers["table"] == "churn.csv"
    edited(project)
    release(template, NEXT, *SECOND, WORKFLOW)
    done = update(project)
    assert done.returncode == 0 and f"Template {VERSION} -> {NEXT}: merged" in done.stdout, (
        done.stdout + done.stderr
    )
    changed = set(project.git("diff", "--name-only", "main", BRANCH).splitlines())
    assert {
        ".gitops-ml.yaml", ".github/workflows/train.yml", "docs/questions.md", "docs/runbook.md", "params.yaml",
        ".vscode/extensions.json", ".github/actions/pyproject.toml", ".github/actions/gitops_ml/__init__.py",
    } == changed  # fmt: skip
    params = (project.path / "params.yaml").read_text()
    assert "learning_rate: 0.06" in params and "max_categories: 30" in params
    assert not (project.path / ".devcontainer/devcontainer.json").exists()
    assert (
        project.git("status", "--porcelain") == "" and project.git("rev-list", "--count", "main..HEAD") == "1"
    )

    # The next one meets the team's edits.
    project.git("switch", "--quiet", "main")
    project.git("merge", "--quiet", "--squash", BRANCH)
    project.git("commit", "--quiet", "--message", "Newer template (#7)")
    project.git("branch", "--quiet", "-D", BRANCH)
    release(
        template,
        "9.1.0",
        replaced("params.yaml", "learning_rate: 0.05", "learning_rate: 0.04"),
        replaced(".github/workflows/refresh.yml", "main moved: open", "main moves: open"),
        written(".devcontainer/devcontainer.json", "{}\n"),
        written("docs/questions.md", "# Questions\n\nOne.\n"),
    )
    done = update(project)
    assert done.returncode == 0, done.stderr
    conflicts = [".devcontainer/devcontainer.json", ".github/workflows/refresh.yml", "params.yaml"]
    assert project.git("diff", "--name-only", "--diff-filter=U").splitlines() == conflicts
    assert all(f"  {path}\n" in done.stdout for path in conflicts)
    assert (project.path / "docs/questions.md").read_text().endswith("One.\n"), "what merges is merged"
    abort = re.search(r"abort +(.*)", done.stdout)
    assert abort
    project.run("bash", "-c", abort[1])
    assert project.git("status", "--porcelain", "--branch") == "## main"


@pytest.mark.full
def test_the_project_s_own_tests_pass_after_a_clean_update(tmp_path: Path) -> None:
    """Trained, edited, updated by uv alone (no cookiecutter installed), locked, built again, tested."""
    template = first_release(tmp_path / "template")
    project = generated(tmp_path / "made", template, project_name="Tumours")
    assert project.git("log", "--format=%s").splitlines()[0] == "First run", project.printed
    edited(project)
    release(template, NEXT, *SECOND, WORKFLOW)
    done = project.run("uv", "run", "gitops-ml", "template", "update", "--source", template)
    assert f"Template {VERSION} -> {NEXT}: merged" in done.stdout, done.stdout + done.stderr
    assert "source" not in (project.path / ".gitops-ml.yaml").read_text(), "no path is recorded"
    assert "built again by CI" in done.stdout and "uv lock" not in done.stdout
    kept = project.git(
        "diff", "--name-only", "main", BRANCH, "--", "data", "reports", "models", "dvc.lock", "MODEL_CARD.md"
    )
    assert kept == ""
    lock = project.git("show", "--format=", "--stat", "HEAD", "--", "uv.lock")
    assert "uv.lock" in lock and f'version = "{NEXT}"' in (project.path / "uv.lock").read_text()
    project.run("uv", "sync", "--quiet", "--locked", "--group=dev")
    assert project.git("status", "--porcelain") == "", "the lock was current"
    project.run("uv", "run", "--no-sync", "gitops-ml", "reproduce")
    done = project.run("uv", "run", "--no-sync", "pytest", "-q")
    assert " passed" in done.stdout
    project.run("uv", "run", "--no-sync", "pre-commit", "run", "--all-files")
    assert git(project.path, "log", "-1", "--format=%s") == f"Template {VERSION} -> {NEXT}"
