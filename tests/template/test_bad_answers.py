"""A wrong answer ends before anything is written, names itself and the fix, and leaves nothing on disk."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.template.conftest import ROOT, clean_environment, generate

WRONG = {
    "name empty": (
        {"project_name": "  ", "project_slug": "x", "package_name": "x"},
        "project_name: is empty",
    ),
    "name with newline": ({"project_name": "a\nb", "project_slug": "ab"}, "project_name: holds a line end"),
    "slug upper case": ({"project_slug": "Churn"}, "project_slug: 'Churn' must begin with a letter"),
    "slug with dash first": ({"project_slug": "-rf"}, "project_slug: '-rf' must begin"),
    "slug with a path": ({"project_slug": "a/../../b"}, "project_slug"),
    "slug with a shell": ({"project_slug": "$(touch pwned)"}, "project_slug"),
    "package is a keyword": (
        {"package_name": "class"},
        "package_name: 'class' is not a name that Python can import",
    ),
    "package hides pandas": ({"package_name": "pandas"}, "package_name: 'pandas' would hide a library"),
    "package hides the standard library": ({"package_name": "json"}, "Such as: json_model"),
    "package with a dash": ({"package_name": "my-model"}, "package_name: 'my-model'"),
    "email": ({"author_email": "ada at example"}, "author_email: 'ada at example' is not an address"),
    "author with brackets": ({"author_name": "Ada <ada@example.org>"}, "author_name: holds < or >"),
    "author with control character": (
        {"author_name": "Ada\x1b[31m"},
        "author_name: holds a line end or another control",
    ),
    "description too long": ({"description": "x" * 201}, "description: is longer than 200"),
    "storage relative": ({"storage": "../bytes"}, "storage: '../bytes' is neither git, nor s3://"),
    "storage unknown scheme": ({"storage": "ftp://host/x"}, "storage: 'ftp://host/x'"),
    "storage with password": ({"storage": "ssh://me:secret@host/path"}, "storage: holds a password"),
    "storage with newline": ({"storage": "s3://b/p\n[core]"}, "storage: holds a line end"),
    "tracking without scheme": (
        {"mlflow_tracking_uri": "localhost:5000"},
        "is no http:// or https:// address",
    ),
    "tracking with password": (
        {"mlflow_tracking_uri": "https://u:p@host"},
        "mlflow_tracking_uri: holds a user",
    ),
    "target without table": ({"target": "y"}, "target: needs a table of yours"),
    "table missing": ({"table": "none.csv", "target": "y"}, "table: there is no file 'none.csv'"),
    "table is a folder": ({"table": "home", "target": "y"}, "table: there is no file 'home'"),
    "table of another kind": (
        {"table": "t.xlsx", "target": "y"},
        "table: 't.xlsx' is neither .csv, .tsv nor .parquet",
    ),
    "table empty": ({"table": "empty.csv", "target": "y"}, "table: 'empty.csv' is empty"),
    "table without target": ({"table": "t.csv"}, "target: name the column"),
    "target not in table": (
        {"table": "t.csv", "target": "z"},
        "target: the first line of 't.csv' has no column 'z'",
    ),
    "two at once": ({"table": "none.csv", "target": "y", "author_email": "x"}, "author_email: 'x'"),
}


@pytest.mark.parametrize("answers, message", WRONG.values(), ids=WRONG.keys())
def test_wrong_answer(tmp_path: Path, answers: dict[str, str], message: str) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    (tmp_path / "t.xlsx").write_text("x,y\n1,2\n")
    (tmp_path / "empty.csv").touch()
    before = set(tmp_path.iterdir())
    project = generate(tmp_path, first_run="no", **answers)
    assert project.returncode != 0
    assert message in project.printed, project.printed
    assert re.search(r"^\s*error: \w+: ", project.printed, re.MULTILINE)  # the answer comes first
    # cookiecutter makes and removes the project's folder; of a slug with slashes it forgets the empty parents.
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out", tmp_path / "home"}
    assert not list(tmp_path.rglob("pwned"))


def test_name_of_emoji_only_gets_a_plain_folder(tmp_path: Path) -> None:
    project = generate(tmp_path, first_run="no", project_name="🚀")
    assert project.returncode == 0 and project.path.name == "model"


def test_existing_folder_is_not_touched(tmp_path: Path) -> None:
    kept = tmp_path / "out" / "my-model" / "precious.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    project = generate(tmp_path, first_run="no")
    assert project.returncode != 0
    assert "already exists" in project.printed
    assert [path.name for path in kept.parent.iterdir()] == ["precious.txt"] and kept.read_text() == "mine"


def test_table_that_may_not_be_read(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x,y\n1,2\n")
    table.chmod(0)
    if table.stat().st_mode & stat.S_IRUSR or _is_root():
        table.chmod(0o600)
        return  # the administrator reads everything
    project = generate(tmp_path, first_run="no", table="t.csv", target="y")
    assert project.returncode != 0 and "may not be read by you" in project.printed


def _is_root() -> bool:
    return os.geteuid() == 0


def test_zip_download_is_noticed(tmp_path: Path) -> None:
    """From a zip, the link to the suite arrives as a text file: the project stays, and the hook says why."""
    template = tmp_path / "template"
    template.mkdir()
    for name in ("cookiecutter.json", "hooks", "<<cookiecutter.project_slug>>"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        keep = {"symlinks": True} if (ROOT / name).is_dir() else {}
        copy(ROOT / name, template / name, **keep)  # type: ignore[operator]
    link = template / "<<cookiecutter.project_slug>>" / ".github" / "actions"
    link.unlink()
    link.write_text("../../actions")
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        "--no-input",
        "--output-dir",
        str(tmp_path),
        str(template),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env=clean_environment(tmp_path), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "a zip download turns links into text files" in done.stdout + done.stderr
    assert (tmp_path / "my-model" / "dvc.yaml").exists()


def test_template_delimiters_stay_in_their_place() -> None:
    """Outside cookiecutter variables no `<<` stands in the template: no heredoc, no shift, no merge key."""
    template = ROOT / "<<cookiecutter.project_slug>>"
    for path in template.rglob("*"):
        if (
            path.is_file()
            and "actions" not in path.parts
            and "data" not in path.parts
            and path.suffix != ".pyc"
        ):
            for line in path.read_text(encoding="utf-8").splitlines():
                rest = re.sub(r"<<\s?\(?cookiecutter\.[^>]*>>", "", line)
                assert "<<" not in rest and ">>" not in rest and "<%" not in rest, f"{path.name}: {line}"
