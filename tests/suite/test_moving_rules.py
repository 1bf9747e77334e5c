"""What may be served where: what is proven, refused, offered once, withdrawn; forward by one, back to any."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.suite import moved, ruled
from tests.suite.moved import Bench, bench

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proofs
from gitops_ml.delivery import deploy, move_command, moving, proofs, served
from gitops_ml.delivery.offer import pointer_text
from gitops_ml.errors import Fault
from gitops_ml.forge.client import connect

NOTHING = Proofs(version=1, proofs=[])


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ruled.people(monkeypatch)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        return moved.plant(folder, patch)


@pytest.fixture(scope="module")
def everywhere(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both environments serve v1.0.1."""
    folder = tmp_path_factory.mktemp("everywhere") / "everywhere"
    with pytest.MonkeyPatch.context() as patch:
        ruled.people(patch)
        with bench(seed, folder, patch) as at:
            for environment in ("staging", "production"):
                moved.merge(at, f"deploy/{environment}")
                assert moved.deployed(at).ok
    return folder


@pytest.fixture
def at(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench(seed, tmp_path / "bench", monkeypatch) as made:
        yield made


@pytest.fixture
def ahead(everywhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench(everywhere, tmp_path / "bench", monkeypatch) as made:
        yield made


def clone(at: Bench, seed: Path) -> Path:
    """Ada's clone, as she had it when the seed was made."""
    target = at.folder / "ada"
    if not target.exists():
        shutil.copytree(seed.parent / "clone", target)
    return target


def retire(at: Bench, version: str) -> None:
    text = moved.POLICY + f"retired: {{{version}: it saw the answer}}\n"
    at.repo.commit("main", {"policy.yaml": text}, at.ada, "Retire")


def lose(at: Bench) -> None:
    at.repo.git.update("refs/dvc/store", None)


# ---------------------------------------------------------------- deploy


def test_where_everything_follows_nothing_is_proven_or_done(at: Bench) -> None:
    assert deploy.targets(moved.desk(at)) == []
    with at.hub.recording() as calls:
        outcome = deploy.deploy(moved.desk(at), NOTHING)
    assert outcome.ok and not [call for call in calls if call.effect]
    assert outcome.lines == [
        "staging: v1.0.0 is served, as main says",
        "production: v1.0.0 is served, as main says",
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"problems": ["its service answers otherwise"]}, "its service answers otherwise"),
        ({"sha256": "1" * 64}, "111111111111"),
        ({"sha256": None}, "no bytes"),
        ({"environment": "production"}, "nobody has proven"),
        ({"version": "v1.0.0"}, "nobody has proven"),
    ],
)
def test_nothing_moves_without_the_proof_of_exactly_this(
    at: Bench, change: dict[str, object], why: str
) -> None:
    moved.merge(at, "deploy/staging")
    before = at.state()
    desk = moved.desk(at)
    (good,) = moved.prove(desk.root, [("staging", "v1.0.1")]).proofs
    bad = Proofs(version=1, proofs=[good.model_copy(update=change)])
    outcome = deploy.deploy(desk, bad)
    assert not outcome.ok and any(why in line for line in outcome.lines), outcome.lines
    after = at.state()
    assert after["tags"] == before["tags"] and after["pulls"] == before["pulls"]
    assert moved.newest_deployments(at)["staging"] == ("v1.0.1", "failure")
    assert why in at.repo.issues()[0]["body"]


def test_bytes_that_are_lost_stop_it_whatever_the_proof_says(at: Bench) -> None:
    moved.merge(at, "deploy/staging")
    lose(at)
    outcome = moved.deployed(at)
    assert not outcome.ok and "bytes that are lost cannot be served" in outcome.lines[0]
    assert "churn#staging#2" not in at.repo.tags()


def test_a_retired_version_is_not_moved_to_and_stays_where_it_serves(at: Bench) -> None:
    moved.merge(at, "deploy/staging")
    retire(at, "v1.0.1")
    outcome = moved.deployed(at)
    assert not outcome.ok and "v1.0.1 is retired: it saw the answer" in outcome.lines[0]
    retire(at, "v1.0.0")
    assert "production: v1.0.0 is served, as main says" in moved.deployed(at).lines


