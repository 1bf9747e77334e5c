"""What a head is told: one case for each rule, from a docs-only change to evidence that contradicts itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.suite import ruled
from tests.suite.judged import md5, sha256, timings
from tests.suite.ruled import ROWS, Bench, bench

from gitops_ml import storage
from gitops_ml.contracts.scores import Scores
from gitops_ml.errors import Fault
from gitops_ml.forge.client import connect
from gitops_ml.ruling.command import _results
from gitops_ml.ruling.flow import approve, visit
from gitops_ml.ruling.rule import rule
from gitops_ml.ruling.task import Ruling

POLICY = "version: 1\nenvironments: [staging]\n"
PARAMS = {"params.yaml": "train: {trees: 30}\n"}


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A forge with main; version v1.0.0 of its model is released, and its bytes are in the store."""
    folder = tmp_path_factory.mktemp("rules") / "seed"
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        ruled.plant(folder)
        with bench(folder, folder.parent / "released", patch) as at:
            desk = at.desk()
            made = ruled.make(folder.parent / "old", at.head("main"), b"old").candidate / "objects"
            (made / md5(ROWS)[:2]).mkdir(exist_ok=True)
            (made / md5(ROWS)[:2] / md5(ROWS)[2:]).write_bytes(ROWS)
            storage.push(desk.root, "refs/dvc/store", source=made)
            desk.forge.create_tag("churn@v1.0.0", at.head("main"), "churn v1.0.0\n\nverdict: pass\n")
        return folder.parent / "released"


