"""A project with an imported table, built once; clones of it hold no bytes. Shared by the tests of the build room."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.suite import pipelines, runs
from tests.suite.pipelines import git

from gitops_ml.build import derived
from gitops_ml.build import lock as locks
from gitops_ml.build import pipeline as stages
from gitops_ml.errors import Fault
from gitops_ml.storage.cache import cache_folder

SCORE = """\
import argparse, hashlib, os, sys, time
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq

parser = argparse.ArgumentParser()
for name in ("model", "input", "output", "sha256"):
    parser.add_argument("--" + name)
given = parser.parse_args()
model = Path(given.model).read_bytes()
if hashlib.sha256(model).hexdigest() != given.sha256:
    sys.exit("error: another model")
table = pq.read_table(given.input)
if "churned" in table.column_names:
    sys.exit("error: the target is visible")
pq.write_table(pa.table({"prediction": [model.decode()] * table.num_rows}), given.output)
"""
TARGETS = "test.parquet"


@dataclass(frozen=True)
class World:
    """``origin``: the built project; ``store``: its objects; ``source``: where the table is imported from."""

    origin: Path
    store: Path
    source: Path

    def clone(self, folder: Path) -> Path:
        """A checkout as CI makes it: git's files only."""
        git(self.origin, "clone", "-q", str(self.origin), str(folder))
        return folder

    def pull(self, root: Path, wanted: Iterable[str] | None = None, **more: Any) -> None:
        """What gitops_ml.storage.pull does, from a folder."""
        named = {path: out.md5 for entry in locks.read(root).values() for path, out in entry.outs.items()}
        for pointer in (root / "data/raw").glob("*.dvc"):
            named |= stages.table(pointer.read_text(), pointer.relative_to(root).as_posix())
        for path in wanted if wanted is not None else named:
            md5 = named[path]
            stored = self.store / "files/md5" / md5[:2] / md5[2:]
            if not stored.exists():
                raise Fault(f"{path} is not in the store")
            for target in (
                cache_folder(root) / "files/md5" / md5[:2] / md5[2:],
                *([root / path] if more.get("checkout", True) else []),
            ):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(stored, target)
                target.chmod(0o644)


def make(folder: Path) -> World:
    root, source = pipelines.make(folder / "churn"), folder / "source.csv"
    (root / "data/raw/churn.csv").rename(source)
    pipeline = runs.PIPELINE.replace(
        "- data/prepared/train.parquet\n      - reports",
        "- data/prepared/train.parquet\n      - data/prepared/test.parquet\n      - reports",
    )
    assert TARGETS in pipeline
    runs.write(
        root,
        {
            "dvc.yaml": pipeline,
            "src/churn/score.py": SCORE,
            "policy.yaml": "version: 1\nenvironments: [production]\n",
            "make.py": pipelines.MAKE.replace(
                'write_text("rows")\n',
                'write_text("rows")\n    import shutil\n    shutil.copy("results/test.parquet", "data/prepared")\n',
            ),
        },
    )
    rows = pa.table({"tenure": [1, 2, 3], "contract": ["monthly"] * 3, "churned": ["yes", "no", "yes"]})
    pq.write_table(rows, root / "results/test.parquet")
    git(root, "rm", "-q", "--cached", "data/raw/churn.csv")
    pipelines.dvc(root, "import-url", "-q", str(source), "data/raw/churn.csv")
    pipelines.dvc(root, "repro", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "First run")
    shutil.copytree(root / ".dvc/cache", folder / "store")
    return World(root, folder / "store", source)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(runs.ACTIONS))
        return make(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m churn.score` finds the package of the folder it runs in; no workflow is around."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(runs.ACTIONS), "src"]))
    for name in ("GITHUB_ACTIONS", "GITHUB_OUTPUT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def head(world: World, tmp_path: Path) -> Path:
    return world.clone(tmp_path / "head")


def commit(root: Path, files: dict[str, Any], message: str = "change") -> str:
    """Write (None: remove) and commit; the commit's id."""
    for name, content in files.items():
        if content is None:
            (root / name).unlink()
        else:
            runs.write(root, {name: content})
    git(root, "add", "-A", "-f", "--", *files)
    git(root, "commit", "-qm", message)
    return git(root, "rev-parse", "HEAD")


def edit(root: Path, name: str, old: str, new: str) -> dict[str, Any]:
    """A file's new text, for :func:`commit`."""
    text = (root / name).read_text()
    assert old in text
    return {name: json.loads(text.replace(old, new)) if name.endswith(".json") else text.replace(old, new)}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("dvc.lock", True),
        ("MODEL_CARD.md", True),
        ("reports/metrics.json", True),
        ("reports/pictures/roc.svg", True),
        ("reports", False),
        ("reports/.hidden", False),
        ("reports/a/.b/c", False),
        ("reports/../dvc.yaml", False),
        ("/reports/a", False),
        ("./reports/a", False),
        ("reports//a", False),
        ("reports/a\nb", False),
        ("sub/dvc.lock", False),
        ("params.yaml", False),
        ("data/raw/churn.csv.dvc", False),
        ("", False),
    ],
)
def test_only_plain_paths_are_derived(path: str, wanted: bool) -> None:
    assert derived.is_derived(path) is wanted


def test_source_pointers_are_dvc_files_directly_in_data_raw() -> None:
    assert derived.is_source_pointer("data/raw/churn.csv.dvc")
    for path in (
        "data/raw/a/b.dvc",
        "data/raw/.dvc",
        "data/raw/../raw/a.dvc",
        "models/m.dvc",
        "data/raw/a.csv",
    ):
        assert not derived.is_source_pointer(path), path


@pytest.mark.parametrize(
    "path",
    [
        "policy.yaml",
        "overrides.yaml",
        ".github/workflows/x.yml",
        ".dvc/config",
        "CODEOWNERS",
        "docs/CODEOWNERS",
    ],
)
def test_what_judges_is_protected(path: str) -> None:
    assert derived.protected(path)
    assert not derived.documentation(path)


def test_documentation_is_what_nothing_reads() -> None:
    for path in ("README.md", "docs/a.png", "LICENSE", ".gitignore", "notes/x.md"):
        assert derived.documentation(path), path
    for path in ("src/a.md", "MODEL_CARD.md", "reports/a.md", "params.yaml", ".dvcignore", "pyproject.toml"):
        assert not derived.documentation(path), path
