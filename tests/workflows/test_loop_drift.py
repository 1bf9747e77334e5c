"""The watch, executed: rows that drifted, rows that did not, rows that break the contract, none at all, and a cooldown."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from tests.workflows.act import Run
from tests.workflows.source import Source
from tests.workflows.test_loop_train import TABLE, source, what_is_there  # noqa: F401 - a fixture
from tests.workflows.world import World

BRANCH, REF = "retrain/drift", "refs/gitops-ml/drift"


def moved(content: bytes, by: float, columns: int = 20) -> bytes:
    """The table with its first columns larger: newer data, of the same form, of another kind."""
    table = pd.read_csv(io.BytesIO(content))
    for name in list(table.columns)[:columns]:
        table[name] = table[name] * (1 + by)
    return table.to_csv(index=False).encode()


def looked(world: World, start: Callable[[], object]) -> Run:
    """Start it, and let everything run; the run of drift."""
    start()
    runs = world.settle()
    assert [run.name for run in runs] == ["drift"], [run.name for run in runs]
    return runs[0]


def state(world: World) -> dict[str, Any]:
    """What the runs remember."""
    found: dict[str, Any] = json.loads(world.repo.git.text("show", f"{REF}:state.json"))
    return found


@pytest.mark.full  # `make demo` walks this way once per change
def test_drift_is_one_pull_request_with_candidate_and_evidence(world: World, source: Source) -> None:
    loop = world.loop
    main = world.repo.head("main")
    source.content = moved(source.content, 0.25)
    run = looked(world, lambda: loop.schedule("drift.yml"))
    assert run.ok, world.errors([run])
    assert world.repo.head("main") == main
    (pull,) = world.repo.open_pulls()
    number, head = pull["number"], world.head(pull["number"])
    assert pull["head"]["ref"] == BRANCH and pull["title"].startswith("Retrained after drift: ")
    assert [one["name"] for one in pull["labels"]] == ["gitops-ml: retrain"]
    changed = set(world.repo.changed_files(str(main), head))
    assert {f"{TABLE}.dvc", "dvc.lock", "MODEL_CARD.md", "reports/metrics.json"} <= changed
    assert not any("drift" in path or "verdict" in path for path in changed), "no verdict is committed"
    body = pull["body"]
    assert body.startswith("### 🔁 Ret") and "`mean radius`" in body and "report.html" in body
    assert re.search(r"today's rows, n = \d+ \| \d\.\d+ \| \d\.\d+ \| \S+ \(\S+, \S+\) \|", body), body
    assert re.search(r"test rows of v1\.0\.0, n = 14\d \| \d", body), body
    assert world.comment(number) and world.status(number)[0] in ("success", "pending", "failure")
    (entry,) = state(world)["runs"]
    assert entry["state"] == "drifted" and entry["retrain"] and entry["serving"] == "v1.0.0"
    for job, granted in run.permissions.items():
        if "watch" in job:
            assert set(granted.values()) <= {"read"}, (job, granted)

    # Once more: the same pull request, and no new commit.
    run = looked(world, lambda: loop.dispatch("drift.yml"))
    assert run.ok, world.errors([run])
    (still,) = world.repo.open_pulls()
    assert (still["number"], world.head(number)) == (number, head)
    assert len(state(world)["runs"]) == 2


@pytest.mark.full
def test_closing_starts_the_cooldown_and_a_persons_commit_stays(world: World, source: Source) -> None:
    loop = world.loop
    source.content = moved(source.content, 0.25)
    assert looked(world, lambda: loop.schedule("drift.yml")).ok
    (pull,) = world.repo.open_pulls()
    number = pull["number"]

    def by_hand(project: Any) -> None:
        (project / "README.md").write_text("by hand\n", "utf-8")

    theirs = world.push(BRANCH, by_hand, by=world.bob)
    world.repo.take_events()
    source.content = moved(source.content, 0.01)
    run = looked(world, lambda: loop.schedule("drift.yml"))
    assert run.ok, world.errors([run])
    assert world.repo.head(BRANCH) == theirs
    assert any("person" in command.title for command in run.commands if command.kind == "warning")

    world.api("PATCH", f"/pulls/{number}", {"state": "closed"})
    world.repo.take_events()
    run = looked(world, lambda: loop.schedule("drift.yml"))
    assert run.ok, world.errors([run])
    assert world.repo.open_pulls() == []
    remembered = state(world)
    assert remembered["closed"] == [number] and remembered["cooldown_until"]
    assert remembered["runs"][-1]["state"] == "drifted" and not remembered["runs"][-1]["retrain"]
    assert "closed without merging" in remembered["runs"][-1]["why"]
    assert [job for job in run.ran() if "build" in job or "judge" in job] == []


@pytest.mark.full
@pytest.mark.parametrize("effects", [1, 3, 5])
def test_a_watch_that_was_cut_off_is_finished_by_the_next(world: World, source: Source, effects: int) -> None:
    loop = world.loop
    source.content = moved(source.content, 0.25)
    loop.kill_after(effects, "drift")
    loop.schedule("drift.yml")
    (run,) = world.settle()
    assert run.result == "killed", world.errors([run])
    left = world.repo.head(BRANCH)
    assert looked(world, lambda: loop.schedule("drift.yml")).ok
    (pull,) = world.repo.open_pulls()
    number, head = pull["number"], world.head(pull["number"])
    assert left in (None, head), "what was pushed is found, and nothing is pushed twice"
    assert pull["title"].startswith("Retrained after drift: ")
    assert [one["name"] for one in pull["labels"]] == ["gitops-ml: retrain"]
    assert world.status(number)[0] in ("success", "failure", "pending") and world.comment(number)
    assert [one["context"] for one in world.repo.statuses(head)].count("gitops-ml/built") == 1
    assert world.repo.issues() == []
    assert state(world)["runs"][-1]["retrain"], "a run that was cut off is no run that acted"
    world.healthy()


@pytest.mark.full
def test_no_pull_request_without_drift(world: World, source: Source) -> None:
    loop, good = world.loop, source.content
    # Nothing newer than what the model was trained on: unknown, never "stable".
    run = looked(world, lambda: loop.schedule("drift.yml"))
    assert run.ok, world.errors([run])
    assert state(world)["runs"][-1]["state"] == "unknown"

    source.lose(20)
    run = looked(world, lambda: loop.schedule("drift.yml"))
    assert run.ok, world.errors([run])
    assert state(world)["runs"][-1]["state"] == "stable"
    assert world.repo.open_pulls() == [] and world.repo.issues() == []

    # Broken: one issue, in place, and no pull request.
    source.content = moved(good, 0.25).replace(b"malignant", b"undecided")
    for _ in range(2):
        run = looked(world, lambda: loop.schedule("drift.yml"))
        assert run.ok, world.errors([run])
    (issue,) = world.repo.issues()
    assert issue["title"] == "The rows of today break the data contract" and "undecided" in issue["body"]
    assert world.repo.open_pulls() == [] and BRANCH not in world.repo.branches()

    source.content = b"\n".join(good.split(b"\n")[:6]) + b"\n"
    run = looked(world, lambda: loop.schedule("drift.yml"))
    assert run.ok, world.errors([run])
    assert state(world)["runs"][-1]["state"] == "unknown", "five rows say nothing"
    assert [one["title"] for one in world.repo.issues()] == [issue["title"]], "unknown heals nothing"
    assert [one["state"] for one in state(world)["runs"]] == [
        "unknown", "stable", "broken", "broken", "unknown",
    ]  # fmt: skip


@pytest.mark.full
def test_without_an_imported_table_it_says_how_to_connect_one(world: World) -> None:
    before = what_is_there(world)
    run = looked(world, lambda: world.loop.dispatch("drift.yml"))
    assert run.ok, world.errors([run])
    assert "Nothing to watch" in "".join(run.summaries.values())
    after = what_is_there(world)
    assert {**after, "refs": None} == {**before, "refs": None}
    assert set(after["refs"]) - set(before["refs"]) == {REF}
