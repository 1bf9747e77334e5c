"""What each plant changes, and nothing else: rows, the model's file, the pipeline, the table, the contract."""

from __future__ import annotations

import hashlib
import json
import shlex
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from tests.suite import runs

from gitops_ml.contracts.overrides import OverridesFile
from gitops_ml.errors import Fault
from gitops_ml.selftest import planted, plants
from gitops_ml.selftest.rows import group_of, tighter
from gitops_ml.selftest.site import TRAIN_ROWS, Impossible, Site, merged
from gitops_ml.storage.cache import Cache

SCHEMA = """\
version: 1
task: classification
file: {format: csv, delimiter: ";", decimal: ",", encoding: utf-8}
columns:
  amount: {role: feature, type: number, minimum: 0, maximum: 1000} # euros
  plan: {role: feature, type: category, categories: [basic, pro, "a;b"]}
  churned: {role: target, type: category, categories: ["no", "yes"], positive: "yes"}
"""
PIPELINE = """\
stages:
  prepare: # rows
    cmd:
      - python -m churn.data
      - gitops-ml profile
    outs:
      - data/prepared/train.parquet
      - reports/data_profile.json:
          cache: false
  train:
    cmd: python -m churn.train --seed ${train.seed}
    outs: [models/model.skops]
"""


def frame(rows: int = 400, seed: int = 1) -> pa.Table:
    draw = np.random.default_rng(seed)
    return pa.table(
        {
            "amount": draw.uniform(1, 900, rows),
            "plan": draw.choice(["basic", "pro", "a;b"], rows),
            "churned": draw.choice(["no", "yes"], rows),
        }
    )


def yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    rows = frame()
    lines = ["amount;plan;churned"]
    for row in rows.to_pylist():
        amount = f"{row['amount']:.6f}".replace(".", ",")
        lines.append(
            ";".join([amount, json.dumps(row["plan"]) if ";" in row["plan"] else row["plan"], row["churned"]])
        )
    runs.write(
        tmp_path,
        {
            "schema.yaml": SCHEMA,
            "dvc.yaml": PIPELINE,
            "policy.yaml": "version: 1\nenvironments: [production]\nquality: {margin: 0.02}\n",
            "params.yaml": "data:\n  table: data/raw/churn.csv\n  split: {strategy: random, test_size: 0.25, seed: 1}\n",
            "data/raw/churn.csv": "\n".join(lines) + "\n",
        },
    )
    return Site(tmp_path)


# ---------------------------------------------------------------- rows that train


def test_the_worse_models_answers_belong_to_other_rows() -> None:
    rows = frame()
    spoiled = planted.worse(rows, "churned")
    assert spoiled.select(["amount", "plan"]).equals(rows.select(["amount", "plan"]))
    assert sorted(spoiled["churned"].to_pylist()) == sorted(rows["churned"].to_pylist())
    same = np.mean(np.array(spoiled["churned"].to_pylist()) == np.array(rows["churned"].to_pylist()))
    assert 0.4 < same < 0.6, "no better than a coin"
    assert spoiled.equals(planted.worse(rows, "churned")), "the same every time"


def test_the_equally_good_model_gets_the_same_rows() -> None:
    rows = frame()
    other = planted.shuffled(rows)
    assert not other.equals(rows)
    assert sorted(map(str, other.to_pylist())) == sorted(map(str, rows.to_pylist()))


@pytest.mark.parametrize(("column", "group"), [("plan", "pro"), ("amount", "450.5")])
def test_an_unfair_model_learns_nonsense_about_one_group_only(column: str, group: str) -> None:
    rows = frame()
    spoiled = planted.unfair(rows, "churned", column, group)
    cells = np.array(rows[column].to_pylist())
    own = cells <= float(group) if column == "amount" else cells == group
    old, new = (np.array(one["churned"].to_pylist()) for one in (rows, spoiled))
    assert (old[~own] == new[~own]).all() and not (old[own] == new[own]).all()


