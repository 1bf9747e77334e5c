"""The interval: right in the long run, the same for the same rows in any order, and fast."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from tests.suite import judged, runs

from gitops_ml.gate.bootstrap import Interval, draw, paired
from gitops_ml.gate.metrics import auc, r2


def arrays(kind: str, n: int, seed: int, **more: float) -> tuple[Any, Any, Any]:
    target, old, new = judged.pair(kind, n, seed, **more)
    if kind == "regression":
        return target.to_numpy(), old["prediction"].to_numpy(), new["prediction"].to_numpy()
    labels = judged.TARGETS[kind]["categories"]
    truth = np.array([labels.index(value) for value in target])
    if kind == "binary":
        return truth == 1, old["score_yes"].to_numpy(), new["score_yes"].to_numpy()
    names = [f"score_{label}" for label in labels]
    return truth, old[names].to_numpy(), new[names].to_numpy()


def drawn(kind: str, arrays_: tuple[Any, Any, Any], repeats: int = 400, **more: Any) -> Interval:
    return paired(kind, *arrays_, **{"level": 0.95, "repeats": repeats, "seed": 0, **more})  # type: ignore[arg-type]


def test_a_draw_weighs_rows_as_repeating_them_would() -> None:
    truth, old, new = arrays("binary", 120, 1)
    order = np.lexsort((new, old, truth))
    truth, old, new = truth[order], old[order], new[order]
    sizes = np.array([(~truth).sum(), truth.sum()])
    weights = np.concatenate(list(draw(sizes, 50, 0, None)))
    assert weights.shape == (50, 120) and (weights[:, truth].sum(axis=1) == truth.sum()).all()
    by_hand = []
    for weight in weights:
        rows = np.repeat(np.arange(120), weight)
        by_hand.append((auc(truth[rows], new[rows]) or 0) - (auc(truth[rows], old[rows]) or 0))
    found = drawn("binary", (truth, old, new), 50)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])), abs=1e-12)


def test_a_draw_of_a_regression_and_of_groups_is_the_same_by_hand() -> None:
    truth, old, new = arrays("regression", 90, 1)
    groups = np.arange(90) % 15
    order = np.lexsort((groups, new, old, truth))
    truth, old, new, groups = truth[order], old[order], new[order], groups[order]
    weights = np.concatenate(list(draw(np.array([15]), 60, 0, groups)))
    by_hand = []
    for weight in weights:
        assert all(len(set(weight[groups == g])) == 1 for g in range(15))
        rows = np.repeat(np.arange(90), weight)
        by_hand.append((r2(truth[rows], new[rows]) or 0) - (r2(truth[rows], old[rows]) or 0))
    found = drawn("regression", (truth, old, new), 60, groups=groups)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])), abs=1e-9)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_order_of_the_rows_does_not_matter_and_the_seed_does(kind: str) -> None:
    given = arrays(kind, 300, 4)
    shuffled = np.random.default_rng(0).permutation(300)
    again = tuple(one[shuffled] for one in given)
    assert drawn(kind, given) == drawn(kind, again)  # type: ignore[arg-type]
    assert drawn(kind, given) != drawn(kind, given, seed=1)
    groups = np.arange(300) // 10
    assert drawn(kind, given, groups=groups) == drawn(kind, again, groups=groups[shuffled])  # type: ignore[arg-type]


def test_threads_and_hash_seed_do_not_matter() -> None:
    program = (
        "from tests.suite.test_gate_bootstrap import arrays, drawn\n"
        "for kind in ('binary', 'regression'): print(drawn(kind, arrays(kind, 5000, 1), 200))"
    )
    said = set()
    for threads, seed in (("1", "1"), ("2", "77")):
        env = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": f"{runs.ACTIONS}:{runs.ACTIONS.parent}",
        }
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(kind: str) -> None:
    # Both models are equally good, so the true difference is zero.
    missed = 0
    for seed in range(200):
        found = drawn(kind, arrays(kind, 200, 1000 + seed), 300, level=0.9)
        assert found.low is not None and found.high is not None
        missed += not found.low <= 0 <= found.high
    assert 8 <= missed <= 36  # 20 expected; wider than 3 standard deviations on both sides


def test_groups_make_the_interval_wider_where_rows_repeat_each_other() -> None:
    truth, old, new = arrays("binary", 100, 5)
    ten = tuple(np.repeat(one, 10) for one in (truth, old, new))
    groups = np.repeat(np.arange(100), 10)
    naive, grouped, few = (
        drawn("binary", ten),
        drawn("binary", ten, groups=groups),
        drawn("binary", (truth, old, new)),
    )  # type: ignore[arg-type]

    def width(found: Interval) -> float:
        assert found.low is not None and found.high is not None
        return found.high - found.low

    assert width(naive) < 0.5 * width(grouped)
    assert width(grouped) == pytest.approx(width(few), rel=0.3)


@pytest.mark.parametrize(
    ("kind", "given", "groups", "words"),
    [
        ("binary", arrays("binary", 25, 1), None, "rarest class"),
        ("regression", arrays("regression", 9, 1), None, "9 rows"),
        ("regression", arrays("regression", 90, 1), np.arange(90) % 9, "9 groups"),
        ("binary", (np.ones(50, dtype=bool), np.arange(50.0), np.arange(50.0)), None, "one class"),
        # Nine of ten groups hold one class only, and the draws often miss the tenth.
        (
            "binary",
            (np.arange(100) % 10 == 0, np.arange(100.0), np.arange(100.0)),
            np.arange(100) % 10,
            "many draws",
        ),
    ],
)
def test_too_few_rows_give_no_interval_and_say_why(kind: str, given: Any, groups: Any, words: str) -> None:
    found = drawn(kind, given, groups=groups)
    assert found.low is None and found.high is None and words in found.reason


def test_two_thousand_repeats_of_a_hundred_thousand_rows_take_seconds() -> None:
    given = arrays("binary", 100_000, 1)
    started = time.process_time()
    found = drawn("binary", given, 2000)
    assert time.process_time() - started < 12
    assert found.low is not None and found.high is not None and found.high - found.low < 0.01
