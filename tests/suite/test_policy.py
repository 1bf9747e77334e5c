"""`gitops-ml policy`: no key without its explanation, no check without its row, and what is unprotected is said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from click.testing import CliRunner
from pydantic import BaseModel
from tests.suite.conftest import TEMPLATE
from tests.suite.judged import evidence, schema, schema_text

from gitops_ml.contracts.base import read_plain
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.errors import Fault
from gitops_ml.gate.catalogue import CATALOGUE, KINDS, Entry, Standing, severities, standings
from gitops_ml.gate.judge import judge
from gitops_ml.policy import explain, screen
from gitops_ml.policy.command import policy as command
from gitops_ml.policy.keys import find, keys

ROOT = Path(__file__).parents[2]
FULL: dict[str, Any] = {
    "floors": {"accuracy": 0.1},
    "quality": {"repeats": 200, "secondary": {"accuracy": {"margin": 0.1}}},
    "slices": [{"column": "contract"}],
    "fairness": {"attributes": ["contract"]},
    "baseline": {"version": "v1.0.0"},
    "robustness": {"noise": 0.1, "missing": 3},
    "gold": {"table": "data/gold.parquet", "floor": 0.1},
    "reuse": {"limit": 20},
    "reproduction": {"share": 0.1},
    "leakage": {"shuffled_target": True},
    "budgets": {"train_seconds": 600},
}


def policy(**content: Any) -> PolicyFile:
    return PolicyFile.parse({"version": 1, "environments": ["production"], **content}, "policy.yaml")


def fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every key of a contract, by pydantic's own account of it: another way than by its JSON Schema."""
    for name, field in model.model_fields.items():
        yield f"{path}{name}"
        for inner, mark in inside(field.annotation):
            yield from fields(inner, f"{path}{name}{mark}.")


def inside(kind: Any, mark: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind, mark
    origin = getattr(kind, "__origin__", None)
    for one in get_args(kind):
        yield from inside(one, ".<name>" if origin is dict else "[]" if origin is list else mark)


# ---------------------------------------------------------------- keys


def test_every_key_is_explained_in_the_order_of_the_contract() -> None:
    assert [key.path for key in keys()] == list(fields(PolicyFile))
    assert [key.path for key in keys() if not key.meaning] == []
    told = explain.text(keys(), {}, policy().model_dump(mode="json"), 100)
    named = set(re.findall(r"^  ([\w.<>\[\]]+)(?: = |  \(|$)", told, re.MULTILINE))
    assert named == {key.path for key in keys()}


@pytest.mark.parametrize("width", [60, 80, 110])
def test_the_explanation_fits_the_terminal(width: int) -> None:
    told = explain.text(
        keys(), {}, policy(floors={f"metric_{k}": 0.5 for k in range(90)}).model_dump(mode="json"), width
    )
    assert max(map(len, told.splitlines())) <= width


def test_what_is_in_force_and_who_said_so() -> None:
    written = {"quality": {"margin": 0.05, "level": 0.95}, "floors": {"roc_auc": 0.7}}
    told = explain.text(keys(), written, policy(**written).model_dump(mode="json"), 110)
    assert "quality.margin = 0.05  (policy.yaml; the default is 0.02)" in told
    assert "quality.level = 0.95  (policy.yaml, as the default)" in told
    assert "quality.repeats = 2000  (the default)" in told
    assert 'floors = {"roc_auc": 0.7}  (policy.yaml; the default is {})' in told
    assert "Type: number more than 0.5, less than 1" in told


def test_one_key_and_what_it_holds() -> None:
    assert [key.path for key in find("quality.margin")] == ["quality.margin"]
    assert [key.path for key in find("slices")] == ["slices", "slices[].column", "slices[].quantiles"]
    assert [key.path for key in find("slices.column")] == ["slices[].column"]
    assert [key.path for key in find("quality.secondary.recall.margin")] == [
        "quality.secondary.<name>.margin"
    ]
    for wrong, words in (
        ("qualty.margin", "Did you mean quality.margin"),
        ("attributes", "Did you mean fairness.attributes"),
        ("zzz", "All of them: gitops-ml policy explain"),
    ):
        with pytest.raises(Fault, match=re.escape(words)):
            find(wrong)


# ---------------------------------------------------------------- checks


def test_every_check_of_the_documentation_is_in_the_catalogue_and_the_other_way_round() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \| ([^|]+\?) \|", (ROOT / "docs/gate.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) == len(CATALOGUE)
    assert dict(rows) == {entry.id: entry.question for entry in CATALOGUE}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_its_keys_are_keys_and_its_lines_do_what_they_say(entry: Entry) -> None:
    paths = {key.path for key in keys()}
    assert set(entry.keys) <= paths
    contract = schema(next(kind for kind in KINDS if kind in entry.kinds))

    def standing(given: dict[str, Any]) -> Standing:
        return next(one for one in standings(policy(**given), contract) if one.entry is entry)

    given: dict[str, Any] = {}
    for _ in range(2):  # once to be on, and once to stop a model
        now = standing(given)
        assert bool(now.line) == bool(entry.on if not now.ids else entry.stop and not now.stops)
        if now.line:
            given = merged(given, yaml(now.line))
    assert standing(given).stops or not (entry.on or entry.stop)


