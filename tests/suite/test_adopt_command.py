"""adopt from end to end: what it writes, what it keeps, and that a failure leaves the folder as it was."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from tests.suite.conftest import said

from gitops_ml.adopt import write
from gitops_ml.adopt.command import adopt_table
from gitops_ml.adopt.plan import Asked, make_plan
from gitops_ml.adopt.read import read_table
from gitops_ml.adopt.schema_edit import change, set_
from gitops_ml.adopt.yaml_text import schema_text
from gitops_ml.cli import main
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.errors import Fault
from gitops_ml.shell import prefix


def fake_dvc_add(table: Path) -> None:
    """What `dvc add` leaves behind, without the seconds it takes."""
    text = f"outs:\n- md5: {write.md5_of(table)}\n  size: {table.stat().st_size}\n  hash: md5\n  path: {table.name}\n"
    write.pointer_of(table).write_text(text, "utf-8")
    ignore = table.with_name(".gitignore")
    lines = ignore.read_text("utf-8").splitlines() if ignore.exists() else []
    if f"/{table.name}" not in lines:
        ignore.write_text("\n".join([*lines, f"/{table.name}"]) + "\n", "utf-8")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Without the real DVC; the list holds what was added."""
    added: list[Path] = []

    def add(table: Path) -> None:
        added.append(table)
        fake_dvc_add(table)

    monkeypatch.setattr(write, "dvc_add", add)
    return added


def churn(rows: int = 400) -> pd.DataFrame:
    draw = np.random.default_rng(5)
    left = draw.random(rows) < 0.3
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:05d}" for i in range(rows)],
            "signed": pd.date_range("2023-01-01", periods=rows, freq="D").strftime("%Y-%m-%d"),
            "age": draw.integers(18, 80, rows),
            "plan": draw.choice(["basic", "pro"], rows),
            "household": draw.integers(0, 90, rows),
            "spend": np.where(draw.random(rows) < 0.1, np.nan, draw.normal(50, 9, rows).round(2)),
            "active": draw.random(rows) < 0.5,
            "note": [" ".join(draw.choice(["good", "bad", "slow", "fast", "help"], 7)) for _ in range(rows)],
            "constant": 1,
            "empty": "",
            "churned": left.astype(int),
        }
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    churn().to_csv(tmp_path / "churn.csv", index=False)
    return tmp_path / "churn.csv"


def lines(path: str = "schema.yaml") -> dict[str, str]:
    found = Path(path).read_text("utf-8").splitlines()
    return {line.partition(":")[0].strip(): line for line in found if line.startswith("  ")}


# ---------------------------------------------------------------- what it writes


def test_the_sample_describes_itself(project: Path, unchanged: Callable[[], None]) -> None:
    """The shipped schema is what adopt writes: adopting the sample again changes nothing."""
    told = adopt_table(Path("data/raw/breast_cancer.csv"), Asked())
    unchanged()
    assert "569 rows, 31 columns" in told
    found = make_plan(read_table(Path("data/raw/breast_cancer.csv")), Asked(target="diagnosis"), None).schema
    assert schema_text(found) == Path("schema.yaml").read_text("utf-8")


def test_with_the_real_dvc(project: Path, table: Path) -> None:
    told = adopt_table(table, Asked(target="churned"))
    assert Path("data/raw/churn.csv").read_bytes() == table.read_bytes()
    pointer = Path("data/raw/churn.csv.dvc")
    assert write.pointed_md5(pointer) == write.md5_of(table)
    assert Path("data/raw/.gitignore").read_text("utf-8") == "/churn.csv\n"
    assert not Path("data/raw/breast_cancer.csv").exists()
    status = subprocess.run(["git", "status", "--short"], capture_output=True, text=True, check=True).stdout
    assert sorted(line.split()[-1] for line in status.splitlines()) == [
        "data/raw/.gitignore", "data/raw/breast_cancer.csv", "data/raw/churn.csv.dvc", "model_card.yaml",
        "params.yaml", "schema.yaml", "tests/model/behaviour.yaml",
    ]  # fmt: skip
    assert told.endswith(f"next      {prefix(project)}gitops-ml reproduce\n")


