"""evaluate: the model on rows it never saw: metrics with intervals, slices, importance, calibration,
pictures."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import metrics, pictures
from .artifact import ArtifactError, load, replace
from .config import Column, ConfigError, Evaluate, Params, Schema, load_params, load_schema, load_slices
from .features import target_of

TRAIN, TEST = Path("data/prepared/train.parquet"), Path("data/prepared/test.parquet")
REPORTS = Path("reports")
POINTS = 200  # of one curve; more add bytes and nothing to see
DOTS = 2000  # of the residual picture
STACKED = 5_000_000  # cells that importance predicts at a time
NAMES = {"roc_auc": "AUC", "roc_auc_ovr": "AUC, each class against the rest", "r2": "R²"}
Array = np.ndarray[Any, Any]


class _Scored:
    """Test rows with what the model says of them: predicted once, measured often."""

    def __init__(
        self, schema: Schema, frame: pd.DataFrame, output: Array, classes: list[Any] | None, seed: int
    ) -> None:
        self.schema, self.frame, self.output, self.seed = schema, frame, output, seed
        self.truth = target_of(frame, schema)
        self.classes = classes or []
        if classes is not None:
            # A class that the model never saw cannot be scored; such rows count as wrong, with probability 0.
            self.codes = _codes(self.truth, classes)
            self.column = classes.index(schema.positive) if schema.kind == "binary" else 0

    def measure(self) -> metrics.Result:
        """All metrics of the task."""
        if self.schema.kind == "regression":
            return metrics.regression(self.truth, self.output)
        if self.schema.kind == "binary":
            predicted = self.output.argmax(axis=1) == self.column
            return metrics.binary(
                self.codes == self.column, self.output[:, self.column], predicted, self.seed
            )
        return metrics.multiclass(self.codes, self.output, self.seed)

    def primary(
        self, rows: Array | slice = slice(None), output: Array | None = None
    ) -> metrics.Estimate | str:
        """The primary metric on some rows, of the model's output or another for the same rows."""
        found = self.output[rows] if output is None else output
        if self.schema.kind == "regression":
            truth = self.truth[rows]
            return "one row" if len(truth) < 2 else metrics.r2(truth, found - truth)
        if self.schema.kind == "binary":
            return metrics.roc_auc(self.codes[rows] == self.column, found[:, self.column])
        return metrics.roc_auc_ovr(self.codes[rows], found)