def yaml(line: str) -> dict[str, Any]:
    from ruamel.yaml import YAML

    found: dict[str, Any] = YAML(typ="safe", pure=True).load(line)
    return found


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """New keys beside the old ones, as a person would add them."""
    both = {name: merged(old[name], new[name]) for name in new if isinstance(old.get(name), dict)}
    return {**old, **new, **both}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [{}, FULL], ids=["bare", "full"])
def test_whatever_the_gate_says_is_in_the_catalogue_with_its_severity(
    kind: str, given: dict[str, Any]
) -> None:
    if kind == "regression" and given:
        given = {
            **given,
            "floors": {"r2": 0.1},
            "quality": {"repeats": 200, "secondary": {"mae": {"margin": 1.0}}},
        }
    made = evidence(kind, 300, policy=given, protected=("policy.yaml",), handed_over=True)
    columns = made.truth.to_frame().assign(contract=["monthly", "two-year"] * 150)[["contract"]]
    verdict = judge(replace(made, columns=columns))
    known = severities(policy(**given), schema(kind))
    for check in verdict.checks:
        assert any(entry.matches(check.id) for entry in CATALOGUE), check.id
        assert check.id in known, check.id
        order = ["note", "needs-human", "block"]
        assert order.index(check.severity) <= order.index(known[check.id]), check.id


# ---------------------------------------------------------------- the screen


def test_the_screen_tells_what_stops_what_tells_and_what_nobody_looks_at() -> None:
    bare = screen.text(policy(), schema("binary"), 100)
    stops, off = bare.index("stops a model"), bare.index("UNPROTECTED")
    for entry in CATALOGUE:
        shown = (entry.names(policy(), schema("binary")) or [entry.id])[0]
        assert shown in bare or not entry.on, entry.id
    assert stops < bare.index("quality/roc_auc") < off < bare.index("slices: [{column: contract}]")
    full = screen.text(policy(**FULL), schema("binary"), 100)
    assert "UNPROTECTED" not in full and "secondary/accuracy" in full and "fairness/contract" in full
    assert len(bare.splitlines()) < 60 and max(map(len, bare.splitlines())) <= 100


def test_what_waits_for_production_is_said() -> None:
    young = screen.text(policy(), schema("binary"), 100, handed_over=False)
    old = screen.text(policy(), schema("binary"), 100, handed_over=True)
    assert "stops it once production has changed hands" in young
    assert "once production" not in old and old.index("card/answers") < old.index("tells")


def test_numbers_have_no_flips() -> None:
    assert "flips" not in screen.text(policy(), schema("regression"), 100)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "schema.yaml").write_text(json.dumps(schema_text("binary")))
    (tmp_path / "policy.yaml").write_text((TEMPLATE / "policy.yaml").read_text("utf-8"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands(project: Path) -> None:
    run = CliRunner()
    shown = run.invoke(command, [], catch_exceptions=False)
    assert shown.exit_code == 0 and "UNPROTECTED" in shown.output and "main's policy.yaml" in shown.output
    told = run.invoke(command, ["explain", "quality.margin"], catch_exceptions=False)
    assert told.exit_code == 0 and told.output.startswith("  quality.margin = 0.02")
    every = run.invoke(command, ["explain"], catch_exceptions=False)
    assert all(key.path in every.output for key in keys())
    with pytest.raises(Fault, match="Did you mean"):
        run.invoke(command, ["explain", "qualty"], catch_exceptions=False)
    (project / "policy.yaml").write_text("version: 1\nenvironments: [production]\nquality: {margin: no}\n")
    for arguments in ([], ["explain"]):
        with pytest.raises(Fault, match=r"quality\.margin"):
            run.invoke(command, arguments, catch_exceptions=False)


# ---------------------------------------------------------------- for editors


@pytest.mark.parametrize("name", ["schema", "params", "policy", "behaviour", "human_card", "overrides"])
def test_the_shipped_schema_accepts_the_templates_own_file(name: str) -> None:
    """Where the file holds no Jinja; ``overrides`` has none in a new project."""
    shipped = json.loads((ROOT / "actions/schemas" / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(shipped)
    file = {"behaviour": "tests/model/behaviour.yaml", "human_card": "model_card.yaml"}.get(
        name, f"{name}.yaml"
    )
    settings = json.loads((TEMPLATE / ".vscode/settings.json").read_text("utf-8"))
    assert settings["yaml.schemas"][f".github/actions/schemas/{name}.schema.json"] == file
    if name in ("schema", "params", "policy", "behaviour"):
        jsonschema.validate(read_plain(TEMPLATE / file), shipped)
    if name == "policy":
        first = (TEMPLATE / file).read_text("utf-8").splitlines()[0]
        assert first.endswith(".github/actions/schemas/policy.schema.json")
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"version": 1, "environments": ["production"], "qualty": {}}, shipped)
