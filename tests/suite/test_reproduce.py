"""reproduce, first-run and status on a real DVC pipeline of trivial stages, also killed half-way and broken."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite import pipelines, runs
from tests.suite.pipelines import git

from gitops_ml import shell
from gitops_ml.cli import main
from gitops_ml.errors import Fault
from gitops_ml.project import commits, facts
from gitops_ml.project import first_run as first
from gitops_ml.project.first_run import first_run
from gitops_ml.project.reproduce import reproduce
from gitops_ml.project.status import _when_clean, screen, status
from gitops_ml.track import sync as syncing


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipelines.make(tmp_path_factory.mktemp("generated") / "churn")


@pytest.fixture(scope="module")
def ran(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `dvc repro`, nothing committed or recorded."""
    root = tmp_path_factory.mktemp("ran") / "churn"
    shutil.copytree(generated, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(runs.ACTIONS))
        pipelines.dvc(root, "repro", "-q")
    return root


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """MLflow is test_track's business: here a sync only counts."""
    calls: list[Path] = []

    def sync(root: Path, *_: Any, **__: Any) -> syncing.Result:
        calls.append(root)
        return syncing.Result(".mlflow/mlflow.db", known=1, notes=["a note"])

    monkeypatch.setattr(syncing, "sync", sync)
    monkeypatch.setenv("PYTHONPATH", str(runs.ACTIONS))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return calls


