"""check: every contract file is valid by itself and agrees with the others; all problems come at once, in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.suite.conftest import said, tree

from gitops_ml.adopt.check import problems
from gitops_ml.cli import main

BEHAVIOUR = "tests/model/behaviour.yaml"


def edit(path: str, before: str, after: str) -> None:
    text = Path(path).read_text("utf-8")
    assert before in text
    Path(path).write_text(text.replace(before, after, 1), "utf-8")


def test_the_template_agrees(
    project: Path, unchanged: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["check"])
    assert end.value.code == 0
    assert capsys.readouterr().out == "check: all contract files are valid and agree\n"
    unchanged()


@pytest.mark.parametrize(
    "name", ["schema.yaml", "params.yaml", "policy.yaml", "model_card.yaml", ".gitops-ml.yaml"]
)
def test_a_missing_file_is_the_one_problem(project: Path, name: str) -> None:
    Path(name).unlink()
    assert problems() == [f"{name} is missing. Run this in the project's folder, where dvc.yaml is."]


def test_a_project_without_expectations_is_good(project: Path) -> None:
    Path(BEHAVIOUR).unlink()
    assert problems() == []


@pytest.mark.parametrize(
    ("path", "before", "after", "message"),
    [
        ("schema.yaml", "version: 1", "version: 2", "schema.yaml is not valid:"),
        ("schema.yaml", "columns:", "columns: [", "schema.yaml cannot be read:"),
        ("model_card.yaml", "users:", "user:", "model_card.yaml is not valid:"),
        (".gitops-ml.yaml", "template:", "tmplate:", ".gitops-ml.yaml is not valid:"),
        ("params.yaml", "test_size: 0.25", "test_size: 2", "params.yaml is not valid:"),
        ("params.yaml", "breast_cancer.csv", "gone.csv",
         "params.yaml: data.table is data/raw/gone.csv, which is neither here nor under DVC (gone.csv.dvc)"),
        ("schema.yaml", "{format: csv, delimiter: ',', decimal: ., encoding: utf-8}", "{format: parquet}",
         "schema.yaml: file.format is parquet, but params.yaml names breast_cancer.csv"),
        ("params.yaml", "strategy: random", "strategy: time",
         "params.yaml: data.split.strategy is time, but no column of schema.yaml has role: time. "
         "Give it to one: uv run gitops-ml adopt --time COLUMN"),
        ("policy.yaml", "slices: []", "slices: [{column: mean aria}]",
         "policy.yaml: slices names mean aria, which schema.yaml does not have; did you mean mean area?"),
        ("policy.yaml", "slices: []", "slices: [{column: zzz}]",
         "policy.yaml: slices names zzz, which schema.yaml does not have"),
        ("policy.yaml", "slices: []", "slices: [{column: mean area}]",
         "policy.yaml: the slice by mean area (number) needs quantiles, such as quantiles: 4"),
        ("policy.yaml", "slices: []", "slices: [{column: diagnosis, quantiles: 4}]",
         "policy.yaml: the slice by diagnosis (category) has no quantiles; remove that key"),
        ("policy.yaml", "quality: {margin: 0.02}", "quality: {secondary: {rmse: {margin: 0.1}}}",
         "policy.yaml: quality.secondary names rmse, which is no metric of this task; use accuracy,"),
        ("policy.yaml", "fairness: {}", "fairness: {attributes: [zzz]}",
         "policy.yaml: fairness names zzz, which schema.yaml does not have"),
    ],
)  # fmt: skip
def test_one_problem_is_named_with_its_file(
    project: Path, capsys: pytest.CaptureFixture[str], path: str, before: str, after: str, message: str
) -> None:
    edit(path, before, after)
    found = tree(project)
    assert problems()[0].startswith(message)
    assert len(problems()) == 1
    shown = said("check", capsys=capsys)
    assert shown.startswith(f"error: the project's files do not agree (1 problem)\n\n  {message}")
    assert tree(project) == found


def test_a_table_under_dvc_need_not_be_here(project: Path) -> None:
    Path("data/raw/breast_cancer.csv").rename("data/raw/breast_cancer.csv.dvc")
    assert problems() == []


def test_a_parquet_table_by_either_suffix(project: Path) -> None:
    edit("schema.yaml", "{format: csv, delimiter: ',', decimal: ., encoding: utf-8}", "{format: parquet}")
    for name in ("t.parquet", "t.PQ"):
        Path("data/raw", name).touch()
        edit("params.yaml", "table: data/raw/", f"table: data/raw/{name} # ")
        assert problems() == []


def test_an_ignored_column_makes_no_slices(project: Path) -> None:
    edit("schema.yaml", "mean area: {role: feature, type: number, nullable: false, available: true",
         "mean area: {role: ignored, type: number, nullable: false")  # fmt: skip
    edit("policy.yaml", "slices: []", "slices: [{column: mean area, quantiles: 4}]")
    assert problems() == [
        "policy.yaml: slices names mean area, which is no feature of the model (schema.yaml: role, available)"
    ]


@pytest.mark.parametrize(
    ("kind", "quantiles", "good"),
    [("text", "", False), ("datetime", "", False), ("integer", "", True), ("boolean", "", True),
     ("category", "", True), ("integer", ", quantiles: 3", True), ("number", ", quantiles: 3", True),
     ("boolean", ", quantiles: 3", False), ("text", ", quantiles: 3", False)],
)  # fmt: skip
def test_which_types_are_cut_into_quantiles(project: Path, kind: str, quantiles: str, good: bool) -> None:
    edit("schema.yaml", "columns:\n", f"columns:\n  x: {{role: feature, type: {kind}}}\n")
    edit("policy.yaml", "slices: []", f"slices: [{{column: x{quantiles}}}]")
    assert (problems() == []) is good


def test_expectations_name_features_and_add_to_numbers(project: Path) -> None:
    edit("schema.yaml", "columns:\n", "columns:\n  plan: {role: feature, type: category}\n"
         "  late: {role: feature, type: number, available: false}\n")  # fmt: skip
    Path(BEHAVIOUR).write_text(
        "direction:\n- {column: mean area, change: 1, expect: increase}\n- {column: plan, change: 1, expect: increase}\n"
        "- {column: gone, change: 1, expect: increase}\n"
        "minimum:\n- row: {late: 1, plan: basic}\n  expect: benign\n",
        "utf-8",
    )
    assert problems() == [
        f"{BEHAVIOUR}: names gone, which schema.yaml does not have",
        f"{BEHAVIOUR}: names late, which is no feature of the model (schema.yaml: role, available)",
        f"{BEHAVIOUR}: direction of plan (category): only numbers can be added to",
    ]


def test_all_problems_come_at_once_in_the_order_of_the_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("params.yaml", "strategy: random", "strategy: group")
    edit("policy.yaml", "slices: []", "slices: [{column: gone}]")
    edit("model_card.yaml", "users:", "user:")
    Path(BEHAVIOUR).write_text("other: []\n", "utf-8")
    assert [problem.partition(":")[0] for problem in problems()] == [
        "model_card.yaml is not valid", f"{BEHAVIOUR} is not valid", "params.yaml", "policy.yaml",
    ]  # fmt: skip
    shown = said("check", capsys=capsys)
    assert "(4 problems)" in shown
    assert "\n    user: Extra inputs are not permitted" in shown  # details stand below their problem


@pytest.mark.parametrize("broken", ["schema.yaml", "params.yaml", "policy.yaml", BEHAVIOUR])
def test_a_broken_file_is_not_compared(project: Path, broken: str) -> None:
    Path(broken).write_text("- 1\n", "utf-8")
    assert [problem.partition(" ")[0] for problem in problems()] == [broken]
