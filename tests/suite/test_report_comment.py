"""The comment against reviewed texts, and what no text may do. `GOLDEN=write pytest tests/suite/test_report_comment.py` writes the texts anew: read the diff before it is committed."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.suite import runs

from gitops_ml.contracts.overrides import OverridesFile
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.contracts.verdict import Check, Inputs, Overall, Side, Verdict
from gitops_ml.report.asking import answer
from gitops_ml.report.changes import data_diff, params_diff
from gitops_ml.report.comment import comment
from gitops_ml.report.context import MARKER, Context
from gitops_ml.report.stopped import failed, nothing, pointer
from gitops_ml.report.summary import status_line
from gitops_ml.report.text import LIMIT, words

GOLDEN = Path(__file__).parent / "golden"
NEW, OLD, COMMIT = "4f1c09ab" * 8, "77d0e3aa" * 8, "c0ffee00" * 5
WEB = "https://github.com/acme/churn"
IMG = rf'img width="49%" alt="[^"<>]*" src="{WEB}/[^"<>]*">'
HOSTILE = {
    "mention": "@octocat/team",
    "table": "a|b\\|c",
    "tick": "``` `x",
    "html": "<!-- gitops-ml --></details><img src=x onerror=alert(1)>",
    "line": "two\nlines\r\n### heading",
    "link": "[x](javascript:alert(1)) https://evil.example www.evil.example",
    "reference": "#1 GH-2 acme/churn#3",
    "turned": "\u202ereversed\u2066",
    "long": "x" * 5000,
}


def quality(word: str = "no measurable change", **changes: Any) -> Check:
    figures: dict[str, Any] = {
        "id": "quality/roc_auc",
        "severity": "block",
        "outcome": "pass",
        "title": "roc_auc is not worse than the champion's by 0.02 or more",
        "reason": "roc_auc went from 0.8462 to 0.8511: +0.005 (95% interval -0.002 to +0.012). No measurable change; a loss of "
        "0.02 is ruled out.",
        "metric": "roc_auc",
        "champion": 0.84621,
        "challenger": 0.85113,
        "estimate": 0.00492,
        "low": -0.0021,
        "high": 0.0119,
        "level": 0.95,
        "n": 1761,
        "threshold": -0.02,
        "evidence": {
            "method": "paired bootstrap, 2000 seeded draws of rows within each class",
            "seed": 0,
            "repeats": 2000,
            "outcome": word,
            "others": {
                "recall": {"champion": 0.5432, "challenger": 0.5621},
                "precision": {"champion": None, "challenger": 0.71},
                "brier": {"champion": 0.1321, "challenger": 0.1309},
            },
        },
        **changes,
    }
    return Check(**figures)


def check(
    id_: str, outcome: str = "pass", severity: str = "block", reason: str = "As it should be.", **more: Any
) -> Check:
    return Check.parse(
        {
            "id": id_,
            "outcome": outcome,
            "severity": severity,
            "title": f"Title of {id_}",
            "reason": reason,
            **more,
        },
        "check",
    )


def floor(metric: str, outcome: str, value: float | None, limit: float) -> Check:
    known = f"is {value}" if value is not None else "is unknown"
    return check(
        f"floor/{metric}",
        outcome,
        reason=f"{metric} {known}, and policy.yaml asks for at least {limit}.",
        metric=metric,
        challenger=value,
        estimate=value,
        threshold=limit,
        n=1761,
    )


DUMMY = floor("dummy", "pass", 0.85113, 0.5).model_copy(
    update={
        "metric": "roc_auc",
        "reason": "roc_auc is 0.8511: better than 0.5, which a model reaches that ignores the columns.",
    }
)
SCORED = check("champion/scored", severity="needs-human")
REST = [check("schema", severity="note"), check("card")]


def secondary(metric: str, word: str, **changes: Any) -> Check:
    made = quality(word, estimate=0.0189, low=-0.004, high=0.041, champion=0.5432, challenger=0.5621)
    reason = f"{metric[:40]} went from one figure to another."
    return made.model_copy(
        update={"id": f"secondary/{metric}", "metric": metric, "reason": reason, **changes}
    )


def sliced(entries: list[dict[str, Any]], worse: int = 0, few: int = 0, **changes: Any) -> list[Check]:
    """The family of slices, and the note on those that are too small."""
    made = check(
        "slices",
        "fail" if worse else "pass",
        "needs-human",
        f"Shown to be worse by more than 0.04: {entries[0]['column']} = {entries[0]['value']} (n = 424): roc_auc 0.772 to 0.562, "
        "-0.21 (p = 0.0001)."
        if worse
        else f"Of {len(entries)} slices none is shown to be worse by more than 0.04.",
        metric="roc_auc",
        threshold=-0.04,
        level=0.95,
        evidence={
            "slices": len(entries),
            "worse": worse,
            "unsure": 1,
            "few": few,
            "missing": [],
            "worst": entries[:20],
        },
        **changes,
    )
    small = [
        {"column": "contract", "value": f"s{k}", "n": 9, "why": "fewer than 30 rows"} for k in range(few)
    ]
    note = check(
        "slices/few",
        "unknown",
        "note",
        "Too few rows to judge: contract = s0 (n = 9: fewer than 30 rows).",
        evidence={"slices": few, "largest": small[:20]},
    )
    return [made, *([note] if few else [])]


def entry(
    column: str, value: str, estimate: float = -0.012, outcome: str = "not shown to be worse"
) -> dict[str, Any]:
    return {
        "column": column,
        "value": value,
        "n": 424,
        "champion": 0.772,
        "challenger": 0.772 + estimate,
        "estimate": estimate,
        "low": estimate - 0.03,
        "high": estimate + 0.03,
        "p": 1.0,
        "outcome": outcome,
    }


def flipped(label: str = "yes", row: Any = "c0042", **changes: Any) -> Check:
    one = {
        "row": row,
        "truth": label,
        "champion": "no",
        "champion_score": 0.81,
        "challenger": label,
        "challenger_score": 0.77,
    }
    evidence = {"rows": 31, "to_right": 22, "from_right": 9, "confident": [one]}
    return check(
        "flips",
        severity="note",
        estimate=0.0176,
        n=1761,
        evidence=evidence,
        reason="31 of 1,761 test rows change class.",
        **changes,
    )


def calibrated() -> Check:
    error = {"value": 0.021, "low": 0.004, "high": 0.037}
    return check(
        "calibration",
        severity="note",
        reason="Brier score 0.1321 to 0.1309: no measurable change.",
        metric="brier",
        champion=0.1321,
        challenger=0.1309,
        estimate=-0.0012,
        low=-0.003,
        high=0.0006,
        threshold=0.02,
        evidence={
            "ece": {"challenger": error, "champion": error},
            "bins": 10,
            "outcome": "no measurable change",
        },
    )


def fair(column: str = "sex", group: str = "f", outcome: str = "pass", severity: str = "note") -> Check:
    def figure(value: float, limit: float) -> dict[str, float]:
        return {
            "challenger": value,
            "champion": value,
            "low": value - 0.03,
            "high": value + 0.03,
            "limit": limit,
        }

    rates = {
        "positive_answers": [0.41, 0.37, 0.45],
        "true_positives": [0.7, 0.61, 0.78],
        "false_positives": None,
    }
    return check(
        f"fairness/{column}",
        outcome,
        severity,
        f"Groups of {column[:40]}: demographic parity ratio 0.91; equalised-odds difference 0.05.",
        evidence={
            "demographic_parity_ratio": figure(0.91, 0.8),
            "equalized_odds_difference": figure(0.05, 0.1),
            "groups": [{"group": group, "n": 880, **rates}, {"group": "m", "n": 872, **rates}],
            "few": [f"{group} (n = 9)"],
        },
    )


def undeclared() -> Check:
    return check("fairness", "unknown", "note", "Protected attributes are not declared.")


def verdict(overall: Overall, *checks: Check, first: bool = False, twin: bool = False) -> Verdict:
    new = Side(version=None, revision=None, sha256=NEW, predictions="b" * 64)
    old = Side(version="1.0.0", revision=COMMIT, sha256=NEW if twin else OLD, predictions="d" * 64)
    return Verdict(
        version=1,
        overall=overall,
        first_model=first,
        inputs=Inputs(
            challenger=new,
            champion=None if first else old,
            test_rows="a" * 64,
            policy="ab12cd34" * 8,
            lock="1a2b3c4d" * 5,
            suite="0.1.0",
        ),
        checks=list(checks),
    )


def profile(
    rows: int, mean: float, yes: int, columns: dict[str, Any] | None = None, md5: str = "0" * 32
) -> ProfileFile:
    described = {
        "monthly_charges": runs.column("feature", "number", mean=mean, std=30.0),
        "contract": runs.column("feature", "category", categories={"monthly": 4000, "two-year": 3025}),
        "churned": runs.column("target", "category"),
        **(columns or {}),
    }
    made = runs.profile(described, "churned", "classification", {"classes": {"no": rows - yes, "yes": yes}})
    made["rows"] = {"total": rows, "train": rows - 1761, "test": 1761, "without_target": 0}
    made["table"]["md5"] = md5
    return ProfileFile.parse(made, "profile")


def context(**changes: Any) -> Context:
    return replace(
        Context(
            web=WEB,
            head=COMMIT,
            run_url=f"{WEB}/actions/runs/77",
            version="v1.0.1",
            why="newer data, same recipe",
            old_profile=profile(6631, 64.8, 1760),
            new_profile=profile(7043, 66.1, 1869, md5="1" * 32),
            old_params={"train": {"seed": 7}},
            new_params={"train": {"seed": 7}},
            pictures=(
                ("ROC", "reports/pictures/roc.svg"),
                ("Calibration", "reports/pictures/calibration.svg"),
                ("Confusion", "reports/pictures/confusion.svg"),
            ),
            stages=("prepare", "train", "evaluate", "card"),
            seconds=11.2,
        ),
        **changes,
    )


def passed() -> str:
    groups = [
        secondary("recall", "no measurable change"),
        *sliced([entry("contract", "two-year"), entry("contract", "monthly", 0.004)], few=2),
        calibrated(),
        flipped(),
        fair(),
    ]
    checks = [floor("recall", "pass", 0.5621, 0.5), DUMMY, quality(), *groups, SCORED, *REST]
    return comment(verdict("pass", *checks), context())


def blocked() -> str:
    loss = quality(
        "regression",
        outcome="fail",
        challenger=0.80521,
        estimate=-0.041,
        low=-0.063,
        high=-0.019,
        reason="roc_auc went from 0.8462 to 0.8052: -0.041 (95% interval -0.063 to -0.019). Worse, and beyond the margin of 0.02.",
    )
    known = {**loss.evidence, "others": {"recall": {"champion": 0.5432, "challenger": 0.4021}}}
    loss = loss.model_copy(update={"evidence": known})
    columns = {f"new_{k}": runs.column("feature", "number") for k in range(5)}
    return comment(
        verdict(
            "block",
            floor("recall", "fail", 0.4021, 0.5),
            DUMMY,
            loss,
            secondary(
                "brier",
                "regression",
                outcome="fail",
                champion=0.1321,
                challenger=0.1621,
                estimate=0.03,
                low=0.021,
                high=0.039,
                threshold=0.02,
            ),
            *sliced([entry("contract", "two-year", -0.21, "worse"), entry("contract", "monthly")], worse=1),
            flipped(),
            undeclared(),
            SCORED,
            check(
                "schema",
                "fail",
                "note",
                "A merge would be a major version: contract is no longer a field of a row.",
            ),
            check("card", "fail", reason="reports/model_card.json is missing. Make it: gitops-ml card"),
            check(
                "overrides",
                "fail",
                "note",
                "Overrides: ignored: card was argued for model 77d0e3aa, this is 4f1c09ab.",
                n=0,
            ),
        ),
        context(
            new_profile=profile(6600, 70.0, 2400, columns, "2" * 32),
            new_params={
                "train": {"seed": 8, "params": {"depth": None, "rate": 0.1}},
                "features": {"max": 25},
            },
            changed=("src/churn/train.py", "params.yaml", "data/raw/churn.csv.dvc"),
        ),
    )


def needs_human() -> str:
    unsure = quality(
        "cannot tell",
        outcome="unknown",
        severity="needs-human",
        estimate=-0.012,
        low=-0.041,
        high=0.017,
        challenger=0.83421,
        n=212,
        reason="roc_auc went from 0.8462 to 0.8342: -0.012 (95% interval -0.041 to +0.017). Cannot tell: 212 test rows do not rule "
        "out a loss of 0.02. About 2,787 rows would tell, if the difference stayed.",
    )
    unsure = unsure.model_copy(update={"evidence": {**unsure.evidence, "rows_needed": 2787}})
    rules = check(
        "protected",
        "fail",
        "needs-human",
        "This pull request changes policy.yaml; it was judged by the base branch's copies.",
        evidence={"files": ["policy.yaml", ".github/workflows/release.yml"]},
    )
    honoured = floor("recall", "fail", 0.48, 0.5).model_copy(
        update={"override": "Agreed with the team. (Ada)"}
    )
    return comment(
        verdict("needs-human", honoured, DUMMY, unsure, SCORED, *REST, rules),
        context(stages=(), seconds=None, new_profile=profile(6631, 64.8, 1760), changed=("policy.yaml",)),
    )


def overridden() -> str:
    """Whoever reviews reads first what was accepted, and why."""
    loss = quality(
        "regression",
        outcome="fail",
        challenger=0.81521,
        estimate=-0.031,
        low=-0.051,
        high=-0.011,
        reason="roc_auc went from 0.8462 to 0.8152: -0.031 (95% interval -0.051 to -0.011). Worse, and beyond the margin of 0.02.",
        override="The old column leaves with its vendor in March; agreed with sales. (Ada)",
    )
    note = check("overrides", "pass", "note", "Overrides: 1 honoured.", n=1)
    return comment(
        verdict("pass", floor("recall", "pass", 0.5621, 0.5), DUMMY, loss, flipped(), SCORED, *REST, note),
        context(version="v2.0.0", why="column `vendor_score` is no longer a field of a row"),
    )


def columns_500() -> str:
    """All of them move, forty are new, a hundred knobs turn: still one screen before the first click."""
    before = {f"sensor_{k}": runs.column("feature", "number", mean=float(k), std=2.0) for k in range(500)}
    after = {
        name: {**column, "mean": column["mean"] + 0.1 * (1 + at % 7)}
        for at, (name, column) in enumerate(before.items())
    }
    after |= {f"new_{k}": runs.column("feature", "number") for k in range(40)}
    knobs = {f"knob_{k}": k for k in range(100)}
    return comment(
        verdict("pass", DUMMY, quality(), flipped(), SCORED, *REST),
        context(
            old_profile=profile(6631, 64.8, 1760, before),
            new_profile=profile(7043, 66.1, 1869, after, "1" * 32),
            old_params=knobs,
            new_params={name: value + 1 for name, value in knobs.items()},
            changed=("params.yaml", "data/raw/churn.csv.dvc"),
        ),
    )


def slices_300() -> str:
    """One of three hundred is worse, and two hundred more are too small."""
    worst = entry("region, contract", "north, two-year", -0.21, "worse")
    others = [entry("region, contract", f"r{k}, monthly", -0.03 + k / 5000) for k in range(299)]
    return comment(
        verdict("needs-human", DUMMY, quality(), *sliced([worst, *others], worse=1, few=200), SCORED, *REST),
        context(),
    )


def first_model() -> str:
    checks = [floor("recall", "pass", 0.5621, 0.5), DUMMY, *REST]
    made = context(old_profile=None, old_params=None, version="v1.0.0", why="first model")
    return comment(verdict("pass", *checks, first=True), made)


def hostile() -> str:
    bad = HOSTILE
    columns = {name: runs.column("feature", "number", nulls=9) for name in bad.values()}
    unscored = check(
        "champion/scored",
        "unknown",
        "needs-human",
        f"Not compared with 1.0.0: {' '.join(value[:80] for value in bad.values())}",
    )
    own = [floor(value, "unknown", None, 0.5) for value in bad.values()]
    rules = check("protected", "fail", "needs-human", "x", evidence={"files": list(bad.values())})
    groups = [
        *sliced([entry(value, value) for value in bad.values()], few=1),
        *(fair(value, value, "fail") for value in bad.values()),
        flipped(bad["html"], bad["mention"]),
        secondary(bad["link"], "improved"),
    ]
    return comment(
        verdict("block", *own, quality(), *groups, unscored, rules),
        context(
            version=bad["html"],
            why=bad["mention"],
            new_profile=profile(7043, 66.1, 1869, columns),
            new_params={value: bad[key] for key, value in bad.items()},
            changed=tuple(f"src/{value}" for value in bad.values()),
            pictures=(("](evil) @octocat", "reports/a) b.svg"),),
            stages=tuple(bad.values()),
        ),
    )


def failed_build() -> str:
    log = (
        "\n".join(f"line {k}" for k in range(60))
        + "\n``` @octocat\nValueError: could not convert string to float: 'n/a'"
    )
    return failed("build", log, f"{WEB}/actions/runs/77")


def outside_code(text: str) -> str:
    """What is no code, by CommonMark: a run of backticks, not escaped, to the next run of the same length."""
    return re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", text, flags=re.S)


CASES = {
    "pass": passed,
    "block": blocked,
    "needs_human": needs_human,
    "first_model": first_model,
    "failed_build": failed_build,
    "nothing": lambda: nothing(("docs/runbook.md", "README.md"), (), "v1.0.0"),
    "hostile": hostile,
    "override": overridden,
    "500_columns": columns_500,
    "300_slices": slices_300,
}


@pytest.mark.parametrize("case", CASES)
def test_the_comment_is_the_reviewed_text(case: str) -> None:
    text = CASES[case]()
    golden = GOLDEN / f"report_{case}.md"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_every_comment_begins_with_the_marker_then_the_verdict_and_holds_the_marker_once(case: str) -> None:
    text = CASES[case]()
    assert text.startswith(f"{MARKER}\n### ") and re.match(r"[✅✋⛔💤] ", text.split("### ", 1)[1])
    outside = outside_code(text)
    assert len(re.findall(r"(?<!\\)<!--", outside)) == 1
    assert outside.count("<details>") == outside.count("</details>")
    assert len(text) <= LIMIT


@pytest.mark.parametrize("case", CASES)
def test_every_table_row_has_as_many_cells_as_its_head(case: str) -> None:
    width = None
    for line in CASES[case]().split("\n"):
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert cells is None or width is None or cells == width, line
        width = cells


def test_strangers_words_ping_nobody_and_link_nowhere() -> None:
    for text in (
        hostile(),
        failed("check", "\n".join(HOSTILE.values()), ""),
        nothing(tuple(HOSTILE.values())),
    ):
        # GitHub reads no mention, reference or link inside code.
        outside = outside_code(text)
        assert "octocat" in text
        assert not re.search(r"@[\w\[]", outside), re.findall(r".{20}@[\w\[].{10}", outside)
        assert not re.search(
            rf"(?<!\\)<(?!/?(details|summary|sub|code)>|!-- gitops-ml -->\n###|{IMG})", outside
        )
        assert not re.search(r"(?<!&)#\d|GH-\d|www\.|(?<!\\)\]\(javascript", outside)
        assert set(re.findall(r"https?://[\w.]+", outside)) <= {"https://github.com"}
        assert "\u202e" not in text and "\r" not in text and "xxx" * 200 not in text
        assert len(re.findall(r"^#+ ", outside, re.M)) == 1


def test_words_stay_readable() -> None:
    assert words("mean of total_charges: 3 of 5 (60%)") == "mean of total_charges: 3 of 5 (60%)"
    assert words("mail a@b.c, see #12") == "mail a@&#8203;b.c, see \\#&#8203;12"


def test_pictures_are_linked_at_the_head_and_only_there() -> None:
    assert f'alt="ROC" src="{WEB}/raw/{COMMIT}/reports/pictures/roc.svg">' in passed()
    assert "<img" not in comment(verdict("pass", quality(), *REST), context(web=""))
    assert 'src="https://github.com/acme/churn/raw/' in hostile() and 'reports/a%29%20b.svg">' in hostile()


def test_protected_files_stand_above_everything_but_the_heading() -> None:
    lines = [line for line in needs_human().split("\n") if line]
    assert "`policy.yaml`" in lines[2] and "Read these files first" in lines[2]


def test_a_huge_comment_is_cut_honestly_and_keeps_verdict_and_next_step() -> None:
    many = [floor(f"metric_{k} {'long ' * 110}", "fail", 0.1, 0.5) for k in range(300)]
    text = comment(verdict("block", *many, quality()), context())
    assert len(text) <= LIMIT and "⛔" in text.split("\n")[1]
    assert "did not fit into a comment" in text and "actions/runs/77" in text.rsplit("\n", 2)[-2]
    some = [floor(f"metric_{k} {'long ' * 60}", "fail", 0.1, 0.5) for k in range(80)]
    text = comment(verdict("block", *some, quality()), context())
    assert len(text) <= LIMIT and "did not fit" in text and "**To go on:**" in text
    assert text.count("<details>") == text.count("</details>")
    wide = {f"c{k}": runs.column("feature", "number", nulls=k, mean=float(k), std=1.0) for k in range(5000)}
    moved = {name: {**column, "mean": column["mean"] + 1.0} for name, column in wide.items()}
    knobs = {f"knob_{k}": k for k in range(5000)}
    text = comment(
        verdict("pass", quality(), *REST),
        context(
            old_profile=profile(7000, 1.0, 9, wide),
            new_profile=profile(7000, 1.0, 9, moved, "3" * 32),
            old_params=knobs,
            new_params={name: value + 1 for name, value in knobs.items()},
        ),
    )
    assert len(text) < 20_000 and "and 4,960 more" in text and "5,000 params changed" in text


# ---------------------------------------------------------------- the status line


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (verdict("pass", quality(), *REST), ("success", "Pass: not worse than what serves today")),
        (verdict("pass", quality("improved")), ("success", "Pass: better than what serves today")),
        (verdict("pass", *REST, first=True), ("success", "Pass: the first model")),
        (verdict("pass", quality(), twin=True), ("success", "Pass: the model is the one that serves today")),
        (
            verdict("pass", quality(outcome="fail", override="because"), *REST),
            ("success", "Pass: accepted by an override although ROC AUC rises by 0.005"),
        ),
        (
            verdict("needs-human", quality("cannot tell", outcome="unknown", severity="needs-human")),
            ("pending", "Needs a human: the test rows cannot tell whether ROC AUC got worse"),
        ),
        (
            verdict(
                "block",
                quality("regression", outcome="fail", estimate=-0.041),
                check("protected", "fail", "needs-human"),
                floor("recall", "fail", 0.1, 0.5),
            ),
            ("failure", "Blocked: ROC AUC falls by 0.041, and recall misses its limit"),
        ),
    ],
)
def test_the_status_line(given: Verdict, expected: tuple[str, str]) -> None:
    assert status_line(given) == expected


def test_the_status_line_is_never_too_long() -> None:
    many = [floor(f"metric_{k}_{'x' * 100}", "fail", 0.1, 0.5) for k in range(9)]
    state, said = status_line(verdict("block", *many))
    assert state == "failure" and len(said) <= 140 and said.endswith("…")


# ---------------------------------------------------------------- what changed


def test_data_diff_finds_rows_columns_and_the_biggest_movers_first() -> None:
    old = profile(
        1000,
        10.0,
        200,
        {
            "gone": runs.column("feature", "number"),
            "calm": runs.column("feature", "number", mean=5.0, std=1.0),
            "big": runs.column("feature", "number", mean=5.0, std=1.0),
            "kind": runs.column("feature", "category", categories={"a": 50, "b": 50}, other=100),
            "typed": runs.column("feature", "integer", mean=1.0),
            "holes": {**runs.column("feature", "text"), "null_share": 0.1},
        },
    )
    new = profile(
        1100,
        10.0,
        330,
        {
            "calm": runs.column("feature", "number", mean=5.01, std=1.0),
            "big": runs.column("feature", "number", mean=8.0, std=1.0),
            "kind": runs.column("feature", "category", categories={"a": 120, "c": 10}, other=70),
            "typed": runs.column("feature", "number", mean=1.0),
            "holes": {**runs.column("feature", "text"), "null_share": 0.3},
            "fresh": runs.column("feature", "number"),
        },
    )
    found = data_diff(old, new)
    assert (found.rows, found.old_rows, found.added, found.removed) == (100, 1000, ("fresh",), ("gone",))
    assert [(move.column, move.kind) for move in found.moves] == [
        ("typed", "type"),
        ("big", "mean"),
        ("kind", "share"),
        ("holes", "empty"),
    ]
    assert (found.moves[2].value, found.moves[2].old, found.moves[2].new) == ("a", 0.25, 0.6)
    assert (found.balance[0].old, found.balance[0].new) == (0.8, 0.7)
    assert not data_diff(old, old) and data_diff(None, new).added == tuple(new.columns)


def test_params_diff_flattens_and_keeps_what_is_equal_out() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "gone": True, "text": "1"}
    new = {"a": {"b": 1, "c": [1, 3], "d": None}, "text": 1}
    assert [(one.key, one.old, one.new) for one in params_diff(old, new)] == [
        ("a.c", "[1, 2]", "[1, 3]"),
        ("a.d", "", "null"),
        ("gone", "true", ""),
        ("text", '"1"', "1"),
    ]
    assert params_diff(new, new) == [] and params_diff(None, {"a": 1})[0].old == ""


# ---------------------------------------------------------------- without a verdict


def test_pointer_comments_say_serve_roll_back_or_why_not() -> None:
    def at(version: str, sha256: str = NEW) -> Pointer:
        return Pointer(
            model="churn",
            version=version,
            revision=COMMIT,
            path="models/model.skops",
            sha256=sha256,
            size=212_345,
            image=None,
            verdict="pass",
            promoted_from=None,
        )

    first = pointer("production", None, at("1.0.0"))
    assert "### ✅ Serve: v1.0.0 in `production`" in first and "none" in first
    assert "Serve: v1.10.0" in pointer("production", at("1.9.0", OLD), at("1.10.0"))
    assert "Roll back: v1.9.0" in pointer("production", at("1.10.0"), at("1.9.0", OLD))
    bad = pointer("production", at("1.0.0", OLD), at("1.0.1"), ("models/model.skops is not in the store",))
    assert (
        "### ⛔ Blocked: v1.0.1 cannot be served" in bad
        and "1. models/model.skops is not in the store" in bad
    )


def test_nothing_to_build_still_asks_a_human_where_the_rules_change() -> None:
    text = nothing(("policy.yaml",), ("policy.yaml",), "v1.0.0")
    assert "✋ Needs a human" in text and "Read these files first" in text and "approves" in text
    assert "💤" in nothing() and "No model is served yet" in nothing()


def test_three_hundred_slices_and_hostile_names_fit() -> None:
    name = "contract | `x` @octocat " * 9
    many = [entry(f"{name}{k}", f"{name}{k}") for k in range(300)]
    text = comment(verdict("pass", quality(), *sliced(many, few=200), *REST), context())
    assert len(text) < 30_000 and "worst of 300 slices" in text and "280 more did better" in text
    assert "and 180 more" in text and not re.search(r"@\w", outside_code(text))


def test_who_is_alone_is_given_the_whole_overrides_file() -> None:
    model = "ab" * 32
    for text in (
        answer(model, ["protected", "quality/roc_auc"]),
        nothing((), ("policy.yaml",), "v1.0.0", model),
    ):
        found = re.search(r"```yaml\n(.*?)\n```", text, re.DOTALL)
        assert found is not None and "approves" not in text
        filled = (
            found[1]
            .replace("YOU", "Ada")
            .replace("WHY", "I answer for it")
            .replace("YYYY-MM-DD", "2099-01-01")
        )
        entries = OverridesFile.parse(YAML(typ="safe", pure=True).load(filled), "overrides.yaml").overrides
        assert entries[0].check == "protected" and {one.sha256 for one in entries} == {model}
    accepted = nothing((), ("policy.yaml",), "v1.0.0", model, "we agreed (Ada)")
    assert "### ✅ Pass, with an override" in accepted and "**Overridden:** we agreed (Ada)" in accepted


def test_a_log_that_says_nothing_and_an_unknown_stage_are_still_a_comment() -> None:
    assert "Nothing was said about it." in failed("score", "")
    assert "### ⛔ Blocked: smoke failed" in failed("smoke", "boom")
