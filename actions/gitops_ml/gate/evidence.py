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
    from gitops_ml.contracts.profile import ProfileFile
    from gitops_ml.gate.bad_day import BadDay
    from gitops_ml.gate.gold_rows import GoldSet
    from gitops_ml.gate.past import Past
    from gitops_ml.gate.prepared import Prepared


class Forged(Fault):
    """Two pieces of evidence disagree: something between build and judge was changed, or never built by CI."""


@dataclass(frozen=True)
class Player:
    """A model that takes part, with its predictions of the test rows; without them, ``error`` says why.

    ``size``: of its bytes; None: they are not to be had.
    """

    side: Side
    predictions: pd.DataFrame | None
    error: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Shuffled:
    """What models of a shuffled target predict of the test rows, one table each; fewer than asked for: ``error`` says why."""

    seed: int
    predictions: tuple[pd.DataFrame, ...]
    error: str | None = None


@dataclass(frozen=True)
class Evidence:
    """What :func:`gitops_ml.gate.judge.judge` is a pure function of. ``truth`` and ``groups`` have the test rows' order.

    ``columns``: those of the test rows that policy.yaml names (slices, protected attributes), where the rows have them;
    ``ids``: names of the rows, where schema.yaml declares some. ``prepared``: figures of the rows trained and tested on.

    ``profile``: the challenger's data; ``past``: what the champion's commit says of its own; ``shuffled``: where
    policy.yaml asks for it. ``by_time``: whose params.yaml splits the rows by time: base, head, both or nobody's.

    ``overrides`` are those of this day; ``expired`` are the others. ``alone``: nobody else has write access, so an
    entry in overrides.yaml may stand for the approval of the protected files (``protected``), too. ``handed_over``: the
    base branch has served a second model (:mod:`gitops_ml.delivery.handed_over`).

    ``gold``: the gold set, where policy.yaml names one. ``reused``: how many models these test rows have judged, this one
    included; None: not counted, or not to be told. ``again``: what the second build gave, where there was one.
    ``disturbed``: the test rows on a bad day, where policy.yaml asks for that.
    ``baseline``: the release that policy.yaml names, with its predictions; None: ``no_baseline`` says why.
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
    prepared: Prepared
    profile: ProfileFile | None = None
    past: Past | None = None
    shuffled: Shuffled | None = None
    by_time: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    expired: tuple[Override, ...] = ()
    alone: bool = False
    handed_over: bool = False
    gold: GoldSet | None = None
    reused: int | None = None
    again: Again | None = None
    baseline: Player | None = None
    no_baseline: str = ""
    disturbed: BadDay | None = None
