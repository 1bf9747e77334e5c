"""policy.yaml, the reviewers' file: where the model is served, and what a model must reach, on all rows and in groups."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.evaluation import Kind
from gitops_ml.contracts.verdict import Severity

_SCORES = ("accuracy", "balanced_accuracy", "log_loss", "brier")
COMPARED: dict[Kind, tuple[str, ...]] = {
    "binary": (*_SCORES, "recall", "precision", "f1"),
    "multiclass": (*_SCORES, "macro_f1"),
    "regression": ("rmse", "mae"),
}
"""Metrics that can be compared with an interval, next to the primary one."""


class Slice(Contract):
    """Groups of test rows: one per category of a column, or one per quantile of a number."""

    column: str = Field(min_length=1, description="A column of schema.yaml")
    quantiles: int | None = Field(
        default=None, ge=2, le=20, description="Into how many groups of equal size a number is cut"
    )


class Secondary(Contract):
    """What a metric beside the primary one may lose."""

    margin: float = Field(gt=0, description="How much worse, on the metric's own scale, is still not worse")
    minimum_effect: float | None = Field(
        default=None, gt=0, description="A smaller improvement is called too small to matter; null: none is"
    )


class Quality(Contract):
    """How the challenger is compared with the champion on the same test rows."""

    margin: float = Field(
        default=0.02, gt=0, description="How much worse, on the primary metric's scale, is still not worse"
    )
    level: float = Field(default=0.95, gt=0.5, lt=1, description="Of the interval of the difference")
    repeats: int = Field(default=2000, ge=200, le=100_000, description="Bootstrap samples")
    seed: int = Field(default=0, ge=0, le=4294967295, description="Of the bootstrap")
    minimum_effect: float | None = Field(
        default=None, gt=0, description="A smaller improvement is called too small to matter; null: none is"
    )
    secondary: dict[str, Secondary] = Field(
        default={}, description="More metrics that must not get worse: name -> margin, as for the primary one"
    )

    @field_validator("secondary")
    @classmethod
    def _known(cls, secondary: dict[str, Secondary]) -> dict[str, Secondary]:
        known = list(dict.fromkeys(name for names in COMPARED.values() for name in names))
        for name in secondary:
            if name not in known:
                raise ValueError(f"{name!r} cannot be compared with an interval; use {', '.join(known)}")
        return secondary


class Calibration(Contract):
    """Whether the scores can be read as shares: Brier score against the champion's, expected calibration error."""

    severity: Severity = Field(default="note", description="What a worse Brier score means")
    margin: float = Field(default=0.02, gt=0, description="How much higher a Brier score is still not worse")


class Flips(Contract):
    """Test rows whose predicted class is another than the champion's."""

    limit: float | None = Field(default=None, ge=0, le=1, description="Greatest share of them; null: any")
    severity: Severity = Field(default="note", description="What more of them mean")


class Fairness(Contract):
    """Whether the model treats groups of people alike; columns of schema.yaml that tell the groups apart."""

    attributes: list[str] = Field(default=[], description="Protected columns; they need not be features")
    absent: str | None = Field(
        default=None, min_length=3, description="Why there are none, such as `rows are machines`"
    )
    demographic_parity_ratio: float = Field(
        default=0.8, ge=0, le=1, description="The least share of positive answers of a group, by the greatest"
    )
    equalized_odds_difference: float = Field(
        default=0.1, ge=0, le=1, description="Greatest gap between groups of the true or false positive rate"
    )
    severity: Severity = Field(default="note", description="What a failure means")

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.attributes and self.absent is not None:
            raise ValueError("fairness declares attributes and says that there are none: keep one of the two")
        if len(set(self.attributes)) != len(self.attributes):
            raise ValueError("fairness names an attribute twice")
        return self


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

    slices_severity: Severity = Field(
        default="needs-human", description="What a slice means that is shown to be worse"
    )
    slices_margin: float | None = Field(
        default=None, gt=0, description="How much worse a slice may be; null: twice the margin of quality"
    )
    slices_cross: list[list[str]] = Field(
        default=[], description="Pairs of columns of `slices` whose combinations are slices too"
    )
    calibration: Calibration = Field(default=Calibration(), description="Scores that can be read as shares")
    flips: Flips = Field(default=Flips(), description="Predictions that change")
    fairness: Fairness = Field(default=Fairness(), description="Groups of people, treated alike")

    @field_validator("environments")
    @classmethod
    def _names(cls, names: list[str]) -> list[str]:
        for name in names:
            if not name or not all(c.isascii() and (c.islower() or c.isdigit() or c == "-") for c in name):
                raise ValueError(f"{name!r} is not a folder name: use small letters, digits and hyphens")
        if len(set(names)) != len(names):
            raise ValueError("an environment is named twice")
        return names

    @model_validator(mode="after")
    def _once(self) -> Self:
        columns = [entry.column for entry in self.slices]
        twice = sorted({c for c in columns if columns.count(c) > 1})
        if twice:
            raise ValueError(f"slices names {twice[0]} twice")
        for pair in self.slices_cross:
            if len(pair) != 2 or pair[0] == pair[1]:
                raise ValueError("slices_cross lists pairs of two columns, such as [[plan, age]]")
            if not set(pair) <= set(columns):
                raise ValueError(f"slices_cross names {pair[0]} and {pair[1]}: both must stand in slices")
        return self
