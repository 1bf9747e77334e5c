"""How well one column alone predicts the target, by figures worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_ml.rows import alone
from gitops_ml.rows.alone import Leakage, auc, correlation, ranks

DRAW = np.random.default_rng(3)


def leak(target: Any, cells: Any, classification: bool = True, kind: pa.DataType | None = None) -> float:
    column = pa.array(cells, kind)
    if pa.types.is_string(column.type):
        column = column.cast(pa.large_string())
    return Leakage(pa.array(target), classification).score(column)


# ---------------------------------------------------------------- figures


def test_auc_by_hand() -> None:
    """Of the four pairs of a positive with a negative, three stand in order; a tie counts half."""
    truth = np.array([False, False, True, True])
    assert auc(truth, np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
    assert auc(truth, np.array([1.0, 2.0, 2.0, 3.0])) == 0.875
    assert auc(truth, np.array([5.0, 5.0, 5.0, 5.0])) == 0.5
    assert auc(np.array([True, False, False]), np.array([0.0, 1.0, 2.0])) == 0.0


def test_ranks_by_hand() -> None:
    assert ranks(np.array([10.0, 20.0, 10.0, 30.0, 10.0])).tolist() == [2, 4, 2, 5, 2]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=30))
def test_auc_is_the_share_of_ordered_pairs(rows: list[tuple[bool, int]]) -> None:
    high = [score for truth, score in rows if truth]
    low = [score for truth, score in rows if not truth]
    if not high or not low:
        return
    pairs = [(a > b) + (a == b) / 2 for a in high for b in low]
    found = auc(np.array([truth for truth, _ in rows]), np.array([float(score) for _, score in rows]))
    assert found == pytest.approx(sum(pairs) / len(pairs))


def test_correlation_by_hand() -> None:
    one = np.array([1.0, 2.0, 3.0, 4.0])
    assert correlation(one, 5 - 2 * one) == pytest.approx(-1)
    # Deviations -1.5 -.5 .5 1.5 and 0 -1 1 0: products sum to 1, squares to 5 and 2.
    assert correlation(one, np.array([1.0, 0.0, 2.0, 1.0])) == pytest.approx(1 / np.sqrt(10))
    assert correlation(one, np.ones(4)) == 0.0


def test_bins_keep_heaps_and_gaps_apart() -> None:
    numbers = np.concatenate([np.zeros(500), np.arange(1.0, 501.0), [np.nan, np.nan]])
    bins = alone._bins(numbers)
    assert len(set(bins[:500])) == 1
    assert bins[0] not in bins[500:]
    assert bins[-1] == bins[-2]
    assert bins[-1] not in bins[:-2]
    assert (np.diff(bins[:1000]) >= 0).all()
    assert 30 <= len(np.unique(bins)) <= 34  # half of the 64 edges are 0
    few = alone._bins(np.repeat(np.arange(100.0), 5))
    assert len(np.unique(few)) > 90  # each edge has five rows, so it stands alone
    assert len(np.unique(alone._bins(np.repeat(np.arange(100.0), 4)))) == 64
    assert alone._bins(np.arange(630.0)).tolist()[:22] == [0] * 10 + [1] * 10 + [2] * 2
    assert alone._bins(np.array([np.nan, np.nan])).tolist() == [0, 0]


def test_codes_keep_the_order_of_numbers_and_a_place_for_nulls() -> None:
    assert alone._codes(pa.array([30, 10, None, 20, 10])).tolist() == [2, 0, 3, 1, 0]
    assert alone._codes(pa.array([True, False, True])).tolist() == [1, 0, 1]
    assert alone._codes(pa.array([0.5, -0.5])).tolist() == [1, 0]
    assert alone._codes(pa.array(["b", None, "a", "b"])).tolist() == [0, 2, 1, 0]


# ---------------------------------------------------------------- leakage


ALTERNATING = [0, 1] * 100
NOISE = DRAW.normal(size=200)


@pytest.mark.parametrize(
    ("cells", "least", "most"),
    [
        (ALTERNATING, 1, 1),
        ([1 - value for value in ALTERNATING], 1, 1),
        (["no", "yes"] * 100, 1, 1),
        ([False, True] * 100, 1, 1),
        ([None, 7.5] * 100, 1, 1),
        ([f"row {number}" for number in range(200)], 0.5, 0.5),
        ([number // 2 for number in range(200)], 0.3, 0.7),
        (NOISE, 0.3, 0.7),
        (["same"] * 200, 0.5, 0.5),
        ([None] * 200, 0.5, 0.5),
        ([number % 2 * 1000 + number for number in range(200)], 1, 1),
    ],
)
def test_how_well_one_column_predicts_a_class(cells: Any, least: float, most: float) -> None:
    assert least <= leak(ALTERNATING, cells) <= most


def test_a_column_of_times_leaks_as_well() -> None:
    moments = pa.array([number % 2 * 10**9 + number for number in range(200)], pa.timestamp("us"))
    assert Leakage(pa.array(ALTERNATING), True).score(moments) == 1


def test_fine_order_is_found_by_ranks() -> None:
    """All scores of one class lie above the other's by a hair inside of one bin: bins cannot see it, ranks do."""
    target = [0] * 150 + [1] * 50
    cells = [float(number) for number in range(200)]
    assert leak(target, cells) == 1
    assert leak(target, [-cell for cell in cells]) == 1


