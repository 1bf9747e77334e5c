"""Fairness, calibration and flips: the figures are the field's own, what stays unknown is said, planted harm is found."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.suite import judged, runs
from tests.suite.judged import evidence
from tests.suite.test_gate_secondary import shuffled
from tests.suite.test_gate_slices import one, spoiled

from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.errors import Fault
from gitops_ml.gate.bootstrap import draw as bootstrap_draw
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.judge import judge
from gitops_ml.gate.metrics import Rows, measure
from gitops_ml.gate.quality import MANY
from gitops_ml.gate.rates import Counter, bands_of, flat


def given(kind: str = "binary", n: int = 900, seed: int = 0, columns: Any = None, **policy: Any) -> Evidence:
    base = evidence(kind, n, seed, apart=0.1)
    made = PolicyFile.parse({"version": 1, "environments": ["production"], **policy}, "policy")
    return replace(base, policy=made, columns=pd.DataFrame(columns or {}, index=range(n)))


def with_scores(base: Evidence, score: np.ndarray, truth: np.ndarray | None = None) -> Evidence:
    """Binary evidence whose challenger says these scores."""
    target = base.truth if truth is None else pd.Series(np.where(truth, "yes", "no"))
    table = pd.DataFrame(
        {
            "prediction": np.where(score > 0.5, "yes", "no"),
            "score_no": 1 - score,
            "score_yes": score,
        }
    )
    values = judged.metrics(judged.numbers("binary", target, table), len(table))
    return replace(
        base,
        truth=target,
        challenger=replace(base.challenger, predictions=table),
        metrics=values,
        card=judged.card(values),
    )


# ---------------------------------------------------------------- fairness


def test_the_figures_are_fairlearns() -> None:
    # fairlearn 0.15: demographic_parity_ratio, equalized_odds_difference and MetricFrame of these rows.
    draw = np.random.RandomState(7)
    plan, truth = draw.randint(0, 3, 900), draw.random_sample(900) < 0.4
    score = np.round(np.clip(draw.random_sample(900) * 0.8 + 0.25 * truth - 0.08 * plan, 0.01, 0.99), 3)
    base = given(columns={"plan": plan}, fairness={"attributes": ["plan"]})
    check = one(judge(with_scores(base, score, truth)), "fairness/plan")
    ratio = check.evidence["demographic_parity_ratio"]
    odds = check.evidence["equalized_odds_difference"]
    assert ratio["challenger"] == pytest.approx(0.6228435711972364, abs=1e-6)
    assert odds["challenger"] == pytest.approx(0.23497375328083986, abs=1e-6)
    groups = {entry["group"]: entry for entry in check.evidence["groups"]}
    for label, expected in {
        "0": (0.4952681388012618, 0.6916666666666667, 0.3756345177664975),
        "1": (0.375, 0.5081967213114754, 0.27710843373493976),
        "2": (0.30847457627118646, 0.4566929133858268, 0.19642857142857142),
    }.items():
        names = ("positive_answers", "true_positives", "false_positives")
        found = [groups[label][name] for name in names]
        assert [share[0] for share in found] == pytest.approx(expected, abs=1e-6)
        assert all(low < share < high for share, low, high in found)
    assert ratio["low"] < ratio["challenger"] < ratio["high"]
    assert odds["low"] < odds["challenger"] < odds["high"]
    assert check.severity == "note" and check.outcome == "fail"


def test_an_unfair_model_stops_where_policy_says_so_and_is_held_against_the_champion() -> None:
    plan = np.array(["a", "b", "c"] * 500)
    fair = given(n=1500, columns={"plan": plan}, fairness={"attributes": ["plan"], "severity": "block"})
    check = one(judge(fair), "fairness/plan")
    assert (
        check.outcome in ("pass", "unknown") and check.evidence["equalized_odds_difference"]["champion"] < 0.1
    )
    assert fair.challenger.predictions is not None
    score = fair.challenger.predictions["score_yes"].to_numpy().copy()
    score[plan == "c"] /= 3
    verdict = judge(with_scores(fair, score))
    check = one(verdict, "fairness/plan")
    assert verdict.overall == "block" and (check.outcome, check.severity) == ("fail", "block")
    odds = check.evidence["equalized_odds_difference"]
    assert odds["change_low"] > 0 and odds["low"] > 0.1 and "The champion's are" in check.reason
    alone = judge(replace(with_scores(fair, score), champion=None))
    assert one(alone, "fairness/plan").outcome == "fail" and alone.overall == "block"


def test_undeclared_is_a_note_and_absent_is_said() -> None:
    note = one(judge(given()), "fairness")
    assert (note.severity, note.outcome) == ("note", "unknown") and "not declared" in note.reason
    absent = one(judge(given(fairness={"absent": "rows are machines"})), "fairness")
    assert absent.outcome == "pass" and absent.reason.endswith("rows are machines")
    with pytest.raises(Fault, match="keep one of the two"):
        given(fairness={"absent": "rows are machines", "attributes": ["plan"]})


def test_what_cannot_be_looked_at_is_unknown() -> None:
    policy = {"attributes": ["plan"], "severity": "needs-human"}
    for made, words in (
        (given(fairness=policy), "no such column"),
        (given("multiclass", columns={"plan": [0, 1] * 450}, fairness=policy), "two classes"),
        (given(columns={"plan": [0] * 880 + [1] * 20}, fairness=policy), "fewer than two have"),
    ):
        verdict = judge(made)
        check = one(verdict, "fairness/plan")
        assert check.outcome == "unknown" and words in check.reason and verdict.overall == "needs-human"
    small = given(columns={"plan": [0] * 440 + [1] * 440 + [2] * 20}, fairness=policy)
    assert "2 (n = 20)" in one(judge(small), "fairness/plan").reason


# ---------------------------------------------------------------- calibration


def test_the_calibration_error_is_that_of_its_definition() -> None:
    base = given(n=900, seed=3)
    check = one(judge(base), "calibration")
    for who, player in (("challenger", base.challenger), ("champion", base.champion)):
        assert player is not None and player.predictions is not None
        score = player.predictions["score_yes"].to_numpy()
        truth = (base.truth == "yes").to_numpy()
        ranked = np.argsort(score)
        bins = [ranked[90 * k : 90 * (k + 1)] for k in range(10)]
        by_hand = sum(abs(truth[own].mean() - score[own].mean()) / 10 for own in bins)
        found = check.evidence["ece"][who]
        assert found["value"] == pytest.approx(by_hand, abs=1e-6)
        assert found["low"] <= found["value"] <= found["high"]
    gap = check.estimate
    assert gap == pytest.approx((check.challenger or 0) - (check.champion or 0), abs=1e-6)
    own = measure(Rows("binary", truth.astype(int), np.column_stack([1 - score, score])))
    assert check.champion == pytest.approx(own["brier"], abs=1e-6)


def test_a_miscalibrated_model_is_said_and_stops_where_policy_says_so() -> None:
    base = given(n=2000, calibration={"severity": "needs-human"})
    assert one(judge(base), "calibration").outcome == "pass"
    assert base.challenger.predictions is not None
    score = base.challenger.predictions["score_yes"].to_numpy()
    # The same ranking and the same decisions: only the shares are wrong.
    sure = np.where(score > 0.5, 0.9 + score / 10, score / 2.5 + 0.29)
    verdict = judge(with_scores(base, sure))
    check = one(verdict, "calibration")
    assert one(verdict, "quality/roc_auc").outcome == "pass"
    assert check.outcome == "fail" and verdict.overall == "needs-human"
    assert check.evidence["ece"]["challenger"]["low"] > check.evidence["ece"]["champion"]["high"]
    assert one(judge(replace(base, champion=None)), "calibration").outcome == "pass"
    assert not [c for c in judge(given("regression")).checks if c.id in ("calibration", "flips")]


# ---------------------------------------------------------------- flips


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_flips_are_counted_and_the_surest_are_named(kind: str) -> None:
    base = replace(given(kind), ids=pd.Series([f"c{k}" for k in range(900)]))
    assert base.champion is not None and base.champion.predictions is not None
    assert base.challenger.predictions is not None
    old, new = base.champion.predictions["prediction"], base.challenger.predictions["prediction"]
    check = one(judge(base), "flips")
    assert check.evidence["rows"] == int((old != new).sum()) > 0
    assert check.evidence["to_right"] == int(((old != new) & (new == base.truth)).sum())
    assert check.evidence["from_right"] == int(((old != new) & (old == base.truth)).sum())
    assert (check.severity, check.outcome) == ("note", "pass")
    shown = check.evidence["confident"]
    assert len(shown) == min(10, check.evidence["rows"])
    surest = [min(entry["champion_score"], entry["challenger_score"]) for entry in shown]
    assert surest == sorted(surest, reverse=True)
    for entry in shown:
        k = int(entry["row"][1:])
        assert (entry["champion"], entry["challenger"]) == (old[k], new[k])
        assert entry["truth"] == base.truth[k]
    assert isinstance(one(judge(replace(base, ids=None)), "flips").evidence["confident"][0]["row"], int)


def test_too_many_flips_stop_where_policy_says_so() -> None:
    base = given(flips={"limit": 0.1, "severity": "needs-human"}, quality={"margin": 0.6})
    assert judge(base).overall == "pass"
    verdict = judge(spoiled(base, np.arange(900) % 2 == 0))
    assert one(verdict, "flips").outcome == "fail" and verdict.overall == "needs-human"
    assert "policy.yaml allows 10.00%" in one(verdict, "flips").reason


@pytest.mark.parametrize("grouped", [False, True])
def test_the_order_of_rows_and_columns_does_not_matter(grouped: bool) -> None:
    draw = np.random.default_rng(2)
    base = given(
        n=600,
        columns={"plan": draw.choice(["a", "b"], 600), "age": draw.integers(0, 3, 600)},
        fairness={"attributes": ["plan", "age"]},
    )
    assert base.challenger.predictions is not None and base.champion is not None
    coarse = base.challenger.predictions["score_yes"].round(1).to_numpy()  # many ties, and alike rows
    base = with_scores(base, coarse)
    base = replace(
        base,
        ids=pd.Series([f"c{k:03}" for k in range(600)]),
        groups=pd.Series(np.arange(600) % 60) if grouped else None,
    )
    order = np.random.default_rng(1).permutation(600)  # the one that `shuffled` makes
    assert base.ids is not None
    again = replace(
        shuffled(base),
        columns=base.columns[["age", "plan"]].iloc[order].reset_index(drop=True),
        ids=base.ids.iloc[order].reset_index(drop=True),
    )
    assert judge(again).digest() == judge(base).digest()


PROGRAM = """
import numpy as np, pandas as pd
from tests.suite.test_gate_fairness import given
from gitops_ml.gate.judge import judge
draw = np.random.default_rng(0)
policy = {"slices": [{"column": "plan"}, {"column": "age", "quantiles": 4}], "slices_cross": [["plan", "age"]],
          "fairness": {"attributes": ["plan"]}, "quality": {"secondary": {"recall": {"margin": 0.05}, "log_loss": {"margin": 0.1}}}}
