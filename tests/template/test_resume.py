"""A first run that fails or is killed leaves a whole project, and the command it printed goes on from there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.template.conftest import ROOT, Project, clean_environment, generate
from tests.template.tables import mixed

pytestmark = pytest.mark.xdist_group("resume")


def tools_without(tmp_path: Path, *names: str) -> str:
    """A PATH that holds a usual shell's tools, but not the named ones."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("bash", "sh", "env", "git", "uv", "uname", "cat", "rm", "mkdir", "ls", "grep", "sed"):
        found = shutil.which(tool)
        if found and tool not in names:
            (folder / tool).symlink_to(found)
    (folder / "python3").symlink_to(sys.executable)
    return str(folder)


def bake_with(
    tmp_path: Path, environment: dict[str, str], **answers: str
) -> subprocess.CompletedProcess[str]:
    """Run cookiecutter with an environment of the test's own."""
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        "--no-input",
        "--output-dir",
        str(tmp_path / "out"),
        str(ROOT),
    ]
    command += [f"{name}={value}" for name, value in answers.items()]
    (tmp_path / "home").mkdir()
    usual = clean_environment(tmp_path / "home") | environment
    return subprocess.run(command, cwd=tmp_path, env=usual, capture_output=True, text=True)


def last_line(printed: subprocess.CompletedProcess[str]) -> str:
    """The last line a person sees: standard error comes last in a failing run."""
    return (printed.stdout + printed.stderr).strip().splitlines()[-1]


def test_without_git(tmp_path: Path) -> None:
    done = bake_with(tmp_path, {"PATH": tools_without(tmp_path, "git")})
    project = tmp_path / "out" / "my-model"
    assert done.returncode == 0
    assert "git was not found. Install it" in done.stderr
    assert last_line(done) == f"cd {project} && python3 .github/actions/first_run.py"
    assert (project / "dvc.yaml").exists() and not (project / ".variants").exists()
    # The line works as pasted, once git is there; first_run.py makes the commit that the hook could not make.
    resumed = subprocess.run(
        ["bash", "-c", f"{last_line(done)} --commit-only"],
        env=clean_environment(tmp_path / "home"), capture_output=True, text=True,
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stderr
    assert Project(project, "", 0, tmp_path / "home").git("log", "--format=%s").startswith("Generated from")


def test_registry_out_of_reach(tmp_path: Path) -> None:
    """No network: the project stays, the exit code is 0, the last line resumes, and names no host of ours."""
    offline = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache"), "PIP_NO_INDEX": "1"}
    done = bake_with(tmp_path, offline, table=str(_table(tmp_path)), target="churned")
    project = tmp_path / "out" / "my-model"
    assert done.returncode == 0
    assert last_line(done) == f"cd {project} && uv run gitops-ml first-run"
    status = Project(project, "", 0, tmp_path / "home").git("status", "--porcelain")
    assert status in ("", "?? uv.lock")
    resumed = subprocess.run(
        ["bash", "-c", last_line(done)],
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
    )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    whole(Project(project, "", 0, tmp_path / "home"))


def test_killed_half_way(tmp_path: Path) -> None:
    """SIGKILL while the model trains, then the resume command: the same end as an undisturbed run."""
    project = generate(
        tmp_path, project_name="Churn", table=str(_table(tmp_path)), target="churned", first_run="no"
    )
    assert project.returncode == 0, project.printed
    project.install()
    with subprocess.Popen(
        ["gitops-ml", "first-run"], cwd=project.path, env=project.environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as run:  # fmt: skip
        deadline = time.monotonic() + 120
        while (
            not (project.path / "data" / "prepared" / "test.parquet").exists() and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGKILL)
    assert project.git("log", "--format=%s").splitlines()[0].startswith("Generated from")
    resumed = subprocess.run(
        ["bash", "-c", project.printed.strip().splitlines()[-1]],
        env=clean_environment(project.home), capture_output=True, text=True,
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    whole(project)
    # And once more: nothing to do, nothing new.
    head = project.git("rev-parse", "HEAD")
    project.run("gitops-ml", "first-run")
    assert project.git("rev-parse", "HEAD") == head


def test_bad_table_keeps_the_project(tmp_path: Path) -> None:
    """A table that adopt refuses: the reason, the project, the command; and a better table goes on."""
    table = tmp_path / "bad.csv"
    table.write_text("x,y\n1,a\n2,a\n3,a\n")
    project = generate(tmp_path, project_name="Churn", table=str(table), target="y")
    assert project.returncode == 0
    assert "y" in project.printed and "class" in project.printed, project.printed
    assert project.printed.strip().splitlines()[-1].endswith("gitops-ml first-run")
    assert project.git("status", "--porcelain") in ("", "?? uv.lock")
    assert "First run" not in project.git("log", "--format=%s")


def _table(folder: Path) -> Path:
    path = folder / "churn table.csv"
    mixed(300).to_csv(path, index=False)
    return path


def whole(project: Project) -> None:
    """The end state of every first run."""
    assert project.git("log", "--format=%s", "--reverse").splitlines()[-1] == "First run"
    assert project.git("log", "--format=%s").count("First run") == 1
    assert project.git("status", "--porcelain") == ""
    assert (project.path / "data" / "raw" / "churn table.csv.dvc").exists()
    assert "up to date" in project.run("dvc", "status").stdout
    assert project.run("git", "config", "--local", "gitops-ml.table", check=False).returncode != 0


@pytest.mark.change
def test_without_uv(tmp_path: Path) -> None:
    """No uv on this machine: it is fetched into the project, and no printed command needs one on PATH."""
    done = bake_with(tmp_path, {"PATH": tools_without(tmp_path, "uv")}, project_name="Churn")
    assert done.returncode == 0 and "fetching it into .venv" in done.stdout, done.stdout + done.stderr
    project = Project(tmp_path / "out" / "churn", done.stdout, 0, tmp_path / "home")
    assert project.git("log", "--format=%s").splitlines()[0] == "First run"
    assert ".venv/bin/gitops-ml" in done.stdout and "uv run" not in done.stdout
