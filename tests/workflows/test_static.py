"""What no run shows: pins, permissions with reasons, timeouts, concurrency, scripts; and when each workflow starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.workflows import static
from tests.workflows.matcher import decide
from tests.workflows.world import ROOT

TEMPLATE = ROOT / "<<cookiecutter.project_slug>>"
FOLDER = ".github/workflows/"
WORKFLOWS = {path.name: path.read_text("utf-8") for path in sorted((TEMPLATE / FOLDER).glob("*.yml"))}
DELIVERING = ("release.yml", "deploy.yml", "promote.yml", "roll-back.yml")
ON_TIME = ("train.yml", "drift.yml", "audit.yml", "template-update.yml")
RUNNING = (
    "'path': 'head'",
    "uv run",
    "actions/build",
    "actions/score",
    "actions/check'",
    "actions/prove",
    "actions/check-drift",
    "actions/selftest",
    "actions/render-template",
)
TAKEN_FROM_MAIN = ("pull_request_target", "schedule", "repository_dispatch", "workflow_dispatch")


def plain(name: str) -> dict[str, Any]:
    """A workflow as data."""
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(WORKFLOWS[name])
    return content


def test_the_house_rules_hold_in_every_workflow_and_action() -> None:
    paths = [*static.files(ROOT), *sorted((TEMPLATE / FOLDER).glob("*.yml"))]
    assert len(paths) > 20
    assert static.findings(paths) == []


def test_every_pin_is_the_same_commit_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in static.files(ROOT) + sorted((TEMPLATE / FOLDER).glob("*.yml")):
        for owner, commit in re.findall(r"uses: ([\w-]+/[\w-]+)@(\S+ # \S+)", path.read_text("utf-8")):
            pins.setdefault(owner, set()).add(commit)
    assert pins and all(len(commits) == 1 for commits in pins.values()), pins


def test_code_of_a_pull_request_runs_only_where_nothing_can_be_written() -> None:
    """A job that checks out the head, or runs the project, has read permissions; its one secret may read the store."""
    for name in WORKFLOWS:
        for key, job in plain(name)["jobs"].items():
            text = str(job.get("steps", ""))
            runs_code = any(word in text for word in RUNNING)
            if runs_code:
                assert set(job["permissions"].values()) <= {"read"}, (name, key)
                secrets = set(re.findall(r"secrets\.([\w-]+)", text))
                assert secrets <= {"storage-read", "GITOPS_ML_STORAGE_READ"}, (name, key)


def test_what_writes_is_never_cancelled() -> None:
    for name in (*DELIVERING, *ON_TIME, "refresh.yml", "approval.yml"):
        assert plain(name)["concurrency"]["cancel-in-progress"] is False, name
    for name in DELIVERING:
        assert plain(name)["concurrency"]["queue"] == "max", name
    assert plain("pull-request.yml")["concurrency"]["cancel-in-progress"] is True


@dataclass
class Happening:
    """An event as the matcher reads it."""

    name: str
    action: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    actor: str = "ada"
    ref: str = "refs/heads/main"
    sha: str = "1" * 40
    target_sha: str = "2" * 40
    starts: bool = True
    triggers: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=lambda: ["params.yaml"])
    fork: bool = False

    def __post_init__(self) -> None:
        self.triggers = self.triggers or [self.name]


def pull(action: str, **more: Any) -> Happening:
    """Something happened to a pull request."""
    payload = {
        "action": action,
        "pull_request": {"base": {"ref": "main"}, "head": {"ref": "x"}, "labels": []},
    }
    triggers = more.pop("triggers", ["pull_request", "pull_request_target"])
    return Happening("pull_request", action, payload, ref="refs/pull/1/merge", triggers=triggers, **more)


def review(action: str, **more: Any) -> Happening:
    payload = {
        "action": action,
        "pull_request": {"base": {"ref": "main"}, "head": {"ref": "x"}, "labels": []},
    }
    return Happening("pull_request_review", action, payload, ref="refs/pull/1/merge", **more)


def pushed(branch: str, **more: Any) -> Happening:
    return Happening("push", payload={"ref": f"refs/heads/{branch}"}, ref=f"refs/heads/{branch}", **more)


def sent(kind: str) -> Happening:
    return Happening("repository_dispatch", kind, {"action": kind})


def tick(line: str) -> Happening:
    return Happening("schedule", payload={"schedule": line})


def started(event: Happening) -> set[str]:
    """The workflows of the template that an event starts."""
    texts = {f"{FOLDER}{name}": text for name, text in WORKFLOWS.items()}
    decisions = decide(event, lambda trigger: texts if trigger in event.triggers else {})
    return {Path(one.workflow).name for one in decisions if one.starts}


CASES = [
    ("a pull request is opened", pull("opened"), {"pull-request.yml", "fork.yml"}),
    ("it gets new commits", pull("synchronize"), {"pull-request.yml", "fork.yml"}),
    ("it is opened again", pull("reopened"), {"pull-request.yml", "fork.yml"}),
    ("only documentation changes", pull("opened", files=["README.md"]), {"pull-request.yml", "fork.yml"}),
    ("it conflicts with main", pull("synchronize", triggers=["pull_request_target"]), {"pull-request.yml"}),
    ("it gets a label", pull("labeled"), set()),
    ("it is closed", pull("closed"), set()),
    ("GITHUB_TOKEN pushed to it", pull("synchronize", starts=False), set()),
    ("a review is submitted", review("submitted"), {"approval.yml"}),
    ("a review is edited", review("edited"), set()),
    ("main moves", pushed("main"), {"release.yml", "refresh.yml"}),
    (
        "a pointer on main changes",
        pushed("main", files=["deploy/production/model.yaml"]),
        {"release.yml", "refresh.yml", "deploy.yml"},
    ),
    ("a pointer on another branch changes", pushed("x", files=["deploy/production/model.yaml"]), set()),
    ("another branch moves", pushed("feature"), set()),
    ("GITHUB_TOKEN pushed", pushed("main", starts=False), set()),
    ("data changed somewhere", sent("data-changed"), {"train.yml"}),
    ("something else happened somewhere", sent("deploy"), set()),
    ("it is night", tick("23 4 * * *"), {"train.yml"}),
    ("it is Monday", tick("17 6 * * 1"), {"audit.yml"}),
    ("it is the third of a month", tick("29 6 3 * *"), {"template-update.yml"}),
    ("it is morning", tick("41 5 * * *"), {"drift.yml"}),
    ("it is another hour", tick("0 12 * * *"), set()),
]


@pytest.mark.parametrize(("said", "event", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_starts_what(said: str, event: Happening, expected: set[str]) -> None:
    assert started(event) == expected


def test_every_trigger_has_a_case_that_starts_it() -> None:
    """A new `on:` without a case above fails here; workflow_dispatch and workflow_call are started by name."""
    covered = set()
    for _, event, expected in CASES:
        for name in expected:
            covered |= {(name, trigger) for trigger in event.triggers if trigger in plain(name)["on"]}
    declared = {(name, trigger) for name in WORKFLOWS for trigger in plain(name)["on"]}
    named = {"workflow_dispatch", "workflow_call"}
    assert {pair for pair in declared if pair[1] not in named} == covered


@pytest.mark.parametrize("name", [*DELIVERING, *ON_TIME, "refresh.yml", "gates-selftest.yml"])
def test_by_hand(name: str) -> None:
    payload = {"workflow": f"{FOLDER}{name}", "inputs": {}, "ref": "refs/heads/main"}
    assert started(Happening("workflow_dispatch", payload=payload)) == {name}
