"""The gate against the models it compares: gather and judge, and `predict_proba` of both, on the same rows of 30 numbers.

It judges 30 slices, a protected column, two secondary metrics, the rows themselves (leaks, overlap) and a bad day.

The folders are what build and score leave behind, read and judged as a job does, in a process of its own. Both models are
gradient boosting as in a new project, asked for the same rows in that process: what a gate adds to asking them at all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tests.suite import judged

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

ROOT = Path(__file__).resolve().parents[2]
SIZES = {10_000: 5, 100_000: 3, 1_000_000: 1}  # rows -> interleaved repeats
LIMITS = {100_000: 3.0, 1_000_000: 2.0}  # rows -> gate over predict_proba, at most
COLUMNS, GROUPED, GROUPS = 30, 3, 10  # numbers of the model; columns of slices, with so many groups each
TRAINED = 40_000  # rows
PARAMS: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_iter": 200,
    "min_samples_leaf": 10,
    "l2_regularization": 5,
    "early_stopping": False,
}
POLICY: dict[str, Any] = {
    "version": 1,
    "environments": ["production"],
    "quality": {"margin": 0.02, "secondary": {"recall": {"margin": 0.05}, "log_loss": {"margin": 0.05}}},
    "slices": [{"column": f"g{k}"} for k in range(GROUPED)],
    "fairness": {"attributes": ["g0"]},
    "robustness": {"noise": 0.1, "missing": 3},
}
NUMBERS = [f"x{k}" for k in range(COLUMNS)]


def rows(n: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Thirty numbers and a target of them: AUC about 0.9."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, COLUMNS)).astype(np.float64)
    odds = x[:, 0] * 1.5 + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] ** 2 - 0.5
    return x, draw.random(n) < 1 / (1 + np.exp(-odds))


def models() -> list[HistGradientBoostingClassifier]:
    """Champion and challenger: one recipe on two sets of rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return [
        HistGradientBoostingClassifier(**PARAMS, random_state=7).fit(*rows(TRAINED, seed)) for seed in (1, 2)
    ]


def lay(folder: Path, n: int, pair: list[HistGradientBoostingClassifier]) -> np.ndarray[Any, Any]:
    """The folders of build and score for ``n`` test rows; the numbers that both models are asked."""
    folder.mkdir()
    made = judged.Folders(folder, n=200)
    schema = judged.schema_text("binary", {name: {"role": "feature", "type": "number"} for name in NUMBERS})
    made.people["schema.yaml"] = json.dumps(schema).encode()
    (made.base / "schema.yaml").write_bytes(made.people["schema.yaml"])
    x, truth = rows(n, 3)
    draw = np.random.default_rng(4)
    target = pd.Series(np.where(truth, "yes", "no"), name="churned")
    columns = {f"g{k}": draw.integers(0, GROUPS, n).astype(str) for k in range(GROUPED)}
    table = pa.table({**dict(zip(NUMBERS, x.T, strict=True)), **columns, "churned": target})
    known, answers = rows(TRAINED, 2)
    trained = {**dict(zip(NUMBERS, known.T, strict=True)), "churned": np.where(answers, "yes", "no")}
    for name, model in zip(("champion", "challenger"), pair, strict=True):
        scores = model.predict_proba(x)
        said = np.where(scores[:, 1] > 0.5, "yes", "no")
        made.tables[name] = pd.DataFrame(
            {"prediction": said, "score_no": scores[:, 0], "score_yes": scores[:, 1]}
        )
    values = judged.metrics(judged.numbers("binary", target, made.tables["challenger"]), n)
    sha256 = judged.sha256(made.model)
    reports = {
        "metrics": values,
        "evaluation": judged.evaluation("binary", n, sha256),
        "model_card": judged.card(values, sha256),
    }
    made.reports = {
        f"reports/{name}.json": json.dumps(one.model_dump(mode="json")).encode()
        for name, one in reports.items()
    }
    made.objects["data/prepared/test.parquet"] = judged.parquet(table)
    made.objects["data/prepared/train.parquet"] = judged.parquet(pa.table(trained))
    (made.base / "policy.yaml").write_text(json.dumps(POLICY), "utf-8")
    made.write()
    made.score(**bad_day(made, table, pair))
    return x


