"""The sections of the page that are tables: figures, what changed, slices, fairness, flips, every check."""

from __future__ import annotations

from typing import Any

from gitops_ml.card.markdown import between, number
from gitops_ml.contracts.report import Moved, Report
from gitops_ml.contracts.verdict import Check
from gitops_ml.report import draw
from gitops_ml.report.groups import FIGURES, RATES, change
from gitops_ml.report.html import Part, Safe, folded, joined, name, sign, signed, table, tag
from gitops_ml.report.page_drawn import champion_name
from gitops_ml.report.summary import mark

LISTED = 500  # rows of one table: more is in report.json


def figures(report: Report) -> Safe:
    """The table of the comment, with each interval drawn where one was judged."""
    known = {one.id: one for one in report.verdict.checks}
    drawn = [known[id_] for id_ in report.figures.checks if id_ in known]
    wide = bool(drawn)
    head: list[Part] = [*report.figures.head]
    last = len(head) - 1
    rows: list[list[Part]] = []
    for place, cells in enumerate(report.figures.rows):
        row: list[Part] = [cells[0], *cells[1:last], signed(cells[last])]
        if wide:
            row.insert(last, _bar(drawn[place]) if place < len(drawn) else "")
        rows.append(row)
    if wide:
        head.insert(last, tag("span", "interval", class_="hear"))
    made = table(head, rows, range(1, last), "Both models' figures") if rows else Safe()
    note = "In the pictures: the middle line is no difference, the dashed line is the margin that is allowed, each row at its own scale."
    return joined([made, tag("p", note, class_="soft") if wide else None])


def _bar(one: Check) -> Safe | str:
    return draw.interval(one.estimate, one.low, one.high, one.threshold) if one.low is not None else ""


def changed(report: Report) -> Safe:
    """In a sentence, then columns, params and files."""
    found, data = report.changed, report.changed.data
    parts: list[Part] = [tag("p", found.text)] if found.text else []
    if data is not None and data.old_rows and data.moves:
        rows = [
            [name(one.column), one.kind + (f" of {one.value}" if one.value else ""), _value(one, one.old), _value(one, one.new),
             "" if one.size is None else number(one.size)]
            for one in data.moves[:LISTED]
        ]  # fmt: skip
        keys = [[one.column, one.kind, None, None, one.size] for one in data.moves[:LISTED]]
        head = ["column", "what moved", "before", "now", "size"]
        made = table(head, rows, {2, 3, 4}, "Columns that moved", sortable=True, keys=keys)
        said = "Size: standard deviations before; of a share, its change."
        parts.append(
            folded(
                _count(len(data.moves), "move of a column", "moves of columns"),
                made,
                tag("p", said, class_="soft"),
            )
        )
    if found.params:
        rows_ = [[name(one.key), _json(one.old), _json(one.new)] for one in found.params[:LISTED]]
        made = table(["param", "before", "now"], rows_, caption="Params that changed")
        parts.append(folded(_count(len(found.params), "param", "params"), made))
    if found.files:
        items = [tag("li", name(path, 200)) for path in found.files[:LISTED]]
        parts.append(folded(_count(len(found.files), "file", "files"), tag("ul", items)))
    return joined(parts)


def _count(count: int, one: str, many: str) -> str:
    shown = f", the first {LISTED} shown" if count > LISTED else ""
    return f"{count:,} {one if count == 1 else many}{shown}"


def _json(text: str) -> Part:
    return name(text, 120) if text else "none"


def _value(one: Moved, value: str | float) -> Part:
    if isinstance(value, str):
        return name(value)
    return number(value) if one.kind == "mean" else f"{value:.1%}"


