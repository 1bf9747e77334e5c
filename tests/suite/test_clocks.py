"""What clocks said, judged: a slow model is caught, noise is not; how often, by simulation; and none of it is in the verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.suite.judged import NEW, OLD, Folders, evidence, timings
from tests.suite.test_gate_judge import one

from gitops_ml.contracts.overrides import Override
from gitops_ml.contracts.policy import Budgets
from gitops_ml.contracts.timings import Asks, Timings
from gitops_ml.contracts.verdict import Check, told
from gitops_ml.delivery.judgement import Built, Case, by_the_gate
from gitops_ml.errors import Fault
from gitops_ml.gate import clocks
from gitops_ml.gate.clocks import MEASURED, judged, ratio
from gitops_ml.gate.evidence import Forged
from gitops_ml.gate.judge import judge
from gitops_ml.gate.read import gather, measurements

BYTES, (LATENCY, BATCH, MEMORY, TRAINING) = "budget/bytes", MEASURED
Draw = Callable[[np.random.Generator, int], Any]


def budgets(**given: Any) -> Budgets:
    return Budgets.parse(given, "policy.yaml")


def by_id(checks: list[Check]) -> dict[str, Check]:
    return {check.id: check for check in checks}


def measured(rules: Budgets | None = None, seconds: float | None = None, **changes: Any) -> dict[str, Check]:
    times = {key: changes.pop(key) for key in ("times", "noise", "asks") if key in changes}
    made = Timings.parse({**timings(**times), **changes}, "timings.json")
    return by_id(judged(rules or Budgets(), made, seconds))


# ---------------------------------------------------------------- bytes, in the verdict


def sized(own: int | None, other: int | None, **rules: Any) -> Check | None:
    made = evidence(policy={"budgets": rules})
    assert made.champion is not None
    champion = replace(made.champion, size=other)
    found = judge(replace(made, challenger=replace(made.challenger, size=own), champion=champion))
    return next((check for check in found.checks if check.id == BYTES), None)


@pytest.mark.parametrize(
    ("own", "other", "rules", "outcome", "words"),
    [
        (219_000, 212_000, {}, "pass", "219,000 bytes; the champion has 212,000"),
        (12_000_000, 1_000_000, {}, "fail", "12 times the champion's 1,000,000"),
        (900_000, 1_000, {}, "pass", "the champion has 1,000"),  # 900 times a thing so small is small
        (6_000_001, 5_000_000, {"bytes": 6_000_000}, "fail", "more than the 6,000,000"),
        (6_000_000, 5_000_000, {"bytes": 6_000_000}, "pass", "6,000,000 bytes"),
        (5_000_000, None, {}, "unknown", "how much it grew is unknown"),
        (7_000_000, None, {"bytes": 6_000_000}, "fail", "more than the 6,000,000"),
    ],
)
def test_a_model_that_is_too_large(
    own: int, other: int | None, rules: dict[str, Any], outcome: str, words: str
) -> None:
    found = sized(own, other, **rules)
    assert found is not None and found.outcome == outcome and words in found.reason
    assert found.severity == ("note" if outcome == "unknown" else "needs-human")


def test_where_nothing_limits_bytes_nothing_is_said() -> None:
    assert sized(5_000_000, 1_000, bytes_ratio=None) is None
    assert sized(None, 1_000) is None
    made = evidence(champion=None)
    first = replace(made, challenger=replace(made.challenger, size=5_000_000))
    assert BYTES not in by_id(judge(first).checks)


def test_a_price_is_needed_to_limit_cost() -> None:
    with pytest.raises(Fault, match="cost needs price_per_hour"):
        budgets(cost=1.0)


# ---------------------------------------------------------------- time


def test_a_model_that_is_as_quick_passes_and_says_so() -> None:
    found = measured()
    assert list(found) == [LATENCY, BATCH, MEMORY]
    assert {check.outcome for check in found.values()} == {"pass"}
    check = found[LATENCY]
    assert check.metric == "p95" and check.n == 100 and check.low is not None and check.high is not None
    assert check.low < 1 < check.high and check.threshold == 2.0
    assert "for one row (p95)" in check.reason and "200 rows (median)" in found[BATCH].reason


def test_a_model_three_times_as_slow_is_handed_to_a_human_or_blocked() -> None:
    found = measured(times=3.0)
    assert {found[id_].outcome for id_ in (LATENCY, BATCH)} == {"fail"}
    assert {check.severity for check in found.values()} == {"needs-human"}
    assert "policy.yaml allows 2x" in found[LATENCY].reason
    assert measured(budgets(severity="block"), times=3.0)[LATENCY].severity == "block"
    assert measured(budgets(latency_ratio=4), times=3.0)[LATENCY].outcome == "pass"
    free = measured(budgets(latency_ratio=None), times=3.0)[LATENCY]
    assert (free.severity, free.outcome) == ("note", "pass") and "allows" not in free.reason


def test_noise_that_stays_with_one_process_is_a_note() -> None:
    """Its slow asks are all on one side, as where a neighbour shares its processor; its quickest answers show what it is."""
    made = timings()
    slow = np.array(made["one_row"]["challenger"])
    slow[np.arange(100) % 3 != 0] *= 8
    made["one_row"]["challenger"] = slow.tolist()
    check = measured(**made)[LATENCY]
    assert check.low is not None and check.low > 2
    assert (check.severity, check.outcome) == ("note", "unknown")
    assert "too unsteady" in check.reason and "quickest answers 1" in check.reason


def test_slow_throughout_is_seen_through_noise_that_hides_it_in_the_tail() -> None:
    made = timings(times=4.0)
    for who in ("champion", "challenger"):
        taken = np.array(made["one_row"][who])
        taken[np.arange(100) % 7 == 0] = 0.4  # a neighbour stops both
        made["one_row"][who] = taken.tolist()
    check = measured(**made)[LATENCY]
    assert check.outcome == "fail" and check.metric == "quickest"


@pytest.mark.parametrize(
    ("challenger", "outcome"),
    [([0.030, 0.031, 0.032], "fail"), ([0.019, 0.021, 0.020], "unknown"), ([0.011, 0.012, 0.011], "pass")],
)
def test_few_asks_must_all_say_the_same(challenger: list[float], outcome: str) -> None:
    asks = {"rows": 1, "wanted": 110, "warm": 0, "late": None}
    asks |= {"champion": [0.008, 0.010, 0.009], "challenger": challenger}
    check = measured(one_row=asks)[LATENCY]
    assert check.outcome == outcome and "There was time for 3 asks of each only" in check.reason


def test_who_did_not_answer_in_time() -> None:
    asks: dict[str, Any] = {"rows": 1, "wanted": 110, "warm": 0, "champion": [0.01], "challenger": [20.0]}
    slow = measured(one_row={**asks, "late": "challenger"}, batch=None)
    assert slow[LATENCY].outcome == "fail" and "at least 20 s" in slow[LATENCY].reason and BATCH not in slow
    other = {**asks, "champion": [20.0], "challenger": [0.01], "late": "champion"}
    gone = measured(one_row=other, batch=None)[LATENCY]
    assert (gone.severity, gone.outcome) == ("note", "unknown")


def test_without_a_champion_figures_are_shown_and_nothing_is_judged() -> None:
    made = timings()
    for part in ("one_row", "batch"):
        made[part]["champion"] = None
    del made["peak_bytes"]["champion"]
    found = measured(**made)
    assert {(check.severity, check.outcome) for check in found.values()} == {("note", "pass")}
    assert "nothing to compare" in found[LATENCY].reason


@pytest.mark.parametrize("who", ["champion", "challenger"])
def test_what_could_not_be_measured_is_one_note(who: str) -> None:
    found = measured(
        one_row=None, batch=None, peak_bytes={}, missing={who: "its score command has no --loop."}
    )
    assert list(found) == [LATENCY]
    assert (found[LATENCY].severity, found[LATENCY].outcome) == ("note", "unknown")
    assert f"{who}: its score command has no --loop." in found[LATENCY].reason


def test_asks_that_cannot_be_are_refused() -> None:
    for wrong in ({"champion": [0.1]}, {"warm": 100}):
        with pytest.raises(Fault, match="one_row"):
            Timings.parse({**timings(), "one_row": {**timings()["one_row"], **wrong}}, "timings.json")
    assert ratio(Asks(rows=1, wanted=1, warm=0, champion=[0.0], challenger=[1.0]), "p95") is None


# ---------------------------------------------------------------- how often it errs

NOISES: dict[str, Draw] = {
    "quiet": lambda draw, n: draw.lognormal(0, 0.1, n),
    "usual": lambda draw, n: draw.lognormal(0, 0.3, n),
    "wild": lambda draw, n: draw.lognormal(0, 1.0, n),
    "bursts": lambda draw, n: draw.lognormal(0, 0.1, n) * np.where(draw.random(n) < 0.05, 8.0, 1.0),
}
ALPHA = 0.05


def share(noise: Draw, times: float, n: int, id_: str, trials: int, outcome: str = "fail") -> float:
    """Of seeded trials, the share with that outcome."""
    draw, found = np.random.default_rng(5), 0
    for _ in range(trials):
        taken = noise(draw, n).tolist(), (times * noise(draw, n)).tolist()
        asks = Asks(rows=1, wanted=n, warm=0, champion=taken[0], challenger=taken[1])
        found += clocks._latency(id_, asks, Budgets()).outcome == outcome
    return found / trials


@pytest.mark.parametrize("noise", NOISES)
def test_noise_alone_is_no_failure(noise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "DRAWS", 300)
    for id_, n in ((LATENCY, 100), (BATCH, 20)):
        assert share(NOISES[noise], 1.0, n, id_, 100) == 0
        # The worst case: truly at the limit, where every failure is a false alarm. Two standard errors are allowed.
        assert share(NOISES[noise], 2.0, n, id_, 150) <= ALPHA + 2 * (ALPHA * (1 - ALPHA) / 150) ** 0.5


@pytest.mark.full
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(
    ("id_", "n"), [(LATENCY, 100), (LATENCY, 40), (LATENCY, 25), (BATCH, 20), (BATCH, 12)]
)
def test_false_alarms_at_the_limit_are_at_most_alpha(
    noise: str, id_: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "DRAWS", 500)
    assert share(NOISES[noise], 2.0, n, id_, 1000) <= ALPHA
    assert share(NOISES[noise], 1.0, n, id_, 500) == 0


@pytest.mark.parametrize("noise", ["quiet", "usual", "bursts"])
def test_three_times_as_slow_is_caught(noise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "DRAWS", 300)
    assert share(NOISES[noise], 3.0, 100, LATENCY, 100) >= 0.95
    assert share(NOISES[noise], 3.0, 20, BATCH, 100) >= 0.8


# ---------------------------------------------------------------- memory, seconds, cost


def test_memory() -> None:
    peaks = {"champion": 200_000_000, "challenger": 500_000_000}
    check = measured(peak_bytes=peaks)[MEMORY]
    assert check.outcome == "fail" and "200 MB → 500 MB" in check.reason and check.estimate == 2.5
    assert measured(budgets(memory_ratio=3), peak_bytes=peaks)[MEMORY].outcome == "pass"
    assert measured(budgets(memory_ratio=None), peak_bytes=peaks)[MEMORY].severity == "note"
    assert MEMORY not in measured(peak_bytes={})


@pytest.mark.parametrize(
    ("rules", "outcome", "words"),
    [
        ({"train_seconds": 100}, "pass", "The build took 90 s."),
        ({"train_seconds": 60}, "fail", "policy.yaml allows 60 s"),
        ({"price_per_hour": 40, "cost": 2}, "pass", "The build took 90 s (1 EUR)."),
        (
            {"price_per_hour": 80, "cost": 1.5, "currency": "CHF"},
            "fail",
            "(2 CHF), and policy.yaml allows 1.5 CHF",
        ),
    ],
)
def test_what_a_build_may_take(rules: dict[str, Any], outcome: str, words: str) -> None:
    (check,) = judged(budgets(**rules), None, 90.0)
    assert (check.id, check.outcome) == (TRAINING, outcome) and words in check.reason


def test_a_build_that_nothing_limits_or_that_did_not_run_is_not_judged() -> None:
    assert judged(budgets(price_per_hour=1), None, 90.0) == []
    assert judged(budgets(train_seconds=1), None, None) == []


# ---------------------------------------------------------------- overrides, and beside the verdict


def override(check: str, model: str) -> Override:
    return Override(
        check=check, sha256=model, owner="ada", reason="it runs at night", expires=date(2027, 1, 31)
    )


def test_an_override_of_these_bytes_clears_a_measured_check() -> None:
    slow = Timings.parse(timings(times=3.0), "timings.json")
    both = [override(LATENCY, NEW), override(BATCH, NEW)]
    checks = judged(Budgets(), slow, None, both, NEW)
    assert by_id(checks)[LATENCY].override == "it runs at night (ada)"
    # The pure verdict knows the check by name, and takes its entry neither for a mistake nor for its own.
    verdict = judge(evidence(overrides=tuple(both)))
    assert not [check for check in verdict.checks if check.id == "overrides"]
    assert verdict.digest() == judge(evidence()).digest()
    assert told(verdict, checks).overall == "pass"
    others = judged(Budgets(), slow, None, [override(LATENCY, OLD)], NEW)
    assert told(verdict, others).overall == "needs-human"
    assert f"argues it for model {OLD[:8]}" in by_id(others)[LATENCY].reason


@pytest.mark.parametrize(
    ("verdict", "severity", "overall"),
    [
        ({}, "needs-human", "needs-human"),
        ({}, "block", "block"),
        ({"floors": {"roc_auc": 0.9999}}, "needs-human", "block"),
    ],
)
def test_what_people_are_told_is_the_worst_of_both(
    verdict: dict[str, Any], severity: str, overall: str
) -> None:
    slow = Timings.parse(timings(times=3.0), "timings.json")
    pure = judge(evidence(policy=verdict))
    checks = judged(budgets(severity=severity), slow, None)
    seen = told(pure, checks)
    assert seen.overall == overall and seen.checks[-len(checks) :] == checks
    assert pure.overall == ("block" if verdict else "pass"), "the verdict itself is as it was"


# ---------------------------------------------------------------- through the folders of the jobs


def read(folders: Folders) -> Any:
    return gather(
        folders.candidate,
        folders.scores,
        base=folders.base,
        head=folders.head,
        today=date(2026, 11, 21),
        history=folders.head,
        **folders.digests,
    )


def test_the_clock_changes_no_verdict_and_is_not_judged_without_a_policy(tmp_path: Path) -> None:
    slow = Folders(tmp_path)
    slow.timings = timings(times=30.0)
    slow.champion = {**(slow.champion or {}), "size": 1_000}
    found = read(slow.write())
    assert found.champion.size == 1_000 and found.challenger.size == len(slow.model)
    seen = measurements(slow.candidate, slow.scores, found)
    assert by_id(seen.checks)[LATENCY].outcome == "fail" and seen.timings is not None
    assert seen.model_bytes == {"challenger": len(slow.model), "champion": 1_000}
    with_clock = judge(found)
    slow.timings = None
    assert judge(read(slow.score())).digest() == with_clock.digest()
    assert one(with_clock, BYTES).outcome == "pass"
    # As a release does: the figures are kept, and judged by nobody.
    slow.timings = timings(times=30.0)
    slow.score()
    released = measurements(slow.candidate, slow.scores)
    assert released.checks == [] and released.timings is not None


def test_a_release_judges_no_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = Folders(tmp_path)
    folders.timings = timings(times=30.0)
    folders.write()
    monkeypatch.setattr("gitops_ml.delivery.tree.changed", lambda *_: [])
    monkeypatch.setattr("gitops_ml.delivery.handed_over.handed_over", lambda *_: False)

    def content(root: Path, revision: str, name: str) -> bytes | None:
        return (folders.base / name).read_bytes() if (folders.base / name).exists() else None

    monkeypatch.setattr("gitops_ml.delivery.tree.content", content)
    digests = folders.digests
    built = Built(folders.candidate, digests["candidate_digest"], folders.scores, digests["scores_digest"])
    verdict = by_the_gate(Case(folders.head, built, "before", "brought"), date(2026, 11, 21))
    assert verdict == judge(read(folders))
    assert not {check.id for check in verdict.checks} & set(MEASURED)


def test_a_clock_that_the_score_job_did_not_read(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.timings = timings(times=30.0)
    folders.write()
    (folders.scores / "timings.json").write_text(json.dumps(timings()))
    with pytest.raises(Forged, match=r"timings\.json is not what the score job wrote"):
        measurements(folders.candidate, folders.scores, read(folders))
    (folders.scores / "timings.json").unlink()
    with pytest.raises(Forged, match="missing"):
        measurements(folders.candidate, folders.scores)
