"""Deploy, promote and roll-back on the strict forge: the same end after a kill behind any effect, and every fault of any call."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.forge.calls import Call
from tests.suite import moved, ruled
from tests.suite.moved import Bench, bench, in_words
from tests.suite.ruled import place_of

from gitops_ml.errors import Fault
from gitops_ml.forge.client import connect

REFUSALS = [pytest.param(kind, marks=pytest.mark.full) for kind in ("401", "403", "409", "422")] + ["404"]
PASSING = [pytest.param(kind, marks=pytest.mark.full) for kind in ("500", "502", "429", "secondary", "drop")]
PASSING += ["drop-after"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.people(monkeypatch)


@dataclass(frozen=True)
class Story:
    """``plant`` makes what was there before; ``run`` is one run of the workflow."""

    plant: Callable[[Bench], object]
    run: Callable[[Bench], object]


@dataclass
class Told:
    """A story, undisturbed: where it began, its calls, and what it left behind."""

    story: Story
    seed: Path
    calls: list[Call]
    state: dict[str, Any]


def issue(at: Bench, reason: str) -> None:
    connect(at.place, at.repo.github_token("6", ruled.GRANTED)).issue(reason, "It failed", "It did.")


def staged(at: Bench) -> None:
    """Staging was given v1.0.1; the last run could not serve what stood there before."""
    moved.merge(at, "deploy/staging")
    issue(at, "deploy staging")


def everywhere(at: Bench) -> None:
    """Both environments serve v1.0.1."""
    moved.merge(at, "deploy/staging")
    moved.deployed(at)
    moved.merge(at, "deploy/production")
    moved.deployed(at)


def gone_back(at: Bench) -> None:
    """Staging was rolled back while v1.0.1 is offered to production."""
    moved.merge(at, "deploy/staging")
    moved.deployed(at)
    moved.rolled_back(at, "staging")
    moved.merge(at, "roll-back/staging")


STORIES = {
    "deploy": Story(staged, moved.deployed),
    "refused": Story(
        lambda at: moved.merge(at, "deploy/staging"), lambda at: moved.deployed(at, ("v1.0.1",))
    ),
    "withdrawn": Story(gone_back, moved.deployed),
    "promote": Story(
        lambda at: moved.merge(at, "deploy/staging"), lambda at: moved.promoted(at, "production")
    ),
    "roll-back": Story(everywhere, moved.rolled_back),
}
EVERY = ["deploy", *(pytest.param(name, marks=pytest.mark.full) for name in STORIES if name != "deploy")]


@pytest.fixture(scope="module")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    folder = tmp_path_factory.mktemp("moved")
    known: dict[str, Told] = {}
    seeds: list[Path] = []

    def told(name: str) -> Told:
        if name not in known:
            story, began = STORIES[name], folder / name
            with pytest.MonkeyPatch.context() as patch:
                ruled.people(patch)
                if not seeds:
                    seeds.append(moved.plant(folder / "plant", patch))
                with bench(seeds[0], began / "before", patch) as at:
                    story.plant(at)
                with bench(began / "before", began / "whole", patch) as at, at.hub.recording() as calls:
                    story.run(at)
                    state = at.state()
                known[name] = Told(story, began / "before", list(calls), state)
        return known[name]

    return told


# ---------------------------------------------------------------- undisturbed


def test_deploy_shows_in_order_what_is_served_and_offers_it_on(tell: Callable[[str], Told]) -> None:
    told = tell("deploy")
    brought = "<deploy/production~1>"  # the merge, which the offer stands on
    paths = [call.path for call in told.calls if call.effect]
    order = [next(n for n, path in enumerate(paths) if part in path) for part in ("git/refs", "/deployments")]
    assert order == sorted(order), "the tag first, what GitHub shows behind it"
    assert told.state["messages"]["churn#staging#2"].startswith("churn staging v1.0.1\n\nsha256: ")
    assert f"pointer: {brought}" in told.state["messages"]["churn#staging#2"]
    environment, sha, payload, production, status = told.state["deployments"][-1]
    assert (environment, sha, payload["version"], production) == ("staging", brought, "v1.0.1", False)
    assert status == ["success", "v1.0.1 is proven and served"]
    assert told.state["issues"][0][2] == "closed"
    _, title, _, opened, labels = told.state["pulls"][-1]
    assert (title, opened, labels) == ("Serve churn v1.0.1 in production", "open", ["gitops-ml: deploy"])


def test_what_cannot_be_served_moves_nothing_and_says_why(tell: Callable[[str], Told]) -> None:
    state = tell("refused").state
    assert "churn#staging#2" not in state["tags"]
    assert state["deployments"][-1][-1] == ["failure", "v1.0.1 is not served: v1.0.1 does not load: planted"]
    title, body, opened, _ = state["issues"][0]
    assert title == "staging does not serve v1.0.1, which main names" and opened == "open"
    assert "does not load: planted" in body and "still say **v1.0.0**" in body
    assert [one[3] for one in state["pulls"]] == ["closed"] * 3, "and it is offered to nobody"


def test_an_offer_that_its_environment_went_back_from_is_withdrawn(tell: Callable[[str], Told]) -> None:
    state = tell("withdrawn").state
    assert [one[3] for one in state["pulls"]] == ["closed"] * 5
    (comment,) = state["comments"][4]
    assert "staging serves v1.0.0 again" in comment


# ---------------------------------------------------------------- disturbed


@pytest.mark.parametrize("name", EVERY)
def test_a_kill_behind_any_effect_is_made_good_by_the_next_run(
    name: str, tell: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tell(name)
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    effects = [call for call in told.calls if call.effect]
    assert len(effects) >= 3
    for number in range(len(effects)):
        with bench(told.seed, tmp_path / str(number), monkeypatch) as at:
            at.hub.faults.add("dead-after-n-effects", after=number)
            with pytest.raises(Fault):
                told.story.run(at)
            at.hub.faults.clear()
            told.story.run(at)
            assert at.state() == told.state, (
                f"killed behind {effects[number - 1].path if number else 'nothing'}"
            )
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_by_itself_is_waited_for(
    kind: str, name: str, tell: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tell(name)
    with bench(told.seed, tmp_path / "storm", monkeypatch) as at:
        for method, pattern in sorted({(call.method, place_of(call)) for call in told.calls}):
            if kind != "secondary" or "/api/" in pattern:
                at.hub.faults.add(kind, method, pattern)
        told.story.run(at)
        assert any(call.fault == kind for call in at.hub.calls)
        at.hub.faults.clear()
        assert at.state() == told.state


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_of_any_call_ends_in_words_and_is_made_good(
    kind: str, name: str, tell: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs one after the other: of the first the first call is refused, of the second the second, and so on."""
    told = tell(name)
    with bench(told.seed, tmp_path / "chain", monkeypatch) as at:
        for number in range(120):
            fault = at.hub.faults.add(kind, after=number)
            in_words(lambda: told.story.run(at))
            if not fault.fired:
                break
            at.hub.faults.clear()
        assert 5 < number < 120
        assert at.state() == told.state