def test_mostly_empty_columns_are_judged_by_their_emptiness() -> None:
    """Of 200 rows 90 are filled, in perfect order: too few for ranks, and the bins see 0.5 where it is empty."""
    cells = [None if number < 110 else float(number % 2) for number in range(200)]
    assert 0.5 < leak(ALTERNATING, cells) < alone.LEAK
    filled = [None if number < 90 else float(number % 2) for number in range(200)]
    assert leak(ALTERNATING, filled) == 1


def test_every_class_must_be_given_away() -> None:
    classes = ["a", "b", "c"] * 70
    assert leak(classes, ["x", "y", "z"] * 70) == 1
    assert leak(classes, ["x", "y", "y"] * 70) < 0.9
    assert leak(classes, [0.0, 1.0, 2.0] * 70) == 1


def test_classes_too_rare_to_judge_do_not_count() -> None:
    target = [*[0, 1] * 100, 2, 2, 2, 2]
    cells = [*["x", "y"] * 100, "x", "y", "x", "y"]
    assert leak(target, cells) > 0.97
    assert (
        leak([0] * 200 + [1] * 4, [0] * 200 + [1] * 4) == 1
    )  # nothing left to judge by but ranks: too rare too


@pytest.mark.parametrize(("rows", "found"), [(49, 0.0), (50, 1.0)])
def test_few_rows_say_nothing(rows: int, found: float) -> None:
    target = [0, 1] * 30
    assert leak(target[:rows], target[:rows]) == found
    numbers = [float(number) for number in range(rows)]
    assert leak(numbers, numbers, classification=False) == pytest.approx(found)


def test_rows_without_a_target_are_left_out() -> None:
    target = [0, 1, None] * 60
    assert leak(target, [0, 1, 0] * 60) == 1
    assert leak([0, 1] * 24 + [None] * 100, [0, 1] * 24 + [1] * 100) == 0


def test_numbers_as_targets() -> None:
    x = np.sort(DRAW.normal(size=400))
    assert leak(x * 3 + 1, x, classification=False) == pytest.approx(1)
    assert leak(-np.exp(x), x, classification=False) == pytest.approx(1)
    assert leak(DRAW.normal(size=400), x, classification=False) < 0.3
    assert leak([5.0] * 400, x, classification=False) == 0
    labels = [f"g{int(number)}" for number in np.arange(400) % 4]
    assert leak((np.arange(400) % 4).astype(float), labels, classification=False) == pytest.approx(1)


def test_a_valley_is_found() -> None:
    """Neither a rank nor one threshold tells: small in the middle, great at both ends."""
    distance = np.abs(np.arange(2000) - 1000.0)
    assert leak(distance, np.arange(2000.0), classification=False) > alone.LEAK
    assert leak((distance > 500).astype(int), np.arange(2000.0)) > alone.LEAK


def test_r2_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups with means 0 and 2, each spread by 1 around its mean: R2 is 1 - 1 / 2."""
    target = [-1.0, 1.0, 1.0, 3.0] * 5000
    assert leak(target, ["low", "low", "high", "high"] * 5000, classification=False) == pytest.approx(
        0.5, abs=0.02
    )


def test_long_tables_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "SAMPLE", 100)
    chosen = Leakage(pa.array([0, 1] * 500), True)._rows.to_pylist()
    assert len(chosen) == 100
    assert (chosen[0], chosen[-1]) == (0, 999)
    assert set(np.diff(chosen)) <= {10, 11}
    assert len(Leakage(pa.array([0, 1] * 50), True)._rows) == 100
    assert alone.SAMPLE == 100


def test_one_half_is_fitted_and_the_other_judged() -> None:
    found = Leakage(pa.array([0, 1] * 50), True)
    assert (len(found._fit), len(found._judge)) == (50, 50)
    assert sorted([*found._fit, *found._judge]) == list(range(100))


@pytest.mark.filterwarnings("error")
def test_one_class_alone_is_no_leak() -> None:
    assert leak([0] * 200, ["x"] * 200) == 0


@pytest.mark.parametrize(("judged", "fitted", "counts"), [(5, 5, True), (4, 5, False), (5, 4, False)])
def test_five_rows_in_each_half_make_a_class_count(judged: int, fitted: int, counts: bool) -> None:
    halves = Leakage(pa.array(ALTERNATING), True)
    target, cells = list(ALTERNATING), ["x" if value else "y" for value in ALTERNATING]
    for row in [*halves._judge[:judged], *halves._fit[:fitted]]:
        target[row], cells[row] = -1, "x"
    # The column knows 0 from 1, and a -1, which is judged first, looks like a 1.
    assert (leak(target, cells) < 0.9) is counts


def test_targets_of_small_numbers() -> None:
    assert leak([0.0, 0.001] * 100, ["a", "b"] * 100, classification=False) == pytest.approx(1)


def test_fifty_filled_rows_and_half_of_all_are_enough_for_ranks() -> None:
    cells = [None] * 50 + [float(number % 2) for number in range(50)]
    assert leak([0, 1] * 50, cells) == 1


def test_five_rows_of_each_class_are_enough_for_ranks() -> None:
    cells = [float(number) for number in range(200)]
    assert leak([0] * 195 + [1] * 5, cells) == 1
    assert leak([0] * 5 + [1] * 195, cells) == 1
    many = [float(number) for number in range(2000)]
    assert leak([0] * 4 + [1] * 1996, many) < 1
    assert leak([0] * 1996 + [1] * 4, many) < 1