def test_a_pointer_that_was_removed_is_said_and_nothing_is_done(at: Bench) -> None:
    at.repo.commit("main", {"deploy/staging/model.yaml": None}, at.ada, "Gone")
    before = at.state()
    outcome = moved.deployed(at)
    assert outcome.ok and "main names nothing any more, and v1.0.0 was served last" in outcome.lines[0]
    assert at.state() == before


def test_a_run_that_main_overtook_never_moves_what_it_did_not_prove(at: Bench) -> None:
    first = moved.desk(at)
    proofs_ = moved.prove(first.root, [("staging", "v1.0.0")])
    moved.merge(at, "deploy/staging")
    before = at.state()
    outcome = deploy.deploy(first, proofs_)
    assert outcome.ok and "main has moved on to v1.0.1" in outcome.lines[0]
    assert at.state() == before, "neither the older one nor the newer"


def test_a_deployment_that_somebody_else_made_is_put_right(at: Bench) -> None:
    content = {"ref": "main", "environment": "staging", "required_contexts": []}
    connect(at.place, at.ada.token).api.request("POST", "deployments", content)
    assert deploy.targets(moved.desk(at)) == [("staging", "v1.0.0")]
    assert moved.deployed(at).ok
    assert moved.newest_deployments(at)["staging"] == ("v1.0.0", "success")
    assert "churn#staging#2" not in at.repo.tags(), "the tag was right"


def test_going_back_to_what_the_tag_says_mends_the_deployment_only(at: Bench) -> None:
    """v1.0.1 could not be served; main names v1.0.0 again."""
    moved.merge(at, "deploy/staging")
    assert not moved.deployed(at, ("v1.0.1",)).ok
    moved.rolled_back(at, "staging")
    moved.merge(at, "roll-back/staging")
    assert moved.deployed(at).ok
    assert moved.stage_tags(at)["churn#staging#1"] == "v1.0.0" and "churn#staging#2" not in at.repo.tags()
    assert moved.newest_deployments(at)["staging"] == ("v1.0.0", "success")
    assert at.repo.issues() == []


def test_stage_tags_are_read_by_their_numbers(at: Bench) -> None:
    root = at.checkout()
    pointer = moved.served(at, "staging")
    assert isinstance(pointer, Pointer)
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for number, version in ((10, "v1.0.0"), (9, "v0.9.0")):
        content = pointer.model_copy(update={"version": version})
        message = served.stage_message(content, "staging", "1" * 40)
        ruled.git(root, *identity, "tag", "-a", f"churn#staging#{number}", "-m", message, pointer.revision)
    ruled.git(root, "tag", "churn#staging#11")
    ruled.git(root, "tag", "churn#staging#x")
    ruled.git(root, *identity, "tag", "-a", "churn#staging-2#1", "-m", "another")
    found = served.stages(root, "churn", "staging")
    assert [(one.number, one.version) for one in found] == [(10, "v1.0.0"), (9, "v0.9.0"), (1, "v1.0.0")]
    assert found[0].names(pointer) and not found[1].names(pointer)


# ---------------------------------------------------------------- offered to the next one


def test_a_closed_offer_is_not_made_again_but_a_person_may_ask(at: Bench) -> None:
    moved.merge(at, "deploy/staging")
    assert any("offers v1.0.1 to production" in line for line in moved.deployed(at).lines)
    (pull,) = at.repo.open_pulls()
    connect(at.place, at.ada.token).close_pull(pull["number"], "")
    assert deploy.targets(moved.desk(at)) == []
    assert moved.deployed(at).ok and at.repo.open_pulls() == []
    opened = moved.promoted(at)
    assert opened is not None and [one["number"] for one in at.repo.open_pulls()] == [opened.number]


