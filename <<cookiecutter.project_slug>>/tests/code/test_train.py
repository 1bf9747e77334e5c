"""What params.yaml asks of the estimator is done, or refused with the nearest thing that can be done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from <<cookiecutter.package_name>> import artifact
from <<cookiecutter.package_name>>.estimator import TrainError
from <<cookiecutter.package_name>>.params import Params
from <<cookiecutter.package_name>>.schema import Schema
from <<cookiecutter.package_name>>.train import fit

LOGISTIC = "sklearn.linear_model.LogisticRegression"
COLUMNS: dict[str, dict[str, Any]] = {
    "size [m²]": {"role": "feature", "type": "number", "nullable": True},
    "class": {"role": "feature", "type": "category", "nullable": True},
    'say "when"': {"role": "feature", "type": "datetime", "nullable": True},
    "notes 📝": {"role": "feature", "type": "text", "nullable": True},
    "select": {"role": "feature", "type": "boolean", "nullable": True},
    "who": {"role": "group", "type": "category"},
    "y": {"role": "target", "type": "category", "categories": ["no", "yes"]},
}
SCHEMA = Schema.model_validate(
    {
        "version": 1,
        "task": "classification",
        "columns": {name: {"name": name, **column} for name, column in COLUMNS.items()},
    }
)


def rows(number: int = 120) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    size = draw.normal(size=number)
    frame = pd.DataFrame(
        {
            "size [m²]": size,
            "class": np.where(np.arange(number) % 3, "a", "b"),
            'say "when"': pd.date_range("2024-01-01", periods=number, freq="7h").astype("datetime64[us]"),
            "notes 📝": np.where(size > 0, "a fine thing", "a bad thing, really"),
            "select": pd.array(np.arange(number) % 2 == 0, dtype="boolean"),
            "who": [f"w{row % 7}" for row in range(number)],
            "y": np.where(size + draw.normal(size=number) > 0, "yes", "no"),
        }
    )
    for name in list(COLUMNS)[:5]:
        frame.loc[draw.choice(number, 9, replace=False), name] = None
    return frame


def params(split: dict[str, Any] | None = None, **train: Any) -> Params:
    return Params.model_validate(
        {"data": {"table": "t.csv", "split": split or {}}, "train": {"estimator": LOGISTIC, **train}}
    )


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (
            {"estimator": "sklearn.ensemble.RandomForestClasifier"},
            "did you mean sklearn.ensemble.RandomForestClassifier",
        ),
        (
            {"estimator": "sklearn.esemble.RandomForestClassifier"},
            "did you mean sklearn.ensemble.RandomForestClassifier",
        ),
        ({"estimator": "LogisticRegression"}, "did you mean sklearn.linear_model.LogisticRegression"),
        ({"estimator": "nowhere_at_all.Model"}, "uv add nowhere_at_all"),
        ({"params": {"max_itr": 5}}, "did you mean max_iter"),
        ({"params": {"C": -1}}, "cannot be fitted"),
        ({"estimator": "sklearn.linear_model.Ridge"}, "predicts numbers"),
        ({"estimator": "sklearn.svm.LinearSVC"}, "train.calibration: sigmoid"),
        (
            {"estimator": "sklearn.neighbors.KNeighborsClassifier", "class_weight": "balanced"},
            "knows no weights",
        ),
        ({"search": {"strategy": "grid", "space": {"Cc": [1]}}}, "has no parameter 'Cc'"),
        ({"search": {"strategy": "grid", "space": {"C": [1]}, "metric": "rocauc"}}, "did you mean roc_auc"),
        ({"calibration": "sigmoid", "search": {"folds": 70}}, "Use fewer folds or more rows"),
    ],
)
def test_what_cannot_be_is_refused_by_name(train: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainError) as error:
        fit(rows(), SCHEMA, params(**train))
    assert said in str(error.value)


@pytest.mark.parametrize(
    "train",
    [
        {"class_weight": "balanced"},
        {
            "estimator": "sklearn.ensemble.GradientBoostingClassifier",
            "params": {"n_estimators": 3},
            "class_weight": "balanced",
        },
        {"estimator": "sklearn.svm.LinearSVC", "calibration": "sigmoid"},
        {"search": {"strategy": "halving", "space": {"C": [0.1, 1, 10]}, "jobs": 1}},
        {
            "search": {"strategy": "random", "candidates": 2, "space": {"C": [0.1, 1, 10]}, "jobs": 1},
            "calibration": "isotonic",
        },
    ],
)
@pytest.mark.parametrize("strategy", ["random", "group"])
def test_the_same_params_give_the_same_bytes(train: dict[str, Any], strategy: str) -> None:
    settings = params({"strategy": strategy}, **train)
    model, facts = fit(rows(), SCHEMA, settings)
    again, _ = fit(rows(), SCHEMA, settings)
    assert artifact.dumps(model) == artifact.dumps(again)
    assert facts["classes"] == ["no", "yes"]
    assert facts["search"] is None or set(facts["search"]["best_params"]) == {"C"}
    unseen = rows(20)
    unseen["class"], unseen["notes 📝"] = "never seen", None
    assert np.isfinite(model.predict_proba(unseen)).all()


def test_columns_without_a_value_or_a_word_are_no_obstacle() -> None:
    frame = rows(40)
    for name in list(COLUMNS)[:5]:
        frame[name] = pd.Series([None] * 40, dtype=frame[name].dtype)
    frame.loc[0, "select"] = True
    model, _ = fit(frame, SCHEMA, params())
    assert np.isfinite(model.predict_proba(rows(40))).all()
