"""What the comment says of rows: the leaking column and the ways out, data that moved, and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.suite import judged
from tests.suite.judged import evidence, prepared, profile
from tests.suite.test_gate_data import column, having

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.judge import judge
from gitops_ml.gate.past import Past
from gitops_ml.gate.prepared import Order, Overlap
from gitops_ml.report.comment import comment
from gitops_ml.report.context import Context
from gitops_ml.report.rows import short, step
from gitops_ml.report.summary import status_line


def told(given: Evidence) -> str:
    return comment(judge(given), Context())


def test_the_leaking_column_is_named_with_the_ways_out() -> None:
    given = evidence(n=2000, apart=0.1, prepared=prepared(2000, alone={"tenure": 0.9994}))
    text = told(given)
    assert text.splitlines()[1] == "### ⛔ Blocked: one column gives the answer away"
    assert (
        "1. **One column gives the answer away.** `tenure` alone predicts the target with AUC 0.999." in text
    )
    assert (
        "**To go on:** `uv run gitops-ml adopt --drop tenure`, or say why it really is known when the prediction is made: "
        "`uv run gitops-ml schema set tenure --available --reason WHY`." in text
    )
    assert "check: leakage" in text, "or argue an override"
    assert status_line(judge(given)) == ("failure", "Blocked: one column gives the answer away")


def test_more_columns_and_hostile_names_are_harmless() -> None:
    names = ["a`b", "@team", "x|y", "c\n# d", "e"]
    text = told(evidence(prepared=prepared(alone=dict.fromkeys(names, 0.995))))
    assert (
        "5 columns give the answer away" in text and "and 2 more each predict the target alone (AUC)" in text
    )
    assert "\n# d" not in text and "``a`b``" in text
    assert "adopt --drop @team" in text or "--drop '@team'" in text


def test_a_declaration_is_told_to_whoever_approves() -> None:
    known = {**judged.COLUMNS, "tenure": {**judged.COLUMNS["tenure"], "reason": "measured at the counter"}}
    given = evidence(
        n=2000,
        apart=0.1,
        prepared=prepared(2000, alone={"tenure": 1.0}),
        new_schema=judged.schema("binary", known),
    )
    text = told(given)
    assert "✋ Needs a human: one column gives the answer away" in text
    assert "`tenure` alone predicts the target with AUC 1.000; schema.yaml of this pull request says" in text


def test_data_beyond_a_limit_are_a_note_with_a_table() -> None:
    moved = column(null_share=0.4)
    given = evidence(
        n=2000, apart=0.1, profile=having({"x": moved}), past=Past(having({"x": column()}), None)
    )
    text = told(given)
    assert "- **Note:** Against the champion's data: x is empty in 40.0%, was 0.0%." in text
    assert (
        "<summary>The data against the champion's</summary>" in text
        and "| nulls | `x` | 0.000 | 0.400 | 0.400 | 0.1 |" in text
    )


def test_nothing_is_added_where_all_is_well() -> None:
    given = evidence(n=2000, apart=0.1)
    text = told(given)
    assert "✅ Pass" in text
    for words in (
        "gives the answer away.",
        "champion's data",
        "The data against",
        "shuffled",
        "Note:** Unknown",
    ):
        assert words not in text.partition("<details>")[0]
    first = replace(given, champion=None, past=None)
    assert "There is no champion to compare with." in told(first)
    assert "Note:** There is no champion" not in told(first)


def test_every_check_of_the_rows_has_plain_words_and_a_next_step() -> None:
    asked = {"leakage": {"shuffled_target": True}, "data": {"severity": "block"}, "contract": "block"}
    changes: dict[str, Any] = {
        "prepared": prepared(
            alone={"tenure": 1.0}, overlap=Overlap(300, 600, 0.0), order=Order("day", 3, 600, 0)
        ),
        "by_time": ("head",),
        "profile": having({"x": column()}),
        "past": Past(profile(), None),
        "old_schema": judged.schema(
            "binary", {**judged.COLUMNS, "gone": {"role": "feature", "type": "number"}}
        ),
    }
    found = {one.id: one for one in judge(evidence(policy=asked, **changes)).checks}
    wanted = ["data", "data/overlap", "leakage", "leakage/time", "leakage/shuffled", "schema"]
    assert all(found[name].outcome != "pass" for name in wanted)
    said = [(short(found[name]), step(found[name])) for name in wanted]
    assert all(words and next_ for words, next_ in said) and len({words for words, _ in said}) == len(wanted)
    unsaid = found["card"]
    assert short(unsaid) is None and step(unsaid) is None


@pytest.mark.parametrize("name", ["data", "data/overlap", "leakage", "leakage/time", "leakage/shuffled"])
def test_what_is_unknown_is_not_told_as_a_failure(name: str) -> None:
    unknown, failed = (
        Check(id=name, severity="block", outcome=outcome, title="", reason="")
        for outcome in ("unknown", "fail")
    )
    if name != "leakage":  # a failure of it names columns
        assert short(unknown) != short(failed)
    assert any(word in (short(unknown) or "") for word in ("unknown", "could not", "nobody could"))