def here(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "churn"
    shutil.copytree(source, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def fresh(generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return here(generated, tmp_path, monkeypatch)


@pytest.fixture
def done(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return here(ran, tmp_path, monkeypatch)


def test_reproduce_runs_records_and_says_so_in_one_line(done: Path, recorded: list[Path]) -> None:
    answer = CliRunner().invoke(reproduce, ["--", "--dry"])
    assert answer.exit_code == 0
    assert (
        "reproduced: HistGradientBoostingClassifier, ROC AUC 0.700 (0.828-0.864 on 1,761 test rows)"
        in answer.output
    )
    assert "nothing new to track" in answer.output and "note: a note" in answer.output
    assert recorded == [done]


def test_reproduce_hands_on_dvcs_status(done: Path, recorded: list[Path]) -> None:
    assert CliRunner().invoke(reproduce, ["--", "nosuchstage"]).exit_code not in (0, None)
    assert recorded == []


def test_a_store_that_is_away_does_not_undo_the_run(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise Fault("MLflow is away")

    monkeypatch.setattr(syncing, "sync", away)
    with pytest.raises(Fault, match="the pipeline ran, but its run is not recorded: MLflow is away"):
        reproduce.main(["--", "--dry"], standalone_mode=False)


def test_first_run_ends_clean_with_two_commits_and_one_screen(fresh: Path, recorded: list[Path]) -> None:
    answer = CliRunner().invoke(first_run, catch_exceptions=False)
    assert answer.exit_code == 0
    assert git(fresh, "log", "--format=%s") == "First run\nGenerated from cookiecutter-gitops-ml 0.1.0"
    assert git(fresh, "status", "--porcelain") == ""
    assert "models" not in git(fresh, "ls-files") and "MODEL_CARD.md" in git(fresh, "ls-files")
    output = answer.output
    assert "churn is ready." in output and " s\n" in output
    assert (
        "7,050 rows, 5 columns, target churned (no 73%, yes 27%)  data/raw/churn.csv, kept in git" in output
    )
    assert '"Generated from cookiecutter-gitops-ml 0.1.0", "First run"' in output
    assert f"cd {fresh}" in output and "models/model.skops  7 bytes  sha256" in output
    assert "MODEL_CARD.md (every question answered)" in output
    assert recorded == [fresh]
    # Again: nothing new, the same end.
    head = git(fresh, "rev-parse", "HEAD")
    assert CliRunner().invoke(first_run).exit_code == 0
    assert git(fresh, "rev-parse", "HEAD") == head and git(fresh, "status", "--porcelain") == ""


def test_first_run_leaves_a_persons_changes_alone(done: Path) -> None:
    (done / "NOTES.md").write_text("mine")
    (done / "make.py").write_text(pipelines.MAKE + "# mine\n")
    git(done, "add", "make.py")
    answer = CliRunner().invoke(first_run, catch_exceptions=False)
    assert "not committed, because not of this run: make.py, NOTES.md" in answer.output
    assert git(done, "status", "--porcelain") == "M  make.py\n?? NOTES.md"
    (done / "params.yaml").write_text((done / "params.yaml").read_text() + "# later\n")
    assert commits.finish(done) == ["make.py", "params.yaml", "NOTES.md"]  # a second "First run" is not made
    assert git(done, "log", "--format=%s", "-1") == "First run"


def test_without_an_identity_the_author_serves_for_that_commit_only(
    done: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(done, "config", "commit.gpgsign", "true")
    (done / ".git/hooks").mkdir(exist_ok=True)
    hook = done / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    CliRunner().invoke(first_run, catch_exceptions=False)
    assert (
        git(done, "log", "-1", "--format=%an <%ae> %cn <%ce>")
        == "Ada L <ada@example.org> Ada L <ada@example.org>"
    )
    assert shell.ask_git(done, "config", "user.name") is None
    for name in ("...", "<>", "' \\"):
        runs.write(done, {".gitops-ml.yaml": {"answers": {"author_name": name}}})
        assert commits.identity(done)[1] == "user.name=unknown"
    (done / ".gitops-ml.yaml").unlink()
    assert commits.identity(done) == ["-c", "user.name=unknown", "-c", "user.email=nobody@example.invalid"]


def test_an_identity_that_exists_is_used(done: Path) -> None:
    git(done, "config", "user.name", "Bob")
    git(done, "config", "user.email", "bob@example.org")
    (done.parent / "ignore").write_text("*.md\n")
    git(done, "config", "core.excludesFile", str(done.parent / "ignore"))
    CliRunner().invoke(first_run, catch_exceptions=False)
    assert git(done, "log", "-1", "--format=%an") == "Bob"
    assert "dvc.lock" in git(done, "ls-files") and "MODEL_CARD.md" in git(done, "ls-files")


def test_where_generation_could_not_commit_the_first_run_does(done: Path) -> None:
    shutil.rmtree(done / ".git")
    commits.begin(done)
    assert git(done, "log", "--format=%s") == "Generated from cookiecutter-gitops-ml 0.1.0"
    commits.begin(done)
    assert git(done, "rev-list", "--count", "HEAD") == "1"


def test_a_failure_keeps_the_project_and_ends_with_the_command_that_resumes(
    fresh: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (fresh / "broken").write_text("")
    with pytest.raises(SystemExit) as ended:
        main(["first-run"])
    assert ended.value.code == 1
    shown = capfd.readouterr()
    last = shown.err.strip().splitlines()[-1].strip()
    assert last.startswith(f"cd {shlex.quote(str(fresh))} && ") and last.endswith("gitops-ml first-run")
    assert "broken on purpose" in shown.out + shown.err
    assert git(fresh, "log", "--format=%s") == "Generated from cookiecutter-gitops-ml 0.1.0"
    (fresh / "broken").unlink()
    assert CliRunner().invoke(first_run).exit_code == 0
    assert git(fresh, "status", "--porcelain") == ""


def test_killed_half_way_and_resumed_it_ends_in_the_same_state(
    fresh: Path, ran: Path, recorded: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (fresh / "slow").write_text("4")
    program = subprocess.Popen(
        [sys.executable, "-m", "gitops_ml", "first-run"], cwd=fresh, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (fresh / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGKILL)  # dvc and its stage live on: the resumed run must wait for them
    program.wait()
    (fresh / "slow").unlink()
    first_run.main([], standalone_mode=False)
    assert "waiting for another run" in capsys.readouterr().err
    assert git(fresh, "status", "--porcelain") == ""
    assert git(fresh, "log", "--format=%s") == "First run\nGenerated from cookiecutter-gitops-ml 0.1.0"
    for name in ("dvc.lock", "MODEL_CARD.md", "reports/model_card.json", "models/model.skops"):
        assert (fresh / name).read_bytes() == (ran / name).read_bytes(), name


def test_a_noted_table_is_adopted_once(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    results = [1, 0]

    def run(command: list[str], root: Path, keep: tuple[int, ...] = ()) -> int:
        commands.append(command[1:])
        return results.pop(0)

    monkeypatch.setattr(shell, "run", run)
    for key, value in (("table", "/home/a b/x.csv"), ("target", "-t"), ("task", "auto")):
        git(done, "config", "--local", f"gitops-ml.{key}", value)
    with pytest.raises(Fault, match="was not adopted"):
        first._adopt(done, 0)
    first._adopt(done, 0)
    first._adopt(done, 0)
    assert commands == [["-m", "gitops_ml", "adopt", "/home/a b/x.csv", "--target=-t"]] * 2
    assert "gitops-ml." not in git(done, "config", "--local", "--list")


def test_status_before_the_first_run(fresh: Path) -> None:
    shown = CliRunner().invoke(status, catch_exceptions=False).output
    assert "model     no model yet" in shown and "served    nothing yet" in shown
    assert shown.rstrip().endswith("gitops-ml first-run")
    assert "data/raw/churn.csv, not profiled yet" in shown
    (fresh / "params.yaml").write_text("data: 3\n")
    assert "no table, not profiled yet" in screen(fresh)


def test_status_leads_from_one_command_to_the_next(done: Path) -> None:
    shown = screen(done)
    assert "not committed: MODEL_CARD.md, dvc.lock, reports/data_profile.json and 3 more" in shown
    assert shown.endswith('git add --all && git commit -m "..."')
    git(done, "add", "-A")
    git(done, "commit", "-qm", "First run")
    shown = screen(done)
    assert "not recorded: HEAD" in shown and shown.endswith("gitops-ml track sync")
    index = done / ".mlflow" / "synced.json"
    (found,) = syncing.find(done)
    target = syncing.index.target(done, "")
    syncing.index.save(target, {syncing.index.key(target): {found.key: {"run": "1", "commit": found.commit}}})
    assert index.exists()
    shown = screen(done)
    assert "stale     nothing" in shown and shown.endswith("gitops-ml reproduce")
    assert "change params.yaml" in shown and len(shown.splitlines()) < 12
    (done / "src/churn/train.py").write_text("train = 3\n")
    (done / "params.yaml").write_text("data: {table: data/raw/churn.csv}\ntrain: {seed: 8}\n")
    shown = screen(done)
    assert "train: src/churn/train.py modified, params.yaml train modified" in shown, shown
    assert shown.endswith("gitops-ml reproduce")
    (done / "model_card.yaml").write_text("{}\n")
    assert 'MODEL_CARD.md (11 answers of yours are still "unknown"' in screen(done)


def test_status_in_a_clone_without_bytes_and_with_pointers(done: Path) -> None:
    git(done, "add", "-A")
    git(done, "commit", "-qm", "First run")
    shutil.rmtree(done / "models")
    shutil.rmtree(done / "data/prepared")
    shutil.rmtree(done / ".dvc/cache")
    pointer = (
        f"model: churn\nversion: 1.0.0\nrevision: {'a' * 40}\npath: models/model.skops\nsha256: {runs.SHA}\n"
        "size: 7\nimage: null\nverdict: pass\npromoted_from: null\n"
    )
    runs.write(done, {"deploy/production/model.yaml": pointer, "deploy/staging/model.yaml": "model: churn\n"})
    shown = screen(done)
    assert "its bytes are not on this machine, ROC AUC 0.700" in shown
    assert "production: 1.0.0, sha256 4f1c09ab... (pass)" in shown
    assert "staging: " in shown and "is not valid" in shown
    assert "reproduce" not in shown.split("stale")[1], shown  # missing bytes are not a stale lock
    (done / "model_card.yaml").write_text("{}\n")
    assert _when_clean(done, "").startswith("answer what is unknown in model_card.yaml")
    shutil.rmtree(done / ".git")
    assert "not committed" not in screen(done)
    (done / "model_card.yaml").write_text("surprise: 1\n")
    (done / ".dvc" / "config").write_text("[core\n")
    shown = screen(done)
    assert "card      unreadable: " in shown and "dvc status failed" in shown


def test_facts_of_odd_projects(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert facts.command(done, "x").startswith(f"cd {done} && ")
    runs.write(done, {".venv/bin/gitops-ml": ""})
    assert facts.command(done, "x") == f"cd {done} && .venv/bin/x"
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert shell.prefix(done) == "uv run "
    files = runs.regression()
    runs.write(done, {name: files[name] for name in files if name.startswith("reports/")})
    assert "(mean 152.1)" in facts.data_line(done)
    assert facts.score(done) == ", R² 0.371 (-0.012-0.521 on 1,761 test rows)".replace(
        "-0.012-", "-0.012 to "
    )
    runs.write(
        done, {"reports/metrics.json": {"n": 1}, "model_card.yaml": runs.HUMAN.replace("Pricing.", "unknown")}
    )
    assert facts.score(done) == ""
    assert "(1 answer of yours is still" in facts.card_line(done)
    shutil.rmtree(done / "models")
    assert facts.model_line(done) == "a model" and facts.bytes_line(done) == "no model yet"


def test_dvc_that_gives_no_json_is_said(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "ask", lambda *_: b"oops")
    with pytest.raises(Fault, match="no JSON"):
        facts.stale(done)
    monkeypatch.setattr(
        shell, "ask", lambda *_: b'{"train": ["changed command", "always changed"], "x": ["always changed"]}'
    )
    assert facts.stale(done) == ["train: changed command"]


def test_children_are_not_misled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in shell.MISLEADING:
        monkeypatch.setenv(name, "/elsewhere")
    kept = shell.environment()
    assert not set(shell.MISLEADING) & set(kept)
    assert kept["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    with pytest.raises(Fault, match=r"no dvc\.yaml"):
        shell.project(tmp_path)
    for call in (shell.run, shell.ask):
        with pytest.raises(Fault, match="nosuchprogram was not found"):
            call(["nosuchprogram"], tmp_path)
    with pytest.raises(Fault, match="git rev-parse failed"):
        shell.git(tmp_path, "rev-parse", "HEAD")
    monkeypatch.setattr(shell, "environment", lambda: {"PATH": "/nowhere"})
    with pytest.raises(Fault, match="git was not found"):
        shell.git(tmp_path, "status")


def test_module_is_the_command() -> None:
    env = {**os.environ, "PYTHONPATH": str(runs.ACTIONS)}
    shown = subprocess.run(
        [sys.executable, "-m", "gitops_ml", "status", "--help"], env=env, capture_output=True, text=True
    )
    assert shown.returncode == 0 and "next command" in shown.stdout


def test_a_dead_run_holds_no_files(tmp_path: Path) -> None:
    """DVC's note of a killed run is removed, also while the dead process waits to be collected; a living one's stays."""
    note = tmp_path / ".dvc" / "tmp" / "rwlock"
    note.parent.mkdir(parents=True)
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, not collected
        for pid, stays in ((child.pid, False), (os.getpid(), True)):
            note.write_text(json.dumps({"data/x.csv": {"write": {"pid": pid, "cmd": "dvc repro"}}}))
            first._forget_the_dead(tmp_path)
            assert note.exists() == stays