def test_what_was_rolled_back_from_is_not_offered_again_but_a_newer_one_is(ahead: Bench, seed: Path) -> None:
    at = ahead
    moved.rolled_back(at, "production")
    moved.merge(at, "roll-back/production")
    assert moved.deployed(at).ok and at.repo.open_pulls() == [], (
        "staging still serves it, and it is not offered"
    )
    moved.rolled_back(at, "staging")
    moved.merge(at, "roll-back/staging")
    assert moved.deployed(at).ok
    world = moved.build(at, clone(at, seed), {"README.md": "words"}, data=2)
    outcome = moved.released(at, world)
    assert outcome.version is None and at.repo.open_pulls() == []
    assert "taken back since: v1.0.1 is not offered again" in outcome.lines[-1]
    world = moved.build(at, clone(at, seed), {}, data=3)
    assert moved.released(at, world).version == "v1.0.2"
    assert [one["title"] for one in at.repo.open_pulls()] == ["Serve churn v1.0.2 in staging"]


def test_an_offer_that_is_open_is_not_proven_again_until_main_moves(at: Bench) -> None:
    moved.merge(at, "deploy/staging")
    assert moved.deployed(at).ok
    assert deploy.targets(moved.desk(at)) == []
    at.repo.commit("main", {"README.md": "words"}, at.ada)
    assert deploy.targets(moved.desk(at)) == [("production", "v1.0.1")]
    assert moved.deployed(at).ok
    (pull,) = at.repo.open_pulls()
    assert at.repo.changed_files("main", pull["head"]["sha"]) == ["deploy/production/model.yaml"]
    assert at.status(pull["head"]["sha"])[0] == "success"


def test_the_status_is_posted_with_a_good_proof_only(at: Bench) -> None:
    moved.merge(at, "deploy/staging")
    desk = moved.desk(at)
    outcome = deploy.deploy(desk, moved.prove(desk.root, [("staging", "v1.0.1")]))
    assert outcome.ok and "the next run of `deploy` proves it" in outcome.lines[-1]
    assert at.repo.open_pulls() == []
    (good,) = moved.prove(desk.root, [("production", "v1.0.1")]).proofs
    bad = Proofs(version=1, proofs=[good.model_copy(update={"problems": ["it does not load"]})])
    outcome = deploy.deploy(moved.desk(at), bad)
    assert not outcome.ok and at.repo.open_pulls() == []


# ---------------------------------------------------------------- promote


def test_promote_takes_the_first_that_is_behind(at: Bench) -> None:
    opened = moved.promoted(at)
    assert opened is not None and [one["title"] for one in at.repo.open_pulls()] == [
        "Serve churn v1.0.1 in staging"
    ]
    moved.merge(at, "deploy/staging")
    opened = moved.promoted(at)
    pointer = moved.served(at, "production", "deploy/production")
    assert pointer is not None and (pointer.version, pointer.promoted_from) == ("v1.0.1", "staging")
    moved.merge(at, "deploy/production")
    assert moved.promoted(at) is None


@pytest.mark.parametrize(
    ("environment", "version", "why"),
    [
        ("nowhere", "", "names no environment nowhere"),
        ("production", "v1.0.1", "production gets what staging serves, and staging serves v1.0.0"),
        ("production", "v1.0.0", "set to v1.0.0 already"),
        ("staging", "v1.0.0", "set to v1.0.0 already"),
        ("staging", "v7.0.0", "never released"),
        ("staging", "latest", "is no version"),
    ],
)
def test_promote_refuses_in_words(at: Bench, environment: str, version: str, why: str) -> None:
    with at.hub.recording() as calls, pytest.raises(Fault, match=why) as fault:
        moved.promoted(at, environment, version)
    assert "\n" in str(fault.value) and not [call for call in calls if call.effect]


def test_promote_of_what_cannot_be_served_opens_nothing(at: Bench) -> None:
    with at.hub.recording() as calls:
        with pytest.raises(Fault, match=r"(?s)cannot be served in staging, so nothing is opened.*planted"):
            moved.promoted(at, bad=("v1.0.1",))
        retire(at, "v1.0.1")
        with pytest.raises(Fault, match="retired: it saw the answer"):
            moved.promoted(at, "staging", "v1.0.1")
        lose(at)
        retire(at, "v9.0.0")
        with pytest.raises(Fault, match="bytes that are lost"):
            moved.promoted(at)
    assert not [call for call in calls if call.effect]


