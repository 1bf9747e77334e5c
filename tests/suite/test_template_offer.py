"""The update of the template as people see it: one pull request or one issue, under every fault, kill and token."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.forge import Forge as Hub
from tests.forge.calls import Call
from tests.suite import ruled
from tests.suite.ruled import Bench, bench, git, place_of

from gitops_ml.contracts.template_update import TemplateUpdate
from gitops_ml.errors import Fault
from gitops_ml.forge.client import connect
from gitops_ml.template import sealed
from gitops_ml.template.offer import Done, offer

BRANCH = "template/update"
WORKFLOW = ".github/workflows/train.yml"
NEEDS = {"contents": "write", "issues": "write", "pull-requests": "write", "statuses": "read"}
RARE = [pytest.param(kind, marks=pytest.mark.full) for kind in ("401", "403", "409", "422")] + ["404"]
PASSING = [pytest.param(kind, marks=pytest.mark.full) for kind in ("502", "429", "secondary", "drop")] + [
    "500",
    "drop-after",
]


def answers(version: str) -> str:
    return f'template: cookiecutter-gitops-ml\nversion: "{version}"\nanswers:\n  project_slug: churn\n'


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.people(monkeypatch)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Main with version 0.1.0 of the template; an issue of an earlier conflict is open."""
    folder = tmp_path_factory.mktemp("seed")
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        with Hub.start(folder / "hub") as hub:
            ada = hub.user("ada")
            repo = hub.create("ada/churn", ada)
            repo.allow_pull_requests()
            files = {
                ".gitops-ml.yaml": answers("0.1.0"),
                "old.py": "x\n",
                "params.yaml": "a: 1\n",
                WORKFLOW: "on: push\n",
            }
            repo.commit("main", files, ada, "Generated")
            repo.take_events()
            forge = connect(ruled.place_at(hub), repo.github_token("6", NEEDS))
            forge.issue("template-update", "Update the template to 0.1.9: on a laptop", "It conflicted.")
    return folder


@pytest.fixture
def at(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench(seed, tmp_path / "bench", monkeypatch) as made:
        yield made


def handed(
    at: Bench, outcome: str = "clean", new: str = "0.2.0", workflow: bool = False, **more: Any
) -> tuple[Path, str]:
    """What the job that rendered hands over: the folder, and its digest."""
    files = {".gitops-ml.yaml": answers(new), "src/new.py": f"{new}\n", ".github/actions/suite.py": "two\n"}
    files |= {WORKFLOW: "on: pull_request\n"} if workflow else {}
    files = files if outcome == "clean" else {}
    folder = at.folder / "jobs" / hashlib.md5(json.dumps([outcome, new, workflow]).encode()).hexdigest()
    for path, text in files.items():
        (folder / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / path).write_text(text)
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Any] = {
        "version": 1, "outcome": outcome, "main": at.head("main"), "old": "0.1.0", "new": new, "source": None,
        "files": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()},
        "removed": ["old.py"] if files else [], "conflicts": ["README.md", "params.yaml"] if outcome == "conflict" else [],
        "workflows": [WORKFLOW] if workflow else [], "notes": ["The model will be built again by CI: x."],
    }  # fmt: skip
    TemplateUpdate.parse(made | more, "test").write_json(folder / "manifest.json")
    return folder, hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def run(at: Bench, given: tuple[Path, str], token: str = "", may: bool = False) -> Done:
    """One run of the job that writes."""
    desk = at.desk(NEEDS)
    secret = token or desk.token
    return offer(desk.root, connect(at.place, secret), secret, sealed.opened(*given), given[0], may)