def test_schema_and_params(project: Path, table: Path, quick: list[Path]) -> None:
    params = Path("params.yaml").read_text("utf-8")
    told = adopt_table(table, Asked(target="churned", id="customer_id", time="signed", drop=("active",)))
    schema = SchemaFile.read("schema.yaml")
    assert schema.task == "classification"
    assert (schema.one("id"), schema.one("time"), schema.target) == ("customer_id", "signed", "churned")
    assert schema.features == ["age", "plan", "household", "spend", "note"]
    assert schema.columns["spend"].nullable
    assert schema.columns["note"].type == "text"
    found = lines()
    assert (
        found["plan"]
        == "  plan: {role: feature, type: category, nullable: false, available: true, categories: [basic, pro]}"
    )
    assert (
        found["age"]
        == "  age: {role: feature, type: integer, nullable: false, available: true, minimum: 0, maximum: 110}"
    )
    assert (
        found["churned"]
        == "  churned: {role: target, type: integer, nullable: false, categories: [0, 1], positive: 1}"
    )
    assert found["constant"].endswith("reason: the same value in every row}")
    assert found["empty"].endswith("reason: empty in every row}")
    assert found["active"].endswith("reason: dropped by hand (adopt --drop)}")
    changed = re.sub(" +#", " #", Path("params.yaml").read_text("utf-8"))
    assert changed == params.replace("breast_cancer.csv", "churn.csv").replace(
        "strategy: random #", "strategy: time #"
    )
    for part in [
        "400 rows, 11 columns",
        "id customer_id, time signed",
        "the score is that of 1",
        "CSV with commas, utf-8",
    ]:
        assert part in told


def test_group_splits_by_group(project: Path, table: Path, quick: list[Path]) -> None:
    adopt_table(table, Asked(target="churned", group="household"))
    assert ParamsFile.read("params.yaml").data.split.strategy == "group"
    adopt_table(None, Asked(drop=("household",)))
    assert ParamsFile.read("params.yaml").data.split.strategy == "random"


def test_twice_is_once(project: Path, table: Path, quick: list[Path]) -> None:
    adopt_table(table, Asked(target="churned"))
    before = {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git/" not in str(path)
    }
    for again in (table, None, Path("data/raw/churn.csv")):
        adopt_table(again, Asked(target="churned" if again == table else None))
    assert {path: path.read_bytes() for path in before} == before
    assert len(quick) == 1


def test_parquet_and_a_regression(project: Path, tmp_path: Path, quick: list[Path]) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": draw.normal(size=300),
            "when": pd.date_range("2024-01-01", periods=300),
            "y": draw.normal(size=300),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    told = adopt_table(tmp_path / "t.parquet", Asked(target="y"))
    schema = SchemaFile.read("schema.yaml")
    assert (schema.task, schema.file.format) == ("regression", "parquet")
    assert "file: {format: parquet}" in Path("schema.yaml").read_text("utf-8")
    train = YAML(typ="safe", pure=True).load(Path("params.yaml").read_text("utf-8"))["train"]
    assert train["estimator"] == "sklearn.ensemble.HistGradientBoostingRegressor"
    assert "class_weight" not in train
    assert "calibration" not in train
    assert "the estimator is now sklearn.ensemble.HistGradientBoostingRegressor" in told
    assert "(regression)" in told
    shipped = (
        Path(__file__).parents[2]
        / "<<cookiecutter.project_slug>>"
        / ".variants"
        / "regression"
        / "params.yaml"
    )
    assert re.sub(" +#", " #", Path("params.yaml").read_text("utf-8")) == shipped.read_text("utf-8").replace(
        "diabetes.csv", "t.parquet"
    )
    again = churn()
    again.to_csv(tmp_path / "back.csv", index=False)
    adopt_table(tmp_path / "back.csv", Asked(target="churned"))
    train = YAML(typ="safe", pure=True).load(Path("params.yaml").read_text("utf-8"))["train"]
    assert train["estimator"] == "sklearn.ensemble.HistGradientBoostingClassifier"
    assert (train["class_weight"], train["calibration"]) == (None, None)
    assert not Path("data/raw/t.parquet").exists()
    assert not Path("data/raw/t.parquet.dvc").exists()
    assert Path("data/raw/.gitignore").read_text("utf-8") == "/back.csv\n"


