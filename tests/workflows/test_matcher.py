"""Every rule of the matcher with an event that starts a workflow and one that does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.forge.events import Event
from tests.workflows import cron, globs
from tests.workflows.expressions import evaluate, interpolate
from tests.workflows.loop import Loop, _Waiting
from tests.workflows.matcher import Decision, WorkflowError, decide, judge, source, triggers_of

PATH = ".github/workflows/ci.yml"
REPOSITORY = {"default_branch": "main"}


def event(name: str, action: str = "", **more: Any) -> Event:
    payload = {"repository": REPOSITORY, **more.pop("payload", {})}
    values: dict[str, Any] = {
        "number": 1,
        "actor": "ada",
        "ref": "refs/heads/main",
        "sha": "1" * 40,
        "starts": True,
        "generation": 0,
        "triggers": [name],
        **more,
    }
    return Event(name=name, action=action, payload=payload, **values)


def push(branch: str = "main", *files: str, tag: str = "", **payload: Any) -> Event:
    ref = f"refs/tags/{tag}" if tag else f"refs/heads/{branch}"
    return event("push", ref=ref, files=list(files), payload=payload)


def pull(
    action: str = "opened", base: str = "main", *files: str, conflict: bool = False, **more: Any
) -> Event:
    triggers = ["pull_request_target"] if conflict else ["pull_request", "pull_request_target"]
    payload = {"pull_request": {"base": {"ref": base}, "head": {"ref": "topic", "sha": "2" * 40}}}
    return event(
        "pull_request",
        action,
        payload=payload,
        files=list(files),
        triggers=triggers,
        target_sha="3" * 40,
        **more,
    )


def verdict(on: str, happened: Event, trigger: str = "", head_message: str = "") -> Decision:
    text = f"on:{on}\njobs: {{}}\n"
    return judge(happened, trigger or happened.name, PATH, text, head_message)


TYPED = " { pull_request: { types: [labeled, closed] } }"
DISPATCHED = " { repository_dispatch: { types: [data-changed] } }"
RULES: list[tuple[str, str, Event, Event, str]] = [
    # the three forms of on:
    ("a name", " push", push(), event("issues"), "on: has no issues"),
    ("a list", " [push, issues]", event("issues"), event("issue_comment"), "on: has no issue_comment"),
    ("a mapping", "\n  push:\n  issues:\n", push(), event("release"), "on: has no release"),
    # who caused it
    ("GITHUB_TOKEN", " push", push(), event("push", starts=False), "GITHUB_TOKEN starts nothing"),
    # types
    ("pull_request defaults", " pull_request", pull("synchronize"), pull("labeled"), "has no labeled"),
    ("pull_request closed", " pull_request", pull("reopened"), pull("closed"), "has no closed"),
    ("types instead", TYPED, pull("labeled"), pull("opened"), "types: labeled, closed has no opened"),
    ("all types", " issues", event("issues", "labeled"), event("label"), "on: has no label"),
    ("one type", " { issues: { types: opened } }", event("issues", "opened"), event("issues", "closed"), "closed"),
    ("a message", DISPATCHED, event("repository_dispatch", "data-changed"), event("repository_dispatch", "x"), "x"),
    # branches and tags
    ("branches", " { push: { branches: [main] } }", push(), push("topic"), "does not match topic"),
    ("branch globs", ' { push: { branches: ["r/**"] } }', push("r/a/b"), push("ra"), "does not match ra"),
    ("one star", ' { push: { branches: ["r/*"] } }', push("r/a"), push("r/a/b"), "does not match"),
    ("branch !", ' { push: { branches: ["r/**", "!r/x"] } }', push("r/y"), push("r/x"), "does not match r/x"),
    ("branches-ignore", " { push: { branches-ignore: [bot/**] } }", push(), push("bot/a"), "matches bot/a"),
    ("no tags", " { push: { branches: [main] } }", push(), push(tag="main"), "only branches are filtered"),
    ("tags", ' { push: { tags: ["v*"] } }', push(tag="v1"), push("v1"), "only tags are filtered"),
    ("tag names", ' { push: { tags: ["v*"] } }', push(tag="v1"), push(tag="x1"), "does not match x1"),
    ("tags-ignore", ' { push: { tags-ignore: ["v*"] } }', push(tag="x"), push(tag="v1"), "matches v1"),
    ("base branch", " { pull_request: { branches: [main] } }", pull(), pull("opened", "next"), "not match next"),
    # paths
    ("paths", " { push: { paths: [src/**] } }", push("main", "a", "src/a/b"), push("main", "a"), "none of 1"),
    ("paths !", ' { push: { paths: ["**", "!docs/**"] } }', push("main", "a"), push("main", "docs/a"), "none"),
    ("paths again", ' { push: { paths: ["a/**", "!a/b/**", a/b/c] } }', push("m", "a/b/c"), push("m", "a/b/d"), "n"),
    ("paths-ignore", " { push: { paths-ignore: [docs/**] } }", push("m", "docs/a", "b"), push("m", "docs/a"), "all"),
    ("paths of PRs", ' { pull_request: { paths: ["*.py"] } }', pull("opened", "m", "a.py"), pull("opened", "m", "b/a.py"), "n"),
    # what GitHub skips by itself
    ("skip ci", " push", push(head_commit={"message": "x"}), push(head_commit={"message": "x [skip ci]"}), "[skip ci]"),
    ("deleted", " push", push(), push(deleted=True), "deleted"),
    ("conflicts", " pull_request", pull(), pull(conflict=True), "conflicts"),
    # schedule, dispatch, chains
    (
        "schedule",
        ' { schedule: [{ cron: "0 6 * * 1" }, { cron: "5 7 * * *" }] }',
        event("schedule", payload={"schedule": "5 7 * * *"}),
        event("schedule", payload={"schedule": "0 5 * * 1"}),
        "the clock struck",
    ),
    (
        "another workflow's button",
        " workflow_dispatch",
        event("workflow_dispatch", payload={"workflow": PATH}),
        event("workflow_dispatch", payload={"workflow": ".github/workflows/b.yml"}),
        "names .github/workflows/b.yml",
    ),
    (
        "after another workflow",
        " { workflow_run: { workflows: [Build], types: [completed], branches: [main] } }",
        event("workflow_run", "completed", payload={"workflow_run": {"name": "Build", "head_branch": "main"}}),
        event("workflow_run", "completed", payload={"workflow_run": {"name": "Test", "head_branch": "main"}}),
        "has no Test",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("on", "yes", "no", "reason"), [rule[1:] for rule in RULES], ids=[r[0] for r in RULES]
)
def test_a_rule_starts_and_does_not(on: str, yes: Event, no: Event, reason: str) -> None:
    started = verdict(on, yes)
    assert started.starts and started.reason == ""
    stayed = verdict(on, no)
    assert not stayed.starts and reason in stayed.reason


def test_dispatches_of_github_token_start_all_the_same() -> None:
    for name in ("workflow_dispatch", "repository_dispatch"):
        assert verdict(f" {name}", event(name, starts=False)).starts
    assert not verdict(" schedule", event("issues", starts=False)).starts


def test_skip_ci_counts_for_pull_requests_but_not_for_their_targets() -> None:
    assert verdict(" pull_request", pull(), head_message="x").starts
    assert not verdict(" pull_request", pull(), head_message="x [no ci]").starts
    assert verdict(" pull_request_target", pull(), "pull_request_target", "x [no ci]").starts


def test_a_conflicted_pull_request_starts_its_target_alone() -> None:
    texts = {PATH: "on: [pull_request, pull_request_target]\njobs: {}"}
    found = {d.trigger: d.starts for d in decide(pull(conflict=True), lambda _: texts)}
    assert found == {"pull_request": False, "pull_request_target": True}
    found = {d.trigger: d.starts for d in decide(pull(), lambda _: texts)}
    assert found == {"pull_request": True, "pull_request_target": True}


def test_files_come_from_the_revision_that_github_takes() -> None:
    assert source(pull(), "pull_request", "9" * 40) == "1" * 40
    assert source(pull(), "pull_request_target", "9" * 40) == "3" * 40
    assert source(pull("opened", "next"), "pull_request_target", "9" * 40) == "9" * 40
    assert source(push(), "push", "9" * 40) == "1" * 40
    revisions = {"pull_request": {PATH: "on: pull_request"}, "pull_request_target": {}}
    assert [d.trigger for d in decide(pull(), revisions.__getitem__)] == ["pull_request"]


def test_only_workflow_files_are_workflows() -> None:
    names = ["ci.yml", "ci.yaml", "README.md", "deep/ci.yml"]
    texts = {f".github/workflows/{name}": "on: push" for name in names}
    assert [d.workflow for d in decide(push(), lambda _: texts)] == [
        ".github/workflows/ci.yaml",
        ".github/workflows/ci.yml",
    ]


@pytest.mark.parametrize(
    ("on", "words"),
    [
        (" { push: { branches: [a], branches-ignore: [b] } }", "exclude each other"),
        (' { push: { branches: ["!a"] } }', "only patterns with !"),
        (" pul_request", "no such event: pul_request"),
        (' { push: {}, schedule: [{ cron: "0 6 * *" }] }', ""),
        (" 7", "neither a name"),
        (" [push", "cannot be read"),
    ],
)
def test_an_invalid_workflow_starts_nothing(on: str, words: str) -> None:
    happened = push()
    if "cron" in on:
        assert verdict(on, happened).starts
        happened, words = event("schedule", payload={"schedule": "0 6 * *"}), "has 4 fields"
    found = verdict(on, happened)
    assert not found.starts and found.reason.startswith("invalid: ") and words in found.reason


def test_on_is_not_true() -> None:
    assert triggers_of({"on": {"push": None}}) == {"push": {}}
    with pytest.raises(WorkflowError, match="has no on:"):
        triggers_of({True: "push"})  # type: ignore[dict-item]


INPUTS = """
  workflow_dispatch:
    inputs:
      word: { required: true }
      given: { required: true, default: here }
      sure: { type: boolean }
      size: { type: choice, options: [small, large] }
      count: { type: number, default: 3 }
