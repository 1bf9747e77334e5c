"""The command line itself: every verb is there, an unknown one is said, and a fault is one text and status 1."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from gitops_ml import __version__
from gitops_ml.cli import VERBS, cli, main
from gitops_ml.errors import Fault


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "-h" if verb == "first-run" else "--help") == 0
    assert f"gitops-ml {verb}" in capsys.readouterr().out


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-h") == 0
    shown = capsys.readouterr().out
    for verb in VERBS:
        assert f"\n  {verb} " in shown


def test_an_unknown_verb_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("adpot") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "No such command 'adpot'" in captured.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"gitops-ml, version {__version__}\n"


def test_a_fault_is_one_text_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise Fault("the table is gone\n  fetch it: dvc pull")

    monkeypatch.setattr(cli, "get_command", lambda *_: broken)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    assert run("broken") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: the table is gone\n  fetch it: dvc pull\n"


def test_a_bug_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "get_command", lambda *_: broken)
    with pytest.raises(ZeroDivisionError):
        main(["broken"])


def test_helping_imports_no_heavy_library() -> None:
    """The command line starts in a moment: pandas and pyarrow wait until a verb needs them."""
    code = (
        "import sys\nfrom gitops_ml.cli import main\n"
        "try: main(['adopt', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('pandas', 'pyarrow', 'numpy', 'mlflow', 'evidently') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "actions"), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.splitlines()[-1] == "[]"
