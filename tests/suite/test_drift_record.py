"""What follows from a look: state, issues, cooldown, the one pull request; to the same end after every fault and kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.forge.calls import Call
from tests.suite import ruled
from tests.suite.judged import sha256
from tests.suite.ruled import POINTER, Bench, Built, bench, place_of

from gitops_ml.contracts.drift import ColumnDrift, DriftFile, DriftRun, Serving, Watched
from gitops_ml.contracts.policy import Drift
from gitops_ml.drift import memory
from gitops_ml.drift.record import BRANCH, BROKEN_TITLE, Recorded, decide, record
from gitops_ml.errors import Fault
from gitops_ml.forge.client import connect
from gitops_ml.ruling.flow import Done, update
from gitops_ml.ruling.reason import NOTHING_TITLE, Drifted

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
OLD = sha256(b"old")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.people(monkeypatch)


def seen(state: str, serving: str = OLD) -> DriftFile:
    """A look with this verdict, without tables."""
    column = ColumnDrift(
        name="tenure", role="feature", kind="number", method="wasserstein", threshold=0.3, value=0.9,
        moved=state == "drifted", direction="mean 30 → 41 (+0.92 sd)", reason=None,
    )  # fmt: skip
    return DriftFile(
        version=1,
        state=state,  # type: ignore[arg-type]
        reason={"broken": "today.csv breaks the contract."}.get(state, "Because."),
        serving=Serving(version="v1.0.0", revision="a" * 40, sha256=serving),
        watched=Watched(kind="imported", path="data/raw/churn.csv", rows=300, used=300),
        problems=[],
        columns=[column] if state in ("drifted", "stable") else [],
        share=1.0 if state == "drifted" else None,
        limit=0.3,
        notes=[],
        reference=None,
        current=None,
    )


def folder(at: Bench, found: DriftFile) -> tuple[Path, str]:
    path = at.folder / "jobs" / f"drift-{found.state}"
    found.write_json(path / "drift.json")
    return path, sha256((path / "drift.json").read_bytes())


def recorded(at: Bench, state: str, run: str = "7", now: datetime = NOON) -> Recorded:
    desk = at.desk()
    path, digest = folder(at, seen(state))
    return record(
        desk.root, desk.forge, desk.token, path, digest, run, run_url=f"{at.place.web}{ruled.RUN}", now=now
    )


def remembered(at: Bench) -> dict[str, Any]:
    if memory.REF not in at.repo.git.refs():
        return {}
    found: dict[str, Any] = json.loads(at.repo.git.text("show", f"{memory.REF}:state.json"))
    return found


def carried(at: Bench, built: Built | None, state: str = "drifted", serving: str = OLD) -> Done:
    """The judge's job in mode drift."""
    desk = at.desk()
    task = at.task(desk, built, at.head("main"), kind="model")
    return update(desk, task, at.folder / "out", Drifted(seen(state, serving), 14))


def newer(at: Bench) -> Built:
    pointer = f"outs:\n- md5: {'b' * 32}\n  hash: md5\n  path: churn.csv\n".encode()
    return at.build("b", at.head("main"), b"newer", {POINTER: pointer}, removed=[])


# ---------------------------------------------------------------- stories


@dataclass(frozen=True)
class Story:
    plant: Callable[[Bench], Any]
    run: Callable[[Bench, Any], Any]


def broken_before(at: Bench) -> None:
    recorded(at, "broken", "6")


STORIES = {
    "drifted": Story(lambda at: None, lambda at, _: recorded(at, "drifted")),
    "broken": Story(lambda at: None, lambda at, _: recorded(at, "broken")),
    "mended": Story(broken_before, lambda at, _: recorded(at, "stable")),
    "candidate": Story(newer, carried),
    "nothing newer": Story(lambda at: None, lambda at, _: carried(at, None)),
}
# The candidate's way to the branch is that of newer data, which tests of its own disturb every time.
SHORT = [one if one != "candidate" else pytest.param(one, marks=pytest.mark.full) for one in STORIES]


