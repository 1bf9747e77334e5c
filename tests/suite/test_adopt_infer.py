"""What adopt decides about a column: types, roles, ranges, targets. Facts in, decisions out."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_ml.adopt import infer
from gitops_ml.adopt.kinds import MANY, Facts, rows_where, type_column
from gitops_ml.contracts.schema import Column, FileFormat
from gitops_ml.errors import Fault

CSV = FileFormat(format="csv", delimiter=",", decimal=".", encoding="utf-8")
COMMA = FileFormat(format="csv", delimiter=";", decimal=",", encoding="utf-8")
PARQUET = FileFormat(format="parquet")


def text(*cells: str | None, file: FileFormat = CSV, name: str = "x") -> Any:
    return type_column(name, pa.chunked_array([pa.array(cells, pa.large_string())]), file)


def arrow(values: Any, kind: pa.DataType | None = None) -> Any:
    return type_column("x", pa.chunked_array([pa.array(values, kind)]), PARQUET)


def facts(**changes: Any) -> Facts:
    return Facts(**{"name": "x", "type": "category", "rows": 100, "nulls": 0, "distinct": 5, **changes})


# ---------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (("1", "2", None), "integer", [1, 2, None]),
        (("+1", " -2 "), "integer", [1, -2]),
        (("0", "10", "-0"), "integer", [0, 10, 0]),
        (("1.5", "2", ".5", "5.", "-1e3"), "number", [1.5, 2, 0.5, 5, -1000]),
        (("+1.5", "2.0"), "number", [1.5, 2.0]),
        (("True", "false", None, "TRUE"), "boolean", [True, False, None, True]),
        (("0", "1"), "integer", [0, 1]),
        (("yes", "no"), "category", ["yes", "no"]),
        (("00123", "04567"), "category", ["00123", "04567"]),
        (("99999999999999999999", "1"), "category", ["99999999999999999999", "1"]),
        (("1,5", "2,5"), "category", ["1,5", "2,5"]),
        (("2024-02-30",), "category", ["2024-02-30"]),
        (("1", "two"), "category", ["1", "two"]),
    ],
)
def test_text_cells_become_typed(cells: tuple[str, ...], kind: str, values: list[Any]) -> None:
    column = text(*cells)
    assert (column.facts.type, column.cells.to_pylist()) == (kind, values)


def test_decimal_commas_become_numbers() -> None:
    column = text("1,5", "-2", None, ",25", file=COMMA)
    assert column.cells.to_pylist() == [1.5, -2, None, 0.25]
    assert text("1.5", "2", file=COMMA).facts.type == "number"


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("2024-01-31", "2024-01-31T00:00:00"),
        ("2024-01-31 23:59", "2024-01-31T23:59:00"),
        ("2024-01-31T23:59:01.5", "2024-01-31T23:59:01.500000"),
        ("2024-01-31T23:59:01Z", "2024-01-31T23:59:01"),
        ("2024-01-31T23:59:01+02:00", "2024-01-31T21:59:01"),
    ],
)
def test_iso_dates_become_moments_in_utc(cell: str, utc: str) -> None:
    column = text(cell, None)
    assert column.facts.type == "datetime"
    assert column.cells[0].as_py().isoformat() == utc


def test_hints_name_what_spoils_a_column() -> None:
    assert "leading zeros" in text("01", "2").facts.hint
    assert "18 digits" in text("1" * 20, "2").facts.hint
    assert "ISO 8601" in text("31.12.2024", "1.1.2024").facts.hint
    assert "ISO 8601" in text("12 Jan 2024", "3 Feb 2023").facts.hint
    assert text("a", "b").facts.hint is None
    almost = text(*map(str, range(30)), "?").facts
    assert almost.hint == "numbers, but for 1 cells such as '?' (row 31)"
    assert text("1", "a", "b").facts.hint is None


def test_infinities_are_refused_by_row() -> None:
    for column in (lambda: text("1", "inf", "2", "-Infinity"), lambda: arrow([1.0, np.inf, 2, -np.inf])):
        with pytest.raises(Fault, match=r"Column x holds infinities.*: row 2, 4. Replace"):
            column()
    with pytest.raises(Fault, match="holds infinities"):
        text("1e999", "1.5")
    assert text("inf", "sup", "1").facts.type == "category"


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([1, None], pa.int8(), "integer"),
        ([1, 2], pa.uint64(), "integer"),
        ([2**64 - 1, 0], pa.uint64(), "number"),
        ([1.5, float("nan")], pa.float32(), "number"),
        ([True, None], None, "boolean"),
        (["a", "b"], pa.string(), "category"),
        (["1", "2"], pa.string(), "category"),
        (["2024-01-01", "2024-01-02"], pa.string(), "datetime"),
        ([pd.Timestamp("2024-01-01", tz="Europe/Berlin")], None, "datetime"),
        ([pd.Timestamp("2024-01-01").date()], pa.date32(), "datetime"),
        ([None, None], pa.null(), "category"),
    ],
)
def test_parquet_types(values: Any, kind: pa.DataType | None, found: str) -> None:
    assert arrow(values, kind).facts.type == found


def test_parquet_details() -> None:
    assert arrow([1.5, float("nan")]).facts.nulls == 1
    assert (
        arrow([pd.Timestamp("2024-01-01", tz="Europe/Berlin")]).cells[0].as_py().isoformat()
        == "2023-12-31T23:00:00"
    )
    coded = type_column("x", pa.chunked_array([pa.array(["a", "b", "a"]).dictionary_encode()]), PARQUET)
    assert coded.facts.values == (("a", 2), ("b", 1))
    decimal = arrow(pa.array(["1.50", "2.00"]).cast(pa.decimal128(5, 2)))
    assert decimal.cells.to_pylist() == [1.5, 2.0]
    with pytest.raises(Fault, match=r"Column x holds values of the type list.*--drop x"):
        arrow([[1], [2]])


def test_facts_count() -> None:
    found = text("b", "a", "b", None).facts
    assert (found.rows, found.nulls, found.filled, found.distinct) == (4, 1, 3, 2)
    assert found.values == (("a", 1), ("b", 2))
    many = text(*map(str, range(MANY + 1))).facts
    assert (many.values, many.counting, many.minimum, many.maximum) == ((), True, 0, MANY)
    assert not text("0", "1", "1", "2").facts.counting
    assert not text("5", "6").facts.counting
    assert not text("1", "2", None).facts.counting
    assert text("1.0", "2.0").facts.whole
    assert not text("1.0", "2.5").facts.whole
    words = text("one two  three", "four").facts
    assert (words.mean_words, words.mean_length) == (2.0, 9.0)
    assert rows_where(pa.array([True, False, True, True, True])) == "1, 3, 4, ... (4 rows)"


# ---------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("low", "high", "whole", "bounds"),
    [
        (6.981, 28.11, False, (0, 39)),
        (0.05263, 0.1634, False, (0, 0.22)),
        (-5, 5, True, (-10, 10)),
        (0, 1, True, (0, 2)),
        (18, 79, True, (0, 110)),
        (-3.2, -1.1, False, (-4.3, -0.05)),
        (5, 5, False, (0, 7.5)),
        (0, 0, False, (0, 0.5)),
        (2**62, 2**63 - 1, True, (0, None)),
        (-1e308, 1.7e308, False, (None, None)),
        (1e20, 2e20, False, (0, 2.5e20)),
    ],
)
def test_ranges_are_widened_by_half_the_span_and_rounded_outward(
    low: float, high: float, whole: bool, bounds: tuple[float | None, float | None]
) -> None:
    found = infer.widened(low, high, whole)
    assert found == bounds
    assert all(type(bound) is not float or not bound.is_integer() or abs(bound) >= 1e15 for bound in found)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_range_holds_what_it_was_made_from(one: float, other: float) -> None:
    low, high = sorted((one, other))
    lower, upper = infer.widened(low, high, False)
    assert lower is None or lower <= low
    assert upper is None or upper >= high
    if low >= 0:
        assert lower == 0
    Column(role="feature", type="number", minimum=lower, maximum=upper)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_integer_ranges_are_integers(one: int, other: int) -> None:
    low, high = sorted((one, other))
    lower, upper = infer.widened(low, high, True)
    assert lower is None or (type(lower) is int and lower <= low)
    assert upper is None or (type(upper) is int and upper >= high)


# ---------------------------------------------------------------- features


def test_useless_columns_are_ignored_with_a_reason() -> None:
    assert infer.feature(facts(nulls=100, distinct=0)).reason == "empty in every row"
    assert infer.feature(facts(distinct=1)).reason == "the same value in every row"
    assert infer.feature(facts(distinct=1, nulls=3)).role == "feature"
    assert "pandas" in str(infer.feature(facts(name="__index_level_0__", type="integer")).reason)


@pytest.mark.parametrize(
    ("changes", "ignored"),
    [
        ({"name": "n", "type": "integer", "distinct": 100, "counting": True}, True),
        ({"name": "customer_id", "type": "integer", "distinct": 100}, True),
        ({"name": "CustomerID", "type": "integer", "distinct": 100}, True),
        ({"name": "customerId", "type": "integer", "distinct": 100}, True),
        ({"name": "row no", "type": "integer", "distinct": 100}, True),
        ({"name": "customer_id", "type": "integer", "distinct": 60}, False),
        ({"name": "humid", "type": "integer", "distinct": 100}, False),
        ({"name": "income", "type": "integer", "distinct": 100}, False),
        ({"name": "id", "type": "number", "distinct": 100}, False),
        ({"name": "code", "distinct": 95, "mean_words": 1.0}, True),
        ({"name": "code", "distinct": 94, "mean_words": 1.0}, False),
        ({"name": "name", "distinct": 100, "mean_words": 2.0, "mean_length": 15}, True),
        ({"name": "ref", "distinct": 51, "uuid": True}, True),
        ({"name": "ref", "distinct": 50, "uuid": True}, False),
        ({"name": "id", "type": "integer", "rows": 9, "distinct": 9, "counting": True}, False),
    ],
)
def test_what_names_rows_is_no_feature(changes: dict[str, Any], ignored: bool) -> None:
    column = infer.feature(facts(**changes))
    assert (column.role == "ignored") is ignored
    assert (column.reason is not None) is ignored


def test_texts_and_categories() -> None:
    sentence = facts(distinct=90, mean_words=6.0, mean_length=30.0)
    assert infer.feature(sentence).type == "text"
    assert infer.feature(facts(distinct=50, mean_words=6.0, mean_length=30.0)).type == "category"
    assert infer.feature(facts(distinct=90, mean_words=3.0, mean_length=11.0)).type == "category"
    assert infer.feature(facts(rows=9, distinct=9, mean_words=6.0, mean_length=30.0)).type == "category"
    values = tuple((f"v{i}", 2) for i in range(5))
    assert infer.feature(facts(values=values)).categories == ["v0", "v1", "v2", "v3", "v4"]
    assert infer.feature(facts(distinct=51)).categories is None
    assert infer.feature(facts(rows=9, distinct=5)).categories is None
    several = tuple((f"v{i:02}", 2) for i in range(50))
    assert len(infer.feature(facts(distinct=50, values=several)).categories or []) == 50


def test_ids_named_as_such_by_uuid() -> None:
    column = text(*(str(uuid.UUID(int=i)) for i in range(20)))
    assert column.facts.uuid
    assert infer.feature(column.facts).reason == "UUIDs"


# ---------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("changes", "asked", "task"),
    [
        ({"type": "category"}, "auto", "classification"),
        ({"type": "boolean", "distinct": 2}, "auto", "classification"),
        ({"type": "integer", "whole": True, "distinct": 10}, "auto", "classification"),
        ({"type": "integer", "whole": True, "distinct": 11}, "auto", "regression"),
        ({"type": "integer", "whole": True, "distinct": 20, "rows": 1000}, "auto", "classification"),
        ({"type": "integer", "whole": True, "distinct": 20, "rows": 999}, "auto", "regression"),
        ({"type": "integer", "whole": True, "distinct": 21, "rows": 9999}, "auto", "regression"),
        ({"type": "number", "whole": True, "distinct": 2}, "auto", "classification"),
        ({"type": "number", "distinct": 2}, "auto", "regression"),
        ({"type": "integer", "whole": True, "distinct": 2}, "regression", "regression"),
        ({"type": "integer", "whole": True, "distinct": 30}, "classification", "classification"),
    ],
)
def test_the_task_follows_the_target(changes: dict[str, Any], asked: str, task: str) -> None:
    assert infer.task_of(facts(**{"values": (("a", 1),), **changes}), asked) == task


@pytest.mark.parametrize(
    ("changes", "asked", "said"),
    [
        ({"nulls": 100, "distinct": 0}, "auto", "empty in every row"),
        ({"distinct": 1}, "auto", "one value in every row"),
        ({"type": "datetime", "distinct": 50}, "auto", "is a date"),
        ({"type": "category"}, "regression", "is no number: regression needs one"),
        ({"type": "category", "hint": "spoiled"}, "regression", "is no number (spoiled)"),
        ({"type": "number", "distinct": 50}, "classification", "with a fraction, not classes"),
        ({"distinct": 51, "values": (("a", 1),)}, "auto", "51 different values in 100 rows"),
        (
            {"distinct": 60, "hint": "numbers, but for 1 cells"},
            "auto",
            "It holds numbers, but for 1 cells: clean",
        ),
        ({"distinct": MANY + 1, "rows": 9999}, "auto", "too many to be classes"),
    ],
)
def test_a_hopeless_target_is_refused(changes: dict[str, Any], asked: str, said: str) -> None:
    with pytest.raises(Fault) as fault:
        infer.task_of(facts(name="goal", **changes), asked)
    assert "goal" in str(fault.value)
    assert said in str(fault.value)


def test_target_entries() -> None:
    two = infer.target(text("1.0", "0.0", None, "1.0").facts, "classification")
    assert (two.type, two.categories, two.positive, two.nullable) == ("integer", [0, 1], 1, True)
    three = infer.target(text("b", "a", "c").facts, "classification")
    assert (three.categories, three.positive) == (["a", "b", "c"], None)
    flag = infer.target(text("true", "false").facts, "classification")
    assert (flag.categories, flag.positive) == ([False, True], True)
    assert infer.target(text("1.5", "2").facts, "regression") == Column(role="target", type="number")


# ---------------------------------------------------------------- names


def test_unknown_names_get_the_closest_ones() -> None:
    with pytest.raises(Fault, match=r"--target: the table has no column 'Chrun'. Did you mean churn"):
        infer.roles(["age", "churn"], "Chrun", None, None, None, ())
    with pytest.raises(Fault, match=r"no column 'zzz'. It has: age, churn\."):
        infer.roles(["age", "churn"], "churn", None, None, None, ("zzz",))
    with pytest.raises(Fault, match=r"\.\.\. \(20 columns\)"):
        infer.find("zzz", [f"c{i}" for i in range(20)], "--id")
    with pytest.raises(Fault, match="Did you mean AGE"):
        infer.find("age ", ["AGE"], "--id")


def test_one_column_has_one_role() -> None:
    roles = infer.roles(["a", "b", "c", "d", "e"], "a", "b", "c", "d", ("e", "e"))
    assert roles == {"a": "target", "b": "time", "c": "group", "d": "id", "e": "drop"}
    with pytest.raises(Fault, match="Column a cannot be both --target and --drop"):
        infer.roles(["a", "b"], "a", None, None, None, ("a",))
    with pytest.raises(Fault, match="Column b cannot be both --time and --group"):
        infer.roles(["a", "b"], "a", "b", "b", None, ())


# ---------------------------------------------------------------- borders


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": "integer", "minimum": 1, "maximum": 9},
        {"name": "__index_level_0__", "type": "integer"},
        {"name": "code", "distinct": 99, "mean_words": 1.0},
        {"distinct": 90, "mean_words": 6.0, "mean_length": 30.0},
    ],
)
def test_a_column_may_be_empty_where_it_is(changes: dict[str, Any]) -> None:
    assert infer.feature(facts(**changes)).nullable is False
    assert infer.feature(facts(**changes, nulls=1)).nullable is True


def test_a_constant_is_never_empty() -> None:
    assert infer.feature(facts(distinct=1)).nullable is False


def test_bounds_belong_to_features_with_numbers() -> None:
    number = facts(type="number", minimum=0.0, maximum=10.0)
    assert (infer.described(number, "feature").minimum, infer.described(number, "feature").maximum) == (0, 15)
    assert infer.described(number, "time").minimum is None
    assert infer.described(facts(type="boolean"), "feature").minimum is None


def test_where_a_text_begins() -> None:
    assert infer.feature(facts(distinct=51, mean_words=3.0, mean_length=12.0)).type == "text"
    assert infer.feature(facts(distinct=51, mean_words=2.9, mean_length=12.0)).type == "category"
    assert infer.feature(facts(rows=10, distinct=9, mean_words=3.0, mean_length=12.0)).type == "text"


def test_where_classes_are_too_many() -> None:
    values = tuple((f"v{number}", 1) for number in range(6))
    assert infer.task_of(facts(rows=9, distinct=6, values=values), "auto") == "classification"
    assert infer.task_of(facts(rows=10, distinct=5, values=values[:5]), "auto") == "classification"
    with pytest.raises(Fault, match="6 different values in 10 rows"):
        infer.task_of(facts(rows=10, distinct=6, values=values), "auto")


def test_a_tenth_of_the_cells_may_spoil_a_number() -> None:
    numbers = [str(number) for number in range(27)]
    assert str(text(*numbers, "a", "b", "c").facts.hint).startswith(
        "numbers, but for 3 cells such as 'a' (row 28)"
    )
    assert text(*numbers[:26], "a", "b", "c").facts.hint is None
    assert str(text(*numbers, "a", *[None] * 9).facts.hint).startswith("numbers, but for 1 cells")


def test_years_and_empty_texts_in_parquet_are_no_dates() -> None:
    assert arrow(["2024", "2023"], pa.string()).facts.type == "category"
    empty = arrow([None, None], pa.string()).facts
    assert (empty.type, empty.distinct, empty.values) == ("category", 0, ())


@pytest.mark.parametrize(
    ("values", "counts"),
    [([0, 1, 2], True), ([1, 2, 3], True), ([0, 1], True), ([2, 3, 4], False), ([-1, 0, 1], False), ([0], False),
     ([1], False), ([0, 1, 3], False), ([0, 1, None], False), ([0.0, 1.0, 2.0], False)],
)  # fmt: skip
def test_what_counts_the_rows(values: list[Any], counts: bool) -> None:
    assert bool(arrow(values).facts.counting) is counts


def test_values_are_kept_up_to_many() -> None:
    assert len(text(*[f"v{number}" for number in range(MANY)]).facts.values) == MANY
