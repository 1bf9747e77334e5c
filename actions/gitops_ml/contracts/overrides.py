"""overrides.yaml: a person answers for one check of one model, by digest, with a reason and a last day."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.training import Sha256


class Override(Contract):
    """One check of one model that somebody accepts although it failed."""

    check: str = Field(min_length=1, description="Id of the check, exactly as the verdict names it")
    sha256: Sha256 = Field(description="Of the model's bytes: another model needs an entry of its own")
    owner: str = Field(min_length=1, description="Who answers for it")
    reason: str = Field(min_length=10, description="Why it is right all the same")
    expires: date = Field(description="The last day on which it is honoured, such as 2027-01-31")


class OverridesFile(Contract):
    """The whole overrides.yaml; no file is the same as an empty list."""

    version: Literal[1] = Field(description="Of this layout")
    overrides: list[Override] = Field(default=[], description="Any number; old ones do no harm")

    @model_validator(mode="after")
    def _once(self) -> Self:
        pairs = [(entry.check, entry.sha256) for entry in self.overrides]
        twice = sorted({pair for pair in pairs if pairs.count(pair) > 1})
        if twice:
            raise ValueError(f"{twice[0][0]} of model {twice[0][1][:8]} is overridden twice: keep one entry")
        return self