def test_a_clean_update_is_one_pull_request(at: Bench) -> None:
    done = run(at, handed(at))
    (pull,) = at.repo.open_pulls()
    assert (pull["head"]["ref"], pull["title"]) == (BRANCH, "Template 0.1.0 -> 0.2.0")
    assert [one["name"] for one in pull["labels"]] == ["gitops-ml: template"]
    assert (
        "suite: 1" in pull["body"]
        and "- `old.py` (goes)" in pull["body"]
        and "built again by CI" in pull["body"]
    )
    assert sorted(at.repo.changed_files(at.head("main"), at.head(BRANCH))) == [
        ".github/actions/suite.py", ".gitops-ml.yaml", "old.py", "src/new.py",
    ]  # fmt: skip
    assert at.repo.issues() == [], "the earlier conflict is over"
    assert done.number == pull["number"] and done.head == at.head(BRANCH), "to be judged by this run"
    state = at.state()
    assert run(at, handed(at)) == done and at.state() == state, "nothing twice"
    # A newer version: the same pull request.
    again = run(at, handed(at, new="0.3.0"))
    (pull,) = at.repo.open_pulls()
    assert again.number == pull["number"] == done.number and pull["title"] == "Template 0.1.0 -> 0.3.0"
    assert at.repo.git.text("rev-parse", f"{at.head(BRANCH)}^").strip() == done.head, "forward, never forced"
    assert at.repo.file(BRANCH, "src/new.py") == b"0.3.0\n"


def test_workflow_files_need_a_token_that_may(at: Bench) -> None:
    given = handed(at, workflow=True)
    for _ in range(2):
        done = run(at, given)
        assert done.number is None and at.repo.open_pulls() == [] and BRANCH not in at.repo.branches()
        (issue,) = at.repo.issues()
        assert issue["title"] == "Update the template to 0.2.0: on a laptop"
        assert (
            f"- `{WORKFLOW}`" in issue["body"]
            and "uv run gitops-ml template update --to 0.2.0" in issue["body"]
        )
    tried = [call for call in at.hub.calls if "receive-pack" in f"{call.path}"]
    assert not tried, "it does not try what it may not"
    refused = run(at, given, may=True)  # the setting says yes, the forge says no
    assert "needs a person" in refused.text and len(at.repo.issues()) == 1
    at.patch.setenv("GITOPS_ML_APP_SLUG", "gitops-bot")
    app = at.repo.app("gitops-bot", NEEDS | {"workflows": "write"})
    done = run(at, given, app.token, may=True)
    (pull,) = at.repo.open_pulls()
    assert done.number == pull["number"] and at.repo.file(BRANCH, WORKFLOW) == b"on: pull_request\n"
    assert at.repo.issues() == []


def test_conflicts_are_one_issue_until_main_is_up_to_date(at: Bench) -> None:
    given = handed(at, "conflict", workflow=True)
    done = run(at, given)
    (issue,) = at.repo.issues()
    assert done.number is None and "- `README.md`\n- `params.yaml`" in issue["body"]
    assert at.repo.open_pulls() == []
    assert "Up to date" in run(at, handed(at, "current")).text
    assert at.repo.issues() == [] and [one["state"] for one in at.repo.issues("all")] == ["closed"]
    assert "Nobody wrote down" in run(at, handed(at, "unknown")).text and at.repo.issues() == []


def test_what_ci_built_of_it_stays_until_main_moves(at: Bench) -> None:
    first = run(at, handed(at))
    robot = at.repo.app("gitops-bot", NEEDS)
    built = {"dvc.lock": "built\n", "reports/metrics.json": "{}\n", "MODEL_CARD.md": "# Built\n"}
    at.repo.commit(BRANCH, built, robot, "Built by CI")
    head = at.head(BRANCH)
    again = run(at, handed(at))
    assert at.head(BRANCH) == head != first.head and again.head == head, "nobody judged it yet"
    at.desk().forge.set_status(head, "pending", "Needs a human")
    state = at.state()
    assert run(at, handed(at)).head is None and at.state() == state
    at.repo.commit("main", {"params.yaml": "a: 2\n"}, at.ada, "Main moves")
    moved = run(at, handed(at))
    assert moved.head == at.head(BRANCH) != head and at.repo.file(BRANCH, "params.yaml") == b"a: 2\n"


def test_up_to_date_closes_the_pull_request(at: Bench) -> None:
    run(at, handed(at))
    run(at, handed(at, "current"))
    assert at.repo.open_pulls() == []


