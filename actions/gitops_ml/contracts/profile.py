"""reports/data_profile.json: what the data look like, in numbers that may be published."""

from __future__ import annotations

from typing import Literal

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.schema import Role, Task, Type


class TableFile(Contract):
    """The table as it was read: path inside the project, md5 as DVC computes it, bytes, data rows."""

    path: str
    md5: str
    size: int
    rows: int


class Rows(Contract):
    """Rows after prepare; ``total`` = ``train`` + ``test`` + ``without_target``."""

    total: int
    train: int
    test: int
    without_target: int


class Share(Contract):
    """A number of rows and their share of all they were counted in."""

    rows: int
    share: float


class ColumnProfile(Contract):
    """One prepared column (train and test together). Values appear only where schema.yaml already lists them."""

    role: Role
    type: Type
    nulls: int
    null_share: float
    distinct: int
    mean: float | None = None
    std: float | None = None
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    quantiles: dict[str, float] | None = None
    """1, 5, 25, 50, 75, 95 and 99 per cent; of text: of its length in characters."""
    categories: dict[str, int] | None = None
    other: int | None = None
    """Rows whose category is none of those listed above."""


class Balance(Contract):
    """The target in one part of the rows: counts of classes, or quantiles of a number."""

    rows: int
    classes: dict[str, int] | None = None
    mean: float | None = None
    quantiles: dict[str, float] | None = None


class Target(Contract):
    """The target overall and in both parts."""

    column: str
    task: Task
    overall: Balance
    train: Balance
    test: Balance


class ProfileFile(Contract):
    """The whole profile."""

    version: Literal[1]
    table: TableFile
    rows: Rows
    columns: dict[str, ColumnProfile]
    target: Target
    duplicates: Share
    """Rows that repeat an earlier one in every column but id and time."""
    overlap: Share
    """Test rows whose features all equal those of a training row."""