@pytest.mark.parametrize(
    "name",
    [
        "my data (1).csv",
        "$(touch pwned).csv",
        "-rf.csv",
        "🦊.csv",
        "a'b\"c.csv",
        "[x]*.csv",
        "${{ x }}.csv",
        "%41;&.csv",
    ],
)
def test_hostile_file_names_are_names(project: Path, table: Path, quick: list[Path], name: str) -> None:
    shutil.copy(table, table.with_name(name))
    adopt_table(table.with_name(name), Asked(target="churned"))
    assert ParamsFile.read("params.yaml").data.table == f"data/raw/{name}"
    assert Path("data/raw", name).read_bytes() == table.read_bytes()
    assert not list(project.rglob("pwned"))


@pytest.mark.parametrize("name", ["$(x) [1].csv", "-rf.csv"])
def test_hostile_file_names_with_the_real_dvc(project: Path, table: Path, name: str) -> None:
    shutil.copy(table, table.with_name(name))
    adopt_table(table.with_name(name), Asked(target="churned"))
    assert write.pointed_md5(Path("data/raw", name + ".dvc")) == write.md5_of(table)
    tracked = subprocess.run(
        ["git", "status", "--short", "-uall"], capture_output=True, text=True, check=True
    ).stdout
    assert f"{name}.dvc" in tracked
    assert f"{name}\n" not in tracked


HOSTILE = ["with space", "it's", 'say "hi"', "🦊", "a[0]", "x: y", "# no", "select", "class", "null", "true", "3", "- a", "{b}",
           "%x", "a,b", "line\nbreak", "@", "*", "&a", "!t", "1e3", "~", "<" + "<", "=", "x" * 200]  # fmt: skip


def test_hostile_column_names_are_names(project: Path, tmp_path: Path, quick: list[Path]) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({name: draw.normal(size=60) for name in HOSTILE})
    frame["the 'target'"] = draw.choice(["yes", "no", "it's", "1", "true"], 60)
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = adopt_table(tmp_path / "t.csv", Asked(target="the 'target'"))
    schema = SchemaFile.read("schema.yaml")
    assert list(schema.columns) == [*HOSTILE, "the 'target'"]
    assert schema.columns["the 'target'"].categories == ["1", "it's", "no", "true", "yes"]
    assert "fewer than 20 rows of" in told


def test_wide_tables(project: Path, tmp_path: Path, quick: list[Path]) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(300, 500)).round(3), columns=[f"c{i}" for i in range(500)])
    frame["y"] = draw.integers(0, 3, 300)
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = adopt_table(tmp_path / "t.csv", Asked(target="y"))
    assert "500: 500 number" in told
    assert "warning" not in told


# ---------------------------------------------------------------- what it tells


