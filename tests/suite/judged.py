"""Evidence made up for the gate: two models of known quality on rows that are drawn here, and the folders they travel in."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tests.suite import runs

from gitops_ml.card.collect import collect
from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.contracts.metrics import Metrics
from gitops_ml.contracts.model_card import ModelCard
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.verdict import Side
from gitops_ml.gate.evidence import Evidence, Player
from gitops_ml.gate.metrics import PRIMARY, Rows, measure
from gitops_ml.gate.past import Past
from gitops_ml.gate.prepared import Overlap, Prepared

NEW, OLD = "4f1c09ab" * 8, "77d0e3aa" * 8
COMMIT = "c0ffee00" * 5
COLUMNS: dict[str, Any] = {
    "customer": {"role": "id", "type": "text"},
    "tenure": {"role": "feature", "type": "integer", "minimum": 0, "maximum": 100},
    "contract": {"role": "feature", "type": "category", "categories": ["monthly", "two-year"]},
}
TARGETS: dict[str, Any] = {
    "binary": {"role": "target", "type": "category", "categories": ["no", "yes"]},
    "multiclass": {"role": "target", "type": "integer", "categories": [0, 1, 2]},
    "regression": {"role": "target", "type": "number"},
}


def schema_text(kind: str, columns: dict[str, Any] | None = None, **target: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "task": "regression" if kind == "regression" else "classification",
        "file": {"format": "csv"},
        "columns": {**(COLUMNS if columns is None else columns), "churned": {**TARGETS[kind], **target}},
    }


def schema(kind: str = "binary", columns: dict[str, Any] | None = None, **target: Any) -> SchemaFile:
    return SchemaFile.parse(schema_text(kind, columns, **target), "schema.yaml")


def rows(kind: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers or numbers, and what a model may know of them, shape (rows,) or (rows, classes)."""
    draw = np.random.default_rng(seed)
    if kind == "regression":
        truth = draw.normal(size=n)
        return truth, truth
    classes = 2 if kind == "binary" else 3
    truth = draw.integers(0, classes, n) if kind == "multiclass" else (draw.random(n) < 0.3).astype(int)
    return truth, 1.5 * np.eye(classes)[truth]


def predictions(kind: str, signal: np.ndarray, noise: np.ndarray) -> pd.DataFrame:
    """A table by the score contract, of a signal and noise of the same shape."""
    if kind == "regression":
        return pd.DataFrame({"prediction": signal + 0.5 * noise})
    labels = TARGETS[kind]["categories"]
    raw = np.exp(signal + noise)
    scores = raw / raw.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "prediction": np.array(labels, dtype=object)[scores.argmax(axis=1)],
            **{f"score_{label}": scores[:, k] for k, label in enumerate(labels)},
        }
    )


def pair(
    kind: str, n: int, seed: int, loss: float = 0.0, apart: float = 0.4
) -> tuple[pd.Series, pd.DataFrame, pd.DataFrame]:
    """Target, champion's and challenger's predictions; models of equal quality but for ``loss`` (of the signal)."""
    truth, signal = rows(kind, n, seed)
    draw = np.random.default_rng((seed, 1))
    common = draw.normal(size=signal.shape)
    own = [np.sqrt(1 - apart**2) * common + apart * draw.normal(size=signal.shape) for _ in range(2)]
    labels = TARGETS[kind].get("categories")
    target = pd.Series(truth if labels is None else [labels[k] for k in truth], name="churned")
    return (
        target,
        predictions(kind, signal, own[0]),
        predictions(kind, signal * (1 - loss), own[1]),
    )


def numbers(kind: str, target: pd.Series, table: pd.DataFrame) -> dict[str, float]:
    """What an honest evaluate stage writes: six digits."""
    labels = TARGETS[kind].get("categories")
    if labels is None:
        found = Rows("regression", target.to_numpy(), table["prediction"].to_numpy())
    else:
        scores = table[[f"score_{label}" for label in labels]].to_numpy()
        truth = np.array([labels.index(value) for value in target])
        found = Rows(kind, truth, scores)  # type: ignore[arg-type]
    return {name: float(f"{value:.6g}") for name, value in measure(found).items()}


def metrics(values: dict[str, float], n: int) -> Metrics:
    content = {name: {"value": value, "low": None, "high": None} for name, value in values.items()}
    return Metrics.parse({"n": n, **content}, "metrics.json")