@pytest.fixture
def at(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    ruled.people(monkeypatch)
    with bench(seed, tmp_path / "bench", monkeypatch) as made:
        yield made


def nobody() -> bool:
    raise AssertionError("nobody had to be asked who may write here")


def ruling(
    at: Bench,
    files: dict[str, str | None],
    model: bytes | None = None,
    alone: Callable[[], bool] = nobody,
    build: dict[str, Any] | None = None,
    **task: Any,
) -> Ruling:
    """The ruling on a pull request of these files; ``model``: CI built one from it."""
    at.pull_request("topic", files)
    built = None if model is None else at.build("it", at.head("topic"), model, **(build or {}))
    return rule(at.task(at.desk(), built, at.head("topic"), **task), alone)


def pointer(at: Bench, **changes: Any) -> str:
    """The pointer that names v1.0.0 rightly, but for the changes."""
    right = {
        "model": "churn",
        "version": "v1.0.0",
        "revision": at.repo.tags()["churn@v1.0.0"],
        "path": "models/model.skops",
        "sha256": sha256(b"old"),
        "size": 3,
        "image": None,
        "verdict": "pass",
        "promoted_from": None,
    }
    return json.dumps(right | changes)


def proven(**changes: Any) -> str:
    """What the job prove says of v1.0.0 in production, but for the changes."""
    one = {
        "environment": "production",
        "version": "v1.0.0",
        "revision": "c0ffee00" * 5,
        "sha256": sha256(b"old"),
        "rows": 20,
        "problems": [],
    }
    return json.dumps({"version": 1, "proofs": [one | changes]})


# ---------------------------------------------------------------- no model is made


def test_docs_only(at: Bench) -> None:
    found = ruling(at, {"README.md": "# Better\n"})
    assert (found.overall, found.state) == ("pass", "success")
    assert found.description == "Nothing to build: the model stays"
    text = found.render(at.head("topic"))
    assert "💤 Nothing to build" in text and "**v1.0.0** stays" in text and "`README.md`" in text


@pytest.mark.parametrize("reason", ["", "ruff: 3 errors"])
def test_checks_fail_without_a_model(at: Bench, reason: str) -> None:
    found = ruling(at, {"src/a.py": "x =\n"}, results={"check": "failure"}, reason=reason)
    assert (found.overall, found.description) == ("block", "Blocked: lint or tests fail")
    assert (reason or "Lint or tests failed.") in found.render("x") and found.candidate is None


@pytest.mark.parametrize("stage", ["plan", "build", "score"])
@pytest.mark.parametrize("result", ["failure", "cancelled"])
def test_a_job_that_stopped_blocks_and_commits_nothing(at: Bench, stage: str, result: str) -> None:
    found = ruling(
        at, PARAMS, b"new", results={stage: result, "check": "failure"}, reason="line one\nline two"
    )
    assert (found.overall, found.candidate) == ("block", None)
    assert found.description == f"Blocked: {stage} stopped: line one"
    text = found.render("x")
    assert "line two" in text and f"**{stage}**" in text and ruled.RUN in text


def test_a_job_that_stopped_without_words_sends_to_the_run(at: Bench) -> None:
    found = ruling(at, PARAMS, results={"build": "failure"})
    assert found.description == "Blocked: build stopped: see the run"


def test_a_pipeline_that_cannot_be_read(at: Bench) -> None:
    found = ruling(at, {"dvc.yaml": "stages: ["}, kind="invalid", reason="dvc.yaml is no YAML")
    assert found.overall == "block" and "dvc.yaml is no YAML" in found.description


# ---------------------------------------------------------------- the rules themselves


@pytest.mark.parametrize("path", ["policy.yaml", ".github/workflows/pull-request.yml", "overrides.yaml"])
def test_a_change_of_the_rules_needs_a_second_person(at: Bench, path: str) -> None:
    text = "version: 1\n" if path == "overrides.yaml" else POLICY
    found = ruling(at, {path: text}, alone=lambda: False)
    assert (found.overall, found.state) == ("needs-human", "pending")
    assert found.description == f"Needs a human: it changes {path}"
    assert "Needs a human" in found.render("x") and f"`{path}`" in found.render("x")


def override(at: Bench, **changes: Any) -> str:
    entry = {
        "check": "protected",
        "sha256": sha256(b"old"),
        "owner": "ada",
        "reason": "nobody else is here",
        "expires": (date.today() + timedelta(days=1)).isoformat(),
    }
    return json.dumps({"version": 1, "overrides": [entry | changes]})


def test_who_is_alone_may_say_so(at: Bench) -> None:
    files: dict[str, str | None] = {"policy.yaml": POLICY, "overrides.yaml": override(at)}
    found = ruling(at, files, alone=lambda: True)
    assert found.overall == "pass" and found.description.startswith("Override: nobody else is here")


@pytest.mark.parametrize(
    ("changes", "lonely"),
    [
        ({}, False),
        ({"sha256": "0" * 64}, True),
        ({"check": "card"}, True),
        ({"expires": (date.today() - timedelta(days=1)).isoformat()}, True),
    ],
)
def test_an_entry_for_another_day_model_check_or_in_company_is_none(
    at: Bench, changes: dict[str, Any], lonely: bool
) -> None:
    files: dict[str, str | None] = {"policy.yaml": POLICY, "overrides.yaml": override(at, **changes)}
    assert ruling(at, files, alone=lambda: lonely).overall == "needs-human"


def test_a_model_under_changed_rules_is_judged_by_the_rules_of_main(at: Bench) -> None:
    strict = "version: 1\nenvironments: [production]\nfloors: {roc_auc: 0.999}\n"
    found = ruling(at, {**PARAMS, "policy.yaml": strict}, b"new", alone=lambda: False)
    assert found.overall == "needs-human" and "rules it is judged by" in found.description
    assert found.verdict is not None
    assert [one.id for one in found.verdict.checks if one.outcome == "fail"] == ["protected"]


# ---------------------------------------------------------------- pointers


def test_a_pointer_to_what_was_released(at: Bench) -> None:
    files: dict[str, str | None] = {"deploy/production/model.yaml": pointer(at)}
    found = ruling(at, files, kind="pointer", proofs=proven())
    line = "Pass: v1.0.0 in production: 20 rows answered as judged"
    assert (found.overall, found.description) == ("pass", line)
    text = found.render("x")
    assert "v1.0.0" in text and "production" in text and "answered 20 rows as the model predicts" in text


@pytest.mark.parametrize(
    ("proofs", "said"),
    [
        ("", "nobody has proven that v1.0.0 can be served"),
        (proven(environment="staging"), "nobody has proven"),
        (proven(version="v1.0.1"), "nobody has proven"),
        (
            proven(problems=["its service ended before it was ready"], sha256=None),
            "ended before it was ready",
        ),
        (proven(sha256="1" * 64), "what answered for v1.0.0 was 111111111111"),
        (proven(sha256=None), "was no bytes"),
        ("{", "the proofs are not JSON"),
        ('{"version": 1}', "the proofs is not valid"),
    ],
)
def test_a_pointer_that_was_not_proven(at: Bench, proofs: str, said: str) -> None:
    files: dict[str, str | None] = {"deploy/production/model.yaml": pointer(at)}
    found = ruling(at, files, kind="pointer", proofs=proofs)
    assert (found.overall, found.state) == ("block", "failure")
    assert said in found.description and said in found.render("x")


def test_a_pointer_of_which_nobody_could_see_whether_it_serves(at: Bench) -> None:
    files: dict[str, str | None] = {"deploy/production/model.yaml": pointer(at)}
    found = ruling(
        at, files, kind="pointer", results={"prove": "failure"}, reason="no runner", proofs=proven()
    )
    assert found.description == "Blocked: prove stopped: no runner"
    assert "gitops-ml prove --change HEAD" in found.render("x")


def test_a_version_that_main_retired(at: Bench) -> None:
    """Main's word counts, not that of the pull request, which is of before."""
    number = at.pull_request("topic", {"deploy/production/model.yaml": pointer(at)})
    at.repo.commit("main", {"policy.yaml": POLICY + "retired: {1.0.0: it saw the answer.}\n"}, at.ada)
    found = rule(at.task(at.desk(), None, at.head("topic"), kind="pointer", proofs=proven()), nobody)
    said = "v1.0.0 is retired: it saw the answer (policy.yaml, retired)"
    assert number and found.overall == "block" and said in found.description
    assert "it saw the answer" in found.render("x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "v9.0.0"}, "never released"),
        ({"sha256": "1" * 64}, "sha256 is 111111111111"),
        ({"revision": "c0ffee00" * 5}, "revision is c0ffee00c0ff"),
        ({"size": 4}, "size is 4"),
        ({"path": "models/other.skops"}, "the lock of v1.0.0 does not name"),
        ({"model": "other"}, "this repository makes churn"),
        ({"verdict": "override"}, "the tag churn@v1.0.0 records pass"),
    ],
)
def test_a_pointer_that_is_wrong(at: Bench, changes: dict[str, Any], said: str) -> None:
    files: dict[str, str | None] = {"deploy/production/model.yaml": pointer(at, **changes)}
    found = ruling(at, files, kind="pointer", proofs=proven())
    assert found.overall == "block" and found.description.startswith("Blocked: ")
    assert said in found.description + found.render("x")