def test_warnings(project: Path, tmp_path: Path, quick: list[Path]) -> None:
    frame = churn(150)
    frame["churned"] = (np.arange(150) % 30 == 0).astype(int)
    frame["cancel reason"] = np.where(frame["churned"] == 1, "price", "none")
    frame["closed_at"] = np.where(frame["churned"] == 1, 9.5, 1.25) + frame["age"] / 1e6
    frame["thousands"] = [f"{i}" for i in range(149)] + ["n.a."]
    frame.loc[0, "churned"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = adopt_table(tmp_path / "t.csv", Asked(target="churned"))
    for part in [
        "1 rows have no churned",
        "only 149 rows with a target",
        "fewer than 20 rows of 1 (4)",
        "imbalance: 1 is 2.7% of the rows",
        "class_weight: balanced",
        "uv run gitops-ml adopt --id customer_id",
    ]:
        assert part in told
    frame = churn(600)
    frame["cancel reason"] = np.where(frame["churned"] == 1, "price", "none")
    frame["closed_at"] = np.where(frame["churned"] == 1, 9.5, 1.25) + frame["age"] / 1e6
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = adopt_table(tmp_path / "t.csv", Asked(target="churned", afresh=True))
    assert "uv run gitops-ml adopt --drop 'cancel reason'" in told
    assert "closed_at alone predicts the target (AUC 1.000)" in told
    assert "gitops-ml schema set closed_at --unavailable" in told
    change(
        Path("schema.yaml"),
        "closed_at",
        lambda entry: set_(entry, "closed_at", reason="closed before we ask"),
    )
    told = adopt_table(None, Asked())
    assert "cancel reason alone" in told and "closed_at" not in told, "somebody said why it is known"
    assert "warning" not in adopt_table(None, Asked(drop=("cancel reason", "closed_at")))


def test_many_leaks_are_counted(project: Path, tmp_path: Path, quick: list[Path]) -> None:
    frame = churn(300)
    for number in range(7):
        frame[f"leak{number}"] = frame["churned"] * 2
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert "2 more columns predict the target alone" in adopt_table(
        tmp_path / "t.csv", Asked(target="churned")
    )


# ---------------------------------------------------------------- adopting again


def test_edits_survive_a_newer_version_of_the_table(project: Path, table: Path, quick: list[Path]) -> None:
    adopt_table(table, Asked(target="churned", time="signed"))
    text = Path("schema.yaml").read_text("utf-8")
    text = text.replace("maximum: 110", "maximum: 85").replace("[basic, pro]", "[basic, pro, trial]")
    text = text.replace(
        "spend: {role: feature, type: number, nullable: true, available: true",
        "spend: {role: feature, type: number, nullable: true, available: false",
    )
    Path("schema.yaml").write_text(text.replace("positive: 1", "positive: 0"), "utf-8")
    newer = churn(500)
    newer.loc[3, "age"] = 99
    newer.loc[4, "plan"] = "gold"
    newer["extra"] = np.arange(500) % 7
    newer.to_csv(table.with_name("churn-march.csv"), index=False)
    told = adopt_table(table.with_name("churn-march.csv"), Asked())
    schema = SchemaFile.read("schema.yaml")
    assert "a newer version of the same table" in told
    assert "when predicting, so not features: spend" in told
    assert schema.columns["spend"].available is False
    assert schema.columns["plan"].categories in (
        ["basic", "pro", "trial", "gold"],
        ["basic", "pro", "trial", "gold"],
    )
    assert schema.columns["age"].maximum == 140
    assert schema.columns["churned"].positive == 0
    assert schema.columns["extra"].role == "feature"
    assert schema.one("time") == "signed"
    assert ParamsFile.read("params.yaml").data.split.strategy == "time"
    assert not Path("data/raw/churn.csv").exists()
    adopt_table(None, Asked(target="churned", afresh=True))
    assert SchemaFile.read("schema.yaml").columns["spend"].available


def test_roles_move(project: Path, table: Path, quick: list[Path]) -> None:
    adopt_table(table, Asked(target="churned", id="customer_id"))
    adopt_table(None, Asked(target="active"))
    schema = SchemaFile.read("schema.yaml")
    assert (schema.target, schema.columns["churned"].role, schema.one("id")) == (
        "active",
        "feature",
        "customer_id",
    )
    adopt_table(None, Asked(time="signed", target="churned"))
    assert SchemaFile.read("schema.yaml").one("time") == "signed"


def test_slices_and_expectations_of_other_columns_go(project: Path, table: Path, quick: list[Path]) -> None:
    policy = (
        Path("policy.yaml")
        .read_text("utf-8")
        .replace("slices: []", "slices:\n- {column: mean area, quantiles: 4}\n- {column: age, quantiles: 2}")
    )
    Path("policy.yaml").write_text(policy, "utf-8")
    Path("tests/model/behaviour.yaml").write_text(
        "# Top.\n\n# One.\ninvariance:\n- {column: mean area, shift: 1, tolerance: 0.1} # here\n# Two.\n"
        "direction:\n  # inner\n  - {column: mean area, change: 1, expect: increase}\nminimum:\n- row: {mean area: 1}\n  expect: benign\n",
        "utf-8",
    )
    told = adopt_table(table, Asked(target="churned"))
    assert Path("tests/model/behaviour.yaml").read_text("utf-8") == (
        "# Top.\n\n# One.\ninvariance: []\n# Two.\ndirection: []\nminimum: []\n"
    )
    assert "slices by mean area are gone" in told
    assert "3 expectations of other columns removed" in told
    assert "- {column: age, quantiles: 2}" in Path("policy.yaml").read_text("utf-8")
    Path("tests/model/behaviour.yaml").write_text(
        "direction:\n- {column: age, change: 1, expect: increase}\n- {column: spend, change: 1, expect: increase}\n",
        "utf-8",
    )
    told = adopt_table(None, Asked(drop=("age",)))
    assert "1 expectation of other columns removed" in told
    assert (
        Path("tests/model/behaviour.yaml").read_text("utf-8")
        == "direction:\n- {column: spend, change: 1, expect: increase}\n"
    )
    assert "slices: []" in Path("policy.yaml").read_text("utf-8")


def test_a_table_whose_bytes_nobody_has_stays(project: Path, table: Path, quick: list[Path]) -> None:
    Path("data/raw/breast_cancer.csv").write_text("edited by hand", "utf-8")
    told = adopt_table(table, Asked(target="churned"))
    assert Path("data/raw/breast_cancer.csv").exists()
    assert "data/raw/breast_cancer.csv stays" in told


def test_the_same_name_as_the_sample(project: Path, table: Path) -> None:
    """git forgets the sample of that name, so that DVC may take it."""
    shutil.copy(table, table.with_name("breast_cancer.csv"))
    adopt_table(table.with_name("breast_cancer.csv"), Asked(target="churned"))
    assert Path("data/raw/breast_cancer.csv").read_bytes() == table.read_bytes()
    assert not write.in_git(Path("data/raw/breast_cancer.csv"))
    assert write.pointed_md5(Path("data/raw/breast_cancer.csv.dvc")) == write.md5_of(table)


# ---------------------------------------------------------------- bad input


def good(**changes: Any) -> pd.DataFrame:
    return churn(60).assign(**changes)


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (good(), ["--target", "churn"], "--target: the table has no column 'churn'. Did you mean churned?"),
        (good(), [], "Which column should be predicted? Add --target COLUMN"),
        (good(churned=1), ["--target", "churned"], "has one value in every row"),
        (good(churned=None), ["--target", "churned"], "empty in every row"),
        (good(), ["--target", "note"], "too many to be classes"),
        (good(), ["--target", "signed"], "is a date"),
        (good(), ["--target", "plan", "--task", "regression"], "regression needs one"),
        (
            good(),
            ["--target", "churned", "--time", "churned"],
            "Column churned cannot be both --target and --time",
        ),
        (good(), ["--target", "churned", "--time", "plan"], "--time: column plan holds no times"),
        (good(signed="31.12.2024"), ["--target", "churned", "--time", "signed"], "ISO 8601"),
        (good(), ["--target", "churned", "--time", "spend"], "--time: column spend is empty in row"),
        (
            good(),
            ["--target", "churned", "--group", "empty"],
            "--group: column empty is empty in row 1, 2, 3",
        ),
        (good(), ["--target", "churned", "--id", "plan"], "--id: column plan does not name rows: '"),
        (good(k=[1, 1, *range(58)]), ["--target", "churned", "--id", "k"], "1 stands in rows 1, 2, 4"),
        (good(spend=[np.inf] + [1.5] * 59), ["--target", "churned"], "Column spend holds infinities"),
        (
            churn(60)[["constant", "empty", "churned"]],
            ["--target", "churned"],
            "no column left that a model could learn",
        ),
        (good(), ["--target", "churned", "--drop", "agee"], "Did you mean age?"),
    ],
)
def test_bad_tables_change_nothing(
    project: Path, unchanged: Callable[[], None], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    quick: list[Path], frame: pd.DataFrame, arguments: list[str], message: str,
) -> None:  # fmt: skip
    frame.to_csv(tmp_path / "bad.csv", index=False)
    assert message in said("adopt", str(tmp_path / "bad.csv"), *arguments, capsys=capsys)
    unchanged()
    assert quick == []