def evaluation(kind: str, n: int, sha256: str = NEW, **more: Any) -> Evaluation:
    primary = PRIMARY[kind]  # type: ignore[index]
    content = {
        "n": n,
        "model_sha256": sha256,
        "classes": TARGETS[kind].get("categories"),
        "dummy": {primary: 0.0 if kind == "regression" else 0.5},
        **more,
    }
    return Evaluation.parse(runs.evaluation(kind, primary, **content), "evaluation.json")


@cache
def _card() -> ModelCard:
    with tempfile.TemporaryDirectory() as folder:
        return collect(runs.write(Path(folder), runs.binary()))


def card(values: Metrics, sha256: str = NEW) -> ModelCard:
    """A card that shows these figures of this model."""
    made = _card()
    shown = [
        made.performance.primary.model_copy(update={"metric": name, "value": one.value})
        for name, one in values.values.items()
    ]
    return made.model_copy(
        update={
            "model": made.model.model_copy(
                update={"file": made.model.file.model_copy(update={"sha256": sha256})}
            ),
            "performance": made.performance.model_copy(update={"n": values.n, "metrics": shown}),
        }
    )


def prepared(n: int = 600, **changes: Any) -> Prepared:
    """Rows in which nothing is wrong."""
    alone = {"tenure": 0.7, "contract": 0.6}
    return replace(Prepared(3 * n, n, Overlap(0, n, 0.0), alone, min(4 * n, 20_000)), **changes)


@cache
def profile() -> ProfileFile:
    """Of data in which nothing moves."""
    return ProfileFile.parse(runs.binary()["reports/data_profile.json"], "data_profile.json")


def evidence(
    kind: str = "binary",
    n: int = 600,
    seed: int = 0,
    loss: float = 0.0,
    apart: float = 0.4,
    policy: dict[str, Any] | None = None,
    **changes: Any,
) -> Evidence:
    """Honest evidence of two models; ``changes`` replace fields of it."""
    target, old, new = pair(kind, n, seed, loss, apart)
    values = metrics(numbers(kind, target, new), n)
    made = Evidence(
        policy=PolicyFile.parse({"version": 1, "environments": ["production"], **(policy or {})}, "policy"),
        policy_sha256="a" * 64,
        old_schema=schema(kind),
        new_schema=schema(kind),
        test_rows="b" * 64,
        truth=target,
        groups=None,
        columns=pd.DataFrame(index=target.index),
        ids=None,
        challenger=Player(Side(version=None, revision=None, sha256=NEW, predictions="c" * 64), new),
        champion=Player(Side(version="1.0.0", revision=COMMIT, sha256=OLD, predictions="d" * 64), old),
        metrics=values,
        evaluation=evaluation(kind, n),
        card=card(values),
        lock="e" * 40,
        suite="0.1.0",
        prepared=prepared(n),
        profile=profile(),
        past=Past(profile(), schema(kind)),
    )
    return replace(made, **changes)


def timings(times: float = 1.0, asks: int = 100, noise: float = 0.1, seed: int = 0) -> dict[str, Any]:
    """What the clock of a score job says of a challenger that takes so many times as long as the champion (6 ms a row)."""
    draw = np.random.default_rng(seed)

    def asked(rows: int, wanted: int, seconds: float) -> dict[str, Any]:
        taken = {
            who: (factor * seconds * draw.lognormal(0, noise, wanted)).tolist()
            for who, factor in (("champion", 1.0), ("challenger", times))
        }
        return {"rows": rows, "wanted": wanted, "warm": 0, "late": None, **taken}

    return {
        "version": 1,
        "one_row": asked(1, asks, 0.006),
        "batch": asked(200, 20, 0.01),
        "peak_bytes": {"champion": 200_000_000, "challenger": 210_000_000},
        "missing": {},
    }


# ---------------------------------------------------------------- folders


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())


