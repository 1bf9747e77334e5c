"""tests/model/behaviour.yaml: what the team expects the model to do when one column changes (Ribeiro et al., ACL 2020)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from gitops_ml.contracts.base import Contract

Cell = StrictBool | StrictInt | StrictFloat | StrictStr | None


class Invariance(Contract):
    """Changing this column to each of ``values``, or by ``shift``, moves no score by more than ``tolerance``."""

    column: str = Field(description="A feature")
    values: list[Cell] | None = Field(
        default=None, min_length=1, description="Each of these is put into the column"
    )
    shift: float | None = Field(default=None, description="This is added to the column")
    tolerance: float = Field(gt=0, description="The greatest move of a score that is allowed")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.values is None) == (self.shift is None):
            raise ValueError("give either values or shift")
        return self


class Direction(Contract):
    """Adding ``change`` to this column moves the mean score up or down."""

    column: str = Field(description="A feature that is a number")
    change: float = Field(description="This is added to the column")
    expect: Literal["increase", "decrease"] = Field(description="Where the mean score must go")


class Between(Contract):
    """A prediction of a regression, inclusive."""

    low: float = Field(description="Smallest prediction allowed")
    high: float = Field(description="Greatest prediction allowed")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is greater than high {self.high}")
        return self


class Minimum(Contract):
    """A row so clear that any useful model gets it right."""

    row: dict[str, Cell] = Field(description="Value by column")
    expect: Between | StrictBool | StrictInt | StrictStr = Field(
        description="The label, or the range of a number"
    )


class BehaviourFile(Contract):
    """The whole file; an empty list says "not declared", and the card says so."""

    invariance: list[Invariance] = Field(default=[], description="Changes that must not matter")
    direction: list[Direction] = Field(default=[], description="Changes that must move the score one way")
    minimum: list[Minimum] = Field(default=[], description="Rows that must come out right")

    def columns(self) -> list[str]:
        """Every column that an expectation names, in order, without repeats."""
        named = [entry.column for entry in self.invariance] + [entry.column for entry in self.direction]
        named += [column for entry in self.minimum for column in entry.row]
        return list(dict.fromkeys(named))
