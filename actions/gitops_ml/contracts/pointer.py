"""deploy/<environment>/model.yaml: the pointer, which says what is served. Desired state; everything else follows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.training import Sha256

Version = Annotated[str, StringConstraints(pattern=r"^v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]
Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
ImageDigest = Annotated[str, StringConstraints(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")]


class Pointer(Contract):
    """deploy/<environment>/model.yaml: ``revision`` is the tagged commit on main, ``image`` a digest or null."""

    model: str = Field(min_length=1, description="The model's name")
    version: Version = Field(description="Semantic version of the release")
    revision: Revision = Field(description="The tagged commit on main")
    path: str = Field(min_length=1, description="The model file inside the project")
    sha256: Sha256 = Field(description="Of its bytes")
    size: int = Field(ge=1, description="In bytes")
    image: ImageDigest | None = Field(description="The service's image by digest; null: none was built")
    verdict: Literal["pass", "accepted", "override"] = Field(description="How it passed the gate")
    promoted_from: str | None = Field(description="The environment it came from; null: the first")
