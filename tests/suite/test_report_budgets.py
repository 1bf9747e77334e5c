"""What the comment says of bytes, time and cost: two rows, a table behind a click, a price; nothing where nothing was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.suite.judged import timings
from tests.suite.test_report_comment import DUMMY, REST, SCORED, check, context, quality, verdict

from gitops_ml.contracts.policy import Budgets
from gitops_ml.contracts.timings import Timings
from gitops_ml.contracts.verdict import Check, Cost, Measurements, Verdict, told
from gitops_ml.gate.clocks import judged
from gitops_ml.report.budgets import price
from gitops_ml.report.comment import comment as rendered
from gitops_ml.report.context import Context
from gitops_ml.report.summary import short, step


def measurements(checks: list[Check], **more: Any) -> Measurements:
    return Measurements(
        version=1, platform="Linux", build_seconds={}, score_seconds={}, model_bytes={}, checks=checks, **more
    )


def comment(pure: Verdict, around: Context, clocks: Measurements | None = None) -> str:
    """As ruling/rule.py has it rendered."""
    if clocks is None:
        return rendered(pure, around)
    around = replace(around, digest=pure.digest(), price=price(clocks))
    return rendered(told(pure, clocks.checks), around)


def clock(times: float = 1.0, noise: float = 0.1, **rules: Any) -> Measurements:
    made = Timings.parse(timings(times, noise=noise), "timings")
    return measurements(judged(Budgets.parse(rules, "policy"), made, None), timings=made)


def size(outcome: str = "pass", other: float | None = 212_000, **more: Any) -> Check:
    figures = {"champion": other, "challenger": 219_000, "threshold": 10.0, **more}
    return check("budget/bytes", outcome, "needs-human", "The model has 219,000 bytes.", **figures)


PASSING = [DUMMY, quality(), SCORED, size(evidence={"limit": 5_000_000}), *REST]


def test_two_rows_of_the_table_and_the_rest_behind_a_click() -> None:
    said = comment(verdict("pass", *PASSING), context(), clock())
    lines = said.splitlines()
    latency = next(line for line in lines if line.startswith("| p95 latency, one row | 1.00x | "))
    assert latency.endswith("| ✅ limit 2x |") and "x to " in latency
    assert "| size | 212 kB | 219 kB |  | ✅ limit 5.0 MB, 10x |" in lines
    assert "<details><summary>Time and memory ✅</summary>" in lines
    assert any(line.startswith("| 200 rows at once, median | 9.9 ms | ") for line in lines)
    assert any(line.startswith("| peak memory | 200.0 MB | 210.0 MB | 1.05x | ✅ |") for line in lines)
    assert "All 8 checks pass." in said, "those of the clock are counted"
    pure = comment(verdict("pass", *PASSING), context())
    assert "latency" not in pure and "Time and memory" not in pure
    for text in (said, pure):
        assert f"verdict `{verdict('pass', *PASSING).digest()[:12]}`" in text, (
            "the digest is the verdict's own"
        )


def test_what_is_too_slow_leads() -> None:
    said = comment(verdict("pass", *PASSING), context(), clock(3.0))
    heading = said.splitlines()[1]
    assert heading.startswith("### ✋ Needs a human: one row takes ") and "and a batch takes" in heading
    assert "1. **One row takes 2." in said or "1. **One row takes 3." in said
    assert "policy.yaml allows 2x" in said and "Time and memory ✋" in said
    blocked = comment(verdict("pass", *PASSING), context(), clock(3.0, severity="block"))
    assert "### ⛔ Blocked: one row takes" in blocked and "argue for a wider limit in policy.yaml" in blocked


def test_slow_throughout_behind_noise_is_named_by_its_quickest_answers() -> None:
    made = timings(4.0)
    for who in ("champion", "challenger"):
        made["one_row"][who][::7] = [0.4] * len(made["one_row"][who][::7])
    found = measurements(judged(Budgets(), Timings.parse(made, "timings"), None))
    lines = comment(verdict("pass", *PASSING), context(), found).splitlines()
    assert any(line.startswith("| quickest tenth's latency, one row | 1.00x | ") for line in lines)
    assert any(
        line.startswith("| one row, quickest tenth's | ") and line.endswith("| ✋ |") for line in lines
    )


def test_no_limit_no_sign_and_no_champion_no_ratio() -> None:
    said = comment(verdict("pass", *PASSING), context(), clock(3.0, latency_ratio=None))
    row = next(line for line in said.splitlines() if line.startswith("| p95 latency"))
    assert row.endswith("|  |") and "### ✅ Pass" in said
    made = timings()
    for part in ("one_row", "batch"):
        made[part]["champion"] = None
    del made["peak_bytes"]["champion"]
    first = measurements(judged(Budgets(), Timings.parse(made, "timings"), None))
    alone = comment(verdict("pass", DUMMY, *REST, first=True), context(), first)
    assert "p95 latency" not in alone.split("<details>")[0], (
        "a first model's comment is no longer than it was"
    )
    assert "| one row, p95 |  | " in alone


def test_what_could_not_be_measured_is_one_note_and_strangers_words_are_harmless() -> None:
    missing = {"challenger": "its score command ended with status 1: @octocat <img src=x> | #1"}
    made = Timings.parse(
        {**timings(), "one_row": None, "batch": None, "peak_bytes": {}, "missing": missing}, "timings"
    )
    said = comment(verdict("pass", *PASSING), context(), measurements(judged(Budgets(), made, None)))
    assert said.splitlines()[1] == "### ✅ Pass: not worse than what serves today"
    assert "- **Note:** How long an answer takes is unknown." in said
    assert "@octocat" not in said.replace("@&#8203;octocat", "") and "\\<img src=x\\>" in said


def test_what_a_build_cost() -> None:
    cost = Cost(amount=0.0002, currency="EUR")
    said = comment(verdict("pass", *PASSING), context(), measurements([], cost=cost))
    assert "in 11 s (0.0002 EUR) (prepare, train, evaluate, card)" in said
    checks = judged(Budgets(price_per_hour=3600.0, cost=10.0, train_seconds=60.0), None, 11.0)
    dear = comment(verdict("pass", *PASSING), context(), measurements(checks))
    assert "| build |  | 11 s |  | ✋ |" in dear and "its build takes too long, or costs too much" in dear


def test_words_for_each() -> None:
    assert short(size("fail")) == "its file is 219 kB large"
    assert short(check("budget/memory", "fail", estimate=2.5)) == "it takes 2.5 times the memory"
    assert short(check("budget/latency-batch", "fail", estimate=3.04)) == "a batch takes 3.0 times as long"
    assert short(check("budget/latency", "unknown")) == "Title of budget/latency"
    assert "fewer trees" in step(size("fail"))
    other = comment(verdict("pass", DUMMY, quality(), size(other=None, threshold=None), *REST), context())
    assert "| size |  | 219 kB |" in other
