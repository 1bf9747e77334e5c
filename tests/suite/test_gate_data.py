"""Data against the champion's, both ways: what moves beyond a limit is named, what stays within passes, what is unknown is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.suite import judged
from tests.suite.judged import Folders, evidence, prepared, profile
from tests.suite.pipelines import git
from tests.suite.test_gate_read import gathered

from gitops_ml.contracts.data_policy import Data
from gitops_ml.contracts.profile import Balance, ColumnProfile, ProfileFile, Share
from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.data import Finding, data, differences, total_variation, wasserstein
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.past import Past, past
from gitops_ml.gate.prepared import Overlap

QUANTILES = {str(level): float(level) for level in (1, 5, 25, 50, 75, 95, 99)}


def column(**changes: Any) -> ColumnProfile:
    content = {"role": "feature", "type": "number", "nulls": 0, "null_share": 0.0, "distinct": 500}
    return ColumnProfile.model_validate(
        {**content, "mean": 50.0, "std": 20.0, "quantiles": QUANTILES, **changes}
    )


def category(counts: dict[str, int], other: int = 0, **changes: Any) -> ColumnProfile:
    return column(
        type="category",
        mean=None,
        std=None,
        quantiles=None,
        categories=counts,
        other=other,
        distinct=len(counts),
        **changes,
    )


def having(
    columns: dict[str, ColumnProfile], rows: int = 1000, classes: tuple[int, int] = (700, 300)
) -> ProfileFile:
    made = profile()
    no, yes = classes
    balance = Balance(rows=no + yes, classes={"no": no, "yes": yes})
    target = {"churned": category({"no": no, "yes": yes}, role="target")}
    return made.model_copy(
        update={
            "columns": {**columns, **target},
            "rows": made.rows.model_copy(update={"total": rows}),
            "target": made.target.model_copy(update={"column": "churned", "overall": balance}),
        }
    )


def compared(old: ProfileFile, new: ProfileFile, **rules: Any) -> Check:
    given = evidence(profile=new, past=Past(old, None), policy={"data": rules})
    return data(given)[0]


# ---------------------------------------------------------------- distances


def test_total_variation_by_hand() -> None:
    assert total_variation({"a": 50, "b": 50}, {"a": 80, "b": 20}) == pytest.approx(0.3)
    assert total_variation({"a": 50, "b": 50}, {"a": 40, "b": 40, "c": 20}) == pytest.approx(0.2)
    assert total_variation({"a": 1}, {"b": 1}) == 1
    assert total_variation({"a": 10}, {"a": 900}) == 0
    assert total_variation({}, {"a": 1}) == 0


def test_values_that_one_profile_does_not_list_never_add_to_the_distance() -> None:
    """ "z" may be anywhere among the old one's others: it counts with them."""
    assert total_variation({"a": 80}, {"a": 80, "z": 20}, 20, 0) == 0
    assert total_variation({"a": 80}, {"a": 80, "z": 20}, 0, 0) == pytest.approx(0.2)
    draw = np.random.default_rng(0)
    for _ in range(50):
        shares = draw.dirichlet(np.ones(6), 2) * 1000
        whole = [{str(k): int(v) for k, v in enumerate(side)} for side in shares]
        true = total_variation(*whole)
        cut = [dict(sorted(side.items(), key=lambda one: -one[1])[:3]) for side in whole]
        others = [sum(side.values()) - sum(short.values()) for side, short in zip(whole, cut, strict=True)]
        assert total_variation(*cut, *others) <= true + 1e-12


def test_wasserstein_of_a_shift_is_the_shift() -> None:
    """In standard deviations, less the two tails of a hundredth each that profiles do not hold."""
    moved = column(mean=60.0, quantiles={level: value + 10 for level, value in QUANTILES.items()})
    assert wasserstein(column(), moved) == pytest.approx(0.98 * 10 / 20)
    assert wasserstein(column(), column()) == 0


