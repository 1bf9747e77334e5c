"""Whether people have answered what the model card needs before a model may serve."""

from __future__ import annotations

from gitops_ml.contracts.model_card import UNKNOWN
from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.evidence import Evidence

FILE = "model_card.yaml"


def answers(evidence: Evidence) -> list[Check]:
    """A note until production has changed hands, then what policy.yaml says; nothing where it asks for no answer.

    Read from the card that the pipeline wrote of model_card.yaml: the lock binds it to the model.
    """
    rules = evidence.policy.card
    if not rules.required:
        return []
    given = {} if evidence.card is None else evidence.card.answers
    lines = []
    for name in rules.required:
        one = given.get(name)
        if one is None or one.value is None or one.value == UNKNOWN:
            lines.append(f"{name} ({f'line {one.line}' if one and one.line else 'not there yet'})")
    words = ", ".join(lines)
    reason = f"{FILE} still says unknown: {words}. Answer, then `gitops-ml reproduce`." if lines else (
        f"{FILE} answers {', '.join(rules.required)}."
    )  # fmt: skip
    if lines and not evidence.handed_over:
        reason += (
            f" This is asked from the day on which a second model serves (now a note, then {rules.severity})."
        )
    return [
        Check(
            id="card/answers",
            severity=rules.severity if evidence.handed_over else "note",
            outcome="unknown" if lines else "pass",
            title="People have answered what the model card needs",
            reason=reason,
            evidence={"unanswered": [line.partition(" ")[0] for line in lines]} if lines else {},
        )
    ]
