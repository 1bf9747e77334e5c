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


Answer = Annotated[str, BeforeValidator(_answer, json_schema_input_type=str | None)]


class HumanCard(Contract):
    """model_card.yaml: what only people know. Every key may be left out, which says "unknown"."""

    intended_use: Answer = Field(default=UNKNOWN, description="Who decides what with it")
    out_of_scope: Answer = Field(default=UNKNOWN, description="What it must not be used for")
    users: Answer = Field(default=UNKNOWN, description="Who is meant to use it")
    people_affected: Answer = Field(default=UNKNOWN, description="Whom a wrong prediction hurts, and how")
    factors: Answer = Field(
        default=UNKNOWN, description="Groups, instruments or places for which it may work differently"
    )
    data_origin: Answer = Field(default=UNKNOWN, description="Who collected the rows, when and why")
    data_licence: Answer = Field(default=UNKNOWN, description="What the data may be used for")
    ethical_considerations: Answer = Field(default=UNKNOWN, description="What was weighed")
    caveats: Answer = Field(default=UNKNOWN, description="What else a user must know")
    contact: Answer = Field(default=UNKNOWN, description="Who answers questions")
    licence: Answer = Field(default=UNKNOWN, description="Of the model")


class Answered(Contract):
    """One answer and the line of model_card.yaml it stands in (null: the key is not there); value null is unknown."""

    value: str | None = Field(description="The answer; null is unknown")
    line: int | None = Field(description="Its line in model_card.yaml; null: the key is not there")


class Origin(Contract):
    """Where automatic fields come from: the stage that wrote the file (null: people did), the file, its digest."""

    stage: str | None = Field(description="The stage that wrote the file; null: people did")
    file: str = Field(description="Inside the project")
    digest: str = Field(description="Of the file")


class ModelPart(Contract):
    """What was trained. From models/training.json."""

    origin: Origin = Field(description="Where this comes from")
    file: Artifact = Field(description="The model file")
    estimator: str = Field(description="Import path")
    params: dict[str, Any] = Field(description="As given to the estimator")
    search: Search | None = Field(description="What the search found; null: none was made")
    calibration: str | None = Field(description="How probabilities were calibrated; null: not at all")
    class_weight: str | dict[str, float] | None = Field(description="As given; null: every row counts alike")
    seed: int = Field(description="Of everything random")
    threads: int = Field(description="As trained")
    rows: int = Field(description="Training rows")
    features: list[str] = Field(description="Columns the model sees")
    platform: Platform = Field(description="Where it was trained")


class Nulls(Contract):
    """A column with empty cells, how many, and their share of the rows."""

    column: str = Field(description="Its name")
    rows: int = Field(description="Empty cells")
    share: float = Field(description="Of all rows, 0 to 1")


class DataPart(Contract):
    """What it was trained and tested on. From reports/data_profile.json."""

    origin: Origin = Field(description="Where this comes from")
    table: str = Field(description="Path inside the project")
    md5: str = Field(description="Of the table's bytes")
    size: int = Field(description="In bytes")
    rows: Rows = Field(description="How many, and where they went")
    columns: int = Field(description="How many were kept")
    types: dict[str, str] = Field(description="Type by feature")
    target: Balance = Field(description="Its balance")
    nulls: list[Nulls] = Field(description="Columns with empty cells")
    duplicates: Share = Field(description="Rows that repeat an earlier one")
    overlap: Share = Field(description="Test rows that are also training rows")


class Measured(Contract):
    """A metric on the test rows, its interval, and what a dummy that ignores the columns reaches."""

    metric: str = Field(description="Its name")
    value: float | None = Field(description="The estimate")
    low: float | None = Field(description="Lower end of the interval")
    high: float | None = Field(description="Upper end of the interval")
    dummy: float | None = Field(description="Of a model that ignores the columns")
    method: str | None = Field(description="How the interval was made")


class PerformancePart(Contract):
    """How it does on the held-out rows. From reports/evaluation.json and reports/metrics.json."""

    origin: Origin = Field(description="Where this comes from")
    numbers: Origin = Field(description="Where the metrics come from")
    n: int = Field(description="Test rows")
    level: float = Field(description="Of the intervals")
    primary: Measured = Field(description="The metric that decides")
    metrics: list[Measured] = Field(description="All of them")
    left_out: dict[str, str] = Field(description="Metrics that these rows do not allow, and why")
    weakest: Slice | None = Field(description="The judged slice with the worst estimate")
    slices: list[Slice] = Field(description="Groups of test rows")
    importance: list[Importance] = Field(description="Descending")
    confusion: Confusion | None = Field(description="Null for a regression")
    calibration: Calibration | None = Field(description="Null where there are no probabilities")
    pictures: list[Picture] = Field(description="In the order of the card")


class BehaviourPart(Contract):
    """What the team expects of the model, in sentences; an empty list is "not declared"."""

    origin: Origin = Field(description="Where this comes from")
    invariance: list[str] = Field(description="Changes that must not matter")
    direction: list[str] = Field(description="Changes that must move the score one way")
    minimum: list[str] = Field(description="Rows that must come out right")


class Lineage(Contract):
    """One row of the lineage table."""

    what: str = Field(description="What the file is to the model")
    stage: str | None = Field(description="The stage that wrote it; null: people did")
    file: str = Field(description="Inside the project")
    digest: str = Field(description="Of the file")


class ModelCard(Contract):
    """reports/model_card.json: digests only; no revision, no version, no clock."""

    version: Literal[1] = Field(description="Of this layout")
    name: str = Field(description="The project")
    description: str = Field(description="In one line")
    task: Kind = Field(description="What kind of prediction")
    target: str = Field(description="The column predicted")
    positive: Scalar | None = Field(description="The label whose score is *the* score")
    classes: list[Scalar] | None = Field(description="In the order of the scores; null for a regression")
    answers: dict[str, Answered] = Field(description="What people said, by key of model_card.yaml")
    unknown: list[str] = Field(description="Keys nobody has answered")
    model: ModelPart = Field(description="What was trained")
    data: DataPart = Field(description="On what")
    performance: PerformancePart = Field(description="How well")
    behaviour: BehaviourPart = Field(description="What is expected of it")
    params_digest: str = Field(description="Of params.yaml")
    code_digest: str = Field(description="Of the code of all stages")
    lineage: list[Lineage] = Field(min_length=1, description="Every file that went in, and its digest")
