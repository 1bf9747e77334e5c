"""Continuous training, executed: the source of an imported table moves, or does not, or breaks, or a person steps in."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.act import Run
from tests.workflows.source import Source
from tests.workflows.world import World

pytestmark = pytest.mark.change

TABLE = "data/raw/breast_cancer.csv"
BRANCH = "retrain/data"


@pytest.fixture
def source(world: World) -> Iterator[Source]:
    """Main imports its table from this source; its bytes are kept, and nothing runs for it."""
    made = Source(world.repo.file("main", TABLE) or b"")
    clone = world.fresh()
    world.git("rm", "--quiet", TABLE)
    (clone / TABLE).parent.mkdir(parents=True, exist_ok=True)
    world.reproduce(clone, "import-url", "--quiet", made.url, TABLE)
    assert (clone / TABLE).read_bytes() == made.content
    pushed = world.gitops("storage", "push")
    assert pushed.returncode == 0, pushed.stderr
    files: dict[str, bytes | None] = {TABLE: None}
    for path in (f"{TABLE}.dvc", "data/raw/.gitignore"):
        files[path] = (clone / path).read_bytes()
    world.repo.commit("main", files, world.ada, "Import the table from its source")
    world.repo.take_events()
    shutil.rmtree(clone)
    yield made
    made.server.shutdown()


def what_is_there(world: World) -> dict[str, Any]:
    """All that a person could see of the repository."""
    data = world.repo.data
    return {
        "refs": world.repo.git.refs(),
        "statuses": {sha: len(listed) for sha, listed in data["statuses"].items()},
        "comments": len(data["comments"]),
        "issues": [(one["state"], one["title"]) for one in data["issues"].values()],
        "labels": len(data["labels"]),
    }


def trained(world: World, start: Callable[[], object]) -> Run:
    """Start it, and let everything run; the run of train."""
    start()
    runs = world.settle()
    assert [run.name for run in runs] == ["train"], [run.name for run in runs]
    return runs[0]


@pytest.mark.full
def test_one_pull_request_carries_what_the_source_has_now(world: World, source: Source) -> None:
    loop = world.loop
    main, before = world.repo.head("main"), what_is_there(world)
    run = trained(world, lambda: loop.schedule("train.yml"))
    assert run.ok, world.errors([run])
    assert source.asked > 1, "the source was asked"
    assert what_is_there(world) == before, "nothing at all"

    source.lose(20)
    run = trained(world, lambda: loop.repository_dispatch("data-changed", {"table": TABLE}))
    assert run.ok, world.errors([run])
    assert world.repo.head("main") == main
    (pull,) = world.repo.open_pulls()
    number, head = pull["number"], world.head(pull["number"])
    assert pull["head"]["ref"] == BRANCH and pull["title"] == f"Newer data: {TABLE}"
    assert [one["name"] for one in pull["labels"]] == ["gitops-ml: retrain"]
    assert pull["user"]["login"] == "github-actions[bot]"
    changed = set(world.repo.changed_files(str(main), head))
    assert {f"{TABLE}.dvc", "dvc.lock", "MODEL_CARD.md", "reports/metrics.json"} <= changed
    assert all(
        path in (f"{TABLE}.dvc", "dvc.lock", "MODEL_CARD.md") or path.startswith("reports/")
        for path in changed
    )
    md5 = hashlib.md5(source.content).hexdigest()
    assert md5 in world.text(head, f"{TABLE}.dvc") and md5 in world.text(head, "dvc.lock")
    state, line = world.status(number)
    assert state in ("success", "failure", "pending") and line, "a verdict, whatever it is"
    comment = world.comment(number)
    assert comment.startswith("<!-- gitops-ml -->") and "**v1.1.0**" in comment, (
        "the data has another source now"
    )
    held = world.repo.git.text("ls-tree", "-r", "--name-only", f"refs/dvc/branch/{BRANCH}").splitlines()
    assert f"files/md5/{md5[:2]}/{md5[2:]}" in held, "the new rows are kept"
    lines = len([one for one in world.repo.statuses(head) if one["context"] == "gitops-ml/built"])
    assert lines == 1

    # The same once more, by hand: the pull request is open still, and nobody moved anything.
    there = what_is_there(world)
    run = trained(world, lambda: loop.dispatch("train.yml"))
    assert run.ok, world.errors([run])
    again = what_is_there(world)
    assert again["refs"] == there["refs"], "no new commit"
    assert {**again, "statuses": None} == {**there, "statuses": None}, (
        "no new comment, no second pull request"
    )
    assert world.comment(number) and world.head(number) == head


@pytest.mark.full
def test_it_moves_forward_stops_for_a_person_and_tells_once_what_breaks(world: World, source: Source) -> None:
    loop = world.loop
    good = source.content
    source.content = good.replace(b"malignant", b"undecided")
    assert source.content != good
    for _ in range(2):
        run = trained(world, lambda: loop.schedule("train.yml"))
        assert not run.ok
        (issue,) = world.repo.issues()
        assert (
            issue["title"] == "Newer data could not be turned into a model" and "undecided" in issue["body"]
        )
        assert world.repo.open_pulls() == [] and BRANCH not in world.repo.branches()

    # Healthy again, and as it was: the issue is closed, and that is all.
    source.content = good
    run = trained(world, lambda: loop.schedule("train.yml"))
    assert run.ok, world.errors([run])
    assert world.repo.issues() == [] and world.repo.open_pulls() == []

    source.lose(20)
    assert trained(world, lambda: loop.schedule("train.yml")).ok
    (pull,) = world.repo.open_pulls()
    first = world.head(pull["number"])
    source.lose(20)
    assert trained(world, lambda: loop.schedule("train.yml")).ok
    (still,) = world.repo.open_pulls()
    second = world.head(pull["number"])
    assert still["number"] == pull["number"] and second != first
    assert world.repo.git.text("rev-parse", f"{second}^").strip() == first, "forward, never forced"
    assert world.comment(pull["number"])
    assert hashlib.md5(source.content).hexdigest() in world.text(second, f"{TABLE}.dvc")

    # A person works on the branch: no robot builds on it, or over it.
    def by_hand(project: Path) -> None:
        (project / "README.md").write_text("by hand\n", "utf-8")

    theirs = world.push(BRANCH, by_hand, by=world.bob)
    world.repo.take_events()
    source.lose(20)
    run = trained(world, lambda: loop.schedule("train.yml"))
    assert run.ok, world.errors([run])
    assert world.repo.head(BRANCH) == theirs
    assert any("person" in command.title for command in run.commands if command.kind == "warning")


@pytest.mark.full
@pytest.mark.parametrize("effects", [1, 2, 4])
def test_a_night_that_was_cut_off_is_finished_by_the_next(world: World, source: Source, effects: int) -> None:
    loop = world.loop
    source.lose(20)
    loop.kill_after(effects, "train")
    loop.schedule("train.yml")
    (run,) = world.settle()
    assert run.result == "killed", world.errors([run])
    left = world.repo.head(BRANCH)
    assert trained(world, lambda: loop.schedule("train.yml")).ok
    (pull,) = world.repo.open_pulls()
    number, head = pull["number"], world.head(pull["number"])
    assert left in (None, head), "what was pushed is found, and nothing is pushed twice"
    assert pull["title"] == f"Newer data: {TABLE}"
    assert [one["name"] for one in pull["labels"]] == ["gitops-ml: retrain"]
    assert world.status(number)[0] in ("success", "failure", "pending") and world.comment(number)
    assert [one["context"] for one in world.repo.statuses(head)].count("gitops-ml/built") == 1
    assert world.repo.issues() == []
    assert trained(world, lambda: loop.dispatch("train.yml")).ok
    assert world.repo.head(BRANCH) == head
    world.healthy()
