"""Which model may be served, and whether it can answer: digest, types and one row are checked first.

MODEL_SHA256 names the digest to serve, or GITOPS_ML_ENVIRONMENT the environment whose deploy/<environment>/
model.yaml names it; without either it is what training recorded in models/training.json.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from . import MODEL, artifact, interface
from .schema import Schema

if TYPE_CHECKING:
    import pandas as pd

UNRELEASED = "unreleased"


class NotReady(Exception):
    """The service must not answer; the message says why and what to do."""


@dataclass(frozen=True)
class Served:
    """A model that was checked: its digest, its types, and an answer to a row."""

    model: Any
    schema: Schema
    sha256: str
    pointer: dict[str, Any]

    def predict(self, frame: pd.DataFrame) -> list[tuple[Any, dict[str, float] | None]]:
        """(prediction, scores by class) of each row; scores are None where the model gives none."""
        if self.schema.classes is None:
            return [(value, None) for value in self.model.predict(frame).tolist()]
        if not hasattr(self.model, "predict_proba"):
            return [(label, None) for label in self.model.predict(frame).tolist()]
        classes = self.model.classes_.tolist()
        names = [str(label) for label in classes]
        shares = self.model.predict_proba(frame)
        best = shares.argmax(axis=1).tolist()
        return [
            (classes[top], dict(zip(names, row, strict=True)))
            for top, row in zip(best, shares.tolist(), strict=True)
        ]

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What `/metadata` says."""
        return {
            "model": MODEL,
            "version": str(self.pointer.get("version") or UNRELEASED),
            "sha256": self.sha256,
            "revision": str(self.pointer.get("revision") or UNRELEASED),
            "task": self.schema.kind,
            "target": self.schema.target.name,
            "classes": self.schema.classes,
            "schema": interface.row_schema(self.schema),
            "max_rows": interface.MAX_ROWS,
        }

    @property
    def headers(self) -> dict[str, str]:
        """What every answer says about its model."""
        return {"X-Model-Version": self.metadata["version"], "X-Model-Sha256": self.sha256}


def open_model(root: Path, schema: Schema) -> Served:
    """Check the digest, load the model with the reviewed types only, and have it answer one row.

    Raises :class:`NotReady`, whose message is for the operator.
    """
    path = root / "models" / artifact.MODEL_FILE
    try:
        sha256 = expected_digest(root)
        model = artifact.load(path, sha256)
    except (artifact.ArtifactError, OSError) as wrong:
        raise NotReady(str(wrong)) from None
    pointer = read_pointer(root)
    served = Served(model, schema, sha256, pointer if pointer.get("sha256") == sha256 else {})
    row = interface.row_model(schema).model_validate_json(interface.dumps(interface.smoke_row(schema)))
    try:
        answers = served.predict(interface.to_frame(schema.features, [interface.values(row)]))
    except Exception as wrong:
        raise NotReady(
            f"the model fails on a row that schema.yaml allows ({type(wrong).__name__}). Model and "
            "schema.yaml are of different revisions: run `uv run dvc repro`, "
            "or check out the revision of the model."
        ) from None
    if not is_finite(*answers[0]):
        raise NotReady(
            "the model answers a row that schema.yaml allows with a number that is not finite. "
            "Train again: `uv run dvc repro`."
        )
    return served


def expected_digest(root: Path) -> str:
    """The sha256 that may be served: the settings' first, then the one that training recorded."""
    if digest := os.environ.get("MODEL_SHA256"):
        return digest.strip().lower()
    if environment := os.environ.get("GITOPS_ML_ENVIRONMENT"):
        pointer = read_pointer(root)
        if "sha256" not in pointer:
            raise NotReady(
                f"GITOPS_ML_ENVIRONMENT is {environment}, and deploy/{environment}/model.yaml names no "
                "sha256. Promote a model, or unset it."
            )
        return str(pointer["sha256"])
    try:
        return str(json.loads((root / "models/training.json").read_text(encoding="utf-8"))["model"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise NotReady(
            "nothing says which model to serve: models/training.json is missing or unreadable. "
            "Run `uv run dvc repro`, or set MODEL_SHA256."
        ) from None


def read_pointer(root: Path) -> dict[str, Any]:
    """deploy/<environment>/model.yaml, or nothing where no model was promoted yet."""
    path = root / "deploy" / os.environ.get("GITOPS_ML_ENVIRONMENT", "production") / "model.yaml"
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except OSError:
        return {}
    except Exception as wrong:
        raise NotReady(
            f"{path} is not valid YAML ({type(wrong).__name__}). Fix it in a pull request."
        ) from None
    return content if isinstance(content, dict) else {}


def is_finite(prediction: Any, scores: dict[str, float] | None) -> bool:
    """Whether JSON can say it."""
    return all(math.isfinite(number) for number in (scores or {}).values()) and (
        not isinstance(prediction, float) or math.isfinite(prediction)
    )