def test_a_closed_version_is_not_offered_again_and_the_next_is(at: Bench) -> None:
    number = run(at, handed(at)).number
    at.desk(NEEDS).forge.close_pull(int(str(number)), "no")
    state = at.state()
    assert "not offered again" in run(at, handed(at)).text and at.state() == state
    assert run(at, handed(at, new="0.3.0")).number not in (None, number)


def test_people_s_commits_are_safe(at: Bench) -> None:
    run(at, handed(at))
    at.repo.commit(BRANCH, {"README.md": "by hand\n"}, at.will, "By hand")
    theirs = at.head(BRANCH)
    assert "no robot touches it" in run(at, handed(at, new="0.3.0")).text
    assert at.head(BRANCH) == theirs


def test_a_person_s_own_update_is_enough(at: Bench) -> None:
    number = at.pull_request(BRANCH, {".gitops-ml.yaml": answers("0.2.0")}, at.ada)
    for given in (handed(at), handed(at, "conflict"), handed(at, workflow=True)):
        assert run(at, given).number == number and at.repo.issues() == []


def test_without_the_permission_to_open_one_issue_says_what_to_click(at: Bench) -> None:
    at.repo.allow_pull_requests(False)
    done = run(at, handed(at))
    assert done.number is None and done.head is None
    assert [one["title"] for one in at.repo.issues()] == [
        f"Open the pull request of {BRANCH}: GitHub Actions may not"
    ]


@dataclass
class Told:
    """Undisturbed runs: their calls, and what they left."""

    seed: Path
    calls: list[Call]
    state: dict[str, Any]


@pytest.fixture(scope="module")
def told(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        with bench(seed, folder / "whole", patch) as at, at.hub.recording() as calls:
            run(at, handed(at))
            found = Told(seed, [], at.state())
        found.calls = list(calls)
        yield found


def test_a_kill_behind_any_effect_is_made_good(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    effects = [call for call in told.calls if call.effect]
    assert len(effects) >= 5
    for number in range(len(effects)):
        with bench(told.seed, tmp_path / str(number), monkeypatch) as at:
            at.hub.faults.add("dead-after-n-effects", after=number)
            with pytest.raises(Fault):
                run(at, handed(at))
            at.hub.faults.clear()
            assert run(at, handed(at)).head == at.head(BRANCH), "whoever comes next judges it"
            assert at.state() == told.state
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_by_itself_is_waited_for(
    kind: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(told.seed, tmp_path / "storm", monkeypatch) as at:
        for method, pattern in sorted({(call.method, place_of(call)) for call in told.calls}):
            if kind != "secondary" or "/api/" in pattern:
                at.hub.faults.add(kind, method, pattern)
        run(at, handed(at))
        assert any(call.fault == kind for call in at.hub.calls)
        at.hub.faults.clear()
        assert at.state() == told.state


@pytest.mark.parametrize("kind", RARE)
def test_a_refusal_of_any_call_ends_in_words_and_is_made_good(
    kind: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(told.seed, tmp_path / "chain", monkeypatch) as at:
        for number in range(100):
            fault = at.hub.faults.add(kind, after=number)
            in_words(lambda: run(at, handed(at)))
            if not fault.fired:
                break
            at.hub.faults.clear()
        assert 5 < number < 100
        assert at.state() == told.state


def in_words(act: Callable[[], object]) -> None:
    """It may fail, and then says what happened, and below it what to do."""
    try:
        act()
    except Fault as fault:
        assert "\n" in str(fault).strip(), f"no fix is named: {fault}"


def test_a_lost_race_for_the_branch_loses_nothing(at: Bench) -> None:
    at.hub.faults.add("lost-race", ref=f"refs/heads/{BRANCH}", files={"theirs": b"x"})
    in_words(lambda: run(at, handed(at)))
    assert at.repo.file(BRANCH, "theirs") == b"x"
    assert "no robot touches it" in run(at, handed(at)).text
    assert git(at.checkout(), "cat-file", "-t", at.head(BRANCH)) == "commit"