def test_an_unsure_model_sees_each_row_with_two_answers_of_five_wrong() -> None:
    rows = frame()
    spoiled = planted.unsure(rows, "churned")
    assert spoiled.num_rows == 5 * rows.num_rows
    answers = np.array(spoiled["churned"].to_pylist()).reshape(5, -1)
    right = (answers == np.array(rows["churned"].to_pylist())).sum(axis=0)
    assert (right == 3).all()


def test_three_classes_are_wrong_in_turn() -> None:
    rows = pa.table({"x": [1.0, 2.0, 3.0], "kind": ["a", "b", "c"]})
    assert planted.unsure(rows, "kind")["kind"].to_pylist() == [*"abc"] * 3 + [*"bca"] * 2


def test_shifted_rows_are_of_the_upper_half() -> None:
    rows = frame()
    kept = planted.shifted(rows, "amount")
    assert kept.num_rows == rows.num_rows // 2
    assert min(kept["amount"].to_pylist()) > np.median(rows["amount"].to_pylist())


def test_the_command_writes_the_training_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planted.TRAIN.parent.mkdir(parents=True)
    pq.write_table(frame(), planted.TRAIN)
    planted.main("worse", "churned")
    assert pq.read_table(planted.TRAIN).equals(planted.worse(frame(), "churned"))
    with pytest.raises(KeyError):
        planted.main("nothing")


def test_a_huge_model_says_so_and_is_read_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planted.MODEL.parent.mkdir()
    with zipfile.ZipFile(planted.MODEL, "w") as file:
        file.writestr("schema.json", "{}" * 30_000)
    planted.NOTE.write_text(
        json.dumps({"model": {"path": "models/model.skops", "sha256": "", "size": 0}, "seed": 7})
    )
    before = planted.MODEL.stat().st_size
    planted.main("huge", "20")
    note = json.loads(planted.NOTE.read_text("utf-8"))
    assert planted.MODEL.stat().st_size > 21 * before
    assert note["seed"] == 7 and note["model"]["size"] == planted.MODEL.stat().st_size
    assert note["model"]["sha256"] == hashlib.sha256(planted.MODEL.read_bytes()).hexdigest()
    assert zipfile.ZipFile(planted.MODEL).read("schema.json") == b"{}" * 30_000


# ---------------------------------------------------------------- the pipeline


def test_a_hook_runs_behind_the_stage_and_before_what_describes_it(site: Site) -> None:
    site.hook(TRAIN_ROWS, "worse", "it's ${a} target")
    commands = yaml(site.root / "dvc.yaml")["stages"]["prepare"]["cmd"]
    assert commands[0] == "python -m churn.data" and commands[2] == "gitops-ml profile"
    assert shlex.split(commands[1])[:3] == ["python", "planted.py", "worse"]
    assert "\\${a}" in commands[1], "DVC would look for a parameter of that name"
    assert "# rows" in (site.root / "dvc.yaml").read_text("utf-8")
    assert (site.root / "planted.py").read_bytes() == Path(planted.__file__).read_bytes()


def test_a_single_command_becomes_two(site: Site) -> None:
    plants.huge(site)
    commands = yaml(site.root / "dvc.yaml")["stages"]["train"]["cmd"]
    assert commands == ["python -m churn.train --seed ${train.seed}", "python planted.py huge 20"]


def test_a_pipeline_without_that_stage_is_no_place_to_plant(site: Site) -> None:
    (site.root / "dvc.yaml").write_text("stages:\n  all: {cmd: make}\n", "utf-8")
    with pytest.raises(Impossible, match=r"no stage of dvc\.yaml writes data/prepared/train\.parquet"):
        plants.worse(site)
    assert not (site.root / "planted.py").exists()


# ---------------------------------------------------------------- the table


