"""scores/timings.json: how long champion and challenger took when they were asked in turn, by a clock outside both."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gitops_ml.contracts.base import Contract

Who = Literal["challenger", "champion"]
Seconds = Annotated[float, Field(ge=0)]


class Asks(Contract):
    """The same tables, asked of both in the order ABBA: entry i of one was asked right before or after entry i of the other."""

    rows: int = Field(ge=1, description="Of each table")
    wanted: int = Field(ge=1, description="So many asks of each were wanted, warm-up included")
    warm: int = Field(ge=0, description="So many of the first are no evidence: caches were cold")
    challenger: list[Seconds] = Field(description="Seconds from the ask to the answer, in order")
    champion: list[Seconds] | None = Field(description="The same; null: nobody to compare with")
    late: Who | None = Field(
        default=None,
        description="Whose last ask was given up: it took that long at least. Null: all were answered",
    )

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if self.champion is not None and len(self.champion) != len(self.challenger):
            raise ValueError("one model was asked more often than the other")
        if self.warm >= len(self.challenger):
            raise ValueError("every ask was a warm-up: there is no evidence")
        return self


class Timings(Contract):
    """The whole file."""

    version: Literal[1] = Field(description="Of this layout")
    one_row: Asks | None = Field(description="Asked for one row; null: see missing")
    batch: Asks | None = Field(description="Asked for many rows at once; null: see missing")
    peak_bytes: dict[Who, int] = Field(description="Most memory that the asked process held; who is known")
    rounds: int = Field(
        default=1,
        ge=1,
        description="How often both were started: a second time where the challenger seemed slow; the kinder answer counts",
    )
    missing: dict[Who, str] = Field(description="Why nothing, or not all, was measured; empty: all was")
