"""From a project on a laptop to a merged, released and served change, with nothing but one command and merges."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workflows.world import PACKAGE, SLUG, World

from gitops_ml.contracts.report import Report
from gitops_ml.contracts.verdict import Verdict

pytestmark = pytest.mark.change


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    """An edit of one file of the project."""

    def change(project: Path) -> None:
        file = project / path
        text = file.read_text("utf-8")
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new, 1), "utf-8")

    return change


def test_a_change_of_params_is_built_judged_committed_merged_and_released(world: World) -> None:
    number = world.pull_request("params", edit("params.yaml", "max_iter: 40", "max_iter: 30"), "Fewer trees")
    before = world.head(number)
    runs = world.settle()
    run = world.ran("pull-request", runs)
    assert run.ok, world.errors(runs)
    after = world.head(number)
    assert after != before, "CI commits what it built"
    changed = set(world.repo.changed_files(before, after))
    assert {"dvc.lock", "MODEL_CARD.md", "reports/metrics.json", "reports/pictures/roc.svg"} <= changed
    assert all(path in ("dvc.lock", "MODEL_CARD.md") or path.startswith("reports/") for path in changed)
    assert world.status(number)[0] == "success"
    comment = world.comment(number)
    assert "Pass" in comment and "`train.params.max_iter` `40` → `30`" in comment and "v1.1.0" in comment
    assert f"/raw/{after}/reports/pictures/roc.svg" in comment, "pictures are linked at the new head"
    (kept,) = (world.forge.folder / "artifacts").glob(f"*/verdict-{number}")
    story = Report.read(kept / "report.json")
    assert (story.head, story.overall, story.digest) == (
        after,
        "pass",
        Verdict.read(kept / "verdict.json").digest(),
    )
    page = (kept / "report.html").read_text("utf-8")
    assert story.heading.partition(": ")[2][1:] in page and page.count("<img") == len(story.pictures) > 3
    main = world.merge(number)
    runs = world.settle()
    assert all(each.ok for each in runs), world.errors(runs)
    assert world.repo.tags()[f"{SLUG}@v1.1.0"] == main
    (pointer,) = world.repo.open_pulls()
    assert pointer["head"]["ref"] == "deploy/production"
    assert world.repo.changed_files("main", pointer["head"]["sha"]) == ["deploy/production/model.yaml"]
    assert world.status(pointer["number"])[0] == "success"


def newer_rows(project: Path, rows: int = 30, seed: int = 3) -> None:
    """Rows like those that are there, measured a little differently."""
    table = project / "data/raw/breast_cancer.csv"
    head, *lines = table.read_text("utf-8").splitlines()
    target = head.split(",").index("diagnosis")
    draw = random.Random(seed)
    for line in draw.sample(lines, rows):
        cells = line.split(",")
        lines.append(
            ",".join(
                cell if number == target else f"{float(cell) * draw.uniform(0.995, 1.005):.5g}"
                for number, cell in enumerate(cells)
            )
        )
    table.write_text("\n".join([head, *lines]) + "\n", "utf-8")


@pytest.mark.full
def test_data_code_and_params_together_and_a_second_round_that_changes_nothing(world: World) -> None:
    def change(project: Path) -> None:
        newer_rows(project)
        edit("params.yaml", "max_iter: 40", "max_iter: 35")(project)
        code = project / f"src/{PACKAGE}/features.py"
        code.write_text(code.read_text("utf-8") + "\n\n# Read by nobody.\n", "utf-8")

    number = world.pull_request("mixed", change, "Newer rows, other params, other code")
    runs = world.settle()
    assert world.ran("pull-request", runs).ok, world.errors(runs)
    first = world.head(number)
    comment = world.comment(number)
    assert world.status(number)[0] == "success", comment
    assert "30 more rows" in comment and "`train.params.max_iter`" in comment and "features.py" in comment
    assert "data/raw/breast_cancer.csv" not in world.repo.changed_files(f"{first}^", first), (
        "people's files stay theirs"
    )
    stored = world.refs()[f"refs/dvc/pr/{number}"]

    world.api("PATCH", f"/pulls/{number}", {"state": "closed"})
    world.api("PATCH", f"/pulls/{number}", {"state": "open"})
    with world.forge.recording() as calls:
        runs = world.settle()
    run = world.ran("pull-request", runs)
    assert run.ok, world.errors(runs)
    assert world.head(number) == first, "a second round creates no commit"
    assert "Stages that ran" not in run.log.split("Judge")[0]
    assert world.refs()[f"refs/dvc/pr/{number}"] == stored
    assert world.status(number)[0] == "success"
    writes = [call.path for call in calls if call.effect]
    assert all("/statuses/" in path or "/comments/" in path for path in writes), writes
    assert not [
        call for call in calls if call.effect and call.method == "POST" and call.path.endswith("/comments")
    ]


def test_documentation_needs_no_build_and_releases_nothing(world: World) -> None:
    number = world.pull_request(
        "docs", lambda root: (root / "docs/note.md").write_text("# A note\n") and None
    )
    before = world.head(number)
    runs = world.settle()
    run = world.ran("pull-request", runs)
    assert run.ok, world.errors(runs)
    assert [name.split("/")[-1] for name in run.ran()] == ["plan", "judge"]
    assert world.head(number) == before
    assert world.status(number) == ("success", "Nothing to build: the model stays")
    assert "v1.0.0** stays" in world.comment(number)
    world.merge(number)
    runs = world.settle()
    assert all(each.ok for each in runs), world.errors(runs)
    assert world.versions == [f"{SLUG}@v1.0.0"] and not world.repo.open_pulls()


def test_failing_lint_and_tests_are_both_named_in_the_comment(world: World) -> None:
    test = f"import os\n\nfrom {PACKAGE} import params\n\n\ndef test_it() -> None:\n    assert params is None, 'of course not'\n"
    number = world.pull_request(
        "red", lambda root: (root / "tests/code/test_new.py").write_text(test) and None
    )
    run = world.ran("pull-request", world.settle())
    assert not run.ok and [name.split("/")[-1] for name in run.ran()] == ["plan", "check", "judge"]
    assert world.status(number) == ("failure", "Blocked: lint or tests fail")
    comment = world.comment(number)
    assert "ruff-check: F401" in comment and "--> tests/code/test_new.py:1:8" in comment, comment
    assert "tests/code/test_new.py::test_it - AssertionError: of course not" in comment, comment


def test_a_table_that_breaks_the_contract_stops_the_build_and_the_comment_says_where(world: World) -> None:
    broken = edit("data/raw/breast_cancer.csv", "malignant", "maligant")
    number = world.pull_request("typo", broken, "A slip")
    runs = world.settle()
    run = world.ran("pull-request", runs)
    assert not run.ok and run.jobs["candidate/build"].result == "failure"
    assert world.status(number)[0] == "failure"
    comment = world.comment(number)
    assert "Blocked" in comment and "maligant" in comment and "diagnosis" in comment, comment
    with pytest.raises(Exception, match="gitops-ml"):
        world.merge(number)
