"""A release: in order, once, whoever judges, and to the same end after a kill behind any effect."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.suite.delivery import BOT, FakeForge, Killed, World, count_pushes, desk

from gitops_ml.contracts.base import read_plain
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery.assets import ALL, SUMS
from gitops_ml.delivery.champion import Champion, champion
from gitops_ml.delivery.release import Outcome, plan, release
from gitops_ml.delivery.releases import OVERRIDDEN
from gitops_ml.errors import Fault
from gitops_ml.forge.records import Review

BRANCH = "deploy/production"


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeForge:
    made = FakeForge(World.make(tmp_path))
    count_pushes(made, monkeypatch)
    return made


def run(forge: FakeForge, overall: str = "pass", override: str | None = None) -> Outcome:
    """One run of the workflow: plan, and what it asks for."""
    at = desk(forge, overall, override)
    built = forge.world.built() if plan(at).release else None
    return release(at, built)


def served(forge: FakeForge, branch: str) -> Pointer:
    text = forge.git("show", f"{branch}:deploy/production/model.yaml")
    path = forge.world.folder / "pointer.yaml"
    path.write_text(text)
    return Pointer.read(path)


def tags(forge: FakeForge) -> list[str]:
    return forge.git("tag", "--list").splitlines()


# ---------------------------------------------------------------- the first one


def test_the_first_release_has_everything_that_is_promised(forge: FakeForge) -> None:
    outcome = run(forge)
    commit = forge.world.git("rev-parse", "HEAD")
    sha256 = hashlib.sha256(forge.world.model).hexdigest()
    assert outcome.ok and outcome.version == "v1.0.0" and outcome.number == 1

    assert tags(forge) == ["churn@v1.0.0"]
    assert forge.tag_sha("churn@v1.0.0") == commit
    message = forge.git("tag", "-l", "--format=%(contents)", "churn@v1.0.0")
    assert sha256 in message and "step: first" in message and "verdict: pass" in message

    published = forge.releases["churn@v1.0.0"]
    assert set(ALL) == set(published["assets"]) and not published["draft"]
    card = published["assets"]["MODEL_CARD.md"].decode()
    assert f"# Churn\n\n**Version v1.0.0**, commit `{commit}`" in card and card.startswith("---\nlicense")
    for line in published["assets"][SUMS].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(published["assets"][name]).hexdigest() == digest
    assert len(published["assets"][SUMS].splitlines()) == len(ALL) - 1
    for words in ("**ROC AUC 0.846**", "the first model", "all 1 checks pass", "`roll-back`", sha256):
        assert words in published["body"], words
    assert "model_details" not in published["body"] and "## Model details" not in published["body"]

    assert set(forge.storage.refs) == {"refs/dvc/store"}
    assert set(forge.storage.refs["refs/dvc/store"].values()) == set(forge.world.objects().values())

    pointer = served(forge, BRANCH)
    assert (pointer.version, pointer.revision, pointer.sha256) == ("v1.0.0", commit, sha256)
    assert (pointer.size, pointer.verdict) == (len(forge.world.model), "pass")
    assert forge.git("diff", "--name-only", f"main...{BRANCH}") == "deploy/production/model.yaml"
    pull = forge.pulls()[0]
    assert pull.labels == ("gitops-ml: deploy",) and pull.title == "Serve churn v1.0.0 in production"
    status = forge.statuses(pull.head_sha)[0]
    assert (status.context, status.state) == ("gitops-ml", "success")
    lock = forge.world.git("rev-parse", "HEAD:dvc.lock")
    assert [one.description for one in forge.statuses(commit)] == [f"lock {lock}"]
    assert forge.git("rev-parse", "main") == commit, "main changes by merges only"


def test_the_same_commit_twice_makes_nothing_twice(forge: FakeForge) -> None:
    run(forge)
    before, effects = forge.state(), len(forge.effects)
    assert plan(desk(forge)).release is False
    outcome = run(forge)
    assert (forge.state(), len(forge.effects)) == (before, effects)
    assert outcome.ok and outcome.version is None and outcome.number == 1
    # Also with a candidate: somebody pressed "re-run all jobs".
    release(desk(forge), forge.world.built())
    assert forge.state() == before


def test_nothing_that_a_version_names_changed(forge: FakeForge) -> None:
    run(forge)
    forge.merge(1)
    forge.world.commit({"README.md": "words"})
    planned = plan(desk(forge))
    assert (planned.release, planned.version) == (False, None)
    assert "nothing to release" in run(forge).lines[0]
    assert tags(forge) == ["churn@v1.0.0"] and not forge.pulls()


# ---------------------------------------------------------------- kills


def test_a_kill_behind_any_effect_is_made_good_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story(folder: Path, kill: int | None) -> FakeForge:
        monkeypatch.undo()
        forge = FakeForge(World.make(folder))
        count_pushes(forge, monkeypatch)
        forge.issues["main-falls-short"] = {"title": "t", "body": "b", "state": "open"}
        forge.left = kill
        try:
            run(forge)
        except Killed:
            forge.left = None
            run(forge)
        assert plan(desk(forge)).release is False
        return forge

    whole = story(tmp_path / "whole", None)
    wanted = whole.state()
    assert len(whole.effects) >= 15
    for number in range(1, len(whole.effects) + 1):
        forge = story(tmp_path / str(number), number)
        assert forge.state() == wanted, f"killed behind {whole.effects[number - 1]}"
        assert sorted(forge.effects) == sorted(whole.effects), "nothing twice"


def test_a_run_cut_off_behind_its_tag_is_completed_by_the_run_of_a_later_merge(forge: FakeForge) -> None:
    forge.left = 4
    with pytest.raises(Killed, match="tag"):
        run(forge)
    forge.left = None
    forge.world.commit({"README.md": "words"})
    outcome = run(forge)
    there = forge.releases["churn@v1.0.0"]
    assert "cut off" in outcome.lines[1] and "cut off" in there["body"]
    assert not there["draft"] and "verdict.json" not in there["assets"] and SUMS in there["assets"]
    assert served(forge, BRANCH).verdict == "pass", "as the tag records it"
    assert "cut off" not in " ".join(run(forge).lines)


# ---------------------------------------------------------------- several


def test_three_merges_in_a_row_release_each_in_one_standing_pull_request(forge: FakeForge) -> None:
    heads = []
    for facts in ({"data": 1}, {"data": 2}, {"params": 2}):
        forge.world.commit({}, f"Change {next(iter(facts))}", **facts)
        assert run(forge).number == 1
        heads.append(forge.git("rev-parse", BRANCH))
    assert tags(forge) == ["churn@v1.0.0", "churn@v1.0.1", "churn@v1.1.0"]
    assert len(forge.listed) == 1 and forge.listed[0].title == "Serve churn v1.1.0 in production"
    assert served(forge, BRANCH).version == "v1.1.0"
    for older, newer in pairwise(heads):
        assert forge.git("merge-base", older, newer) == older, "never forced"
    assert forge.git("diff", "--name-only", f"main...{BRANCH}") == "deploy/production/model.yaml"
    assert "- Change data" in forge.releases["churn@v1.0.1"]["body"]
    assert "changed: params (train.seed)" in forge.releases["churn@v1.1.0"]["body"]


def test_runs_that_start_late_release_their_own_commits_in_order(forge: FakeForge) -> None:
    """Three merges before the first run begins: each run has its own commit checked out."""
    made = [forge.world.commit({}, data=number) for number in (1, 2, 3)]
    for commit, number in zip(made, (1, 2, 3), strict=True):
        forge.world.git("checkout", "-q", commit)
        forge.world.facts["data"] = number
        assert run(forge).ok
    assert [forge.tag_sha(f"churn@v1.0.{patch}") for patch in range(3)] == made
    assert served(forge, BRANCH).version == "v1.0.2"


def test_a_commit_that_a_later_release_contains_gets_no_version(forge: FakeForge) -> None:
    older = forge.world.commit({}, data=2)
    forge.world.commit({}, data=3)
    run(forge)
    built = None
    forge.world.git("checkout", "-q", older)
    forge.world.facts["data"] = 2
    assert plan(desk(forge)).release is False
    before = forge.state()
    for built in (None, forge.world.built()):
        assert "from a later commit" in release(desk(forge), built).lines[0]
    assert forge.state() == before


def test_another_run_that_takes_the_version_meanwhile_makes_this_one_decide_again(forge: FakeForge) -> None:
    elsewhere = forge.world.git("rev-parse", "HEAD")
    forge.world.commit({}, data=2)

    def other() -> None:
        forge.git("tag", "-a", "churn@v1.0.0", elsewhere, "-m", "verdict: pass")

    forge.before_tag = other
    outcome = run(forge)
    assert outcome.version == "v1.0.1"
    assert forge.tag_sha("churn@v1.0.0") == elsewhere


def test_a_commit_that_was_never_merged_is_refused(forge: FakeForge) -> None:
    forge.world.git("checkout", "-q", "-b", "aside")
    forge.world.commit({}, data=2)
    with pytest.raises(Fault, match="only what was merged"):
        run(forge)
    assert not forge.effects


# ---------------------------------------------------------------- judgement


def merged_by(forge: FakeForge, *reviews: tuple[str, str, bool], author: str = "ada") -> None:
    """Main moves by a merged pull request, with reviews: who, what, of its head."""
    forge.world.git("checkout", "-q", "-b", "topic")
    head = forge.world.commit({}, data=2)
    pull = forge.add("topic", author)
    forge.merge(pull.number)
    forge.reviews_of[pull.number] = [
        Review(user, state, head if of_head else "0" * 40) for user, state, of_head in reviews
    ]


@pytest.mark.parametrize(
    ("reviews", "author", "accepted"),
    [
        ([("grace", "APPROVED", True)], "ada", True),
        ([("grace", "APPROVED", True), ("grace", "COMMENTED", True)], "ada", True),
        ([("ada", "APPROVED", True)], "grace", True),
        ([("grace", "APPROVED", True)], BOT, True),
        ([], "ada", False),
        ([("ada", "APPROVED", True)], "ada", False),
        ([("grace", "APPROVED", False)], "ada", False),
        ([("grace", "COMMENTED", True)], "ada", False),
        ([("mallory", "APPROVED", True)], "ada", False),
        ([("some-app[bot]", "APPROVED", True)], "ada", False),
        ([("grace", "APPROVED", True), ("grace", "CHANGES_REQUESTED", True)], "ada", False),
        ([("grace", "APPROVED", True), ("grace", "DISMISSED", True)], "ada", False),
    ],
)
def test_what_needs_a_person_is_released_with_the_approval_of_another_one(
    forge: FakeForge, reviews: list[tuple[str, str, bool]], author: str, accepted: bool
) -> None:
    forge.writers.add("some-app[bot]")
    merged_by(forge, *reviews, author=author)
    outcome = run(forge, "needs-human")
    assert outcome.ok is accepted
    assert bool(tags(forge)) is accepted
    if accepted:
        assert served(forge, BRANCH).verdict == "accepted"
    else:
        assert forge.issues["main-falls-short"]["state"] == "open" and not forge.storage.refs


def test_an_override_is_told_in_the_pointer(forge: FakeForge) -> None:
    run(forge, "pass", override="agreed with legal, see #7 and @grace (Ada)")
    assert served(forge, BRANCH).verdict == "override"
    # The tag says who answers for what, and so does whatever offers that version, now and later.
    said = "quality/roc_auc: agreed with legal, see #7 and @grace (Ada)"
    text = forge.git("for-each-ref", "--format=%(contents)", "refs/tags/churn@v1.0.0")
    assert f"\n{OVERRIDDEN}: {said}" in text
    (pull,) = forge.pulls()
    assert (
        "It passed with an override (overrides.yaml). quality/roc" in pull.body
        and "agreed with legal" in pull.body
    )
    assert "@grace" not in pull.body, "words of people ping nobody"


def test_an_override_that_somebody_approved_besides_stays_an_override(forge: FakeForge) -> None:
    merged_by(forge, ("grace", "APPROVED", True))
    assert run(forge, "needs-human", override="agreed with legal").ok
    assert served(forge, BRANCH).verdict == "override"
    text = forge.git("for-each-ref", "--format=%(contents)", "refs/tags/churn@v1.0.0")
    assert "verdict: override" in text


def test_without_an_override_no_tag_speaks_of_one(forge: FakeForge) -> None:
    run(forge)
    assert OVERRIDDEN not in forge.git("for-each-ref", "--format=%(contents)", "refs/tags/churn@v1.0.0")


def test_a_block_keeps_one_issue_that_is_closed_when_main_is_healthy(forge: FakeForge) -> None:
    for _ in range(2):
        outcome = run(forge, "block")
        assert not outcome.ok and outcome.version is None
    assert forge.effects.count("issue") == 1 and not tags(forge) and not forge.pulls()
    assert "Verdict: block" in forge.issues["main-falls-short"]["body"]
    forge.world.commit({}, data=2)
    assert run(forge).ok
    assert forge.issues["main-falls-short"]["state"] == "closed"


def test_going_back_to_the_released_model_also_closes_the_issue(forge: FakeForge) -> None:
    run(forge)
    forge.world.commit({}, data=2)
    assert not run(forge, "block").ok
    forge.world.commit({}, data=1)
    assert run(forge).ok
    assert forge.issues["main-falls-short"]["state"] == "closed" and tags(forge) == ["churn@v1.0.0"]


@pytest.mark.parametrize("how", ["squash", "merge"])
def test_the_policy_that_judges_is_that_of_main_before_the_merge(forge: FakeForge, how: str) -> None:
    strict = forge.world.git("rev-parse", "HEAD")
    forge.world.git("checkout", "-q", "-b", "topic")
    forge.world.commit({"policy.yaml": "version: 1\nenvironments: [production]\nfloors: {roc_auc: 0}\n"})
    forge.world.commit({}, data=2)
    if how == "squash":
        merged = forge.merge(forge.add("topic").number)
    else:
        forge.world.git("checkout", "-q", "main")
        forge.world.git("merge", "-q", "--no-ff", "-m", "Merge", "topic")
        forge.world.git("push", "-q", "origin", "main")
        merged = forge.world.git("rev-parse", "HEAD")
    forge.world.commit({"README.md": "words on top"})
    at = desk(forge)
    release(at, forge.world.built())
    assert [(case.before, case.brought) for case in at.cases] == [(strict, merged)]  # type: ignore[attr-defined]


# ---------------------------------------------------------------- bytes and digests


def test_a_swapped_candidate_is_refused(forge: FakeForge) -> None:
    built = forge.world.built()
    manifest = built.candidate / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Linux", "Other"))
    with pytest.raises(Fault, match="swapped"):
        release(desk(forge), built)
    assert not forge.effects


def test_a_candidate_of_another_commit_is_refused(forge: FakeForge) -> None:
    built = forge.world.built()
    forge.world.commit({}, data=2)
    with pytest.raises(Fault, match="was built from"):
        release(desk(forge), built)
    assert not forge.effects


def test_nothing_is_tagged_while_the_store_lacks_bytes(
    forge: FakeForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = forge.storage.push

    def lossy(root: Path, ref: str, objects: list[str], *, source: Path) -> None:
        push(root, ref, objects[1:], source=source)

    monkeypatch.setattr(forge.storage, "push", lossy)
    with pytest.raises(Fault, match="the store does not hold"):
        run(forge)
    assert not tags(forge)


# ---------------------------------------------------------------- the pointer's pull request


def test_without_the_permission_to_open_pull_requests_one_issue_says_what_to_click(forge: FakeForge) -> None:
    forge.may_open = False
    for _ in range(2):
        outcome = run(forge)
        assert outcome.ok and outcome.number is None
    issue = forge.issues["open deploy/production"]
    assert f"compare/main...{BRANCH}" in issue["body"] and forge.effects.count("issue") == 1
    assert served(forge, BRANCH).version == "v1.0.0" and tags(forge) == ["churn@v1.0.0"]
    assert forge.statuses(forge.git("rev-parse", BRANCH))[0].state == "success"
    forge.may_open = True
    assert run(forge).number == 1
    assert forge.issues["open deploy/production"]["state"] == "closed"


def test_after_a_merge_the_next_release_builds_on_the_same_branch(forge: FakeForge) -> None:
    run(forge)
    forge.merge(1)
    forge.world.commit({}, data=2)
    assert run(forge).number == 2
    assert forge.git("diff", "--name-only", f"main...{BRANCH}") == "deploy/production/model.yaml"
    assert served(forge, "main").version == "v1.0.0" and served(forge, BRANCH).version == "v1.0.1"


def test_main_that_moves_on_is_merged_into_the_waiting_pull_request(forge: FakeForge) -> None:
    run(forge)
    forge.world.commit({"README.md": "words"})
    run(forge)
    assert forge.git("merge-base", "main", BRANCH) == forge.git("rev-parse", "main")
    assert forge.statuses(forge.git("rev-parse", BRANCH))[0].state == "success"


def test_a_persons_commit_on_the_branch_is_never_built_upon_nor_over(forge: FakeForge) -> None:
    run(forge)
    world = forge.world
    world.git("fetch", "-q", "origin")
    world.git("checkout", "-q", "-b", "mine", f"origin/{BRANCH}")
    (world.root / "notes.md").write_text("mine")
    world.git("add", "-A")
    world.git("commit", "-q", "-m", "Mine")
    world.git("push", "-q", "origin", f"mine:{BRANCH}")
    theirs = forge.git("rev-parse", BRANCH)
    world.git("checkout", "-q", "main")
    world.commit({}, data=2)
    outcome = run(forge)
    assert outcome.ok and outcome.version == "v1.0.1" and "commits by Ada" in outcome.lines[-1]
    assert forge.git("rev-parse", BRANCH) == theirs and not forge.statuses(theirs)


@pytest.mark.parametrize("merged", [False, True])
def test_what_a_person_closed_or_took_back_is_not_offered_again(forge: FakeForge, merged: bool) -> None:
    run(forge)
    if merged:
        forge.merge(1)
        forge.world.git("rm", "-q", "deploy/production/model.yaml")
    else:
        forge.update(1, state="closed")
    forge.world.commit({"README.md": "words"})
    outcome = run(forge)
    assert "not offered again" in outcome.lines[-1] and not forge.pulls()
    forge.world.commit({}, data=2)
    assert run(forge).number == 2, "the next version is"


def test_a_version_that_was_retired_is_not_offered_and_its_open_request_is_stopped(forge: FakeForge) -> None:
    run(forge)
    assert forge.statuses(forge.git("rev-parse", BRANCH))[0].state == "success"
    policy = 'version: 1\nenvironments: [production]\nretired: {v1.0.0: "it saw the answer"}\n'
    forge.world.commit({"policy.yaml": policy})
    outcome = run(forge)
    assert "v1.0.0 is retired: it saw the answer" in outcome.lines[-1] and "not offered" in outcome.lines[-1]
    status = forge.statuses(forge.git("rev-parse", BRANCH))[0]
    assert status.state == "failure" and "it saw the answer" in status.description
    before = forge.state()
    run(forge)
    assert forge.state() == before, "said once"
    forge.world.commit({}, data=2)
    assert run(forge).number == 1, "the next version takes its place"
    assert forge.statuses(forge.git("rev-parse", BRANCH))[0].state == "success"


# ---------------------------------------------------------------- a lock that nobody built


def test_a_lock_that_its_build_does_not_give_is_put_right_and_nothing_released(forge: FakeForge) -> None:
    text = (
        (forge.world.root / "dvc.lock")
        .read_text()
        .replace('"cmd": "python -m churn.train"', '"cmd": "other"')
    )
    for _ in range(2):
        outcome = release(desk(forge), forge.world.built({"dvc.lock": text, "reports/metrics.json": "{}"}))
        assert outcome.ok and "nothing is released" in outcome.lines[0] and outcome.number == 1
    assert not tags(forge) and "refs/dvc/store" not in forge.storage.refs
    head = forge.git("rev-parse", "rebuild/main")
    assert forge.git("show", "rebuild/main:dvc.lock") == text.strip()
    assert {(one.context, one.state) for one in forge.statuses(head)} == {
        ("gitops-ml/built", "success"),
        ("gitops-ml", "success"),
    }
    assert set(forge.storage.refs) == {"refs/dvc/branch/rebuild/main"}
    # Merged, its head's record stands for main's lock, and the release goes on.
    forge.merge(1)
    assert plan(desk(forge)).version == "v1.0.0"


@pytest.mark.parametrize(("overall", "state"), [("needs-human", "pending"), ("block", "failure")])
def test_what_puts_main_right_is_judged_too(forge: FakeForge, overall: str, state: str) -> None:
    text = (forge.world.root / "dvc.lock").read_text() + "\n"
    outcome = release(desk(forge, overall), forge.world.built({"dvc.lock": text}))
    head = forge.git("rev-parse", "rebuild/main")
    assert next(one for one in forge.statuses(head) if one.context == "gitops-ml").state == state
    assert outcome.ok is (overall != "block")
    assert ("main-falls-short" in forge.issues) is (overall == "block")


def test_the_correction_is_closed_when_main_needs_none(forge: FakeForge) -> None:
    text = (forge.world.root / "dvc.lock").read_text() + "\n"
    release(desk(forge), forge.world.built({"dvc.lock": text}))
    forge.world.commit({}, data=2)
    run(forge)
    assert forge.listed[0].state == "closed" and tags(forge) == ["churn@v1.0.0"]


def test_an_unproven_lock_asks_for_a_build_even_where_no_version_is_due(forge: FakeForge) -> None:
    run(forge)
    forge.merge(1)
    forge.world.commit({"dvc.lock": "{}"}, "Same model, another lock")
    lock = read_plain(forge.world.root / "dvc.lock") | {"meta": "merged by nobody"}
    (forge.world.root / "dvc.lock").write_text(json.dumps(lock))
    forge.world.git("commit", "-qam", "Merged cleanly")
    forge.world.git("push", "-q", "origin", "main")
    planned = plan(desk(forge))
    assert planned.release and planned.version is None
    release(desk(forge), forge.world.built())
    assert not plan(desk(forge)).release and tags(forge) == ["churn@v1.0.0"]


# ---------------------------------------------------------------- champion


def test_the_champion_is_what_production_names_else_the_newest_release(forge: FakeForge) -> None:
    world = forge.world
    assert champion(world.root, "main") is None
    first = world.git("rev-parse", "HEAD")
    sha256 = hashlib.sha256(world.model).hexdigest()
    world.git("tag", "churn@v1.0.0")
    world.git("tag", "other@v9.0.0")
    world.git("tag", "churn@vNext")
    assert champion(world.root, "main") == Champion("v1.0.0", first, sha256)
    second = world.commit({}, data=2)
    world.git("tag", "-a", "churn@v1.0.10", "-m", "annotated")
    newer = hashlib.sha256(world.model).hexdigest()
    assert champion(world.root, "main") == Champion("v1.0.10", second, newer), "10 is more than 9"
    assert champion(world.root, first) == Champion("v1.0.0", first, sha256), "only what the base contains"
    pointer = {"model": "churn", "version": "v1.0.0", "revision": first, "path": "models/model.skops"}
    pointer |= {"sha256": sha256, "size": 1, "image": None, "verdict": "pass", "promoted_from": None}
    world.commit({"deploy/production/model.yaml": pointer, "deploy/staging/model.yaml": "x"})
    assert champion(world.root, "main") == Champion("v1.0.0", first, sha256)


@pytest.mark.parametrize("break_it", [lambda w: w.commit({"deploy/production/model.yaml": "nonsense"})])
def test_a_pointer_that_cannot_be_read_is_not_the_same_as_none(
    forge: FakeForge, break_it: Callable[[World], str]
) -> None:
    break_it(forge.world)
    with pytest.raises(Fault, match=r"deploy/production/model.yaml"):
        champion(forge.world.root, "main")
