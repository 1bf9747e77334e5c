"""Slices: a group that is worse off is found and named, an accident of many groups is not, and few rows pass nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.suite import judged
from tests.suite.judged import evidence
from tests.suite.test_gate_secondary import shuffled

from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.errors import Fault
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.influence import difference
from gitops_ml.gate.judge import judge
from gitops_ml.gate.metrics import primary
from gitops_ml.gate.parts import parts
from gitops_ml.gate.slices import holm

PLANS = {"slices": [{"column": "plan"}]}


def one(verdict: Verdict, id_: str) -> Check:
    return next(check for check in verdict.checks if check.id == id_)


def sliced(given: Evidence, policy: dict[str, Any], **columns: Any) -> Evidence:
    made = PolicyFile.parse({"version": 1, "environments": ["production"], **policy}, "policy")
    return replace(given, policy=made, columns=pd.DataFrame(columns))


def spoiled(given: Evidence, rows: np.ndarray, seed: int = 0) -> Evidence:
    """The challenger knows nothing of these rows."""
    assert given.challenger.predictions is not None
    table = given.challenger.predictions.copy()
    draw = np.random.default_rng(seed)
    if "score_yes" in table:
        table.loc[rows, "score_yes"] = draw.random(int(rows.sum()))
        table["score_no"] = 1 - table["score_yes"]
        kind = "binary"
    else:
        table.loc[rows, "prediction"] = draw.normal(size=int(rows.sum()))
        kind = "regression"
    values = judged.metrics(judged.numbers(kind, given.truth, table), len(table))
    return replace(
        given,
        challenger=replace(given.challenger, predictions=table),
        metrics=values,
        card=judged.card(values),
    )


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_slice_that_is_worse_needs_a_human_although_all_rows_together_are_not(kind: str) -> None:
    plan = np.array(["basic", "pro", "flex", "old", "new"] * 600)
    plan[:120] = "rare"
    given = evidence(kind, 3000, 1, apart=0.05)
    wide = {"quality": {"margin": 0.2}, "slices_margin": 0.04, **PLANS}
    assert judge(sliced(given, wide, plan=plan)).overall == "pass"
    verdict = judge(sliced(spoiled(given, plan == "rare"), wide, plan=plan))
    check = one(verdict, "slices")
    assert verdict.overall == "needs-human" and (check.outcome, check.severity) == ("fail", "needs-human")
    assert check.evidence["worse"] == 1 and check.evidence["worst"][0]["value"] == "rare"
    assert "plan = rare (n = 120)" in check.reason and check.n == 120
    block = judge(sliced(spoiled(given, plan == "rare"), {**wide, "slices_severity": "block"}, plan=plan))
    assert block.overall == "block"
    note = judge(sliced(spoiled(given, plan == "rare"), {**wide, "slices_severity": "note"}, plan=plan))
    assert note.overall == "pass"


def test_a_fresh_project_has_no_slices_and_hears_nothing_of_them() -> None:
    assert not [check for check in judge(evidence()).checks if check.id.startswith("slices")]


def test_too_few_rows_and_one_class_are_said_and_pass_nothing() -> None:
    given = evidence("binary", 1000, 1, apart=0.1)
    plan = np.where(given.truth == "yes", "bought", "left").astype(object)
    plan[:20] = "few"
    verdict = judge(sliced(given, PLANS, plan=plan))
    assert "slices" not in {check.id for check in verdict.checks}, (
        "none could be judged: none is said to pass"
    )
    note = one(verdict, "slices/few")
    assert (note.outcome, note.severity) == ("unknown", "note") and verdict.overall == "pass"
    assert "all rows are of one class" in note.reason and "fewer than 30 rows" in note.reason
    assert [entry["value"] for entry in note.evidence["largest"]] == ["left", "bought", "few"]


def test_a_column_that_the_rows_lack_is_unknown_and_asks_a_human() -> None:
    policy = {"slices": [{"column": "plan"}, {"column": "gone"}]}
    verdict = judge(sliced(evidence("binary", 1000, 1, apart=0.1), policy, plan=["a", "b"] * 500))
    check = one(verdict, "slices")
    assert check.outcome == "unknown" and "no such column: gone" in check.reason
    assert verdict.overall == "needs-human" and check.evidence["missing"] == ["gone"]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_figures_of_a_slice_are_those_of_its_rows(kind: str) -> None:
    given = sliced(evidence(kind, 900, 4), {**PLANS, "slices_margin": 0.001}, plan=np.arange(900) % 3)
    found = {entry["value"]: entry for entry in one(judge(given), "slices").evidence["worst"]}
    assert set(found) == {"0", "1", "2"}
    table = judged_table(given)
    for plan in range(3):
        rows = np.arange(900) % 3 == plan
        old, new = (side._replace(truth=side.truth[rows], scores=side.scores[rows]) for side in table)
        entry = found[str(plan)]
        assert entry["n"] == 300
        assert entry["champion"] == pytest.approx(primary(old), abs=1e-6)
        assert entry["challenger"] == pytest.approx(primary(new), abs=1e-6)
        by_formula = difference(old, new, None)
        assert by_formula is not None
        assert (entry["low"], entry["high"]) == pytest.approx(by_formula.interval(0.95), abs=1e-6)


def judged_table(given: Evidence) -> Any:
    from gitops_ml.gate.table import Table

    table = Table.of(given)
    assert table.champion is not None
    return table.champion, table.challenger


def test_quantiles_crossings_and_empty_cells() -> None:
    n = 800
    age = np.arange(n, dtype=float)
    age[::10] = np.nan
    plan = np.array(["b", "a"] * (n // 2), dtype=object)
    plan[5::50] = None
    policy = PolicyFile.parse(
        {
            "version": 1,
            "environments": ["production"],
            "slices": [{"column": "plan"}, {"column": "age", "quantiles": 4}],
            "slices_cross": [["plan", "age"]],
        },
        "policy",
    )
    found, missing = parts(policy, pd.DataFrame({"plan": plan, "age": age}))
    assert not missing and [one_.name for one_ in found] == ["plan", "age", "plan, age"]
    assert found[0].labels == ["a", "b", "empty"] and found[0].sizes.tolist() == [384, 400, 16]
    assert found[1].labels[-1] == "empty" and found[1].sizes.tolist() == [180, 180, 180, 180, 80]
    borders = np.nanquantile(age, [0, 0.25, 0.5, 0.75, 1])
    assert found[1].labels[0] == f"{borders[0]:.4g} to {borders[1]:.4g}"
    for code in range(4):
        inside = age[found[1].codes == code]
        assert inside.min() >= borders[code] and (inside < borders[code + 1]).sum() >= len(inside) - 1
    assert len(found[2].labels) <= 15 and found[2].sizes.sum() == n
    assert found[2].labels[int(found[2].codes[1])] == f"a, {found[1].labels[0]}"
    same = pd.DataFrame({"age": np.ones(50)})
    flat, _ = parts(policy.model_copy(update={"slices": policy.slices[1:], "slices_cross": []}), same)
    assert flat[0].labels == ["1"] and flat[0].sizes.tolist() == [50]


@pytest.mark.parametrize(
    ("cross", "words"),
    [([["plan"]], "pairs of two"), ([["plan", "plan"]], "pairs of two"), ([["plan", "x"]], "must stand in")],
)
def test_crossings_that_policy_refuses(cross: Any, words: str) -> None:
    with pytest.raises(Fault, match=words):
        evidence(policy={**PLANS, "slices_cross": cross})


def test_holm_is_the_published_procedure() -> None:
    # Holm's steps, by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, and never less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-12)
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    draw = np.random.default_rng(0)
    policy = {
        "slices": [{"column": "plan"}, {"column": "age", "quantiles": 5}],
        "slices_cross": [["plan", "age"]],
        "slices_margin": 0.0001,
    }
    for groups in (None, pd.Series(np.arange(900) % 90)):
        given = sliced(
            evidence("binary", 900, 3, groups=groups),
            policy,
            plan=draw.choice(["a", "b", "c"], 900),
            age=draw.integers(0, 60, 900),
        )
        order = np.random.default_rng(1).permutation(900)
        again = replace(
            shuffled(given), columns=given.columns[["age", "plan"]].iloc[order].reset_index(drop=True)
        )
        assert judge(again).digest() == judge(given).digest()


def test_hundreds_of_slices_leave_twenty_in_the_verdict_and_the_rest_counted() -> None:
    given = sliced(
        evidence("regression", 12_000, 1, apart=0.1),
        {**PLANS, "min_slice_rows": 20},
        plan=np.arange(12_000) % 300,
    )
    check = one(judge(given), "slices")
    assert check.evidence["slices"] == 300 and len(check.evidence["worst"]) == 20
    assert "Of 300 slices none" in check.reason and check.outcome == "pass"
    many = sliced(evidence("regression", 12_000, 1, apart=0.1), PLANS, plan=np.arange(12_000))
    note = one(judge(many), "slices/few")
    assert note.evidence["slices"] == 12_000 and len(note.evidence["largest"]) == 20


def test_scores_that_are_no_numbers_are_not_sliced() -> None:
    given = sliced(evidence("binary", 600), PLANS, plan=["a", "b"] * 300)
    assert given.challenger.predictions is not None
    broken = given.challenger.predictions.copy()
    broken.loc[3, "score_yes"] = np.nan
    empty = judged.metrics({}, 600)
    verdict = judge(
        replace(
            given,
            challenger=replace(given.challenger, predictions=broken),
            metrics=empty,
            card=judged.card(empty),
        )
    )
    assert one(verdict, "slices").outcome == "unknown" and verdict.overall == "block"


def test_rows_of_a_class_it_never_saw_are_left_out_of_their_slices() -> None:
    base = evidence("multiclass", 900, 2)
    assert base.champion is not None and base.challenger.predictions is not None
    lacks = base.challenger.predictions.drop(columns="score_2")
    known = (base.truth < 2).to_numpy()
    table = judged.Rows(
        "multiclass", base.truth[known].to_numpy(), lacks[["score_0", "score_1"]].to_numpy()[known]
    )
    values = judged.metrics(judged.measure(table), int(known.sum()))
    plan = np.arange(900) % 3
    given = sliced(base, PLANS, plan=plan)
    verdict = judge(
        replace(
            given,
            challenger=replace(given.challenger, predictions=lacks),
            metrics=values,
            card=judged.card(values),
            ids=pd.Series([f"c{k}" for k in range(900)]),
        )
    )
    found = {entry["value"]: entry["n"] for entry in one(verdict, "slices").evidence["worst"]}
    assert found == {str(k): int((known & (plan == k)).sum()) for k in range(3)}
    assert all(
        base.truth[int(entry["row"][1:])] == entry["truth"]
        for entry in one(verdict, "flips").evidence["confident"]
    )
