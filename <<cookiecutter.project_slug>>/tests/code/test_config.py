"""The files of the team are read strictly, and a mistake is named with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from <<cookiecutter.package_name>>.config import ConfigError
from <<cookiecutter.package_name>>.params import Params, load_params
from <<cookiecutter.package_name>>.schema import Schema, load_schema

SCHEMA = """\
version: 1
task: classification
columns:
  age: {role: feature, type: number, minimum: 0, maximum: 120}
  plan: {role: feature, type: category, categories: [basic, pro]}
  left: {role: target, type: boolean, categories: [false, true]}
"""


def test_the_projects_own_files_are_valid(schema: Schema, params: Params) -> None:
    assert schema.features
    assert params.data.table


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("type: number", "typ: number"), "columns.age.typ: there is no such key; did you mean type?"),
        (("type: number", "type: decimal"), "columns.age.type: must be 'number'"),
        (("minimum: 0", "minimum: 200"), "minimum 200 is greater than maximum 120"),
        (("[basic, pro]", "[1, 2]"), "write '1' in quotes"),
        (
            ("role: target, type: boolean, categories: [false, true]", "role: feature, type: boolean"),
            "no column has the role target",
        ),
        (("role: feature", "role: target"), "columns have the role target"),
        (("task: classification", "task: regression"), "a number to predict is number or integer"),
        ((", categories: [false, true]", ""), "needs categories"),
        (("  plan:", "  age:"), "duplicate key"),
        (("  plan:", "  2019:"), "Write it in quotes: '2019'"),
        (("version: 1", "version: ["), "not valid YAML"),
    ],
)
def test_a_mistake_in_the_schema_is_named(tmp_path: Path, wrong: tuple[str, str], said: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(SCHEMA.replace(*wrong), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_schema(path)
    assert said in str(error.value)


def test_an_unknown_param_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("data: {table: a.csv}\ntrain: {estimator: x.Y, sead: 1}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"train\.sead: there is no such key; did you mean seed\?"):
        load_params(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        load_params(tmp_path / "params.yaml")
