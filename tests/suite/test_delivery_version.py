"""The version rule as a table of decisions; and what an identity sees of a commit, and what it does not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.suite.delivery import World

from gitops_ml.build.lock import Entry, Out
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.delivery.identity import Identity, identity, included, making, package
from gitops_ml.delivery.version import Release, bumped, next_version, upcoming
from gitops_ml.errors import Fault

V1 = Release("v1.2.3", "churn@v1.2.3", "0" * 40)
COLUMNS: dict[str, dict[str, Any]] = {
    "customer": {"role": "id", "type": "text"},
    "tenure": {"role": "feature", "type": "integer", "minimum": 0, "maximum": 100},
    "plan": {"role": "feature", "type": "category", "categories": ["basic", "pro"]},
    "note": {"role": "feature", "type": "text", "nullable": True},
    "churned": {"role": "target", "type": "category", "categories": ["no", "yes"], "positive": "yes"},
}


def schema(task: str = "classification", **columns: dict[str, Any] | None) -> SchemaFile:
    """The contract with columns added, replaced, or (None) taken out; ``old_name__new_name`` is not needed."""
    kept = {name: column for name, column in (COLUMNS | columns).items() if column is not None}
    return SchemaFile.parse(
        {"version": 1, "task": task, "file": {"format": "csv"}, "columns": kept}, "schema.yaml"
    )


def lock(**change: Any) -> dict[str, Entry]:
    facts = {
        "data": "a" * 32,
        "schema": "b" * 32,
        "code": "c" * 32,
        "seed": 7,
        "cmd": "python -m churn.train",
    }
    facts |= {
        "libraries": ["numpy==2"],
        "path": "data/raw/churn.csv",
        "estimator": "Forest",
        "table": "churn",
    }
    facts |= change
    train = hashlib.md5(str(facts["data"]).encode()).hexdigest()
    code = {
        "src/churn/train.py": facts["code"],
        **({"queries/rows.sql": facts["sql"]} if "sql" in facts else {}),
    }
    return {
        "prepare": Entry(
            "python -m churn.data",
            {facts["path"]: facts["data"], "schema.yaml": facts["schema"]},
            {"params.yaml": {"data.table": facts["table"]}},
            {"data/prepared/train.parquet": Out(train, 9)},
        ),
        "train": Entry(
            facts["cmd"],
            {"data/prepared/train.parquet": train, **code},
            {
                "params.yaml": {"train.seed": facts["seed"], "train.estimator": facts["estimator"]},
                "pyproject.toml": {"project.dependencies": facts["libraries"]},
            },
            {"models/model.skops": Out("d" * 32, 9)},
        ),
    }


def made(model: str = "m", serving: str = "s", contract: SchemaFile | None = None, **change: Any) -> Identity:
    source = change.pop("source", "import https://example.org")
    return Identity(
        hashlib.sha256(model.encode()).hexdigest(),
        {"src/churn/service.py": serving},
        contract or schema(),
        lock(**change),
        source,
    )


OLD = made()
OPTIONAL = {"role": "feature", "type": "number", "nullable": True}
REQUIRED = {"role": "feature", "type": "number"}
TENURE = COLUMNS["tenure"]

TABLE = [
    # what happened, what main is now, the version, a word of why
    ("nothing", made(), None, "v1.2.3"),
    ("other params, the same bytes and service", made(seed=8), None, "v1.2.3"),
    ("newer rows that changed no byte", made(data="e" * 32), None, "v1.2.3"),
    ("newer rows", made("n", data="e" * 32), "v1.2.4", "newer data, same recipe"),
    ("the same recipe, other bytes", made("n"), "v1.2.4", "other bytes"),
    ("a fix of the service", made(serving="t"), "v1.2.4", "src/churn/service.py"),
    ("newer rows and a fix of the service", made("n", "t", data="e" * 32), "v1.2.4", "newer data"),
    ("a comment in schema.yaml with newer rows", made("n", schema="e" * 32, data="e" * 32), "v1.2.4", "newer"),
    ("a knob", made("n", seed=8), "v1.3.0", "train.seed"),
    ("another estimator", made("n", estimator="Boost"), "v1.3.0", "train.estimator"),
    ("code of the train stage", made("n", code="e" * 32), "v1.3.0", "train.py"),
    ("code that changed no byte, but is served", made("m", "t", code="e" * 32), "v1.3.0", "train.py"),
    ("a query that a stage reads", made("n", sql="e" * 32), "v1.3.0", "queries/rows.sql"),
    ("a library", made("n", "t", libraries=["numpy==3"]), "v1.3.0", "libraries"),
    ("the command of a stage", made("n", cmd="nice python -m churn.train"), "v1.3.0", "stage train"),
    ("another table", made("n", path="data/raw/b.csv", table="b"), "v1.3.0", "data.table"),
    ("the same path, imported from elsewhere", made("n", data="e" * 32, source="s3"), "v1.3.0", "data source"),
    ("knob and newer rows", made("n", seed=8, data="e" * 32), "v1.3.0", "train.seed"),
    (
        "a new optional column",
        made("n", contract=schema(score=OPTIONAL), schema="e" * 32),
        "v1.3.0",
        "schema",
    ),
    (
        "a wider range",
        made("n", contract=schema(tenure={**TENURE, "maximum": 200}), schema="e" * 32),
        "v1.3.0",
        "schema",
    ),
    (
        "one category more",
        made("n", contract=schema(plan={**COLUMNS["plan"], "categories": ["basic", "pro", "max"]}), schema="e" * 32),
        "v1.3.0",
        "schema",
    ),
    ("a new required column", made("n", contract=schema(score=REQUIRED)), "v2.0.0", "score is a new field"),
    ("a column gone", made("n", contract=schema(note=None)), "v2.0.0", "note is no longer"),
    (
        "a column not known when predicting",
        made("n", contract=schema(note={**COLUMNS["note"], "available": False})),
        "v2.0.0",
        "note is no longer",
    ),
    (
        "another type",
        made("n", contract=schema(tenure={"role": "feature", "type": "text"})),
        "v2.0.0",
        "tenure is text",
    ),
    ("a narrower range", made("n", contract=schema(tenure={**TENURE, "minimum": 1})), "v2.0.0", "at least 1"),
    (
        "one category less",
        made("n", contract=schema(plan={**COLUMNS["plan"], "categories": ["basic"]})),
        "v2.0.0",
        "no longer be pro",
    ),
    (
        "categories where any text was",
        made("n", contract=schema(note={"role": "feature", "type": "category", "nullable": True, "categories": ["a"]})),
        "v2.0.0",
        "note",
    ),
    (
        "no empty cell any more",
        made("n", contract=schema(note={"role": "feature", "type": "text"})),
        "v2.0.0",
        "no longer be empty",
    ),
    (
        "another class",
        made("n", contract=schema(churned={**COLUMNS["churned"], "categories": ["no", "yes", "maybe"], "positive": None})),
        "v2.0.0",
        "classes",
    ),
    (
        "another task",
        made("n", contract=schema("regression", churned={"role": "target", "type": "number"})),
        "v2.0.0",
        "regression",
    ),
    (
        "another target",
        made("n", contract=schema(churned=None, returned=COLUMNS["churned"])),
        "v2.0.0",
        "returned is predicted",
    ),
    ("no id any more", made("n", contract=schema(customer=None)), "v2.0.0", "customer"),
    ("major beats minor", made("n", contract=schema(note=None), seed=8, data="e" * 32), "v2.0.0", "callers"),
    (
        "callers must change, the model's bytes did not",
        made("m", "t", contract=schema(tenure={**TENURE, "minimum": 1})),
        "v2.0.0",
        "callers",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "version", "word"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_version_follows_from_what_changed(now: Identity, version: str | None, word: str) -> None:
    decision = next_version(V1, now, OLD)
    assert decision.version == version
    assert word in decision.why
    assert (decision.step is None) == (version is None)


def test_the_first_version_is_1_0_0_and_without_a_model_there_is_none() -> None:
    assert next_version(None, OLD, None).version == "v1.0.0"
    assert next_version(None, Identity(None), None).version is None
    assert next_version(V1, Identity("a" * 64, unreadable="no"), OLD).version is None


def test_a_former_contract_that_nobody_can_read_any_more_counts_as_a_break() -> None:
    old = Identity(OLD.model, OLD.serving, None, OLD.lock, OLD.source, "of another age")
    assert next_version(V1, made("n"), old).version == "v2.0.0"


@pytest.mark.parametrize(
    ("version", "step", "then"),
    [("v1.2.3", "patch", "v1.2.4"), ("v1.2.3", "minor", "v1.3.0"), ("1.9.9", "major", "v2.0.0")],
)
def test_a_step_resets_what_is_below_it(version: str, step: Any, then: str) -> None:
    assert bumped(version, step) == then


def test_only_stages_that_lead_to_the_model_make_it() -> None:
    stages = lock() | {
        "evaluate": Entry("x", {"models/model.skops": "d" * 32}, {}, {"reports/m.json": Out("f" * 32, 1)})
    }
    assert set(making(stages)) == {"prepare", "train"}
    assert set(making({"other": Entry("x")})) == {"other"}, "unknown is not nothing"


@pytest.mark.parametrize(
    ("line", "name"),
    [("Ruamel.Yaml>=1", "ruamel-yaml"), ("a_b[x] ; python_version<'3'", "a-b"), ('{"g": 1}', '{"g": 1}')],
)
def test_a_requirement_is_told_by_its_package(line: str, name: str) -> None:
    assert package(line) == name


# ---------------------------------------------------------------- from git


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


def test_includes_are_matched_as_git_ignores_are(world: World) -> None:
    world.commit({"src/churn/deep/a.py": "1", "src/churn/b.txt": "1"})

    def paths(include: Any, exclude: Any = None) -> set[str]:
        return {path for path in included(world.root, "HEAD", include, exclude) if path.startswith("src/")}

    flat = paths(["src/churn/*.py"])
    assert {"src/churn/train.py", "src/churn/service.py"} <= flat
    assert not flat & {"src/churn/deep/a.py", "src/churn/b.txt"}
    assert "src/churn/deep/a.py" in paths(["src/"])
    assert paths(["*.txt"]) == {"src/churn/b.txt"}
    assert "src/churn/train.py" not in paths(["src/"], ["src/churn/train.py"])
    assert "src/churn/service.py" in paths(None), "without patterns, everything"


def step(world: World, files: dict[str, Any], **facts: Any) -> str | None:
    """What the version rule makes of one more commit."""
    world.commit(files, **facts)
    return upcoming(world.root, "HEAD").step


@pytest.mark.parametrize(
    ("files", "facts", "wanted"),
    [
        ({"README.md": "other words"}, {}, None),
        ({"deploy/production/model.yaml": "x: 1"}, {}, None),
        ({"pyproject.toml": ("starlette==1.0", "starlette==1.1")}, {}, None),
        ({"pyproject.toml": ("bentoml==1.4.1", "bentoml==1.4.2")}, {}, "patch"),
        ({"pyproject.toml": ("bentoml>=1.4", "bentoml>=1.5")}, {}, "patch"),
        ({"pyproject.toml": ("pytest>=8", "pytest>=9")}, {}, None),
        ({"src/churn/service.py": "served = 2\n"}, {}, "patch"),
        ({"schema.yaml": ("columns:", "# a comment\ncolumns:")}, {}, None),
        ({"schema.yaml": ("minimum: 0", "minimum: 1")}, {"schema": 2}, "major"),
        ({}, {"data": 2}, "patch"),
        ({}, {"params": 2}, "minor"),
        ({"src/churn/train.py": "train = 2\n"}, {"code": 2}, "minor"),
        ({"data/raw/churn.csv.dvc": "deps: [{path: 's3://b/x', etag: '2'}]\nouts: []\n"}, {"data": 2}, "patch"),
        ({"data/raw/churn.csv.dvc": "deps: [{path: 's3://c/x', etag: '1'}]\nouts: []\n"}, {"data": 2}, "minor"),
    ],
)  # fmt: skip
def test_what_a_commit_changes_decides_its_version(
    world: World, files: dict[str, Any], facts: dict[str, int], wanted: str | None
) -> None:
    world.commit({"data/raw/churn.csv.dvc": "deps: [{path: 's3://b/x', etag: '1'}]\nouts: []\n"})
    world.git("tag", "churn@v1.0.0")
    assert step(world, files, **facts) == wanted


def test_a_version_that_another_line_of_history_has_is_not_given_twice(world: World) -> None:
    world.git("tag", "churn@v1.0.0")
    world.git("checkout", "-q", "-b", "aside")
    world.commit({}, data=2)
    world.git("tag", "churn@v1.0.1")
    world.git("checkout", "-q", "main")
    world.commit({}, data=3)
    decision = upcoming(world.root, "HEAD")
    assert (decision.version, decision.step) == ("v1.0.2", "patch")
    assert "v1.0.1 is taken" in decision.why


def test_an_unknown_revision_is_a_fault_and_not_an_empty_identity(world: World) -> None:
    with pytest.raises(Fault, match="the commit nowhere is not in"):
        identity(world.root, "nowhere")
