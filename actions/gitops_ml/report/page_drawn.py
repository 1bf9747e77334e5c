"""The drawn sections of the page: threshold, confusion, errors, calibration. Each is empty where it does not apply."""

from __future__ import annotations

from typing import Any

from gitops_ml.card.markdown import between, number
from gitops_ml.contracts.report import Counts, Looks, Report
from gitops_ml.report import draw
from gitops_ml.report.groups import change
from gitops_ml.report.html import Part, Safe, folded, joined, name, table, tag
from gitops_ml.report.text import version

SHARES = {
    "recall": "Recall: of the positives, those found",
    "precision": "Precision: of the alarms, those right",
    "f1": "F1: harmonic mean of both",
    "accuracy": "Accuracy: of all rows, those right",
    "alarms": "Rows called positive",
}
STATIC = tuple(range(10, 100, 10))  # thresholds, in hundredths, of the table that needs no script


def champion_name(report: Report) -> str:
    """What its column is called."""
    champion = report.verdict.inputs.champion
    return version(champion.version or champion.sha256[:8]) if champion else "champion"


def threshold(report: Report) -> Safe:
    """What each threshold would make of the test rows; for two classes."""
    looks = report.looks
    if looks is None or looks.challenger.counts is None:
        return Safe()
    mine, other = looks.challenger.counts, looks.champion.counts if looks.champion else None
    who = [
        ("challenger", "this PR", mine),
        *([("champion", champion_name(report), other)] if other else []),
    ]
    head = ["at the threshold", *(title for _, title, _ in who)]
    rows = [
        [
            said,
            *(
                tag("output", _share(key, shares(counts, 50)), data_share=f"{which}-{key}")
                for which, _, counts in who
            ),
        ]
        for key, said in SHARES.items()
    ]
    slider = tag(
        "p",
        tag("label", "Threshold ", tag("output", "0.50", id="chosen"), for_="slider"),
        tag("input", type="range", id="slider", min="0", max="100", step="1", value="50"),
        hidden=True,
        class_="slider",
    )
    steps = [
        [
            f"{place / 100:.1f}",
            *(
                _share(key, shares(counts, place))
                for _, _, counts in who
                for key in ("recall", "precision", "f1")
            ),
        ]
        for place in STATIC
    ]
    titles = [
        "threshold",
        *(f"{key}, {title}" for _, title, _ in who for key in ("recall", "precision", "F1")),
    ]
    said = [
        "A row is called ", name(looks.positive), " where its score is at least the threshold. "
        f"Counted on {looks.n:,} test rows; the gate judges at 0.5, where each class has its half.",
    ]  # fmt: skip
    return joined(
        [
            tag("p", said, class_="soft"),
            slider,
            tag(
                "div",
                tag("div", draw.roc(looks), draw.legend(looks, champion_name(report))),
                table(head, rows, {1, 2}, "Shares at the chosen threshold"),
                class_="pair",
            ),
            folded("Nine thresholds as a table", table(titles, steps, range(1, 7), "Shares by threshold")),
        ]
    )


def shares(counts: Counts, place: int) -> dict[str, float | int | None]:
    """Recall, precision, F1, accuracy (None: not defined) and alarms at ``place`` hundredths."""
    tp, fp, tn, fn = (getattr(counts, key)[place] for key in ("tp", "fp", "tn", "fn"))
    return {
        "recall": tp / (tp + fn) if tp + fn else None,
        "precision": tp / (tp + fp) if tp + fp else None,
        "f1": 2 * tp / (2 * tp + fp + fn) if 2 * tp + fp + fn else None,
        "accuracy": (tp + tn) / (tp + fp + tn + fn) if tp + fp + tn + fn else None,
        "alarms": tp + fp,
    }


def _share(key: str, given: dict[str, float | int | None]) -> str:
    value = given[key]
    if key == "alarms":
        return f"{value:,}"
    return "not defined" if value is None else f"{value:.3f}"


