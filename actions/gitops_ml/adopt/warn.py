"""What a person should know before training: a column that gives the answer away, rare classes, too few rows."""

from __future__ import annotations

import shlex
from typing import Any

from gitops_ml.adopt.kinds import Facts
from gitops_ml.contracts.schema import SchemaFile

RARE = 0.05
FEW_ROWS = 200
FEW_OF_CLASS = 20


def leak_text(column: str, score: float, classification: bool) -> str:
    """The warning, with the ways out; the gate lets such a column pass where schema.yaml says why it is known."""
    measure = f"AUC {score:.3f}" if classification else f"correlation {score:.3f}"
    return (
        f"{column} alone predicts the target ({measure}). If it is known only afterwards, it must not be a feature:\n"
        f"    uv run gitops-ml adopt --drop {quoted(column)}\n"
        f"    or keep it in the data only: uv run gitops-ml schema set {quoted(column)} --unavailable\n"
        f"    If it is known when predicting, say why: uv run gitops-ml schema set {quoted(column)} --available --reason WHY"
    )


def target_texts(facts: Facts, schema: SchemaFile) -> list[str]:
    """Imbalance, few rows, few rows of a class, rows without target."""
    texts: list[str] = []
    if facts.nulls:
        texts.append(f"{facts.nulls:,} rows have no {facts.name}: prepare leaves them out and counts them.")
    if facts.filled < FEW_ROWS:
        texts.append(f"only {facts.filled:,} rows with a target: expect wide intervals (below {FEW_ROWS}).")
    if schema.task != "classification":
        return texts
    counts = {label_text(value): count for value, count in facts.values}
    rarest = min(counts, key=lambda label: counts[label])
    few = [f"{label} ({count})" for label, count in counts.items() if count < FEW_OF_CLASS]
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        texts.append(
            f"fewer than {FEW_OF_CLASS} rows of {', '.join(few[:5])}{more}: no number for them will be firm."
        )
    if counts[rarest] < RARE * facts.filled:
        share = 100 * counts[rarest] / facts.filled
        texts.append(
            f"imbalance: {rarest} is {share:.2g}% of the rows. If it is the one that matters: "
            "train.class_weight: balanced in params.yaml"
        )
    return texts


def label_text(value: Any) -> str:
    """A class as people read it: 1.0 is 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def quoted(name: str) -> str:
    """A column name as it can be pasted into a shell."""
    return shlex.quote(name)