columns = {"plan": draw.choice(["é", "z", "I", "i"], 3000), "age": draw.random(3000)}
print(judge(given(n=3000, columns=columns, **policy)).digest())
"""


def test_threads_hash_seed_and_locale_do_not_matter() -> None:
    said = set()
    for threads, seed, locale in (("1", "1", "C"), ("2", "77", "C.UTF-8"), ("2", "3", "tr_TR.UTF-8")):
        env = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "PYTHONHASHSEED": seed,
            "LC_ALL": locale,
            "PYTHONUTF8": "1",
            "PYTHONPATH": f"{runs.ACTIONS}:{runs.ACTIONS.parent}",
        }
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1 and len(said.pop().strip()) == 64


def test_counts_of_cells_are_drawn_as_rows_are() -> None:
    """The short way of many rows: the same bands but for the accident of other draws."""
    draw = np.random.default_rng(0)
    cells = np.sort(draw.choice(16, 4000, p=np.arange(1, 17) / 136))
    numbers, starts = np.unique(cells, return_index=True)
    counter = Counter(numbers, starts, len(cells), 2, 2)
    own = counter.rates(np.ones((1, len(cells))))
    repeats = 2000
    weights = np.concatenate(list(bootstrap_draw(np.array([len(cells)]), repeats, 1, None))).astype(float)
    long, short = counter.rates(weights), counter.drawn(repeats, 2)
    for side in range(2):
        of_rows, of_counts = (bands_of(flat([one[side]]), own[side], 0.95) for one in (long, short))
        assert of_counts == pytest.approx(of_rows, abs=0.01)
        for rows, counts in zip(long[side].three, short[side].three, strict=True):
            assert counts.mean(axis=0) == pytest.approx(rows.mean(axis=0), abs=0.003)
            assert counts.std(axis=0) == pytest.approx(rows.std(axis=0), rel=0.12)
    assert all(rates.rows.sum() == repeats * len(cells) for rates in short)
    again = counter.drawn(repeats, 2)
    assert (flat(again) == flat(short)).all() and (flat(counter.drawn(repeats, 3)) != flat(short)).any()


def test_many_rows_are_counted_and_few_or_clustered_ones_are_drawn() -> None:
    n = MANY
    sex = pd.DataFrame({"sex": np.where(np.arange(n) % 3, "f", "m")})
    policy = {"quality": {"repeats": 200}, "fairness": {"attributes": ["sex"]}}

    def method(rows: int, **more: Any) -> str:
        given = replace(judged.evidence("binary", rows, policy=policy), columns=sex.head(rows), **more)
        found = {check.id: check for check in judge(given).checks}["fairness/sex"]
        assert found.n == rows
        return str(found.evidence["method"])

    assert method(n).endswith("draws of rows, counted by cell")
    assert method(n - 1).endswith("draws of rows")
    assert method(n, groups=pd.Series(np.arange(n) % 500)).endswith("draws of groups")
