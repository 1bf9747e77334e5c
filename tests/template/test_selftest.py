"""`gitops-ml gates selftest` in generated projects: the real gate stops what is planted, and the project is as it was."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.template.conftest import Project

Bake = Callable[[str], Project]
DECIDED = ("worse-model", "loosened-policy", "expired-override", "unpushed-bytes", "tampered-bytes")
"""Stopped whatever the policy says."""
ROW = re.compile(
    r"^  (\S.*?)\s{2,}(blocked|needs a human|passed|unprotected|let through|not planted)\s", re.MULTILINE
)


def looks(project: Project) -> list[str]:
    """All that a person could find changed: files, refs, worktrees, settings, bytes. (Python's own caches are nobody's.)"""
    cache = sorted(path.as_posix() for path in (project.path / ".dvc/cache").rglob("*"))
    commands = (
        ["status", "--short", "--untracked-files=all"],
        ["for-each-ref"],
        ["worktree", "list"],
        ["config", "--list", "--local"],
    )
    return [*(project.git(*words) for words in commands), *cache]


@pytest.mark.change
def test_a_worse_model_is_stopped_and_an_equal_one_passes(baked: Project, tmp_path: Path) -> None:
    before = looks(baked)
    done = baked.run(
        "gitops-ml", "gates", "selftest", "--only", "worse-model,equal-model", TMPDIR=str(tmp_path)
    )
    assert dict(ROW.findall(done.stdout)) == {
        "a worse model": "blocked",
        "an equally good model": "passed",
    }, done.stdout
    assert "quality/roc_auc: ROC AUC falls by" in done.stdout
    assert looks(baked) == before
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.full
@pytest.mark.parametrize("name", ["default", "regression", "own table"])
def test_every_plant(bake: Bake, name: str) -> None:
    project = bake(name)
    before = looks(project)
    done = project.run("gitops-ml", "gates", "selftest", check=False)
    found = dict(ROW.findall(done.stdout))
    assert done.returncode == 0 and "let through" not in found.values(), done.stdout + done.stderr
    listed = project.run("gitops-ml", "gates", "selftest", "--list").stdout
    titles = dict(re.findall(r"^  ([a-z-]+)\s{2,}(\S.*?)\s{2,}", listed, re.MULTILINE))
    assert len(titles) == 14 and set(titles.values()) == set(found), "each plant has its line"
    assert found[titles["equal-model"]] == "passed"
    for plant in DECIDED:
        assert found[titles[plant]] in ("blocked", "needs a human"), (plant, done.stdout)
    assert looks(project) == before


@pytest.mark.full
def test_killed_in_the_middle_it_leaves_a_temporary_folder_and_nothing_else(
    baked: Project, tmp_path: Path
) -> None:
    before = looks(baked)
    process = subprocess.Popen(
        ["gitops-ml", "gates", "selftest", "--only", "worse-model,equal-model"],
        cwd=baked.path,
        env=baked.environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "a worse model" in line:  # the next one is under way
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert looks(baked) == before
    assert all(left.name.startswith("gitops-ml-") for left in tmp_path.iterdir())
