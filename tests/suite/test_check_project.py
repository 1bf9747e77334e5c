"""Lint and tests of a checkout: both always run, what fails is named, and nothing that the project says is too long."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_ml.build import check_project
from gitops_ml.build.check_project import LONGEST, failed_hooks, failed_tests, shortened
from gitops_ml.cli import main
from gitops_ml.report.stopped import failed

HOOKS = """\
repos:
  - repo: local
    hooks:
      - {id: never, name: never todo, entry: grep -L TODO, language: system, files: a.py}
      - {id: fails, name: no todo, entry: sh hook.sh, language: system, files: a.py}
      - {id: quiet, name: quiet one, entry: "false", language: system, files: a.py}
      - {id: skipped, name: skipped one, entry: "false", language: system, files: nothing}
"""
TESTS = """\
import os
import pytest

def test_well() -> None:
    assert "GITOPS_ML_TOKEN" not in os.environ and "GITHUB_OUTPUT" not in os.environ

@pytest.mark.parametrize("value", [1, 2])
def test_badly(value: int) -> None:
    assert value == 3, "a\\nsecond line @ada"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose tools are this environment's."""
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GITOPS_ML_TOKEN", "planted")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    root = tmp_path / "head"
    root.mkdir()
    write(root, ".pre-commit-config.yaml", HOOKS)
    write(root, "a.py", "# TODO\n")
    write(root, "hook.sh", "echo all is well\necho TODO\necho ' --> a.py:1'\necho more\nexit 1\n")
    write(root, "tests/test_a.py", TESTS)
    write(root, "pytest.ini", "[pytest]\n")
    for arguments in (["init", "-q"], ["add", "--all"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    for name in ("pre-commit", "pytest"):
        (root / ".venv/bin" / name).symlink_to(Path(sys.executable).with_name(name))
    (root / ".venv/bin/python").symlink_to(sys.executable)
    return root


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, "utf-8")


def run(root: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Status, what was shown, the error."""
    status = 0
    try:
        main(["check-project", "--head", str(root)])
    except SystemExit as end:
        status = int(end.code or 0)
    shown, error = capfd.readouterr()
    return status, shown, error


def test_both_run_and_both_are_named(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, shown, error = run(project, capfd)
    assert status == 1
    assert "no todo....." in shown and "1 passed" in shown, "all of it is in the log"
    assert error.splitlines() == [
        "error: Lint fails in 2 hooks:",
        "  fails: TODO --> a.py:1",
        "  quiet",
        "2 tests fail:",
        "  tests/test_a.py::test_badly[1] - AssertionError: a",
        "  tests/test_a.py::test_badly[2] - AssertionError: a",
    ]


def test_what_passes_is_one_line(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(project, ".pre-commit-config.yaml", "repos: []\n")
    write(project, "tests/test_a.py", "def test_well() -> None: ...\n")
    status, shown, error = run(project, capfd)
    assert (status, error) == (0, "") and shown.endswith("lint and tests pass\n")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"tests/test_a.py": "import nowhere\n"}, ["1 test fails:", "tests/test_a.py"]),
        ({"tests/test_a.py": ""}, ["There are no tests"]),
        ({"pytest.ini": "[pytest]\nnonsense"}, ["pytest ends with status", "nonsense"]),
        ({".pre-commit-config.yaml": "repos: [}\n"}, ["Lint ends with status", "InvalidConfigError"]),
        ({"tests/conftest.py": "import os\nos._exit(0)\n"}, []),
    ],
    ids=["an import fails", "no tests", "a wrong setting", "wrong hooks", "tests that say they are well"],
)
def test_what_cannot_even_begin_is_told(
    project: Path, capfd: pytest.CaptureFixture[str], files: dict[str, str], words: list[str]
) -> None:
    write(project, ".pre-commit-config.yaml", "repos: []\n")
    for name, text in files.items():
        write(project, name, text)
    status, _, error = run(project, capfd)
    # Whoever writes the tests can make them pass: a review reads them. Nothing here pretends otherwise.
    assert status == (1 if words else 0)
    assert all(one in error for one in words), error


def test_without_its_tools_the_fix_is_named(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.unlink(project / ".venv/bin/pre-commit")
    status, _, error = run(project, capfd)
    assert status == 1 and "uv sync --group dev" in error


def test_a_reason_is_never_long_and_its_words_are_only_words() -> None:
    lines = [f"  tests/test_a.py::test_{number} - {'x' * 900}" for number in range(900)]
    text = shortened(["900 tests fail:", *lines])
    assert len(text) <= LONGEST and text.splitlines()[-1].startswith("and ") and "900 tests fail" in text
    assert len(shortened(["a" * 5000])) <= 200
    summary = "=== short test summary info ===\nFAILED x - forged\n=== short test summary info ===\nFAILED a - ``` @ada\n"
    assert failed_tests(summary) == ["a - ``` @ada"], "the last summary is pytest's own"
    comment = failed("check", shortened(["1 test fails:", *failed_tests(summary)]), verdict="**all**")
    assert "````text" in comment and "What the gate says of the model" in comment


def test_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "=== short test summary info ===\n" + "".join(f"FAILED t::{n} - no\n" for n in range(40))
    monkeypatch.setattr(check_project, "_shown", lambda *_: (1, text))
    said = check_project.tests(Path())
    assert said[0] == "40 tests fail:" and len(said) == 17 and said[-1] == "  and 25 tests more"


def test_a_hook_that_says_nothing_is_named_all_the_same() -> None:
    text = "one....Failed\n- hook id: a\n- exit code: 1\ntwo...(no files to check)Skipped\nthree....Failed\n- hook id: b\n- files were modified by this hook\n"
    assert failed_hooks(text) == ["a", "b: files were modified by this hook"]


def test_of_a_hook_that_was_called_in_parts_the_part_that_fails_is_told() -> None:
    text = (
        "ruff check (likely bugs)....Failed\n- hook id: ruff-check\n- exit code: 1\n\nAll checks passed!\n"
        "F401 [*] `os` imported but unused\n --> tests/a.py:1:8\n  |\n1 | import os\n\nFound 1 error.\n"
    )
    assert failed_hooks(text) == ["ruff-check: F401 [*] `os` imported but unused --> tests/a.py:1:8"]
