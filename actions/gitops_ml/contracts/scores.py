"""scores/manifest.json: predictions of champion and challenger on the same rows, by digest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Revision, Version
from gitops_ml.contracts.training import Sha256


class Scored(Contract):
    """One model's predictions (Parquet, the score contract) of the test rows."""

    file: str = Field(description="Inside the folder of scores")
    sha256: Sha256 = Field(description="Of that file")
    model_sha256: Sha256 = Field(description="Of the model that predicted")
    revision: Revision = Field(description="Whose code and environment predicted")
    rows: int = Field(ge=1, description="Rows of the file: those of the test rows")
    seconds: float = Field(ge=0, description="Wall time of the scoring process")


class Champion(Contract):
    """A released model that was asked the same rows: the model to beat, or the baseline."""

    version: Version = Field(description="Its release")
    revision: Revision = Field(description="The tagged commit")
    sha256: Sha256 = Field(description="Of its bytes")
    scored: Scored | None = Field(description="Its predictions; null: it could not be scored on these rows")
    error: str | None = Field(description="Why it could not be scored; null: it was")
    size: int | None = Field(default=None, ge=0, description="Of its bytes; null: they are not to be had")


class Baseline(Contract):
    """The release that the base branch's policy.yaml names, below which no model may sink."""

    version: Version = Field(description="As policy.yaml names it")
    release: Champion | None = Field(description="What it said; null: there is no such release, see error")
    error: str | None = Field(description="Why there is none; null: there is one")


class Also(Contract):
    """Predictions of a further set of rows, which the candidate was not trained on. Judged: ``gold`` and ``disturbed``."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$", description="What the rows are")
    source: Sha256 = Field(description="Of the file of rows, as it was given")
    rows: int = Field(ge=0, description="Rows that both were asked")
    left_out: int = Field(ge=0, description="Rows that the candidate was trained on: they prove nothing")
    challenger: Scored | None = Field(description="The candidate's predictions; null: see error")
    champion: Scored | None = Field(
        description="The champion's predictions; null: see error, or there is none"
    )
    error: str | None = Field(description="Why predictions are missing; null: none are")


class Shuffled(Contract):
    """Predictions of the test rows by models that were trained on a shuffled target. Judged where policy.yaml asks for it."""

    seed: int = Field(ge=0, description="Of the shuffles")
    scored: list[Scored] = Field(description="One for each shuffle, in order")
    error: str | None = Field(description="Why there are fewer than were asked for; null: all are here")


class GoldTable(Contract):
    """The gold set that the base branch's policy.yaml names; the predictions stand in ``also``, under ``gold``."""

    table: str = Field(description="Its path in the project")
    sha256: Sha256 | None = Field(description="Of gold.parquet, here beside this file; null: see error")
    error: str | None = Field(description="Why the table is not here; null: it is")


class Disturbed(Contract):
    """How the test rows were disturbed, where policy.yaml asks for it; the predictions stand in ``also``, under ``disturbed``."""

    rows: int = Field(ge=0, description="Of each block: one with noise, then one for each column")
    noise: float | None = Field(description="In standard deviations of each number; null: no such block")
    seed: int = Field(ge=0, description="Of the noise")
    columns: list[str] = Field(description="The features that were emptied, in the order of their blocks")
    error: str | None = Field(description="Why nothing could be disturbed; null: it was")


class Scores(Contract):
    """The whole file."""

    version: Literal[1] = Field(description="Of this layout")
    candidate: Sha256 = Field(description="Of the candidate's manifest.json")
    test_rows: Sha256 = Field(description="Of the file of test rows")
    challenger: Scored = Field(description="The candidate's predictions")
    champion: Champion | None = Field(
        description="What the first environment's pointer names, else the newest release; null: nothing was released yet"
    )
    also: list[Also] = Field(default=[], description="Further sets of rows, each by name")
    shuffled: Shuffled | None = Field(
        default=None, description="Models of a shuffled target; null: policy.yaml does not ask for them"
    )
    timings: Sha256 | None = Field(
        default=None, description="Of timings.json beside this file; null: nothing was measured"
    )
    gold: GoldTable | None = Field(default=None, description="The gold set; null: policy.yaml names none")
    baseline: Baseline | None = Field(default=None, description="Null: policy.yaml names no baseline")
    disturbed: Disturbed | None = Field(
        default=None, description="The test rows on a bad day; null: policy.yaml does not ask for it"
    )
