"""schema.yaml, the data contract: what each column is, what it may hold, and whether it is known when predicting."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.evaluation import Kind

Role = Literal["feature", "target", "id", "time", "group", "ignored"]
Type = Literal["number", "integer", "boolean", "category", "datetime", "text"]
Task = Literal["classification", "regression"]
Label = StrictBool | StrictInt | StrictStr

_LABEL_TYPES: dict[str, type] = {"category": str, "integer": int, "boolean": bool}


class FileFormat(Contract):
    """How the table is stored. ``delimiter``, ``decimal`` and ``encoding`` are for CSV only."""

    format: Literal["csv", "parquet"] = Field(description="csv (also for tsv) or parquet")
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="Between two fields")
    decimal: Literal[".", ","] | None = Field(default=None, description="Before the decimals of a number")
    encoding: str | None = Field(default=None, description="Of the text, by Python's name, such as utf-8")

    @model_validator(mode="after")
    def _csv_only(self) -> Self:
        if self.format == "parquet" and (self.delimiter or self.decimal or self.encoding):
            raise ValueError("delimiter, decimal and encoding describe a CSV; a Parquet file has none")
        return self


class Column(Contract):
    """One column. Absent ``categories`` mean any value; absent bounds mean no bound; bounds are inclusive."""

    role: Role = Field(
        description="What the column is for; one target, at most one each of id, time and group"
    )
    type: Type = Field(description="What a cell holds")
    nullable: bool = Field(
        default=False,
        description="A cell may be empty; of a target: rows without one are left out, and counted",
    )
    available: bool = Field(
        default=True,
        description="False: not known when the prediction is made, so neither a feature of the model nor a field of the service",
    )
    minimum: StrictInt | StrictFloat | None = Field(
        default=None, description="Smallest value allowed, itself included"
    )
    maximum: StrictInt | StrictFloat | None = Field(
        default=None, description="Greatest value allowed, itself included"
    )
    categories: list[Label] | None = Field(
        default=None, description="The values allowed; of a target: the classes"
    )
    positive: Label | None = Field(
        default=None,
        description="Of a binary target: the label whose score is *the* score. Default: the last in sorted order",
    )
    reason: str | None = Field(
        default=None, description="Why it is ignored, or known when predicting although it says so much"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.minimum is not None or self.maximum is not None) and self.type not in ("number", "integer"):
            raise ValueError(f"minimum and maximum are for number and integer columns, not for {self.type}")
        if any(bound is not None and not math.isfinite(bound) for bound in (self.minimum, self.maximum)):
            raise ValueError("minimum and maximum are finite numbers; leave the key out for no limit")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is greater than maximum {self.maximum}")
        if self.categories is not None:
            self._check_categories(self.categories)
        if self.positive is not None:
            if self.role != "target" or self.categories is None or len(self.categories) != 2:
                raise ValueError("positive is for a target with two categories")
            if type(self.positive) is not _LABEL_TYPES[self.type] or self.positive not in self.categories:
                raise ValueError(f"positive {self.positive!r} is not one of the categories")
        if self.role == "time" and self.type not in ("datetime", "number", "integer"):
            raise ValueError(f"role: time needs type datetime, number or integer, not {self.type}")
        return self

    def _check_categories(self, categories: list[Label]) -> None:
        allowed = ("category", "integer", "boolean") if self.role == "target" else ("category",)
        if self.type not in allowed:
            raise ValueError(f"categories do not belong to a {self.role} of type {self.type}")
        wrong = [value for value in categories if type(value) is not _LABEL_TYPES[self.type]]
        if wrong:
            raise ValueError(
                f"categories of a {self.type} column cannot hold {wrong[0]!r} (quote texts: '1')"
            )
        if not categories:
            raise ValueError("categories is empty: list the values, or leave the key out to allow any")
        if len(set(categories)) != len(categories):
            raise ValueError("categories names a value twice")


class SchemaFile(Contract):
    """The whole schema.yaml. Columns stand in the order of the file."""

    version: Literal[1] = Field(description="Of this layout")
    task: Task = Field(description="Classes or a number")
    file: FileFormat = Field(description="How the table is stored")
    columns: dict[str, Column] = Field(min_length=1, description="By name, in the order of the file")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for role in ("target", "id", "time", "group"):
            names = self.names(role)
            if len(names) > 1:
                raise ValueError(
                    f"role: {role} is given to {len(names)} columns ({', '.join(names)}): choose one"
                )
        if not self.names("target"):
            raise ValueError("no column has role: target")
        target = self.columns[self.target]
        if self.task == "classification" and (target.categories is None or len(target.categories) < 2):
            raise ValueError(f"target {self.target}: classification needs at least two categories")
        if self.task == "regression" and target.type not in ("number", "integer"):
            raise ValueError(
                f"target {self.target}: regression needs type number or integer, not {target.type}"
            )
        if self.task == "regression" and target.categories is not None:
            raise ValueError(f"target {self.target}: categories do not belong to a regression")
        if not self.features:
            raise ValueError("no feature is left: every column is ignored, unavailable or has another role")
        if any(not name.strip() for name in self.columns):
            raise ValueError("a column has no name")
        return self

    @property
    def kind(self) -> Kind:
        """What kind of prediction it asks for."""
        if self.task == "regression":
            return "regression"
        return "binary" if len(self.columns[self.target].categories or []) == 2 else "multiclass"

    def names(self, role: str) -> list[str]:
        """Names of the columns with this role, in the file's order."""
        return [name for name, column in self.columns.items() if column.role == role]

    @property
    def target(self) -> str:
        """Name of the target column."""
        return self.names("target")[0]

    @property
    def features(self) -> list[str]:
        """Names of what the model sees: role feature, and known when the prediction is made."""
        return [n for n, c in self.columns.items() if c.role == "feature" and c.available]

    def one(self, role: str) -> str | None:
        """Name of the one column with this role (id, time, group), or None."""
        return next(iter(self.names(role)), None)
