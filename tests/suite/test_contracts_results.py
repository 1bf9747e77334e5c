"""The contracts of results: what they refuse, in words, and that their JSON Schemas say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.suite import runs

from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.contracts.metrics import Metric, Metrics
from gitops_ml.contracts.model_card import HumanCard, ModelCard
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.training import Training
from gitops_ml.errors import Fault

POINTER = {
    "model": "churn",
    "version": "1.0.0",
    "revision": "a" * 40,
    "path": "models/model.skops",
    "sha256": runs.SHA,
    "size": 7,
    "image": None,
    "verdict": "pass",
    "promoted_from": None,
}
TEMPLATE = Path(__file__).parents[2] / "<<cookiecutter.project_slug>>"


@pytest.mark.parametrize(
    ("contract", "case", "file"),
    [
        (contract, case, file)
        for contract, file in (
            (Training, "models/training.json"),
            (Evaluation, "reports/evaluation.json"),
            (Metrics, "reports/metrics.json"),
        )
        for case in ("binary", "multiclass", "regression", "unknown", "hostile", "wide")
    ],
)
def test_results_are_read_and_agree_with_their_schema(contract: type[Contract], case: str, file: str) -> None:
    content = json.loads(json.dumps(getattr(runs, case)()[file]))
    read = contract.parse(content, file)
    assert read.model_dump(mode="json") == content
    jsonschema.validate(content, contract.model_json_schema())
    with pytest.raises(Fault, match="surprise"):
        contract.parse({**content, "surprise": "x"}, file)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "surprise": "x"}, contract.model_json_schema())


def test_metrics_are_numbers_by_name() -> None:
    metrics = Metrics.parse({"n": 3, "roc_auc": runs.metric(0.9), "f1": runs.metric(None)}, "m")
    assert list(metrics.values) == ["roc_auc", "f1"]
    assert metrics.values["roc_auc"] == Metric(value=0.9, low=None, high=None)
    with pytest.raises(Fault, match=r"f1\.value"):
        Metrics.parse({"n": 3, "f1": {"value": "high", "low": None, "high": None}}, "m")


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("sha256", runs.SHA.upper()),
        ("sha256", "4f1c"),
        ("revision", "main"),
        ("version", "1.0"),
        ("version", "01.0.0"),
        ("size", 0),
        ("image", "registry.example/churn:latest"),
        ("verdict", "block"),
        ("model", ""),
    ],
)
def test_a_pointer_names_exact_things(key: str, wrong: Any) -> None:
    assert Pointer.parse({**POINTER, "image": f"ghcr.io/a/churn@sha256:{runs.SHA}"}, "p").version == "1.0.0"
    with pytest.raises(Fault, match=key):
        Pointer.parse({**POINTER, key: wrong}, "deploy/production/model.yaml")
    with pytest.raises(Fault, match=key):
        Pointer.parse({name: value for name, value in POINTER.items() if name != key}, "p")


@pytest.mark.parametrize("said", [None, "", "  ", "unknown", "Unknown.", "UNKNOWN", "TODO", "tbd", "?"])
def test_unknown_is_unknown_however_it_is_spelt(said: str | None) -> None:
    assert HumanCard.parse({"caveats": said}, "model_card.yaml").caveats == "unknown"


def test_answers_are_texts() -> None:
    assert HumanCard.parse({"caveats": " Known. \n"}, "m").caveats == "Known."
    with pytest.raises(Fault, match="caveats"):
        HumanCard.parse({"caveats": 3}, "m")
    with pytest.raises(Fault, match="caveat"):
        HumanCard.parse({"caveat": "x"}, "m")


def test_the_template_asks_every_question() -> None:
    text = (TEMPLATE / "model_card.yaml").read_text("utf-8")
    asked = [line.split(":")[0] for line in text.splitlines() if line and not line.startswith("#")]
    assert asked == list(HumanCard.model_fields)


def test_the_cards_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(ModelCard.model_json_schema())
