"""The audit on a served project: silent while all agrees, each planted disagreement named, a fault never taken for health."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML
from tests.forge import Forge as Hub
from tests.forge import rest_releases
from tests.forge.calls import Call
from tests.forge.rest_releases import asset_shape
from tests.suite import delivery, ruled
from tests.suite.delivery import verdict
from tests.suite.ruled import Bench, bench, git, place_of

from gitops_ml import storage
from gitops_ml.audit import projections, report
from gitops_ml.audit.command import audit as command
from gitops_ml.audit.looking import CHECKS, audit
from gitops_ml.audit.said import Audit
from gitops_ml.audit.scene import scene
from gitops_ml.delivery.release import Desk, plan, release
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.client import Forge, connect
from gitops_ml.publish import ruleset

TAG, STAGE = "churn@v1.0.0", "churn#production#1"
READS = dict.fromkeys(("actions", "contents", "deployments", "pull-requests", "statuses"), "read")
MAY = {**READS, "issues": "write"}
POINTER = "deploy/production/model.yaml"
WORKFLOW = "on: {workflow_dispatch: }\n"
STRANGE: dict[str, str | None] = {"deploy/shadow/model.yaml": None}
DRIFT = 'on: {schedule: [{cron: "7 3 * * *"}]}\n'


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.people(monkeypatch)
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


# ---------------------------------------------------------------- a served project


def post(at: Bench, path: str, body: Mapping[str, Any]) -> Any:
    return connect(at.place, at.ada.token).api.request("POST", path, body)[1]


def deployed(at: Bench, state: str = "success", **changes: str) -> None:
    """What `deploy` leaves on the forge."""
    said = pointer(at)
    payload = {"version": said["version"], "sha256": said["sha256"], **changes}
    body = {"ref": at.head("main"), "environment": "production", "payload": payload, "required_contexts": []}
    made = post(at, "deployments", body)
    post(at, f"deployments/{made['id']}/statuses", {"state": state, "description": "as planted"})


def drifted(at: Bench, *runs: Mapping[str, Any], text: str = "") -> None:
    """What `drift` leaves behind."""
    root = at.checkout()
    content = text or json.dumps({"runs": list(runs)})
    made = commits.commit_files(root, [], {"state.json": content.encode()}, "State")
    commits.push(root, at.place, at.ada.token, made, "refs/gitops-ml/drift")


def pointer(at: Bench) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((at.repo.file("main", POINTER) or b"").decode())
    return found


def day(back: int = 0) -> str:
    return (datetime.now(UTC) - timedelta(days=back)).date().isoformat()


def main(at: Bench, files: Mapping[str, str | None]) -> None:
    """A commit on main that brings these files, as a merge would."""
    at.repo.commit("main", dict(files), at.ada, "Merged")


@dataclass
class Seed:
    folder: Path
    calls: list[Call]


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seed]:
    """A released and served project on a forge, with everything that follows from its pointer."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        world = delivery.World.make(folder / "world")
        with Hub.start(folder / "seed" / "hub") as hub:
            repo = hub.create("ada/churn", hub.user("ada"))
            repo.allow_pull_requests()
            push = ["git", "push", "-q", repo.address(hub.user("ada")), "main"]
            subprocess.run(push, cwd=world.root, check=True, capture_output=True)
        with bench(folder / "seed", folder / "made", patch) as at:
            there = at.desk()
            desk = Desk(there.root, there.forge, there.token, lambda case: verdict(), storage, lambda v: "")
            assert plan(desk).release
            outcome = release(desk, world.built())
            assert outcome.number is not None
            at.repo.merge(outcome.number, at.ada)
            folder_ = ".github/workflows/"
            main(at, {f"{folder_}deploy.yml": WORKFLOW, f"{folder_}drift.yml": DRIFT})
            there.forge.create_tag(STAGE, at.repo.tags()[TAG], "churn production v1.0.0")
            deployed(at)
            drifted(at, {"date": day(), "state": "none", "serving": "v1.0.0"})
            post(at, "rulesets", ruleset.wanted())
            at.repo.take_events()
        shutil.rmtree(folder / "seed")
        shutil.copytree(folder / "made" / "hub", folder / "seed" / "hub")
        with bench(folder / "seed", folder / "looked", patch) as at, at.hub.recording() as calls:
            assert look(at).healthy
    yield Seed(folder / "seed", list(calls))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def at(seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench(seed.folder, tmp_path / "bench", monkeypatch) as made:
        yield made


def job(at: Bench) -> tuple[Path, Forge, str]:
    """Checkout and forge of a job with the permissions of audit.yml."""
    desk = at.desk(MAY)
    return desk.root, desk.forge, desk.token


def look(at: Bench, later: timedelta = timedelta(hours=2)) -> Audit:
    """An audit of a job, some hours after everything settled."""
    root, forge, token = job(at)
    return audit(scene(root, forge, token, now=datetime.now(UTC) + later))


def said(found: Audit) -> dict[str, str]:
    """Check -> what it found, on one line."""
    return {one.key: " | ".join(f.what for f in one.findings) for one in found.looks if one.findings}


def failed(found: Audit) -> list[str]:
    return [one.key for one in found.looks if one.failed]


# ---------------------------------------------------------------- silence


def test_it_is_silent_where_all_agrees(at: Bench) -> None:
    found = look(at)
    assert found.healthy and not said(found) and not failed(found)
    agreed = {one.key for one in found.looks if one.agrees}
    assert agreed == {one.key for one in CHECKS} - {"alias"}, "only MLflow was not looked at"
    assert [one.passed[:19] for one in found.looks if one.passed] == ["MLFLOW_TRACKING_URI"]
    text = report.screen(found)
    assert (
        "nothing disagrees" in text and "not seen  aliases in MLflow: MLFLOW_TRACKING_URI is not set" in text
    )
    assert len(text.splitlines()) < 12 and not [call for call in at.effects() if call.job == "judge"]


# ---------------------------------------------------------------- disagreements


def moved_pointer(at: Bench) -> None:
    text = (at.repo.file("main", POINTER) or b"").decode()
    main(at, {POINTER: text.replace(pointer(at)["sha256"], "a" * 64)})


def tag_gone(at: Bench) -> None:
    at.repo.git.update(f"refs/tags/{TAG}", "0" * 40, at.repo.git.ref(f"refs/tags/{TAG}") or "")


def stage_elsewhere(at: Bench) -> None:
    connect(at.place, at.ada.token).create_tag(
        "churn#production#2", at.head("main"), "churn production v9.9.9"
    )


def never_deployed(at: Bench) -> None:
    at.repo.git.update(f"refs/tags/{STAGE}", "0" * 40, at.repo.git.ref(f"refs/tags/{STAGE}") or "")
    with at.hub.lock:
        at.repo.data["deployments"].clear()


def asset_gone(at: Bench) -> None:
    with at.hub.lock:
        (one,) = at.repo.data["releases"]
        one["assets"] = [asset for asset in one["assets"] if asset["name"] != "verdict.json"]


def asset_swapped(at: Bench) -> None:
    api = connect(at.place, at.ada.token)
    (one,) = [a for a in at.repo.releases()[0]["assets"] if a["name"] == "dvc.lock"]
    api.api.delete(f"releases/assets/{one['id']}")
    file = at.folder / "dvc.lock"
    file.write_text("another lock")
    with at.hub.lock:
        at.repo.data["releases"][0]["draft"] = True
    api.release(TAG, name="churn v1.0.0", body="x", target=at.repo.tags()[TAG], assets={"dvc.lock": file})


def no_release(at: Bench) -> None:
    with at.hub.lock:
        at.repo.data["releases"].clear()


def second_tag(at: Bench) -> None:
    connect(at.place, at.ada.token).create_tag("churn@v1.0.1", at.repo.tags()[TAG], "churn v1.0.1")


def off_main(at: Bench) -> None:
    at.repo.commit("side", {"x": "y"}, at.ada)
    connect(at.place, at.ada.token).create_tag("churn@v2.0.0", at.head("side"), "churn v2.0.0")


def store(at: Bench, content: bytes | None) -> None:
    """Another tree under refs/dvc/store: one object altered, or gone."""
    root = at.checkout()
    commits.fetch(root, at.place, at.ada.token, "refs/dvc/store:refs/store")
    path = git(root, "ls-tree", "-r", "--name-only", "refs/store").splitlines()[0]
    made = commits.commit_files(root, [git(root, "rev-parse", "refs/store")], {path: content}, "Lost")
    commits.push(root, at.place, at.ada.token, made, "refs/dvc/store")


def object_gone(at: Bench) -> None:
    store(at, None)


def object_corrupted(at: Bench) -> None:
    store(at, b"x" * 500)


def lock_of_nobody(at: Bench) -> None:
    lock = json.loads(at.repo.file("main", "dvc.lock") or b"")
    main(at, {"dvc.lock": json.dumps(lock | {"meta": "by hand"})})


def no_drift(at: Bench) -> None:
    at.repo.git.update("refs/gitops-ml/drift", "0" * 40, at.repo.git.ref("refs/gitops-ml/drift") or "")


def drift_is_late(at: Bench) -> None:
    no_drift(at)
    drifted(at, {"date": day(9), "state": "none", "version": "v1.0.0"}, {"at": day(30), "state": "none"})


def drift_is_unreadable(at: Bench) -> None:
    no_drift(at)
    drifted(at, text="[1]")


def rule_off(at: Bench) -> None:
    with at.hub.lock:
        at.repo.data["rulesets"][0]["enforcement"] = "disabled"


def two_pulls(at: Bench) -> None:
    at.repo.commit("deploy/production", {"x": "y"}, at.ada)
    at.repo.commit("other", {"z": "y"}, at.ada)
    for base in ("main", "other"):
        post(at, "pulls", {"title": "T", "body": "", "head": "deploy/production", "base": base})


def retired(at: Bench) -> None:
    main(at, {"policy.yaml": 'version: 1\nenvironments: [production]\nretired: {v1.0.0: "it errs"}\n'})


def strange_folder(at: Bench) -> None:
    main(at, {"deploy/shadow/model.yaml": (at.repo.file("main", POINTER) or b"").decode()})


def schedule_off(at: Bench) -> None:
    with at.hub.lock:
        at.repo.data["workflow_states"] = {"drift.yml": "disabled_inactivity"}


def nobody_answers(at: Bench) -> None:
    text = (at.repo.file("main", POINTER) or b"").decode().replace("verdict: pass", "verdict: override")
    assert "override" in text
    entry = {"check": "card", "sha256": pointer(at)["sha256"], "owner": "Bob", "reason": "long enough"}
    ended = [{**entry, "expires": day(1)}, {**entry, "check": "protected", "expires": day(1)}]
    main(at, {POINTER: text, "overrides.yaml": json.dumps({"version": 1, "overrides": ended})})


PLANTED: list[tuple[Callable[[Bench], None], str, str]] = [
    (moved_pointer, "pointer", "sha256 is aaaaaaaaaaaa; v1.0.0 is"),
    (lambda at: main(at, {POINTER: "nonsense"}), "pointer", f"{POINTER} cannot be read"),
    (tag_gone, "pointer", "there is no tag churn@v1.0.0"),
    (stage_elsewhere, "stage-tag", "churn#production#2 is the newest stage tag"),
    (lambda at: deployed(at, version="v0.9.0"), "deployment", "is of v0.9.0"),
    (lambda at: deployed(at, "failure"), "deployment", "is failure, not success: as planted"),
    (never_deployed, "stage-tag", "there is no tag churn#production#1"),
    (never_deployed, "deployment", "GitHub knows no deployment of production"),
    (tag_gone, "release", "the release churn@v1.0.0 has no tag of this name"),
    (no_release, "release", "churn@v1.0.0 has no GitHub release"),
    (asset_gone, "release", "lacks verdict.json"),
    (asset_swapped, "release", "dvc.lock of the release churn@v1.0.0 is not what its SHA256SUMS names"),
    (second_tag, "tag", "churn@v1.0.1 names"),
    (off_main, "tag", "which is not on main"),
    (object_gone, "storage", "of v1.0.0 is missing in the store"),
    (object_corrupted, "storage", "of v1.0.0 is corrupted in the store"),
    (lock_of_nobody, "built", "no build of main's dvc.lock is recorded"),
    (drift_is_late, "drift", f"drift ran last on {day(9)}, and its schedule says every day"),
    (drift_is_unreadable, "drift", "names no runs"),
    (rule_off, "rule", "main does not require the status gitops-ml"),
    (two_pulls, "standing", "deploy/production has 2 open pull requests: #2, #3"),
    (retired, "retired", "production serves v1.0.0, which is retired: it errs"),
    (strange_folder, "environment", "policy.yaml names no environment shadow"),
    (schedule_off, "schedule", "GitHub switched drift.yml off"),
    (nobody_answers, "override", "production serves v1.0.0 by an override of card that ended on"),
]


@pytest.mark.parametrize(("plant", "check", "words"), PLANTED, ids=[f"{one[1]}: {one[2]}" for one in PLANTED])
def test_a_planted_disagreement_is_named_with_the_command_that_mends_it(
    at: Bench, plant: Callable[[Bench], None], check: str, words: str
) -> None:
    plant(at)
    found = look(at)
    assert not found.healthy and not failed(found)
    assert words in said(found).get(check, ""), said(found)
    assert all(one.why and one.mend for _, one in found.findings)
    text = report.screen(found)
    assert "wrong     " in text and "mend: " in text and "nothing disagrees" not in text


def test_every_check_that_finds_has_a_planted_disagreement() -> None:
    assert {one[1] for one in PLANTED} | {"alias"} == {one.key for one in CHECKS}


def test_a_pointer_merged_within_the_hour_is_given_time(at: Bench) -> None:
    deployed(at, "in_progress")
    main(at, {POINTER: (at.repo.file("main", POINTER) or b"").decode() + "# again\n"})
    for later, healthy in ((timedelta(), True), (timedelta(hours=2), False)):
        root, forge, token = job(at)
        when = datetime.fromisoformat(git(root, "log", "-1", "--format=%cI", "origin/main", "--", POINTER))
        found = audit(scene(root, forge, token, now=when + later))
        assert ("deployment" not in said(found)) is healthy
        assert ("deploy may be under way" in report.screen(found)) is healthy


def test_a_payload_may_be_text_and_a_server_may_name_no_digests(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at.hub.lock:
        newest = at.repo.data["deployments"][-1]
        newest["payload"] = json.dumps(newest["payload"])
    monkeypatch.setattr(rest_releases, "asset_shape", lambda *a: {**asset_shape(*a), "digest": None})
    assert look(at).healthy
    asset_swapped(at)
    assert "dvc.lock of the release" in said(look(at))["release"]
    with at.hub.lock:
        at.repo.data["deployments"][-1]["payload"] = "[nonsense"
    assert "is of no version" in said(look(at))["deployment"]


def test_where_nothing_deploys_nothing_has_to_follow(at: Bench) -> None:
    never_deployed(at)
    main(at, {".github/workflows/deploy.yml": None})
    found = look(at)
    assert found.healthy and "nothing follows the pointers here" in report.screen(found)


def test_remarks_are_no_disagreements(at: Bench) -> None:
    main(at, {"policy.yaml": "version: 1\nenvironments: [staging, production]\n"})
    at.repo.commit("retrain/drift", {"x": "y"}, at.ada)
    post(at, "pulls", {"title": "T", "body": "", "head": "retrain/drift", "base": "main"})
    with at.hub.lock:
        at.repo.data["workflow_states"] = {"drift.yml": "disabled_manually"}
        at.repo.data["rulesets"][0]["bypass_actors"] = [{"actor_type": "RepositoryRole", "actor_id": 5}]
    no_drift(at)
    drifted(at, {"at": (datetime.now(UTC) + timedelta(days=39)).isoformat(), "state": "unknown"})
    found = look(at, timedelta(days=40))
    assert found.healthy, said(found)
    text = report.screen(found)
    for words in (
        "staging serves nothing yet",
        "(retrain/drift) has waited for 40 days",
        "drift.yml is switched off (disabled_manually)",
        "nothing to watch",
        "who may bypass the rule gitops-ml is shown to administrators only",
    ):
        assert words in text, text


def test_a_way_around_the_rule_is_seen_by_an_administrator_and_a_plan_without_rules_is_a_remark(
    at: Bench,
) -> None:
    with at.hub.lock:
        at.repo.data["rulesets"][0]["bypass_actors"] = [{"actor_type": "RepositoryRole", "actor_id": 5}]
    root = at.checkout()
    forge = connect(at.place, at.ada.token)
    assert "lets 1 past it (RepositoryRole)" in said(audit(scene(root, forge, at.ada.token)))["rule"]
    with at.hub.lock:
        at.repo.data["private"] = True
    found = audit(scene(root, forge, at.ada.token))
    assert "rule" not in said(found) and "not blocked here" in report.screen(found)


def test_an_override_that_holds_is_counted_and_nothing_else(at: Bench) -> None:
    entry = {
        "check": "card",
        "sha256": pointer(at)["sha256"],
        "owner": "Bob",
        "reason": "long enough",
        "expires": day(-9),
    }
    main(at, {"overrides.yaml": json.dumps({"version": 1, "overrides": [entry]})})
    found = look(at)
    assert (
        found.healthy
        and f"overrides.yaml: 1 in force (card of {entry['sha256'][:8]} until" in report.screen(found)
    )


def test_erased_bytes_of_a_retired_version_that_nobody_serves_are_a_remark(at: Bench) -> None:
    retired(at)
    main(at, {POINTER: None})
    object_gone(at)
    found = look(at)
    assert "storage" not in said(found) and "nobody may serve it any more" in report.screen(found)


# ---------------------------------------------------------------- MLflow


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (None, "MLflow has no alias production of churn"),
        (projections.Alias("3", {"sha256": "0" * 64}), "names version 3 of churn, which is not v1.0.0"),
        ("same", ""),
    ],
)
def test_the_alias_is_compared_where_there_is_a_server(
    at: Bench, monkeypatch: pytest.MonkeyPatch, there: Any, words: str
) -> None:
    if there == "same":
        there = projections.Alias("1", {"model.sha256": pointer(at)["sha256"]})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://nowhere")
    monkeypatch.setattr(projections, "alias", lambda *_: there)
    found = look(at)
    assert said(found).get("alias", "") == "" if not words else words in said(found)["alias"]


