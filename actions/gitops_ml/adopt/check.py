"""Whether the contract files of a project are valid one by one, and mean the same columns."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TypeVar

from gitops_ml.contracts.answers import AnswersFile
from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.behaviour import BehaviourFile
from gitops_ml.contracts.evaluation import Kind
from gitops_ml.contracts.model_card import HumanCard
from gitops_ml.contracts.overrides import OverridesFile
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.policy import COMPARED, PolicyFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.errors import Fault

Some = TypeVar("Some", bound=Contract)
BEHAVIOUR, OVERRIDES = Path("tests/model/behaviour.yaml"), Path("overrides.yaml")


def problems() -> list[str]:
    """Every problem of the project in the current folder, in the order of the files; an empty list is good."""
    found: list[str] = []
    schema = _read(SchemaFile, Path("schema.yaml"), found)
    params = _read(ParamsFile, Path("params.yaml"), found)
    policy = _read(PolicyFile, Path("policy.yaml"), found)
    _read(HumanCard, Path("model_card.yaml"), found)
    behaviour = _read(BehaviourFile, BEHAVIOUR, found) if BEHAVIOUR.exists() else None
    _read(AnswersFile, Path(".gitops-ml.yaml"), found)
    if OVERRIDES.exists():
        _read(OverridesFile, OVERRIDES, found)
    if schema and params:
        found += _params(schema, params)
    if schema and policy:
        found += _policy(schema, policy)
    if schema and behaviour:
        found += _behaviour(schema, behaviour)
    return found


def _read(model: type[Some], path: Path, found: list[str]) -> Some | None:
    try:
        return model.read(path)
    except Fault as fault:
        found.append(str(fault).replace("\n", "\n  "))
        return None


def _params(schema: SchemaFile, params: ParamsFile) -> list[str]:
    found = []
    table = Path(params.data.table)
    if not table.exists() and not table.with_name(table.name + ".dvc").exists():
        found.append(
            f"params.yaml: data.table is {table}, which is neither here nor under DVC ({table.name}.dvc)"
        )
    parquet = table.suffix.lower() in (".parquet", ".pq")
    if parquet != (schema.file.format == "parquet"):
        found.append(f"schema.yaml: file.format is {schema.file.format}, but params.yaml names {table.name}")
    strategy = params.data.split.strategy
    if strategy != "random" and schema.one(strategy) is None:
        found.append(
            f"params.yaml: data.split.strategy is {strategy}, but no column of schema.yaml has role: {strategy}. "
            f"Give it to one: uv run gitops-ml adopt --{strategy} COLUMN"
        )
    return found


def _policy(schema: SchemaFile, policy: PolicyFile) -> list[str]:
    found = []
    for entry in policy.slices:
        column = schema.columns.get(entry.column)
        if column is None or column.role == "ignored":
            found.append(f"policy.yaml: slices names {_named(entry.column, schema)}")
        elif column.type in ("number", "datetime", "text") and entry.quantiles is None:
            found.append(
                f"policy.yaml: the slice by {entry.column} ({column.type}) needs quantiles, such as quantiles: 4"
            )
        elif column.type not in ("number", "integer") and entry.quantiles is not None:
            found.append(
                f"policy.yaml: the slice by {entry.column} ({column.type}) has no quantiles; remove that key"
            )
    two = len(schema.columns[schema.target].categories or []) == 2
    kind: Kind = "regression" if schema.task == "regression" else "binary" if two else "multiclass"
    found += [
        f"policy.yaml: quality.secondary names {name}, which is no metric of this task; use {', '.join(COMPARED[kind])}"
        for name in policy.quality.secondary
        if name not in COMPARED[kind]
    ]
    if policy.fairness.attributes and kind != "binary":
        found.append(
            "policy.yaml: fairness is judged for a target of two categories; name these columns under slices instead"
        )
    for name in policy.fairness.attributes:
        column = schema.columns.get(name)
        if column is None:
            found.append(f"policy.yaml: fairness names {_named(name, schema)}")
        elif column.role == "ignored":
            found.append(
                f"policy.yaml: fairness names {name}, which is ignored, so the test rows lack it; a column that the "
                "model must not see has role: feature, available: false"
            )
    return found


def _behaviour(schema: SchemaFile, behaviour: BehaviourFile) -> list[str]:
    found = [
        f"{BEHAVIOUR}: names {_named(name, schema)}"
        for name in behaviour.columns()
        if name not in schema.features
    ]
    for entry in behaviour.direction:
        column = schema.columns.get(entry.column)
        if column and column.type not in ("number", "integer"):
            found.append(
                f"{BEHAVIOUR}: direction of {entry.column} ({column.type}): only numbers can be added to"
            )
    return found


def _named(name: str, schema: SchemaFile) -> str:
    if name in schema.columns:
        return f"{name}, which is no feature of the model (schema.yaml: role, available)"
    close = difflib.get_close_matches(name, schema.columns, n=1)
    return f"{name}, which schema.yaml does not have" + (f"; did you mean {close[0]}?" if close else "")
