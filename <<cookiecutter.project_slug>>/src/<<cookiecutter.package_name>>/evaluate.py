"""evaluate: the model on rows it never saw: metrics with intervals, slices, importance, calibration,
pictures."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import pictures
from .artifact import ArtifactError, load, replace
from .config import ConfigError
from .curves import NAMES, draw
from .estimator import TrainError
from .features import target_of
from .intervals import LEVEL, Estimate
from .measure import Scored, by_slice, dummy, importance, output_of
from .params import Params, load_params, load_slices
from .schema import Schema, load_schema

TRAIN, TEST = Path("data/prepared/train.parquet"), Path("data/prepared/test.parquet")
REPORTS = Path("reports")


def evaluate(
    model: Any,
    digest: str,
    schema: Schema,
    params: Params,
    policy: Path,
    train: pd.DataFrame,
    test: pd.DataFrame,
) -> dict[str, Any]:
    """All of reports/ as {path below reports: text}. ``train`` is needed for the dummy and the learning
    curve."""
    settings = params.evaluate
    test, unseen = _known_classes(model, schema, test)
    slices, least = load_slices(policy, schema)
    X = test[[column.name for column in schema.features]]
    classes = None if schema.task == "regression" else model.classes_.tolist()
    scored = Scored(schema, test, output_of(model, X), classes, settings.seed)
    result = scored.measure()
    primary = result.metrics.get(schema.primary)
    shuffled = importance(model, X, scored, settings) if primary else []
    drawing = draw(scored, result, shuffled)
    learning = None
    if settings.learning_curve and primary:
        learning = _learning_curve(schema, params, train, scored)
        picture = pictures.learning_curve(learning, NAMES[schema.primary])
        drawing.pictures["learning_curve"] = ("Learning curve", picture)
    report = {
        "version": 1,
        "task": schema.kind,
        "primary": schema.primary,
        "level": LEVEL,
        "n": len(test),
        "model_sha256": digest,
        "positive": schema.positive,
        "classes": classes,
        "methods": {name: estimate.method for name, estimate in result.metrics.items()},
        "left_out": {**result.left_out, **unseen},
        "dummy": dummy(schema, train, scored),
        "slices": by_slice(schema, scored, slices, least),
        "importance": shuffled,
        "confusion": drawing.confusion,
        "calibration": drawing.calibration,
        "learning_curve": learning,
        "pictures": [
            {"file": f"reports/pictures/{name}.svg", "title": title}
            for name, (title, _) in drawing.pictures.items()
        ],
    }
    numbers: dict[str, Any] = {"n": len(test)}
    for name, estimate in result.metrics.items():
        numbers[name] = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {
        "metrics.json": _json(numbers),
        "evaluation.json": _json(report),
        "pictures": {name: text for name, (_, text) in drawing.pictures.items()},
        "curves": drawing.curves,
    }


def _known_classes(model: Any, schema: Schema, test: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Test rows of a class that no training row has cannot be measured: they are left out, and that is
    said."""
    if schema.task == "regression":
        return test, {}
    known = np.isin(target_of(test, schema), model.classes_)
    if known.all():
        return test, {}
    return test[known].reset_index(drop=True), {
        "rows": f"{int((~known).sum())} test rows of classes that no training row has"
    }


def _learning_curve(
    schema: Schema, params: Params, train: pd.DataFrame, scored: Scored
) -> list[dict[str, Any]]:
    """The primary metric of models trained, without a search, on a fifth to all of the training rows."""
    from .train import fit

    plain = params.train.search.model_copy(update={"strategy": None})
    params = params.model_copy(update={"train": params.train.model_copy(update={"search": plain})})
    order = np.random.default_rng(params.evaluate.seed).permutation(len(train))
    X, points = scored.frame[[column.name for column in schema.features]], []
    for share in (0.2, 0.4, 0.6, 0.8, 1.0):
        some = train.iloc[np.sort(order[: max(2, round(len(train) * share))])].reset_index(drop=True)
        try:
            model, _ = fit(some, schema, params)
        except TrainError:
            continue  # too few rows for this estimator: the curve starts later
        if schema.task == "classification" and model.classes_.tolist() != scored.classes:
            continue
        estimate = scored.primary(output=output_of(model, X))
        if isinstance(estimate, Estimate):
            points.append(
                {"rows": len(some), "value": estimate.value, "low": estimate.low, "high": estimate.high}
            )
    return points


def _rounded(content: Any) -> Any:
    """Floats to six significant digits: more would be noise in a diff."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return float(f"{content:.6g}") if isinstance(content, float) else content


def _json(content: Any) -> str:
    return json.dumps(_rounded(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write(reports: dict[str, Any], folder: Path = REPORTS) -> None:
    """Write everything; pictures and curves of an earlier model are removed."""
    for name in ("pictures", "curves"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    pictures.save(folder / "pictures", reports["pictures"])
    for name, text in reports["curves"].items():
        replace(folder / "curves" / f"{name}.csv", text.encode())
    for name in ("evaluation.json", "metrics.json"):
        replace(folder / name, reports[name].encode())


def main() -> None:
    """The stage: model and test rows -> reports/."""
    try:
        schema, params = load_schema(), load_params()
        for path in (TRAIN, TEST, Path("models/training.json")):
            if not path.is_file():
                raise ConfigError(f"{path} is missing. Make it: uv run dvc repro")
        digest = json.loads(Path("models/training.json").read_text(encoding="utf-8"))["model"]["sha256"]
        model = load("models/model.skops", digest)
        columns = None if params.evaluate.learning_curve else [schema.target.name]
        train = pd.read_parquet(TRAIN, columns=columns)
        reports = evaluate(model, digest, schema, params, Path("policy.yaml"), train, pd.read_parquet(TEST))
    except (ConfigError, ArtifactError) as wrong:
        sys.exit(f"error: {wrong}")
    write(reports)
    numbers = json.loads(reports["metrics.json"])
    best = numbers.get(schema.primary)
    said = (
        f"{schema.primary} {best['value']:.3f} ({best['low']:.3f} to {best['high']:.3f})"
        if best
        else f"{schema.primary} is not defined"
    )
    print(f"evaluate: {said} on {numbers['n']:,} test rows")


if __name__ == "__main__":
    main()
