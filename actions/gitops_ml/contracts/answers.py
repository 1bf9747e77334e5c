""".gitops-ml.yaml: the answers that made a project, and the template's version. No path of any machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gitops_ml.contracts.base import Contract


class AnswersFile(Contract):
    """What was asked at generation, as it was answered."""

    template: Literal["cookiecutter-gitops-ml"] = Field(description="Which template made the project")
    version: str = Field(description="The template's version")
    source: str | None = Field(
        default=None, description="Address of the template's git repository; none where it came from a folder"
    )
    answers: dict[str, str] = Field(description="Each question and its answer")
