"""What a verdict says of groups of rows and of single ones: slices, fairness, calibration, flips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_ml.card.markdown import between, folded, number, table
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.report.summary import mark, plain_name
from gitops_ml.report.text import MINUS, clip, name, title_name, words

RATES = {
    "positive_answers": "positive answers",
    "true_positives": "true positive rate",
    "false_positives": "false positive rate",
}
FIGURES = {
    "demographic_parity_ratio": ("demographic parity ratio", "at least"),
    "equalized_odds_difference": ("equalised-odds difference", "at most"),
}


def signed(value: float | None) -> str:
    """A difference with its sign; a true minus, so that a range reads well."""
    if value is None:
        return "unknown"
    sign, size = MINUS if value < 0 else "+" if value > 0 else "", abs(value)
    # Beside differences of 0.01, powers of ten are hard to read.
    return f"{sign}{size:.4f}" if 0.00005 <= size < 0.001 else f"{sign}{number(size)}"


def change(estimate: float | None, low: float | None, high: float | None) -> str:
    """A difference with its interval, where there is one."""
    return signed(estimate) + (f" ({signed(low)} to {signed(high)})" if low is not None else "")


def _one(verdict: Verdict, id_: str) -> Check | None:
    return next((one for one in verdict.checks if one.id == id_), None)


def _group(entry: Mapping[str, Any]) -> str:
    return f"{name(entry['column'], 40)} = {name(entry['value'], 40)}, n = {entry['n']:,}"


def worst_slice(verdict: Verdict) -> list[str] | None:
    """The row of the main table; None if no slice was judged."""
    one = _one(verdict, "slices")
    if one is None or not one.evidence.get("worst"):
        return None
    entry, count = one.evidence["worst"][0], one.evidence["slices"]
    said = "worse" if one.evidence["worse"] else "not shown to be worse"
    return [
        f"worst of {count:,} slices: {_group(entry)}" if count > 1 else f"slice: {_group(entry)}",
        number(entry["champion"]),
        number(entry["challenger"]),
        change(entry["estimate"], entry["low"], entry["high"]),
        f"{mark(one)} {said}",
    ]


def worse_slices(one: Check) -> str:
    """The first slice that is worse, with its figures, and how many more there are; empty if the check says otherwise."""
    worse = [entry for entry in one.evidence.get("worst", []) if entry["outcome"] == "worse"]
    if one.id != "slices" or not worse:
        return ""
    first, left = worse[0], one.evidence["worse"] - 1
    more = f" {left:,} more {'is' if left == 1 else 'are'}, too." if left else ""
    return (
        f"{_group(first)}: {words(plain_name(clip(one.metric or '')))} {number(first['champion'])} → "
        f"{number(first['challenger'])}, {change(first['estimate'], first['low'], first['high'])}. Shown to be worse by more "
        f"than {abs(one.threshold or 0):g}, of {one.evidence['slices']:,} slices looked at.{more}"
    )


def flips_line(verdict: Verdict) -> str:
    """One line on the predictions that change; empty where nothing was compared."""
    one = _one(verdict, "flips")
    if one is None:
        return ""
    count, n = one.evidence["rows"], one.n or 0
    if not count:
        return f"**Flips:** none of {n:,} test rows changes class."
    limit = f" Allowed: {one.threshold:.1%}. {mark(one)}" if one.threshold is not None else ""
    return (
        f"**Flips:** {count:,} of {n:,} test rows change class, {one.evidence['to_right']:,} of them to the right one."
        f"{limit}"
    )


def details(verdict: Verdict) -> list[str]:
    """What opens on a click: slices, fairness, calibration, flips; those that there are."""
    found = [_slices(verdict), *_fairness(verdict), _calibration(verdict), _flips(verdict)]
    return [part for part in found if part]


def _slices(verdict: Verdict) -> str:
    one, few = _one(verdict, "slices"), _one(verdict, "slices/few")
    parts = []
    if one is not None and one.evidence.get("worst"):
        worst, count = one.evidence["worst"], one.evidence["slices"]
        rows = [
            [
                f"{name(entry['column'], 40)} = {name(entry['value'], 40)}",
                f"{entry['n']:,}",
                number(entry["champion"]),
                number(entry["challenger"]),
                change(entry["estimate"], entry["low"], entry["high"]),
                mark(one) if entry["outcome"] == "worse" else "",
            ]
            for entry in worst
        ]
        head = ["slice", "n", "champion", "this PR", "difference", ""]
        parts.append(table(head, rows, frozenset({1, 2, 3, 4})))
        left = count - len(worst)
        more = f" {left:,} more did better than these." if left else ""
        unsure = one.evidence.get("unsure", 0)
        which = "one of them" if unsure == 1 else f"{unsure:,} of them"
        limit = f"{abs(one.threshold or 0):g}"
        doubt = (
            f" For {which} the rows do not rule out such a loss; they do not show it either."
            if unsure
            else ""
        )
        parts.append(
            f"{words(plain_name(clip(one.metric or '')))}; worse means: shown to be worse by more than "
            f"{limit}, Holm's correction over {count:,} slices.{more}{doubt}"
        )
    if few is not None:
        largest = [f"{_group(entry)} ({words(entry['why'], 60)})" for entry in few.evidence["largest"]]
        left = few.evidence["slices"] - len(largest)
        more = f"; and {left:,} more" if left else ""
        parts.append(f"**Not judged, too few rows:** {'; '.join(largest)}{more}.")
    return folded("Slices", "\n\n".join(parts)) if parts else ""


def _fairness(verdict: Verdict) -> list[str]:
    found = []
    for one in verdict.checks:
        if not one.id.startswith("fairness/") or "groups" not in one.evidence:
            continue
        rows = [
            [
                f"{title}, {words_} {one.evidence[key]['limit']:g}",
                number(one.evidence[key].get("champion")) if "champion" in one.evidence[key] else "",
                f"{number(one.evidence[key]['challenger'])} "
                f"({between(one.evidence[key]['low'], one.evidence[key]['high'])})",
            ]
            for key, (title, words_) in FIGURES.items()
        ]
        figures = table(["", "champion", "this PR"], rows, frozenset({1, 2}))
        groups = table(
            ["group", "n", *RATES.values()],
            [
                [name(entry["group"], 40), f"{entry['n']:,}", *(_rate(entry[key]) for key in RATES)]
                for entry in one.evidence["groups"]
            ],
            frozenset({1, 2, 3, 4}),
        )
        few = one.evidence.get("few") or []
        small = f"\n\nToo few rows to judge: {', '.join(name(text) for text in few)}." if few else ""
        column = one.id.partition("/")[2]
        found.append(folded(f"Fairness: {title_name(column)} {mark(one)}", f"{figures}\n\n{groups}{small}"))
    return found


def _rate(entry: list[float] | None) -> str:
    return "too few rows" if entry is None else f"{number(entry[0])} ({between(entry[1], entry[2])})"


def _calibration(verdict: Verdict) -> str:
    one = _one(verdict, "calibration")
    if one is None:
        return ""
    errors = one.evidence["ece"]

    def error(who: str) -> str:
        entry = errors.get(who)
        if entry is None:
            return ""
        range_ = f" ({between(entry['low'], entry['high'])})" if entry["low"] is not None else ""
        return f"{number(entry['value'])}{range_}"

    rows = [
        [
            "Brier score",
            "" if one.champion is None else number(one.champion),
            number(one.challenger),
            "" if one.estimate is None else change(one.estimate, one.low, one.high),
        ],
        ["expected calibration error", error("champion"), error("challenger"), ""],
    ]
    content = table(["lower is better", "champion", "this PR", "difference"], rows, frozenset({1, 2, 3}))
    return folded(f"Calibration {mark(one)}", content)


def _flips(verdict: Verdict) -> str:
    one = _one(verdict, "flips")
    if one is None or not one.evidence.get("confident"):
        return ""
    rows = [
        [
            name(entry["row"], 40),
            name(entry["truth"], 40),
            f"{name(entry['champion'], 40)} {number(entry['champion_score'])}",
            f"{name(entry['challenger'], 40)} {number(entry['challenger_score'])}",
        ]
        for entry in one.evidence["confident"]
    ]
    return folded(
        "Flips of which both models were surest", table(["row", "truth", "champion", "this PR"], rows)
    )