"""


def dispatched(**inputs: Any) -> Decision:
    return verdict(INPUTS, event("workflow_dispatch", payload={"workflow": PATH, "inputs": inputs}))


def test_inputs_have_defaults() -> None:
    found = dispatched(word="x")
    assert found.starts
    assert found.inputs == {"word": "x", "given": "here", "sure": "false", "size": "small", "count": "3"}
    assert dispatched(word="x", sure=True, size="large", count="-1.5").inputs["sure"] == "true"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "Required input 'word' not provided"),
        ({"word": ""}, "Required input 'word' not provided"),
        ({"word": "x", "wrod": "x"}, "Unexpected inputs provided: ['wrod']"),
        ({"word": "x", "size": "huge"}, "not in the list of allowed values"),
        ({"word": "x", "sure": "perhaps"}, "is no boolean"),
        ({"word": "x", "count": "many"}, "is no number"),
    ],
)
def test_inputs_that_github_refuses(inputs: dict[str, str], words: str) -> None:
    found = dispatched(**inputs)
    assert not found.starts and words in found.reason


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        ("*", ["a", "a.py"], ["a/b"]),
        ("**", ["a", "a/b/c"], []),
        ("**.js", ["a.js", "b/a.js"], ["a.jsx"]),
        ("docs/*", ["docs/a"], ["docs/a/b", "docs"]),
        ("docs/**", ["docs/a", "docs/a/b"], ["docs", "a/docs/b"]),
        ("**/docs/**", ["docs/a", "x/docs/a"], ["xdocs/a"]),
        ("**/README.md", ["README.md", "a/README.md"], ["a/XREADME.md"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("*.jsx?", ["a.js", "a.jsx"], ["a.jsxx"]),
        ("ab+", ["ab", "abb"], ["a"]),
        ("v[12].[0-9]+.[0-9]+", ["v1.10.1", "v2.0.0"], ["v3.0.0", "v1.x.0"]),
        ("[CB]at", ["Cat", "Bat"], ["cat"]),
        ("v2*", ["v2", "v2.0"], ["v1"]),
        (r"\*x", ["*x"], ["ax"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_globs(pattern: str, names: list[str], others: list[str]) -> None:
    assert [name for name in names if not globs.matches(pattern, name)] == []
    assert [name for name in others if globs.matches(pattern, name)] == []


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "yes", "no"),
    [
        ("0 6 * * 1", "2026-11-23T06:00", "2026-11-24T06:00"),
        ("0 6 * * MON", "2026-11-23T06:00", "2026-11-23T06:01"),
        ("*/15 * * * *", "2026-11-23T06:45", "2026-11-23T06:50"),
        ("5/20 * * * *", "2026-11-23T06:25", "2026-11-23T06:20"),
        ("0 9-17/4 * * *", "2026-11-23T13:00", "2026-11-23T15:00"),
        ("0 0 1,15 * *", "2026-11-15T00:00", "2026-11-16T00:00"),
        ("0 0 13 * 5", "2026-11-20T00:00", "2026-11-21T00:00"),
        ("0 0 13 * 5", "2026-12-13T00:00", "2026-12-14T00:00"),
        ("0 0 * JAN-MAR *", "2026-02-01T00:00", "2026-04-01T00:00"),
        ("0 0 * * 0", "2026-11-22T00:00", "2026-11-23T00:00"),
    ],
)
def test_cron_says_which_minutes(line: str, yes: str, no: str) -> None:
    assert cron.due(line, at(yes))
    assert not cron.due(line, at(no))


def test_cron_lists_minutes() -> None:
    found = list(cron.moments("30 5 * * 1,3", at("2026-11-21T00:00"), at("2026-11-28T00:00")))
    assert found == [at("2026-11-23T05:30"), at("2026-11-25T05:30")]


@pytest.mark.parametrize(
    "line",
    [
        *("", "0 6 * *", "0 6 * * * *", "@daily", "60 6 * * *", "0 24 * * *", "0 6 0 * *", "0 6 * 13 *"),
        *("0 6 * * 7", "0 6 * * MOO", "5-1 6 * * *", "*/0 * * * *", "* * * * *", "*/2 * * * *"),
        *("0,2 * * * *", "1,59 * * * *"),
    ],
)
def test_cron_lines_that_github_refuses(line: str) -> None:
    with pytest.raises(cron.CronError):
        cron.parse(line)


CONTEXTS = {
    "github": {
        "ref": "refs/heads/main",
        "workflow": "CI",
        "event": {"pull_request": {"number": 7, "labels": [{"name": "a"}, {"name": "b"}]}, "issue": None},
    },
    "inputs": {},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ci-${{ github.ref }}", "ci-refs/heads/main"),
        ("${{ github.event.pull_request.number || github.ref }}", 7),
        ("${{ github.event.issue.number || github.ref }}", "refs/heads/main"),
        ("${{ github.ref == 'refs/heads/MAIN' }}", True),
        ("${{ github.ref != 'refs/heads/main' }}", False),
        ("${{ !startsWith(github.ref, 'refs/tags/') && 'x' || 'y' }}", "x"),
        ("${{ format('{0}-{1}', github.workflow, 'it''s') }}-z", "CI-it's-z"),
        ("${{ contains(github.event.pull_request.labels.*.name, 'b') }}", True),
        ("${{ contains(github['ref'], 'tags') }}", False),
        ("${{ github.event.pull_request.number == 7 && (false || 'x') }}", "x"),
        ("plain", "plain"),
        (True, True),
    ],
)
def test_expressions(text: Any, value: Any) -> None:
    assert interpolate(text, CONTEXTS) == value


@pytest.mark.parametrize(
    "text", ["github.ref github.ref", "nothing.x", "hashFiles('a')", "github.", "'open", "(1"]
)
def test_expressions_that_cannot_be_read(text: str) -> None:
    with pytest.raises(WorkflowError):
        evaluate(text, CONTEXTS)


class Quiet(Loop):
    """A loop that only lines up."""

    def _cancelled(self, waiting: _Waiting) -> None:
        self.dropped.append(waiting.name)

    def __init__(self) -> None:
        super().__init__(None, None)  # type: ignore[arg-type]
        self.dropped: list[str] = []

    def add(self, name: str, group: str | None = "g", cancels: bool = False, keeps: bool = False) -> _Waiting:
        new = _Waiting(push(), Decision(PATH, "push", True), name, group, cancels, keeps)
        if group is not None:
            self._line_up(new)
        self._queue.append(new)
        return new

    def lines(self) -> list[tuple[str, bool]]:
        return [(one.name, one.active) for one in self._queue]


def test_a_group_keeps_one_running_and_one_pending() -> None:
    loop = Quiet()
    first = loop.add("1")
    loop.add("2")
    loop.add("other", None)
    loop.add("3")
    assert loop.lines() == [("1", True), ("other", True), ("3", False)]
    assert loop.dropped == ["2"]
    loop._release(first)
    assert loop.lines() == [("other", True), ("3", True)]


def test_cancel_in_progress_drops_all_that_have_not_begun() -> None:
    loop = Quiet()
    for name in "123":
        loop.add(name, cancels=True)
    assert loop.lines() == [("3", True)] and loop.dropped == ["1", "2"]


def test_queue_max_keeps_all_in_order() -> None:
    loop = Quiet()
    entries = [loop.add(name, keeps=True) for name in "123"]
    assert loop.lines() == [("1", True), ("2", False), ("3", False)] and loop.dropped == []
    loop._release(entries[0])
    assert loop.lines() == [("2", True), ("3", False)]
