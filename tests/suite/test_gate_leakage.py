"""Leakage, both ways: what gives the answer away blocks, what people declared or the champion had does not, honest rows pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.suite import judged
from tests.suite.judged import Folders, evidence, predictions, prepared, profile, rows
from tests.suite.test_gate_read import gathered

from gitops_ml.contracts.verdict import Check
from gitops_ml.errors import Fault
from gitops_ml.gate.evidence import Evidence, Shuffled
from gitops_ml.gate.judge import judge
from gitops_ml.gate.leakage import leakage
from gitops_ml.gate.past import Past
from gitops_ml.gate.prepared import Order, Prepared
from gitops_ml.gate.table import Table
from gitops_ml.rows.shuffles import shuffle, shuffles

KINDS = ["binary", "multiclass", "regression"]
KNOWN = {**judged.COLUMNS, "tenure": {**judged.COLUMNS["tenure"], "reason": "measured at the counter"}}
UNSEEN = {name: column for name, column in judged.COLUMNS.items() if name != "tenure"}


def checks(given: Evidence) -> dict[str, Check]:
    return {one.id: one for one in leakage(given, Table.of(given))}


def leaking(kind: str = "binary", score: float = 0.999, **changes: Any) -> Evidence:
    return evidence(kind, prepared=prepared(alone={"tenure": score, "contract": 0.6}), **changes)


# ---------------------------------------------------------------- one column


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_that_alone_predicts_blocks(kind: str) -> None:
    check = checks(leaking(kind))["leakage"]
    assert (check.outcome, check.severity, check.estimate) == ("fail", "block", 0.999)
    measure = "R² or rank correlation" if kind == "regression" else "AUC"
    assert f"tenure alone predicts the target with {measure} 0.999" in check.reason
    assert check.evidence["columns"] == [{"column": "tenure", "score": 0.999, "why": "leak"}]
    assert judge(leaking(kind)).overall == "block"


def test_the_limit_is_the_policys() -> None:
    assert checks(leaking(score=0.9899))["leakage"].outcome == "pass"
    assert checks(leaking(score=0.99))["leakage"].outcome == "fail"
    policy = {"leakage": {"alone": 0.9, "severity": "needs-human"}}
    check = checks(leaking(score=0.95, policy=policy, past=None))["leakage"]
    assert (check.outcome, check.severity, check.threshold) == ("fail", "needs-human", 0.9)


def test_the_worst_column_comes_first_and_many_are_counted() -> None:
    alone = {f"c{k:02}": 0.99 + k / 10_000 for k in range(30)}
    check = checks(evidence(prepared=prepared(alone=alone)))["leakage"]
    assert check.reason.startswith("c29 (0.993), c28 (0.993), c27 (0.993) and 27 more each predict")
    assert check.evidence["found"] == 30 and len(check.evidence["columns"]) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_declaration_of_the_base_exempts_and_one_of_the_pull_request_needs_a_human(kind: str) -> None:
    said, unsaid = judged.schema(kind, KNOWN), judged.schema(kind)
    check = checks(leaking(kind, old_schema=said, new_schema=said))["leakage"]
    assert check.outcome == "pass" and check.evidence["columns"][0]["why"] == "known"
    check = checks(leaking(kind, old_schema=unsaid, new_schema=said))["leakage"]
    assert (check.outcome, check.severity) == (
        "fail",
        "needs-human",
    ) and "this pull request declares" in check.reason
    # What the base declared cannot be taken back unseen either: the column is a feature all the same.
    check = checks(leaking(kind, old_schema=said, new_schema=unsaid))["leakage"]
    assert check.outcome == "pass"
    note = {"leakage": {"severity": "note"}}
    assert (
        checks(leaking(kind, old_schema=unsaid, new_schema=said, policy=note))["leakage"].severity == "note"
    )


def test_a_leak_beside_a_declared_column_blocks() -> None:
    alone = {"tenure": 1.0, "contract": 0.995}
    given = evidence(prepared=prepared(alone=alone), new_schema=judged.schema("binary", KNOWN))
    check = checks(given)["leakage"]
    assert (check.outcome, check.severity, check.estimate) == ("fail", "block", 0.995)
    assert check.reason.startswith("contract alone") and {c["why"] for c in check.evidence["columns"]} == {
        "leak",
        "declared",
    }


def good_champion(kind: str, sure: float) -> Evidence:
    """A champion whose scores of the test rows know the answer as well as ``sure`` says, and a leaking column."""
    given = leaking(kind)
    signal = rows(kind, 600, 0)[1]
    noise = np.random.default_rng(9).normal(size=signal.shape)
    assert given.champion is not None
    return replace(
        given, champion=replace(given.champion, predictions=predictions(kind, sure * signal, noise))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_champion_knew_too_is_a_note(kind: str) -> None:
    knows, lacks = Past(profile(), judged.schema(kind)), Past(profile(), judged.schema(kind, UNSEEN))
    given = good_champion(kind, 30.0 if kind != "regression" else 1.0)
    if kind == "regression":
        assert given.champion is not None
        exact = pd.DataFrame({"prediction": given.truth.to_numpy() * 1.001})
        given = replace(given, champion=replace(given.champion, predictions=exact))
    check = checks(replace(given, past=knows))["leakage"]
    assert (check.outcome, check.severity) == ("fail", "note") and "nothing new" in check.reason
    assert check.evidence["champion"] > 0.97
    assert checks(replace(given, past=lacks))["leakage"].severity == "block", (
        "the champion never saw the column"
    )
    assert checks(replace(given, past=None))["leakage"].severity == "block"


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_that_came_to_know_the_answer_blocks(kind: str) -> None:
    """The champion has the column and predicts worse than it: when it was trained, the column did not know."""
    check = checks(replace(good_champion(kind, 1.0), past=Past(profile(), judged.schema(kind))))["leakage"]
    assert (check.outcome, check.severity) == ("fail", "block")
    no_scores = replace(leaking(kind), past=Past(profile(), judged.schema(kind)))
    assert no_scores.champion is not None
    no_scores = replace(no_scores, champion=replace(no_scores.champion, predictions=None, error="gone"))
    assert checks(no_scores)["leakage"].severity == "block"


def test_few_rows_are_said_and_stop_nothing() -> None:
    check = checks(evidence(prepared=prepared(alone={"tenure": 0.0}, looked=49)))["leakage"]
    assert (check.outcome, check.severity) == ("unknown", "note") and "49 rows" in check.reason


def test_a_sample_of_the_rows_is_said() -> None:
    check = checks(evidence(prepared=prepared(250_000, looked=20_000)))["leakage"]
    assert check.evidence["of"] == 1_000_000 and "evenly spaced" in check.evidence["method"]
    assert "of" not in checks(evidence())["leakage"].evidence
    assert checks(evidence(prepared=prepared(skipped=("nested",))))["leakage"].evidence["not_looked_at"] == [
        "nested"
    ]


# ---------------------------------------------------------------- order of time


def timed(early: int = 0, without: int = 0, by: tuple[str, ...] = ("base", "head"), **more: Any) -> Check:
    order = Order("day", early, 600, without)
    return checks(evidence(prepared=prepared(order=order), by_time=by, **more))["leakage/time"]


def test_a_test_row_older_than_a_training_row_blocks_where_rows_are_split_by_time() -> None:
    assert timed().outcome == "pass"
    check = timed(3)
    assert (check.outcome, check.severity) == (
        "fail",
        "block",
    ) and "3 of 600 test rows are older" in check.reason
    assert timed(3, policy={"leakage": {"severity": "note"}}).severity == "note"
    given = evidence(prepared=prepared(order=Order("day", 3, 600, 0)))
    assert "leakage/time" not in checks(given), "nobody splits by time"


def test_a_pull_request_that_no_longer_splits_by_time_needs_a_human() -> None:
    check = timed(3, by=("base",))
    assert (check.outcome, check.severity) == (
        "fail",
        "needs-human",
    ) and "no longer splits by time" in check.reason
    assert timed(3, by=("head",)).severity == "block"
    assert timed(0, by=("base",)).outcome == "pass"


def test_times_that_are_not_known_are_counted() -> None:
    check = timed(0, without=2)
    assert check.outcome == "unknown" and "2 rows have no day" in check.reason
    check = timed(4, without=2)
    assert check.outcome == "fail" and check.evidence["without_time"] == 2
    check = checks(evidence(by_time=("head",)))["leakage/time"]
    assert check.outcome == "unknown" and "gives no column the role time" in check.reason
    dated = judged.schema("binary", {**judged.COLUMNS, "day": {"role": "time", "type": "datetime"}})
    check = checks(evidence(by_time=("head",), new_schema=dated))["leakage/time"]
    assert check.outcome == "unknown" and "hold no day" in check.reason


@pytest.mark.parametrize(
    ("base", "head", "wanted"),
    [
        ("data: {split: {strategy: time}}", "data: {split: {strategy: time}}", ("base", "head")),
        ("data: {split: {strategy: time}}", "data: {split: {strategy: random}}", ("base",)),
        (None, "data: {split: {strategy: time}}", ("head",)),
        ("data: 3", "[a list]", ()),
        (None, None, ()),
    ],
)
def test_whose_params_split_by_time(
    tmp_path: Path, base: str | None, head: str | None, wanted: tuple[str, ...]
) -> None:
    folders = Folders(tmp_path)
    for folder, text in ((folders.base, base), (folders.head, head)):
        if text is not None:
            (folder / "params.yaml").write_text(text)
    assert gathered(folders.write()).by_time == wanted
    (folders.head / "params.yaml").write_text("data: {")
    with pytest.raises(Fault, match=r"params\.yaml"):
        gathered(folders)


# ---------------------------------------------------------------- shuffled target


ASKED = {"leakage": {"shuffled_target": True}}


def shuffled(kind: str, good: int, of: int = 5, error: str | None = None, **policy: Any) -> Check:
    """``good`` of the models know the answer a little; the others go against it by as much."""
    signal = rows(kind, 600, 0)[1]
    tables = []
    for number in range(of):
        noise = np.random.default_rng(number).normal(size=signal.shape)
        tables.append(predictions(kind, (0.6 if number < good else -0.6) * signal, 0.5 * noise))
    given = evidence(kind, policy={**ASKED, **policy}, shuffled=Shuffled(0, tuple(tables), error))
    return checks(given)["leakage/shuffled"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_if_every_shuffle_scores_training_knows_the_answer(kind: str) -> None:
    check = shuffled(kind, 5)
    assert (check.outcome, check.severity, check.n) == ("fail", "block", 600)
    assert len(check.evidence["values"]) == 5 and min(check.evidence["values"]) == check.estimate > (
        check.threshold or 0
    )
    assert shuffled(kind, 4).outcome == "pass" and shuffled(kind, 0).outcome == "pass"


def test_missing_shuffles_are_unknown_unless_one_of_them_settles_it() -> None:
    check = shuffled("binary", 3, of=3, error="the estimator needs two classes\nof each")
    assert (check.outcome, check.severity) == ("unknown", "block")
    assert "3 of 5 models" in check.reason and "the estimator needs two classes of each" in check.reason
    assert shuffled("binary", 2, of=3).outcome == "pass"
    check = checks(evidence(policy=ASKED))["leakage/shuffled"]
    assert check.outcome == "unknown" and "did not train them" in check.reason
    assert "leakage/shuffled" not in checks(evidence(shuffled=Shuffled(0, ()))), "nobody asked"


def test_a_stricter_level_takes_more_shuffles() -> None:
    assert [shuffles(level) for level in (0.6, 0.75, 0.9, 0.95, 0.97, 0.99)] == [2, 2, 4, 5, 6, 7]
    for level in (0.6, 0.75, 0.9, 0.95, 0.99):
        assert 0.5 ** shuffles(level) <= 1 - level + 1e-9
    assert shuffled("binary", 5, quality={"level": 0.99}).outcome == "unknown"


def test_shuffles_are_seeded_and_differ() -> None:
    first = shuffle(1000, 0, 0)
    assert sorted(first) == list(range(1000)) and (first == shuffle(1000, 0, 0)).all()
    assert (first != shuffle(1000, 0, 1)).any() and (first != shuffle(1000, 1, 0)).any()
    # The stream of PCG64 is fixed: the same order on every machine and in every version of numpy.
    assert shuffle(8, 7, 3).tolist() == [2, 4, 7, 3, 5, 1, 0, 6]


def fitted(learner: str, x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Scores of ``new`` by a small learner: least squares, the nearest five rows, or the best single cut."""
    if learner == "line":
        design = np.column_stack([np.ones(len(x)), x])
        weights = np.linalg.lstsq(design, y, rcond=None)[0]
        return np.asarray(np.column_stack([np.ones(len(new)), new]) @ weights)
    if learner == "neighbours":
        near = ((new[:, None, :] - x[None, :, :]) ** 2).sum(axis=2).argsort(axis=1)[:, :5]
        return np.asarray(y[near].mean(axis=1))
    cuts = [
        (column, cut) for column in range(x.shape[1]) for cut in np.quantile(x[:, column], [0.25, 0.5, 0.75])
    ]
    gains = [abs(y[x[:, c] > cut].mean() - y[x[:, c] <= cut].mean()) for c, cut in cuts]
    column, cut = cuts[int(np.argmax(gains))]
    high, low = y[x[:, column] > cut].mean(), y[x[:, column] <= cut].mean()
    return np.where(new[:, column] > cut, high, low)


