"""The three tiers of tests, and the linters: what `make test`, `make test-all` and `make lint` run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.tools.go import NoGo, tool

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / "bin"
# uv stands in .tools where the machine has none: tests/tools/setup.sh
PATH = os.pathsep.join([str(BIN), os.environ["PATH"], str(ROOT / ".tools" / "bin")])
COVERAGE = ("--cov=gitops_ml", "--cov-branch", "--cov-fail-under=90", "--cov-report=")
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command in the repository, shown first; end with its status if it fails."""
    words = [str(word) for word in command]
    print("$", " ".join(word.removeprefix(f"{ROOT}/") for word in words), flush=True)
    done = subprocess.run(words, cwd=ROOT, env=os.environ | (env or {}) | {"PATH": PATH})
    if done.returncode:
        sys.exit(done.returncode)


def files(*patterns: str) -> list[str]:
    """Files that git tracks, or would."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *patterns]
    found = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(
        name for name in found if name and (ROOT / name).is_file() and not (ROOT / name).is_symlink()
    )


def actionlint() -> Path | None:
    """The linter of workflows, built once into .cache; None without a Go, which is an error under CI."""
    try:
        return tool(ACTIONLINT, "actionlint")
    except NoGo as missing:
        if os.environ.get("CI"):
            sys.exit(f"error: {missing}")
        print(f"actionlint: left out. {missing}")
        return None


def lint() -> None:
    """Every linter over this repository. The generated project is linted by tests/template."""
    run(BIN / "ruff", "check", ".")
    run(BIN / "ruff", "format", "--check", ".")
    run(BIN / "mypy")
    run(BIN / "shellcheck", *files("*.sh", ".ci/run"))
    actions = files("actions/*/action.yml")
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-actions", *actions)
    run(BIN / "zizmor", "--offline", "--persona", "pedantic", "--no-progress", *actions)
    workflows = files(".github/workflows/*.yml")
    if workflows:
        run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
        run(BIN / "zizmor", "--offline", "--persona", "pedantic", *workflows)
        linter = actionlint()
        if linter:
            run(linter, "-color=false", *workflows)


def test(*arguments: str) -> None:
    """The tier of every change: under 10 minutes on 2 cores."""
    run(
        BIN / "pytest",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-m",
        "not full and not change",
        *COVERAGE,
        *arguments,
    )


def change(*arguments: str) -> None:
    """What must run once per change, and takes longer."""
    run(BIN / "pytest", "-n", "2", "--dist", "loadgroup", "-m", "change and not full", *arguments)


def everything(*arguments: str) -> None:
    """All tests, with long fuzzing, then the mutants of the modules that decide."""
    run(BIN / "pytest", "-n", "2", "--dist", "loadgroup", *arguments, env={"GITOPS_ML_FUZZ_EXAMPLES": "400"})
    run(sys.executable, "-m", "tests.mutants")


if __name__ == "__main__":
    tiers = {"lint": lint, "test": test, "change": change, "all": everything}
    if len(sys.argv) < 2 or sys.argv[1] not in tiers:
        sys.exit(f"usage: python -m tests.tiers {'|'.join(tiers)} [pytest arguments]")
    tiers[sys.argv[1]](*sys.argv[2:])