def test_lists_in_parquet_can_be_dropped(project: Path, tmp_path: Path, quick: list[Path]) -> None:
    frame = good(tags=[["a"]] * 60)
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(Fault, match="add --drop tags"):
        adopt_table(tmp_path / "t.parquet", Asked(target="churned"))
    adopt_table(tmp_path / "t.parquet", Asked(target="churned", drop=("tags",)))
    assert SchemaFile.read("schema.yaml").columns["tags"].role == "ignored"


def test_not_in_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "dvc.yaml is not here. Run this in the project's folder" in said(
        "adopt", "x.csv", "--target", "y", capsys=capsys
    )


# ---------------------------------------------------------------- failures on the way


def test_dvc_refuses(project: Path, table: Path, unchanged: Callable[[], None]) -> None:
    Path("data/raw/churn.csv").mkdir()
    Path("data/raw/churn.csv").rmdir()
    config = Path("dvc.yaml").read_text("utf-8")
    Path("dvc.yaml").write_text("stages: [", "utf-8")
    with pytest.raises(Fault, match=r"DVC could not take data/raw/churn.csv: .*Nothing was changed"):
        adopt_table(table, Asked(target="churned"))
    Path("dvc.yaml").write_text(config, "utf-8")
    unchanged()


def test_dvc_is_not_there(
    project: Path, table: Path, unchanged: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: Any, **__: Any) -> Any:
        return subprocess.CompletedProcess([], 1, "", "/x/python: No module named dvc\n")

    monkeypatch.setattr(write, "subprocess", type("S", (), {"run": staticmethod(run)}))
    with pytest.raises(Fault, match="run it as: uv run gitops-ml adopt"):
        adopt_table(table, Asked(target="churned"))
    unchanged()


