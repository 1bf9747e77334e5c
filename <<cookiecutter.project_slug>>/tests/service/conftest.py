"""The service in this process, and rows that the project's own schema allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def trained(needed: Callable[[str], Path], root: Path) -> Path:
    """The project's folder, once it has a model."""
    needed("models/model.skops")
    return root


@pytest.fixture(scope="session")
def client(trained: Path) -> Iterator[Any]:
    """A client of the service, without a network."""
    from starlette.testclient import TestClient

    from <<cookiecutter.package_name>>.service import Service

    with TestClient(Service.to_asgi()) as client:
        yield client


@pytest.fixture(scope="session")
def rows(trained: Path) -> list[dict[str, Any]]:
    """Up to 20 rows as JSON: held-out ones if the table was prepared here, else one made from the schema."""
    import pandas as pd

    from <<cookiecutter.package_name>> import interface
    from <<cookiecutter.package_name>>.service import SCHEMA

    prepared = trained / "data/prepared/test.parquet"
    if not prepared.is_file():
        return [interface.smoke_row(SCHEMA)]
    names = [column.name for column in SCHEMA.features]
    frame = pd.read_parquet(prepared, columns=names).head(20)
    return [
        {name: None if pd.isna(value) else _plain(value) for name, value in zip(names, cells, strict=True)}
        for cells in zip(*(frame[name].tolist() for name in names), strict=True)
    ]


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


@pytest.fixture
def copy(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the model only, to be spoiled."""
    for setting in ("MODEL_SHA256", "GITOPS_ML_ENVIRONMENT"):
        monkeypatch.delenv(setting, raising=False)
    (tmp_path / "models").mkdir()
    for name in ("models/model.skops", "models/training.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    return tmp_path
