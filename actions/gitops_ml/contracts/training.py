"""models/training.json: what was trained, with what, on which platform. Written by the train stage; no clock in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from gitops_ml.contracts.base import Contract

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Scalar = bool | int | float | str


class Artifact(Contract):
    """The model file: path relative to the project, sha256 of its bytes, size in bytes."""

    path: str
    sha256: Sha256
    size: int = Field(ge=1)


class Search(Contract):
    """The search that chose the estimator's params; ``best_score`` is the mean over folds of ``metric``."""

    strategy: str
    metric: str
    candidates: int = Field(ge=1)
    best_params: dict[str, Any]
    best_score: float | None


class Platform(Contract):
    """Where it was trained: equal bytes can be demanded on an equal platform only."""

    system: str
    machine: str
    cpu: str | list[str]
    blas: str | list[str]
    python: str
    libraries: dict[str, str]


class Training(Contract):
    """models/training.json."""

    version: Literal[1]
    model: Artifact
    estimator: str
    params: dict[str, Any]
    search: Search | None
    calibration: str | None
    class_weight: str | dict[str, float] | None
    seed: int
    threads: int
    rows: int = Field(ge=1)
    features: list[str]
    classes: list[Scalar] | None
    platform: Platform
