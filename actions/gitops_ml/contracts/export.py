"""The JSON Schemas of every contract file, so that editors and other languages can check them too."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from gitops_ml.contracts.base import Contract, to_json, write_text

# name of the schema file: (the file it describes, module:class)
CONTRACTS: dict[str, tuple[str, str]] = {
    "schema": ("schema.yaml", "gitops_ml.contracts.schema:SchemaFile"),
    "params": ("params.yaml", "gitops_ml.contracts.params:ParamsFile"),
    "policy": ("policy.yaml", "gitops_ml.contracts.policy:PolicyFile"),
    "answers": (".gitops-ml.yaml", "gitops_ml.contracts.answers:AnswersFile"),
    "behaviour": ("tests/model/behaviour.yaml", "gitops_ml.contracts.behaviour:BehaviourFile"),
    "data_profile": ("reports/data_profile.json", "gitops_ml.contracts.profile:ProfileFile"),
    "training": ("models/training.json", "gitops_ml.contracts.training:Training"),
    "metrics": ("reports/metrics.json", "gitops_ml.contracts.metrics:Metrics"),
    "evaluation": ("reports/evaluation.json", "gitops_ml.contracts.evaluation:Evaluation"),
    "human_card": ("model_card.yaml", "gitops_ml.contracts.model_card:HumanCard"),
    "model_card": ("reports/model_card.json", "gitops_ml.contracts.model_card:ModelCard"),
    "plan": ("plan.json", "gitops_ml.contracts.plan:Plan"),
    "overrides": ("overrides.yaml", "gitops_ml.contracts.overrides:OverridesFile"),
    "candidate": ("candidate/manifest.json", "gitops_ml.contracts.candidate:Candidate"),
    "scores": ("scores/manifest.json", "gitops_ml.contracts.scores:Scores"),
    "timings": ("scores/timings.json", "gitops_ml.contracts.timings:Timings"),
    "verdict": ("verdict.json", "gitops_ml.contracts.verdict:Verdict"),
    "report": ("report.json", "gitops_ml.contracts.report:Report"),
    "measurements": ("measurements.json", "gitops_ml.contracts.verdict:Measurements"),
    "drift": ("drift/drift.json", "gitops_ml.contracts.drift:DriftFile"),
    "drift_state": ("refs/gitops-ml/drift:state.json", "gitops_ml.contracts.drift:DriftState"),
    "proofs": ("proofs.json", "gitops_ml.contracts.proof:Proofs"),
    "template_update": ("template/manifest.json", "gitops_ml.contracts.template_update:TemplateUpdate"),
    "pointer": ("deploy/ENVIRONMENT/model.yaml", "gitops_ml.contracts.pointer:Pointer"),
}


def contract(name: str) -> type[Contract]:
    """The model behind a name of :data:`CONTRACTS`. Raises KeyError."""
    module, attribute = CONTRACTS[name][1].split(":")
    found: type[Contract] = getattr(importlib.import_module(module), attribute)
    return found


def json_schemas() -> dict[str, dict[str, Any]]:
    """Name -> JSON Schema (2020-12) of each contract, in the order of :data:`CONTRACTS`."""
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **contract(name).model_json_schema(),
            "title": CONTRACTS[name][0],
        }
        for name in CONTRACTS
    }


def export(folder: Path) -> list[Path]:
    """Write ``<name>.schema.json`` for every contract into ``folder``; returns the paths."""
    paths = []
    for name, schema in json_schemas().items():
        paths.append(folder / f"{name}.schema.json")
        write_text(paths[-1], to_json(schema))
    return paths
