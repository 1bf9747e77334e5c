"""A template of a few lines with tagged versions, and a project that was generated from it: what an update is tried on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = "<<cookiecutter.project_slug>>"
SETTINGS = {
    "variable_start_string": "<<", "variable_end_string": ">>", "block_start_string": "<%", "block_end_string": "%>",
    "comment_start_string": "<#", "comment_end_string": "#>",
}  # fmt: skip
LINES = "".join(f"line {number}\n" for number in range(1, 21))
ANSWERS = (
    'template: cookiecutter-gitops-ml\nversion: "<<cookiecutter.__version>>"\nanswers:\n'
    '  project_name: "<<cookiecutter.project_name>>"\n  project_slug: "<<cookiecutter.project_slug>>"\n'
)
FIRST: dict[str, str] = {
    ".gitops-ml.yaml": ANSWERS,
    "README.md": f"# <<cookiecutter.project_name>>\n\n{LINES}",
    "dvc.yaml": "stages: {}\n",
    "params.yaml": LINES,
    "src/features.py": LINES,
    "src/example.py": "an example\n",
    "src/old.py": "goes\n",
    "data/raw/sample.csv": "a,b\n1,2\n",
    "docs/runbook.md": LINES,
    ".github/workflows/train.yml": LINES,
    ".github/actions/suite.py": "one\n",
}
SECOND: dict[str, str | None] = {
    "README.md": f"# <<cookiecutter.project_name>>\n\n{LINES}".replace("line 20", "line 20, better"),
    "params.yaml": LINES.replace("line 2\n", "line 2, better\n"),
    "src/old.py": None,
    "src/new.py": "comes, for <<cookiecutter.project_name>>\n",
    "data/raw/sample.csv": "a,b\n3,4\n",
    "docs/runbook.md": LINES.replace("line 3\n", "line 3, better\n"),
    ".github/workflows/train.yml": LINES.replace("line 4\n", "line 4, better\n"),
    ".github/actions/suite.py": "two\n",
}


def git(folder: Path, *arguments: str) -> str:
    """git as Ada, in a folder."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout.rstrip("\n")


@dataclass
class Template:
    """A git repository with a template; ``release`` makes one more version of it."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Template:
        root.mkdir(parents=True)
        git(root, "init", "-q", "-b", "main")
        made = cls(root)
        made.release("0.1.0", FIRST)
        return made

    def release(self, version: str, files: Mapping[str, str | None], tag: str = "") -> None:
        """Change files (None: remove), commit, tag."""
        questions = {
            "project_name": "My model", "project_slug": "demo", "__version": version, "_jinja2_env_vars": SETTINGS,
        }  # fmt: skip
        (self.root / "cookiecutter.json").write_text(json.dumps(questions), "utf-8")
        for path, text in files.items():
            target = self.root / (path if path.startswith("hooks/") else f"{FOLDER}/{path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.unlink()
            else:
                target.write_text(text, "utf-8")
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", version)
        git(self.root, "tag", "-a", tag or f"v{version}", "-m", version)

    def generate(self, folder: Path, name: str = "Churn model") -> Path:
        """A project of the newest version, with its first commit and a first run's."""
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", str(folder), str(self.root)]
        env = os.environ | {"HOME": str(folder), "COOKIECUTTER_CONFIG": ""}
        env.pop("COOKIECUTTER_CONFIG")
        subprocess.run([*command, f"project_name={name}"], check=True, env=env, capture_output=True)
        root = folder / "demo"
        git(root, "init", "-q", "-b", "main")
        git(root, "config", "user.name", "Ada")
        git(root, "config", "user.email", "ada@example.org")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "Generated from cookiecutter-gitops-ml 0.1.0")
        commit(root, {"dvc.lock": "made\n", "uv.lock": "made\n", "reports/metrics.json": "{}\n"}, "First run")
        return root


def commit(root: Path, files: Mapping[str, str | None], message: str = "Ours") -> str:
    """Somebody of the team changes files (None: removes them); the commit."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            target.unlink()
        else:
            target.write_text(text, "utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD")


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target
