"""schema show, allow, widen, set and export: one line changes, or nothing does and the reason is said."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.suite.conftest import said

from gitops_ml.cli import main
from gitops_ml.contracts.export import CONTRACTS
from gitops_ml.contracts.schema import SchemaFile

SCHEMA = """\
# Kept by hand.
version: 1
task: classification
file: {format: csv, delimiter: ',', decimal: ., encoding: utf-8}
columns:
  # who it is
  who: {role: id, type: text, nullable: false}
  house: {role: feature, type: integer, nullable: false, available: true} # may become the group

  age: {role: feature, type: integer, nullable: false, available: true, minimum: 0, maximum: 110}   # years
  "odd: name": {role: feature, type: number, nullable: true, available: true, maximum: 1.5, reason: "so  # far"}
  plan: {role: feature, type: category, nullable: false, available: true, categories: [basic, "no"]} # of two
  town:
    role: feature # a block of its own
    type: category
    nullable: false
    available: true
  note: {role: ignored, type: text, nullable: true, reason: empty in every row}
  old: {role: ignored, type: number, nullable: true, minimum: -3}
  left: {role: target, type: integer, nullable: false, categories: [0, 1], positive: 1}
"""


@pytest.fixture
def schema(project: Path) -> Path:
    Path("schema.yaml").write_text(SCHEMA, "utf-8")
    return project


def done(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(["schema", *arguments])
    assert end.value.code == 0, capsys.readouterr().err
    return capsys.readouterr().out


def changed() -> list[str]:
    """The lines of the diff of schema.yaml, without its head."""
    after = Path("schema.yaml").read_text("utf-8")
    diff = difflib.unified_diff(SCHEMA.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in list(diff)[2:] if not line.startswith("@@")]


@pytest.mark.parametrize(
    ("arguments", "told", "before", "after"),
    [
        (["allow", "plan", "pro"], "plan: 'pro' is allowed now", ", \"no\"]", ", \"no\", pro]"),
        (["allow", "plan", "1", "true"], "plan: '1' is allowed now\nplan: 'true' is allowed now", ', "no"]', ", \"no\", '1', 'true']"),
        (["allow", "plan", "a  # b"], "plan: 'a  # b' is allowed now", ', "no"]', ", \"no\", 'a  # b']"),
        (["allow", "left", "2"], "left: 2 is allowed now\nleft: more than two classes now, so positive is gone",
         "[0, 1], positive: 1}", "[0, 1, 2]}"),
        (["widen", "age", "--maximum", "120"], "age: maximum 110 -> 120", "110", "120"),
        (["widen", "age", "--minimum", "-0.5"], "age: minimum 0 -> -0.5", "minimum: 0", "minimum: -0.5"),
        (["widen", "odd: name", "--maximum", "2e20"], "odd: name: maximum 1.5 -> 2e+20", "1.5", "2e+20"),
        (["set", "age", "--nullable"], "age: nullable: true", "nullable: false", "nullable: true"),
        (["set", "odd: name", "--not-nullable"], "odd: name: nullable: false", "nullable: true", "nullable: false"),
        (["set", "age", "--unavailable"], "age: available: false", "available: true", "available: false"),
        (["set", "old", "--reason", "no: longer, 'measured' # so"], "old: reason: no: longer, 'measured' # so",
         "minimum: -3}", "minimum: -3, reason: \"no: longer, 'measured' # so\"}"),
        (["set", "age", "--reason", "at entry"], "age: reason: at entry", "110}", "110, reason: at entry}"),
        (["set", "odd: name", "--reason", ""], "odd: name: no reason", ', reason: "so  # far"}', "}"),
        (["set", "age", "--role", "ignored"], "age: role: ignored",
         "feature, type: integer, nullable: false, available: true, minimum: 0, maximum: 110}",
         "ignored, type: integer, nullable: false, minimum: 0, maximum: 110, reason: ignored by hand (schema set)}"),
        (["set", "age", "--role", "ignored", "--reason", "mean"], "age: role: ignored\nage: reason: mean",
         "feature, type: integer, nullable: false, available: true, minimum: 0, maximum: 110}",
         "ignored, type: integer, nullable: false, minimum: 0, maximum: 110, reason: mean}"),
        (["set", "house", "--role", "group"], "house: role: group",
         "feature, type: integer, nullable: false, available: true", "group, type: integer, nullable: false"),
        (["set", "age", "--role", "time", "--nullable"], "age: role: time\nage: nullable: true",
         "feature, type: integer, nullable: false, available: true", "time, type: integer, nullable: true"),
        (["set", "note", "--role", "feature", "--unavailable"], "note: role: feature\nnote: available: false",
         "ignored, type: text, nullable: true, reason: empty in every row",
         "feature, type: text, nullable: true, available: false"),
        (["set", "old", "--role", "feature"], "old: role: feature", "ignored, type: number, nullable: true, ",
         "feature, type: number, nullable: true, available: true, "),
        (["set", "who", "--role", "ignored"], "who: role: ignored", "id, type: text, nullable: false}",
         "ignored, type: text, nullable: false, reason: ignored by hand (schema set)}"),
    ],
)  # fmt: skip
def test_one_line_changes(
    schema: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str, before: str, after: str
) -> None:
    assert done(*arguments, capsys=capsys) == told + "\n"
    start = f'  "{arguments[1]}": ' if ":" in arguments[1] else f"  {arguments[1]}: "
    line = next(line for line in SCHEMA.splitlines() if line.startswith(start))
    assert before in line
    # A comment behind a changed line stands one blank behind it.
    assert changed() == [f"-{line}", "+" + line.replace(before, after, 1).replace("   # years", " # years")]
    SchemaFile.read("schema.yaml")


def test_a_column_in_a_block_changes_one_line_too(schema: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done("set", "town", "--nullable", capsys=capsys)
    assert changed() == ["-    nullable: false", "+    nullable: true"]
    done("set", "town", "--role", "group", "--not-nullable", capsys=capsys)
    assert changed() == [
        "-    role: feature # a block of its own", "+    role: group # a block of its own", "-    available: true",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["allow", "plan", "basic", "no"],
            "plan: 'basic' was allowed already\nplan: 'no' was allowed already",
        ),
        (["allow", "left", "1"], "left: 1 was allowed already"),
        (["widen", "age", "--maximum", "110"], "age: the range is wide enough"),
        (["widen", "odd: name", "--minimum", "3"], "odd: name: the range is wide enough"),
        (["set", "age", "--role", "feature"], "age: role: feature already"),
        (["set", "left", "--role", "target"], "left: role: target already"),
        (["set", "age", "--available"], "age: available: true"),
    ],
)
def test_what_holds_already_changes_nothing(
    schema: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert done(*arguments, capsys=capsys) == told + "\n"
    assert changed() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["allow", "plann", "pro"], "schema.yaml: the table has no column 'plann'. Did you mean plan?"),
        (
            ["allow", "town", "Ulm"],
            "Column town (category) lists no categories: any value is allowed already.",
        ),
        (["allow", "age", "7"], "Column age (integer) lists no categories; use schema widen for numbers."),
        (["allow", "left", "maybe"], "Column left holds whole numbers; 'maybe' is none."),
        (["widen", "plan", "--maximum", "7"], "Column plan is of type category and has no range"),
        (["widen", "age", "--maximum", "99"], "maximum 99 would narrow age, whose maximum is 110"),
        (["widen", "age", "--minimum", "0.5"], "minimum 0.5 would narrow age, whose minimum is 0"),
        (["widen", "age", "--maximum", "inf"], "nothing was changed; schema.yaml is not valid:"),
        (["widen", "age", "--maximum", "nan"], "minimum and maximum are finite numbers"),
        (["widen", "who"], "who"),
        (["set", "age"], "Nothing to set: add --role, --available"),
        (["set", "nobody", "--nullable"], "no column 'nobody'"),
        (["set", "who", "--unavailable"], "Column who has role: id; available is about features."),
        (["set", "note", "--available"], "Column note has role: ignored"),
        (["set", "age", "--role", "ignored", "--available"], "Column age has role: ignored"),
        (["set", "age", "--reason", "two\nlines"], "--reason is one line of text"),
        (["set", "age", "--role", "id"], "role: id is given to 2 columns (who, age): choose one"),
        (
            ["set", "town", "--role", "time"],
            "role: time needs type datetime, number or integer, not category",
        ),
        (["set", "age", "--role", "target"], "gitops-ml adopt --target COLUMN"),
        (["set", "left", "--role", "feature"], "schema set does not move the target to or from left"),
    ],
)
def test_what_cannot_be_leaves_every_file(
    schema: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    from tests.suite.conftest import tree

    pd.DataFrame({"who": ["a", "b"], "age": [1, 2]}).to_csv("data/raw/breast_cancer.csv", index=False)
    before = tree(schema)
    assert message in said("schema", *arguments, capsys=capsys)
    assert tree(schema) == before


def test_the_last_feature_stays(schema: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("house", "odd: name", "plan", "town"):
        done("set", name, "--unavailable", capsys=capsys)
    before = Path("schema.yaml").read_bytes()
    for way in (["--unavailable"], ["--role", "ignored"]):
        shown = said("schema", "set", "age", *way, capsys=capsys)
        assert "That cannot be, so nothing was changed" in shown
        assert "no feature is left" in shown
    assert Path("schema.yaml").read_bytes() == before


def test_booleans_have_no_more_values(schema: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SCHEMA.replace(
        "type: integer, nullable: false, categories: [0, 1], positive: 1",
        "type: boolean, categories: [false, true]",
    )
    Path("schema.yaml").write_text(text, "utf-8")
    assert "true and false are all there is" in said("schema", "allow", "left", "maybe", capsys=capsys)
    assert Path("schema.yaml").read_text("utf-8") == text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([5, 90], "age: the range is wide enough"),
        ([5, 110], "age: the range is wide enough"),
        ([0, 111], "age: maximum 110 -> 170"),
        ([-1, 90], "age: minimum 0 -> -47"),
    ],
)
def test_widen_looks_at_the_table(
    schema: Path, capsys: pytest.CaptureFixture[str], values: list[int], told: str
) -> None:
    pd.DataFrame({"who": ["a", "b"], "age": values}).to_csv("data/raw/breast_cancer.csv", index=False)
    assert done("widen", "age", capsys=capsys) == told + "\n"


def test_widen_without_the_column_in_the_table(schema: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "schema widen: the table has no column 'age'" in said("schema", "widen", "age", capsys=capsys)
    pd.DataFrame({"who": ["a", "b"], "age": ["x", "y"]}).to_csv("data/raw/breast_cancer.csv", index=False)
    assert "Column age holds no numbers in the table" in said("schema", "widen", "age", capsys=capsys)
    assert changed() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "schema.yaml is missing"),
        ("version: 1\n", "schema.yaml is not valid"),
        ("version: [\n", "schema.yaml cannot be read"),
        ("- 1\n", "schema.yaml is not valid"),
    ],
)
@pytest.mark.parametrize("verb", [["show"], ["set", "age", "--nullable"], ["widen", "age"]])
def test_a_broken_contract_is_said(
    project: Path, capsys: pytest.CaptureFixture[str], verb: list[str], content: str | None, message: str
) -> None:
    Path("schema.yaml").unlink()
    if content is not None:
        Path("schema.yaml").write_text(content, "utf-8")
    assert message in said("schema", *verb, capsys=capsys)
    assert Path("schema.yaml").exists() is (content is not None)
    assert content is None or Path("schema.yaml").read_text("utf-8") == content


def test_show(schema: Path, unchanged: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        done("show", capsys=capsys)
        == """\
