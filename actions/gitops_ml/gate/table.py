"""The test rows and what both models say of them, as numbers that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gitops_ml.contracts.evaluation import Kind
from gitops_ml.contracts.schema import Label, SchemaFile
from gitops_ml.gate.evidence import Evidence, Forged
from gitops_ml.gate.metrics import PRIMARY, Array, Rows


def kind_of(schema: SchemaFile) -> Kind:
    """What kind of prediction the data contract asks for."""
    return schema.kind


@dataclass(frozen=True)
class Table:
    """The test rows that can be judged, as numbers; ``unseen`` are of classes that the challenger does not know."""

    primary: str
    classes: list[Label]  # by their numbers; empty for a regression
    challenger: Rows
    champion: Rows | None
    groups: Array | None
    known: Array  # which of the file's rows these are: bool, shape (all rows,)
    unseen: int
    trouble: str  # why the champion's predictions cannot be compared; empty: they can

    @property
    def finite(self) -> bool:
        """Whether every score of the challenger is a number; the champion's are."""
        return bool(np.isfinite(self.challenger.scores).all())

    @classmethod
    def of(cls, evidence: Evidence) -> Table:
        """Numbers of the evidence's tables. Raises :class:`Forged` if the predictions are not of these rows."""
        schema, kind = evidence.new_schema, kind_of(evidence.new_schema)
        predictions = evidence.challenger.predictions
        if predictions is None or len(predictions) != len(evidence.truth):
            raise Forged(
                "the challenger's predictions are not of the test rows: their numbers of rows differ. "
                "Score again: re-run all jobs of the workflow."
            )
        classes = _classes(schema, predictions)
        if kind == "regression":
            truth = evidence.truth.to_numpy(dtype="float64")
        else:
            labels = pd.Index(classes, dtype=object)
            truth = labels.get_indexer(pd.Index(evidence.truth.to_numpy(dtype=object), dtype=object))
        known = truth >= 0 if kind != "regression" else np.ones(len(truth), dtype=bool)
        positive = _positive(schema, classes) if kind == "binary" else 0
        groups = None
        if evidence.groups is not None:
            codes, _ = pd.factorize(evidence.groups, sort=True, use_na_sentinel=False)
            groups = np.unique(codes[known], return_inverse=True)[1]
        rows = Rows(kind, truth[known], _scores(predictions, kind, classes)[known], positive)
        trouble, champion = _comparable(evidence, kind, classes, positive, known, rows)
        unseen = int((~known).sum())
        return cls(PRIMARY[kind], classes, rows, champion, groups, known, unseen, trouble)


def _classes(schema: SchemaFile, predictions: pd.DataFrame) -> list[Label]:
    """The classes that have scores, in sorted order, as the model orders them."""
    declared = sorted(schema.columns[schema.target].categories or [])
    return [label for label in declared if f"score_{label}" in predictions.columns]


def _positive(schema: SchemaFile, classes: list[Label]) -> int:
    positive = schema.columns[schema.target].positive
    if len(classes) != 2:
        raise Forged(
            f"the challenger's predictions have scores of {len(classes)} of the 2 classes that schema.yaml lists. "
            "The score command must write one column score_<class> for each."
        )
    return classes.index(positive) if positive is not None else 1


def _scores(predictions: pd.DataFrame, kind: Kind, classes: list[Label]) -> Array:
    columns: Any = "prediction" if kind == "regression" else [f"score_{label}" for label in classes]
    return np.ascontiguousarray(predictions[columns].to_numpy(dtype="float64"))


def _comparable(
    evidence: Evidence, kind: Kind, classes: list[Label], positive: int, known: Array, own: Rows
) -> tuple[str, Rows | None]:
    """The champion's scores of the same rows; or why there are none that can be compared."""
    champion = evidence.champion
    if champion is None:
        return "", None
    if champion.side.sha256 == evidence.challenger.side.sha256:
        return "", own
    if champion.predictions is None:
        return champion.error or "nobody said why", None
    if len(champion.predictions) != len(known):
        return (
            f"it answered {len(champion.predictions):,} rows where {len(known):,} were asked",
            None,
        )
    wanted = ["prediction"] if kind == "regression" else [f"score_{label}" for label in classes]
    missing = [name for name in wanted if name not in champion.predictions.columns]
    if missing:
        return f"its predictions have no column {missing[0]}", None
    scores = _scores(champion.predictions, kind, classes)[known]
    if not np.isfinite(scores).all():
        return "some of its scores are not finite numbers", None
    return "", Rows(kind, own.truth, scores, positive)
