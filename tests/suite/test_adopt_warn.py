"""What adopt warns of: columns that give the answer away, and the target."""

from __future__ import annotations

from typing import Any

from gitops_ml.adopt.kinds import Facts
from gitops_ml.adopt.warn import label_text, leak_text, quoted, target_texts
from gitops_ml.contracts.schema import SchemaFile


def schema(task: str) -> SchemaFile:
    target = {"role": "target", "type": "integer"} | (
        {"categories": [0, 1]} if task == "classification" else {}
    )
    content = {
        "version": 1,
        "task": task,
        "file": {"format": "parquet"},
        "columns": {"x": {"role": "feature", "type": "number"}, "y": target},
    }
    return SchemaFile.parse(content, "schema.yaml")


def texts(counts: dict[Any, int], nulls: int = 0, task: str = "classification") -> list[str]:
    rows = sum(counts.values()) + nulls
    facts = Facts(
        name="y", type="integer", rows=rows, nulls=nulls, distinct=len(counts), values=tuple(counts.items())
    )
    return target_texts(facts, schema(task))


def test_a_balanced_target_needs_no_warning() -> None:
    assert texts({0: 100, 1: 100}) == []
    assert texts({0: 380, 1: 20}) == []  # 20 rows, and 5 % of them: just enough


def test_few_rows_with_a_target() -> None:
    assert texts({0: 100, 1: 99}) == ["only 199 rows with a target: expect wide intervals (below 200)."]
    assert texts({0: 100, 1: 99}, nulls=1234) == [
        "1,234 rows have no y: prepare leaves them out and counts them.",
        "only 199 rows with a target: expect wide intervals (below 200).",
    ]
    assert texts({0: 1, 1: 399}, task="regression") == []
    assert len(texts({0: 9}, task="regression")) == 1


def test_rare_classes_are_named() -> None:
    assert texts({0: 200, 1: 19}) == [
        "fewer than 20 rows of 1 (19): no number for them will be firm.",
    ]
    few = {number: 12 + number for number in range(7)}
    assert texts({**few, 99: 100})[0] == (
        "fewer than 20 rows of 0 (12), 1 (13), 2 (14), 3 (15), 4 (16) and 2 more: no number for them will be firm."
    )
    five = {number: 14 for number in range(5)}
    assert " and " not in texts({**five, 99: 140})[0]


def test_imbalance_names_the_rarest_class() -> None:
    assert texts({0: 1000, 1.0: 30, 2: 40}) == [
        "imbalance: 1 is 2.8% of the rows. If it is the one that matters: train.class_weight: balanced in params.yaml"
    ]
    assert texts({0: 381, 1: 20})[0].startswith("imbalance: 1 is 5% of the rows.")


def test_leaks_come_with_the_ways_out() -> None:
    assert leak_text("closed at", 0.99949, True) == (
        "closed at alone predicts the target (AUC 0.999). If it is known only afterwards, it must not be a feature:\n"
        "    uv run gitops-ml adopt --drop 'closed at'\n"
        "    or keep it in the data only: uv run gitops-ml schema set 'closed at' --unavailable\n"
        "    If it is known when predicting, say why: uv run gitops-ml schema set 'closed at' --available --reason WHY"
    )
    assert "(correlation 1.000)" in leak_text("x", 1, False)


def test_labels_and_names_as_people_write_them() -> None:
    assert [label_text(value) for value in (1.0, 1.5, "1.0", True, 3)] == ["1", "1.5", "1.0", "True", "3"]
    assert quoted("a b") == "'a b'"
    assert quoted("it's") == "'it'\"'\"'s'"
