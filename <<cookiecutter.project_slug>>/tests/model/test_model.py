"""The model earns its place: better than a dummy, and the same for a row alone as for a row among others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from <<cookiecutter.package_name>>.schema import Schema


def test_better_than_a_dummy(
    schema: Schema, needed: Callable[[str], Path], record_property: Callable[[str, object], None]
) -> None:
    """The primary metric beats always saying the mean, or the shares of the classes."""
    numbers = json.loads(needed("reports/metrics.json").read_text(encoding="utf-8"))
    report = json.loads(needed("reports/evaluation.json").read_text(encoding="utf-8"))
    primary = report["primary"]
    if primary not in numbers:
        pytest.skip(f"{primary} is not defined: {report['left_out'].get(primary, 'too few test rows')}")
    model, dummy = numbers[primary], report["dummy"][primary]
    record_property("better than a dummy", f"{primary} {model['value']} against {dummy}")
    # What the test rows cannot tell from a dummy is no failure of the code: on a small table the interval
    # decides.
    assert model["high"] > dummy, (
        f"{primary} is {model['value']} (at most {model['high']}); a dummy reaches {dummy}"
    )


def test_the_reports_are_about_this_model(needed: Callable[[str], Path]) -> None:
    report = json.loads(needed("reports/evaluation.json").read_text(encoding="utf-8"))
    training = json.loads(needed("models/training.json").read_text(encoding="utf-8"))
    assert report["model_sha256"] == training["model"]["sha256"]


def test_a_row_alone_is_scored_as_in_a_batch(schema: Schema, model: Any, features: pd.DataFrame) -> None:
    def output(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
        return np.asarray(model.predict(rows) if schema.task == "regression" else model.predict_proba(rows))

    batch = output(features)
    for row in range(min(5, len(features))):
        np.testing.assert_allclose(output(features.iloc[[row]])[0], batch[row], rtol=1e-9, atol=1e-9)


def test_the_order_of_columns_does_not_matter(schema: Schema, model: Any, features: pd.DataFrame) -> None:
    turned = features[list(features)[::-1]]
    np.testing.assert_array_equal(model.predict(turned), model.predict(features))