@pytest.mark.parametrize("learner", ["line", "neighbours", "cut"])
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_without_a_leak_shuffles_hardly_ever_all_score(kind: str, learner: str) -> None:
    """Columns that go with each other and strongly with the target: a single shuffle is often far from guessing.

    An interval from the test rows of one shuffle would call a third of these honest trainings leaks.
    """
    draw, trials, failed, far = np.random.default_rng(11), 400, 0, 0
    for trial in range(trials):
        hidden = draw.normal(size=130)
        x = 2 * hidden[:, None] + draw.normal(size=(130, 3))
        y = (hidden + 0.3 * draw.normal(size=130) > 0.7).astype(float) if kind == "binary" else hidden
        train, test = slice(0, 80), slice(80, 130)
        if kind == "binary" and not 0 < y[test].sum() < 50:
            continue
        values = []
        for number in range(shuffles(0.95)):
            score = fitted(learner, x[train], y[train][shuffle(80, trial, number)], x[test])
            truth = y[test]
            if kind == "binary":
                pairs = score[truth == 1][:, None] - score[truth == 0][None, :]
                values.append(float(((pairs > 0) + 0.5 * (pairs == 0)).mean()) - 0.5)
            else:
                values.append(1 - float(((truth - score) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()))
        failed += all(value > 0 for value in values)
        far += abs(values[0]) > 0.2
    # At most 5% are allowed: 20 of 400; the sign test's own rate is 3.1%, three standard deviations more are 23.
    assert failed <= 20
    if kind == "binary" and learner == "line":
        assert far > trials / 4, "which is why one shuffle proves nothing"


# ---------------------------------------------------------------- the verdict


@pytest.mark.parametrize("kind", KINDS)
def test_honest_rows_pass_in_silence(kind: str) -> None:
    given = evidence(kind, 2000, apart=0.1)
    assert {one.outcome for one in checks(given).values()} == {"pass"}
    assert list(checks(given)) == ["leakage"]


def test_evidence_is_gathered_from_the_rows_themselves(tmp_path: Path) -> None:
    found = gathered(Folders(tmp_path).write()).prepared
    assert isinstance(found, Prepared)
    assert (found.train, found.test, found.looked) == (200, 200, 400)
    assert (
        found.overlap is not None and found.overlap.rows == 0 and set(found.alone) == {"tenure", "contract"}
    )
