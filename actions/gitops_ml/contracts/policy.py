"""policy.yaml, the reviewers' file: where the model is served, and which groups of rows are judged on their own."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Version


class Slice(Contract):
    """Groups of test rows: one per category of a column, or one per quantile of a number."""

    column: str = Field(min_length=1, description="A column of schema.yaml")
    quantiles: int | None = Field(
        default=None, ge=2, le=20, description="Into how many groups of equal size a number is cut"
    )


class Quality(Contract):
    """How the challenger is compared with the champion on the same test rows."""

    margin: float = Field(
        default=0.02, gt=0, description="How much worse, on the primary metric's scale, is still not worse"
    )
    level: float = Field(default=0.95, gt=0.5, lt=1, description="Of the interval of the difference")
    repeats: int = Field(default=2000, ge=200, le=100_000, description="Bootstrap samples")
    seed: int = Field(default=0, ge=0, le=4294967295, description="Of the bootstrap")


class PolicyFile(Contract):
    """The whole policy.yaml."""

    version: Literal[1] = Field(description="Of this layout")
    environments: list[str] = Field(
        min_length=1,
        description="Where the model is served, in the order of promotion; each is a folder `deploy/<name>`",
    )
    quality: Quality = Field(default=Quality(), description="Champion against challenger")
    floors: dict[str, float] = Field(
        default={}, description="Metric of reports/metrics.json -> the least it must reach"
    )
    slices: list[Slice] = Field(default=[], description="Groups of test rows that get numbers of their own")
    min_slice_rows: int = Field(
        default=30, ge=1, description="Slices with fewer test rows are named, and not judged"
    )
    retired: dict[Version, str] = Field(
        default={}, description="Versions that must not be served again, such as v1.0.0 -> why"
    )

    @field_validator("environments")
    @classmethod
    def _names(cls, names: list[str]) -> list[str]:
        for name in names:
            if not name or not all(c.isascii() and (c.islower() or c.isdigit() or c == "-") for c in name):
                raise ValueError(f"{name!r} is not a folder name: use small letters, digits and hyphens")
        if len(set(names)) != len(names):
            raise ValueError("an environment is named twice")
        return names

    @field_validator("retired")
    @classmethod
    def _reasons(cls, listed: dict[str, str]) -> dict[str, str]:
        for version, reason in listed.items():
            if not reason.strip():
                raise ValueError(
                    f"{version} is retired without a reason: say why, for whoever wants to serve it"
                )
        return listed

    @model_validator(mode="after")
    def _once(self) -> Self:
        columns = [entry.column for entry in self.slices]
        twice = sorted({c for c in columns if columns.count(c) > 1})
        if twice:
            raise ValueError(f"slices names {twice[0]} twice")
        return self
