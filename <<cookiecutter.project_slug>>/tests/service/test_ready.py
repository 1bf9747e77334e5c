"""A model that nobody approved is not served: wrong digest, pickle, unknown type, wrong schema."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

from <<cookiecutter.package_name>> import interface
from <<cookiecutter.package_name>>.service import SCHEMA, answer
from <<cookiecutter.package_name>>.serving import NotReady, Served, open_model


class Stranger(BaseEstimator):
    """A type that is on no list."""


def approve(folder: Path, model: bytes) -> None:
    """Put other bytes in place of the model, and let training.json vouch for them."""
    (folder / "models/model.skops").write_bytes(model)
    note = json.loads((folder / "models/training.json").read_text(encoding="utf-8"))
    note["model"]["sha256"] = hashlib.sha256(model).hexdigest()
    (folder / "models/training.json").write_text(json.dumps(note), encoding="utf-8")


def test_the_approved_model_opens(copy: Path):
    assert open_model(copy, SCHEMA).metadata["version"] == "unreleased"


def test_the_pointer_gives_version_and_revision(copy: Path, monkeypatch: pytest.MonkeyPatch):
    digest = open_model(copy, SCHEMA).sha256
    (copy / "deploy/production").mkdir(parents=True)
    (copy / "deploy/production/model.yaml").write_text(
        f"model: x\nversion: v1.2.3\nrevision: abc\nsha256: {digest}\n", encoding="utf-8"
    )
    monkeypatch.setenv("GITOPS_ML_ENVIRONMENT", "production")
    assert open_model(copy, SCHEMA).metadata["version"] == "v1.2.3"


def test_changed_bytes_are_refused(copy: Path):
    path = copy / "models/model.skops"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(NotReady, match="not the file that was approved"):
        open_model(copy, SCHEMA)


def test_another_digest_in_the_settings_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODEL_SHA256", "0" * 64)
    with pytest.raises(NotReady, match="000000000000"):
        open_model(copy, SCHEMA)


def test_an_environment_without_a_pointer_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITOPS_ML_ENVIRONMENT", "staging")
    with pytest.raises(NotReady, match="staging"):
        open_model(copy, SCHEMA)


def test_a_pickle_is_refused(copy: Path):
    approve(copy, pickle.dumps({"a": 1}))
    with pytest.raises(NotReady, match="pickle"):
        open_model(copy, SCHEMA)


def test_an_unknown_type_is_refused(copy: Path):
    import skops.io as sio

    file = io.BytesIO()
    sio.dump(Stranger(), file)
    approve(copy, file.getvalue())
    with pytest.raises(NotReady, match="Stranger"):
        open_model(copy, SCHEMA)


def test_nothing_approved_is_refused(copy: Path):
    (copy / "models/training.json").unlink()
    with pytest.raises(NotReady, match="MODEL_SHA256"):
        open_model(copy, SCHEMA)


def test_a_model_that_fails_spoils_only_its_own_request():
    class Moody:
        classes_ = None

        def predict(self, frame):
            if len(frame) != 1:
                raise ValueError("zq-private-4711")
            import numpy as np

            return np.array([float("nan")])

    body = json.dumps({"rows": [interface.smoke_row(SCHEMA)]})
    request = interface.request_model(SCHEMA).model_validate_json(body)
    cells = interface.values(request.rows[0])
    served = Served(Moody(), SCHEMA.model_copy(update={"task": "regression"}), "0" * 64, {})
    two, one = answer(served, [[cells, cells], [cells]])
    assert "cannot answer" in str(two)
    assert "no finite answer" in str(one)
    assert "zq-private-4711" not in str(two)