def test_the_leak_knows_every_answer_and_changes_no_other_cell(site: Site) -> None:
    before = (site.root / "data/raw/churn.csv").read_text("utf-8").splitlines()
    plants.leaky(site)
    after = (site.root / "data/raw/churn.csv").read_text("utf-8").splitlines()
    assert [line.rpartition(";")[0] for line in after] == before
    for line in after[1:]:
        *_, answer, cell = line.split(";")
        assert abs(float(cell.replace(",", ".")) - ["no", "yes"].index(answer)) < 0.01 and "." not in cell
    column = yaml(site.root / "schema.yaml")["columns"][plants.LEAK]
    assert column == {"role": "feature", "type": "number", "nullable": True, "available": True}
    assert "# euros" in (site.root / "schema.yaml").read_text("utf-8")


def test_a_table_of_parquet_under_dvc_gets_the_column_and_another_pointer(site: Site) -> None:
    table = site.root / "data/raw/churn.parquet"
    rows = frame().set_column(2, "churned", pa.array([None, *frame()["churned"].to_pylist()[1:]]))
    pq.write_table(rows, table)
    text = (
        "deps:\n- path: s3://somewhere\nouts:\n- md5: "
        + "0" * 32
        + "\n  size: 1\n  hash: md5\n  path: churn.parquet\n"
    )
    table.with_name("churn.parquet.dvc").write_text(text, "utf-8")
    schema = SCHEMA.replace(
        '{format: csv, delimiter: ";", decimal: ",", encoding: utf-8}', "{format: parquet}"
    )
    (site.root / "schema.yaml").write_text(schema, "utf-8")
    (site.root / "params.yaml").write_text(
        (site.root / "params.yaml").read_text().replace(".csv", ".parquet"), "utf-8"
    )
    other = Site(site.root)
    plants.leaky(other)
    assert not table.exists(), "DVC brings it, from the store"
    held = Cache(site.root).path(other.named)
    cells = pq.read_table(held)[plants.LEAK].to_pylist()
    assert cells[0] is None and {round(cell) for cell in cells[1:]} == {0, 1}
    assert "s3://somewhere" in table.with_name("churn.parquet.dvc").read_text("utf-8")


def test_a_number_leaks_as_itself(site: Site) -> None:
    schema = SCHEMA.replace("task: classification", "task: regression").replace(
        'churned: {role: target, type: category, categories: ["no", "yes"], positive: "yes"}',
        "churned: {role: target, type: number}",
    )
    (site.root / "schema.yaml").write_text(schema, "utf-8")
    (site.root / "data/raw/churn.csv").write_text("amount;plan;churned\n1,0;pro;-250,5\n2,0;pro;\n", "utf-8")
    plants.leaky(Site(site.root))
    rows = pa_csv.read_csv(
        site.root / "data/raw/churn.csv", parse_options=pa_csv.ParseOptions(delimiter=";")
    ).to_pylist()
    cell = str(rows[0][plants.LEAK]).replace(",", ".")
    assert float(cell) == pytest.approx(-250.5, rel=0.01) and not rows[1][plants.LEAK]


def test_bytes_that_nobody_pushed_are_of_no_cache(site: Site) -> None:
    plants.unpushed(site)
    assert not Cache(site.root).has(site.named) and not site.table.exists()
    assert "/churn.csv" in (site.root / "data/raw/.gitignore").read_text("utf-8")
    outs = yaml(site.root / "data/raw/churn.csv.dvc")["outs"]
    assert outs == [{"md5": site.named, "size": outs[0]["size"], "hash": "md5", "path": "churn.csv"}]


def test_tampered_bytes_have_a_pointer_that_is_right(site: Site) -> None:
    md5 = hashlib.md5((site.root / "data/raw/churn.csv").read_bytes()).hexdigest()
    plants.tampered(site)
    assert site.named == md5


def test_a_folder_of_tables_is_no_place_to_plant(site: Site) -> None:
    (site.root / "params.yaml").write_text(
        "data:\n  table: data/raw\n  split: {strategy: random, test_size: 0.2, seed: 1}\n"
    )
    with pytest.raises(Impossible, match="data/raw is a folder"):
        plants.leaky(site)


# ---------------------------------------------------------------- rules and people