def test_an_older_version_is_no_promotion(ahead: Bench) -> None:
    with pytest.raises(Fault, match=r"gitops-ml roll-back --environment staging --version v1.0.0"):
        moved.promoted(ahead, "staging", "v1.0.0")


# ---------------------------------------------------------------- roll back


def test_roll_back_restores_the_pointer_that_stood_there(ahead: Bench) -> None:
    at = ahead
    before = moved.served(at, "production", "main")
    opened = moved.rolled_back(at)
    pointer = moved.served(at, "production", "roll-back/production")
    assert before is not None and pointer is not None
    assert (before.version, pointer.version, pointer.promoted_from) == ("v1.0.1", "v1.0.0", "staging")
    pull = at.repo.pull(int(opened.number or 0))
    for words in (
        "from v1.0.1 to v1.0.0",
        "answers 9 rows",
        pointer.sha256,
        "nothing; both take the same rows",
    ):
        assert words in pull["body"], words
    assert at.repo.changed_files("main", pull["head"]["sha"]) == ["deploy/production/model.yaml"]
    assert [one["name"] for one in pull["labels"]] == ["gitops-ml: rollback"]
    assert at.status(pull["head"]["sha"])[0] == "success"


def test_going_back_twice_does_not_go_forward_again(ahead: Bench, seed: Path) -> None:
    at = ahead
    moved.rolled_back(at)
    moved.merge(at, "roll-back/production")
    with pytest.raises(Fault, match=r"served nothing before v1.0.0"):
        moved.rolled_back(at)
    again = moved.rolled_back(at, version="1.0.1")
    assert "back to v1.0.1" in again.lines[0], "what it served once it may serve again, if a person names it"


@pytest.mark.parametrize(
    ("environment", "version", "why"),
    [
        ("nowhere", "", "names no environment nowhere"),
        ("", "v1.0.1", "set to v1.0.1 already"),
        ("", "v0.1.0", "never released"),
        ("", "yesterday", "is no version"),
    ],
)
def test_roll_back_refuses_in_words(ahead: Bench, environment: str, version: str, why: str) -> None:
    with ahead.hub.recording() as calls, pytest.raises(Fault, match=why) as fault:
        moved.rolled_back(ahead, environment, version)
    assert "\n" in str(fault.value) and not [call for call in calls if call.effect]


def test_roll_back_to_what_is_newer_and_was_never_served_is_no_way_back(at: Bench) -> None:
    with pytest.raises(Fault, match=r"gitops-ml promote --environment production --version v1.0.1"):
        moved.rolled_back(at, "production", "v1.0.1")
    at.repo.commit("main", {"deploy/production/model.yaml": None}, at.ada)
    with pytest.raises(Fault, match="serves nothing"):
        moved.rolled_back(at)


def test_roll_back_to_what_cannot_be_served_opens_nothing(ahead: Bench) -> None:
    at = ahead
    with at.hub.recording() as calls:
        with pytest.raises(Fault, match=r"(?s)cannot be served in production, so nothing is opened.*planted"):
            moved.rolled_back(at, bad=("v1.0.0",))
        retire(at, "v1.0.0")
        with pytest.raises(Fault, match="retired: it saw the answer"):
            moved.rolled_back(at, version="v1.0.0")
        with pytest.raises(Fault, match="could be served again"):
            moved.rolled_back(at)
        retire(at, "v9.0.0")
        lose(at)
        with pytest.raises(Fault, match="bytes that are lost"):
            moved.rolled_back(at)
    assert not [call for call in calls if call.effect]


def test_callers_are_told_what_they_must_change(ahead: Bench, seed: Path) -> None:
    at = ahead
    wider = ("tenure: {role: feature, type: integer, minimum: 0}", "tenure: {role: feature, type: number}")
    world = moved.build(at, clone(at, seed), {"schema.yaml": wider}, schema=2)
    version = moved.released(at, world).version
    assert version is not None
    moved.merge(at, "deploy/staging")
    assert moved.deployed(at).ok
    opened = moved.rolled_back(at, "staging")
    body = at.repo.pull(int(opened.number or 0))["body"]
    assert "they must change what they send or read" in body and "tenure" in body, body


