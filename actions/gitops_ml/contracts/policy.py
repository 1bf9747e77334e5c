"""policy.yaml, the reviewers' file: where the model is served, how it is judged, and when it is retrained."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gitops_ml.contracts.asked import Baseline, Gold, Reproduction, Reuse, Robustness
from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.data_policy import Data, Leakage
from gitops_ml.contracts.evaluation import Kind
from gitops_ml.contracts.model_card import HumanCard
from gitops_ml.contracts.pointer import Version
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
    undeclared: Severity = Field(
        default="note",
        description="What it means that neither `attributes` nor `absent` is said, once production has changed hands",
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.attributes and self.absent is not None:
            raise ValueError("fairness declares attributes and says that there are none: keep one of the two")
        if len(set(self.attributes)) != len(self.attributes):
            raise ValueError("fairness names an attribute twice")
        return self


class Budgets(Contract):
    """What a model may take: bytes, time and memory beside the champion's in the same run, and what its build may cost."""

    bytes: int | None = Field(default=None, gt=0, description="Greatest size of the model's file; null: any")
    bytes_ratio: float | None = Field(
        default=10.0,
        ge=1,
        description="Greatest size as a multiple of the champion's, from 1 MB on; null: any",
    )
    latency_ratio: float | None = Field(
        default=2.0,
        ge=1,
        description="So many times the champion's time, for one row (p95) and for a batch (median), may an answer take; "
        "null: any",
    )
    memory_ratio: float | None = Field(
        default=2.0, ge=1, description="So many times the champion's peak memory; null: any"
    )
    train_seconds: float | None = Field(
        default=None, gt=0, description="Greatest time of the stages that a build ran, together; null: any"
    )
    price_per_hour: float | None = Field(
        default=None,
        gt=0,
        description="Of the machine that builds: the report says what a build cost; null: unknown",
    )
    cost: float | None = Field(
        default=None, gt=0, description="Greatest cost of a build, at that price; null: any"
    )
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="Of price and cost")
    severity: Severity = Field(default="needs-human", description="What it means to be beyond one of these")

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.cost is not None and self.price_per_hour is None:
            raise ValueError("cost needs price_per_hour: what an hour of the machine costs that builds")
        return self


class Card(Contract):
    """What people must have answered in model_card.yaml."""

    required: list[str] = Field(
        default=["intended_use", "out_of_scope", "contact"],
        description="Keys of model_card.yaml that must not be unknown",
    )
    severity: Severity = Field(
        default="needs-human",
        description="What a missing answer means once production has changed hands: its pointer on main has named a "
        "second model. Until then it is a note",
    )

    @field_validator("required")
    @classmethod
    def _known(cls, required: list[str]) -> list[str]:
        for name in required:
            if name not in HumanCard.model_fields:
                raise ValueError(
                    f"model_card.yaml has no key {name!r}; use {', '.join(HumanCard.model_fields)}"
                )
        if len(set(required)) != len(required):
            raise ValueError("required names a key twice")
        return required


class NumberDrift(Contract):
    """How numbers are compared, by Evidently's names. Never its default, which changes above 1000 rows."""

    method: Literal["wasserstein", "jensenshannon", "hellinger", "kl_div", "psi", "ks", "mannw"] = Field(
        default="wasserstein",
        description="wasserstein is in standard deviations; ks and mannw are p-values, the others distances",
    )
    threshold: float = Field(
        default=0.3, gt=0, description="A distance of at least this, or a p-value below it, is a move"
    )


class CategoryDrift(Contract):
    """How categories are compared, by Evidently's names."""

    method: Literal["jensenshannon", "hellinger", "kl_div", "psi", "chisquare"] = Field(
        default="jensenshannon", description="chisquare is a p-value, the others are distances"
    )
    threshold: float = Field(
        default=0.15, gt=0, description="A distance of at least this, or a p-value below it, is a move"
    )


class Windows(Contract):
    """How many of the last runs must have drifted before anything is retrained."""

    drifted: int = Field(default=1, ge=1, description="So many of them drifted, the newest among them")
    of: int = Field(default=1, ge=1, le=100, description="So many runs are looked at")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.drifted > self.of:
            raise ValueError(f"{self.drifted} of {self.of} runs can never have drifted")
        return self


class Drift(Contract):
    """What is compared with the test rows of the model that serves, and when it counts."""

    current: str | None = Field(
        default=None,
        description="A table of today's rows, or a folder of such (Parquet, CSV, JSONL), in the project, under DVC or "
        "in git; null: the newest version of the imported table",
    )
    numbers: NumberDrift = Field(default=NumberDrift(), description="Columns of numbers")
    categories: CategoryDrift = Field(
        default=CategoryDrift(), description="Columns of categories and booleans"
    )
    empty: float = Field(
        default=0.1, gt=0, le=1, description="The share of empty cells moved by this: the column moved"
    )
    share: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="This share of the features must move; the target or the predictions suffice alone",
    )
    tolerated: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of a column's rows that may break schema.yaml; beyond it the table is broken, not drifted",
    )
    min_rows: int = Field(default=100, ge=10, description="On fewer rows the answer is: unknown")
    max_rows: int = Field(
        default=100_000,
        ge=100,
        description="Of more rows a seeded sample is compared, and the report says so",
    )
    windows: Windows = Field(default=Windows(), description="How many runs must have drifted")
    cooldown_days: int = Field(
        default=14, ge=0, le=365, description="Quiet days after the pull request was closed without merging"
    )

    @field_validator("current")
    @classmethod
    def _inside(cls, path: str | None) -> str | None:
        if path is not None:
            parts = PurePosixPath(path).parts
            if not parts or path.startswith("/") or ".." in parts or path.endswith(".dvc"):
                raise ValueError("a path inside the project is needed, such as data/current (without .dvc)")
        return path


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
    baseline: Baseline = Field(
        default=Baseline(), description="A release to stay as good as; off until a version is named"
    )
    drift: Drift = Field(
        default=Drift(), description="Today's rows against those the serving model was tested on"
    )
    slices: list[Slice] = Field(default=[], description="Groups of test rows that get numbers of their own")
    min_slice_rows: int = Field(
        default=30, ge=1, description="Slices with fewer test rows are named, and not judged"
    )
    retired: dict[Version, str] = Field(
        default={}, description="Versions that must not be served again, such as v1.0.0 -> why"
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
    data: Data = Field(default=Data(), description="Today's rows against the champion's")
    leakage: Leakage = Field(default=Leakage(), description="Answers that training must not know")
    contract: Severity = Field(default="note", description="What it means that callers would have to change")
    budgets: Budgets = Field(default=Budgets(), description="Bytes, time, memory and cost")
    card: Card = Field(default=Card(), description="The human half of the model card")
    gold: Gold = Field(default=Gold(), description="Rows that no stage may read; off until a table is named")
    robustness: Robustness = Field(
        default=Robustness(), description="Noisy numbers, and a column that is empty"
    )
    reuse: Reuse = Field(default=Reuse(), description="How many models the same test rows may judge")
    reproduction: Reproduction = Field(default=Reproduction(), description="Building twice, and comparing")

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
        for pair in self.slices_cross:
            if len(pair) != 2 or pair[0] == pair[1]:
                raise ValueError("slices_cross lists pairs of two columns, such as [[plan, age]]")
            if not set(pair) <= set(columns):
                raise ValueError(f"slices_cross names {pair[0]} and {pair[1]}: both must stand in slices")
        return self