@pytest.mark.parametrize("text", ["model: [", "version: v1.0.0\n", None])
def test_a_pointer_that_cannot_be_read_or_is_gone(at: Bench, text: str | None) -> None:
    if text is None:
        at.repo.commit("main", {"deploy/production/model.yaml": pointer(at)}, at.ada)
    found = ruling(at, {"deploy/production/model.yaml": text}, kind="pointer")
    assert found.overall == "block" and found.description.startswith("Blocked: deploy/production/model.yaml")
    assert "Blocked" in found.render("x")


def test_a_pointer_whose_bytes_are_lost_or_poisoned(at: Bench) -> None:
    at.repo.git.run("update-ref", "-d", "refs/dvc/store")
    found = ruling(at, {"deploy/production/model.yaml": pointer(at)}, kind="pointer")
    assert found.overall == "block" and "cannot be served" in found.render("x")


def test_a_pointer_that_brings_something_else(at: Bench) -> None:
    files: dict[str, str | None] = {"deploy/production/model.yaml": pointer(at), "README.md": "#"}
    found = ruling(at, files, kind="pointer")
    assert found.overall == "block" and "README.md changes" in found.description


# ---------------------------------------------------------------- a model is made


def test_a_model_that_passes(at: Bench) -> None:
    found = ruling(at, PARAMS, b"new")
    assert (found.overall, found.state) == ("pass", "success")
    assert found.candidate is not None and found.verdict is not None and found.measurements is not None
    assert found.verdict.inputs.challenger.sha256 == sha256(b"new")


@pytest.mark.parametrize(
    ("served", "severity"), [([], "note"), (["a" * 64], "note"), (["a" * 64, "b" * 64], "needs-human")]
)
def test_what_is_owed_depends_on_what_main_has_served(at: Bench, served: list[str], severity: str) -> None:
    for digest in [*served, sha256(b"old")][-len(served) :] if served else []:
        at.repo.commit("main", {"deploy/production/model.yaml": pointer(at, sha256=digest)}, at.ada, "Serve")
    found = ruling(at, PARAMS, b"new").verdict
    assert found is not None
    assert next(one.severity for one in found.checks if one.id == "card/answers") == severity