def test_wasserstein_is_near_that_of_the_samples() -> None:
    """Against the exact distance of two samples: the mean gap of their ordered values."""
    draw = np.random.default_rng(1)
    for scale, shift in ((1.0, 0.5), (1.5, 0.0), (1.3, 0.4)):
        old, new = np.sort(draw.normal(size=20_000)), np.sort(shift + scale * draw.normal(size=20_000))
        exact = float(np.abs(old - new).mean()) / old.std(ddof=1)
        sides = [
            column(
                mean=float(v.mean()),
                std=float(v.std(ddof=1)),
                quantiles={q: float(np.percentile(v, int(q))) for q in QUANTILES},
            )
            for v in (old, new)
        ]
        assert wasserstein(*sides) == pytest.approx(exact, rel=0.12)


def test_of_two_values_the_distance_is_the_share_that_moved() -> None:
    """Three quarters of zeros or a few less: the 75th quantile jumps, the distance does not."""
    zeros = {**dict.fromkeys(QUANTILES, 0.0), "95": 1.0, "99": 1.0}
    old = column(distinct=2, mean=0.249, std=0.43, quantiles=zeros)
    new = column(distinct=2, mean=0.251, std=0.43, quantiles={**zeros, "75": 1.0})
    assert wasserstein(old, new) == pytest.approx(0.002 / 0.43)


def test_a_constant_that_moves_is_far_away() -> None:
    still = column(std=0.0, mean=3.0, distinct=1, quantiles=dict.fromkeys(QUANTILES, 3.0))
    assert (
        wasserstein(still, column(std=0.0, mean=4.0, distinct=1, quantiles=dict.fromkeys(QUANTILES, 4.0)))
        == 1000
    )
    assert wasserstein(still, still) == 0


def test_lengths_of_texts_are_compared_by_a_normal_columns_deviation() -> None:
    old = column(type="text", mean=None, std=None)
    new = column(type="text", mean=None, std=None, quantiles={q: v + 9 for q, v in QUANTILES.items()})
    assert wasserstein(old, new) == pytest.approx(0.98 * 9 / (90 / 3.29))


# ---------------------------------------------------------------- each rule, both ways


MOVED = {level: value + 7 for level, value in QUANTILES.items()}  # 0.343 standard deviations


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"x": column()}, {"x": column(), "y": column()}, "column y is new"),
        ({"x": column(), "y": column()}, {"x": column()}, "column y is gone"),
        ({"x": column()}, {"x": column(type="integer")}, "x is integer, was number"),
        ({"x": column()}, {"x": column(role="group")}, "x is group, was feature"),
        ({"x": column()}, {"x": column(null_share=0.11)}, "x is empty in 11.0%, was 0.0%"),
        ({"x": column(null_share=0.5)}, {"x": column(null_share=0.39)}, "x is empty in 39.0%, was 50.0%"),
        ({"x": column()}, {"x": column(quantiles=MOVED, mean=57.0)}, "x moved by 0.343 (limit 0.3)"),
        (
            {"x": category({"a": 50, "b": 50})},
            {"x": category({"a": 66, "b": 34})},
            "x moved by 0.16 (limit 0.15)",
        ),
    ],
)
def test_a_change_beyond_its_limit_is_named(old: dict[str, Any], new: dict[str, Any], words: str) -> None:
    check = compared(having(old), having(new))
    assert (check.outcome, check.severity) == ("fail", "note") and words in check.reason
    assert check.evidence["beyond"] == 1
    assert compared(having(old), having(new), severity="needs-human").severity == "needs-human"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"x": column()}, {"x": column(null_share=0.1)}),
        ({"x": column()}, {"x": column(quantiles={q: v + 6 for q, v in QUANTILES.items()}, mean=56.0)}),
        ({"x": category({"a": 50, "b": 50})}, {"x": category({"a": 64, "b": 36})}),
        (
            {"t": column(role="time")},
            {"t": column(role="time", quantiles={q: v + 900 for q, v in QUANTILES.items()})},
        ),
        (
            {"x": column(mean=None, std=None, quantiles=None)},
            {"x": column(mean=None, std=None, quantiles=None)},
        ),
    ],
)
def test_what_stays_within_its_limit_passes_and_is_listed(old: dict[str, Any], new: dict[str, Any]) -> None:
    check = compared(having(old), having(new))
    assert check.outcome == "pass" and check.evidence["beyond"] == 0
    assert check.evidence.get("not_compared", []) == (
        ["x"] if "x" in new and new["x"].quantiles is None and not new["x"].categories else []
    )


