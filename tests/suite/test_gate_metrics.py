"""The judge's metrics are the project's and scikit-learn's; a reported figure is held against the predictions."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn import metrics as theirs
from tests.suite.conftest import TEMPLATE

from gitops_ml.gate import metrics as ours
from gitops_ml.gate.metrics import Rows, agrees, auc, auc_ovr, measure, midranks, primary, r2


def tied(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    truth = draw.random(n) < 0.3
    return truth, np.round(draw.random(n) + 0.3 * truth, 1)  # many ties


@pytest.mark.parametrize("seed", range(5))
def test_the_primary_metrics_are_scikit_learns(seed: int) -> None:
    truth, score = tied(seed)
    assert auc(truth, score) == pytest.approx(theirs.roc_auc_score(truth, score), abs=1e-12)
    draw = np.random.default_rng(seed)
    classes = draw.integers(0, 4, 300)
    scores = np.round(draw.random((300, 4)) + 0.4 * np.eye(4)[classes], 2)
    scores /= scores.sum(axis=1, keepdims=True)
    expected = theirs.roc_auc_score(classes, scores, multi_class="ovr", average="macro")
    assert auc_ovr(classes, scores) == pytest.approx(expected, abs=1e-12)
    number, guess = draw.normal(5, 2, 300), draw.normal(5, 2, 300)
    assert r2(number, guess) == pytest.approx(theirs.r2_score(number, guess), abs=1e-12)


def test_ranks_are_scipys() -> None:
    draw = np.random.default_rng(0)
    unlike, alike = draw.normal(size=500), draw.integers(0, 7, 500).astype(float)
    for values in (
        unlike,
        alike,
        np.concatenate([alike, unlike]),
        np.array([0.0, -0.0, np.inf, -np.inf]),
        np.array([3.0]),
        np.array([]),
    ):
        assert midranks(values).tolist() == rankdata(values).tolist()
    assert midranks(np.array([np.nan, 2.0, np.nan, 1.0])).tolist() == [3.5, 2.0, 3.5, 1.0]


def test_the_other_metrics_are_scikit_learns() -> None:
    draw = np.random.default_rng(1)
    truth = draw.integers(0, 2, 400)
    score = np.clip(np.round(draw.random(400) * 0.7 + 0.2 * truth, 2), 0.01, 0.99)
    found = measure(Rows("binary", truth, np.column_stack([1 - score, score])))
    said = score > 0.5
    for name, value in {
        "average_precision": theirs.average_precision_score(truth, score),
        "log_loss": theirs.log_loss(truth, score),
        "brier": theirs.brier_score_loss(truth, score),
        "accuracy": theirs.accuracy_score(truth, said),
        "balanced_accuracy": theirs.balanced_accuracy_score(truth, said),
        "precision": theirs.precision_score(truth, said),
        "recall": theirs.recall_score(truth, said),
        "f1": theirs.f1_score(truth, said),
    }.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    classes = draw.integers(0, 3, 400)
    scores = draw.random((400, 3)) + 0.5 * np.eye(3)[classes]
    scores /= scores.sum(axis=1, keepdims=True)
    found = measure(Rows("multiclass", classes, scores))
    assert found["macro_f1"] == pytest.approx(
        theirs.f1_score(classes, scores.argmax(axis=1), average="macro"), abs=1e-12
    )
    assert found["log_loss"] == pytest.approx(theirs.log_loss(classes, scores), abs=1e-12)


@pytest.fixture(scope="module")
def project() -> ModuleType:
    """The template's own metrics.py, imported from where it stands."""
    folder = TEMPLATE / "src" / "<<cookiecutter.package_name>>"
    spec = importlib.machinery.ModuleSpec("theproject", None, is_package=True)
    package = importlib.util.module_from_spec(spec)
    package.__path__ = [str(folder)]
    sys.modules["theproject"] = package
    return importlib.import_module("theproject.metrics")


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_every_metric_is_the_projects_own(project: ModuleType, kind: str) -> None:
    draw = np.random.default_rng(7)
    if kind == "regression":
        truth = draw.normal(size=250)
        guess = truth + draw.normal(size=250)
        found, expected = measure(Rows("regression", truth, guess)), project.regression(truth, guess)
    else:
        classes = 2 if kind == "binary" else 3
        truth = draw.integers(0, classes, 250)
        scores = draw.dirichlet(np.ones(classes), 250) * 0.6 + 0.4 * np.eye(classes)[truth]
        scores = np.round(scores, 2) / np.round(scores, 2).sum(axis=1, keepdims=True)
        if kind == "binary":
            expected = project.binary(truth == 0, scores[:, 0], scores.argmax(axis=1) == 0, 1)
            found = measure(Rows("binary", truth, scores, positive=0))
        else:
            expected = project.multiclass(truth, scores, 1)
            found = measure(Rows("multiclass", truth, scores))
    assert sorted(found) == sorted(expected.metrics)
    for name, estimate in expected.metrics.items():
        assert found[name] == pytest.approx(estimate.value, abs=1e-9), name


def test_what_is_not_defined_is_left_out_and_never_zero() -> None:
    ones = np.ones(20, dtype=np.int64)
    scores = np.column_stack([np.linspace(0.6, 0.9, 20), np.linspace(0.4, 0.1, 20)])
    found = measure(Rows("binary", ones, scores))
    assert "roc_auc" not in found and "precision" not in found and found["recall"] == 0
    assert measure(Rows("binary", ones[:1], scores[:1])) == {}
    assert measure(Rows("regression", np.ones(5), np.arange(5.0))).keys() == {"rmse", "mae"}
    scores[3, 1] = np.nan
    assert primary(Rows("binary", np.arange(20) % 2, scores)) is None


def test_a_reported_figure_may_be_rounded_and_no_more() -> None:
    truth, score = tied(2)
    score = score + 1e-4 * np.arange(300)  # no ties
    number = np.random.default_rng(0).normal(size=50)
    for rows in (
        Rows("binary", truth.astype(int), np.column_stack([1 - score, score])),
        Rows("regression", number, number * 0.3),
    ):
        value = primary(rows)
        assert value is not None
        assert agrees(value, rows) and agrees(float(f"{value:.6g}"), rows)
        assert not agrees(value + 2e-6, rows) and not agrees(value - 1e-3, rows)


def test_ties_that_another_processor_breaks_are_not_called_forged() -> None:
    truth = np.array([0, 1] * 50)
    score = np.full(100, 0.5)
    rows = Rows("binary", truth, np.column_stack([1 - score, score]))
    noisy = score + 1e-13 * np.random.default_rng(0).normal(size=100)
    there = primary(rows._replace(scores=np.column_stack([1 - noisy, noisy])))
    assert there is not None and there != 0.5
    assert agrees(there, rows)
    assert not agrees(0.9, Rows("binary", truth, np.column_stack([truth * 0.1, 1 - truth * 0.1])))


def test_the_constants_are_what_a_constant_model_reaches() -> None:
    truth = np.arange(30) % 3
    assert primary(Rows("multiclass", truth, np.full((30, 3), 1 / 3))) == ours.CONSTANT["roc_auc_ovr"]
    assert primary(Rows("binary", truth % 2, np.full((30, 2), 0.5))) == ours.CONSTANT["roc_auc"]
    number = np.arange(30.0)
    assert primary(Rows("regression", number, np.full(30, number.mean()))) == ours.CONSTANT["r2"]
    assert Path(ours.__file__).read_text().count("sklearn") == 0
