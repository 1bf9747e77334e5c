"""The model card as data: model_card.yaml, which people answer, and reports/model_card.json, which adds what was measured."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.evaluation import Calibration, Confusion, Importance, Kind, Picture, Slice
from gitops_ml.contracts.profile import Balance, Rows, Share
from gitops_ml.contracts.training import Artifact, Platform, Scalar, Search

UNKNOWN = "unknown"


def _answer(given: Any) -> Any:
    """Empty, and any spelling of unknown, is unknown: it is never shown as an answer."""
    if given is None:
        return UNKNOWN
    if isinstance(given, str):
        text = given.strip()
        return UNKNOWN if text.rstrip(".").lower() in ("", UNKNOWN, "todo", "tbd", "?") else text
    return given


Answer = Annotated[str, BeforeValidator(_answer)]


class HumanCard(Contract):
    """model_card.yaml: what only people know. Every key may be left out, which says "unknown"."""

    intended_use: Answer = UNKNOWN
    out_of_scope: Answer = UNKNOWN
    users: Answer = UNKNOWN
    people_affected: Answer = UNKNOWN
    factors: Answer = UNKNOWN
    data_origin: Answer = UNKNOWN
    data_licence: Answer = UNKNOWN
    ethical_considerations: Answer = UNKNOWN
    caveats: Answer = UNKNOWN
    contact: Answer = UNKNOWN
    licence: Answer = UNKNOWN


class Answered(Contract):
    """One answer and the line of model_card.yaml it stands in (null: the key is not there); value null is unknown."""

    value: str | None
    line: int | None


class Origin(Contract):
    """Where automatic fields come from: the stage that wrote the file (null: people did), the file, its digest."""

    stage: str | None
    file: str
    digest: str


class ModelPart(Contract):
    """What was trained. From models/training.json."""

    origin: Origin
    file: Artifact
    estimator: str
    params: dict[str, Any]
    search: Search | None
    calibration: str | None
    class_weight: str | dict[str, float] | None
    seed: int
    threads: int
    rows: int
    features: list[str]
    platform: Platform


class Nulls(Contract):
    """A column with empty cells, how many, and their share of the rows."""

    column: str
    rows: int
    share: float


class DataPart(Contract):
    """What it was trained and tested on. From reports/data_profile.json."""

    origin: Origin
    table: str
    md5: str
    size: int
    rows: Rows
    columns: int
    types: dict[str, str]
    target: Balance
    nulls: list[Nulls]
    duplicates: Share
    overlap: Share


class Measured(Contract):
    """A metric on the test rows, its interval, and what a dummy that ignores the columns reaches."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    dummy: float | None
    method: str | None


class PerformancePart(Contract):
    """How it does on the held-out rows. From reports/evaluation.json and reports/metrics.json."""

    origin: Origin
    numbers: Origin
    n: int
    level: float
    primary: Measured
    metrics: list[Measured]
    left_out: dict[str, str]
    weakest: Slice | None
    slices: list[Slice]
    importance: list[Importance]
    confusion: Confusion | None
    calibration: Calibration | None
    pictures: list[Picture]


class BehaviourPart(Contract):
    """What the team expects of the model, in sentences; an empty list is "not declared"."""

    origin: Origin
    invariance: list[str]
    direction: list[str]
    minimum: list[str]


class Lineage(Contract):
    """One row of the lineage table."""

    what: str
    stage: str | None
    file: str
    digest: str


class ModelCard(Contract):
    """reports/model_card.json: digests only; no revision, no version, no clock."""

    version: Literal[1]
    name: str
    description: str
    task: Kind
    target: str
    positive: Scalar | None
    classes: list[Scalar] | None
    answers: dict[str, Answered]
    unknown: list[str]
    model: ModelPart
    data: DataPart
    performance: PerformancePart
    behaviour: BehaviourPart
    params_digest: str
    code_digest: str
    lineage: list[Lineage] = Field(min_length=1)