def confusion(report: Report) -> Safe:
    """Which classes are taken for which, model by model."""
    looks = report.looks
    if looks is None or not looks.challenger.confusion:
        return Safe()
    made = []
    for who, look in reversed(draw.models(looks)):
        title = "This pull request" if who == "challenger" else champion_name(report)
        rows = [
            [name(label, 24), *(_cell(count, sum(counts), at == own) for at, count in enumerate(counts))]
            for own, (label, counts) in enumerate(zip(looks.classes, look.confusion, strict=True))
        ]
        head: list[Part] = ["true class", *(name(label, 24) for label in looks.classes)]
        made.append(tag("div", tag("h3", title), table(head, rows, range(1, len(head)), class_="grid")))
    return joined(
        [
            tag("p", "Rows: the true class. Columns: the predicted one.", class_="soft"),
            tag("div", made, class_="pair"),
        ]
    )


def _cell(count: int, of: int, right: bool) -> Safe:
    share = f"{count / of:.0%}" if of else ""
    return joined(
        [tag("strong", f"{count:,}") if right else f"{count:,}", tag("span", f" {share}", class_="soft")]
    )


def errors(report: Report) -> Safe:
    """How far off the predictions of a number are."""
    looks = report.looks
    if looks is None or not looks.challenger.errors:
        return Safe()
    rows = []
    for place, (low, high) in enumerate(zip(looks.error_edges, looks.error_edges[1:], strict=False)):
        counts = [look.errors[place] for _, look in reversed(draw.models(looks))]
        rows.append(
            [f"{number(low)} to {number(high)}" if low < 0 else between(low, high), *map(str, counts)]
        )
    head = ["error", "this PR", *([champion_name(report)] if looks.champion else [])]
    said = f"Predicted minus true, on {looks.n:,} test rows. The ends hold whatever lies beyond."
    return joined(
        [
            tag("p", said, class_="soft"),
            draw.errors(looks),
            draw.legend(looks, champion_name(report)),
            folded("As a table", table(head, rows, range(1, 3), "Rows by error")),
        ]
    )


def calibration(report: Report) -> Safe:
    """Whether scores can be read as shares."""
    looks = report.looks
    if looks is None or not looks.challenger.calibration:
        return Safe()
    check = next((one for one in report.verdict.checks if one.id == "calibration"), None)
    figures: Part = None
    if check is not None and "ece" in check.evidence:
        ece = check.evidence["ece"]
        head = ["lower is better", champion_name(report), "this PR", "difference"]
        rows: list[list[Part]] = [
            [
                "Brier score",
                "" if check.champion is None else number(check.champion),
                number(check.challenger),
                "" if check.estimate is None else change(check.estimate, check.low, check.high),
            ],
            ["Expected calibration error", _error(ece.get("champion")), _error(ece.get("challenger")), ""],
        ]
        figures = table(head, rows, {1, 2, 3}, "Calibration")
    what = f"score of {looks.positive}" if looks.task == "binary" else "score of the predicted class"
    said = f"Ten groups of rows by {what}: what was promised, and the share that came. On the line, both are equal."
    return joined(
        [
            tag("p", said, class_="soft"),
            tag(
                "div",
                tag("div", draw.reliability(looks), draw.legend(looks, champion_name(report))),
                tag("div", figures, folded("The groups as a table", _gaps(looks))),
                class_="pair",
            ),
        ]
    )


def _error(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return ""
    range_ = f" ({between(entry['low'], entry['high'])})" if entry["low"] is not None else ""
    return f"{number(entry['value'])}{range_}"


def _gaps(looks: Looks) -> Safe:
    rows = [
        ["this PR" if who == "challenger" else "champion", f"{one.n:,}", number(one.predicted), number(one.observed)]
        for who, look in reversed(draw.models(looks))
        for one in look.calibration
    ]  # fmt: skip
    return table(["model", "rows", "promised", "came"], rows, {1, 2, 3}, "Calibration by group")
