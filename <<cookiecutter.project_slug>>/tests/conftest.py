"""What all tests share: the project's own files, read once, and what to do where the pipeline has not run
yet."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from <<cookiecutter.package_name>> import artifact
from <<cookiecutter.package_name>>.params import Params, load_params
from <<cookiecutter.package_name>>.schema import Schema, load_schema

ROOT = Path(__file__).resolve().parent.parent


def _needed(path: str) -> Path:
    found = ROOT / path
    if not found.exists():
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{path} is missing: run uv run dvc repro", pytrace=False)
        pytest.skip("run: uv run dvc repro")
    return found


@pytest.fixture(scope="session")
def needed() -> Callable[[str], Path]:
    """A file that the pipeline makes. Where it is missing a laptop skips the test; CI fails it."""
    return _needed


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def schema() -> Schema:
    """The data contract."""
    return load_schema(ROOT / "schema.yaml")


@pytest.fixture(scope="session")
def params() -> Params:
    """The knobs."""
    return load_params(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def train_rows() -> pd.DataFrame:
    """Prepared training rows."""
    return pd.read_parquet(_needed("data/prepared/train.parquet"))


@pytest.fixture(scope="session")
def test_rows() -> pd.DataFrame:
    """Prepared test rows."""
    return pd.read_parquet(_needed("data/prepared/test.parquet"))


@pytest.fixture(scope="session")
def model() -> Any:
    """The trained model, loaded as everyone loads it: by digest."""
    digest = json.loads(_needed("models/training.json").read_text(encoding="utf-8"))["model"]["sha256"]
    return artifact.load(_needed("models/model.skops"), digest)


@pytest.fixture(scope="session")
def features(schema: Schema, test_rows: pd.DataFrame) -> pd.DataFrame:
    """What the model sees of the test rows, at most 500 of them."""
    return test_rows[[column.name for column in schema.features]].head(500)
