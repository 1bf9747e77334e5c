"""The contracts of schema.yaml, params.yaml, policy.yaml, behaviour.yaml and the answers: what they refuse, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gitops_ml.contracts.behaviour import BehaviourFile
from gitops_ml.contracts.export import CONTRACTS, contract, export, json_schemas
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.schema import Column, FileFormat, SchemaFile
from gitops_ml.errors import Fault

GOOD: dict[str, Any] = {
    "version": 1,
    "task": "classification",
    "file": {"format": "csv", "delimiter": ",", "decimal": ".", "encoding": "utf-8"},
    "columns": {
        "row": {"role": "id", "type": "integer"},
        "age": {"role": "feature", "type": "integer", "minimum": 0, "maximum": 120},
        "plan": {"role": "feature", "type": "category", "categories": ["basic", "pro"], "available": False},
        "note": {"role": "ignored", "type": "text", "nullable": True, "reason": "empty"},
        "left": {"role": "target", "type": "category", "categories": ["no", "yes"], "positive": "no"},
    },
}


def with_column(name: str, **changes: Any) -> dict[str, Any]:
    columns = dict(GOOD["columns"])
    columns[name] = {**columns.get(name, {}), **changes}
    return {**GOOD, "columns": columns}


def test_a_good_schema_answers() -> None:
    schema = SchemaFile.parse(GOOD, "schema.yaml")
    assert (schema.target, schema.features, schema.one("id"), schema.one("time")) == (
        "left",
        ["age"],
        "row",
        None,
    )
    assert schema.names("ignored") == ["note"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({**GOOD, "version": 2}, "version"),
        ({**GOOD, "taks": "x"}, "taks"),
        ({**GOOD, "columns": {}}, "columns"),
        (with_column("age", type="float"), "columns.age.type"),
        (with_column("age", type="category"), "minimum and maximum are for number and integer columns, not for category"),
        (with_column("plan", minimum=1), "minimum and maximum are for number and integer columns"),
        (with_column("plan", maximum=1), "minimum and maximum are for number and integer columns"),
        (with_column("age", minimum=121), "minimum 121 is greater than maximum 120"),
        (with_column("age", maximum=float("inf")), "finite"),
        (with_column("age", role="ignored", reason="x", maximum="9"), "columns.age.maximum"),
        (with_column("plan", categories=[1, 2]), "cannot hold 1 (quote texts: '1')"),
        (with_column("plan", categories=["a", True]), "cannot hold True"),
        (with_column("plan", categories=[]), "categories is empty"),
        (with_column("plan", categories=["a", "a"]), "names a value twice"),
        (with_column("plan", type="text"), "categories do not belong to a feature of type text"),
        (with_column("left", categories=["a", "b", "c"]), "positive is for a target with two categories"),
        (with_column("plan", positive="basic"), "positive is for a target"),
        (with_column("left", positive="maybe"), "positive 'maybe' is not one of the categories"),
        (with_column("left", type="integer", categories=[0, 1], positive=True), "positive True is not one"),
        (with_column("row", role="time", type="category"), "role: time needs type datetime, number or integer"),
        (with_column("age", role="target", categories=None), "role: target is given to 2 columns (age, left)"),
        (with_column("plan", role="id"), "role: id is given to 2 columns"),
        (with_column("left", role="feature", positive=None), "no column has role: target"),
        (with_column("left", categories=["no"], positive=None), "needs at least two categories"),
        (with_column("left", categories=None, positive=None), "needs at least two categories"),
        ({**GOOD, "task": "regression"}, "regression needs type number or integer, not category"),
        ({**with_column("left", type="integer", categories=[0, 1], positive=None), "task": "regression"},
         "categories do not belong to a regression"),
        (with_column("age", available=False), "no feature is left"),
        (with_column(" ", role="feature", type="number"), "a column has no name"),
        ({**GOOD, "file": {"format": "parquet", "delimiter": ","}}, "describe a CSV"),
        ({**GOOD, "file": {"format": "csv", "delimiter": "||"}}, "file.delimiter"),
    ],
)  # fmt: skip
def test_a_wrong_schema_is_refused_by_name(content: dict[str, Any], said: str) -> None:
    with pytest.raises(Fault) as fault:
        SchemaFile.parse(content, "schema.yaml")
    assert "schema.yaml is not valid" in str(fault.value)
    assert said in str(fault.value)


def test_bounds_keep_their_kind() -> None:
    column = Column(role="feature", type="number", minimum=0, maximum=0.5)
    assert type(column.minimum) is int
    assert type(column.maximum) is float
    assert FileFormat(format="parquet").delimiter is None


def test_what_a_column_is_where_nothing_is_said() -> None:
    column = Column(role="feature", type="number", minimum=3, maximum=3)
    assert (column.nullable, column.available, column.minimum) == (False, True, 3)
    assert Column(role="feature", type="number", reason="known at entry").reason == "known at entry"


def test_params_reads_the_data_block_alone() -> None:
    data = {"table": "data/raw/t.csv", "split": {"strategy": "time", "test_size": 0.2, "seed": 1}}
    assert (
        ParamsFile.parse({"data": data, "mine": {"any": [1]}}, "params.yaml").data.table == "data/raw/t.csv"
    )
    for wrong, said in [
        ({**data, "table": "/etc/passwd"}, "inside the project"),
        ({**data, "table": "data/../../t.csv"}, "inside the project"),
        ({**data, "extra": 1}, "data.extra"),
        ({**data, "split": {**data["split"], "test_size": 1}}, "data.split.test_size"),  # type: ignore[dict-item]
        ({**data, "split": {**data["split"], "strategy": "kfold"}}, "data.split.strategy"),  # type: ignore[dict-item]
    ]:
        with pytest.raises(Fault, match=said):
            ParamsFile.parse({"data": wrong}, "params.yaml")


def test_policy_names_folders_and_columns_once() -> None:
    good = {
        "version": 1,
        "environments": ["staging", "production"],
        "slices": [{"column": "a", "quantiles": 4}],
    }
    assert PolicyFile.parse(good, "policy.yaml").min_slice_rows == 30
    assert PolicyFile.parse({**good, "retired": {"1.0.0": "it leaks"}}, "policy.yaml").retired
    for change, said in [
        ({"environments": ["../up"]}, "'../up' is not a folder name"),
        ({"environments": [""]}, "'' is not a folder name"),
        ({"environments": ["a", "a"]}, "named twice"),
        ({"environments": []}, "environments"),
        ({"slices": [{"column": "a"}, {"column": "a"}]}, "slices names a twice"),
        ({"slices": [{"column": "a", "quantiles": 1}]}, "slices.0.quantiles"),
        ({"min_slice_rows": 0}, "min_slice_rows"),
        ({"retired": {"latest": "it leaks"}}, "retired.latest"),
        ({"retired": {"v1.0.0": " "}}, "v1.0.0 is retired without a reason"),
        ({"retired": {"v1.0.0": None}}, "retired.v1.0.0"),
    ]:
        with pytest.raises(Fault) as fault:
            PolicyFile.parse({**good, **change}, "policy.yaml")
        assert said in str(fault.value)


def test_behaviour_says_one_thing_at_a_time() -> None:
    content = {
        "invariance": [{"column": "a", "values": ["x", 1, True], "tolerance": 0.1}],
        "direction": [{"column": "b", "change": 2, "expect": "increase"}],
        "minimum": [
            {"row": {"a": "x", "c": None}, "expect": {"low": 0, "high": 1}},
            {"row": {}, "expect": "yes"},
        ],
    }
    assert BehaviourFile.parse(content, "b").columns() == ["a", "b", "c"]
    assert BehaviourFile.parse({}, "b").columns() == []
    for wrong, said in [
        ({"invariance": [{"column": "a", "tolerance": 0.1}]}, "give either values or shift"),
        ({"invariance": [{"column": "a", "values": [1], "shift": 1, "tolerance": 0.1}]}, "give either"),
        ({"minimum": [{"row": {}, "expect": {"low": 2, "high": 1}}]}, "low 2.0 is greater than high 1.0"),
        ({"direction": [{"column": "b", "change": 2, "expect": "up"}]}, "direction.0.expect"),
    ]:
        with pytest.raises(Fault) as fault:
            BehaviourFile.parse(wrong, "b")
        assert said in str(fault.value)


def test_every_contract_has_a_json_schema_that_accepts_the_template(project: Path, tmp_path: Path) -> None:
    schemas = json_schemas()
    assert list(schemas) == list(CONTRACTS)
    for name, (path, _) in CONTRACTS.items():
        jsonschema.Draft202012Validator.check_schema(schemas[name])
        assert schemas[name]["title"] == path
        if (project / path).exists():
            jsonschema.validate(contract(name).read(project / path).model_dump(mode="json"), schemas[name])
    written = export(tmp_path / "out")
    assert [path.name for path in written] == [f"{name}.schema.json" for name in CONTRACTS]
    assert json.loads(written[0].read_text("utf-8"))["title"] == "schema.yaml"
