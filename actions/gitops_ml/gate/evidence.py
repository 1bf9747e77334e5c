"""All that a judgement depends on, by value; and the refusal of evidence that contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.contracts.metrics import Metrics
from gitops_ml.contracts.model_card import ModelCard
from gitops_ml.contracts.overrides import Override
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.verdict import Side
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    import pandas as pd

    from gitops_ml.contracts.candidate import Again
    from gitops_ml.gate.gold_rows import GoldSet


class Forged(Fault):
    """Two pieces of evidence disagree: something between build and judge was changed, or never built by CI."""


@dataclass(frozen=True)
class Player:
    """A model that takes part, with its predictions of the test rows; without them, ``error`` says why."""

    side: Side
    predictions: pd.DataFrame | None
    error: str | None = None


@dataclass(frozen=True)
class Evidence:
    """What :func:`gitops_ml.gate.judge.judge` is a pure function of. ``truth`` and ``groups`` have the test rows' order.

    ``columns``: those of the test rows that policy.yaml names (slices, protected attributes), where the rows have them;
    ``ids``: names of the rows, where schema.yaml declares some.

    ``overrides`` are those of this day; ``expired`` are the others. ``alone``: nobody else has write access, so an
    entry in overrides.yaml may stand for the approval of the protected files (``protected``), too.

    ``gold``: the gold set, where policy.yaml names one. ``reused``: how many models these test rows have judged, this one
    included; None: not counted, or not to be told. ``again``: what the second build gave, where there was one.
    """

    policy: PolicyFile
    policy_sha256: str
    old_schema: SchemaFile | None
    new_schema: SchemaFile
    test_rows: str
    truth: pd.Series
    groups: pd.Series | None
    columns: pd.DataFrame
    ids: pd.Series | None
    challenger: Player
    champion: Player | None
    metrics: Metrics
    evaluation: Evaluation
    card: ModelCard | None
    lock: str
    suite: str
    protected: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    expired: tuple[Override, ...] = ()
    alone: bool = False
    gold: GoldSet | None = None
    reused: int | None = None
    again: Again | None = None
