"""The verdict in a few words: heading, status line, and what each check is called in front of people."""

from __future__ import annotations

from typing import Literal

from gitops_ml.card.markdown import bytes_, number
from gitops_ml.card.names import NAMES
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.report import rows
from gitops_ml.report.text import clip, words

State = Literal["success", "pending", "failure"]
STATES: dict[str, State] = {"pass": "success", "needs-human": "pending", "block": "failure"}
DESCRIPTION = 140  # characters that a commit status may hold


def in_the_way(verdict: Verdict) -> list[Check]:
    """The checks that stop this model, the worst first."""
    found = [
        one
        for one in verdict.checks
        if one.outcome != "pass" and one.severity != "note" and one.override is None
    ]
    return sorted(found, key=lambda one: (one.severity != "block", not one.id.startswith("quality/")))


def heading(verdict: Verdict) -> str:
    """Verdict and its reason, on one line of Markdown."""
    return f"{_sign(verdict)} {words(because(verdict), 200)}"


def status_line(verdict: Verdict) -> tuple[State, str]:
    """State and description of the commit status ``gitops-ml``."""
    return STATES[verdict.overall], clip(f"{_sign(verdict)[2:]} {because(verdict)}", DESCRIPTION)


def _sign(verdict: Verdict) -> str:
    return {"pass": "✅ Pass:", "needs-human": "✋ Needs a human:", "block": "⛔ Blocked:"}[verdict.overall]


def because(verdict: Verdict) -> str:
    """Why, in a few plain words: the worst that stops it, or how it compares."""
    if verdict.overall != "pass":
        severity = "block" if verdict.overall == "block" else "needs-human"
        reasons = [short(one) for one in in_the_way(verdict) if one.severity == severity]
        more = f", and {len(reasons) - 2} more" if len(reasons) > 2 else ""
        return (", and " if len(reasons) == 2 else ", ").join(reasons[:2]) + more
    overridden = sum(one.override is not None for one in verdict.checks)
    behind = f", with {overridden} {'override' if overridden == 1 else 'overrides'}" if overridden else ""
    if verdict.first_model:
        return f"the first model{behind}"
    champion = verdict.inputs.champion
    if champion is not None and champion.sha256 == verdict.inputs.challenger.sha256:
        return f"the model is the one that serves today{behind}"
    quality = next((one for one in verdict.checks if one.id.startswith("quality/")), None)
    if quality is not None and quality.evidence.get("outcome") == "improved":
        return f"better than what serves today{behind}"
    if quality is not None and quality.outcome == "pass":
        return f"not worse than what serves today{behind}"
    accepted = [short(one) for one in verdict.checks if one.override is not None]
    more = f", and {len(accepted) - 1} more" if len(accepted) > 1 else ""
    return f"accepted by an override although {accepted[0]}{more}" if accepted else "accepted"


def plain_name(metric: str) -> str:
    """The name people use, as plain text."""
    return NAMES.get(metric) or metric.replace("_", " ")


def short(one: Check) -> str:
    """What is wrong, in a few plain words; a check this page does not know keeps its title."""
    metric = plain_name(one.metric) if one.metric else ""
    if one.id.startswith("gold/"):
        return _gold(one, metric)
    if one.id.startswith("baseline/"):
        return _baseline(one, metric)
    if one.id.startswith("robustness/"):
        return _bad_day(one, metric)
    compared = one.id.startswith(("quality/", "secondary/")) or one.id == "calibration"
    if compared and one.outcome == "fail" and one.estimate is not None:
        return f"{metric} {'falls' if one.estimate < 0 else 'rises'} by {number(abs(one.estimate))}"
    if compared and one.challenger is None and one.id.startswith("secondary/"):
        return f"{metric} is unknown"
    if compared:
        return f"the test rows cannot tell whether {metric} got worse"
    if one.id == "floor/dummy":
        return "it is not better than guessing" if one.outcome == "fail" else f"{metric} is unknown"
    if one.id.startswith("floor/"):
        return f"{metric} {'misses its limit' if one.outcome == 'fail' else 'is unknown'}"
    if one.id == "slices" and one.outcome == "fail":
        worse = one.evidence.get("worse", 1)
        return "one slice is worse" if worse == 1 else f"{worse:,} slices are worse"
    if one.id.startswith("fairness/"):
        column = clip(one.id.partition("/")[2], 40)
        sure = "groups of" if one.outcome == "fail" else "it is unknown whether groups of"
        return f"{sure} {column} are {'not ' if one.outcome == 'fail' else ''}treated alike"
    if one.id.startswith("budget/"):
        return _beyond(one)
    return rows.short(one) or {
        "slices": "some slices could not be looked at",
        "flips": "more predictions change than policy.yaml allows",
        "rows/unseen": "some test rows are of classes it never saw",
        "champion/scored": "the champion could not be scored",
        "card": "the model card is missing, or not this model's",
        "card/answers": "people have not answered what the model card needs",
        "fairness": "nobody has said whose groups to look at",
        "protected": "it changes the rules it is judged by",
        "reuse": "its test rows have judged too many models"
        if one.outcome == "fail"
        else "it is unknown how many models its test rows have judged",
        "reproduction": "a second build gave other bytes"
        if one.evidence.get("stages")
        else "a second build failed",
    }.get(one.id, one.title)


