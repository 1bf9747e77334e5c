"""A release against the strict forge: the same end after a kill behind any effect, and after every fault of any call."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.forge import Forge as Hub
from tests.forge.calls import Call
from tests.suite import delivery, ruled
from tests.suite.delivery import verdict
from tests.suite.ruled import Bench, bench, git, place_of

from gitops_ml import storage
from gitops_ml.build.score import _find
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.delivery.champion import champion
from gitops_ml.delivery.judgement import Built
from gitops_ml.delivery.release import Desk, Outcome, plan, release
from gitops_ml.errors import Fault
from gitops_ml.forge.client import connect

OFTEN = [pytest.param(kind, marks=pytest.mark.full) for kind in ("401", "403", "409")] + ["404", "422"]
PASSING = ("500", "502", "429", "secondary", "drop", "drop-after")
TAG = "churn@v1.0.0"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.people(monkeypatch)


@dataclass
class Told:
    """One undisturbed release: where it began, what the jobs before handed over, its calls, and what it left."""

    seed: Path
    built: Built
    calls: list[Call]
    state: dict[str, Any]
    assets: dict[str, bytes | None]


def run(at: Bench, built: Built) -> Outcome:
    """One run of the workflow: plan, and what it asks for."""
    there = at.desk()
    desk = Desk(
        there.root,
        there.forge,
        there.token,
        lambda case: verdict(),
        storage,
        lambda v: f"Verdict: {v.overall}",
    )
    return release(desk, built if plan(desk).release else None)


def assets(at: Bench) -> dict[str, bytes | None]:
    return {one["name"]: at.repo.asset(TAG, one["name"]) for r in at.repo.releases() for one in r["assets"]}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        world = delivery.World.make(folder / "world")
        with Hub.start(folder / "seed" / "hub") as hub:
            repo = hub.create("ada/churn", hub.user("ada"))
            repo.allow_pull_requests()
            push = ["git", "push", "-q", repo.address(hub.user("ada")), "main"]
            subprocess.run(push, cwd=world.root, check=True, capture_output=True)
            repo.take_events()
            connect(ruled.place_at(hub), repo.github_token("6", ruled.GRANTED)).issue(
                "main-falls-short", "Main falls short", "It did."
            )
        built = world.built()
        with bench(folder / "seed", folder / "whole", patch) as at, at.hub.recording() as calls:
            outcome = run(at, built)
            assert outcome.version == "v1.0.0" and outcome.number is not None
            state = at.state()
            found = Told(folder / "seed", built, [], state, assets(at))
        found.calls = list(calls)
        yield found
    shutil.rmtree(folder, ignore_errors=True)


def ends_alike(at: Bench, told: Told) -> None:
    assert at.state() == told.state
    assert assets(at) == told.assets


def test_it_is_whole(told: Told) -> None:
    state = told.state
    assert list(state["tags"]) == [TAG] and state["issues"][0][2] == "closed"
    ((tag, name, _, draft, names),) = state["releases"]
    assert (tag, name, draft) == (TAG, "churn v1.0.0", False)
    assert {"MODEL_CARD.md", "verdict.json", "SHA256SUMS"} <= set(names) and all(told.assets.values())
    assert list(state["bytes"]) == ["refs/dvc/store"]
    ((_, title, _, opened, labels),) = state["pulls"]
    assert title == "Serve churn v1.0.0 in production" and (opened, labels) == ("open", ["gitops-ml: deploy"])
    assert [one[:2] for one in state["statuses"]["<deploy/production~0>"]] == [["gitops-ml", "success"]]


def test_a_version_that_was_cut_off_is_not_its_own_champion(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the verdict of the next run would be another than the one that the tag records."""
    with bench(told.seed, tmp_path / "own", monkeypatch) as at:
        run(at, told.built)
        root, commit = at.checkout(), at.head("main")
        sealed = Candidate.read(told.built.candidate / "manifest.json")
        found = champion(root, "HEAD")
        assert found is not None and (found.version, found.revision) == ("v1.0.0", commit)
        assert _find(sealed, root, "HEAD") is None
        other = sealed.model_copy(update={"head": "c0ffee00" * 5})
        assert _find(other, root, "HEAD") == found, "whoever builds on it is judged against it"
        at.repo.commit("main", {"README.md": "more"}, at.ada)
        later = at.checkout()
        desk = at.desk()
        desk.forge.create_tag("churn@v1.1.0", at.head("main"), "churn v1.1.0")
        git(later, "fetch", "-q", "--tags", "origin")
        newest = sealed.model_copy(update={"head": at.head("main")})
        assert _find(newest, later, "HEAD") == found, "the version before it"


def test_a_kill_behind_any_effect_is_made_good_by_the_next_run(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    effects = [call for call in told.calls if call.effect]
    assert len(effects) >= 15
    for number in range(len(effects)):
        with bench(told.seed, tmp_path / str(number), monkeypatch) as at:
            at.hub.faults.add("dead-after-n-effects", after=number)
            with pytest.raises(Fault):
                run(at, told.built)
            at.hub.faults.clear()
            run(at, told.built)
            ends_alike(at, told)
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_by_itself_is_waited_for(
    kind: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(told.seed, tmp_path / "storm", monkeypatch) as at:
        for method, pattern in sorted({(call.method, place_of(call)) for call in told.calls}):
            if kind != "secondary" or "/api/" in pattern:
                at.hub.faults.add(kind, method, pattern)
        run(at, told.built)
        assert any(call.fault == kind for call in at.hub.calls)
        at.hub.faults.clear()
        ends_alike(at, told)


@pytest.mark.parametrize("kind", OFTEN)
def test_a_refusal_of_any_call_ends_in_words_and_is_made_good(
    kind: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs one after the other: of the first the first call is refused, of the second the second, and so on."""
    with bench(told.seed, tmp_path / "chain", monkeypatch) as at:
        for number in range(100):
            fault = at.hub.faults.add(kind, after=number)
            in_words(lambda: run(at, told.built))
            if not fault.fired:
                break
            at.hub.faults.clear()
        assert 5 < number < 100
        ends_alike(at, told)


def in_words(act: Callable[[], object]) -> None:
    """It may fail, and then says what happened, and below it what to do."""
    try:
        act()
    except Fault as fault:
        assert "\n" in str(fault).strip(), f"no fix is named: {fault}"


def test_a_lost_race_for_the_store_or_the_branch_loses_nothing(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(told.seed, tmp_path / "store", monkeypatch) as at:
        at.hub.faults.add("lost-race", ref="refs/dvc/store", files={"files/md5/ab/" + "c" * 30: b"theirs"})
        run(at, told.built)
        assert len(at.state()["bytes"]["refs/dvc/store"].splitlines()) == 3 and assets(at) == told.assets
    with bench(told.seed, tmp_path / "branch", monkeypatch) as at:
        at.hub.faults.add("lost-race", ref="refs/heads/deploy/production", files={"theirs": b"x"})
        in_words(lambda: run(at, told.built))
        assert at.repo.file("deploy/production", "theirs") == b"x"
        outcome = run(at, told.built)
        assert at.repo.file("deploy/production", "theirs") == b"x", "a person's commit stays"
        assert any("no robot touches it" in line for line in outcome.lines), outcome.lines
