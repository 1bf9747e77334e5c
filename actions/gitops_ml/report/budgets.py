"""What the model takes, in the report: two rows beside the metrics, a table behind a click, and what the build cost."""

from __future__ import annotations

from gitops_ml.card.markdown import bytes_, folded, table
from gitops_ml.contracts.verdict import Check, Measurements, Verdict
from gitops_ml.report.summary import mark
from gitops_ml.report.text import words

# Noise slows answers, and never quickens them: where it hides the rest, the quickest tenth of the answers decides.
NAMES = {"median": "median", "p95": "p95", "quickest": "quickest tenth's"}


def rows(verdict: Verdict) -> list[list[str]]:
    """Of the table of figures, five cells each: latency of one row as a ratio, and size. Empty where nothing is judged."""
    found = {one.id: one for one in verdict.checks}
    made = []
    latency, size = found.get("budget/latency"), found.get("budget/bytes")
    if latency is not None and latency.estimate is not None:
        interval = f"{_times(latency.low)} to {_times(latency.high)}"
        title = f"{NAMES.get(latency.metric or 'p95', 'p95')} latency, one row"
        made.append([title, "1.00x", _times(latency.estimate), interval, _limit(latency)])
    if size is not None and size.challenger is not None:
        before = "" if size.champion is None else bytes_(int(size.champion))
        made.append(["size", before, bytes_(int(size.challenger)), "", _allowed(size)])
    return made


def details(verdict: Verdict) -> str:
    """Everything that was measured, folded. Empty where nothing was."""
    found = {one.id: one for one in verdict.checks if one.id.startswith("budget/")}
    lines = []
    for id_ in ("budget/latency", "budget/latency-batch"):
        one = found.get(id_)
        if one is None or one.challenger is None:
            continue
        ratios, own = one.evidence.get("ratios", {}), one.evidence.get("challenger", {})
        count = one.evidence.get("rows", 1)
        what = "one row" if count == 1 else f"{count:,} rows at once"
        for name in ("median", "p95", *(["quickest"] if one.metric == "quickest" else [])):
            ratio = ratios.get(name)
            times = (
                f"{_times(ratio['ratio'])} ({_times(ratio['low'])} to {_times(ratio['high'])})"
                if ratio
                else ""
            )
            before = _milliseconds(ratio["champion"]) if ratio else ""
            sign = mark(one) if name == one.metric else ""
            lines.append([f"{what}, {NAMES[name]}", before, _milliseconds(own.get(name)), times, sign])
    memory, training = found.get("budget/memory"), found.get("budget/training")
    if memory is not None and memory.challenger is not None:
        before = "" if memory.champion is None else bytes_(int(memory.champion))
        times = "" if memory.estimate is None else _times(memory.estimate)
        lines.append(["peak memory", before, bytes_(int(memory.challenger)), times, mark(memory)])
    if training is not None and training.challenger is not None:
        lines.append(["build", "", f"{training.challenger:,.0f} s", "", mark(training)])
    if not lines:
        return ""
    signs = {mark(one) for one in found.values() if one.outcome != "pass"} or {"✅"}
    asks = found["budget/latency"].n if "budget/latency" in found else None
    method = (
        f"\n\nBoth models were loaded at once and asked in turn, {asks or 0:,} times each for one row; an ask reads a table and "
        "writes one. Limits hold for the ratio, and count only if its whole 95% interval is beyond, and the "
        "quickest answers are, too: noise slows answers, and never quickens them."
        if asks
        else ""
    )
    return folded(
        f"Time and memory {' '.join(sorted(signs))}",
        table(["", "champion", "this PR", "ratio (95%)", ""], lines, frozenset({1, 2, 3})) + method,
    )


def price(measurements: Measurements) -> str:
    """What the build cost, in brackets after its seconds; "" where policy.yaml names no price."""
    if measurements.cost is None:
        return ""
    return f" ({measurements.cost.amount:.2g} {words(measurements.cost.currency, 3)})"


def _limit(one: Check) -> str:
    if one.threshold is None:
        return ""
    more = " not shown" if one.outcome == "unknown" else ""
    return f"{mark(one)} limit {one.threshold:g}x{more}"


def _allowed(one: Check) -> str:
    limits = [bytes_(int(one.evidence["limit"]))] if isinstance(one.evidence.get("limit"), int) else []
    limits += [] if one.threshold is None else [f"{one.threshold:g}x"]
    return f"{mark(one)} limit {', '.join(limits)}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1000:,.3g} ms" if seconds < 1 else f"{seconds:,.3g} s"