def bad_day(
    made: judged.Folders, table: pa.Table, pair: list[HistGradientBoostingClassifier]
) -> dict[str, Any]:
    """What both models say of the disturbed rows, and what the manifest says of that."""
    from gitops_ml.contracts.schema import SchemaFile
    from gitops_ml.rows.disturbed import chosen, disturbed, keys

    schema = SchemaFile.read(made.base / "schema.yaml")
    taken = table.select(NUMBERS).take(pa.array(chosen(keys(table.column, schema))))
    emptied = NUMBERS[: POLICY["robustness"]["missing"]]
    whole = disturbed(taken, keys(taken.column, schema), schema, POLICY["robustness"]["noise"], 0, emptied)
    also: dict[str, Any] = {
        "name": "disturbed", "source": "0" * 64, "rows": whole.num_rows, "left_out": 0, "error": None,
    }  # fmt: skip
    for name, model in zip(("champion", "challenger"), pair, strict=True):
        scores = model.predict_proba(whole.to_pandas().to_numpy())
        path = made.scores / f"also-disturbed-{name}.parquet"
        pd.DataFrame({"prediction": "no", "score_no": scores[:, 0], "score_yes": scores[:, 1]}).to_parquet(
            path
        )
        also[name] = {
            "file": path.name, "sha256": judged.sha256(path.read_bytes()), "revision": judged.COMMIT,
            "model_sha256": judged.OLD if name == "champion" else judged.sha256(made.model),
            "rows": whole.num_rows, "seconds": 1.0,
        }  # fmt: skip
    told = {"rows": taken.num_rows, "noise": 0.1, "seed": 0, "columns": emptied, "error": None}
    return {"also": [also], "disturbed": told}


def judge_once(folder: Path) -> dict[str, float]:
    """Seconds of gather and judge, how many slices were judged, on how many rows."""
    from gitops_ml.gate.judge import judge
    from gitops_ml.gate.read import gather

    started = time.perf_counter()
    given = gather(
        folder / "candidate",
        folder / "scores",
        base=folder / "base",
        head=folder / "head",
        today=date(2026, 1, 1),
    )
    verdict = judge(given)
    seconds = time.perf_counter() - started
    found = {check.id: check for check in verdict.checks}
    quality = found["quality/roc_auc"]
    assert all(one.outcome != "unknown" for one in verdict.checks if one.id.startswith("robustness/"))
    assert {"leakage", "data/overlap", "robustness/noise", "robustness/missing"} <= set(found)
    return {"seconds": seconds, "slices": found["slices"].evidence["slices"], "rows": float(quality.n or 0)}


def peak_megabytes(folder: Path) -> tuple[float, float]:
    """Peak resident memory of a process that judges once: before it reads the rows, and in all."""
    script = (
        "import os, sys; from pathlib import Path; from tests.benchmarks.gate import judge_once; "
        "from gitops_ml.build.loop import high_water; "
        "import gitops_ml.gate.judge, gitops_ml.gate.read, pyarrow.parquet; "
        # Not ru_maxrss: a child's begins with what its parent held when it forked.
        "peak = lambda: (high_water(os.getpid()) or 0) / 2**20; "
        "before = peak(); judge_once(Path(sys.argv[1])); print(before, peak())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, after = done.stdout.split()[-2:]
    return float(before), float(after)


def measure(scratch: Path) -> dict[int, dict[str, float]]:
    """Rows -> median seconds of the gate and of both models, slices, rows judged, peak megabytes.

    Raises AssertionError where the gate judged fewer rows or slices than there are.
    """
    import statistics

    pair, found = models(), {}
    for n, repeats in SIZES.items():
        folder = scratch / str(n)
        x = lay(folder, n, pair)
        if n == min(SIZES):
            judge_once(folder)  # imports, once
        gate, asked = [], []
        for _ in range(repeats):
            once = judge_once(folder)
            assert (once["rows"], once["slices"]) == (n, GROUPED * GROUPS), "nothing may be left out"
            gate.append(once["seconds"])
            started = time.perf_counter()
            for model in pair:
                model.predict_proba(x)
            asked.append(time.perf_counter() - started)
        before, after = peak_megabytes(folder)
        found[n] = {
            "gate": statistics.median(gate),
            "predict_proba": statistics.median(asked),
            "before": before,
            "peak": after,
        }
    return found


def notes(found: dict[int, dict[str, float]]) -> list[str]:
    """Memory and growth, as sentences."""
    low, high = min(found), max(found)
    growth = found[high]["gate"] / found[low]["gate"]
    memory = ", ".join(f"{one['peak']:.0f} MB for {n:,} rows" for n, one in found.items())
    return [
        f"The gate's peak memory, with {GROUPED * GROUPS} slices: {memory}, of which {found[low]['before']:.0f} MB are "
        f"libraries. From {low:,} to {high:,} rows it takes {growth:.0f}x the time (linear: {high // low}x). "
        "Every row is judged at every size."
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(Path(scratch))
    for n, one in found.items():
        ratio = one["gate"] / one["predict_proba"]
        limit = f", at most {LIMITS[n]:g}x" if n in LIMITS else ""
        print(
            f"{n:>9,} rows: gate {one['gate']:.2f} s, both models {one['predict_proba']:.2f} s: {ratio:.2f}x{limit}"
        )
    print(*notes(found), sep="\n")
    high, low = max(found), min(found)
    slow = [n for n, limit in LIMITS.items() if found[n]["gate"] > limit * found[n]["predict_proba"]]
    if slow or found[high]["gate"] > high / low * found[low]["gate"]:
        sys.exit(f"error: the gate is too slow at {slow or 'growth'}.")


if __name__ == "__main__":
    main()
