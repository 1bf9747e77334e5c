"""candidate/manifest.json: what one build made, by digest. Every later job checks what it reads against this file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Revision
from gitops_ml.contracts.training import Artifact, Sha256

Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}(\.dir)?$")]


class StoredObject(Contract):
    """One DVC object: its bytes stand in ``objects/<first two>/<rest>`` of the candidate's folder."""

    md5: Md5 = Field(description="As DVC computes it")
    size: int = Field(ge=0, description="In bytes")
    path: str = Field(description="Where the pipeline puts it, inside the project")


class Again(Contract):
    """A second build of the same commit in a clean folder, compared with the first."""

    stages: dict[str, list[str]] = Field(
        description="Each stage that ran twice, in order -> its outs that had other bytes; empty: the same"
    )
    failed: str | None = Field(default=None, description="Why the second build ended early; null: it did not")


class Candidate(Contract):
    """What a build made from one commit. ``files`` are the derived files that git tracks, by path."""

    version: Literal[1] = Field(description="Of this layout")
    head: Revision = Field(description="The commit it was built from")
    merged: Revision | None = Field(
        description="The commit merged into it before the build; null: none (see refresh)"
    )
    lock: Revision = Field(description="Blob id of its dvc.lock")
    stages: list[str] = Field(description="Stages that ran in this build, in order; empty: nothing to build")
    files: dict[str, Sha256] = Field(description="Derived files to commit: path inside the project -> sha256")
    removed: list[str] = Field(description="Derived files of the commit that are no more")
    objects: list[StoredObject] = Field(description="Every object that the lock names, with its bytes")
    model: Artifact = Field(description="The model file")
    test_rows: StoredObject = Field(description="The rows it is judged on, with their target")
    suite: str = Field(description="Version of gitops-ml that built")
    platform: str = Field(description="Operating system, processor and Python of the builder")
    seconds: dict[str, float] = Field(description="What a clock measured: stage -> seconds")
    again: Again | None = Field(default=None, description="The second build; null: nobody asked for one")
