"""plan.json: what a commit asks of CI: nothing, a model to be built and judged, a pointer to be checked, or a repair."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Revision


class PlannedStage(Contract):
    """A stage that CI must run, and why."""

    name: str = Field(description="As dvc.yaml names it")
    reasons: list[str] = Field(
        min_length=1, description="What is stale about it, or why its bytes prove nothing"
    )


class Plan(Contract):
    """The whole file. ``stages`` may be empty for a model that CI has built before: it is judged, not built."""

    version: Literal[1] = Field(description="Of this layout")
    kind: Literal["none", "model", "pointer", "invalid"] = Field(
        description="none: no model changes; pointer: only what is served changes; invalid: see reason"
    )
    head: Revision = Field(description="The commit that was looked at")
    base: Revision = Field(description="The commit it was compared with")
    merge_base: Revision = Field(description="Where the two parted")
    lock: Revision | None = Field(description="Blob id of the head's dvc.lock; null: it has none")
    stages: list[PlannedStage] = Field(description="To be built, in the order of dvc.yaml")
    check: bool = Field(description="Whether linters and tests have something to look at")
    protected: list[str] = Field(description="Changed paths that only reviewers may change")
    changed: list[str] = Field(description="Every changed path, inside the project")
    reason: str | None = Field(description="Of invalid: what cannot be read, and how to mend it; else null")
    notes: list[str] = Field(description="What a reviewer should know, in sentences")

    @property
    def names(self) -> list[str]:
        """The stages' names."""
        return [stage.name for stage in self.stages]