def test_rows_may_grow_and_must_not_be_lost() -> None:
    old = having({"x": column()}, rows=1000)
    assert compared(old, having({"x": column()}, rows=5000)).outcome == "pass"
    assert compared(old, having({"x": column()}, rows=500)).outcome == "pass"
    check = compared(old, having({"x": column()}, rows=499))
    assert check.outcome == "fail" and "499 rows, the champion's were 1,000" in check.reason
    assert compared(old, having({"x": column()}, rows=900), rows=0.05).outcome == "fail"


def test_the_balance_of_classes_has_a_limit_of_its_own() -> None:
    old = having({"x": column()}, classes=(700, 300))
    assert compared(old, having({"x": column()}, classes=(610, 390))).outcome == "pass"
    check = compared(old, having({"x": column()}, classes=(590, 410)))
    assert check.outcome == "fail" and "the balance of churned moved by 0.11 (limit 0.1)" in check.reason
    assert check.evidence["beyond"] == 1, "classes are not counted a second time as categories"


def test_many_changes_are_counted_and_the_greatest_listed_first() -> None:
    old = {f"c{k:03}": column() for k in range(100)}
    new = {name: column(quantiles={q: v + 7 + k for q, v in QUANTILES.items()}) for k, name in enumerate(old)}
    check = compared(having(old), having(new))
    assert "and 97 more" in check.reason and check.evidence["beyond"] == 100
    assert len(check.evidence["differences"]) == 40 and check.evidence["differences"][0]["column"] == "c099"
    json.dumps(check.model_dump(mode="json"), allow_nan=False)


def test_columns_in_another_order_give_the_same_check() -> None:
    old = {"b": column(), "a": category({"x": 1, "y": 9})}
    new = {"a": category({"y": 1, "x": 9}), "b": column(null_share=0.4)}
    first = compared(having(old), having(new))
    turned = [having(dict(reversed(side.items()))) for side in (old, new)]
    assert compared(*turned) == first


def test_numbers_to_predict_are_compared_as_numbers() -> None:
    old, new = (
        having(
            {"price": column(role="target", mean=mean, quantiles={q: v + mean for q, v in QUANTILES.items()})}
        )
        for mean in (50.0, 60.0)
    )
    found = {one.column: one for one in differences(old, new, Data())}
    assert found["price"] == Finding("distance", "price", 50.0, 60.0, 0.49, 0.3)


# ---------------------------------------------------------------- what is not known


def test_a_first_model_has_nothing_to_compare_and_says_no_more() -> None:
    check = data(evidence(champion=None, past=None))[0]
    assert check.outcome == "pass" and check.evidence == {} and "no champion" in check.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"profile": None}, "the candidate has no reports/data_profile.json"),
        (
            {"past": Past(None, None, "commit c0ffee has no reports/data_profile.json")},
            "commit c0ffee has no",
        ),
        ({"past": None}, "nobody read the champion's profile"),
    ],
)
def test_what_cannot_be_compared_is_unknown(changes: dict[str, Any], words: str) -> None:
    check = data(evidence(**changes))[0]
    assert check.outcome == "unknown" and words in check.reason


def test_the_champions_profile_and_schema_come_from_its_own_commit(tmp_path: Path) -> None:
    folders = Folders(tmp_path).write()
    base = folders.base
    (base / "reports").mkdir()
    old = profile().model_copy(update={"rows": profile().rows.model_copy(update={"total": 10_000_000})})
    old.write_json(base / "reports/data_profile.json")
    git(base, "init", "-q", "-b", "main")
    git(base, "add", "-A")
    git(base, "commit", "-qm", "The champion's")
    revision = git(base, "rev-parse", "HEAD")
    (base / "reports/data_profile.json").write_text("{}")  # what lies in the folder is not what is read
    folders.champion = {**(folders.champion or {}), "revision": revision}
    folders.score()
    said = json.loads((folders.scores / "manifest.json").read_text())
    said["champion"]["scored"]["revision"] = revision
    folders._put(folders.scores / "manifest.json", json.dumps(said).encode())
    folders.digests["scores_digest"] = judged.sha256((folders.scores / "manifest.json").read_bytes())
    found = gathered(folders, history=base)
    assert found.past is not None and found.past.profile == old and found.past.schema == found.old_schema
    assert "were 10,000,000" in data(found)[0].reason
    assert gathered(folders).past == Past(None, None, "no history was given to read it from")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("commit", "not in the history"),
        ("file", "has no"),
        ("json", "cannot be read"),
        ("old", "cannot be read"),
    ],
)
def test_a_past_that_cannot_be_read_says_why(tmp_path: Path, case: str, words: str) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "schema.yaml").write_text("columns: [" if case == "json" else "version: 99\n")
    if case != "file":
        (tmp_path / "reports").mkdir()
        (tmp_path / "reports/data_profile.json").write_text("{" if case == "json" else '{"version": 0}')
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "x")
    found = past(tmp_path, "0" * 40 if case == "commit" else git(tmp_path, "rev-parse", "HEAD"))
    assert found.profile is None and found.schema is None and words in found.trouble