def slices(report: Report) -> Safe:
    """Groups of rows, the worst first; a script sorts them."""
    known = {one.id: one for one in report.verdict.checks}
    check, few = known.get("slices"), known.get("slices/few")
    parts: list[Part] = []
    if check is not None and check.evidence.get("worst"):
        worst, count = check.evidence["worst"], check.evidence["slices"]
        reach = max(abs(end) for one in worst for end in (one["low"], one["high"], check.threshold or 0.0))
        head = ["slice", "rows", champion_name(report), "this PR", "difference",
                tag("span", "interval", class_="hear"), ""]  # fmt: skip
        rows = [
            [
                joined([name(one["column"], 40), " = ", name(one["value"], 40)]),
                f"{one['n']:,}", number(one["champion"]), number(one["challenger"]),
                change(one["estimate"], one["low"], one["high"]),
                draw.interval(one["estimate"], one["low"], one["high"], check.threshold, reach),
                joined([sign(mark(check)), " worse"]) if one["outcome"] == "worse" else "not shown to be worse",
            ]
            for one in worst
        ]  # fmt: skip
        keys = [
            [f"{one['column']} {one['value']}", *(_float(one[key]) for key in ("n", "champion", "challenger", "estimate")),
             None, one["outcome"]]
            for one in worst
        ]  # fmt: skip
        said = f"{check.reason} Holm's correction over {count:,} slices."
        if count > len(worst):
            said += f" {count - len(worst):,} more did better than these."
        parts += [
            tag("p", said, class_="soft"),
            table(head, rows, {1, 2, 3, 4}, "Slices", sortable=True, tall=len(rows) > 12, keys=keys),
        ]
    if few is not None:
        largest = few.evidence["largest"]
        items = [
            tag(
                "li",
                name(one["column"], 40),
                " = ",
                name(one["value"], 40),
                f", {one['n']:,} rows: {one['why']}",
            )
            for one in largest
        ]
        left = few.evidence["slices"] - len(largest)
        more = tag("li", f"and {left:,} more") if left else None
        title = f"Not judged, too few rows: {few.evidence['slices']:,}"
        parts.append(folded(title, tag("ul", items, more)))
    return joined(parts)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def fairness(report: Report) -> Safe:
    """Groups of people, attribute by attribute."""
    parts: list[Part] = []
    for one in report.verdict.checks:
        if not one.id.startswith("fairness/") or "groups" not in one.evidence:
            continue
        column = one.id.partition("/")[2]
        rows = [
            [
                f"{title}, {words} {one.evidence[key]['limit']:g}",
                number(one.evidence[key]["champion"]) if "champion" in one.evidence[key] else "",
                f"{number(one.evidence[key]['challenger'])} "
                f"({between(one.evidence[key]['low'], one.evidence[key]['high'])})",
            ]
            for key, (title, words) in FIGURES.items()
        ]
        groups = [
            [name(entry["group"], 40), f"{entry['n']:,}", *(_rate(entry[key]) for key in RATES)]
            for entry in one.evidence["groups"]
        ]
        few = one.evidence.get("few") or []
        parts += [
            tag("h3", sign(mark(one)), " ", name(column)),
            table(["", champion_name(report), "this PR"], rows, {1, 2}, f"Fairness: {column}"),
            table(["group", "rows", *RATES.values()], groups, {1, 2, 3, 4}, f"Groups of {column}"),
            tag("p", "Too few rows to judge: ", [[name(text), " "] for text in few], class_="soft")
            if few
            else None,
        ]
    return joined(parts)


def _rate(entry: list[float] | None) -> str:
    return "too few rows" if entry is None else f"{number(entry[0])} ({between(entry[1], entry[2])})"


def flips(report: Report) -> Safe:
    """Predictions that change; a script filters them."""
    if not report.flips:
        return Safe()
    found = report.looks.flips if report.looks is not None else []
    said = tag("p", signed(report.flips))
    if not found:
        return said
    rows, keys, marked = [], [], []
    for one in found:
        right = "to the right class" if one.challenger == one.truth else "away from it" if one.champion == one.truth else "wrong before and after"  # fmt: skip
        rows.append(
            [name(one.row, 40), name(one.truth, 40), _sure(one.champion, one.champion_score),
             _sure(one.challenger, one.challenger_score), right]
        )  # fmt: skip
        keys.append(
            [one.row if isinstance(one.row, str) else float(one.row), str(one.truth), one.champion_score, one.challenger_score, right]
        )  # fmt: skip
        marked.append({"kind": right})
    head = ["row", "truth", champion_name(report), "this PR", "direction"]
    choices = ["to the right class", "away from it", "wrong before and after"]
    filters = tag(
        "p",
        tag("label", "Find ", tag("input", type="search", id="find", placeholder="row or class")),
        " ",
        tag("label", "Show ", tag("select", tag("option", "all", value=""), [tag("option", c, value=c) for c in choices], id="kind")),
        " ",
        tag("output", f"{len(found):,} shown", id="shown"),
        hidden=True,
        class_="filters",
    )  # fmt: skip
    made = table(
        head, rows, (), "Flips", sortable=True, keys=keys, marked=marked, tall=len(rows) > 12, class_="flips"
    )
    surest = f"The {len(found):,} of which both models were surest, with the score of the class that each predicts."
    return joined([said, tag("p", surest, class_="soft"), filters, made])


def _sure(label: object, score: float | None) -> Safe:
    return joined([name(label, 40), " ", "" if score is None else number(score)])


def checks(report: Report) -> Safe:
    """What was asked, and what came out, in the order of the verdict."""
    rows: list[list[Part]] = [
        [
            name(one.id),
            joined([sign(mark(one)), f" {one.outcome}"]),
            one.severity,
            joined([one.reason, tag("span", f" Overridden: {one.override}", class_="because") if one.override else None]),
        ]
        for one in report.verdict.checks
    ]  # fmt: skip
    return table(
        ["check", "outcome", "severity", "result"], rows, (), "Every check", sortable=True, class_="checks"
    )