class Folders:
    """base, head, candidate and scores, as the jobs leave them; every test spoils one thing and seals the rest again."""

    def __init__(
        self, root: Path, kind: str = "binary", n: int = 200, model: bytes = b"the model's bytes"
    ) -> None:
        self.root, self.base, self.head = root, root / "base", root / "head"
        self.candidate, self.scores = root / "candidate", root / "scores"
        target, old, new = pair(kind, n, 3)
        self.model = model
        values = metrics(numbers(kind, target, new), n)
        self.tables = {"champion": old, "challenger": new}
        self.people = {"schema.yaml": json.dumps(schema_text(kind)).encode()}
        contract = [("monthly", "two-year")[k % 2] for k in range(n)]
        table = pa.table({"tenure": list(range(n)), "contract": contract, "churned": target.tolist()})
        # Other rows of the same kind, in another order: the gate asks whether the test rows are among them.
        seen = table.set_column(0, "tenure", pa.array([n + k for k in range(n)]))
        training = runs.training(["tenure"], None, "x.Y")
        training["model"] |= {"sha256": sha256(self.model), "size": len(self.model)}
        self.objects = {
            "data/prepared/test.parquet": parquet(table),
            "models/model.skops": self.model,
            "models/training.json": json.dumps(training).encode(),
            "data/prepared/train.parquet": parquet(seen),
        }
        made = card(values, sha256(self.model))
        self.reports = {
            "reports/metrics.json": json.dumps(values.model_dump(mode="json")).encode(),
            "reports/evaluation.json": json.dumps(
                evaluation(kind, n, sha256(self.model)).model_dump(mode="json")
            ).encode(),
            "reports/model_card.json": json.dumps(made.model_dump(mode="json")).encode(),
            "reports/data_profile.json": json.dumps(profile().model_dump(mode="json")).encode(),
        }
        self.champion: dict[str, Any] | None = {
            "version": "1.0.0",
            "revision": COMMIT,
            "sha256": OLD,
            "error": None,
            "size": 20,
        }
        self.timings: dict[str, Any] | None = None
        self.digests: dict[str, str] = {}
        for folder in (self.base, self.head):
            folder.mkdir()
        (self.base / "policy.yaml").write_text("version: 1\nenvironments: [production]\n")
        (self.base / "schema.yaml").write_bytes(self.people["schema.yaml"])

    def lock(self) -> dict[str, Any]:
        def entry(path: str, content: bytes) -> dict[str, Any]:
            return {"path": path, "hash": "md5", "md5": md5(content), "size": len(content)}

        outs = [entry(path, content) for path, content in {**self.objects, **self.reports}.items()]
        deps = [entry(path, content) for path, content in self.people.items()]
        return {"schema": "2.0", "stages": {"all": {"cmd": "make", "deps": deps, "outs": outs}}}

    def write(self, lock: dict[str, Any] | None = None, **manifest: Any) -> Folders:
        """Write everything, sealed. ``lock`` and ``manifest``: another lock, other fields of the candidate's manifest."""
        text = json.dumps(lock or self.lock()).encode()
        files = {"dvc.lock": text, **self.reports}
        for path, content in files.items():
            self._put(self.candidate / "files" / path, content)
        for path, content in self.people.items():
            self._put(self.head / path, content)
        stored = []
        for path, content in self.objects.items():
            self._put(self.candidate / "objects" / md5(content)[:2] / md5(content)[2:], content)
            stored.append({"md5": md5(content), "size": len(content), "path": path})
        sealed = {
            "version": 1,
            "head": COMMIT,
            "merged": None,
            "lock": hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest(),
            "stages": ["train", "evaluate"],
            "files": {path: sha256(content) for path, content in files.items()},
            "removed": [],
            "objects": stored,
            "model": {
                "path": "models/model.skops",
                "sha256": sha256(self.model),
                "size": len(self.model),
            },
            "test_rows": stored[0],
            "suite": "0.1.0",
            "platform": "Linux",
            "seconds": {"train": 1.5},
            **manifest,
        }
        self._put(self.candidate / "manifest.json", json.dumps(sealed).encode())
        return self.score()

    def score(self, **manifest: Any) -> Folders:
        scored = {}
        for who, table in self.tables.items():
            table.to_parquet(self.scores_folder() / f"{who}.parquet", index=False)
            scored[who] = {
                "file": f"{who}.parquet",
                "sha256": sha256((self.scores / f"{who}.parquet").read_bytes()),
                "model_sha256": OLD if who == "champion" else sha256(self.model),
                "revision": COMMIT,
                "rows": len(table),
                "seconds": 0.5,
            }
        content = {
            "version": 1,
            "candidate": sha256((self.candidate / "manifest.json").read_bytes()),
            "test_rows": sha256(self.objects["data/prepared/test.parquet"]),
            "challenger": scored["challenger"],
            "champion": self.champion and {"scored": scored.get("champion"), **self.champion},
            **manifest,
        }
        if self.timings is not None:
            self._put(self.scores / "timings.json", json.dumps(self.timings).encode())
            content["timings"] = sha256((self.scores / "timings.json").read_bytes())
        self._put(self.scores / "manifest.json", json.dumps(content).encode())
        self.digests = {
            "candidate_digest": sha256((self.candidate / "manifest.json").read_bytes()),
            "scores_digest": sha256((self.scores / "manifest.json").read_bytes()),
        }
        return self

    def scores_folder(self) -> Path:
        self.scores.mkdir(exist_ok=True)
        return self.scores

    @staticmethod
    def _put(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
