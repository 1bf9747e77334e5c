"""Each static rule finds what was planted, and says nothing of a workflow that keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workflows import static

PIN = "3d3c42e5aac5ba805825da76410c181273ba90b1"
GOOD = f"""\
name: good
on:
  push:
    branches: [main]
permissions: {{}}
concurrency:
  group: good-${{{{ github.ref }}}}
  cancel-in-progress: true
jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    permissions:
      contents: read # check the repository out
    steps:
      - uses: actions/checkout@{PIN} # v7.0.1
        with:
          persist-credentials: false
      - uses: ./.github/actions/build
      - run: echo "$REF"
        env:
          REF: ${{{{ github.ref }}}}
"""
ACTION = """\
name: build
runs:
  using: composite
  steps:
    - shell: bash
      run: echo "$X"
"""
BAD = [
    (static.unpinned, f"@{PIN} # v7.0.1", "@v7", 16, "not a full commit id"),
    (static.unpinned, f"@{PIN} # v7.0.1", f"@{PIN[:12]} # v7.0.1", 16, "not a full commit id"),
    (static.unpinned, f"@{PIN} # v7.0.1", f"@{PIN}", 16, "no version"),
    (static.unpinned, f"@{PIN} # v7.0.1", f"@{PIN} # newest", 16, "no version"),
    (static.open_permissions, "permissions: {}\n", "", 1, "not {}"),
    (static.open_permissions, "permissions: {}\n", "permissions:\n  contents: read\n", 5, "not {}"),
    (static.open_permissions, "permissions: {}\n", "permissions: read-all\n", 5, "not {}"),
    (static.unexplained_grants, " # check the repository out", "", 14, "contents: read has no reason"),
    (
        static.unexplained_grants,
        "permissions:\n      contents: read # check the repository out",
        "permissions: write-all",
        13,
        "write-all",
    ),
    (static.endless_jobs, "    timeout-minutes: 5\n", "", 10, "job test has no timeout-minutes"),
    (static.uncontrolled, "  group: good-${{ github.ref }}\n", "", 6, "no concurrency"),
    (static.expressions_in_scripts, 'echo "$REF"', "echo ${{ github.ref }}", 20, "inside run:"),
    (
        static.expressions_in_scripts,
        'run: echo "$REF"',
        "run: |\n          true\n          echo ${{ github.ref }}",
        20,
        "inside run:",
    ),
    (static.kept_credentials, "persist-credentials: false", "persist-credentials: true", 16, "credentials"),
    (static.kept_credentials, "persist-credentials: false", "fetch-depth: 0", 16, "credentials"),
]


def plant(folder: Path, text: str, name: str = "ci.yml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_good_workflow_and_a_good_action_have_no_findings(tmp_path: Path) -> None:
    paths = [plant(tmp_path, GOOD), plant(tmp_path, ACTION, "action.yml")]
    assert static.findings(paths) == []


@pytest.mark.parametrize(("check", "old", "new", "line", "words"), BAD)
def test_a_rule_finds_what_was_planted(
    check: static.Check, old: str, new: str, line: int, words: str, tmp_path: Path
) -> None:
    assert old in GOOD
    path = plant(tmp_path, GOOD.replace(old, new))
    (found,) = check([path])
    assert found.startswith(f"{path}:{line} ")
    assert words in found
    assert static.findings([path]) == [found]


def test_an_action_is_read_too(tmp_path: Path) -> None:
    path = plant(tmp_path, ACTION.replace("$X", "${{ inputs.x }}"), "action.yml")
    assert static.findings([path]) == [f"{path}:6 an expression inside run:"]


def test_a_script_of_another_action_is_a_script(tmp_path: Path) -> None:
    script = f"      - uses: actions/github-script@{PIN} # v8\n        with:\n          script: f(${{{{ github.ref }}}})\n"
    path = plant(tmp_path, GOOD + script)
    assert [found.split(" ", 1)[1] for found in static.findings([path])] == ["an expression inside script:"]


def test_a_workflow_that_is_only_called_needs_no_concurrency_and_its_caller_no_timeout(
    tmp_path: Path,
) -> None:
    called = GOOD.replace("on:\n  push:\n    branches: [main]\n", "on:\n  workflow_call:\n")
    called = called.replace("concurrency:\n  group: good-${{ github.ref }}\n  cancel-in-progress: true\n", "")
    assert static.findings([plant(tmp_path, called)]) == []
    caller = "  other:\n    uses: ./.github/workflows/called.yml\n"
    assert static.findings([plant(tmp_path, GOOD + caller)]) == []
    remote = "  other:\n    uses: acme/flows/.github/workflows/called.yml@main\n"
    assert len(static.findings([plant(tmp_path, GOOD + remote)])) == 1


def test_files_of_a_repository(tmp_path: Path) -> None:
    wanted = [
        ".github/actions/build/action.yml",
        ".github/workflows/ci.yml",
        ".github/workflows/release.yaml",
        "actions/judge/action.yml",
    ]
    for name in [*wanted, ".github/dependabot.yml", "actions/judge/README.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}", "utf-8")
    assert [str(path.relative_to(tmp_path)) for path in static.files(tmp_path)] == wanted