# ---------------------------------------------------------------- the verbs


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def invoke(at: Bench, command: object, *arguments: str) -> str:
        desk = moved.desk(at)
        monkeypatch.chdir(desk.root)
        monkeypatch.setattr(moving, "at_work", lambda root: desk)
        monkeypatch.setenv("GITHUB_OUTPUT", str(at.folder / "out"))
        done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)  # type: ignore[arg-type]
        assert done.exit_code == 0, done.output
        return done.output

    return invoke


def test_the_verbs_give_a_workflow_what_to_prove_and_take_the_proof(
    at: Bench, call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "staging=v1.0.1" in call(at, move_command.promote, "--plan")
    assert "\nstaging=v1.0.1\n" in (at.folder / "out").read_text()
    with pytest.raises(Fault, match="nobody has proven"):
        call(at, move_command.promote)
    said = proofs.write(moved.prove(at.checkout(), [("staging", "v1.0.1")]))
    assert "offers v1.0.1 to staging" in call(at, move_command.promote, "--proofs", said)
    with pytest.raises(Fault, match="not JSON"):
        call(at, move_command.promote, "--proofs", "{")


def test_on_a_laptop_the_proof_is_made_first(
    at: Bench, call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    class Done:
        returncode = 0

    def run(command: list[str], cwd: Path, env: dict[str, str], check: bool) -> Done:
        asked.append(command[2:])
        made = proofs.write(moved.prove(cwd, [("staging", "v1.0.1")]))
        Path(env["GITHUB_OUTPUT"]).write_text(f"other<<e\nx\ne\nproofs<<mark\n{made}\nmark\n")
        return Done()

    monkeypatch.setattr(moving, "subprocess", type("Faked", (), {"run": staticmethod(run)}))
    assert "offers v1.0.1 to staging" in call(at, move_command.promote)
    assert asked == [["gitops_ml", "prove", "--target", "staging=v1.0.1"]]
    Done.returncode = 1
    with pytest.raises(Fault, match="could not be found out"):
        call(at, move_command.promote)


def test_deploy_as_a_verb_plans_moves_and_is_red(
    at: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved.merge(at, "deploy/staging")
    desk = moved.desk(at)
    monkeypatch.setattr(moving, "at_work", lambda root: desk)
    monkeypatch.setenv("GITHUB_OUTPUT", str(at.folder / "out"))
    deploy.run(desk.root, "", True)
    assert "staging=v1.0.1" in (at.folder / "out").read_text()
    with pytest.raises(SystemExit):
        deploy.run(desk.root, "", False)
    assert "staging: v1.0.1 is not served" in capsys.readouterr().out
    good = json.dumps(moved.prove(desk.root, [("staging", "v1.0.1")]).model_dump(mode="json"))
    deploy.run(desk.root, good, False)
    assert "staging: v1.0.1 is proven, and served now" in capsys.readouterr().out


def test_an_app_needs_no_right_to_tags_and_deployments(at: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    moved.merge(at, "deploy/staging")
    root = at.desk({}).root
    weak = at.repo.github_token(
        "8", {"issues": "write", "contents": "read", "pull-requests": "read"}, job="app"
    )
    own = at.repo.github_token("8", {"contents": "write", "deployments": "write"}, job="own")
    monkeypatch.setenv("GITOPS_ML_TOKEN", weak)
    monkeypatch.setenv(moving.JOB_TOKEN, own)
    desk = moving.at_work(root)
    assert deploy.deploy(desk, moved.prove(root, [("staging", "v1.0.1")])).ok
    made = {
        call.job
        for call in at.hub.calls
        if call.effect and ("deployments" in call.path or "/git/" in call.path)
    }
    assert "own" in made and "app" not in made


def test_the_pointers_own_words_name_the_way_back() -> None:
    content = Pointer.model_validate(
        {"model": "m", "version": "v1.0.0", "revision": "1" * 40, "path": "p", "sha256": "0" * 64, "size": 1}
        | {"image": None, "verdict": "pass", "promoted_from": None}
    )
    assert "to go back: gitops-ml roll-back" in pointer_text(content, "production")
