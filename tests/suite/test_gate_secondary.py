"""Metrics beside the primary one: drawn as repeated rows would be, judged by the same rule, and the tests reported beside."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.suite import judged
from tests.suite.judged import evidence

from gitops_ml.contracts.policy import COMPARED, PolicyFile, Quality
from gitops_ml.contracts.verdict import Check
from gitops_ml.errors import Fault
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.influence import difference
from gitops_ml.gate.judge import judge
from gitops_ml.gate.mcnemar import mcnemar
from gitops_ml.gate.metrics import PRIMARY, Rows, measure
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table
from gitops_ml.gate.weighted import metric
from gitops_ml.report.summary import short


def both(kind: str, n: int, seed: int, **more: Any) -> tuple[Rows, Rows]:
    """Champion's and challenger's rows."""
    table = Table.of(evidence(kind, n, seed, **more))
    assert table.champion is not None
    return table.champion, table.challenger


def check(given: Evidence, name: str) -> Check:
    return next(one for one in judge(given).checks if one.id == name)


def policy(*names: str, margin: float = 0.05, **more: Any) -> dict[str, Any]:
    return {"quality": {"secondary": {name: {"margin": margin, **more} for name in names}}}


# ---------------------------------------------------------------- the figures


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_weighted_metric_is_the_metric_of_repeated_rows(kind: str) -> None:
    _, rows = both(kind, 120, 3)
    draw = np.random.default_rng(1)
    weights = np.concatenate([np.ones((1, 120)), draw.integers(0, 4, (5, 120))])
    every = {name for names in COMPARED.values() for name in names}
    known = {name for name in every if metric(name, rows)}
    assert known == set(COMPARED[rows.kind]) <= set(measure(rows))
    for name in known:
        of = metric(name, rows)
        assert of is not None
        assert of.shares().sum() == pytest.approx(0, abs=1e-12)
        for weight, found in zip(weights, of.of(weights), strict=True):
            again = np.repeat(np.arange(120), weight.astype(int))
            expected = measure(rows._replace(truth=rows.truth[again], scores=rows.scores[again]))[name]
            assert found == pytest.approx(expected, abs=1e-12), name


def test_delong_is_the_definition_written_out() -> None:
    old, new = both("binary", 90, 5)
    scores = [np.round(one.scores[:, 1], 2) for one in (old, new)]  # ties
    truth = new.truth == 1
    wins = [  # every pair of a positive and a negative: DeLong et al. 1988, equations 3 and 4
        (one[truth][:, None] > one[~truth]) + 0.5 * (one[truth][:, None] == one[~truth]) for one in scores
    ]
    m, n = int(truth.sum()), int((~truth).sum())
    ten = np.cov([win.mean(axis=1) for win in wins])
    one = np.cov([win.mean(axis=0) for win in wins])
    contrast = np.array([-1, 1])
    error = math.sqrt(contrast @ (ten / m + one / n) @ contrast)
    rounded = [Rows("binary", new.truth, np.column_stack([1 - score, score])) for score in scores]
    found = difference(*rounded, None)
    assert found is not None
    assert found.estimate == pytest.approx(wins[1].mean() - wins[0].mean(), abs=1e-12)
    assert found.error == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_formulas_error_is_the_bootstraps(kind: str) -> None:
    for groups in (None, pd.Series(np.arange(600) % 60)):
        table = Table.of(evidence(kind, 600, 2, groups=groups))
        sample = Sample.of(table)
        assert sample.champion is not None
        found = difference(sample.champion, sample.rows, sample.groups)
        quality = check(evidence(kind, 600, 2, groups=groups), f"quality/{PRIMARY[kind]}")  # type: ignore[index]
        assert found is not None and quality.low is not None and quality.high is not None
        assert found.estimate == pytest.approx(quality.estimate or 0, abs=1e-6)
        low, high = found.interval(0.95)
        assert high - low == pytest.approx(quality.high - quality.low, rel=0.12)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("grouped", [False, True])
def test_with_many_rows_the_formula_takes_over_and_says_the_same(
    monkeypatch: pytest.MonkeyPatch, kind: str, grouped: bool
) -> None:
    names = {
        "binary": ("recall", "precision", "f1", "accuracy", "balanced_accuracy", "brier", "log_loss"),
        "multiclass": ("macro_f1", "accuracy", "balanced_accuracy", "brier"),
        "regression": ("rmse", "mae"),
    }[kind]
    groups = pd.Series(np.arange(3000) % 600) if grouped else None
    given = evidence(kind, 3000, 7, policy=policy(*names), groups=groups)
    drawn = {one.id: one for one in judge(given).checks}
    monkeypatch.setattr("gitops_ml.gate.quality.MANY", 3000)
    for one in judge(given).checks:
        if not one.id.startswith(("quality/", "secondary/")):
            continue
        assert "formula" in one.evidence["method"] or "delta" in one.evidence["method"]
        assert "seed" not in one.evidence
        old = drawn[one.id]
        assert one.low is not None and one.high is not None and old.low is not None and old.high is not None
        assert one.high - one.low == pytest.approx(old.high - old.low, rel=0.1), one.id
        assert one.low == pytest.approx(old.low, abs=0.15 * (old.high - old.low)), one.id


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (6, 21), (10, 10), (900, 1000), (12, 2)])
def test_mcnemar_is_scipys_binomial_test(lost: int, won: int) -> None:
    found = mcnemar(lost, won)
    if lost + won:
        exact = stats.binomtest(lost, lost + won, 0.5).pvalue
        middle = 2 * stats.binom.cdf(min(lost, won), lost + won, 0.5) - stats.binom.pmf(
            min(lost, won), lost + won, 0.5
        )
        assert found["exact"] == pytest.approx(min(1, exact), abs=1e-6)
        assert found["mid_p"] == pytest.approx(min(1, middle), abs=1e-6)
    assert (found["lost"], found["won"]) == (lost, won)


def test_mcnemars_published_example() -> None:
    # Fagerland et al. 2013, table 1 (airway hyper-responsiveness before and after stem cell transplantation):
    # 1 and 7 discordant pairs; exact 0.070, mid-p 0.039.
    found = mcnemar(1, 7)
    assert found["exact"] == pytest.approx(0.0703125, abs=1e-6)
    assert found["mid_p"] == pytest.approx(0.0390625, abs=1e-6)


# ---------------------------------------------------------------- the checks


def test_nothing_is_compared_that_policy_does_not_name() -> None:
    assert not [one for one in judge(evidence()).checks if one.id.startswith("secondary/")]


def test_a_metric_that_got_worse_blocks_although_the_primary_one_did_not() -> None:
    given = evidence("binary", 3000, 1, apart=0.1, policy=policy("recall", "brier", margin=0.02))
    assert judge(given).overall == "pass"
    assert given.champion is not None and given.challenger.predictions is not None
    # The same ranking, all scores halved: the AUC stays, nearly no row is called positive.
    halved = given.challenger.predictions.copy()
    halved["score_yes"] /= 2
    halved["score_no"] = 1 - halved["score_yes"]
    values = judged.metrics(judged.numbers("binary", given.truth, halved), 3000)
    worse = replace(
        given,
        challenger=replace(given.challenger, predictions=halved),
        metrics=values,
        card=judged.card(values),
    )
    verdict = judge(worse)
    found = {one.id: one for one in verdict.checks}
    assert verdict.overall == "block" and found["quality/roc_auc"].outcome == "pass"
    recall, brier = found["secondary/recall"], found["secondary/brier"]
    assert recall.outcome == "fail" and recall.severity == "block" and (recall.high or 0) < 0
    assert recall.threshold == -0.02 and recall.evidence["outcome"] == "regression"
    # Better when lower: the difference keeps its sign, the rule is turned round.
    assert brier.outcome == "fail" and (brier.low or 0) > 0 and brier.threshold == 0.02


def test_few_rows_cannot_tell_and_a_metric_of_another_task_is_unknown() -> None:
    few = check(evidence("binary", 60, apart=0.9, policy=policy("recall")), "secondary/recall")
    assert (few.outcome, few.severity) == ("unknown", "needs-human") and "Cannot tell" in few.reason
    other = check(evidence("binary", 600, policy=policy("rmse")), "secondary/rmse")
    assert other.outcome == "unknown" and "no metric of a binary model" in other.reason
    assert short(few).startswith("the test rows cannot tell") and short(other).endswith("is unknown")
    with pytest.raises(Fault, match="cannot be compared"):
        evidence(policy=policy("profit"))


def test_models_that_never_decided_differently_may_still_do_so_on_other_rows() -> None:
    given = evidence("binary", 60, apart=0.0, policy=policy("recall", "accuracy", margin=0.02))
    for name in ("secondary/recall", "secondary/accuracy"):
        found = check(given, name)
        assert found.high is not None and found.low is not None
        assert found.high - found.low > 0.08 and found.outcome == "unknown", found
    many = check(evidence("binary", 4000, apart=0.01, policy=policy("recall")), "secondary/recall")
    assert many.outcome == "pass" and (many.low or -1) > -0.01


def test_an_improvement_too_small_to_matter_is_said() -> None:
    base = {"quality": {"minimum_effect": 0.2}}
    given = evidence("binary", 3000, 0, loss=-0.1, policy=base)
    found = check(given, "quality/roc_auc")
    assert found.evidence["outcome"] == "improved" and found.outcome == "pass"
    assert "by less than the 0.2" in found.reason and found.evidence["below_minimum_effect"] == 0.2
    plain = check(evidence("binary", 3000, 0, loss=-0.1), "quality/roc_auc")
    assert plain.reason.endswith("Improved.")


def test_the_same_bytes_are_never_worse_by_any_metric() -> None:
    given = evidence("binary", 25, policy=policy("recall", "log_loss"))  # too few rows to draw from
    assert given.champion is not None
    twin = replace(given.champion, side=given.challenger.side, predictions=given.challenger.predictions)
    verdict = judge(replace(given, champion=twin))
    found = [one for one in verdict.checks if one.id.startswith("secondary/")]
    assert len(found) == 2 and {one.outcome for one in found} == {"pass"}
    assert {(one.estimate, one.low, one.high) for one in found} == {(0.0, 0.0, 0.0)}


@pytest.mark.parametrize("grouped", [False, True])
def test_the_order_of_the_rows_does_not_matter(grouped: bool) -> None:
    groups = pd.Series(np.arange(400) % 40) if grouped else None
    given = evidence("binary", 400, policy=policy("recall", "precision", "brier"), groups=groups)
    assert [c.model_dump() for c in judge(shuffled(given)).checks] == [
        c.model_dump() for c in judge(given).checks
    ]


def shuffled(given: Evidence) -> Evidence:
    """The same rows in another order, the columns too."""
    order = np.random.default_rng(1).permutation(len(given.truth))

    def taken(frame: Any) -> Any:
        return None if frame is None else frame.iloc[order].reset_index(drop=True)

    assert given.champion is not None and given.challenger.predictions is not None
    return replace(
        given,
        truth=taken(given.truth),
        groups=taken(given.groups),
        challenger=replace(
            given.challenger,
            predictions=taken(given.challenger.predictions[given.challenger.predictions.columns[::-1]]),
        ),
        champion=replace(given.champion, predictions=taken(given.champion.predictions)),
    )


def test_policy_says_what_it_means() -> None:
    assert Quality().secondary == {}
    read = PolicyFile.parse(
        {"version": 1, "environments": ["production"], **policy("recall", minimum_effect=0.01)}, "policy.yaml"
    )
    assert read.quality.secondary["recall"].minimum_effect == 0.01
