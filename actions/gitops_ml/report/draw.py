"""Pictures of counts as SVG inside the page: no colour without a shape, sizes that follow the screen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gitops_ml.card.markdown import number
from gitops_ml.contracts.report import Counts, Look, Looks
from gitops_ml.report.groups import signed
from gitops_ml.report.html import Part, Safe, joined, tag

SIDE, EDGE = 300, 44  # of a square, and its margin for the axis
WIDE, HIGH = 200, 22  # of an interval


def interval(
    estimate: float | None,
    low: float | None,
    high: float | None,
    margin: float | None,
    reach: float | None = None,
) -> Safe:
    """An interval of a difference on a line with zero (solid) and the margin (dashed).

    ``reach``: what the line's ends stand for; rows that share it can be compared. None: a scale of its own.
    """
    known = [abs(value) for value in (estimate, low, high, margin) if value is not None]
    reach = 1.1 * (max(known, default=0.0) if reach is None else reach) or 1.0
    middle = HIGH / 2

    def at(value: float) -> float:
        return WIDE / 2 + value / reach * (WIDE / 2 - 4)

    parts: list[Part] = [
        _line(4.0, middle, WIDE - 4.0, middle, "axis"),
        _line(at(0), 2.0, at(0), HIGH - 2.0, "zero"),
    ]
    said = f"difference {signed(estimate)}"
    if margin is not None:
        parts.append(_line(at(margin), 1.0, at(margin), HIGH - 1.0, "margin"))
    if low is not None and high is not None:
        parts += [_line(at(low), middle, at(high), middle, "reach")]
        parts += [_line(at(end), middle - 4, at(end), middle + 4, "reach") for end in (low, high)]
        said += f", interval {signed(low)} to {signed(high)}"
    if estimate is not None:
        parts.append(tag("circle", cx=at(estimate), cy=middle, r=4, class_="dot"))
    return _svg(
        WIDE, HIGH, said + (f", margin {signed(margin)}" if margin is not None else ""), parts, "interval"
    )


def roc(looks: Looks) -> Safe:
    """Recall against the share of false alarms, at every threshold; dots for the one chosen (a script moves them)."""
    parts: list[Part] = [
        _axes("false alarms among negatives", "recall"),
        _line(*_at(0, 0), *_at(1, 1), "zero"),
    ]
    for who, look in models(looks):
        if look.counts is not None:
            points = _rates(look.counts)
            parts.append(tag("polyline", points=_points(points), class_=f"curve {who}"))
            x, y = _at(*points[50])
            parts.append(tag("circle", cx=x, cy=y, r=6, class_=f"dot {who}", data_dot=who))
    return _svg(SIDE + EDGE + 10, SIDE + EDGE + 10, "ROC curves of both models", parts, "square")


def _rates(counts: Counts) -> list[tuple[float, float]]:
    """False positive rate and recall, one pair for each threshold, ascending thresholds."""
    positives, negatives = counts.tp[0] + counts.fn[0], counts.fp[0] + counts.tn[0]
    return [
        (fp / negatives if negatives else 0.0, tp / positives if positives else 0.0)
        for tp, fp in zip(counts.tp, counts.fp, strict=True)
    ]


def reliability(looks: Looks) -> Safe:
    """What came against what was promised: on the diagonal, seven in ten of those scored 0.7."""
    parts: list[Part] = [_axes("mean score", "share that came"), _line(*_at(0, 0), *_at(1, 1), "zero")]
    for who, look in models(looks):
        points = [(one.predicted, one.observed) for one in look.calibration]
        parts.append(tag("polyline", points=_points(points), class_=f"curve {who}"))
        for one, (x, y) in zip(look.calibration, (_at(*point) for point in points), strict=True):
            said = tag(
                "title", f"{one.n:,} rows: promised {number(one.predicted)}, came {number(one.observed)}"
            )
            parts.append(
                tag("circle", said, cx=x, cy=y, r=4, class_=f"dot {who}")
                if who == "challenger"
                else tag("rect", said, x=x - 3.5, y=y - 3.5, width=7, height=7, class_=f"dot {who}")
            )
    return _svg(SIDE + EDGE + 10, SIDE + EDGE + 10, "Reliability of both models' scores", parts, "square")


def errors(looks: Looks) -> Safe:
    """How many rows are how far off, both models."""
    edges, width, height = looks.error_edges, 560, 220
    most = max((max(look.errors, default=0) for _, look in models(looks)), default=0) or 1
    parts: list[Part] = [_line(30.0, height + 0.0, width + 30.0, height + 0.0, "axis")]

    def across(value: float) -> float:
        return 30 + (value - edges[0]) / (edges[-1] - edges[0]) * width

    parts.append(_line(across(0.0), 6.0, across(0.0), float(height), "zero"))
    for who, look in models(looks):
        points: list[tuple[float, float]] = [(across(edges[0]), float(height))]
        for (low, high), count in zip(pairwise(edges), look.errors, strict=True):
            y = height - count / most * (height - 12)
            points += [(across(low), y), (across(high), y)]
        points.append((across(edges[-1]), float(height)))
        parts.append(tag("polyline", points=_joined(points), class_=f"curve {who}"))
    for value in (edges[0], 0.0, edges[-1]):
        parts.append(
            tag("text", signed(value), x=across(value), y=height + 18, text_anchor="middle", class_="tick")
        )
    return _svg(width + 60, height + 26, "Errors of both models: predicted minus true", parts, "broad")


def models(looks: Looks) -> list[tuple[str, Look]]:
    """The champion first, so that what is judged is drawn above it."""
    before = [("champion", looks.champion)] if looks.champion is not None else []
    return [*before, ("challenger", looks.challenger)]


def legend(looks: Looks, champion: str) -> Safe:
    """Which line is whose: by dash and by word."""
    return tag(
        "p",
        [
            tag(
                "span",
                _svg(30, 10, "", [_line(0.0, 5.0, 30.0, 5.0, f"curve {who}")], "key"),
                champion if who == "champion" else "this pull request",
                class_="key",
            )
            for who, _ in reversed(models(looks))
        ],
        class_="legend",
    )


def _axes(below: str, beside: str) -> Safe:
    left, bottom = EDGE, SIDE + 10
    parts: list[Part] = [tag("rect", x=left, y=10, width=SIDE, height=SIDE, class_="frame")]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _at(tick, tick)
        parts += [_line(x, 10.0, x, bottom + 0.0, "grid"), _line(left + 0.0, y, left + SIDE + 0.0, y, "grid")]
        label = f"{tick:g}"
        parts.append(tag("text", label, x=x, y=bottom + 16, text_anchor="middle", class_="tick"))
        parts.append(tag("text", label, x=left - 6, y=y + 4, text_anchor="end", class_="tick"))
    middle = 10 + SIDE / 2
    parts.append(tag("text", below, x=left + SIDE / 2, y=bottom + 34, text_anchor="middle", class_="title"))
    parts.append(
        tag(
            "text",
            beside,
            transform=f"translate(11 {middle:g}) rotate(-90)",
            text_anchor="middle",
            class_="title",
        )
    )
    return joined(parts)


def _at(x: float, y: float) -> tuple[float, float]:
    return EDGE + x * SIDE, 10 + (1 - y) * SIDE


def _points(points: Sequence[tuple[float, float]]) -> Safe:
    return _joined([_at(*point) for point in points])


def _joined(points: Sequence[tuple[float, float]]) -> Safe:
    return Safe(" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Safe:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def _svg(width: float, height: float, said: str, parts: Sequence[Part], class_: str) -> Safe:
    hear = {"role": "img", "aria_label": said} if said else {"aria_hidden": "true"}
    return tag(
        "svg", *parts, viewBox=f"0 0 {width:g} {height:g}", width=width, height=height, class_=class_, **hear
    )
