"""What a report draws: its pictures, and as CSV the curves behind them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import intervals, metrics, pictures
from .intervals import Array
from .measure import Scored

POINTS = 200  # of one curve; more add bytes and nothing to see
DOTS = 2000  # of the residual picture
NAMES = {"roc_auc": "AUC", "roc_auc_ovr": "AUC, each class against the rest", "r2": "R²"}


@dataclass
class Drawing:
    """Pictures {name: (title, svg)}, curves {name: csv}, and for classes the numbers behind two of them."""

    pictures: dict[str, tuple[str, str]] = field(default_factory=dict)
    curves: dict[str, str] = field(default_factory=dict)
    confusion: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None


def draw(scored: Scored, result: metrics.Result, importance: list[dict[str, Any]]) -> Drawing:
    """All that the task has to show."""
    regression = scored.schema.kind == "regression"
    drawing = _regression(scored, result) if regression else _classes(scored, result)
    if importance:
        name = NAMES[scored.schema.primary].split(",")[0]
        drawing.pictures["importance"] = ("Importance", pictures.importance(importance, name))
    drawing.curves["importance"] = _csv(
        ["feature", "mean", "std"], [[e["feature"], e["mean"], e["std"]] for e in importance]
    )
    return drawing


def _regression(scored: Scored, result: metrics.Result) -> Drawing:
    drawing = Drawing()
    truth, predicted = scored.truth, scored.output
    rows = np.linspace(0, len(truth) - 1, min(DOTS, len(truth))).astype(int)
    good = [f"R² {result.metrics['r2'].value:.3f}"] if "r2" in result.metrics else []
    good += [f"mean error {result.metrics['mae'].value:.3g}"] if "mae" in result.metrics else []
    if len(rows):
        title = f"Predicted and true: {', '.join(good)}"
        drawing.pictures["residuals"] = (
            "Predicted and true values",
            pictures.residuals(truth[rows], predicted[rows], title, scored.schema.target.name),
        )
    found = intervals.bins(truth, predicted)
    drawing.curves = {
        "residuals": _csv(["actual", "predicted"], [[truth[row], predicted[row]] for row in rows]),
        "calibration": _bins(found),
    }
    return drawing


def _classes(scored: Scored, result: metrics.Result) -> Drawing:
    drawing = Drawing()
    schema, output, codes = scored.schema, scored.output, scored.codes
    predicted = output.argmax(axis=1)
    labels = [str(label) for label in scored.classes]
    k = len(labels)
    counts = np.bincount(codes * k + predicted, minlength=k**2).reshape(k, k).tolist()
    drawing.confusion = {"labels": scored.classes, "counts": counts}
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
        drawing.pictures["roc"] = ("ROC", pictures.roc(roc, text))
        average = result.metrics.get("average_precision")
        said = f"average {average.value:.3f}" if average else "each class against the rest"
        share = float(np.mean(codes == scored.column)) if schema.kind == "binary" else None
        drawing.pictures["pr"] = ("Precision and recall", pictures.precision_recall(pr, said, share))
    if len(codes):
        right = int(np.trace(np.array(counts)))
        title = f"Confusion: {right:,} of {len(codes):,} right ({right / len(codes):.1%})"
        drawing.pictures["confusion"] = ("Confusion matrix", pictures.confusion(labels, counts, title))
    if schema.kind == "binary":
        outcome, probability = (codes == scored.column).astype(float), output[:, scored.column]
    else:
        outcome, probability = (codes == predicted).astype(float), output.max(axis=1)
    found = intervals.bins(outcome, probability)
    if "ece" in result.metrics:
        error = result.metrics["ece"].value
        drawing.calibration = {"bins": found, "ece": error}
        drawing.pictures["calibration"] = (
            "Calibration",
            pictures.calibration(found, f"Calibration: {error:.3f} off on average"),
        )
    drawing.curves = {
        "roc": _csv(["class", "false_positive_rate", "true_positive_rate"], _points(roc)),
        "pr": _csv(["class", "recall", "precision"], _points(pr)),
        "calibration": _bins(found),
    }
    return drawing


def _bins(found: list[dict[str, float]]) -> str:
    names = ["predicted", "observed", "n"]
    return _csv(names, [[b[name] for name in names] for b in found])


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
