"""The part of policy.yaml about rows: what may change in the data, what training may know of the answer, and who must change."""

from __future__ import annotations

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.verdict import Severity


class Overlap(Contract):
    """Test rows whose features all equal those of a training row: they test the memory, not the model."""

    limit: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Share of the test rows, beyond the champion's and beyond what chance gives for a table with such copies",
    )
    severity: Severity = Field(default="needs-human", description="What more of them mean")


class Data(Contract):
    """What may differ between the champion's rows and the challenger's, by reports/data_profile.json of both."""

    severity: Severity = Field(default="note", description="What a greater change means")
    rows: float = Field(default=0.5, gt=0, le=1, description="Greatest share of the rows that may be gone")
    nulls: float = Field(
        default=0.1, gt=0, le=1, description="How far the share of a column's empty cells may move"
    )
    balance: float = Field(
        default=0.1, gt=0, le=1, description="Total variation distance of the target's classes"
    )
    numbers: float = Field(
        default=0.3,
        gt=0,
        description="Wasserstein distance of a column of numbers, in the champion's standard deviations",
    )
    categories: float = Field(
        default=0.15, gt=0, le=1, description="Total variation distance of a column of categories or booleans"
    )
    overlap: Overlap = Field(default=Overlap(), description="Test rows that equal training rows")


class Leakage(Contract):
    """Whether training could know the answer from where it will not be known later."""

    severity: Severity = Field(
        default="block",
        description="What a leaking column, a broken order of time or a shuffle that scores mean",
    )
    alone: float = Field(
        default=0.99,
        gt=0.5,
        le=1,
        description="AUC of the worst class, R² or rank correlation that one column alone must not reach",
    )
    shuffled_target: bool = Field(
        default=False,
        description="Train again on a shuffled target, five times at level 0.95: no such model may be better than guessing",
    )
    seed: int = Field(default=0, ge=0, le=4294967295, description="Of the shuffles")