def test_somebody_elses_commit_on_the_branch_stays(
    tell: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tell("deploy")
    with bench(told.seed, tmp_path / "branch", monkeypatch) as at:
        at.repo.commit("deploy/production", {"theirs": "x"}, at.will, "Mine")
        theirs = at.head("deploy/production")
        outcome = moved.deployed(at)
        assert outcome.ok and any("no robot touches it" in line for line in outcome.lines), outcome.lines
        assert at.head("deploy/production") == theirs
        assert moved.newest_deployments(at)["staging"] == ("v1.0.1", "success"), "what is served goes on"
    with bench(told.seed, tmp_path / "race", monkeypatch) as at:
        at.hub.faults.add("lost-race", ref="refs/heads/deploy/production", files={"theirs": b"x"})
        in_words(lambda: moved.deployed(at))
        assert at.repo.file("deploy/production", "theirs") == b"x"


@pytest.mark.parametrize(
    "lacks",
    ["deployments", *(pytest.param(one, marks=pytest.mark.full) for one in ("contents", "pull-requests"))],
)
def test_a_weak_token_is_told_which_permission_it_lacks(
    lacks: str, tell: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tell("deploy")
    with bench(told.seed, tmp_path / lacks, monkeypatch) as at:
        with monkeypatch.context() as patch:
            patch.setitem(moved.GRANTED, lacks, "read")
            patch.setitem(moved.GRANTED, "issues", "read" if lacks == "pull-requests" else "write")
            with pytest.raises(Fault, match=f"{lacks}: write"):
                moved.deployed(at)
        moved.deployed(at)
        assert at.state() == told.state


def test_two_runs_one_after_the_other_change_nothing(
    tell: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("deploy", "refused", "roll-back"):
        told = tell(name)
        with bench(told.seed, tmp_path / name, monkeypatch) as at:
            told.story.run(at)
            with at.hub.recording() as calls:
                told.story.run(at)
            assert not [call.path for call in calls if call.effect], name
            assert at.state() == told.state
