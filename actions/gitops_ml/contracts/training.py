"""models/training.json: what was trained, with what, on which platform. Written by the train stage; no clock in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from gitops_ml.contracts.base import Contract

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Scalar = bool | int | float | str


class Artifact(Contract):
    """The model file: path relative to the project, sha256 of its bytes, size in bytes."""

    path: str = Field(description="Inside the project")
    sha256: Sha256 = Field(description="Of the bytes")
    size: int = Field(ge=1, description="In bytes")


class Search(Contract):
    """The search that chose the estimator's params; ``best_score`` is the mean over folds of ``metric``."""

    strategy: str = Field(description="halving, grid or random")
    metric: str = Field(description="What was compared")
    candidates: int = Field(ge=1, description="How many were tried")
    best_params: dict[str, Any] = Field(description="Those that won")
    best_score: float | None = Field(description="Mean of the metric over the folds")


class Platform(Contract):
    """Where it was trained: equal bytes can be demanded on an equal platform only."""

    system: str = Field(description="Operating system")
    machine: str = Field(description="Processor family")
    cpu: str | list[str] = Field(description="Vector instructions in use")
    blas: str | list[str] = Field(description="Library of linear algebra")
    python: str = Field(description="Version")
    libraries: dict[str, str] = Field(description="Version by name")


class Training(Contract):
    """models/training.json."""

    version: Literal[1] = Field(description="Of this layout")
    model: Artifact = Field(description="The model file")
    estimator: str = Field(description="Import path")
    params: dict[str, Any] = Field(description="As given to the estimator")
    search: Search | None = Field(description="What the search found; null: none was made")
    calibration: str | None = Field(description="How probabilities were calibrated; null: not at all")
    class_weight: str | dict[str, float] | None = Field(description="As given; null: every row counts alike")
    seed: int = Field(description="Of everything random")
    threads: int = Field(description="Fixed, because the number may change the bytes")
    rows: int = Field(ge=1, description="Training rows")
    features: list[str] = Field(description="Columns the model sees, in order")
    classes: list[Scalar] | None = Field(description="In the order of the scores; null for a regression")
    platform: Platform = Field(description="Where it was trained")