@dataclass
class Told:
    story: Story
    seed: Path
    handed: Any
    calls: list[Call]
    state: dict[str, Any]


def all_of(at: Bench) -> dict[str, Any]:
    return {**at.state(), "remembered": remembered(at)}


@pytest.fixture(scope="session")
def told_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    known: dict[str, Told] = {}
    seed = tmp_path_factory.mktemp("recorded") / "seed"
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        ruled.plant(seed)

    def tell(name: str) -> Told:
        if name not in known:
            story, began = STORIES[name], tmp_path_factory.mktemp("story")
            with pytest.MonkeyPatch.context() as patch:
                ruled.people(patch)
                with bench(seed, began / "before", patch) as at:
                    handed = story.plant(at)
                with bench(began / "before", began / "whole", patch) as at, at.hub.recording() as calls:
                    story.run(at, handed)
                    known[name] = Told(story, began / "before", handed, [], all_of(at))
            known[name].calls = list(calls)
        return known[name]

    return tell


@pytest.fixture
def empty(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    with bench(told_once("drifted").seed, tmp_path / "bench", monkeypatch) as at:
        yield at


@pytest.mark.parametrize("name", STORIES)
def test_a_second_run_changes_nothing(
    name: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_once(name)
    with bench(told.seed, tmp_path / "twice", monkeypatch) as at:
        told.story.run(at, told.handed)
        with at.hub.recording() as calls:
            told.story.run(at, told.handed)
        assert [call.path for call in calls if call.effect] == []
        assert all_of(at) == told.state


@pytest.mark.parametrize("name", SHORT)
def test_a_run_killed_behind_any_effect_is_completed_by_the_next(
    name: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_once(name)
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    effects = [call for call in told.calls if call.effect]
    assert effects
    for number in range(len(effects)):
        with bench(told.seed, tmp_path / str(number), monkeypatch) as at:
            at.hub.faults.add("dead-after-n-effects", after=number)
            with pytest.raises(Fault):
                told.story.run(at, told.handed)
            at.hub.faults.clear()
            told.story.run(at, told.handed)
            assert all_of(at) == told.state, (
                f"killed behind {effects[number - 1].path if number else 'nothing'}"
            )


@pytest.mark.parametrize(
    "kind", [k if k in ("403", "422") else pytest.param(k, marks=pytest.mark.full) for k in ("401", "403", "404", "409", "422")]
)  # fmt: skip
@pytest.mark.parametrize("name", SHORT)
def test_a_refusal_of_any_call_ends_in_words_and_is_made_good(
    name: str, kind: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_once(name)
    with bench(told.seed, tmp_path / "chain", monkeypatch) as at:
        for number in range(60):
            fault = at.hub.faults.add(kind, after=number)
            try:
                told.story.run(at, told.handed)
            except Fault as wrong:
                assert "\n" in str(wrong).strip(), f"no fix is named: {wrong}"
            if not fault.fired:
                break
            at.hub.faults.clear()
        assert 2 <= number < 60
        assert all_of(at) == told.state


@pytest.mark.full
@pytest.mark.parametrize("kind", ["500", "502", "429", "drop", "drop-after"])
@pytest.mark.parametrize("name", STORIES)
def test_what_passes_by_itself_is_waited_for(
    name: str, kind: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_once(name)
    with bench(told.seed, tmp_path / "storm", monkeypatch) as at:
        for method, pattern in sorted({(call.method, place_of(call)) for call in told.calls}):
            times = sum((call.method, place_of(call)) == (method, pattern) for call in told.calls)
            for turn in range(times):
                at.hub.faults.add(kind, method, pattern, after=2 * turn)
        told.story.run(at, told.handed)
        at.hub.faults.clear()
        assert all_of(at) == told.state


# ---------------------------------------------------------------- memory


def test_a_run_is_remembered_once_and_a_race_loses_nobody(empty: Bench) -> None:
    at = empty
    assert recorded(at, "stable", "1").why == "Nothing drifted."
    theirs = DriftRun(run="2", date="2026-11-01", serving=None, state="unknown", share=None, columns=[], retrain=False, why="")  # fmt: skip
    before = memory.EMPTY.model_validate(remembered(at))
    other = json.dumps(memory.remember(before, theirs).model_dump(mode="json")).encode()
    fault = at.hub.faults.add("lost-race", ref=memory.REF, files={memory.FILE: other})
    assert recorded(at, "drifted", "3").retrain
    assert fault.fired
    assert [one["run"] for one in remembered(at)["runs"]] == ["1", "2", "3"]
    recorded(at, "drifted", "3", NOON + timedelta(hours=1))
    assert [one["date"] for one in remembered(at)["runs"]][-1] == "2026-11-01T12:00:00+00:00"
    assert at.repo.git.text("log", "--format=%s", memory.REF).splitlines()[0] == "Drift: drifted, run 3"


def test_only_the_last_runs_are_kept() -> None:
    state = memory.EMPTY
    for number in range(memory.KEPT + 5):
        run = DriftRun(run=str(number), date="", serving=None, state="stable", share=None, columns=[], retrain=False, why="")  # fmt: skip
        state = memory.remember(state, run)
    assert (len(state.runs), state.runs[0].run) == (memory.KEPT, "5")


def test_a_state_that_cannot_be_read_is_said_and_not_overwritten(empty: Bench) -> None:
    recorded(empty, "stable", "1")
    tip = empty.repo.git.refs()[memory.REF]
    who = {f"GIT_{one}_{what}": "x" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    made = ("commit-tree", f"{empty.head('main')}^{{tree}}", "-p", tip, "-m", "no state")
    empty.repo.git.run("update-ref", memory.REF, empty.repo.git.run(*made, env=who).decode().strip())
    with pytest.raises(Fault, match="Begin anew: git push origin :refs/gitops-ml/drift"):
        recorded(empty, "stable", "2")


def test_a_folder_of_another_digest_is_not_recorded(empty: Bench) -> None:
    desk = empty.desk()
    path, _ = folder(empty, seen("drifted"))
    with pytest.raises(Fault, match="swapped"):
        record(desk.root, desk.forge, desk.token, path, "0" * 64, "7")
    assert remembered(empty) == {}


# ---------------------------------------------------------------- windows and cooldown


@pytest.mark.parametrize(
    ("windows", "earlier", "expected"),
    [
        ({"drifted": 1, "of": 1}, [], True),
        ({"drifted": 2, "of": 3}, [], False),
        ({"drifted": 2, "of": 3}, ["drifted", "stable"], True),
        ({"drifted": 2, "of": 3}, ["drifted", "stable", "unknown"], False),
        ({"drifted": 3, "of": 3}, ["drifted", "drifted"], True),
    ],
)
def test_so_many_of_the_last_runs(windows: dict[str, int], earlier: list[str], expected: bool) -> None:
    policy = Drift.parse({"windows": windows}, "policy")
    assert decide(seen("drifted"), policy, earlier, None)[0] is expected
    for state in ("stable", "broken", "unknown"):
        assert decide(seen(state), policy, ["drifted"] * 5, None)[0] is False


def test_windows_that_can_never_be_reached_are_refused() -> None:
    with pytest.raises(Fault, match="can never have drifted"):
        Drift.parse({"windows": {"drifted": 3, "of": 2}}, "policy")


def test_closing_the_pull_request_starts_the_cooldown_and_time_ends_it(empty: Bench) -> None:
    at = empty
    carried(at, newer(at))
    (pull,) = at.repo.open_pulls()
    assert recorded(at, "drifted", "1").retrain, "it is open: it may move forward"
    connect(at.place, at.will.token).close_pull(pull["number"], "")
    now = datetime.now(UTC)
    done = recorded(at, "drifted", "2", now)
    assert not done.retrain and "closed without merging" in done.why and "cooldown_days: 14" in done.why
    state = remembered(at)
    assert state["closed"] == [pull["number"]] and state["runs"][-1]["state"] == "drifted", (
        "drift is recorded"
    )
    until = datetime.fromisoformat(state["cooldown_until"])
    assert timedelta(days=13, hours=23) < until - now < timedelta(days=14, minutes=1)
    assert recorded(at, "drifted", "3", now + timedelta(days=14, minutes=1)).retrain
    assert remembered(at)["cooldown_until"] is None
    at.repo.commit("main", {"policy.yaml": "version: 1\nenvironments: [production]\ndrift: {cooldown_days: 0}\n"}, at.ada)  # fmt: skip
    assert recorded(at, "drifted", "4", now).retrain


def test_a_merged_pull_request_starts_no_cooldown(empty: Bench) -> None:
    carried(empty, newer(empty))
    (pull,) = empty.repo.open_pulls()
    empty.repo.merge(pull["number"], by=empty.ada)
    assert recorded(empty, "drifted", "2").retrain


# ---------------------------------------------------------------- issues and the pull request


def test_broken_is_one_issue_until_the_rows_are_whole(empty: Bench) -> None:
    assert not recorded(empty, "broken", "1").retrain
    assert not recorded(empty, "broken", "2").retrain
    (issue,) = empty.repo.issues()
    assert issue["title"] == BROKEN_TITLE and "today.csv" in issue["body"] and "schema widen" in issue["body"]
    recorded(empty, "unknown", "3")
    assert len(empty.repo.issues()) == 1, "unknown heals nothing"
    recorded(empty, "drifted", "4")
    assert empty.repo.issues() == []


def test_drift_opens_the_one_labelled_pull_request(told_once: Callable[[str], Told]) -> None:
    state = told_once("candidate").state
    ((_, title, body, opened, labels),) = state["pulls"]
    assert title == "Retrained after drift: 1 of 1 features moved" and opened == "open"
    assert labels == ["gitops-ml: retrain"] and list(state["bytes"]) == [f"refs/dvc/branch/{BRANCH}"]
    assert body.startswith("### 🔁 Retrained after drift; whether it helps on today's rows is not known")
    assert "mean 30 → 41" in body and "stays quiet for 14 days" in body and "/actions/runs/7" in body
    assert [one[0] for one in state["statuses"][f"<{BRANCH}~0>"]] == ["gitops-ml", "gitops-ml/built"]


def test_with_nothing_newer_one_issue_says_so_until_it_is_stable(empty: Bench) -> None:
    for _ in range(2):
        assert carried(empty, None).overall == "pass"
    (issue,) = empty.repo.issues()
    assert issue["title"] == NOTHING_TITLE and "`tenure`" in issue["body"] and empty.repo.open_pulls() == []
    recorded(empty, "unknown", "1")
    assert len(empty.repo.issues()) == 1
    recorded(empty, "stable", "2")
    assert empty.repo.issues() == []


def test_a_candidate_with_the_serving_models_bytes_is_nothing_newer(empty: Bench) -> None:
    same = empty.build("same", empty.head("main"), b"old", removed=[])
    assert carried(empty, same).line == "drifted, and there is nothing newer to train on"
    assert empty.repo.open_pulls() == [] and [one["title"] for one in empty.repo.issues()] == [NOTHING_TITLE]


def test_a_newer_model_that_waits_to_be_served_is_no_issue(empty: Bench) -> None:
    done = carried(empty, None, serving=sha256(b"older"))
    assert "main holds a newer model" in done.line and empty.repo.issues() == []


def test_a_persons_commit_on_the_branch_stays(empty: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    carried(empty, newer(empty))
    theirs = empty.repo.commit(BRANCH, {"params.yaml": "train: {trees: 7}\n"}, empty.will, "Mine")
    again = empty.build("again", empty.head("main"), b"newest", removed=[])
    assert carried(empty, again).overall == "superseded"
    assert empty.head(BRANCH) == theirs and "a person's now" in capsys.readouterr().err
