"""The job that writes, against a strict forge: to the same end after every fault of every call, and a kill behind any effect."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.forge.calls import Call
from tests.suite import ruled
from tests.suite.judged import md5, sha256
from tests.suite.ruled import POINTER, ROWS, RUN, Bench, Built, bench, git, place_of

from gitops_ml import storage
from gitops_ml.contracts.report import Report
from gitops_ml.contracts.verdict import Verdict
from gitops_ml.delivery.refresh import overtaken
from gitops_ml.errors import Fault
from gitops_ml.forge.client import connect
from gitops_ml.ruling import flow
from gitops_ml.ruling.flow import Done, approve, update, visit

ABORT = ("401", "403", "404", "409", "422")
APART = [
    kind if kind in ("403", "404", "422") else pytest.param(kind, marks=pytest.mark.full) for kind in ABORT
]
"""Those that the client treats each in its own way; the others are like one of them."""
PASSING = ("500", "502", "429", "secondary", "drop", "drop-after")
TRAIN = "Newer data could not be turned into a model"
TODAY = b"rows of today"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.people(monkeypatch)


# ---------------------------------------------------------------- the stories


@dataclass(frozen=True)
class Story:
    """``plant`` makes what was there before, and what the jobs before handed over; ``run`` is what the job does."""

    plant: Callable[[Bench], Any]
    run: Callable[[Bench, Any], Done | str]


def asked(at: Bench) -> Built:
    """A pull request that changes a param."""
    at.pull_request("topic", {"params.yaml": "train: {trees: 30}\n"})
    return at.build("a", at.head("topic"), b"new")


def visited(at: Bench, built: Built) -> Done:
    desk = at.desk()
    return visit(desk, at.task(desk, built), 1, at.folder / "out")


def moved(at: Bench) -> Built:
    """The source of the table has moved; the last run could not read it."""
    token = at.repo.github_token("6", ruled.GRANTED)
    connect(at.place, token).issue("train", TRAIN, "The source did not answer.")
    pointer = f"outs:\n- md5: {md5(TODAY)}\n  hash: md5\n  path: churn.csv\n".encode()
    return at.build("b", at.head("main"), b"newer", {POINTER: pointer}, removed=[])


def updated(at: Bench, built: Built) -> Done:
    desk = at.desk()
    return update(desk, at.task(desk, built), at.folder / "out")


def both_built(at: Bench) -> Built:
    """Both sides were built by CI: their locks conflict, and main is merged into the branch."""
    at.pull_request("topic", {"params.yaml": "train: {trees: 30}\n"})
    at.repo.commit("topic", dict(ruled.derived(at.folder / "theirs", b"theirs")), at.will, "Built by CI")
    at.repo.commit("main", {"README.md": "# Churn!\n", **ruled.derived(at.folder / "ours", b"ours")}, at.ada)
    return at.build("c", at.head("topic"), b"both", merged=at.head("main"), removed=[])


def stopped(at: Bench) -> None:
    """Newer data that the pipeline does not take."""


def told(at: Bench, _: None) -> Done:
    desk = at.desk()
    task = at.task(
        desk, None, at.head("main"), kind="model", results={"build": "failure"}, reason="prepare failed"
    )
    return update(desk, task, at.folder / "out")


def healed(at: Bench) -> None:
    """The last run could not read the source; it is again what main holds."""
    token = at.repo.github_token("6", ruled.GRANTED)
    connect(at.place, token).issue("train", TRAIN, "The source did not answer.")


def looked(at: Bench, _: None) -> Done:
    desk = at.desk()
    return update(desk, at.task(desk, None, at.head("main"), kind="model"), at.folder / "out")


def guarded(at: Bench) -> None:
    """A change of the policy waits for a second person, who has now approved it."""
    at.pull_request("rules", {"policy.yaml": "version: 1\nenvironments: [staging]\n"})
    desk = at.desk()
    visit(desk, at.task(desk, None, at.head("rules")), 1, at.folder / "out")
    at.repo.approve(1, at.ada)


def approved(at: Bench, _: None) -> str:
    return approve(at.desk(), 1)


def pointed(at: Bench) -> str:
    """v1.0.0 is released; a pull request names it for production, and it was proven."""
    desk = at.desk()
    made = ruled.make(at.folder / "jobs" / "old", at.head("main"), b"old").candidate / "objects"
    (made / md5(ROWS)[:2]).mkdir(exist_ok=True)
    (made / md5(ROWS)[:2] / md5(ROWS)[2:]).write_bytes(ROWS)
    storage.push(desk.root, "refs/dvc/store", source=made)
    desk.forge.create_tag("churn@v1.0.0", at.head("main"), "churn v1.0.0\n\nverdict: pass\n")
    named = {"version": "v1.0.0", "revision": at.head("main"), "sha256": sha256(b"old")}
    pointer = {**named, "model": "churn", "path": "models/model.skops", "size": 3}
    pointer |= {"image": None, "verdict": "pass", "promoted_from": None}
    at.pull_request("by-hand", {"deploy/production/model.yaml": json.dumps(pointer)})
    proof = {**named, "environment": "production", "rows": 20, "problems": []}
    return json.dumps({"version": 1, "proofs": [proof]})


def pointer_judged(at: Bench, proofs: str) -> Done:
    desk = at.desk()
    task = at.task(
        desk, None, at.head("by-hand"), kind="pointer", results={"prove": "success"}, proofs=proofs
    )
    return visit(desk, task, 1, at.folder / "out")


STORIES = {
    "visit": Story(asked, visited),
    "update": Story(moved, updated),
    "refresh": Story(both_built, visited),
    "stopped": Story(stopped, told),
    "healthy": Story(healed, looked),
    "approve": Story(guarded, approved),
    "pointer": Story(pointed, pointer_judged),
}


@dataclass
class Told:
    """A story told once, undisturbed: where it began, its calls, and the state that it leaves."""

    story: Story
    seed: Path
    handed: Any
    calls: list[Call]
    state: dict[str, Any]


@pytest.fixture(scope="session")
def told_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """Story -> how it goes when nothing goes wrong. Told when first asked for."""
    known: dict[str, Told] = {}
    seed = tmp_path_factory.mktemp("ruled") / "seed"
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        ruled.plant(seed)

    def tell(name: str) -> Told:
        if name not in known:
            story, began = STORIES[name], tmp_path_factory.mktemp(name)
            with (
                pytest.MonkeyPatch.context() as patch
            ):  # of its own: a token or a clock must not outlive the story
                ruled.people(patch)
                with bench(seed, began / "before", patch) as at:
                    handed = story.plant(at)
                with bench(began / "before", began / "whole", patch) as at, at.hub.recording() as calls:
                    story.run(at, handed)
                    known[name] = Told(story, began / "before", handed, calls, {})
                    known[name].state = at.state()
            known[name].calls = list(calls)
        return known[name]

    return tell


# ---------------------------------------------------------------- undisturbed


def test_a_visit_commits_keeps_records_comments_and_says_so_last(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once("visit")
    state, built = told_.state, told_.handed
    assert state["words"]["topic"].splitlines()[0].startswith("gitops-ml[bot] Built by CI: model ")
    names = [one[0:2] for one in state["statuses"]["<topic~0>"]]
    assert names == [["gitops-ml", "success"], ["gitops-ml/built", "success"]], "newest first"
    assert list(state["bytes"]) == ["refs/dvc/pr/1"] and state["pushes"] == {"refs/dvc/pr/1": "1"}
    assert len(state["bytes"]["refs/dvc/pr/1"].splitlines()) == 4
    (comment,) = state["comments"][1]
    assert "✅ Pass" in comment
    effects = [call for call in told_.calls if call.effect]
    assert [call.service for call in effects] == ["git-receive-pack"] * 2 + ["rest"] * 3
    assert "/statuses/" in effects[-1].path and built.head not in effects[-1].path, (
        "the new head, at the very end"
    )
    with bench(told_.seed, tmp_path / "again", monkeypatch) as at:
        told_.story.run(at, built)
        head = at.head("topic")
        assert sorted(at.repo.changed_files(built.head, head)) == [
            "dvc.lock", "reports/evaluation.json", "reports/gone.md", "reports/model_card.json",
        ]  # fmt: skip
        assert at.repo.file(head, "reports/gone.md") is None
        out = {path.name for path in (at.folder / "out").iterdir()}
        assert out == {"verdict.json", "measurements.json", "report.md", "report.json", "report.html"}
        story = Report.read(at.folder / "out" / "report.json")
        assert (
            story.digest == Verdict.read(at.folder / "out" / "verdict.json").digest() and story.head == head
        )
        assert story.run.endswith(RUN) and story.heading in (at.folder / "out" / "report.html").read_text(
            "utf-8"
        )


def test_an_update_opens_one_labelled_pull_request_and_closes_the_issue(
    told_once: Callable[[str], Told],
) -> None:
    state = told_once("update").state
    ((_, title, body, opened, labels),) = state["pulls"]
    assert (
        title == "Newer data: data/raw/churn.csv"
        and opened == "open"
        and "`data/raw/churn.csv` has moved" in body
    )
    assert labels == ["gitops-ml: retrain"]
    assert [one[0] for one in state["statuses"]["<retrain/data~0>"]] == ["gitops-ml", "gitops-ml/built"]
    assert list(state["bytes"]) == ["refs/dvc/branch/retrain/data"]
    ((_, _, closed, comments),) = state["issues"]
    assert (closed, comments) == ("closed", 1)


def test_a_refresh_is_a_merge_that_takes_derived_files_from_the_build_alone(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once("refresh")
    with bench(told_.seed, tmp_path / "again", monkeypatch) as at:
        before = at.head("topic")
        told_.story.run(at, told_.handed)
        head = at.head("topic")
        assert at.repo.git.text("show", "-s", "--format=%P", head).split() == [before, at.head("main")]
        assert at.repo.file(head, "README.md") == b"# Churn!\n"
        assert at.repo.file(head, "params.yaml") == b"train: {trees: 30}\n"
        assert at.repo.file(head, "dvc.lock") == (told_.handed.candidate / "files/dvc.lock").read_bytes()
        assert at.repo.file(head, "reports/gone.md") is None, "nobody built it"
        assert at.status(head)[0] == "success"


def test_what_stopped_is_one_issue(told_once: Callable[[str], Told]) -> None:
    state = told_once("stopped").state
    ((title, body, opened, _),) = state["issues"]
    assert (title, opened) == (TRAIN, "open") and "prepare failed" in body
    assert state["pulls"] == [] and list(state["trees"]) == ["main"]


def test_a_source_that_is_as_it_was_closes_the_issue_and_does_nothing_else(
    told_once: Callable[[str], Told],
) -> None:
    told_ = told_once("healthy")
    assert [one[2:] for one in told_.state["issues"]] == [["closed", 1]]
    assert (
        told_.state["pulls"] == []
        and told_.state["statuses"] == {}
        and list(told_.state["trees"]) == ["main"]
    )


def test_an_approval_clears_what_waits(told_once: Callable[[str], Told]) -> None:
    (newest, waiting) = told_once("approve").state["statuses"]["<rules~0>"]
    assert newest[:2] == ["gitops-ml", "success"] and newest[2].startswith("Approved by ada: ")
    assert waiting[1] == "pending"


@pytest.mark.parametrize("name", STORIES)
def test_a_second_run_changes_nothing(
    name: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once(name)
    with bench(told_.seed, tmp_path / "twice", monkeypatch) as at:
        told_.story.run(at, told_.handed)
        with at.hub.recording() as calls:
            told_.story.run(at, told_.handed)
        assert [call.path for call in calls if call.effect] == []
        assert at.state() == told_.state


# ---------------------------------------------------------------- faults and kills


@pytest.mark.parametrize("name", STORIES)
def test_a_run_killed_behind_any_effect_is_completed_by_the_next(
    name: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once(name)
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    effects = [call for call in told_.calls if call.effect]
    assert effects
    for number in range(len(effects)):
        with bench(told_.seed, tmp_path / str(number), monkeypatch) as at:
            at.hub.faults.add("dead-after-n-effects", after=number)
            with pytest.raises(Fault):
                told_.story.run(at, told_.handed)
            at.hub.faults.clear()
            told_.story.run(at, told_.handed)
            assert at.state() == told_.state, (
                f"killed behind {effects[number - 1].path if number else 'nothing'}"
            )


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("name", STORIES)
def test_what_passes_by_itself_is_waited_for(
    name: str, kind: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call fails once, and works when it is repeated: the run that is hardest and must still end well."""
    told_ = told_once(name)
    with bench(told_.seed, tmp_path / "storm", monkeypatch) as at:
        for method, pattern in sorted({(call.method, place_of(call)) for call in told_.calls}):
            if kind == "secondary" and "/api/" not in pattern:
                continue  # git says 403, and that is final
            times = sum((call.method, place_of(call)) == (method, pattern) for call in told_.calls)
            for turn in range(times):
                at.hub.faults.add(kind, method, pattern, after=2 * turn)
        told_.story.run(at, told_.handed)
        assert any(call.fault == kind for call in at.hub.calls)
        at.hub.faults.clear()
        assert at.state() == told_.state


