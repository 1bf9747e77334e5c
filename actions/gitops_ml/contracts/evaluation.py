"""reports/evaluation.json: how the model does on the test rows, in detail. Written by the evaluate stage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.training import Scalar, Sha256

Kind = Literal["binary", "multiclass", "regression"]


class Slice(Contract):
    """One group of test rows; ``judged`` is false where it has fewer rows than policy.yaml asks for."""

    column: str
    value: Scalar | None
    n: int = Field(ge=0)
    judged: bool
    metric: str
    estimate: float | None
    low: float | None
    high: float | None


class Importance(Contract):
    """Permutation importance: the loss of the primary metric when the feature is shuffled, over the repeats."""

    feature: str
    mean: float
    std: float


class Confusion(Contract):
    """Counts of test rows: ``counts[i][j]`` rows of class ``labels[i]`` that were predicted ``labels[j]``."""

    labels: list[Scalar]
    counts: list[list[int]]


class Bin(Contract):
    """Rows whose score lies in [low, high): mean score, and share that turned out so. Null in an empty bin."""

    low: float
    high: float
    n: int = Field(ge=0)
    predicted: float | None
    observed: float | None


class Calibration(Contract):
    """Reliability of the scores; ``ece`` is the expected calibration error (Naeini et al., AAAI 2015, p. 2902)."""

    bins: list[Bin]
    ece: float | None


class Picture(Contract):
    """A picture under reports/pictures, named by its file, with the title that the card gives it."""

    file: str
    title: str


class Evaluation(Contract):
    """reports/evaluation.json."""

    version: Literal[1]
    task: Kind
    primary: str
    level: float = Field(gt=0, lt=1)
    n: int = Field(ge=1)
    model_sha256: Sha256
    positive: Scalar | None
    classes: list[Scalar] | None
    methods: dict[str, str]
    left_out: dict[str, str] = Field(default_factory=dict)
    """Metrics that these rows do not allow, and why."""
    dummy: dict[str, float | None]
    slices: list[Slice]
    importance: list[Importance]
    confusion: Confusion | None
    calibration: Calibration | None
    learning_curve: list[dict[str, Any]] | None
    pictures: list[Picture]
