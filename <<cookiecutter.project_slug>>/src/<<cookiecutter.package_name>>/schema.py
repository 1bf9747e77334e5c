"""schema.yaml, the data contract: each column's role, type and limits, and what follows for the task."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from .config import ConfigError, Strict, parse, read

Label = StrictBool | StrictInt | StrictStr
Role = Literal["feature", "target", "id", "time", "group", "ignored"]
Type = Literal["number", "integer", "boolean", "category", "datetime", "text"]
Kind = Literal["binary", "multiclass", "regression"]


class File(Strict):
    """How the table is stored. The last three describe a CSV."""

    format: Literal["csv", "parquet"] = "csv"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: str = Field(default=".", min_length=1, max_length=1)
    encoding: str = "utf-8"


class Column(Strict):
    """One column of the table: what it is for, what it holds, what may be in it."""

    unwritten: ClassVar[frozenset[str]] = frozenset({"name"})  # it is the key

    name: str = Field(min_length=1)
    role: Role
    type: Type
    nullable: bool = False
    available: bool = True
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Label, ...] | None = None
    positive: Label | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Column:
        if (self.minimum is not None or self.maximum is not None) and self.type not in ("number", "integer"):
            raise ValueError(f"minimum and maximum need type number or integer, not {self.type}")
        for bound in (self.minimum, self.maximum):
            if bound is not None and not math.isfinite(bound):
                raise ValueError("minimum and maximum are finite numbers; leave the key out for no limit")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is greater than maximum {self.maximum:g}")
        if self.categories is not None:
            self._check_categories(self.categories)
        if self.positive is not None and (
            self.role != "target" or self.positive not in (self.categories or ())
        ):
            raise ValueError("positive is one of the categories of the target")
        return self

    def _check_categories(self, categories: tuple[Label, ...]) -> None:
        wanted = {"category": str, "text": str, "integer": int, "boolean": bool}.get(self.type)
        if wanted is None or (self.role != "target" and self.type != "category"):
            raise ValueError(f"categories need type category, not {self.type}")
        if not categories:
            raise ValueError("categories is empty; leave the key out to allow any value")
        wrong = [value for value in categories if type(value) is not wanted]
        if wrong:
            hint = f"write '{wrong[0]}' in quotes" if wanted is str else f"write them as {wanted.__name__}"
            raise ValueError(f"category {wrong[0]!r} is not of the column's type {self.type}: {hint}")
        if len(set(categories)) < len(categories):
            raise ValueError("a category is listed twice")


class Schema(Strict):
    """The data contract. ``columns`` keeps the order of the file."""

    version: Literal[1]
    task: Literal["classification", "regression"]
    file: File = File()
    columns: dict[str, Column]

    @model_validator(mode="after")
    def _consistent(self) -> Schema:
        for role in ("target", "id", "time", "group"):
            names = [c.name for c in self.columns.values() if c.role == role]
            if len(names) > 1:
                raise ValueError(f"{len(names)} columns have the role {role} ({', '.join(names)}); keep one")
            if role == "target" and not names:
                raise ValueError("no column has the role target; give it to the column to predict")
        target = self.target
        if self.task == "classification":
            if target.type not in ("category", "integer", "boolean"):
                raise ValueError(
                    f"a class to predict is category, integer or boolean; {target.name} is {target.type}"
                )
            if len(target.categories or ()) < 2:
                raise ValueError(
                    f"the target {target.name} needs categories: the list of its classes, two or more"
                )
            if target.positive is not None and len(target.categories or ()) != 2:
                raise ValueError(
                    f"positive is for a target of two classes; {target.name} has more: remove it"
                )
        elif target.type not in ("number", "integer"):
            raise ValueError(f"a number to predict is number or integer; {target.name} is {target.type}")
        if self.time is not None and self.columns[self.time].type not in ("datetime", "number", "integer"):
            raise ValueError(f"the time column {self.time} must be datetime, number or integer")
        if not self.features:
            raise ValueError(
                "no column is left for the model: give at least one the role feature, available: true"
            )
        return self

    def _named(self, role: Role) -> str | None:
        return next((c.name for c in self.columns.values() if c.role == role), None)

    @cached_property
    def target(self) -> Column:
        """The column to predict."""
        return next(c for c in self.columns.values() if c.role == "target")

    @cached_property
    def features(self) -> list[Column]:
        """What the model may see: role feature and known at prediction time, in the order of the file."""
        return [c for c in self.columns.values() if c.role == "feature" and c.available]

    @cached_property
    def kept(self) -> list[Column]:
        """What prepare keeps: every column that is not ignored, in the order of the file."""
        return [c for c in self.columns.values() if c.role != "ignored"]

    @property
    def id(self) -> str | None:
        """The column that names a row, if declared."""
        return self._named("id")

    @property
    def time(self) -> str | None:
        """The column that orders rows in time, if declared."""
        return self._named("time")

    @property
    def group(self) -> str | None:
        """The column whose values must not be spread over train and test, if declared."""
        return self._named("group")

    @property
    def classes(self) -> list[bool | int | str] | None:
        """The classes in sorted order (as scikit-learn orders them), or None for regression."""
        return sorted(self.target.categories or ()) if self.task == "classification" else None

    @property
    def kind(self) -> Kind:
        """binary, multiclass or regression."""
        if self.classes is None:
            return "regression"
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def primary(self) -> str:
        """The metric that stands for the model, by scikit-learn's name."""
        return {"binary": "roc_auc", "multiclass": "roc_auc_ovr", "regression": "r2"}[self.kind]

    @property
    def positive(self) -> bool | int | str | None:
        """For two classes: the one whose score is "the" score (default: the last in sorted order)."""
        if self.kind != "binary" or self.classes is None:
            return None
        return self.target.positive if self.target.positive is not None else self.classes[-1]


def load_schema(path: Path | str = "schema.yaml") -> Schema:
    """Read the data contract. Raises :class:`ConfigError`."""
    content = read(path)
    columns = content.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise ConfigError(
            f"{path}: columns is missing or empty. Write it from a table: uv run gitops-ml adopt TABLE "
            f"--target COLUMN"
        )
    for name, entry in columns.items():
        if not isinstance(name, str):
            raise ConfigError(f"{path}: the column name {name!r} is not text. Write it in quotes: '{name}'")
        if not isinstance(entry, dict):
            raise ConfigError(
                f"{path}: columns.{name} must be a mapping such as {{role: feature, type: number}}"
            )
        if "name" in entry:
            raise ConfigError(
                f"{path}: columns.{name}.name is not a key; the name is the key itself. Remove it"
            )
    content = {**content, "columns": {name: {**entry, "name": name} for name, entry in columns.items()}}
    return parse(Schema, content, path)