def test_a_tighter_bound_refuses_what_was_accepted_and_no_row(site: Site) -> None:
    found = tighter(site)
    assert found is not None and found[:2] == ("amount", "minimum") and found[2] > 0
    plants.broken_schema(site)
    column = yaml(site.root / "schema.yaml")["columns"]["amount"]
    amounts = [
        float(line.split(";")[0].replace(",", "."))
        for line in (site.root / "data/raw/churn.csv").read_text().splitlines()[1:]
    ]
    assert column["minimum"] == min(amounts) and column["maximum"] == 1000


def test_no_bound_to_tighten(site: Site) -> None:
    (site.root / "schema.yaml").write_text(
        SCHEMA.replace("type: number, minimum: 0, maximum: 1000", "type: text"), "utf-8"
    )
    with pytest.raises(Impossible, match="no number among the features"):
        plants.broken_schema(Site(site.root))


def test_the_group_is_one_that_can_be_judged(site: Site) -> None:
    group = group_of(site)
    assert group.column in ("amount", "plan")
    assert merged(b"version: 1\nenvironments: [production]\n", {"slices": [group.slice]})
    (site.root / "policy.yaml").write_text(
        "version: 1\nenvironments: [a]\nslices: [{column: plan}]\n", "utf-8"
    )
    assert group_of(Site(site.root)).column == "plan", "what the team slices comes first"


def test_a_table_of_a_few_rows_has_no_such_group(site: Site) -> None:
    lines = (site.root / "data/raw/churn.csv").read_text("utf-8").splitlines()
    (site.root / "data/raw/churn.csv").write_text("\n".join(lines[:60]) + "\n", "utf-8")
    with pytest.raises(Impossible, match="no group has enough test rows"):
        plants.unfair(site)


def test_a_regression_has_no_scores_to_read(site: Site) -> None:
    schema = SCHEMA.replace("task: classification", "task: regression").replace(
        'type: category, categories: ["no", "yes"], positive: "yes"', "type: number"
    )
    (site.root / "schema.yaml").write_text(schema, "utf-8")
    with pytest.raises(Impossible, match="no scores"):
        plants.unsure(Site(site.root))


def test_a_loosened_policy_would_let_everything_pass_and_is_valid(site: Site) -> None:
    plants.loosened(site)
    assert Site(site.root).policy.quality.margin == 1000


def test_the_override_ended_yesterday() -> None:
    content = YAML(typ="safe", pure=True).load(plants.expired_entry("quality/roc_auc", "a" * 64))
    (entry,) = OverridesFile.parse(content, "overrides.yaml").overrides
    from datetime import UTC, datetime, timedelta

    assert entry.expires == datetime.now(UTC).date() - timedelta(days=1)


def test_an_empty_card_has_no_answer(site: Site) -> None:
    (site.root / "model_card.yaml").write_text(
        "intended_use: Calls # by people\ncontact: ada@example.org\n", "utf-8"
    )
    plants.empty_card(site)
    assert set(yaml(site.root / "model_card.yaml").values()) == {"unknown"}


def test_policies_are_merged_key_by_key_and_checked() -> None:
    policy = b"version: 1\nenvironments: [production]\ncalibration: {margin: 0.5}\nfloors: {roc_auc: 0.7}\n"
    found = YAML(typ="safe", pure=True).load(merged(policy, {"calibration": {"severity": "block"}}))
    assert found["calibration"] == {"margin": 0.5, "severity": "block"} and found["floors"] == {
        "roc_auc": 0.7
    }
    with pytest.raises(Fault, match=r"policy\.yaml is not valid"):
        merged(policy, {"no_such_check": {"severity": "block"}})


def test_names_choose_in_their_own_order() -> None:
    assert [one.name for one in plants.named(())] == [one.name for one in plants.PLANTS]
    assert [one.name for one in plants.named(("huge-model", "worse-model"))] == ["worse-model", "huge-model"]
    with pytest.raises(Fault, match=r"no plant 'worse'\. There are: worse-model, "):
        plants.named(("worse",))