# ---------------------------------------------------------------- equal rows


def overlapping(
    rows: int, of: int = 1000, chance: float = 0.0, before: float | None = None, **more: Any
) -> Check:
    old = profile()
    if before is not None:
        old = old.model_copy(update={"overlap": Share(rows=0, share=before)})
    honest = old.model_copy(update={"overlap": Share(rows=rows, share=rows / of)})
    changes: dict[str, Any] = {
        "prepared": prepared(of, overlap=Overlap(rows, of, chance)),
        "profile": honest,
        **more,
    }
    if before is None:
        changes |= {"champion": None, "past": None}
    else:
        changes["past"] = Past(old, None)
    given: Evidence = evidence(**changes)
    return data(given)[1]


def test_test_rows_among_training_rows_need_a_human() -> None:
    assert overlapping(0).outcome == "pass"
    assert overlapping(20).outcome == "pass"
    check = overlapping(21)
    assert (check.outcome, check.severity) == ("fail", "needs-human")
    assert "21 of 1,000 test rows (2.1%) equal a training row" in check.reason
    rules = {"data": {"overlap": {"limit": 0.0, "severity": "block"}}}
    assert (overlapping(1, policy=rules).outcome, overlapping(1, policy=rules).severity) == ("fail", "block")
    assert overlapping(0, policy=rules).outcome == "pass"


def test_what_the_champion_had_is_no_news() -> None:
    assert overlapping(300, before=0.29).outcome == "pass"
    check = overlapping(300, before=0.1)
    assert check.outcome == "fail" and check.champion == 0.1 and "the champion's: 10.0%" in check.reason


def test_a_profile_that_claims_copies_which_are_not_there_is_no_room_for_later_ones() -> None:
    for claimed, outcome in ((0.12, "pass"), (0.121, "fail")):
        told = profile().model_copy(update={"overlap": Share(rows=0, share=claimed)})
        check = overlapping(100, before=0.1, profile=told)
        assert check.outcome == outcome
    assert "reports/data_profile.json says 12.1%" in check.reason


def test_honest_copies_pass_and_planted_ones_do_not() -> None:
    """Half of the rows have a copy. Drawn at random they pass in nearly every draw; test rows put into the training do not."""
    from gitops_ml.gate.prepared import by_chance

    draw, failed = np.random.default_rng(2), 0
    key = np.concatenate([np.arange(500), np.repeat(np.arange(500, 750), 2)])
    copies = np.unique(key, return_counts=True)[1]
    for _ in range(500):
        order = draw.permutation(len(key))
        rows = int(np.isin(key[order[:250]], key[order[250:]]).sum())
        failed += overlapping(rows, 250, by_chance(copies, 250)).outcome == "fail"
    assert failed <= 5
    planted = np.unique(np.concatenate([np.arange(1000), np.arange(250)]), return_counts=True)[1]
    assert overlapping(250, 250, by_chance(planted, 250)).outcome == "fail"


def test_rows_that_nobody_can_compare_are_unknown() -> None:
    for changes, words in (
        ({"trouble": "the candidate holds no training rows"}, "no training rows"),
        ({"skipped": ("nested",)}, "cells of nested"),
    ):
        check = data(evidence(prepared=prepared(overlap=None, **changes)))[1]
        assert (check.outcome, check.severity) == ("unknown", "needs-human") and words in check.reason
