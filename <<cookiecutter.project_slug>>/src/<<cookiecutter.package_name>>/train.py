"""train: the estimator of params.yaml, fitted behind its preprocessing, becomes models/model.skops."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import threadpoolctl
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

from . import artifact, search
from .config import ConfigError
from .estimator import TrainError, build_estimator, row_weights
from .features import build_preprocessor, target_of
from .params import Params, Train, load_params
from .platform_facts import platform_facts
from .schema import Schema, load_schema

TRAIN = Path("data/prepared/train.parquet")
MODELS = Path("models")


def fit(frame: pd.DataFrame, schema: Schema, params: Params) -> tuple[Pipeline, dict[str, Any]]:
    """The fitted pipeline (`preprocess`, `model`), and what training.json says of it. Raises
    :class:`TrainError`."""
    train = params.train
    X, y = frame[[column.name for column in schema.features]], target_of(frame, schema)
    estimator = build_estimator(train, schema)
    weights = row_weights(train, estimator, y)
    extra = {} if weights is None else {"model__sample_weight": weights}
    pipeline = Pipeline(
        [("preprocess", build_preprocessor(schema, params.features, train.seed)), ("model", estimator)]
    )
    parts = (
        search.folds(frame, y, schema, params, train.search.folds)
        if train.search.strategy or train.calibration
        else []
    )
    if train.calibration and schema.task == "regression":
        raise TrainError(
            "params.yaml: train.calibration is about probabilities, and schema.yaml says task: "
            "regression. Set it to null."
        )
    found = None
    with threadpoolctl.threadpool_limits(train.threads), _said_plainly(train):
        if train.search.strategy:
            searched = search.run(pipeline, X, y, parts, train, schema.primary, extra)
            pipeline, found = searched.best_estimator_, search.summary(searched, train, schema.primary)
        if train.calibration:
            model = pipeline.named_steps["model"]
            calibrated = CalibratedClassifierCV(model, method=train.calibration, cv=parts)
            pipeline.set_params(model=calibrated).fit(X, y, **extra)
            calibrated.cv = train.search.folds  # the rows of each fold are no part of the model
        elif not train.search.strategy:
            pipeline.fit(X, y, **extra)
    given = build_estimator(train, schema).get_params(deep=False)
    shown = {
        name: given[name] for name in {**train.params, "random_state": 0, "class_weight": 0} if name in given
    }
    if found:
        shown |= found["best_params"]
    classes = pipeline.classes_.tolist() if schema.task == "classification" else None
    return pipeline, {
        "estimator": train.estimator,
        "params": shown,
        "search": found,
        "calibration": train.calibration,
        "class_weight": train.class_weight,
        "seed": train.seed,
        "threads": train.threads,
        "rows": len(frame),
        "features": list(X.columns),
        "classes": classes,
    }


@contextlib.contextmanager
def _said_plainly(train: Train) -> Iterator[None]:
    """What an estimator refuses, as one sentence instead of a traceback."""
    try:
        yield
    except (ValueError, TypeError) as wrong:
        said = str(wrong).strip().splitlines()
        lines = [line for line in said if line and set(line) != {"-"}]
        raise TrainError(
            f"params.yaml: {train.estimator} cannot be fitted: {' '.join(lines[-3:])}"
        ) from wrong


def main() -> None:
    """The stage: data/prepared/train.parquet -> models/model.skops and models/training.json."""
    try:
        schema, params = load_schema(), load_params()
        if not TRAIN.is_file():
            raise TrainError(f"{TRAIN} is missing. Make it: uv run dvc repro prepare")
        model, facts = fit(pd.read_parquet(TRAIN), schema, params)
        data = artifact.dumps(model)
    except (ConfigError, TrainError, artifact.ArtifactError) as wrong:
        sys.exit(f"error: {wrong}")
    path = MODELS / artifact.MODEL_FILE
    digest = hashlib.sha256(data).hexdigest()
    note = {"version": 1, "model": {"path": path.as_posix(), "sha256": digest, "size": len(data)}, **facts}
    note["platform"] = platform_facts(params.train.estimator)
    text = json.dumps(note, indent=2, ensure_ascii=False, default=str) + "\n"
    artifact.replace(path, data)
    artifact.replace(MODELS / "training.json", text.encode())
    print(
        f"train: {params.train.estimator} on {facts['rows']:,} rows -> {path} ({len(data):,} bytes, "
        f"sha256 {digest[:12]})"
    )


if __name__ == "__main__":
    main()
