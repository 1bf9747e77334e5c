"""Parts of policy.yaml that are off until a team asks for them: a baseline, a bad day, a gold set, a limit on reuse, a second build."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import Field, field_validator

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Version
from gitops_ml.contracts.verdict import Severity


class Baseline(Contract):
    """A release that people approved, and below which no model may sink, however small the steps."""

    version: Version | None = Field(
        default=None,
        description="Of the release, such as v1.0.0; null: each model is compared with the last alone",
    )
    margin: float | None = Field(
        default=None, gt=0, description="How much worse than it is still not worse; null: as for quality"
    )
    severity: Severity = Field(default="block", description="What it means to be worse than it")


class Gold(Contract):
    """Labelled rows that no stage may read: both models are compared on them, and nobody can have tuned to them."""

    table: str | None = Field(
        default=None,
        description="A Parquet table with features and target, in git or under DVC by a .dvc file of its own; the base "
        "branch's bytes count. Null: there is none",
    )
    margin: float | None = Field(
        default=None, gt=0, description="How much worse is still not worse; null: as for quality"
    )
    floor: float | None = Field(
        default=None, description="The least that the primary metric must reach there; null: anything"
    )
    severity: Severity = Field(
        default="block", description="What a regression, or a stage that reads it, means"
    )

    @field_validator("table")
    @classmethod
    def _inside(cls, path: str | None) -> str | None:
        if path is not None:
            plain = PurePosixPath(path).as_posix() == path and not path.startswith("/")
            if not plain or ".." in PurePosixPath(path).parts or not path.endswith(".parquet"):
                raise ValueError("a Parquet file inside the project is needed, such as data/gold.parquet")
        return path


class Robustness(Contract):
    """Rows as they are on a bad day: both models are asked for them, and the new one must not suffer more."""

    noise: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="What every number is off by, in standard deviations of its column; null: not asked",
    )
    missing: int | None = Field(
        default=None,
        ge=1,
        le=20,
        description="So many of the most important features are emptied, one at a time; null: none",
    )
    margin: float | None = Field(
        default=None,
        gt=0,
        description="How much worse than the champion, disturbed alike, is still not worse; null: as for quality",
    )
    seed: int = Field(default=0, ge=0, le=4294967295, description="Of the noise")
    severity: Severity = Field(default="note", description="What it means to suffer more")


class Reuse(Contract):
    """How often one set of test rows may judge: who chooses the best of many is fooled by luck."""

    limit: int | None = Field(
        default=None, ge=1, description="Models that the same test rows may judge; null: any number"
    )
    severity: Severity = Field(default="needs-human", description="What one more means")


class Reproduction(Contract):
    """Whether CI builds a second time in a clean folder, and compares the bytes stage by stage."""

    share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of pull requests, chosen by the blob id of dvc.lock; the label `gitops-ml: reproduce` asks always",
    )
    severity: Severity = Field(default="needs-human", description="What other bytes mean")