def test_a_model_that_is_worse_is_committed_and_blocked(at: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at.repo.commit(
        "main", {"policy.yaml": "version: 1\nenvironments: [p]\nfloors: {roc_auc: 0.999}\n"}, at.ada
    )
    found = ruling(at, PARAMS, b"new")
    assert (found.overall, found.state) == ("block", "failure")
    assert found.candidate is not None, (
        "what was built is kept: the author looks at it, and need not build it again"
    )


SLOW = {"timings": timings(times=3.0)}


def test_a_model_that_is_slow_needs_a_human_although_its_verdict_passes(at: Bench) -> None:
    found = ruling(at, PARAMS, b"new", build=SLOW)
    assert (found.overall, found.state) == ("needs-human", "pending")
    assert (
        found.description.startswith("Needs a human: one row takes ") and "times as long" in found.description
    )
    assert found.verdict is not None and found.verdict.overall == "pass"
    assert found.measurements is not None and found.measurements.timings is not None
    text = found.render("x")
    assert "**One row takes " in text and f"verdict `{found.verdict.digest()[:12]}`" in text
    assert "check: budget/latency, sha256:" in text, "what to write for an override"


def test_an_override_of_a_slow_model_holds_for_its_bytes(at: Bench) -> None:
    model = sha256(b"new")
    for other in (model, "0" * 64):
        entries = [
            {
                "check": check,
                "sha256": other,
                "owner": "ada",
                "reason": "it runs at night",
                "expires": "2099-01-31",
            }
            for check in ("budget/latency", "budget/latency-batch")
        ]
        content = json.dumps({"version": 1, "overrides": entries})
        at.repo.commit("main", {"overrides.yaml": content}, at.ada)
        built = at.build(other[:4], at.head("main"), b"new", **SLOW)
        found = rule(at.task(at.desk(), built), nobody)
        assert found.overall == ("pass" if other == model else "needs-human")
        assert ("it runs at night" in found.render("x")) == (other == model)


def test_a_policy_may_let_a_slow_model_block(at: Bench) -> None:
    at.repo.commit("main", {"policy.yaml": POLICY + "budgets: {severity: block}\n"}, at.ada)
    found = ruling(at, PARAMS, b"new", build=SLOW)
    assert (found.overall, found.state) == ("block", "failure")
    assert "budgets" in found.render("x") and found.description.startswith("Blocked: one row takes")


def test_a_model_that_is_not_slow_says_it_in_one_row(at: Bench) -> None:
    found = ruling(at, PARAMS, b"new", build={"timings": timings()})
    assert found.overall == "pass"
    row = next(line for line in found.render("x").splitlines() if line.startswith("| p95 latency, one row"))
    assert row.startswith("| p95 latency, one row | 1.00x | ") and row.endswith("| ✅ limit 2x |")


def test_checks_fail_beside_a_model(at: Bench) -> None:
    found = ruling(at, PARAMS, b"new", results={"check": "failure"})
    assert (found.overall, found.description) == ("block", "Blocked: lint or tests fail")
    assert found.candidate is not None
    text = found.render("x")
    assert text.count("<!-- gitops-ml -->") == 1 and "What the gate says of the model" in text


def test_checks_fail_beside_a_model_that_the_gate_blocks_too(at: Bench) -> None:
    """Whoever mends the tests alone would be told the graver thing only then."""
    at.repo.commit("main", {"policy.yaml": POLICY + "budgets: {severity: block}\n"}, at.ada)
    found = ruling(at, PARAMS, b"new", build=SLOW, results={"check": "failure"})
    assert found.description.startswith("Blocked: lint or tests fail, and one row takes"), found.description
    text = found.render("x")
    assert "linters fail, and one row takes" in text.splitlines()[1]
    assert "<details open><summary>What the gate says of the model" in text
    assert found.report is not None and "linters fail, and one row takes" in found.report("a" * 40).heading


def test_a_swapped_candidate(at: Bench) -> None:
    found = ruling(at, PARAMS, b"new", candidate_digest="0" * 64)
    assert (found.overall, found.candidate) == ("block", None)
    assert found.description.startswith("Blocked: judge stopped: ") and "swapped" in found.render("x")


def test_swapped_scores(at: Bench) -> None:
    found = ruling(at, PARAMS, b"new", scores_digest="0" * 64)
    assert (found.overall, found.candidate) == ("block", None) and "swapped" in found.render("x")


def test_a_candidate_without_scores_is_refused(at: Bench, tmp_path: Path) -> None:
    found = ruling(at, PARAMS, b"new", scores=tmp_path / "none", scores_digest="")
    assert (found.overall, found.candidate) == ("block", None)


def test_scores_of_another_model(at: Bench) -> None:
    at.pull_request("topic", PARAMS)
    one, other = (at.build(name, at.head("topic"), name.encode()) for name in ("one", "other"))
    task = at.task(at.desk(), one, scores=other.scores, scores_digest=other.digests["scores_digest"])
    found = rule(task, nobody)
    assert (found.overall, found.candidate) == ("block", None)
    assert Scores.read(other.scores / "manifest.json").candidate == other.digests["candidate_digest"]


def test_a_file_of_people_that_cannot_be_read_is_said_in_the_comment(at: Bench) -> None:
    """It must not end in a red run that says nothing to the pull request."""
    found = ruling(at, {**PARAMS, "overrides.yaml": "overrides: {"}, b"new", alone=lambda: False)
    assert (found.overall, found.candidate) == ("block", None)
    assert "overrides.yaml" in found.render("x")


def test_the_same_without_a_model(at: Bench) -> None:
    found = ruling(
        at, {"overrides.yaml": "version: 1\noverrides: [{check: protected}]\n"}, alone=lambda: True
    )
    assert found.overall == "block" and "overrides.yaml" in found.render("x")


def test_a_refresh_is_judged_as_the_merge(at: Bench) -> None:
    """Main's schema counts, for it is what was built: of the head alone, the evidence would contradict itself."""
    at.pull_request("topic", PARAMS)
    theirs = at.head("topic")
    at.repo.commit("main", {"README.md": "# Of main\n"}, at.ada)
    at.repo.commit("topic", {"reports/x.md": "theirs"}, at.will)
    built = at.build("merge", at.head("topic"), b"both", merged=at.head("main"), removed=[])
    assert built.head != theirs
    found = rule(at.task(at.desk(), built), nobody)
    assert (
        found.overall == "pass" and found.candidate is not None and found.candidate.merged == at.head("main")
    )


# ---------------------------------------------------------------- and what a visit makes of it


def waiting(at: Bench) -> str:
    at.pull_request("topic", {"policy.yaml": POLICY})
    return judged(at)


def judged(at: Bench) -> str:
    desk = at.desk()
    done = visit(desk, at.task(desk, None, at.head("topic")), 1, at.folder / "out")
    assert done.overall == "needs-human"
    return at.head("topic")


def test_what_waits_stays_so_until_somebody_else_approves_this_very_commit(at: Bench) -> None:
    head = waiting(at)
    assert at.status(head) == ("pending", "Needs a human: it changes policy.yaml")
    assert "nobody else" in approve(at.desk(), 1)
    at.repo.approve(1, at.ada, "CHANGES_REQUESTED", "no")
    assert "nobody else" in approve(at.desk(), 1)
    at.repo.approve(1, at.ada)
    assert "approved by ada" in approve(at.desk(), 1)
    assert at.status(head) == ("success", "Approved by ada: it changes policy.yaml")
    assert "does not wait" in approve(at.desk(), 1)
    at.repo.commit("topic", {"policy.yaml": POLICY + "# more\n"}, at.will)
    assert judged(at) != head
    assert at.status(at.head("topic"))[0] == "pending", "an approval is of one commit"


def test_an_approval_that_was_given_before_the_run_ended_counts(at: Bench) -> None:
    head = waiting(at)
    at.repo.approve(1, at.ada)
    assert judged(at) == head
    assert at.status(head) == ("success", "Approved by ada: Needs a human: it changes policy.yaml")


def test_strangers_and_robots_approve_nothing(at: Bench) -> None:
    head = waiting(at)
    at.repo.approve(1, at.hub.user("stan"))
    assert "nobody else" in approve(at.desk(), 1) and at.status(head)[0] == "pending"


def test_a_status_of_somebody_else_is_not_turned(at: Bench) -> None:
    head = waiting(at)
    forge = connect(at.place, at.will.token)
    forge.set_status(head, "pending", "Needs a human: or so I say")
    at.repo.approve(1, at.ada)
    assert "does not wait" in approve(at.desk(), 1) and at.status(head)[0] == "pending"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("plan=success build=failure", {"plan": "success", "build": "failure"}),
        ("check=", {"check": ""}),
    ],
)
def test_results_of_jobs(text: str, found: dict[str, str]) -> None:
    assert _results(text) == found


def test_results_that_are_none() -> None:
    with pytest.raises(Fault, match="not of the form"):
        _results("success")


def test_the_seed_is_what_it_says(at: Bench) -> None:
    listed = at.repo.git.text("ls-tree", "-r", "--name-only", "refs/dvc/store").splitlines()
    assert f"files/md5/{md5(b'old')[:2]}/{md5(b'old')[2:]}" in listed
