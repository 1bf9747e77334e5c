"""drift/drift.json: one look at today's rows, beside those that the serving model was tested on; and what runs remember."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Revision, Version
from gitops_ml.contracts.training import Sha256

State = Literal["stable", "drifted", "broken", "unknown"]

P_VALUES = frozenset({"ks", "mannw", "chisquare"})


class Serving(Contract):
    """The model that is watched."""

    version: Version = Field(description="Its release")
    revision: Revision = Field(description="The tagged commit, whose schema.yaml, code and test rows count")
    sha256: Sha256 = Field(description="Of its bytes")


class Watched(Contract):
    """Where today's rows came from."""

    kind: Literal["configured", "imported"] = Field(
        description="Named by policy.yaml; or the newest version of the imported table"
    )
    path: str = Field(description="Inside the project")
    rows: int = Field(ge=0, description="Rows that were read")
    used: int = Field(ge=0, description="Rows that were compared: all, or a seeded sample")


class Problem(Contract):
    """A rule of schema.yaml that the rows break."""

    column: str = Field(description="As the table names it")
    rule: str = Field(description="What must hold")
    rows: int = Field(ge=0, description="How many break it; 0: the column as a whole")
    example: str = Field(description="One value that does; may be empty")


class ColumnDrift(Contract):
    """One column, compared. ``value`` is null where it could not be: see ``reason``."""

    name: str = Field(description="Of the column; `prediction` for what the serving model says")
    role: Literal["feature", "target", "prediction"] = Field(description="What it is to the model")
    kind: Literal["number", "category"] = Field(description="How it is compared")
    method: str = Field(description="Evidently's name of the test")
    threshold: float = Field(description="Where a move begins")
    value: float | None = Field(description="Distance, or p-value; null: not compared")
    moved: bool = Field(description="Beyond the threshold, or emptier or fuller than policy.yaml allows")
    direction: str = Field(description="How the mean or the shares changed, for people; may be empty")
    reason: str | None = Field(description="Why it could not be compared; null: it was")


class Rows(Contract):
    """A table beside drift.json, by digest."""

    file: str = Field(pattern=r"^[a-z][a-z0-9_-]*\.parquet$", description="In the same folder")
    sha256: Sha256 = Field(description="Of that file")
    rows: int = Field(ge=1, description="How many it has")


class DriftFile(Contract):
    """The whole file. It holds no date: the same rows, model and policy give the same bytes."""

    version: Literal[1] = Field(description="Of this layout")
    state: State = Field(
        description="stable; drifted; broken: the rows break the data contract; unknown: nothing can be said"
    )
    reason: str = Field(description="Why, in one sentence or more")
    serving: Serving | None = Field(description="Null: nothing was released yet")
    watched: Watched | None = Field(description="Null: there is nothing to watch")
    problems: list[Problem] = Field(description="Broken rules, worst first; empty unless broken")
    columns: list[ColumnDrift] = Field(description="Features in the order of schema.yaml, target, prediction")
    share: float | None = Field(description="Of the compared features that moved; null: none was compared")
    limit: float = Field(description="The share that policy.yaml calls drift")
    notes: list[str] = Field(description="What a reader should know, in sentences")
    reference: Rows | None = Field(description="Test rows of the serving model; null: not compared")
    current: Rows | None = Field(description="Today's rows as they were compared; null: not compared")

    @property
    def moved(self) -> list[ColumnDrift]:
        """The columns that moved."""
        return [column for column in self.columns if column.moved]


class DriftRun(Contract):
    """One run of the workflow, as it is remembered."""

    run: str = Field(min_length=1, description="Its number on the forge")
    date: str = Field(description="When it was recorded: UTC, ISO 8601")
    serving: str | None = Field(description="The version that was watched")
    state: State = Field(description="What it found")
    share: float | None = Field(description="Of the features that moved")
    columns: list[str] = Field(description="Those that moved")
    retrain: bool = Field(description="Whether a candidate was asked for")
    why: str = Field(description="Why it was, or was not")


class DriftState(Contract):
    """state.json of refs/gitops-ml/drift: what runs leave to later runs."""

    version: Literal[1] = Field(description="Of this layout")
    runs: list[DriftRun] = Field(description="Oldest first; the last 200")
    cooldown_until: str | None = Field(description="No pull request is opened before; null: none waits")
    closed: list[int] = Field(description="Pull requests that were closed without merging")
