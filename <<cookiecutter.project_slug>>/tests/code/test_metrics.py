"""Metrics agree with scikit-learn; intervals hold the truth about as often as they say; nothing is made
up."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from <<cookiecutter.package_name>> import intervals, metrics


def two(rows: int, seed: int = 0):
    draw = np.random.default_rng(seed)
    truth = draw.random(rows) < 0.4
    score = np.round(
        1 / (1 + np.exp(-(truth + draw.normal(size=rows)))), 2
    )  # rounded, so that there are ties
    return truth, score


def test_two_classes_as_scikit_learn() -> None:
    truth, score = two(300)
    predicted = score > 0.5
    found = metrics.binary(truth, score, predicted, 0)
    expected = {
        "roc_auc": reference.roc_auc_score(truth, score),
        "average_precision": reference.average_precision_score(truth, score),
        "log_loss": reference.log_loss(truth, score),
        "brier": reference.brier_score_loss(truth, score),
        "accuracy": reference.accuracy_score(truth, predicted),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, predicted),
        "precision": reference.precision_score(truth, predicted),
        "recall": reference.recall_score(truth, predicted),
        "f1": reference.f1_score(truth, predicted),
    }
    for name, value in expected.items():
        estimate = found.metrics[name]
        assert estimate.value == pytest.approx(value, abs=1e-9), name
        assert estimate.low < value < estimate.high, name
    assert metrics.binary(truth, score, predicted, 0) == found


def test_three_classes_and_numbers_as_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, 200)
    scores = draw.dirichlet([1, 1, 1], 200) + 0.5 * np.eye(3)[truth]
    scores /= scores.sum(axis=1, keepdims=True)
    found = metrics.multiclass(truth, scores, 0).metrics
    assert found["roc_auc_ovr"].value == pytest.approx(
        reference.roc_auc_score(truth, scores, multi_class="ovr")
    )
    assert found["macro_f1"].value == pytest.approx(
        reference.f1_score(truth, scores.argmax(axis=1), average="macro")
    )
    assert found["log_loss"].value == pytest.approx(reference.log_loss(truth, scores))
    wanted = draw.normal(size=200)
    said = wanted + draw.normal(size=200) / 2
    numbers = metrics.regression(wanted, said).metrics
    assert numbers["r2"].value == pytest.approx(reference.r2_score(wanted, said))
    assert numbers["rmse"].value == pytest.approx(reference.root_mean_squared_error(wanted, said))
    assert numbers["mae"].value == pytest.approx(reference.mean_absolute_error(wanted, said))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth, score = two(200_000, seed=1)
    area = intervals.roc_auc(truth, score).value
    held = 0
    for start in range(0, 60_000, 300):
        some = intervals.roc_auc(truth[start : start + 300], score[start : start + 300])
        held += some.low <= area <= some.high
    assert 0.90 <= held / 200 <= 0.99


def test_what_is_not_defined_is_left_out_with_a_reason() -> None:
    truth = np.zeros(20, dtype=bool)
    found = metrics.binary(truth, np.linspace(0, 0.4, 20), truth, 0)
    assert found.left_out["roc_auc"] == "the test rows are of one class"
    assert found.left_out["precision"] == "no row is predicted positive"
    assert "recall" in found.left_out and "accuracy" in found.metrics
    assert "r2" in metrics.regression(np.ones(5), np.ones(5)).left_out
    assert not metrics.regression(np.ones(1), np.ones(1)).metrics


def test_a_perfect_model_is_not_certain() -> None:
    truth = np.arange(40) % 2 == 0
    area = intervals.roc_auc(truth, truth.astype(float))
    assert (area.value, area.high) == (1.0, 1.0) and 0.8 < area.low < 0.9
