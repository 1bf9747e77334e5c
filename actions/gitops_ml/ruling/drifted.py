"""The text of the pull request that drift opens: whether retraining helps comes first, then what moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gitops_ml.card.markdown import table
from gitops_ml.contracts.drift import DriftFile
from gitops_ml.drift import summary
from gitops_ml.report.text import MINUS, name, version, words

if TYPE_CHECKING:
    from gitops_ml.gate.beside import Beside

NAMES = {"current": "today's rows", "reference": "test rows of {}"}


def headline(beside: Sequence[Beside]) -> str:
    """Whether the candidate is better where it matters: on the rows of today."""
    today = next((one for one in beside if one.name == "current"), None)
    if today is None or today.word == "unknown":
        why = today.reason if today is not None else "nobody scored them"
        return f"Retrained after drift; whether it helps on today's rows is not known: {words(why, 160)}"
    if today.word == "better":
        old = next((one for one in beside if one.name == "reference"), None)
        also = {"better": "better", "same": "not measurably different", "worse": "worse"}.get(
            old.word if old else ""
        )
        return "Retrained after drift: better on today's rows" + (
            f", {also} on the old test rows" if also else ""
        )
    said = "worse" if today.word == "worse" else "not measurably better"
    return f"Retraining does not help: the candidate is {said} on today's rows"


def body(
    found: DriftFile, beside: Sequence[Beside], moved: Sequence[str], cooldown_days: int, run_url: str
) -> str:
    """The body of the pull request, as Markdown."""
    serving = version(found.serving.version) if found.serving else "the champion"
    what = ", ".join(name(path) for path in moved) or "the newest data"
    page = f"[this run]({run_url})" if run_url else "the run"
    parts = [
        f"### 🔁 {headline(beside)}",
        f"The candidate was trained on {what}. Its judgement, on its own test rows, is in the comment below.",
        _figures(beside, serving) if beside else "",
        f"**What moved:** {words(found.reason)}",
        summary.about(found) if found.watched is not None and found.serving is not None else "",
        summary.columns(found),
        *(f"- {words(note)}" for note in found.notes),
        f"Evidently's page is `report.html` in the artifact `drift` of {page}.",
        f"Merging releases the candidate. Closing keeps {serving} and stays quiet for {cooldown_days} days (policy.yaml, "
        "`drift.cooldown_days`): drift is still recorded then, and no pull request is opened.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _figures(beside: Sequence[Beside], serving: str) -> str:
    rows = []
    for one in sorted(beside, key=lambda each: each.name != "current"):
        label = f"{NAMES.get(one.name, one.name).format(serving)}, n = {one.n:,}"
        if one.champion is None or one.challenger is None:
            rows.append([f"{label}", "", "", words(one.reason, 160)])
            continue
        difference = _signed(one.challenger - one.champion)
        if one.low is not None and one.high is not None:
            difference += f" ({_signed(one.low)}, {_signed(one.high)})"
        elif one.reason:
            difference += f" ({words(one.reason, 160)})"
        rows.append([label, f"{one.champion:.3f}", f"{one.challenger:.3f}", difference])
    text = table(
        [name(beside[0].metric), serving, "candidate", "difference (interval)"], rows, frozenset({1, 2, 3})
    )
    left = [
        f"{one.left_out:,} of {NAMES.get(one.name, one.name).format(serving)}"
        for one in beside
        if one.left_out
    ]
    if left:
        text += f"\n\nLeft out, because the candidate was trained on them: {', '.join(left)}."
    return text


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", MINUS)
