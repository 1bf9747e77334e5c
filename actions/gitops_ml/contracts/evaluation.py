"""reports/evaluation.json: how the model does on the test rows, in detail. Written by the evaluate stage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.training import Scalar, Sha256

Kind = Literal["binary", "multiclass", "regression"]


class Slice(Contract):
    """One group of test rows; ``judged`` is false where it has fewer rows than policy.yaml asks for."""

    column: str = Field(description="The column that makes the groups")
    value: Scalar | None = Field(description="The category, or the range of a quantile; null: empty cells")
    n: int = Field(ge=0, description="Test rows")
    judged: bool = Field(description="Enough rows for a judgement")
    metric: str = Field(description="Which one")
    estimate: float | None = Field(description="Of these rows; null: they do not allow one")
    low: float | None = Field(description="Lower end of the interval")
    high: float | None = Field(description="Upper end of the interval")


class Importance(Contract):
    """Permutation importance: the loss of the primary metric when the feature is shuffled, over the repeats."""

    feature: str = Field(description="A column")
    mean: float = Field(description="Mean loss over the repeats")
    std: float = Field(description="Standard deviation over the repeats")


class Confusion(Contract):
    """Counts of test rows: ``counts[i][j]`` rows of class ``labels[i]`` that were predicted ``labels[j]``."""

    labels: list[Scalar] = Field(description="The classes")
    counts: list[list[int]] = Field(description="Row: the true class; column: the predicted one")


class Bin(Contract):
    """Rows whose score lies in [low, high): mean score, and share that turned out so. Null in an empty bin."""

    low: float = Field(description="Lower end, included")
    high: float = Field(description="Upper end")
    n: int = Field(ge=0, description="Test rows")
    predicted: float | None = Field(description="Mean score")
    observed: float | None = Field(description="Share that turned out so")


class Calibration(Contract):
    """Reliability of the scores; ``ece`` is the expected calibration error (Naeini et al., AAAI 2015, p. 2902)."""

    bins: list[Bin] = Field(description="By score, ascending")
    ece: float | None = Field(description="Expected calibration error, 0 to 1")


class Picture(Contract):
    """A picture, with the title that the card gives it."""

    file: str = Field(description="Its path inside the project")
    title: str = Field(description="What the card calls it")


class Evaluation(Contract):
    """reports/evaluation.json."""

    version: Literal[1] = Field(description="Of this layout")
    task: Kind = Field(description="What kind of prediction")
    primary: str = Field(description="The metric that decides")
    level: float = Field(gt=0, lt=1, description="Of the intervals, such as 0.95")
    n: int = Field(ge=1, description="Test rows")
    model_sha256: Sha256 = Field(description="Of the model that was evaluated")
    positive: Scalar | None = Field(
        description="The label whose score is *the* score; null where there is none"
    )
    classes: list[Scalar] | None = Field(description="In the order of the scores; null for a regression")
    methods: dict[str, str] = Field(description="How the interval of each metric was made")
    left_out: dict[str, str] = Field(
        default_factory=dict, description="Metrics that these rows do not allow, and why"
    )
    dummy: dict[str, float | None] = Field(description="Each metric of a model that ignores the columns")
    slices: list[Slice] = Field(description="Groups of test rows")
    importance: list[Importance] = Field(description="Descending")
    confusion: Confusion | None = Field(description="Null for a regression")
    calibration: Calibration | None = Field(description="Null where there are no probabilities")
    learning_curve: list[dict[str, Any]] | None = Field(
        description="Score by training rows; null: not asked for"
    )
    pictures: list[Picture] = Field(description="In the order of the card")
