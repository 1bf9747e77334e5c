"""Each check of the gate: the failure it exists for is planted, and stops the model; honest evidence passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.suite import judged
from tests.suite.conftest import TEMPLATE
from tests.suite.judged import NEW, OLD, evidence

from gitops_ml.contracts.model_card import Answered
from gitops_ml.contracts.overrides import Override, OverridesFile
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.errors import Fault
from gitops_ml.gate.callers import breaks
from gitops_ml.gate.decide import decide
from gitops_ml.gate.evidence import Evidence, Forged
from gitops_ml.gate.judge import judge


def one(verdict: Verdict, id_: str) -> Check:
    return next(check for check in verdict.checks if check.id == id_)


# ---------------------------------------------------------------- the decision


@pytest.mark.parametrize(
    ("estimate", "low", "high", "word", "outcome"),
    [
        (0.03, 0.01, 0.05, "improved", "pass"),
        (0.001, -0.01, 0.012, "no measurable change", "pass"),
        (-0.012, -0.019, -0.005, "worse within margin", "pass"),
        (-0.041, -0.063, -0.019, "regression", "fail"),
        (-0.021, -0.0215, -0.0205, "regression", "fail"),
        (-0.015, -0.025, -0.005, "cannot tell", "unknown"),  # surely worse; by more than the margin, perhaps
        (0.0, -0.03, 0.03, "cannot tell", "unknown"),  # too few rows, even for equal models
        (-0.03, -0.07, 0.01, "cannot tell", "unknown"),  # bad looks, and perhaps an accident
        (0.01, -0.02, 0.04, "cannot tell", "unknown"),  # exactly the margin is not inside it
        (-0.02, -0.03, -0.01, "cannot tell", "unknown"),  # exactly the margin is not beyond it
        (-0.03, -0.06, 0.0, "cannot tell", "unknown"),  # zero is not ruled out
        (0.0, None, None, "cannot tell", "unknown"),
        (0.03, 0.01, None, "cannot tell", "unknown"),
        (0.03, None, 0.05, "cannot tell", "unknown"),
    ],
)
def test_the_rule(estimate: float, low: float | None, high: float | None, word: str, outcome: str) -> None:
    found = decide(estimate, low, high, 0.02, 500)
    assert (found.word, found.outcome) == (word, outcome)


def test_it_says_how_many_rows_would_tell() -> None:
    # An interval half as wide needs four times the rows.
    assert decide(0.0, -0.04, 0.04, 0.02, 500).rows_needed == pytest.approx(2000, abs=1)
    assert decide(-0.03, -0.07, 0.01, 0.02, 500).rows_needed == pytest.approx(500 * (4 / 3) ** 2, abs=1)
    assert decide(-0.02, -0.07, 0.01, 0.02, 500).rows_needed is None
    assert decide(0.0, -0.01, 0.01, 0.02, 500).rows_needed is None


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_equal_models_are_hardly_ever_blocked_and_clear_losses_nearly_always(kind: str) -> None:
    policy = {"quality": {"margin": 0.02, "repeats": 300}}
    equal = [judge(evidence(kind, 600, seed, policy=policy)) for seed in range(150)]
    # One in 40 at most is expected, under four; three standard deviations more would be ten.
    assert sum(found.overall == "block" for found in equal) <= 9
    loss = {"binary": 0.16, "multiclass": 0.16, "regression": 0.2}[kind]
    worse = [judge(evidence(kind, 3000, seed, loss=loss, policy=policy)) for seed in range(20)]
    drops = [one(found, f"quality/{one(found, 'floor/dummy').metric}").estimate or 0.0 for found in worse]
    assert -0.06 < np.mean(drops) < -0.03, "about twice the margin"
    assert sum(found.overall == "block" for found in worse) >= 16


# ---------------------------------------------------------------- the verdict


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_honest_evidence_of_a_good_model_passes(kind: str) -> None:
    verdict = judge(
        evidence(
            kind, 2000, apart=0.1, policy={"floors": {"r2" if kind == "regression" else "accuracy": 0.3}}
        )
    )
    assert verdict.overall == "pass", [check.reason for check in verdict.checks if check.outcome != "pass"]
    # Nobody has said yet whether rows are people: a note, which is no pass.
    assert [check.id for check in verdict.checks if check.outcome != "pass"] == ["fairness"]
    assert not verdict.first_model
    assert [check.id.split("/")[0] for check in verdict.checks] == [
        "floor",
        "floor",
        "quality",
        "champion",
        *(() if kind == "regression" else ("calibration", "flips")),
        "fairness",
        "data",
        "data",
        "leakage",
        "schema",
        "card",
        "card",
    ]
    quality = verdict.checks[2]
    assert quality.evidence["outcome"] in ("no measurable change", "improved", "worse within margin")
    assert quality.challenger is not None and quality.champion is not None and quality.estimate is not None
    assert quality.challenger - quality.champion == pytest.approx(quality.estimate, abs=1e-5)


def test_a_fresh_projects_first_good_change_passes_by_the_templates_own_policy() -> None:
    policy = PolicyFile.read(TEMPLATE / "policy.yaml")
    for n in (400, 2000):
        for kind in ("binary", "multiclass", "regression"):
            verdict = judge(replace(evidence(kind, n, apart=0.02), policy=policy))
            assert verdict.overall == "pass", (
                kind,
                n,
                [c.reason for c in verdict.checks if c.outcome != "pass"],
            )
            new = [c for c in verdict.checks if c.id.split("/")[0] in ("calibration", "flips", "fairness")]
            assert {c.severity for c in new} == {"note"}
    assert judge(replace(evidence(champion=None), policy=policy)).overall == "pass"


def test_equal_evidence_gives_equal_bytes_and_every_input_counts() -> None:
    given = evidence()
    digest = judge(given).digest()
    assert judge(evidence()).digest() == digest
    shuffled = np.random.default_rng(1).permutation(len(given.truth))

    def taken(frame: Any) -> Any:
        return frame.iloc[shuffled].reset_index(drop=True)

    assert given.champion is not None and given.challenger.predictions is not None
    again = replace(
        given,
        truth=taken(given.truth),
        challenger=replace(given.challenger, predictions=taken(given.challenger.predictions)),
        champion=replace(given.champion, predictions=taken(given.champion.predictions)),
    )
    same = judge(again)
    assert one(same, "quality/roc_auc") == one(judge(given), "quality/roc_auc")
    for change in (
        {"lock": "f" * 40},
        {"policy_sha256": "f" * 64},
        {"suite": "9"},
        {"test_rows": "f" * 64},
        {
            "policy": given.policy.model_copy(
                update={"quality": given.policy.quality.model_copy(update={"seed": 1})}
            )
        },
    ):
        assert judge(replace(given, **change)).digest() != digest, change


def test_a_regression_blocks_with_its_figures() -> None:
    verdict = judge(evidence("binary", 3000, loss=0.3))
    check = one(verdict, "quality/roc_auc")
    assert verdict.overall == "block" and check.outcome == "fail" and check.severity == "block"
    assert check.evidence["outcome"] == "regression"
    assert check.high is not None and check.high < 0 and (check.estimate or 0) < (check.threshold or 0)
    assert "beyond the margin of 0.02" in check.reason


def test_few_rows_ask_a_person_and_say_how_many_would_do() -> None:
    verdict = judge(evidence("binary", 150, apart=0.9))
    check = one(verdict, "quality/roc_auc")
    assert verdict.overall == "needs-human"
    assert (check.outcome, check.severity) == ("unknown", "needs-human")
    assert "rows would tell" in check.reason and check.evidence["rows_needed"] > 150
    verdict = judge(evidence("binary", 25, apart=0.1))
    assert "rarest class" in one(verdict, "quality/roc_auc").reason and verdict.overall == "needs-human"


def test_the_same_bytes_are_not_drawn() -> None:
    given = evidence("binary", 100)
    assert given.champion is not None
    twin = replace(
        given.champion, side=given.champion.side.model_copy(update={"sha256": NEW}), predictions=None
    )
    check = one(judge(replace(given, champion=twin)), "quality/roc_auc")
    assert (check.estimate, check.low, check.high, check.outcome) == (0.0, 0.0, 0.0, "pass")
    assert check.evidence["outcome"] == "no measurable change" and "seed" not in check.evidence


def test_rows_of_one_group_are_drawn_together() -> None:
    plain = one(judge(evidence(n=400)), "quality/roc_auc")
    grouped = one(
        judge(evidence(n=400, groups=pd.Series([f"c{k % 40}" for k in range(400)]))), "quality/roc_auc"
    )
    assert "groups" in grouped.evidence["method"] and (plain.low, plain.high) != (grouped.low, grouped.high)


def test_a_first_model_is_judged_by_floors_and_card() -> None:
    verdict = judge(evidence(champion=None))
    assert verdict.first_model and verdict.overall == "pass" and verdict.inputs.champion is None
    assert not [check for check in verdict.checks if check.id.startswith(("quality", "champion"))]
    assert judge(evidence(champion=None, card=None)).overall == "block"
    assert judge(evidence(champion=None, policy={"floors": {"roc_auc": 0.999}})).overall == "block"


@pytest.mark.parametrize(
    ("floors", "outcome", "words"),
    [
        ({"roc_auc": 0.5}, "pass", "at least 0.5"),
        ({"roc_auc": 0.999}, "fail", "at least 0.999"),
        ({"recall": 0.999}, "fail", "at least"),
        ({"log_loss": 5.0}, "pass", "at most 5"),  # better when lower: the limit is from above
        ({"log_loss": 0.01}, "fail", "at most 0.01"),
        ({"profit": 3.0}, "unknown", "unknown"),
    ],
)
def test_floors(floors: dict[str, float], outcome: str, words: str) -> None:
    verdict = judge(evidence(policy={"floors": floors}))
    check = one(verdict, f"floor/{next(iter(floors))}")
    assert check.outcome == outcome and words in check.reason and check.severity == "block"
    assert (verdict.overall == "block") == (outcome != "pass")


def test_a_floor_is_held_against_the_predictions_not_against_the_report() -> None:
    given = evidence(policy={"floors": {"recall": 0.95, "profit": 3.0}})
    content = {name: one_.value for name, one_ in given.metrics.values.items()}
    forged = judged.metrics({**content, "recall": 0.99, "profit": 7.0}, given.metrics.n)
    verdict = judge(replace(given, metrics=forged, card=judged.card(forged)))
    recall = one(verdict, "floor/recall")
    assert recall.outcome == "fail" and (recall.challenger or 1) < 0.95
    assert "says 0.99; the predictions decide" in recall.reason
    # A metric that only the team knows how to compute is taken from their report, and that is said.
    assert one(verdict, "floor/profit").outcome == "pass"
    assert one(verdict, "floor/profit").evidence == {"from": "reports/metrics.json"}


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_guessing_is_blocked_whatever_the_report_says_of_its_dummy(kind: str) -> None:
    given = evidence(kind, 400, champion=None)
    assert given.challenger.predictions is not None
    constant = given.challenger.predictions.copy()
    for name in constant.columns:
        constant[name] = constant[name].iloc[0]
    name = judged.PRIMARY[kind]  # type: ignore[index]
    values = judged.metrics(judged.numbers(kind, given.truth, constant), 400)
    verdict = judge(
        replace(
            given,
            challenger=replace(given.challenger, predictions=constant),
            metrics=values,
            card=judged.card(values),
            evaluation=judged.evaluation(kind, 400, dummy={name: -7.0}),
        )
    )
    guess = one(verdict, "floor/dummy")
    assert guess.outcome == "fail" and verdict.overall == "block" and ": not better than " in guess.reason
    higher = judge(replace(given, evaluation=judged.evaluation(kind, 400, dummy={name: 0.9999})))
    assert one(higher, "floor/dummy").outcome == "fail"


def test_scores_that_are_no_numbers_block() -> None:
    given = evidence()
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
    assert verdict.overall == "block" and one(verdict, "floor/dummy").outcome == "unknown"
    assert one(verdict, "quality/roc_auc").outcome == "unknown"
    with pytest.raises(Forged, match="predictions of the test rows give none"):
        judge(replace(given, challenger=replace(given.challenger, predictions=broken)))


def test_a_champion_that_cannot_be_scored_needs_a_human_with_the_reason() -> None:
    given = evidence()
    assert given.champion is not None and given.champion.predictions is not None
    table = given.champion.predictions
    broken = table.assign(score_yes=np.inf)
    for champion, words in (
        (replace(given.champion, predictions=None, error="no module named lightgbm"), "lightgbm"),
        (replace(given.champion, predictions=table.drop(columns="score_yes")), "no column score_yes"),
        (replace(given.champion, predictions=broken), "not finite"),
        (replace(given.champion, predictions=table.head(10)), "answered 10 rows"),
    ):
        verdict = judge(replace(given, champion=champion))
        assert verdict.overall == "needs-human"
        check = one(verdict, "champion/scored")
        assert check.outcome == "unknown" and words in check.reason and "1.0.0" in check.reason
        assert not verdict.first_model
    unreleased = replace(
        given.champion, predictions=None, side=given.champion.side.model_copy(update={"version": None})
    )
    reason = one(judge(replace(given, champion=unreleased)), "champion/scored").reason
    assert reason.startswith("Not compared with 77d0e3aa: ")


def test_rows_of_a_class_it_never_saw_need_a_human() -> None:
    given = evidence("multiclass")
    assert given.champion is not None and given.challenger.predictions is not None
    lacks = given.challenger.predictions.drop(columns="score_2")
    rows = given.truth < 2
    share = judged.numbers("multiclass", given.truth, given.challenger.predictions)
    table = judged.Rows(
        "multiclass", given.truth[rows].to_numpy(), lacks[["score_0", "score_1"]].to_numpy()[rows]
    )
    values = judged.metrics({**share, **judged.measure(table)}, int(rows.sum()))
    verdict = judge(
        replace(
            given,
            challenger=replace(given.challenger, predictions=lacks),
            metrics=values,
            card=judged.card(values),
        )
    )
    check = one(verdict, "rows/unseen")
    assert check.n == int((~rows).sum()) and verdict.overall != "pass"
    assert one(verdict, "quality/roc_auc_ovr").n == int(rows.sum())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"metrics": judged.metrics({"roc_auc": 0.99}, 600)},
            "metrics.json says roc_auc 0.99; .* rows give 0",
        ),
        ({"evaluation": judged.evaluation("regression", 600)}, "judges a regression model"),
        ({"truth": pd.Series(["no"] * 599)}, "numbers of rows differ"),
    ],
)
def test_figures_that_the_predictions_do_not_bear_out_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Forged, match=words):
        judge(evidence(**change))


def test_a_card_must_be_this_models_and_show_its_figures() -> None:
    given = evidence()
    other = judged.metrics({name: 0.5 for name in given.metrics.values}, 600)
    for card, words in (
        (None, "missing"),
        (judged.card(given.metrics, OLD), "is of model 77d0e3aa, not of 4f1c09ab."),
        (judged.card(other), "different figures"),
    ):
        verdict = judge(replace(given, card=card))
        assert verdict.overall == "block" and words in one(verdict, "card").reason


def unanswered(given: Evidence, *names: str) -> Evidence:
    """The evidence, with a card on which people have not answered these."""
    assert given.card is not None
    answers = {**given.card.answers, **{name: Answered(value=None, line=7) for name in names}}
    return replace(given, card=given.card.model_copy(update={"answers": answers}))


def test_what_people_owe_the_card_is_a_note_until_production_has_changed_hands() -> None:
    given = unanswered(evidence(n=2000, apart=0.1), "intended_use")
    young, old = judge(given), judge(replace(given, handed_over=True))
    assert (young.overall, old.overall) == ("pass", "needs-human")
    for verdict, severity in ((young, "note"), (old, "needs-human")):
        check = one(verdict, "card/answers")
        assert (check.outcome, check.severity) == ("unknown", severity)
        assert "intended_use (line 7)" in check.reason and check.evidence == {"unanswered": ["intended_use"]}
    assert "second model serves" in one(young, "card/answers").reason
    assert "second model serves" not in one(old, "card/answers").reason
    answered = judge(evidence(n=2000, apart=0.1, handed_over=True))
    assert one(answered, "card/answers").outcome == "pass" and answered.overall == "pass"


def test_which_answers_and_how_grave_policy_says() -> None:
    given = unanswered(evidence(n=2000, apart=0.1, handed_over=True), "caveats")
    assert judge(given).overall == "pass", "nobody asked for it"
    for card, overall in (
        ({"required": ["caveats"]}, "needs-human"),
        ({"required": ["caveats"], "severity": "block"}, "block"),
        ({"required": ["caveats"], "severity": "note"}, "pass"),
        ({"required": []}, "pass"),
    ):
        rules = PolicyFile.parse({"version": 1, "environments": ["production"], "card": card}, "policy")
        verdict = judge(replace(given, policy=rules))
        assert verdict.overall == overall, card
        assert bool(card["required"]) == any(check.id == "card/answers" for check in verdict.checks)
    # A key that was never written into the file is as unknown as one that says so.
    gone = replace(given, card=given.card.model_copy(update={"answers": {}}) if given.card else None)
    assert "not there yet" in one(judge(gone), "card/answers").reason
    with pytest.raises(Fault, match=r"model_card\.yaml has no key 'mood'"):
        PolicyFile.parse(
            {"version": 1, "environments": ["production"], "card": {"required": ["mood"]}}, "policy"
        )


def test_undeclared_groups_are_a_note_until_policy_and_production_say_otherwise() -> None:
    policy = {"fairness": {"undeclared": "needs-human"}}
    given = evidence(n=2000, apart=0.1, policy=policy)
    assert judge(given).overall == "pass"
    assert judge(replace(given, handed_over=True)).overall == "needs-human"
    said = evidence(
        n=2000, apart=0.1, policy={"fairness": {**policy["fairness"], "absent": "rows are machines"}}
    )
    assert judge(replace(said, handed_over=True)).overall == "pass"
    assert judge(evidence(n=2000, apart=0.1, handed_over=True)).overall == "pass", (
        "by default it stays a note"
    )


def test_a_limit_that_is_just_reached_is_reached_and_rounding_is_no_difference() -> None:
    given = evidence()
    values = {name: one_.value for name, one_ in given.metrics.values.items()}
    recall = values["recall"]
    assert recall is not None
    exact = judge(replace(given, policy=evidence(policy={"floors": {"recall": recall}}).policy))
    assert one(exact, "floor/recall").outcome == "pass"
    for off, said in ((recall * (1 + 5e-6), False), (recall + 1.6e-5, True)):
        told = judged.metrics({**values, "recall": off}, given.metrics.n)
        verdict = judge(
            replace(
                given,
                metrics=told,
                card=judged.card(told),
                policy=evidence(policy={"floors": {"recall": 0.1}}).policy,
            )
        )
        assert ("the predictions decide" in one(verdict, "floor/recall").reason) is said, off


def test_a_metric_that_is_not_defined_says_why() -> None:
    given = evidence(champion=None)
    truth = pd.Series(["no"] * 600)
    empty = judged.metrics({}, 600)
    told = replace(given, truth=truth, metrics=empty, card=judged.card(empty))
    for left_out, words in (
        ({}, "no reason was reported"),
        ({"roc_auc": "one class alone"}, "one class alone"),
    ):
        made = judged.evaluation("binary", 600, left_out=left_out)
        check = one(judge(replace(told, evaluation=made)), "floor/dummy")
        assert check.outcome == "unknown" and check.reason.endswith(f": {words}.")


def test_protected_files_need_a_human() -> None:
    for many, more in ((5, ""), (6, " and 1 more"), (8, " and 3 more")):
        names = tuple(f"{k}.yaml" for k in range(many))
        reason = one(judge(evidence(protected=names)), "protected").reason
        assert f"4.yaml{more}; it was judged" in reason, reason
    verdict = judge(evidence(n=3000, apart=0.1, protected=("policy.yaml", ".github/workflows/x.yml")))
    assert verdict.overall == "needs-human"
    assert one(verdict, "protected").evidence["files"] == ["policy.yaml", ".github/workflows/x.yml"]


# ---------------------------------------------------------------- the schema


def changed(**columns: dict[str, Any] | None) -> list[str]:
    """What breaks if columns of the contract change; None takes one away."""
    now = {name: column for name, column in {**judged.COLUMNS, **columns}.items() if column is not None}
    return breaks(judged.schema(), judged.schema(columns=now))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"plan": {"role": "feature", "type": "number"}}, "plan is a new field that every row must have"),
        ({"contract": None}, "contract is no longer a field"),
        ({"tenure": {**judged.COLUMNS["tenure"], "available": False}}, "tenure is no longer a field"),
        ({"tenure": {"role": "feature", "type": "text"}}, "tenure is text, was integer"),
        ({"tenure": {**judged.COLUMNS["tenure"], "minimum": 1}}, "tenure must be at least 1, was 0"),
        ({"tenure": {**judged.COLUMNS["tenure"], "maximum": 99}}, "tenure must be at most 99, was 100"),
        (
            {"contract": {"role": "feature", "type": "category", "categories": ["monthly"]}},
            "contract may no longer be two-year",
        ),
        ({"customer": None}, "customer is no longer a field"),
    ],
)
def test_what_makes_callers_change(columns: dict[str, Any], words: str) -> None:
    assert any(words in found for found in changed(**columns)), changed(**columns)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"plan": {"role": "feature", "type": "number", "nullable": True}},
        {"secret": {"role": "feature", "type": "number", "available": False}},
        {"tenure": {"role": "feature", "type": "number", "minimum": -5}},
        {"contract": {"role": "feature", "type": "category", "categories": ["monthly", "two-year", "x"]}},
        {"contract": {"role": "feature", "type": "category"}},
        {"contract": {"role": "feature", "type": "text"}},
    ],
)
def test_what_does_not(columns: dict[str, Any]) -> None:
    assert changed(**columns) == []


def test_answers_count_too() -> None:
    old = judged.schema()
    assert breaks(old, judged.schema(categories=["no", "maybe"])) == [
        "the classes are no, maybe, were no, yes"
    ]
    assert breaks(old, judged.schema("regression")) == [
        "the answer is of a regression, was of a classification"
    ]
    nullable = {**judged.COLUMNS, "tenure": {**judged.COLUMNS["tenure"], "nullable": True}}
    assert breaks(judged.schema(columns=nullable), old) == ["tenure may no longer be empty"]
    listed = {**judged.COLUMNS, "contract": {"role": "feature", "type": "category"}}
    assert breaks(judged.schema(columns=listed), old) == ["contract must be one of 2 values, was any"]


def test_a_breaking_contract_is_a_note_and_blocks_nothing() -> None:
    columns = {**judged.COLUMNS, "plan": {"role": "feature", "type": "number"}}
    verdict = judge(evidence(n=2000, apart=0.1, new_schema=judged.schema(columns=columns)))
    check = one(verdict, "schema")
    assert (check.severity, check.outcome) == ("note", "fail") and "major version" in check.reason
    assert verdict.overall == "pass"
    assert one(judge(evidence(old_schema=None)), "schema").outcome == "pass"


def test_what_the_models_really_answer_counts_beside_the_contract() -> None:
    given = evidence(n=2000, apart=0.1)
    assert given.champion is not None and given.champion.predictions is not None
    more = given.champion.predictions.assign(score_total=1.0)
    verdict = judge(replace(given, champion=replace(given.champion, predictions=more)))
    check = one(verdict, "schema")
    assert check.evidence == {"breaks": ["the answer no longer has score_total"]} and check.outcome == "fail"
    # A further column of the new model's is nothing that callers must read.
    wider = replace(given.challenger, predictions=given.challenger.predictions.assign(score_total=1.0))  # type: ignore[union-attr]
    assert one(judge(replace(given, challenger=wider)), "schema").outcome == "pass"


@pytest.mark.parametrize(("many", "more"), [(3, ""), (4, "; and 1 more"), (6, "; and 3 more")])
def test_three_breaks_are_named_and_the_others_counted(many: int, more: str) -> None:
    columns = {f"new{k}": {"role": "feature", "type": "number"} for k in range(many)}
    verdict = judge(
        evidence(n=2000, apart=0.1, new_schema=judged.schema(columns={**judged.COLUMNS, **columns}))
    )
    check = one(verdict, "schema")
    assert len(check.evidence["breaks"]) == many
    assert check.reason.endswith(f"{check.evidence['breaks'][2]}{more}.") and "new3" not in check.reason


# ---------------------------------------------------------------- overrides


def override(check: str, sha256: str = NEW, expires: str = "2099-01-01") -> Override:
    return Override(
        check=check,
        sha256=sha256,
        owner="Ada",
        reason="Agreed with the retention team.",
        expires=date.fromisoformat(expires),
    )


def blocked(**more: Any) -> Evidence:
    return evidence(n=2000, apart=0.1, policy={"floors": {"roc_auc": 0.9999}}, **more)


def test_an_override_is_honoured_for_its_check_and_its_model_only() -> None:
    assert judge(blocked()).overall == "block"
    verdict = judge(blocked(overrides=(override("floor/roc_auc"),)))
    check = one(verdict, "floor/roc_auc")
    assert verdict.overall == "pass" and check.outcome == "fail"
    assert check.override == "Agreed with the retention team. (Ada)"
    told = one(verdict, "overrides")
    assert (told.n, told.outcome, told.reason, told.evidence) == (1, "pass", "Overrides: 1 honoured.", {})
    for wrong, words in (
        (override("floor/roc_auc", OLD), "argued for model 77d0e3aa, this is 4f1c09ab"),
        (override("floor/ROC_AUC"), "no check"),
        (override("floor/dummy"), "not needed"),
    ):
        verdict = judge(blocked(overrides=(wrong,)))
        assert verdict.overall == "block" and words in one(verdict, "overrides").reason
    verdict = judge(blocked(expired=(override("floor/roc_auc", expires="2026-01-01"),)))
    assert verdict.overall == "block" and "expired on 2026-01-01" in one(verdict, "overrides").reason
    # Old entries for other models are history, not news.
    for history in ({"expired": (override("card", OLD),)}, {"overrides": (override("card", OLD),)}):
        assert not [c for c in judge(blocked(**history)).checks if c.id == "overrides"]


def test_nobody_overrides_the_guard_of_the_overrides_unless_alone() -> None:
    given = evidence(n=2000, apart=0.1, protected=("overrides.yaml",), overrides=(override("protected"),))
    verdict = judge(given)
    assert verdict.overall == "needs-human" and "another person" in one(verdict, "overrides").reason
    assert judge(replace(given, alone=True)).overall == "pass"


def test_the_file_of_overrides() -> None:
    entry = {
        "check": "card",
        "sha256": NEW,
        "owner": "Ada",
        "reason": "long enough",
        "expires": "2027-01-31",
    }
    read = OverridesFile.parse({"version": 1, "overrides": [entry]}, "overrides.yaml")
    assert read.overrides[0].expires == date(2027, 1, 31)
    for wrong in (
        [{**entry, "reason": "short"}],
        [{**entry, "sha256": "4f1c"}],
        [{k: v for k, v in entry.items() if k != "expires"}],
        [entry, entry],
    ):
        with pytest.raises(Fault):
            OverridesFile.parse({"version": 1, "overrides": wrong}, "overrides.yaml")
