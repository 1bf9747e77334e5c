"""The figures of a verdict: one sentence on the primary metric, and the table of both models' metrics."""

from __future__ import annotations

from typing import NamedTuple

from gitops_ml.card.markdown import number, table
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.report import budgets
from gitops_ml.report.groups import change, signed, worst_slice
from gitops_ml.report.summary import mark, plain_name
from gitops_ml.report.text import clip, version, words

ROWS = 12
MEANING = {
    "improved": "better",
    "no measurable change": "not worse",
    "worse within margin": "worse, within the margin",
    "regression": "worse",
    "cannot tell": "cannot tell",
}


def metric_name(metric: str) -> str:
    """What people call it; a name of the team's own, or of a stranger, as harmless text."""
    return words(plain_name(clip(metric)))


def level(one: Check) -> str:
    """The level of its interval: 95%."""
    return f"{(one.level or 0.95) * 100:.4g}%"


def _quality(verdict: Verdict) -> Check | None:
    return next((one for one in verdict.checks if one.id.startswith("quality/")), None)


def margin(one: Check) -> str:
    """A comparison that stands in the way: the figures, the margin, and how many rows would decide it."""
    if one.champion is None or one.challenger is None:
        return words(one.reason)
    said = f"{number(one.champion)} → {number(one.challenger)}: {signed(one.estimate)}"
    if one.low is not None and one.high is not None:
        said += f" ({level(one)} interval {signed(one.low)} to {signed(one.high)})"
    limit = f"{abs(one.threshold or 0.0):g}"
    if one.outcome == "fail":
        return f"{said} is beyond the margin of {limit}, and no accident of the {one.n or 0:,} test rows."
    if one.low is None:
        return f"{said}. {words(one.reason.rpartition('Cannot tell: ')[2])}"
    needed = one.evidence.get("rows_needed")
    more = f" About {needed:,} would tell, if the difference stayed." if isinstance(needed, int) else ""
    return f"{said}: the {one.n or 0:,} test rows do not rule out a loss of {limit}.{more}"


def sentence(verdict: Verdict) -> str:
    """What became of the primary metric. Empty if it is not known."""
    one = _quality(verdict)
    if one is not None and one.metric and one.challenger is not None and one.champion is not None:
        if one.low is None or one.high is None:
            range_ = ""
        else:
            range_ = f", {level(one)} interval {signed(one.low)} to {signed(one.high)}"
        return (
            f"{metric_name(one.metric)} {number(one.champion)} → {number(one.challenger)} "
            f"({signed(one.estimate)}{range_}): {words(one.evidence.get('outcome', 'unknown'))}."
        )
    dummy = next((one for one in verdict.checks if one.id == "floor/dummy"), None)
    if dummy is None or dummy.metric is None or dummy.challenger is None:
        return ""
    reached = f"{metric_name(dummy.metric)} {number(dummy.challenger)} on {dummy.n:,} test rows"
    if verdict.first_model:
        return f"{reached}. Nothing is served yet: floors and card decide."
    return f"{reached}, compared with no other model."


def figures(verdict: Verdict) -> str:
    """The table: the primary metric with its interval, other metrics, and the limits of policy.yaml."""
    found = cells(verdict)
    return table(found.head, found.rows, frozenset(range(1, len(found.head) - 1))) if found.rows else ""


class Cells(NamedTuple):
    """Each cell is Markdown. ``checks``: those that the first rows show."""

    head: list[str]
    rows: list[list[str]]
    checks: list[Check]


def cells(verdict: Verdict) -> Cells:
    """Head and rows of the table: five columns, or three where there is no champion."""
    one = _quality(verdict)
    floors = {
        floor.metric: floor
        for floor in verdict.checks
        if floor.id.startswith("floor/") and floor.id != "floor/dummy" and floor.metric
    }
    if one is None or one.metric is None:
        return _alone(verdict, floors)
    champion = verdict.inputs.champion
    old = version(champion.version or champion.sha256[:8]) if champion else "champion"
    secondary = [
        row for row in verdict.checks if row.id.startswith("secondary/") and row.challenger is not None
    ]
    decided = [_decided(one, f", n = {one.n or 0:,}"), *(_decided(row) for row in secondary)]
    beside = [row for row in verdict.checks if _beside(row)]
    decided += [_decided(row, _beside(row)) for row in beside]
    worst = worst_slice(verdict)
    decided += [worst] if worst else []
    told = {one.metric, *(row.metric for row in secondary)}
    others = {
        metric: (entry.get("champion"), entry.get("challenger"))
        for metric, entry in one.evidence.get("others", {}).items()
    }
    others |= {name: (None, floor.challenger) for name, floor in floors.items() if name not in others}
    rows = []
    for metric, (before, after) in others.items():
        if metric in told:
            continue
        moved = signed(after - before) if before is not None and after is not None else ""
        rows.append(
            [
                metric_name(metric),
                "" if before is None else number(before),
                number(after),
                moved,
                _limit(floors.get(metric)),
            ]
        )
    for cells, row in zip(decided, [one, *secondary], strict=False):
        if row.metric in floors:
            cells[4] += f", {_limit(floors[row.metric])}"
    # Rows with a limit are never the ones that are cut.
    rows = [*decided, *sorted(rows, key=lambda cells: not cells[4])[:ROWS], *budgets.rows(verdict)]
    compared = [one, *secondary, *beside]
    compared += [row for row in verdict.checks if worst and row.id == "slices"]
    return Cells(["check", old, "this PR", f"difference ({level(one)})", ""], rows, compared)


def _decided(one: Check, more: str = "") -> list[str]:
    """The row of a comparison that decides."""
    said = MEANING.get(one.evidence.get("outcome", ""), "unknown")
    small = ", by less than the minimum effect" if "below_minimum_effect" in one.evidence else ""
    return [
        f"{metric_name(one.metric or '')}{more}",
        number(one.champion),
        number(one.challenger),
        change(one.estimate, one.low, one.high),
        f"{mark(one)} {said}{small}",
    ]


def _beside(one: Check) -> str:
    """What the same metric is compared on, or with, besides; empty for any other check, and where nothing was."""
    if one.champion is None or one.challenger is None:
        return ""
    if one.id.startswith("gold/"):
        return f" on the gold set, n = {one.n or 0:,}"
    if one.id == "robustness/noise":
        return " with noisy numbers"
    if one.id == "robustness/missing":
        return f" without {words(clip(str(one.evidence.get('column')), 40))}"
    return f" against the baseline {one.evidence['version']}" if one.id.startswith("baseline/") else ""


def _alone(verdict: Verdict, floors: dict[str, Check]) -> Cells:
    """Without a champion there is nothing to compare: each limit, and whether it is reached."""
    dummy = next((one for one in verdict.checks if one.id == "floor/dummy"), None)
    rows = []
    if dummy is not None and dummy.metric is not None:
        rows.append(
            [
                f"{metric_name(dummy.metric)}, n = {dummy.n or 0:,}",
                number(dummy.challenger),
                f"{mark(dummy)} guessing reaches {number(dummy.threshold)}",
            ]
        )
    rows += [
        [metric_name(metric), number(floor.challenger), _limit(floor)]
        for metric, floor in list(floors.items())[:ROWS]
    ]
    return Cells(["check", "this PR", ""], rows, [])


def _limit(floor: Check | None) -> str:
    if floor is None:
        return ""
    words_ = "at most" if " at most " in floor.title else "at least"
    return f"{mark(floor)} {words_} {floor.threshold:g}"
