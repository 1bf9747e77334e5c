"""Tables of different shape: adopt, reproduce, the project's own tests and its service, with no edit in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.template.conftest import Project, generate
from tests.template.tables import TABLES

SMALLEST = {"mixed types and names", "multiclass"}
ONCE = {"dates, split by time", "high cardinality, groups"}  # per change; the others in the long run


@pytest.fixture(scope="session")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An untrained project with everything installed, in which one table after another is adopted."""
    project = generate(tmp_path_factory.mktemp("tables"), project_name="Tables", first_run="no")
    project.install("dev")
    project.git("add", "uv.lock")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "lock")
    return project


@pytest.fixture
def fresh(workbench: Project) -> Iterator[Project]:
    """The same project, as it was."""
    workbench.git("reset", "--hard", "-q")
    workbench.git("clean", "-fdxq", "-e", ".venv")
    yield workbench


def cases() -> Iterator[object]:
    for name, table in TABLES.items():
        marks = [pytest.mark.xdist_group(f"tables {len(name) % 2}")]
        tier = [] if name in SMALLEST else [pytest.mark.change if name in ONCE else pytest.mark.full]
        yield pytest.param(table, id=name, marks=[*marks, *tier])


@pytest.mark.parametrize("table", cases())
def test_adopt_reproduce_test_serve(fresh: Project, tmp_path: Path, table: tuple) -> None:  # type: ignore[type-arg]
    make, name, arguments = table
    frame, path = make(), tmp_path / name
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    adopted = fresh.run("gitops-ml", "adopt", path, *arguments).stdout
    assert "gitops-ml reproduce" in adopted
    fresh.run("gitops-ml", "reproduce")
    tested = fresh.run("python", "-m", "pytest", "-q", CI="true").stdout
    assert " passed" in tested, tested
    fresh.run("gitops-ml", "check")

    metrics = json.loads((fresh.path / "reports" / "metrics.json").read_text())
    evaluation = json.loads((fresh.path / "reports" / "evaluation.json").read_text())
    primary = evaluation["primary"]
    assert metrics[primary]["value"] > evaluation["dummy"][primary], (
        "each table has a signal that must be found"
    )
    assert "unknown" in (fresh.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    # What goes in comes out: one prediction for each row of the user's own file, target column and all.
    fresh.run(
        "python",
        "-m",
        "tables.score",
        "--model",
        "models/model.skops",
        "--input",
        path,
        "--output",
        "out.parquet",
    )
    counted = fresh.run(
        "python", "-c", "import pyarrow.parquet as p; print(p.read_metadata('out.parquet').num_rows)"
    )
    assert int(counted.stdout) == len(frame)
