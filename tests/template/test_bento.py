"""`bentoml build` gives a Bento that answers where neither the project nor the suite is installed."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.template.conftest import Project
from tests.template.test_service_fuzz import answering

pytestmark = [pytest.mark.change, pytest.mark.xdist_group("default")]


def test_a_bento_needs_nothing_of_the_suite(baked: Project, tmp_path: Path) -> None:
    baked.install("serve")
    home = {"BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    built = baked.run("bentoml", "build", "--output", "tag", **home).stdout
    name, _, version = built.rpartition("__tag__:")[2].strip().partition(":")
    bento = tmp_path / "bentoml" / "bentos" / name / version
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    assert "gitops" not in requirements and "-e " not in requirements and "file:" not in requirements
    assert not list(bento.rglob("gitops_ml"))

    # An environment of its own, from the Bento's requirements alone.
    alone = tmp_path / "venv"
    listed = bento / "env" / "python" / "requirements.txt"
    for command in (
        ["venv", "--quiet", alone],
        ["pip", "install", "--quiet", f"--python={alone}/bin/python", "-r", listed],
    ):
        baked.run("uv", *command)
    missing = subprocess.run(
        [alone / "bin" / "python", "-c", "import gitops_ml"], capture_output=True, cwd=tmp_path
    )
    assert missing.returncode != 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with answering(
        [str(alone / "bin" / "python"), "-m", "bentoml", "serve", str(bento)], elsewhere, home
    ) as url:
        metadata = json.load(urllib.request.urlopen(f"{url}/metadata"))
        example = json.load(urllib.request.urlopen(f"{url}/docs.json"))
        content = example["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"][
            "example"
        ]
        request = urllib.request.Request(
            f"{url}/predict", json.dumps(content).encode(), {"Content-Type": "application/json"}
        )
        answers = json.load(urllib.request.urlopen(request))
    training = json.loads((baked.path / "models" / "training.json").read_text())
    assert metadata["sha256"] == training["model"]["sha256"]
    assert [set(answer) for answer in answers] == [{"prediction", "scores"}]
    assert baked.git("status", "--porcelain") == ""
