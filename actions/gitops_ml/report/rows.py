"""What a verdict says of rows: the column that gives the answer away, with the ways out, and how the data changed."""

from __future__ import annotations

import shlex
from typing import Any

from gitops_ml.card.markdown import folded, number, table
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.report.text import clip, name, some, words

SHOWN = 3


def short(one: Check) -> str | None:
    """A check of the rows in a few plain words; None: it is none of them."""
    leaks = _leaks(one)
    if one.id == "leakage" and leaks:
        count = "one column gives" if len(leaks) == 1 else f"{len(leaks):,} columns give"
        return f"{count} the answer away"
    if one.id == "leakage":
        return "nobody could look for columns that give the answer away"
    unknown = one.outcome == "unknown"
    return {
        "data": "it is unknown how the data changed" if unknown else "the data are not like the champion's",
        "data/overlap": "it is unknown whether test rows were trained on"
        if unknown
        else "test rows are training rows",
        "leakage/time": "it is unknown whether the test rows are the newest"
        if unknown
        else "test rows are older than training rows",
        "leakage/shuffled": "models of a shuffled target could not be measured"
        if unknown
        else "a shuffled target can be learnt",
        "schema": "callers would have to change",
    }.get(one.id)


def said(one: Check) -> str:
    """The sentence on columns that give the answer away, their names set as code; empty for every other check. Markdown."""
    leaks = _leaks(one)
    if not leaks:
        return ""
    measure = words(one.evidence.get("measure", "AUC"))
    if len(leaks) == 1:
        text = f"{name(leaks[0]['column'])} alone predicts the target with {measure} {leaks[0]['score']:.3f}"
    else:
        listed = some([f"{name(leak['column'])} ({leak['score']:.3f})" for leak in leaks], SHOWN)
        text = f"{listed} each predict the target alone ({measure})"
    declared = "; schema.yaml of this pull request says that it is known when predicting"
    return f"{text}{declared if leaks[0]['why'] == 'declared' else ''}."


def step(one: Check) -> str | None:
    """What the author can do about it. Markdown; None: it is no check of the rows."""
    leaks = _leaks(one)
    if one.id == "leakage" and leaks:
        column = shlex.quote(clip(leaks[0]["column"]))
        drop = " ".join(f"--drop {shlex.quote(clip(leak['column']))}" for leak in leaks[:SHOWN])
        reason = f"uv run gitops-ml schema set {column} --available --reason WHY"
        return (
            f"{name(f'uv run gitops-ml adopt {drop}', 300)}, or say why it really is known when the prediction is made: "
            f"{name(reason, 200)}"
        )
    return {
        "data": "look at what changed in the table, and widen `data` in policy.yaml if it is meant",
        "data/overlap": "keep copies of a row on one side: declare what they belong to with `uv run gitops-ml adopt --group`",
        "leakage/time": "split by time so that the test rows are the newest: `data.split` in params.yaml",
        "leakage/shuffled": "look where training reads the answer besides the target's column of the training rows",
        "schema": "keep the form of rows and answers, or agree on the change with those who call the service",
    }.get(one.id)


def data_details(verdict: Verdict) -> str:
    """How the data differ from the champion's, where that is beyond a limit; what lies within stands in verdict.json."""
    one = next((check for check in verdict.checks if check.id == "data"), None)
    found = [] if one is None or one.outcome == "pass" else one.evidence.get("differences", [])
    if one is None or not found:
        return ""
    rows = [
        [
            words(entry["what"], 40),
            name(entry["column"], 40) if entry["column"] is not None else "",
            _value(entry["before"]),
            _value(entry["now"]),
            "" if entry["size"] is None else number(entry["size"]),
            "" if entry["limit"] is None else f"{entry['limit']:g}",
        ]
        for entry in found
    ]
    head = ["what", "column", "champion", "this PR", "moved by", "limit"]
    return folded("The data against the champion's", table(head, rows, frozenset({2, 3, 4, 5})))


def _value(value: Any) -> str:
    if value is None:
        return ""
    return words(value, 40) if isinstance(value, str) else number(value)


def _leaks(one: Check) -> list[dict[str, Any]]:
    """The columns that decide the outcome: the worst kind that is among them."""
    columns = one.evidence.get("columns", []) if one.id == "leakage" else []
    for why in ("leak", "declared", "champion"):
        found = [leak for leak in columns if leak["why"] == why]
        if found:
            return found
    return []
