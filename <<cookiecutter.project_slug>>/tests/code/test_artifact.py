"""Model files: the same model is the same bytes; other bytes, unknown types and pickles are never loaded."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io as sio
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.preprocessing import FunctionTransformer

from <<cookiecutter.package_name>> import artifact
from <<cookiecutter.package_name>>.artifact import ArtifactError

WRITE = """
import hashlib, numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from <<cookiecutter.package_name>> import artifact
X = np.random.default_rng(0).normal(size=(80, 3))
model = HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, np.where(X[:, 0] > 0, "a", "b"))
print(hashlib.sha256(artifact.dumps(model)).hexdigest())
"""


def small(cls=HistGradientBoostingClassifier, **settings):
    X = np.random.default_rng(0).normal(size=(80, 3))
    return cls(random_state=0, **settings).fit(X, X[:, 0] > 0), X


def test_what_is_saved_predicts_the_same(tmp_path: Path) -> None:
    for cls, settings in (
        (HistGradientBoostingClassifier, {"max_iter": 3}),
        (RandomForestClassifier, {"n_estimators": 3}),
    ):
        model, X = small(cls, **settings)
        digest = artifact.save(model, tmp_path / "m.skops")
        assert digest == artifact.sha256_of(tmp_path / "m.skops")
        loaded = artifact.load(tmp_path / "m.skops", digest)
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_two_processes_write_the_same_bytes() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", WRITE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_another_digest_is_refused_before_anything_is_parsed(tmp_path: Path) -> None:
    model, _ = small(max_iter=2)
    digest = artifact.save(model, tmp_path / "m.skops")
    (tmp_path / "m.skops").write_bytes((tmp_path / "m.skops").read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match="not the file that was approved"):
        artifact.load(tmp_path / "m.skops", digest)


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("opened",))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int) -> None:
    monkeypatch.chdir(tmp_path)
    for digest in (None, hashlib.sha256(pickle.dumps(Evil(), protocol)).hexdigest()):
        with pytest.raises(ArtifactError, match="is not a skops model"):
            artifact.loads(pickle.dumps(Evil(), protocol), digest)
    joblib.dump(Evil(), "m.joblib", compress=3)
    with pytest.raises(ArtifactError, match="pickle or joblib"):
        artifact.load("m.joblib", None)
    assert not Path("opened").exists()


def test_a_type_that_nobody_reviewed_is_refused_in_both_directions() -> None:
    strange = FunctionTransformer(partial(os.path.join, "a"))
    with pytest.raises(ArtifactError, match=r"nobody reviewed(?s:.*)trusted_types\.txt"):
        artifact.dumps(strange)
    with pytest.raises(ArtifactError, match="nobody reviewed"):
        artifact.loads(sio.dumps(strange), None)


def test_other_zips_are_refused() -> None:
    def packed(**members: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__", "."), content)
        return file.getvalue()

    for content, said in (
        (b"", "is empty"),
        (b"hello", "is not a skops model"),
        (packed(data__pkl=b"x"), "pickle"),
        (packed(schema__json=b"{}"), "cannot be read"),
        (packed(schema__json=b" " * (artifact.PLAIN_SIZE + 1)), "zip bomb"),
        (packed(schema__json=b"{}")[:-10], "damaged zip"),
    ):
        with pytest.raises(ArtifactError, match=said):
            artifact.loads(content, None)


def test_mlflow_can_load_it(tmp_path: Path) -> None:
    model, X = small(max_iter=2)
    digest = artifact.save(model, tmp_path / "model.skops")
    np.testing.assert_array_equal(artifact._load_pyfunc(str(tmp_path)).predict(X), model.predict(X))
    note = {"model": {"path": "models/model.skops", "sha256": digest[::-1]}}
    (tmp_path / "training.json").write_text(json.dumps(note), encoding="utf-8")
    with pytest.raises(ArtifactError, match="not the file that was approved"):
        artifact._load_pyfunc(str(tmp_path / "model.skops"))
