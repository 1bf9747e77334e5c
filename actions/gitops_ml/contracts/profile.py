"""reports/data_profile.json: what the data look like, in numbers that may be published."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.schema import Role, Task, Type


class TableFile(Contract):
    """The table as it was read: path inside the project, md5 as DVC computes it, bytes, data rows."""

    path: str = Field(description="Inside the project")
    md5: str = Field(description="Of the bytes, as DVC computes it")
    size: int = Field(description="In bytes")
    rows: int = Field(description="Rows of data, with those that have no target")


class Rows(Contract):
    """Rows after prepare; ``total`` = ``train`` + ``test`` + ``without_target``."""

    total: int = Field(description="All rows of the table")
    train: int = Field(description="Rows the model learns from")
    test: int = Field(description="Rows it is judged on")
    without_target: int = Field(description="Rows left out, because the target is empty")


class Share(Contract):
    """A number of rows and their share of all they were counted in."""

    rows: int = Field(description="How many")
    share: float = Field(description="Of all they were counted in, 0 to 1")


class ColumnProfile(Contract):
    """One prepared column (train and test together). Values appear only where schema.yaml already lists them."""

    role: Role = Field(description="As in schema.yaml")
    type: Type = Field(description="As in schema.yaml")
    nulls: int = Field(description="Empty cells")
    null_share: float = Field(description="Share of empty cells, 0 to 1")
    distinct: int = Field(description="Different values")
    mean: float | None = Field(default=None, description="Of a number")
    std: float | None = Field(default=None, description="Of a number: sample standard deviation (n - 1)")
    minimum: int | float | str | None = Field(
        default=None, description="Smallest number or earliest time (ISO 8601)"
    )
    maximum: int | float | str | None = Field(
        default=None, description="Greatest number or latest time (ISO 8601)"
    )
    quantiles: dict[str, float] | None = Field(
        default=None,
        description="At 1, 5, 25, 50, 75, 95 and 99 per cent; of text: of its length in characters",
    )
    categories: dict[str, int] | None = Field(
        default=None, description="Rows of each value that schema.yaml lists, the 20 most frequent"
    )
    other: int | None = Field(default=None, description="Rows whose category is none of those listed above")


class Balance(Contract):
    """The target in one part of the rows: counts of classes, or quantiles of a number."""

    rows: int = Field(description="How many")
    classes: dict[str, int] | None = Field(default=None, description="Rows of each class")
    mean: float | None = Field(default=None, description="Of a number")
    quantiles: dict[str, float] | None = Field(default=None, description="Of a number, as for columns")


class Target(Contract):
    """The target overall and in both parts."""

    column: str = Field(description="Its name")
    task: Task = Field(description="Classes or a number")
    overall: Balance = Field(description="Train and test together")
    train: Balance = Field(description="The rows the model learns from")
    test: Balance = Field(description="The rows it is judged on")


class ProfileFile(Contract):
    """The whole profile."""

    version: Literal[1] = Field(description="Of this layout")
    table: TableFile = Field(description="The table as it was read")
    rows: Rows = Field(description="How many, and where they went")
    columns: dict[str, ColumnProfile] = Field(description="By name, without the ignored ones")
    target: Target = Field(description="Its balance")
    duplicates: Share = Field(description="Rows that repeat an earlier one in every column but id and time")
    overlap: Share = Field(description="Test rows whose features all equal those of a training row")
