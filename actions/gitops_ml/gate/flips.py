"""Test rows whose predicted class is another than the champion's: how many, how many to the right one, and which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gitops_ml.contracts.verdict import Check
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.metrics import Array, Rows
from gitops_ml.gate.quality import significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table

SHOWN = 10


def flips(evidence: Evidence, table: Table) -> list[Check]:
    """A note, unless policy.yaml sets a limit; nothing of a first model or a regression."""
    if table.champion is None or table.challenger.kind == "regression" or not table.finite:
        return []
    rules, sample = evidence.policy.flips, Sample.of(table)
    assert sample.champion is not None
    before, after = sample.champion.scores.argmax(axis=1), sample.rows.scores.argmax(axis=1)
    truth, n = sample.rows.truth, len(sample.rows.truth)
    flipped = before != after
    count = int(flipped.sum())
    right, wrong = int((flipped & (after == truth)).sum()), int((flipped & (before == truth)).sum())
    share = count / n
    too_many = rules.limit is not None and share > rules.limit
    reason = f"{count:,} of {n:,} test rows change class, {right:,} of them to the right one and {wrong:,} away from it."
    if rules.limit is not None:
        reason += f" That is {share:.2%}; policy.yaml allows {rules.limit:.2%}."
    return [
        Check(
            id="flips",
            severity=rules.severity,
            outcome="fail" if too_many else "pass",
            title="Predictions that change",
            reason=reason,
            estimate=significant(share),
            n=n,
            threshold=rules.limit,
            evidence={
                "rows": count,
                "to_right": right,
                "from_right": wrong,
                "confident": confident(evidence, table, sample, before, after),
            },
        )
    ]


def confident(
    evidence: Evidence, table: Table, sample: Sample, before: Array, after: Array, most: int = SHOWN
) -> list[dict[str, Any]]:
    """The rows on which both models were surest of different classes; ``before``, ``after``: class numbers (rows,)."""
    assert sample.champion is not None
    flipped = np.flatnonzero(before != after)
    sure = {
        "champion": _score(sample.champion, before)[flipped],
        "challenger": _score(sample.rows, after)[flipped],
    }
    least = np.minimum(sure["champion"], sure["challenger"])
    if len(flipped) > most:  # ties with the last stay, until their names have sorted them
        kept = least >= np.partition(least, -most)[-most]
        flipped, least = flipped[kept], least[kept]
        sure = {who: one[kept] for who, one in sure.items()}
    ids = None if evidence.ids is None else evidence.ids[table.known].iloc[sample.order[flipped]]
    names = [int(k) + 1 for k in flipped] if ids is None else [_name(one) for one in ids]
    found = sorted(range(len(flipped)), key=lambda k: (-least[k], names[k], int(flipped[k])))[:most]
    classes = table.classes
    return [
        {
            "row": names[k],
            "truth": classes[int(sample.rows.truth[flipped[k]])],
            "champion": classes[int(before[flipped[k]])],
            "champion_score": significant(float(sure["champion"][k])),
            "challenger": classes[int(after[flipped[k]])],
            "challenger_score": significant(float(sure["challenger"][k])),
        }
        for k in found
    ]


def _score(rows: Rows, classes: Array) -> Array:
    return np.asarray(rows.scores[np.arange(len(classes)), classes])


def _name(value: object) -> str:
    return "empty" if pd.isna(value) else str(value)  # type: ignore[call-overload]