def test_an_mlflow_that_is_away_is_not_healthy(at: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://nowhere")
    monkeypatch.setattr(projections, "SCRIPT", "raise ConnectionError('away')")
    found = look(at)
    assert "ConnectionError: away" in report.screen(found)
    assert failed(found) == ["alias"] and not found.healthy


@pytest.mark.full
def test_an_alias_is_read_from_a_real_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert projections.alias(tmp_path, sys.executable, "churn", "production") is None
    client.create_registered_model("churn")
    client.create_model_version("churn", "file:///x", tags={"sha256": "1" * 64})
    assert projections.alias(tmp_path, sys.executable, "churn", "production") is None
    client.set_registered_model_alias("churn", "production", "1")
    found = projections.alias(tmp_path, sys.executable, "churn", "production")
    assert found == projections.Alias("1", {"sha256": "1" * 64})


# ---------------------------------------------------------------- faults


KINDS = [
    "404",
    "502",
    *(pytest.param(kind, marks=pytest.mark.full) for kind in ("401", "403", "422", "500", "drop")),
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_of_any_call_passes_for_health(
    kind: str, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = sorted({(call.method, place_of(call)) for call in seed.calls if "/api/" in call.path})
    assert len(asked) >= 9
    with bench(seed.folder, tmp_path / "b", monkeypatch) as at:
        root, forge, token = job(at)
        for method, pattern in asked:
            at.hub.faults.add(kind, method, pattern, times=1000)
            found = audit(scene(root, forge, token, now=datetime.now(UTC)))
            at.hub.faults.clear()
            assert not found.healthy and failed(found), pattern
            assert not said(found), f"{pattern}: {said(found)}"
            assert "could not be looked at" in report.screen(found)


@pytest.mark.parametrize("kind", ["500", pytest.param("drop", marks=pytest.mark.full)])
def test_bytes_that_cannot_be_asked_for_are_not_healthy(kind: str, at: Bench) -> None:
    root, forge, token = job(at)
    there = scene(root, forge, token)
    at.hub.faults.add(kind, path=r"\.git/", times=1000)
    assert failed(audit(there)) == ["storage"]
    with pytest.raises(Fault):
        scene(root, forge, token)


# ---------------------------------------------------------------- the command


def run(at: Bench, *arguments: str) -> tuple[int, str]:
    """`gitops-ml audit` in the job's checkout."""
    root, _, _ = job(at)
    (root / "dvc.yaml").touch()
    here = os.getcwd()
    os.chdir(root)
    try:
        done = CliRunner().invoke(command, list(arguments))
    finally:
        os.chdir(here)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def issues(at: Bench) -> list[tuple[str, str]]:
    return [(one["state"], one["title"]) for one in at.repo.issues("all")]


def test_one_issue_is_opened_updated_and_closed(at: Bench) -> None:
    for _ in range(2):
        assert run(at, "--issue")[0] == 0
    assert not issues(at)
    strange_folder(at)
    for _ in range(2):
        assert run(at, "--issue")[0] == 0, "the issue is the alarm"
    assert issues(at) == [("open", "Audit: 1 disagreement")]
    object_gone(at)
    before = len(at.effects())
    assert run(at, "--issue")[0] == 0
    assert [call.method for call in at.effects()[before:]] == ["PATCH"]
    (body,) = (one["body"] for one in at.repo.issues())
    assert "git rm -r deploy/shadow" in body and "storage push" in body and "**Agrees:**" in body
    # A fault closes nothing, and says so.
    main(at, STRANGE)
    at.repo.git.update("refs/dvc/store", at.repo.git.resolve("refs/dvc/store^") or "")
    at.hub.faults.add("502", "GET", r"/deployments", times=1000)
    code, text = run(at, "--issue")
    assert code == 1 and "deployments could not be looked at" in text and issues(at)[0][0] == "open"
    at.hub.faults.clear()
    assert run(at, "--issue")[0] == 0
    assert issues(at) == [("closed", "Audit: 2 disagreements")]
    calls = len(at.effects())
    assert run(at, "--issue")[0] == 0 and len(at.effects()) == calls


def test_a_kill_behind_any_effect_is_made_good_by_the_next_run(at: Bench) -> None:
    for plant, state in ((lambda: strange_folder(at), "open"), (lambda: main(at, STRANGE), "closed")):
        plant()
        for number in range(10):
            fault = at.hub.faults.add("dead-after-n-effects", after=number)
            with contextlib.suppress(Fault):
                run(at, "--issue")
            done = not fault.fired
            at.hub.faults.clear()
            if done:
                break
        assert run(at, "--issue")[0] == 0
        assert [one[0] for one in issues(at)] == [state]
    (number,) = (one["number"] for one in at.repo.issues("all"))
    assert len(at.repo.comments(number)) == 1


def test_a_laptop_reads_only_and_ends_red(at: Bench) -> None:
    strange_folder(at)
    before = len(at.effects())
    code, text = run(at)
    assert code == 1 and "1 disagreement" in text
    code, text = run(at, "--json")
    content = json.loads(text)
    assert code == 1 and content["healthy"] is False
    (found,) = [one for one in content["checks"] if one["findings"]]
    assert found["check"] == "environment" and found["findings"][0]["mend"]
    assert len(at.effects()) == before


def test_without_a_token_git_alone_is_looked_at_and_the_rest_is_named(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange_folder(at)
    second_tag(at)
    root = at.checkout()
    git(root, "remote", "set-url", "origin", str(at.repo.bare))
    found = audit(scene(root, None, "", "no token for 127.0.0.1"))
    assert set(said(found)) == {"environment", "tag"}
    passed = {one.key for one in found.looks if one.passed}
    assert passed == {"deployment", "release", "built", "rule", "standing", "schedule", "alias"}
    assert "not seen  deployments, GitHub releases" in report.screen(found)
    # Without a network: what the clone last saw, and that is said.
    git(root, "remote", "set-url", "origin", str(at.folder / "nowhere"))
    found = audit(scene(root, None, "", "no token"))
    assert "tag" in said(found) and "origin did not answer" in report.screen(found)


def test_nothing_is_wrong_with_a_project_that_serves_nothing(at: Bench) -> None:
    main(at, {POINTER: None})
    found = look(at)
    assert found.healthy and "production serves nothing yet" in report.screen(found)


def test_words_of_others_stay_words(at: Bench) -> None:
    deployed(at, "failure")
    with at.hub.lock:
        at.repo.data["deployments"][-1]["statuses"][-1]["description"] = "@ada <b>see</b> \n## [x](http://y)"
    body = report.issue(look(at))
    assert "@ada" not in body and "<b>" not in body and "\n##" not in body and "](http:/" not in body
