"""A real DVC pipeline of trivial stages in a real git repository: what runs, tracks and commits, without scikit-learn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.suite import runs

from gitops_ml import shell

# Each stage copies its prepared results; the seed in params.yaml goes into the model's bytes and the score.
MAKE = """\
import hashlib, json, os, re, sys, time
from pathlib import Path

stage = sys.argv[1]
here = Path("results")
Path("reports").mkdir(exist_ok=True)
Path("models").mkdir(exist_ok=True)
if Path("slow").exists():
    Path("started").write_text(stage)
    time.sleep(float(Path("slow").read_text()))
if Path("broken").exists():
    sys.exit("stage broken on purpose")
seed = re.search(r"seed: (\\d+)", Path("params.yaml").read_text())[1]
model = b"model " + seed.encode()
digest = hashlib.sha256(model).hexdigest()
def put(name, change=None):
    content = json.loads((here / Path(name).name).read_text())
    if change:
        change(content)
    Path(name).write_text(json.dumps(content))
if stage == "prepare":
    Path("data/prepared").mkdir(parents=True, exist_ok=True)
    Path("data/prepared/train.parquet").write_text("rows")
    put("reports/data_profile.json")
elif stage == "train":
    Path("models/model.skops").write_bytes(model)
    put("models/training.json", lambda c: c["model"].update(sha256=digest, size=len(model)))
else:
    put("reports/evaluation.json", lambda c: c.update(model_sha256=digest))
    put("reports/metrics.json", lambda c: c["roc_auc"].update(value=int(seed) / 10))
"""

IGNORE = "/data/prepared/\n/models/\n/.mlflow/\n__pycache__/\n/slow\n/started\n/broken\n"
# Loads the model the way artifact.py does: a module of the package with `_load_pyfunc`.
ARTIFACT = """\
from pathlib import Path


class Model:
    def __init__(self, text):
        self.text = text

    def predict(self, model_input, params=None):
        return [self.text] * len(model_input)


def _load_pyfunc(path):
    return Model(Path(path).read_text())
"""
PYPROJECT = '[project]\nname = "churn"\ndependencies = ["click==8.1.8", "pydantic==2.10.0"]\n'


def git(root: Path, *arguments: str) -> str:
    """Git with an identity of its own; its output."""
    command = [
        "git",
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.org",
        "-c",
        "commit.gpgsign=false",
        *arguments,
    ]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def dvc(root: Path, *arguments: str) -> str:
    """DVC as a child process; its output."""
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, env=shell.environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"status {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def make(root: Path) -> Path:
    """The project, committed as generation would, nothing run yet."""
    files = runs.binary()
    results = {name: files.pop(name) for name in list(files) if name.endswith(".json")}
    files |= {f"results/{Path(name).name}": content for name, content in results.items()}
    files |= {
        "make.py": MAKE,
        ".gitignore": IGNORE,
        "pyproject.toml": PYPROJECT,
        "src/churn/artifact.py": ARTIFACT,
        "src/churn/__init__.py": "",
        "data/raw/churn.csv": "tenure,contract,churned\n1,monthly,yes\n",
        ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n    autostage = false\n",
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        ".dvcignore": ".mlflow\n",
    }
    runs.write(root, files)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Generated from cookiecutter-gitops-ml 0.1.0")
    return root
