"""template/manifest.json: what an update of the template would change, by digest: made where nothing can be written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.pointer import Revision
from gitops_ml.contracts.training import Sha256


class TemplateUpdate(Contract):
    """What became of main with a newer template. ``files`` stand in ``files/`` of the same folder."""

    version: Literal[1] = Field(description="Of this layout")
    outcome: Literal["current", "clean", "conflict", "unknown"] = Field(
        description="current: nothing newer; conflict: people must decide; unknown: where the template is, nobody wrote down"
    )
    main: Revision = Field(description="The commit it was merged into")
    old: str = Field(description="The template's version that main has")
    new: str = Field(description="The one it would have")
    source: str | None = Field(description="Address of the template's git repository")
    files: dict[str, Sha256] = Field(description="Files that change: path -> sha256; only where clean")
    removed: list[str] = Field(description="Files that go; only where clean")
    conflicts: list[str] = Field(description="Files that people must decide")
    workflows: list[str] = Field(
        description="Workflow files that change: not every token may push them; also where it conflicts"
    )
    notes: list[str] = Field(description="What is left to do by hand, one sentence each")
