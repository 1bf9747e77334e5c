"""What `gitops-ml prove` found out: whether a released version can be served, before anything names it as served."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Revision, Version
from gitops_ml.contracts.training import Sha256


class Proof(Contract):
    """One version for one environment. ``problems`` empty: its bytes exist, hash, load, and answer; its verdict holds."""

    environment: str = Field(min_length=1, description="Folder below deploy/")
    version: Version = Field(description="Of the release")
    revision: Revision | None = Field(description="The tagged commit; null: there is no such release")
    sha256: Sha256 | None = Field(description="Of the bytes that answered; null: none did")
    rows: int = Field(ge=0, description="Rows that the service answered as the model predicts")
    problems: list[str] = Field(description="Why it cannot be served, each one sentence; empty: it can")


class Proofs(Contract):
    """The whole answer: it travels as one job output, so it is short."""

    version: Literal[1] = Field(description="Of this layout")
    proofs: list[Proof] = Field(description="One for each environment asked about")
