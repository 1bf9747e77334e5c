"""Pictures of an evaluation as SVG: the same bytes for the same numbers, readable on light and dark pages."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

INK, SOFT, GRID, PAPER = "#1f2937", "#6b7280", "#e5e7eb", "#fcfcfd"
BLUE, ORANGE = "#2563eb", "#ea580c"
COLOURS = (BLUE, ORANGE, "#059669", "#9333ea", "#db2777", "#0891b2", "#ca8a04", "#4b5563")
SHADES = LinearSegmentedColormap.from_list("shades", ["#f8fafc", "#bfdbfe", BLUE, "#1e3a8a"])
STYLE: Any = {
    "svg.hashsalt": "gitops-ml",  # element ids from the content, not from chance
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine lays the text out alike
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a column named "$a$" is no formula
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.facecolor": PAPER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "lines.linewidth": 2,
}
FONTS = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
SHOWN = 20  # features or classes in one picture


def svg(draw: Any, width: float = 5.2, height: float = 4.4) -> str:
    """The SVG text of what ``draw(axes)`` draws; size in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        # The title belongs to the picture: over the axes alone a long one would be cut off
        figure.suptitle(axes.get_title(loc="left"), x=0.025, ha="left", fontsize=12, fontweight="bold")
        axes.set_title("", loc="left")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(r"'DejaVu Sans'(, [^;\"]*)?", FONTS, text.getvalue())


