"""Both models on the test rows as counts: what the page lets a reviewer turn. No part of the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np

from gitops_ml.contracts.report import Counts, Flip, Gap, Look, Looks
from gitops_ml.gate.evidence import Evidence
from gitops_ml.gate.flips import confident
from gitops_ml.gate.metrics import BINS, Array, Rows
from gitops_ml.gate.quality import significant
from gitops_ml.gate.sample import Sample
from gitops_ml.gate.table import Table

THRESHOLDS = 101
CLASSES = 12  # beyond it nobody reads a table of confusions
ERRORS = 21  # bins of a regression's errors: odd, so that one of them holds zero
FLIPS = 100


def looks(evidence: Evidence) -> Looks | None:
    """Counts of both models, and the flips of which both were surest; None where scores are no finite numbers.

    Raises :class:`Forged` as :func:`gitops_ml.gate.judge.judge` does: of the same evidence, never alone.
    """
    table = Table.of(evidence)
    own, other = table.challenger, table.champion
    if not table.finite or not len(own.truth):
        return None
    edges = _edges([own, *([other] if other else [])]) if own.kind == "regression" else np.array([])
    return Looks(
        task=own.kind,
        n=len(own.truth),
        positive=table.classes[own.positive] if own.kind == "binary" else None,
        classes=table.classes,
        thresholds=[round(k / (THRESHOLDS - 1), 2) for k in range(THRESHOLDS)],
        error_edges=[float(f"{edge:.4g}") for edge in edges],
        challenger=_look(own, edges),
        champion=_look(other, edges) if other else None,
        flips=_flips(evidence, table),
    )


def _look(rows: Rows, edges: Array) -> Look:
    if rows.kind == "regression":
        errors = np.histogram(np.clip(rows.scores - rows.truth, edges[0], edges[-1]), edges)[0]
        return Look(counts=None, calibration=[], confusion=[], errors=errors.tolist())
    classes = rows.scores.shape[1]
    matrix: Any = []
    if classes <= CLASSES:
        matrix = np.bincount(rows.truth * classes + rows.scores.argmax(axis=1), minlength=classes**2)
        matrix = matrix.reshape(classes, classes).tolist()
    return Look(
        counts=counts(rows) if rows.kind == "binary" else None,
        calibration=_gaps(rows),
        confusion=matrix,
        errors=[],
    )


def counts(rows: Rows) -> Counts:
    """Rows of two classes by threshold; a row is called positive where its score is at least the threshold."""
    truth, score = rows.truth == rows.positive, rows.scores[:, rows.positive]
    # How many thresholds a score reaches: 0 for none of them, 101 for all.
    reached = np.searchsorted(np.arange(THRESHOLDS) / (THRESHOLDS - 1), score, side="right")
    called = {
        kind: np.bincount(reached[chosen], minlength=THRESHOLDS + 1)[::-1].cumsum()[::-1][1:]
        for kind, chosen in ((True, truth), (False, ~truth))
    }
    positives = int(truth.sum())
    return Counts(
        tp=called[True].tolist(),
        fp=called[False].tolist(),
        tn=(len(truth) - positives - called[False]).tolist(),
        fn=(positives - called[True]).tolist(),
    )


def _gaps(rows: Rows) -> list[Gap]:
    """Bins of equal size, as the calibration error has them: see :mod:`gitops_ml.gate.calibration`."""
    if rows.kind == "binary":
        outcome, score = rows.truth == rows.positive, rows.scores[:, rows.positive]
    else:
        outcome, score = rows.scores.argmax(axis=1) == rows.truth, rows.scores.max(axis=1)
    order = np.argsort(score, kind="stable")
    return [
        Gap(
            n=len(own),
            predicted=significant(float(score[own].mean())) or 0.0,
            observed=significant(float(outcome[own].mean())) or 0.0,
        )
        for own in np.array_split(order, min(BINS, len(order)))
    ]


def _edges(models: list[Rows]) -> Array:
    """Bins around zero that hold 99% of all errors; what lies beyond is counted at the ends."""
    errors = np.abs(np.concatenate([one.scores - one.truth for one in models]))
    reach = float(np.quantile(errors, 0.99)) or float(errors.max()) or 1.0
    return np.linspace(-reach, reach, ERRORS + 1)


def _flips(evidence: Evidence, table: Table) -> list[Flip]:
    if table.champion is None or table.challenger.kind == "regression":
        return []
    sample = Sample.of(table)
    assert sample.champion is not None
    before, after = sample.champion.scores.argmax(axis=1), sample.rows.scores.argmax(axis=1)
    return [Flip(**one) for one in confident(evidence, table, sample, before, after, FLIPS)]
