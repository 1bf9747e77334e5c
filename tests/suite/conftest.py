"""What the suite's own tests share: a minimal project folder, made of the template's plain files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest

TEMPLATE = Path(__file__).parents[2] / "<<cookiecutter.project_slug>>"
PLAIN = ["schema.yaml", "params.yaml", "policy.yaml", "model_card.yaml", "dvc.yaml", ".gitops-ml.yaml"]


def rendered(text: str) -> str:
    """The template's plain files with their few answers filled in, as a bake would."""
    settings = json.loads((TEMPLATE.parent / "cookiecutter.json").read_text("utf-8"))["_jinja2_env_vars"]
    answers = defaultdict(lambda: "demo", table="", author_email="ada@example.org", __version="0.1.0")
    return (
        jinja2.Environment(**settings, keep_trailing_newline=True)
        .from_string(text)
        .render(cookiecutter=answers)
    )


def make_project(folder: Path) -> Path:
    """A project with the classification sample, under git and DVC, nothing run yet."""
    (folder / "data" / "raw").mkdir(parents=True)
    for name in PLAIN:
        if (TEMPLATE / name).exists():
            text = rendered((TEMPLATE / name).read_text("utf-8"))
            (folder / name).write_text(text.removesuffix("\nplots:\n"), "utf-8")
    for sample in (TEMPLATE / "data" / "raw").glob("*.csv"):
        shutil.copy(sample, folder / "data" / "raw")
    behaviour = folder / "tests" / "model" / "behaviour.yaml"
    behaviour.parent.mkdir(parents=True)
    shipped = TEMPLATE / "tests" / "model" / "behaviour.yaml"
    behaviour.write_text(
        rendered(shipped.read_text("utf-8"))
        if shipped.exists()
        else "invariance: []\ndirection: []\nminimum: []\n",
        "utf-8",
    )
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text(
        "[core]\n    analytics = false\n    check_update = false\n", "utf-8"
    )
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n", "utf-8")
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q", "-b", "main"], cwd=folder, check=True)
    subprocess.run([*git, "add", "-A"], cwd=folder, check=True)
    subprocess.run([*git, "commit", "-qm", "Generated"], cwd=folder, check=True)
    return folder


@pytest.fixture(autouse=True, scope="module")
def nothing_leaks() -> Iterator[None]:
    """A token or a clock that a module's tests were given does not reach those of another: it would fail them by accident."""
    watched = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GITHUB_", "GITOPS_ML_")
    before = {name: value for name, value in os.environ.items() if name.startswith(watched)}
    yield
    after = {name: value for name, value in os.environ.items() if name.startswith(watched)}
    assert after == before, sorted(before.items() ^ after.items())


@pytest.fixture(scope="session")
def pristine_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; tests get copies."""
    return make_project(tmp_path_factory.mktemp("pristine") / "demo")


@pytest.fixture
def project(pristine_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the minimal project; the test runs inside it."""
    folder = tmp_path / "demo"
    shutil.copytree(pristine_project, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a project and its bytes, without what git and DVC keep for themselves."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).parts[0] != ".git"
        and path.relative_to(folder).parts[:2] not in {(".dvc", "cache"), (".dvc", "tmp")}
    }


@pytest.fixture
def unchanged(project: Path) -> Iterator[Callable[[], None]]:
    """Call it to check that the project's files are what they were when the test began."""
    before = tree(project)

    def check() -> None:
        after = tree(project)
        assert sorted(after) == sorted(before)
        assert [name for name in before if after[name] != before[name]] == []

    yield check


def said(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line says of an error, and only of that: one ``error:`` text, status 1, nothing printed else."""
    from gitops_ml.cli import main

    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    return captured.err