@pytest.mark.parametrize("kind", APART)
@pytest.mark.parametrize("name", STORIES)
def test_a_refusal_of_any_call_ends_in_words_and_is_made_good(
    name: str, kind: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs one after the other: of the first the first call is refused, of the second the second, and so on."""
    told_ = told_once(name)
    with bench(told_.seed, tmp_path / "chain", monkeypatch) as at:
        for number in range(60):
            fault = at.hub.faults.add(kind, after=number)
            disturbed(told_, at)
            if not fault.fired:
                break
            at.hub.faults.clear()
        assert 2 <= number < 60
        assert at.state() == told_.state


@pytest.mark.full
@pytest.mark.parametrize("kind", [*ABORT, *PASSING])
@pytest.mark.parametrize("name", STORIES)
def test_every_fault_in_every_call_is_made_good_by_the_next_run(
    name: str, kind: str, told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once(name)
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "1")
    for number in range(len(told_.calls)):
        with bench(told_.seed, tmp_path / str(number), monkeypatch) as at:
            # What passes lasts longer than the patience of the run.
            at.hub.faults.add(kind, after=number, times=1 if kind in ABORT else 50)
            disturbed(told_, at)
            at.hub.faults.clear()
            told_.story.run(at, told_.handed)
            assert at.state() == told_.state, (number, told_.calls[number].path)


def disturbed(told_: Told, at: Bench) -> None:
    """A run that may fail, and then in words: what happened, and below it what to do."""
    try:
        told_.story.run(at, told_.handed)
    except Fault as fault:
        assert "\n" in str(fault).strip(), f"no fix is named: {fault}"
        assert "Traceback" not in str(fault)


def test_who_pushes_meanwhile_is_not_overwritten_and_not_judged(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, branch in (("visit", "topic"), ("refresh", "topic")):
        for when in ("receive", "advertise"):
            told_ = told_once(name)
            with bench(told_.seed, tmp_path / name / when, monkeypatch) as at:
                at.hub.faults.add("lost-race", ref=f"refs/heads/{branch}", files={"theirs": b"x"}, when=when)
                done = told_.story.run(at, told_.handed)
                assert isinstance(done, Done) and done.overall == "superseded"
                assert "has a run of its own" in done.line
                head = at.head(branch)
                assert at.repo.file(head, "theirs") == b"x" and at.status(head) == ("", "")
                assert at.repo.comments(1) == []


def test_two_runs_that_keep_bytes_at_once_lose_none(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once("visit")
    with bench(told_.seed, tmp_path / "race", monkeypatch) as at:
        other = {"files/md5/ab/" + "c" * 30: b"theirs"}
        at.hub.faults.add("lost-race", ref="refs/dvc/pr/1", files=other)
        told_.story.run(at, told_.handed)
        listed = at.repo.git.text("ls-tree", "-r", "--name-only", "refs/dvc/pr/1").splitlines()
        assert len(listed) == 5 and next(iter(other)) in listed
        assert at.status(at.head("topic"))[0] == "success"


def test_another_build_of_the_same_commit_goes_on_top_of_the_one_that_was_cut_off(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline that gives other bytes each time: what a killed run pushed is a robot's, and must not stop the next."""
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    for name in ("visit", "refresh"):
        told_ = told_once(name)
        with bench(told_.seed, tmp_path / name, monkeypatch) as at:
            at.hub.faults.add("dead-after-n-effects", after=2)
            with pytest.raises(Fault):
                told_.story.run(at, told_.handed)
            at.hub.faults.clear()
            cut = at.head("topic")
            assert cut != told_.handed.head and at.status(cut) == ("", "")
            more = {"merged": at.head("main"), "removed": []} if name == "refresh" else {}
            again = at.build("other", told_.handed.head, b"other bytes", **more)
            done = told_.story.run(at, again)
            assert isinstance(done, Done) and done.overall == "pass", done
            head = at.head("topic")
            assert git(at.repo.bare, "rev-parse", f"{head}^") == cut
            assert at.repo.file(head, "dvc.lock") == (again.candidate / "files/dvc.lock").read_bytes()
            assert at.status(head)[0] == "success"


def test_what_a_stopped_run_pushed_without_a_word_is_found_by_the_next_refresh(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event starts a run for what GITHUB_TOKEN pushed: without this nobody would ever say a word about that head."""
    for name in ("visit", "refresh"):
        told_ = told_once(name)
        with bench(told_.seed, tmp_path / name, monkeypatch) as at:
            monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
            at.hub.faults.add("dead-after-n-effects", after=2)
            with pytest.raises(Fault):
                told_.story.run(at, told_.handed)
            at.hub.faults.clear()
            desk = at.desk()
            (found,) = overtaken(desk.root, desk.forge, desk.token)
            assert (found.number, found.head, found.paths) == (1, at.head("topic"), [])
            told_.story.run(at, told_.handed)
            desk = at.desk()
            assert overtaken(desk.root, desk.forge, desk.token) == []


def test_a_person_on_top_of_the_built_commit_is_never_built_upon(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once("visit")
    with bench(told_.seed, tmp_path / "person", monkeypatch) as at:
        theirs = at.repo.commit("topic", {"reports/metrics.json": "{}"}, at.will, "By hand")
        done = told_.story.run(at, told_.handed)
        assert isinstance(done, Done) and done.overall == "superseded"
        assert at.head("topic") == theirs and at.status(theirs) == ("", "")


def test_a_persons_commit_on_the_standing_branch_stays(
    told_once: Callable[[str], Told],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told_ = told_once("update")
    with bench(told_.seed, tmp_path / "person", monkeypatch) as at:
        told_.story.run(at, told_.handed)
        theirs = at.repo.commit("retrain/data", {"params.yaml": "train: {trees: 7}\n"}, at.will, "Mine")
        newer = at.build("newer", at.head("main"), b"newest", removed=[])
        done = told_.story.run(at, newer)
        assert isinstance(done, Done) and done.overall == "superseded"
        assert at.head("retrain/data") == theirs and at.status(theirs) == ("", "")
        assert "a person's now" in capsys.readouterr().err


def test_a_closed_pull_request_is_left_alone(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once("visit")
    with bench(told_.seed, tmp_path / "closed", monkeypatch) as at:
        connect(at.place, at.will.token).close_pull(1, "")
        with at.hub.recording() as calls:
            done = told_.story.run(at, told_.handed)
        assert (
            isinstance(done, Done) and done.overall == "superseded" and not any(call.effect for call in calls)
        )


def test_a_weak_token_is_told_which_permission_it_lacks(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once("visit")
    for lacks in ("contents", "pull-requests", "statuses"):
        with bench(told_.seed, tmp_path / lacks, monkeypatch) as at:
            granted = {**ruled.GRANTED, lacks: "read", "issues": "read"}
            desk = at.desk(granted)
            with pytest.raises(Fault, match=f"{lacks}: write"):
                visit(desk, at.task(desk, told_.handed), 1, at.folder / "out")
            told_.story.run(at, told_.handed)
            assert at.state() == told_.state


def test_newer_data_moves_the_one_pull_request_forward(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once("update")
    with bench(told_.seed, tmp_path / "newer", monkeypatch) as at:
        told_.story.run(at, told_.handed)
        first = at.head("retrain/data")
        newer = at.build("newer", at.head("main"), b"newest", removed=[])
        told_.story.run(at, newer)
        head = at.head("retrain/data")
        assert git(at.repo.bare, "rev-parse", f"{head}^") == first, "forward, never forced"
        assert (
            len(at.repo.open_pulls()) == 1 and len(at.repo.comments(at.repo.open_pulls()[0]["number"])) == 1
        )
        assert at.repo.file(head, "dvc.lock") == (newer.candidate / "files/dvc.lock").read_bytes()
        assert at.status(head)[0] == "success"


def test_without_the_setting_branch_and_verdict_are_there_and_one_issue_says_what_to_click(
    told_once: Callable[[str], Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_ = told_once("update")
    with bench(told_.seed, tmp_path / "forbidden", monkeypatch) as at:
        at.repo.allow_pull_requests(False)
        for _ in range(2):
            done = told_.story.run(at, told_.handed)
            assert isinstance(done, Done) and done.overall == "pass" and done.number is None
        assert at.repo.open_pulls() == [] and at.status(at.head("retrain/data"))[0] == "success"
        (issue,) = at.repo.issues()
        assert "compare/main...retrain/data" in issue["body"]
        at.repo.allow_pull_requests()
        told_.story.run(at, told_.handed)
        assert at.repo.issues() == [] and len(at.repo.open_pulls()) == 1
        assert flow.RETRAIN_LABEL in [one["name"] for one in at.repo.open_pulls()[0]["labels"]]