def _beyond(one: Check) -> str:
    if one.id == "budget/bytes" and one.challenger is not None:
        return f"its file is {bytes_(int(one.challenger))} large"
    if one.id == "budget/training":
        return "its build takes too long, or costs too much"
    if one.estimate is None:
        return one.title
    if one.id == "budget/memory":
        return f"it takes {one.estimate:.1f} times the memory"
    return f"{'one row' if one.id == 'budget/latency' else 'a batch'} takes {one.estimate:.1f} times as long"


def _gold(one: Check, metric: str) -> str:
    if one.evidence.get("readers"):
        return "a stage reads the gold set"
    if one.outcome == "fail" and one.id == "gold/floor":
        return f"{metric} misses its limit on the gold set"
    if one.outcome == "fail" and one.estimate is not None:
        return f"{metric} falls by {number(abs(one.estimate))} on the gold set"
    return "the gold set cannot tell"


def _baseline(one: Check, metric: str) -> str:
    name = f"the baseline {clip(str(one.evidence.get('version', '')), 20)}".rstrip()
    if one.outcome == "fail" and one.estimate is not None:
        return f"{metric} is {number(abs(one.estimate))} {'below' if one.estimate < 0 else 'above'} {name}"
    return (
        f"it could not be compared with {name}"
        if one.challenger is None
        else f"the test rows cannot tell whether {metric} is below {name}"
    )


def _bad_day(one: Check, metric: str) -> str:
    column = one.evidence.get("column")
    day = "with noisy numbers" if one.id.endswith("noise") else "with an empty column"
    day = f"without {clip(str(column), 40)}" if column is not None else day
    if one.outcome == "fail" and one.estimate is not None:
        return f"{day}, {metric} is {number(abs(one.estimate))} below the champion's"
    return f"it is unknown what becomes of {metric} {day}"


def step(one: Check) -> str:
    """What the author can do about a check that blocks. Markdown."""
    if one.id.startswith(("quality/", "secondary/")):
        return "find out what got worse: `uv run dvc metrics diff main`"
    if one.id.startswith("robustness/"):
        return "train on rows that are disturbed as well, or let the model lean on more than one column"
    if one.id.startswith("baseline/"):
        return "find out what was lost since that release, or argue for another one in policy.yaml (baseline)"
    if one.id == "card":
        return "write the card with the pipeline: `uv run dvc repro`"
    if one.id == "card/answers":
        unanswered = ", ".join(f"`{clip(key, 40)}`" for key in one.evidence.get("unanswered", []))
        return f"answer {unanswered} in model_card.yaml, then `uv run gitops-ml reproduce`"
    if one.id == "fairness":
        return (
            "declare `fairness: {attributes: [...]}` in policy.yaml, or why there are none: `{absent: ...}`"
        )
    if one.id.startswith("floor/"):
        return "change data, features or params until the limit is reached"
    if one.id == "slices":
        return "look at the rows of that slice: what changed in data, features or params reached them"
    if one.id.startswith("budget/"):
        return "make the model smaller or quicker (fewer trees, fewer columns), or argue for a wider limit in policy.yaml (budgets)"
    if one.id.startswith("gold/") and one.evidence.get("readers"):
        return "keep the gold set out of dvc.yaml: no stage may read its rows"
    if one.id.startswith("gold/"):
        return "find out what got worse on rows that nothing was tuned to, and do not tune to them now"
    if one.id == "reuse":
        return "judge on new test rows (`data.split` in params.yaml, or newer data), or on a gold set too"
    if one.id == "reproduction":
        return "fix what is random in the stage that is named: `uv run gitops-ml reproduce --check`"
    return rows.step(one) or f"see to: {words(one.title, 120)}"


def mark(one: Check) -> str:
    """A sign for a table."""
    if one.outcome == "pass":
        return "✅"
    if one.override is not None:
        return "☑️"
    return {"block": "⛔", "needs-human": "✋", "note": "📝"}[one.severity]
