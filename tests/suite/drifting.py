"""A released model that is watched: a small project with test rows, a model, and a pointer, made by hand; and rows of today."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from tests.suite import runs
from tests.suite.pipelines import dvc, git

from gitops_ml.build import lock as locks
from gitops_ml.build import pipeline as stages
from gitops_ml.contracts.drift import DriftFile
from gitops_ml.drift.check import Tools, check
from gitops_ml.errors import Fault

SCHEMA = """\
version: 1
task: classification
file: {format: csv, delimiter: ',', decimal: ., encoding: utf-8}
columns:
  row: {role: id, type: integer}
  age: {role: feature, type: integer, minimum: 0, maximum: 120}
  spend: {role: feature, type: number, minimum: 0, maximum: 1000}
  visits: {role: feature, type: number, nullable: true}
  plan: {role: feature, type: category, categories: [basic, pro, team]}
  active: {role: feature, type: boolean}
  note: {role: feature, type: text, nullable: true}
  refund: {role: feature, type: number, nullable: true, available: false}
  secret: {role: ignored, type: text}
  churned: {role: target, type: category, categories: ['no', 'yes'], positive: 'yes'}
"""
SCORE = """\
import argparse, hashlib, math, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq

parser = argparse.ArgumentParser()
for name in ("model", "input", "output", "sha256"):
    parser.add_argument("--" + name)
given = parser.parse_args()
if hashlib.sha256(Path(given.model).read_bytes()).hexdigest() != given.sha256:
    sys.exit("error: another model")
table = pq.read_table(given.input)
if "churned" in table.column_names:
    sys.exit("error: the target is visible")
yes = [1 / (1 + math.exp(-((value or 0) - 300) / 100)) for value in table["spend"].to_pylist()]
said = ["yes" if one > 0.5 else "no" for one in yes]
columns = {"row": table["row"], "prediction": said, "score_no": [1 - one for one in yes], "score_yes": yes}
pq.write_table(pa.table(columns), given.output)
"""
TABLE, TEST, MODEL = "data/raw/churn.csv", "data/prepared/test.parquet", "models/model.skops"
NONE: tuple[str, ...] = ()


def rows(n: int, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    """Rows of one and the same kind, but for ``shift`` (in standard deviations of every number)."""
    draw = np.random.default_rng(seed)
    spend = np.clip(draw.normal(300 + 80 * shift, 80, n), 0, 1000)
    return pd.DataFrame(
        {
            "row": np.arange(n) + seed * 1_000_000,
            "age": np.clip(draw.normal(45 + 12 * shift, 12, n), 0, 120).astype(int),
            "spend": spend.round(3),
            "visits": draw.normal(10 + 3 * shift, 3, n).round(3),
            "plan": draw.choice(["basic", "pro", "team"], n, p=[0.5, 0.3, 0.2]),
            "active": draw.random(n) < 0.6,
            "note": "good",
            "refund": 1.5,
            "secret": "hush",
            "churned": np.where(draw.random(n) < 1 / (1 + np.exp(-(spend - 300) / 100)), "yes", "no"),
        }
    )


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Watched:
    """``root``: a checkout of main; ``store``: md5 -> bytes; ``source``: where the imported table comes from."""

    root: Path
    store: Path
    source: Path

    def pull(self, root: Path, wanted: Iterable[str] | None = None, **_: Any) -> None:
        """What gitops_ml.storage.pull does, from a folder."""
        named = {path: out.md5 for entry in locks.read(root).values() for path, out in entry.outs.items()}
        for pointer in root.rglob("*.dvc"):
            if pointer.is_file():
                named |= stages.table(pointer.read_text(), pointer.relative_to(root).as_posix())
        for path in wanted or named:
            stored = self.store / named[path]
            if not stored.exists():
                raise Fault(f"{path} is not in the store")
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(stored, root / path)

    @property
    def out(self) -> Path:
        return self.root.parent / "drift"

    def check(self, **more: Any) -> tuple[DriftFile, str]:
        tools = {"pull": self.pull, "install": NONE, "say": lambda text: None}
        return check(self.root, self.out, Tools(**{**tools, **more}))

    def policy(self, **drift: Any) -> None:
        content = {"version": 1, "environments": ["production"], "drift": drift}
        (self.root / "policy.yaml").write_text(json.dumps(content), "utf-8")

    def today(self, frame: pd.DataFrame, name: str = "data/current/today.csv", **policy: Any) -> None:
        """Put rows where policy.yaml says they are."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".csv"):
            frame.to_csv(path, index=False)
        elif name.endswith(".jsonl"):
            frame.to_json(path, orient="records", lines=True)
        else:
            frame.to_parquet(path)
        self.policy(**{"current": "data/current", **policy})


def make(folder: Path) -> Watched:
    """The project: v1.0.0 is released and served; its table is imported from ``source``."""
    root, source, store = folder / "churn", folder / "source.csv", folder / "store"
    store.mkdir(parents=True)
    prepared = rows(400, seed=1).drop(columns="secret")
    runs.write(root, {"schema.yaml": SCHEMA, "src/churn/score.py": SCORE, "src/churn/__init__.py": ""})
    runs.write(
        root,
        {
            ".gitops-ml.yaml": "answers: {project_slug: churn, package_name: churn}\n",
            "dvc.yaml": "stages: {all: {cmd: make}}\n",
            ".gitignore": "/data/prepared/\n/models/\n/drift/\n",
            ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n    autostage = false\n",
            ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
            "params.yaml": f"data:\n  table: {TABLE}\n  split: {{strategy: random, test_size: 0.25, seed: 1}}\n",
            "policy.yaml": "version: 1\nenvironments: [production]\n",
        },
    )
    rows(1200, seed=2).to_csv(source, index=False)
    git(root, "init", "-q", "-b", "main")
    (root / "data/raw").mkdir(parents=True)
    dvc(root, "import-url", "-q", str(source), TABLE)
    (root / "data/prepared").mkdir(parents=True)
    prepared.to_parquet(root / TEST)
    (root / "models").mkdir()
    (root / MODEL).write_bytes(b"model one")
    contents = {path: (root / path).read_bytes() for path in (TABLE, TEST, MODEL)}
    for content in contents.values():
        (store / md5(content)).write_bytes(content)
    entry = {
        "cmd": "make",
        "deps": [{"path": TABLE, "hash": "md5", "md5": md5(contents[TABLE]), "size": 1}],
        "outs": [
            {"path": path, "hash": "md5", "md5": md5(contents[path]), "size": len(contents[path])}
            for path in (TEST, MODEL)
        ],
    }
    with (root / "dvc.lock").open("w") as file:
        YAML().dump({"schema": "2.0", "stages": {"all": entry}}, file)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Released")
    pointer = {
        "model": "churn",
        "version": "v1.0.0",
        "revision": git(root, "rev-parse", "HEAD"),
        "path": MODEL,
        "sha256": hashlib.sha256(b"model one").hexdigest(),
        "size": 9,
        "image": None,
        "verdict": "pass",
        "promoted_from": None,
    }
    runs.write(root, {"deploy/production/model.yaml": json.dumps(pointer)})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Serve v1.0.0")
    shutil.rmtree(root / ".dvc/cache", ignore_errors=True)
    for path in (TABLE, TEST, MODEL):
        (root / path).unlink()
    return Watched(root, store, source)