def short(name: object, length: int = 28) -> str:
    """A label that leaves room for the picture, on one line."""
    text = " ".join(str(name).split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _share(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_aspect("equal")


def roc(curves: list[dict[str, Any]], area: str) -> str:
    """ROC curves. Each of ``curves``: label, x, y."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 4)))
        if len(curves) == 1:
            axes.fill_between(curves[0]["x"], curves[0]["y"], color=BLUE, alpha=0.08, linewidth=0)
        for colour, curve in zip(_cycle(len(curves)), curves, strict=True):
            axes.plot(curve["x"], curve["y"], color=colour, label=short(curve["label"]))
        _share(axes, "False positive rate", "True positive rate")
        axes.set_title(f"ROC: {area}")
        if len(curves) > 1:
            axes.legend(loc="lower right", fontsize=9)

    return svg(draw)


def precision_recall(curves: list[dict[str, Any]], area: str, share: float | None) -> str:
    """Precision over recall; ``share``: positives among the test rows, what chance would reach."""

    def draw(axes: Axes) -> None:
        if share is not None:
            axes.axhline(share, color=SOFT, linewidth=1, linestyle=(0, (4, 4)))
            axes.text(0.01, share + 0.015, f"chance {share:.2f}", color=SOFT, fontsize=9)
        for colour, curve in zip(_cycle(len(curves)), curves, strict=True):
            axes.plot(
                curve["x"], curve["y"], color=colour, label=short(curve["label"]), drawstyle="steps-pre"
            )
        _share(axes, "Recall", "Precision")
        axes.set_title(f"Precision and recall: {area}")
        if len(curves) > 1:
            axes.legend(loc="lower left", fontsize=9)

    return svg(draw)


def _cycle(number: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(number)]


def confusion(labels: list[str], counts: list[list[int]], title: str) -> str:
    """Test rows by true and predicted class, coloured by the share of each true class."""
    matrix = np.array(counts)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = max(4.2, 2.4 + 0.42 * len(labels))

    def draw(axes: Axes) -> None:
        axes.imshow(share, cmap=SHADES, vmin=0, vmax=1)
        axes.grid(False)
        names = [short(label, 16) for label in labels]
        turn = len(labels) > 4 or max(map(len, names)) > 9
        axes.set_xticks(
            range(len(labels)), names, rotation=45 if turn else 0, ha="right" if turn else "center"
        )
        axes.set_yticks(range(len(labels)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if len(labels) <= SHOWN:
            for row in range(len(labels)):
                for column in range(len(labels)):
                    colour = "#ffffff" if share[row, column] > 0.5 else INK
                    text = f"{matrix[row, column]:,}" + (
                        f"\n{share[row, column]:.0%}" if len(labels) <= 6 else ""
                    )
                    size = 13 if len(labels) <= 3 else 9
                    axes.text(
                        column,
                        row,
                        text,
                        ha="center",
                        va="center",
                        color=colour,
                        fontsize=size,
                        linespacing=1.4,
                    )
        axes.set(xlabel="Predicted", ylabel="True")
        axes.set_title(title)

    return svg(draw, size + 0.6, size)


def calibration(bins: list[dict[str, float]], title: str) -> str:
    """Observed share over predicted probability; 95% interval of each bin (Wilson)."""
    from .intervals import wilson

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 4)))
        axes.text(
            0.62, 0.56, "perfectly calibrated", color=SOFT, fontsize=9, rotation=45, rotation_mode="anchor"
        )
        x, y = [b["predicted"] for b in bins], [b["observed"] for b in bins]
        for b in bins:
            interval = wilson(round(b["observed"] * b["n"]), int(b["n"]))
            if interval:
                axes.plot(
                    [b["predicted"]] * 2,
                    [interval.low, interval.high],
                    color=BLUE,
                    alpha=0.35,
                    linewidth=3,
                    solid_capstyle="round",
                )
        axes.plot(x, y, color=BLUE, marker="o", markersize=5)
        _share(axes, "Predicted probability", "Observed share")
        axes.set_title(title)

    return svg(draw)


def importance(features: list[dict[str, Any]], metric: str) -> str:
    """What the metric loses when a column is shuffled: the largest losses first."""
    top = features[:SHOWN]
    strongest = short(top[0]["feature"], 20) if top else "none"

    def draw(axes: Axes) -> None:
        place = np.arange(len(top))
        mean = [f["mean"] for f in top]
        axes.barh(place, mean, color=BLUE, height=0.62)
        axes.errorbar(
            mean, place, xerr=[f["std"] for f in top], fmt="none", ecolor=INK, elinewidth=1, capsize=2
        )
        axes.set_yticks(place, [short(f["feature"]) for f in top])
        axes.set_ylim(len(top) - 0.4, -0.6)
        axes.axvline(0, color=SOFT, linewidth=1)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        more = f" (the first {len(top)} of {len(features)} columns)" if len(features) > len(top) else ""
        axes.set_xlabel(f"Loss of {metric} when shuffled{more}")
        axes.set_title(f"Importance: {strongest} first")

    return svg(draw, 6.4, 1.4 + 0.27 * max(len(top), 3))


def residuals(truth: Any, predicted: Any, title: str, name: str) -> str:
    """Predicted against true values of at most a few thousand test rows."""

    def draw(axes: Axes) -> None:
        low, high = float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))
        pad = (high - low) * 0.04 or 1.0
        axes.plot(
            [low - pad, high + pad], [low - pad, high + pad], color=SOFT, linewidth=1, linestyle=(0, (4, 4))
        )
        axes.scatter(truth, predicted, s=16 if len(truth) < 1000 else 6, color=BLUE, alpha=0.5, linewidths=0)
        axes.set(
            xlabel=f"True {short(name)}",
            ylabel=f"Predicted {short(name)}",
            xlim=(low - pad, high + pad),
            ylim=(low - pad, high + pad),
        )
        axes.set_aspect("equal")
        axes.set_title(title)

    return svg(draw)


def learning_curve(points: list[dict[str, float]], metric: str) -> str:
    """The metric on the test rows over the number of training rows."""

    def draw(axes: Axes) -> None:
        rows = [p["rows"] for p in points]
        axes.fill_between(
            rows, [p["low"] for p in points], [p["high"] for p in points], color=BLUE, alpha=0.12, linewidth=0
        )
        axes.plot(rows, [p["value"] for p in points], color=BLUE, marker="o", markersize=5)
        axes.set(xlabel="Training rows", ylabel=f"{metric} on the test rows")
        gain = points[-1]["value"] - points[-2]["value"] if len(points) > 1 else math.nan
        axes.set_title(f"Learning curve: the last step adds {gain:+.3f}")

    return svg(draw, 5.6, 4)


def save(folder: Path, pictures: dict[str, str]) -> None:
    """Write each SVG into ``folder``; line ends without trailing blanks, as commit hooks like them."""
    for name, text in pictures.items():
        lines = "\n".join(line.rstrip() for line in text.splitlines())
        (folder / f"{name}.svg").write_text(lines + "\n", encoding="utf-8", newline="\n")