def _codes(truth: Array, classes: list[Any]) -> Array:
    place = {label: number for number, label in enumerate(classes)}
    return np.array([place[label] for label in truth.tolist()], dtype="int64")


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
    scored = _Scored(schema, test, _output(model, X), classes, settings.seed)
    result = scored.measure()
    primary = result.metrics.get(schema.primary)
    importance = _importance(model, X, scored, settings) if primary else []
    drawn, curves, extra = _draw(scored, result, importance)
    learning = None
    if settings.learning_curve and primary:
        learning = _learning_curve(schema, params, train, scored)
        drawn["learning_curve"] = ("Learning curve", pictures.learning_curve(learning, NAMES[schema.primary]))
    report = {
        "version": 1,
        "task": schema.kind,
        "primary": schema.primary,
        "level": metrics.LEVEL,
        "n": len(test),
        "model_sha256": digest,
        "positive": schema.positive,
        "classes": classes,
        "methods": {name: estimate.method for name, estimate in result.metrics.items()},
        "left_out": {**result.left_out, **unseen},
        "dummy": _dummy(schema, train, scored),
        "slices": _slices(schema, scored, slices, least),
        "importance": importance,
        "confusion": extra["confusion"],
        "calibration": extra["calibration"],
        "learning_curve": learning,
        "pictures": [
            {"file": f"reports/pictures/{name}.svg", "title": title} for name, (title, _) in drawn.items()
        ],
    }
    numbers: dict[str, Any] = {"n": len(test)}
    for name, estimate in result.metrics.items():
        numbers[name] = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {
        "metrics.json": _json(numbers),
        "evaluation.json": _json(report),
        "pictures": {name: text for name, (_, text) in drawn.items()},
        "curves": curves,
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


def _output(model: Any, X: pd.DataFrame) -> Array:
    """Probabilities (rows, classes), or predicted numbers (rows,)."""
    found = model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
    return np.asarray(found, dtype="float64")


# ---------------------------------------------------------------- parts of the report


def _dummy(schema: Schema, train: pd.DataFrame, scored: _Scored) -> dict[str, float]:
    """What a model reaches that always says the mean, or the shares of the classes, of the training rows."""
    truth = target_of(train, schema)
    if schema.task == "regression":
        output = np.full(len(scored.truth), truth.mean())
    else:
        shares = np.array([np.mean(truth == label) for label in scored.classes])
        output = np.tile(shares, (len(scored.truth), 1))
    result = _Scored(schema, scored.frame, output, scored.classes or None, scored.seed).measure()
    return {name: estimate.value for name, estimate in result.metrics.items()}


def _slices(schema: Schema, scored: _Scored, slices: list[Any], least: int) -> list[dict[str, Any]]:
    """The primary metric in each slice; fewer than ``least`` rows are named and not judged."""
    found = []
    for wanted in slices:
        for value, rows in _parts(
            scored.frame[wanted.column], schema.columns[wanted.column], wanted.quantiles
        ):
            estimate = scored.primary(rows)
            known = estimate if isinstance(estimate, metrics.Estimate) else None
            found.append(
                {
                    "column": wanted.column,
                    "value": value,
                    "n": int(rows.sum()),
                    "judged": bool(rows.sum() >= least and known),
                    "metric": schema.primary,
                    "estimate": known and known.value,
                    "low": known and known.low,
                    "high": known and known.high,
                }
            )
    return found


def _parts(values: pd.Series, column: Column, quantiles: int | None) -> list[tuple[str, Array]]:
    """The slices of one column: label and rows. Nulls are a slice of their own."""
    parts: list[tuple[str, Array]] = []
    if quantiles is None:
        for value in sorted(values.dropna().unique().tolist(), key=lambda v: (str(type(v)), v)):
            parts.append((str(value), (values == value).to_numpy(dtype=bool, na_value=False)))
    else:
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
        borders = np.unique(np.nanquantile(numbers, np.linspace(0, 1, quantiles + 1)))
        for number, (low, high) in enumerate(pairwise(borders)):
            inside = (numbers >= low) & (
                (numbers <= high) if number == len(borders) - 2 else (numbers < high)
            )
            parts.append((f"{low:.4g} to {high:.4g}", inside))
    empty = values.isna().to_numpy()
    return [*parts, ("empty", empty)] if empty.any() else parts


def _importance(model: Any, X: pd.DataFrame, scored: _Scored, settings: Evaluate) -> list[dict[str, Any]]:
    """What the primary metric loses when a column is shuffled (Breiman, Machine Learning 45, 2001, p. 23).

    As scikit-learn's permutation_importance; but many shuffled copies are predicted in one call, because on
    small tables the calls cost more than the rows.
    """
    draw = np.random.default_rng(settings.seed)
    rows = np.arange(len(X))
    if len(X) > settings.importance_rows:
        rows = np.sort(draw.choice(len(X), settings.importance_rows, replace=False))
        X = X.iloc[rows]
    base = scored.primary(rows)
    if isinstance(base, str):
        return []
    n = len(rows)
    tasks = [(name, draw.permutation(n)) for name in X.columns for _ in range(settings.importance_repeats)]
    together = max(1, STACKED // (n * len(X.columns)))
    losses: dict[str, list[float]] = {name: [] for name in X.columns}
    for start in range(0, len(tasks), together):
        batch = tasks[start : start + together]
        stacked = X.iloc[np.tile(np.arange(n), len(batch))].reset_index(drop=True)
        for name in dict.fromkeys(name for name, _ in batch):
            order = np.concatenate([shuffled if other == name else np.arange(n) for other, shuffled in batch])
            stacked[name] = X[name].array.take(order)
        output = _output(model, stacked)
        for number, (name, _) in enumerate(batch):
            estimate = scored.primary(rows, output[number * n : (number + 1) * n])
            if isinstance(estimate, metrics.Estimate):
                losses[name].append(base.value - estimate.value)
    found = [
        {"feature": name, "mean": float(np.mean(loss)), "std": float(np.std(loss))}
        for name, loss in losses.items()
        if loss
    ]
    return sorted(found, key=lambda entry: -float(f"{entry['mean']:.6g}"))


def _learning_curve(
    schema: Schema, params: Params, train: pd.DataFrame, scored: _Scored
) -> list[dict[str, Any]]:
    """The primary metric of models trained, without a search, on a fifth to all of the training rows."""
    from .train import TrainError, fit

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
        estimate = scored.primary(output=_output(model, X))
        if isinstance(estimate, metrics.Estimate):
            points.append(
                {"rows": len(some), "value": estimate.value, "low": estimate.low, "high": estimate.high}
            )
    return points


# ---------------------------------------------------------------- pictures and curves


def _draw(
    scored: _Scored, result: metrics.Result, importance: list[dict[str, Any]]
) -> tuple[dict[str, tuple[str, str]], dict[str, str], dict[str, Any]]:
    """Pictures {name: (title, svg)}, curves {name: csv}, and the numbers behind them."""
    drawn: dict[str, tuple[str, str]] = {}
    extra: dict[str, Any] = {"confusion": None, "calibration": None}
    if scored.schema.kind == "regression":
        curves = _draw_regression(scored, result, drawn)
    else:
        curves = _draw_classes(scored, result, drawn, extra)
    if importance:
        name = NAMES[scored.schema.primary].split(",")[0]
        drawn["importance"] = ("Importance", pictures.importance(importance, name))
    curves["importance"] = _csv(
        ["feature", "mean", "std"], [[e["feature"], e["mean"], e["std"]] for e in importance]
    )
    return drawn, curves, extra


def _draw_regression(
    scored: _Scored, result: metrics.Result, drawn: dict[str, tuple[str, str]]
) -> dict[str, str]:
    truth, predicted = scored.truth, scored.output
    rows = np.linspace(0, len(truth) - 1, min(DOTS, len(truth))).astype(int)
    good = [f"R² {result.metrics['r2'].value:.3f}"] if "r2" in result.metrics else []
    good += [f"mean error {result.metrics['mae'].value:.3g}"] if "mae" in result.metrics else []
    if len(rows):
        title = f"Predicted and true: {', '.join(good)}"
        drawn["residuals"] = (
            "Predicted and true values",
            pictures.residuals(truth[rows], predicted[rows], title, scored.schema.target.name),
        )
    found = metrics.bins(truth, predicted)
    return {
        "residuals": _csv(["actual", "predicted"], [[truth[row], predicted[row]] for row in rows]),
        "calibration": _csv(
            ["predicted", "observed", "n"], [[b["predicted"], b["observed"], b["n"]] for b in found]
        ),
    }


def _draw_classes(
    scored: _Scored, result: metrics.Result, drawn: dict[str, tuple[str, str]], extra: dict[str, Any]
) -> dict[str, str]:
    schema, output, codes = scored.schema, scored.output, scored.codes
    predicted = output.argmax(axis=1)
    labels = [str(label) for label in scored.classes]
    k = len(labels)
    counts = np.bincount(codes * k + predicted, minlength=k**2).reshape(k, k).tolist()
    extra["confusion"] = {"labels": scored.classes, "counts": counts}
    # Classes by their number of test rows; a picture with more than eight lines says nothing
    ranked = (
        [scored.column]
        if schema.kind == "binary"
        else np.argsort(-np.bincount(codes, minlength=k), kind="stable")[:8].tolist()
    )
    shown = [number for number in ranked if 0 < np.sum(codes == number) < len(codes)]
    roc = [{"label": labels[number], **_roc(codes == number, output[:, number])} for number in shown]
    pr = [{"label": labels[number], **_pr(codes == number, output[:, number])} for number in shown]
    if roc:
        area = result.metrics[schema.primary]
        text = f"{NAMES[schema.primary].split(',')[0]} {area.value:.3f} ({area.low:.3f} to {area.high:.3f})"
        drawn["roc"] = ("ROC", pictures.roc(roc, text))
        average = result.metrics.get("average_precision")
        said = f"average {average.value:.3f}" if average else "each class against the rest"
        share = float(np.mean(codes == scored.column)) if schema.kind == "binary" else None
        drawn["pr"] = ("Precision and recall", pictures.precision_recall(pr, said, share))
    if len(codes):
        right = int(np.trace(np.array(counts)))
        title = f"Confusion: {right:,} of {len(codes):,} right ({right / len(codes):.1%})"
        drawn["confusion"] = ("Confusion matrix", pictures.confusion(labels, counts, title))
    if schema.kind == "binary":
        outcome, probability = (codes == scored.column).astype(float), output[:, scored.column]
    else:
        outcome, probability = (codes == predicted).astype(float), output.max(axis=1)
    found = metrics.bins(outcome, probability)
    if "ece" in result.metrics:
        error = result.metrics["ece"].value
        extra["calibration"] = {"bins": found, "ece": error}
        drawn["calibration"] = (
            "Calibration",
            pictures.calibration(found, f"Calibration: {error:.3f} off on average"),
        )
    return {
        "roc": _csv(["class", "false_positive_rate", "true_positive_rate"], _points(roc)),
        "pr": _csv(["class", "recall", "precision"], _points(pr)),
        "calibration": _csv(
            ["predicted", "observed", "n"], [[b["predicted"], b["observed"], b["n"]] for b in found]
        ),
    }


def _points(curves: list[dict[str, Any]]) -> list[list[Any]]:
    return [[curve["label"], x, y] for curve in curves for x, y in zip(curve["x"], curve["y"], strict=True)]


def _steps(truth: Array, score: Array) -> tuple[Array, Array]:
    """Cumulated positives and rows at each distinct score, from the highest."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    return np.cumsum(truth[order])[ends], ends + 1


def _thin(x: Array, y: Array) -> dict[str, Array]:
    if len(x) > POINTS:
        keep = np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))
        x, y = x[keep], y[keep]
    return {"x": x, "y": y}


def _roc(truth: Array, score: Array) -> dict[str, Array]:
    hits, rows = _steps(truth, score)
    return _thin(
        np.append(0, (rows - hits) / max(np.sum(~truth), 1)), np.append(0, hits / max(truth.sum(), 1))
    )


def _pr(truth: Array, score: Array) -> dict[str, Array]:
    hits, rows = _steps(truth, score)
    some = hits > 0
    return _thin(hits[some] / truth.sum(), hits[some] / rows[some])


# ---------------------------------------------------------------- writing


def _rounded(content: Any) -> Any:
    """Floats to six significant digits: more would be noise in a diff."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return float(f"{content:.6g}") if isinstance(content, float) else content


def _json(content: Any) -> str:
    return json.dumps(_rounded(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(names: list[str], rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(
        [
            [f"{float(cell):.6g}" if isinstance(cell, float | np.floating) else cell for cell in row]
            for row in rows
        ]
    )
    return text.getvalue()


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
