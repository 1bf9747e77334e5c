"""params.yaml, as far as the suite reads it: the data block. Every other block is the team's own."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import ConfigDict, Field, field_validator

from gitops_ml.contracts.base import Contract


class Split(Contract):
    """How prepare separates test rows from training rows."""

    strategy: Literal["random", "time", "group"] = Field(
        description="random; time: the newest rows are the test; group: no group in both parts"
    )
    test_size: float = Field(gt=0, lt=1, description="Share of the rows that are the test")
    seed: int = Field(ge=0, le=4294967295, description="Of the draw; the same seed draws the same rows")


class Data(Contract):
    """The data block: which table, and how it is split."""

    table: str = Field(min_length=1, description="Path of the table inside the project")
    split: Split = Field(description="Which rows are the test")

    @field_validator("table")
    @classmethod
    def _inside(cls, table: str) -> str:
        path = PurePosixPath(table)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("a path inside the project is needed, such as data/raw/table.csv")
        return table


class ParamsFile(Contract):
    """params.yaml; blocks other than ``data`` are tolerated and not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    data: Data = Field(description="The table and its split")
