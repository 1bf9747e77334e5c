"""params.yaml, the knobs of the person who trains; and the slices of policy.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from .config import ConfigError, Strict, near, parse, read
from .schema import Label, Schema


class Split(Strict):
    """How test rows are chosen."""

    strategy: Literal["random", "time", "group"] = "random"
    test_size: float = Field(default=0.25, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**32)


class Data(Strict):
    """The table and its split."""

    table: str = Field(min_length=1)
    split: Split = Split()


class Features(Strict):
    """How columns become numbers."""

    max_categories: int = Field(default=25, ge=2)
    text_components: int = Field(default=16, ge=1)


class Search(Strict):
    """Which values of the estimator's parameters are tried, and how."""

    strategy: Literal["halving", "grid", "random"] | None = None
    space: dict[str, list[Any]] = Field(default_factory=dict)
    metric: str | None = None
    folds: int = Field(default=3, ge=2)
    candidates: int = Field(default=12, ge=1)
    backend: Literal["loky", "dask"] = "loky"
    jobs: int = 1

    @model_validator(mode="after")
    def _consistent(self) -> Search:
        if self.strategy and not self.space:
            raise ValueError("space is empty; list values for at least one parameter, or set strategy: null")
        empty = [name for name, values in self.space.items() if not values]
        if empty:
            raise ValueError(f"space.{empty[0]} is an empty list; give at least one value")
        if self.jobs == 0:
            raise ValueError("jobs: 0 has no meaning; 1 is one process, -1 is one for each core")
        return self


class Train(Strict):
    """The estimator and how it is fitted."""

    estimator: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)
    class_weight: Literal["balanced"] | dict[Label, float] | None = None
    calibration: Literal["sigmoid", "isotonic"] | None = None
    seed: int = Field(default=0, ge=0, lt=2**32)
    threads: int = Field(default=1, ge=1)
    search: Search = Search()

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, content: Any) -> Any:
        # `params:` with nothing below it is null in YAML, and means none
        if isinstance(content, dict) and content.get("params", {}) is None:
            content = {**content, "params": {}}
        return content


class Evaluate(Strict):
    """How the model is measured."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    importance_repeats: int = Field(default=5, ge=1)
    importance_rows: int = Field(default=20_000, ge=2)
    learning_curve: bool = False


class Params(Strict):
    """All of params.yaml."""

    data: Data
    features: Features = Features()
    train: Train
    evaluate: Evaluate = Evaluate()


class Slice(Strict):
    """Test rows that get numbers of their own: by category, or by quantile of a number."""

    column: str
    quantiles: int | None = Field(default=None, ge=2, le=20)


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read the knobs. Raises :class:`ConfigError`."""
    return parse(Params, read(path), path)


def load_slices(path: Path | str, schema: Schema) -> tuple[list[Slice], int]:
    """The slices of policy.yaml and the fewest rows that are judged. Other keys are not this package's
    business."""
    content = read(path)
    minimum = content.get("min_slice_rows", 30)
    if type(minimum) is not int or minimum < 1:
        raise ConfigError(f"{path}: min_slice_rows must be a whole number of 1 or more, not {minimum!r}")
    listed = content.get("slices")
    if not isinstance(listed, list | None):
        raise ConfigError(f"{path}: slices must be a list such as [{{column: plan}}]")
    slices = [parse(Slice, entry, f"{path}: slices[{number}]") for number, entry in enumerate(listed or [])]
    kept = {column.name: column for column in schema.kept}
    for entry in slices:
        if entry.column not in kept:
            raise ConfigError(
                f"{path}: slices names the column {entry.column!r}, which is not kept in "
                f"schema.yaml{near(entry.column, kept)}"
            )
        numeric = kept[entry.column].type in ("number", "integer")
        if entry.quantiles is None and kept[entry.column].type in ("number", "text", "datetime"):
            raise ConfigError(
                f"{path}: the slice by {entry.column!r} ({kept[entry.column].type}) needs quantiles, such "
                f"as {{column: {entry.column}, quantiles: 4}}"
            )
        if entry.quantiles is not None and not numeric:
            raise ConfigError(
                f"{path}: the slice by {entry.column!r} ({kept[entry.column].type}) has no quantiles; "
                f"remove that key"
            )
    return slices, minimum
