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

    model: str = Field(min_length=1)
    version: Version
    revision: Revision
    path: str = Field(min_length=1)
    sha256: Sha256
    size: int = Field(ge=1)
    image: ImageDigest | None
    verdict: Literal["pass", "accepted", "override"]
    promoted_from: str | None
