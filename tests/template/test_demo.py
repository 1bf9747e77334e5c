"""`make demo` ends with a prediction from a trained model."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.template.conftest import ROOT, clean_environment


@pytest.mark.xdist_group("demo")
def test_demo_predicts(tmp_path: Path) -> None:
    """From a copy without what is ignored, so that a demo of the person who runs the tests is not touched."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "clone" / name, follow_symlinks=False)
    (tmp_path / "home").mkdir()
    environment = clean_environment(tmp_path / "home")
    done = subprocess.run(
        ["make", "demo"], cwd=tmp_path / "clone", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    predictions = re.findall(r"-> (benign|malignant) \((\d+\.\d)%\); it was (benign|malignant)", done.stdout)
    assert len(predictions) == 3 and sum(said == was for said, _, was in predictions) >= 2, done.stdout
    assert "sha256" in done.stdout and "MODEL_CARD.md" in done.stdout