@pytest.mark.parametrize("step", ["copyfile", "params.yaml", "schema.yaml", "retire"])
def test_a_full_disk_leaves_everything(
    project: Path,
    table: Path,
    unchanged: Callable[[], None],
    quick: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    adopt_table(table, Asked(target="churned"))
    shutil.copy("data/raw/churn.csv", table.with_name("other.csv"))
    subprocess.run(["git", "add", "-A"], check=True)
    before = {
        p: p.read_bytes()
        for p in project.rglob("*")
        if p.is_file() and not {".git", "tmp"} & set(p.parts[len(project.parts) :])
    }
    full = OSError(errno.ENOSPC, "No space left on device")
    real = write.write_text

    def write_text(path: Path, text: str) -> None:
        if step == path.name:
            raise full
        real(path, text)

    def fail(*_: Any) -> None:
        raise full

    if step == "copyfile":
        monkeypatch.setattr(write.shutil, "copyfile", fail)
    elif step == "retire":
        monkeypatch.setattr(write, "_retire", fail)
    else:
        monkeypatch.setattr(write, "write_text", write_text)
    with pytest.raises(Fault, match=r"No space left on device.*Nothing was changed"):
        adopt_table(table.with_name("other.csv"), Asked(target="churned", drop=("age",)))
    after = {
        p: p.read_bytes()
        for p in project.rglob("*")
        if p.is_file() and not {".git", "tmp"} & set(p.parts[len(project.parts) :])
    }
    assert after == before
    assert not list(Path(".dvc/tmp").glob("adopt-*"))


def test_an_interrupt_leaves_everything(
    project: Path, table: Path, unchanged: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    shutil.copy(table, table.with_name("breast_cancer.csv"))
    monkeypatch.setattr(write, "dvc_add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        adopt_table(table.with_name("breast_cancer.csv"), Asked(target="churned"))
    unchanged()
    assert write.in_git(Path("data/raw/breast_cancer.csv"))


def test_without_git(project: Path, table: Path, quick: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError("git")

    monkeypatch.setattr(write.subprocess, "run", missing)
    adopt_table(table, Asked(target="churned"))
    assert Path("data/raw/breast_cancer.csv").exists(), "nobody else has its bytes"


def test_help_says_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["adopt", "--help"])
    assert "newer version" in capsys.readouterr().out