classification, csv, 9 columns, 5 features

column     role     type      empty  may hold
who        id       text      no     anything
house      feature  integer   no     anything
age        feature  integer   no     0 to 110
odd: name  feature  number    yes    up to 1.5
plan       feature  category  no     basic, no
town       feature  category  no     anything
note       ignored  text      yes    empty in every row
old        ignored  number    yes
left       target   integer   no     0, 1
"""
    )
    unchanged()


def test_show_of_long_and_odd_columns(schema: Path, capsys: pytest.CaptureFixture[str]) -> None:
    categories = ", ".join(f"c{number}" for number in range(9))
    odd = f'  "a\\nb": {{role: feature, type: category, categories: [{categories}], available: false}}\n'
    low = f"  {'x' * 50}: {{role: feature, type: number, minimum: 2}}\n"
    Path("schema.yaml").write_text(SCHEMA.replace("columns:\n", "columns:\n" + odd + low), "utf-8")
    shown = done("show", capsys=capsys)
    assert "'a\\nb' " in shown
    assert "c0, c1, c2, c3, c4, c5, ... (9) (not known when predicting)" in shown
    assert f"{'x' * 50}  feature  number    no     from 2\n" in shown


def test_export(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = done("export", "out/schemas", capsys=capsys).splitlines()
    assert shown == [f"out/schemas/{name}.schema.json" for name in CONTRACTS]
    assert sorted(path.name for path in Path("out/schemas").iterdir()) == sorted(
        Path(line).name for line in shown
    )
