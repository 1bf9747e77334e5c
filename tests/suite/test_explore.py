"""explore: Evidently's page of the project's table, once for real; then what is refused before Evidently starts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.suite.conftest import said

from gitops_ml.adopt import explore
from gitops_ml.cli import main

SCHEMA = """\
version: 1
task: classification
file: {format: csv, delimiter: ',', decimal: ., encoding: utf-8}
columns:
  row: {role: id, type: integer}
  age: {role: feature, type: integer}
  spend: {role: feature, type: number}
  plan: {role: feature, type: category, categories: [basic, pro]}
  active: {role: feature, type: boolean}
  signed: {role: feature, type: datetime}
  note: {role: feature, type: text}
  void: {role: feature, type: number, nullable: true}
  secret: {role: ignored, type: text}
  y: {role: target, type: integer, categories: [0, 1]}
"""


@pytest.fixture
def small(project: Path) -> Path:
    rows = 40
    frame = pd.DataFrame(
        {
            "row": range(rows),
            "age": [20 + number % 30 for number in range(rows)],
            "spend": [number / 3 for number in range(rows)],
            "plan": ["basic", "pro"] * 20,
            "active": [True, False, False, True] * 10,
            "signed": pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d"),
            "note": ["good and fast", "bad and slow"] * 20,
            "void": "",
            "secret": "hush-hush",
            "y": [0, 1] * 20,
        }
    )
    frame.to_csv(project / "data/raw/breast_cancer.csv", index=False)
    (project / "schema.yaml").write_text(SCHEMA, "utf-8")
    return project


class FakeReport:
    """Stands for Evidently's report: remembers the data and writes one line."""

    seen: Any = None
    fails = False

    def __init__(self, presets: list[Any]) -> None:
        assert [type(preset).__name__ for preset in presets] == ["DataSummaryPreset"]

    def run(self, current: Any, reference: Any) -> FakeReport:
        assert reference is None
        FakeReport.seen = current
        return self

    def save_html(self, path: str) -> None:
        Path(path).write_text("half", "utf-8")
        if FakeReport.fails:
            raise OSError(28, "No space left on device")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeReport]:
    import evidently

    monkeypatch.setattr(evidently, "Report", FakeReport)
    monkeypatch.setattr(FakeReport, "fails", False)
    return FakeReport


def test_the_page_of_a_small_table(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["explore"])
    assert end.value.code == 0
    page = Path("reports/explore.html")
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == f"explore: 40 rows described in {page}; open it in a browser"
    )
    text = page.read_text("utf-8")
    assert "<html" in text
    for name in ("age", "plan", "signed", "note"):
        assert name in text
    assert "hush-hush" not in text
    assert [path.name for path in page.parent.iterdir()] == ["explore.html"]
    assert page.stat().st_mode & 0o777 == 0o644


def test_each_column_goes_to_evidently_as_its_kind(small: Path, fake: type[FakeReport]) -> None:
    assert explore.write_page(Path("x.HTML"), 100) == 40
    definition = fake.seen.data_definition
    assert definition.numerical_columns == ["age", "spend"]
    assert definition.categorical_columns == ["row", "plan", "active", "y"]
    assert definition.datetime_columns == ["signed"]
    assert definition.text_columns == ["note"]
    frame = fake.seen.as_dataframe()
    assert frame["active"].tolist()[:2] == ["True", "False"]
    assert list(frame.columns) == ["row", "age", "spend", "plan", "active", "signed", "note", "y"]


@pytest.mark.parametrize(("most", "described"), [(1, [0]), (7, [0, 6, 12, 18, 24, 30, 36]), (20, [*range(0, 40, 2)]),
                                                 (39, [*range(0, 40, 2)]), (40, [*range(40)])])  # fmt: skip
def test_rows_are_evenly_spaced_and_no_more_than_asked(
    small: Path, fake: type[FakeReport], most: int, described: list[int]
) -> None:
    assert explore.write_page(Path("x.html"), most) == len(described)
    assert fake.seen.as_dataframe()["row"].tolist() == described


def test_a_failing_disk_leaves_the_old_page(small: Path, fake: type[FakeReport]) -> None:
    Path("reports").mkdir()
    Path("reports/explore.html").write_text("old", "utf-8")
    fake.fails = True
    with pytest.raises(OSError, match="No space left"):
        explore.write_page(Path("reports/explore.html"), 10)
    assert {path.name: path.read_text("utf-8") for path in Path("reports").iterdir()} == {
        "explore.html": "old"
    }


def test_without_evidently(
    project: Path,
    unchanged: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "evidently", None)
    assert (
        said("explore", capsys=capsys)
        == "error: Evidently is not installed here. Run: uv run --group monitor gitops-ml explore\n"
    )
    unchanged()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("page.pdf", "page.pdf is no page: choose a name that ends in .html."),
        ("data/raw/breast_cancer.csv", "is no page"),
        ("schema.yaml/x.html", "cannot be written: a folder or file is in the way"),
    ],
)
def test_places_that_cannot_hold_a_page(
    project: Path,
    unchanged: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    output: str,
    message: str,
) -> None:
    assert message in said("explore", "--output", output, capsys=capsys)
    unchanged()


def test_a_folder_is_no_page(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.html").mkdir()
    assert "x.html cannot be written" in said("explore", "--output", "x.html", capsys=capsys)


def test_a_table_that_is_not_here(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/raw/breast_cancer.csv").unlink()
    assert "data/raw/breast_cancer.csv does not exist" in said("explore", capsys=capsys)
    assert not Path("reports").exists()


def test_no_rows_are_refused(
    project: Path, unchanged: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["explore", "--rows", "0"])
    assert end.value.code == 2
    assert "--rows" in capsys.readouterr().err
    unchanged()
