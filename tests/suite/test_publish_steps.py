"""publish, step by step, against a host in memory: what is done, to do, impossible; what a kill leaves; who may see rows."""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops_ml.errors import Fault
from gitops_ml.forge.errors import Refused
from gitops_ml.forge.place import Place
from gitops_ml.publish import ruleset
from gitops_ml.publish import steps as rooms
from gitops_ml.publish.host import LABELS, Repository, Who, check_token
from gitops_ml.publish.run import Outcome, Stopped, Talk, go
from gitops_ml.publish.step import Work
from gitops_ml.publish.stock import Missing

PLACE = Place("https://github.com", "https://api.github.com", "ada", "churn")
GIT = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]


class Killed(BaseException):
    """The process is gone: nothing catches it."""


class Host:
    """GitHub with the defaults of a fresh account, as one dictionary; every effect is noted, and can be the last."""

    def __init__(self) -> None:
        self.place = PLACE
        self.repo: dict[str, Any] | None = None
        self.state: dict[str, Any] = {
            "actions": {"enabled": True, "allowed_actions": "all"},
            "token": {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False},
            "labels": set(),
            "rulesets": [],
            "refs": {},
            "commits": set(),
        }
        self.effects: list[str] = []
        self.kill_after: int | None = None
        self.no: dict[str, Refused] = {}
        self.made_public = False

    def effect(self, name: str) -> None:
        self.effects.append(name)
        if self.kill_after is not None and len(self.effects) >= self.kill_after:
            self.kill_after = None
            raise Killed

    def asked(self, name: str) -> None:
        if name in self.no:
            raise self.no[name]

    def who(self) -> Who:
        self.asked("who")
        return Who("ada", frozenset({"repo", "workflow"}))

    def repository(self) -> Repository | None:
        return None if self.repo is None else Repository.of(copy.deepcopy(self.repo))

    def exists(self, **more: Any) -> None:
        self.repo = {
            "full_name": PLACE.slug,
            "private": True,
            "default_branch": "main",
            "permissions": {"admin": True, "push": True},
            "allow_squash_merge": True,
            "allow_update_branch": False,
            "delete_branch_on_merge": False,
            "has_issues": True,
            **more,
        }

    def create(self, private: bool) -> Repository:
        self.asked("create")
        self.exists(private=private and not self.made_public)
        self.effect(f"create {'private' if private else 'public'}")
        made = self.repository()
        assert made is not None
        return made

    def edit(self, **settings: Any) -> None:
        assert self.repo is not None
        self.repo |= settings
        self.effect("edit")

    def actions(self) -> dict[str, Any]:
        self.asked("actions")
        return dict(self.state["actions"])

    def allow_actions(self) -> None:
        self.state["actions"]["enabled"] = True
        self.effect("actions")

    def workflow_token(self) -> dict[str, Any]:
        return dict(self.state["token"])

    def set_workflow_token(self, wanted: Mapping[str, Any]) -> None:
        self.asked("workflow token")
        self.state["token"] |= wanted
        self.effect("workflow token")

    def labels(self) -> set[str]:
        return {name.lower() for name in self.state["labels"]}

    def make_labels(self) -> None:
        for name in LABELS:
            if name not in self.state["labels"]:
                self.state["labels"].add(name)
                self.effect(f"label {name}")

    def ruleset(self, name: str) -> dict[str, Any] | None:
        self.asked("ruleset")
        return next((copy.deepcopy(one) for one in self.state["rulesets"] if one["name"] == name), None)

    def set_ruleset(self, wanted: dict[str, Any], number: int | None) -> None:
        self.asked("set ruleset")
        if number is None:
            assert not self.state["rulesets"], "a second ruleset of the same name"
            self.state["rulesets"].append({"id": 7, **copy.deepcopy(wanted)})
        else:
            there = self.state["rulesets"][0]
            there.clear()  # what is not sent is not kept
            there |= {"id": 7, **copy.deepcopy(wanted)}
        self.effect("ruleset")

    def refs(self) -> dict[str, str]:
        return dict(self.state["refs"])

    def has_commit(self, sha: str) -> bool:
        return sha in self.state["commits"]

    def push(self, root: Path, sha: str, ref: str) -> None:
        assert not self.state["rulesets"], "the rule would refuse this push"
        self.state["refs"][ref] = sha
        self.state["commits"] |= set(git(root, "rev-list", sha).split())
        self.effect(f"push {ref}")


class Stock:
    """Three objects, and how many of them the storage has."""

    remote = ""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.lacking = ["data/raw/churn.csv", "data/prepared/train.parquet", "models/model.skops"]
        self.nowhere: tuple[str, ...] = ()
        self.needed: tuple[str, ...] = ()

    def missing(self, asked: bool) -> Missing:
        return Missing(tuple(self.lacking), self.nowhere, self.needed)

    def push(self) -> str:
        while self.lacking:
            self.lacking.pop(0)
            self.host.effect("bytes")
        return "3 sent"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "churn"
    (root / ".github" / "workflows").mkdir(parents=True)
    (root / ".github" / "workflows" / "pull-request.yml").write_text("on: pull_request_target\n")
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    subprocess.run([*GIT, "init", "-q", "-b", "main"], cwd=root, check=True)
    commit(root, "Generated")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "churn"))


@pytest.fixture
def host() -> Host:
    return Host()


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        [*GIT, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(root: Path, message: str) -> str:
    git(root, "add", "-A")
    git(root, "commit", "-qm", message, "--allow-empty")
    return git(root, "rev-parse", "HEAD")


def work(root: Path, host: Host, private: bool | None = None) -> Work:
    return Work(root, host, Stock(host), private)


def talk(agree: Callable[[str], bool] = lambda line: True, understand: bool = False) -> Talk:
    return Talk(lambda text: None, agree, lambda: understand)


def run(at: Work, **more: Any) -> dict[str, Outcome]:
    dry = more.pop("dry", False)
    return {outcome.title: outcome for outcome in go(rooms.steps(at), at, talk(**more), dry)}


def came(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {title: outcome.came for title, outcome in outcomes.items()}


def snapshot(root: Path, host: Host) -> dict[str, Any]:
    return {
        "repo": copy.deepcopy(host.repo),
        "state": copy.deepcopy(host.state),
        "origin": git(root, "remote", "get-url", "origin"),
        "follows": git(root, "config", "branch.main.merge"),
        "tracked": git(root, "rev-parse", "refs/remotes/origin/main"),
    }


ALL = [
    "create private",
    "workflow token",
    *(f"label {name}" for name in LABELS),
    "bytes",
    "bytes",
    "bytes",
    "push refs/heads/main",
    "ruleset",
    "edit",
]


def test_everything_once_and_in_the_order_that_makes_the_first_push_work(root: Path, host: Host) -> None:
    outcomes = run(work(root, host))
    assert host.effects == ALL
    assert set(came(outcomes).values()) == {"done", "already"}
    assert host.state["refs"] == {"refs/heads/main": git(root, "rev-parse", "HEAD")}
    assert host.state["token"]["can_approve_pull_request_reviews"] is True
    assert git(root, "remote", "get-url", "origin") == "https://github.com/ada/churn.git"
    assert git(root, "status", "-sb").splitlines()[0] == "## main...origin/main"


def test_a_second_time_everything_is_already_so(root: Path, host: Host) -> None:
    at = work(root, host)
    run(at)
    host.effects.clear()
    again = Work(root, host, at.stock)
    assert set(came(run(again, agree=lambda line: pytest.fail("asked"))).values()) == {"already"}
    assert host.effects == []


@pytest.mark.parametrize("number", range(1, len(ALL) + 1))
def test_killed_after_any_effect_the_next_run_ends_where_an_undisturbed_one_does(
    number: int, root: Path, tmp_path: Path
) -> None:
    calm, other = Host(), Path(shutil.copytree(root, tmp_path / "calm"))
    run(work(other, calm))
    host = Host()
    host.kill_after = number
    at = work(root, host)
    with pytest.raises(Killed):
        run(at)
    run(Work(root, host, at.stock))
    assert snapshot(root, host) == snapshot(other, calm)
    assert host.effects == ALL  # nothing twice, nothing left out


def test_a_dry_run_writes_nothing_and_shows_the_same_plan(root: Path, host: Host) -> None:
    before = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    asked: list[str] = []
    planned = run(work(root, host), dry=True)
    assert host.effects == [] and host.repo is None
    assert {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()} == before
    run(work(root, host), agree=lambda line: asked.append(line) is None)
    todo = [outcome for outcome in planned.values() if outcome.came == "planned"]
    assert len(todo) == len(asked) == 8
    for outcome, line in zip(todo, asked, strict=True):
        assert outcome.says in line


def test_each_step_is_asked_before_its_effect_and_a_no_to_a_needed_one_stops(root: Path, host: Host) -> None:
    with pytest.raises(Stopped, match="stopped before: bytes"):
        run(work(root, host), agree=lambda line: "bytes" not in line)
    assert host.state["refs"] == {} and "bytes" not in host.effects


def test_a_no_to_a_setting_goes_on_and_says_what_it_means(root: Path, host: Host) -> None:
    outcomes = run(work(root, host), agree=lambda line: " rule " not in line)
    assert outcomes["rule"].came == "left" and "release is" in outcomes["rule"].says
    assert host.state["rulesets"] == [] and outcomes["merges"].came == "done"


# --- who sees it -----------------------------------------------------------------------------------------


def test_public_needs_a_yes_of_its_own_before_anything_is_shown(root: Path, host: Host) -> None:
    with pytest.raises(Stopped, match="everyone may read the rows"):
        run(work(root, host, private=False))
    assert host.effects[0] == "create public"
    assert "bytes" not in host.effects and host.state["refs"] == {}
    at = work(root, host, private=False)
    assert run(at, understand=True)["main"].came == "done"


@pytest.mark.parametrize("visibility", ["public", "internal"])
def test_a_repository_that_others_read_needs_that_yes_although_nobody_said_public(
    root: Path, host: Host, visibility: str
) -> None:
    host.exists(private=visibility != "public", visibility=visibility)
    with pytest.raises(Stopped, match=visibility):
        run(work(root, host))
    assert host.state["refs"] == {}


def test_nothing_is_asked_about_rows_when_all_is_there_already(root: Path, host: Host) -> None:
    at = work(root, host, private=False)
    run(at, understand=True)
    run(Work(root, host, at.stock, False))


def test_made_public_by_the_owners_rules_although_private_was_asked_for_stops(root: Path, host: Host) -> None:
    host.made_public = True
    with pytest.raises(Fault, match="was made public"):
        run(work(root, host))
    assert host.effects == ["create private"]


def test_private_was_said_and_the_repository_is_public(root: Path, host: Host) -> None:
    host.exists(private=False)
    with pytest.raises(Fault, match="you said --private"):
        run(work(root, host, private=True))
    assert host.effects == []


def test_bytes_for_an_object_store_are_not_shown_by_the_repository(root: Path, host: Host) -> None:
    at = work(root, host, private=False)
    run(at, understand=True)
    assert isinstance(at.stock, Stock)
    at.stock.remote, at.stock.lacking = "s3://bucket", ["data/raw/churn.csv"]
    assert run(Work(root, host, at.stock, False))["bytes"].came == "done"


# --- the repository --------------------------------------------------------------------------------------


def test_an_unrelated_repository_is_refused_and_nothing_pushed(root: Path, host: Host) -> None:
    host.exists()
    host.state["refs"] = {"refs/heads/main": "a" * 40}
    host.state["commits"] = {"a" * 40}
    with pytest.raises(Fault, match="nothing in common"):
        run(work(root, host))
    assert host.state["refs"] == {"refs/heads/main": "a" * 40}


def test_an_unrelated_branch_of_another_name_is_refused_too(root: Path, host: Host) -> None:
    host.exists(default_branch="master")
    host.state["refs"] = {"refs/heads/master": "a" * 40}
    with pytest.raises(Fault, match="its master has nothing in common"):
        run(work(root, host))


def test_a_main_that_is_ahead_is_left_alone(root: Path, host: Host) -> None:
    run(work(root, host))
    host.state["refs"]["refs/heads/main"] = "b" * 40
    outcomes = run(work(root, host))
    assert outcomes["main"].came == "already" and "git pull" in outcomes["main"].says
    assert host.state["refs"]["refs/heads/main"] == "b" * 40


def test_a_main_that_went_another_way_is_refused(root: Path, host: Host) -> None:
    run(work(root, host))
    git(root, "commit", "-q", "--amend", "--allow-empty", "-m", "Other words")
    commit(root, "More")
    first = git(root, "rev-list", "--max-parents=0", "HEAD")
    host.state["refs"]["refs/heads/main"] = "b" * 40
    host.state["commits"] = {first}
    with pytest.raises(Fault, match="have parted"):
        run(work(root, host))


def test_newer_commits_go_by_pull_request_once_main_is_there(root: Path, host: Host) -> None:
    run(work(root, host))
    commit(root, "More")
    outcomes = run(work(root, host))
    assert outcomes["main"].came == "impossible"
    assert "1 ahead" in outcomes["main"].says and "git switch -c" in outcomes["main"].says


def test_an_empty_commit_made_first_on_the_server_is_built_upon(root: Path, host: Host) -> None:
    git(root, "checkout", "-q", "--orphan", "other")
    git(root, "rm", "-rfq", "--cached", ".")
    git(root, "commit", "-qm", "README", "--allow-empty")
    first = git(root, "rev-parse", "HEAD")
    git(root, "branch", "-qD", "main")
    git(root, "branch", "-qm", "main")
    commit(root, "Generated")
    host.exists()
    host.state["refs"] = {"refs/heads/main": first}
    assert run(work(root, host))["main"].came == "done"


def test_another_default_branch_gives_way_to_main(root: Path, host: Host) -> None:
    host.exists(default_branch="trunk")
    run(work(root, host))
    assert host.repo is not None and host.repo["default_branch"] == "main"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"archived": True}, "is archived"),
        ({"permissions": {"push": False}}, "not write to it"),
        ({"full_name": "ada/renamed"}, "is called ada/renamed now"),
    ],
)
def test_a_repository_that_cannot_be_used_is_named_with_its_fix(
    root: Path, host: Host, more: dict[str, Any], words: str
) -> None:
    host.exists(**more)
    with pytest.raises(Fault, match=words):
        run(work(root, host))
    assert host.effects == []


@pytest.mark.parametrize("status", [403, 404, 422])
def test_a_token_that_may_not_create_names_the_rights_it_needs(root: Path, host: Host, status: int) -> None:
    host.no["create"] = Refused("no", status, "Resource not accessible by personal access token")
    with pytest.raises(Fault, match="Administration, Actions, Commit statuses, Contents"):
        run(work(root, host))


def test_origin_elsewhere_is_never_replaced(root: Path, host: Host) -> None:
    git(root, "remote", "add", "origin", "https://github.com/eve/other.git")
    with pytest.raises(Fault, match="git remote rename origin old"):
        run(work(root, host))
    assert git(root, "remote", "get-url", "origin") == "https://github.com/eve/other.git"


def test_origin_by_ssh_is_left_as_it_is(root: Path, host: Host) -> None:
    git(root, "remote", "add", "origin", "git@github.com:Ada/churn.git")
    assert run(work(root, host))["remote"].came == "already"


def test_a_password_in_origin_is_taken_out(root: Path, host: Host) -> None:
    git(root, "remote", "add", "origin", "https://ada:s3cret@github.com/ada/churn.git")
    assert run(work(root, host))["remote"].came == "done"
    assert "s3cret" not in (root / ".git" / "config").read_text()


# --- settings --------------------------------------------------------------------------------------------


def test_actions_are_switched_on(root: Path, host: Host) -> None:
    host.exists()
    host.state["actions"] = {"enabled": False}
    assert run(work(root, host))["workflows"].came == "done"
    assert host.state["actions"]["enabled"] is True


def test_a_policy_of_local_actions_is_left_alone_and_said(root: Path, host: Host) -> None:
    host.exists()
    host.state["actions"] = {"enabled": True, "allowed_actions": "local_only"}
    outcome = run(work(root, host))["workflows"]
    assert outcome.came == "impossible" and "settings/actions" in outcome.says


def test_an_organisation_that_forbids_pull_requests_by_robots_is_not_the_end(root: Path, host: Host) -> None:
    host.no["workflow token"] = Refused("no", 409, "Conflict")
    outcomes = run(work(root, host))
    assert outcomes["robots"].came == "impossible" and outcomes["main"].came == "done"
    assert "Allow GitHub Actions to create and approve pull requests" in outcomes["robots"].says
    assert "you open the pull requests" in outcomes["robots"].says


def test_the_free_plan_has_no_rule_and_that_is_said_plainly(root: Path, host: Host) -> None:
    host.no["ruleset"] = Refused(
        "no", 403, "Upgrade to GitHub Pro or make this repository public to enable this feature."
    )
    outcomes = run(work(root, host))
    assert outcomes["rule"].came == "impossible"
    assert outcomes["rule"].says.startswith("merge is not blocked here; release is.")
    assert outcomes["merges"].came == "done"


def test_no_admin_is_told_whom_to_ask(root: Path, host: Host) -> None:
    host.exists(permissions={"push": True})
    host.no["actions"] = host.no["set ruleset"] = Refused("no", 403, "Must have admin rights to Repository.")
    outcomes = run(work(root, host))
    assert "only an admin may" in outcomes["workflows"].says and "only an admin may" in outcomes["rule"].says


def test_a_401_ends_it_wherever_it_comes(root: Path, host: Host) -> None:
    host.exists()
    host.no["actions"] = Refused("expired", 401)
    with pytest.raises(Refused, match="expired"):
        run(work(root, host))


def test_no_rule_where_nothing_would_ever_set_the_status(root: Path, host: Host) -> None:
    git(root, "rm", "-q", ".github/workflows/pull-request.yml")
    commit(root, "No workflows")
    assert run(work(root, host))["rule"].came == "impossible"
    assert host.state["rulesets"] == []


def test_bytes_that_nobody_has_stop_it_before_main(root: Path, host: Host) -> None:
    at = work(root, host)
    assert isinstance(at.stock, Stock)
    at.stock.nowhere = at.stock.needed = ("data/raw/churn.csv",)
    with pytest.raises(Fault, match=r"churn\.csv are neither here nor in the storage"):
        run(at)
    assert host.state["refs"] == {}


# --- the rule --------------------------------------------------------------------------------------------


def weaker() -> Iterator[tuple[str, dict[str, Any]]]:
    def without(kind: str) -> dict[str, Any]:
        rule = ruleset.wanted()
        rule["rules"] = [one for one in rule["rules"] if one["type"] != kind]
        return rule

    yield "not active", ruleset.wanted() | {"enforcement": "disabled"}
    yield (
        "does not cover",
        ruleset.wanted() | {"conditions": {"ref_name": {"include": ["refs/heads/x"], "exclude": []}}},
    )
    yield (
        "does not cover",
        ruleset.wanted()
        | {"conditions": {"ref_name": {"include": ["~ALL"], "exclude": ["refs/heads/main"]}}},
    )
    yield "pull requests are not", without("pull_request")
    yield "force-pushes", without("non_fast_forward")
    yield "deletion", without("deletion")
    yield "gitops-ml is not required", without("required_status_checks")
    loose = ruleset.wanted()
    loose["rules"][-1]["parameters"]["strict_required_status_checks_policy"] = False
    yield "up to date", loose
    other = ruleset.wanted()
    other["rules"][-1]["parameters"]["required_status_checks"] = [{"context": "lint"}]
    yield "gitops-ml is not required", other


@pytest.mark.parametrize(("words", "there"), list(weaker()))
def test_a_weaker_rule_is_made_as_strong_in_place(
    words: str, there: dict[str, Any], root: Path, host: Host
) -> None:
    assert [lack for lack in ruleset.lacking(there) if words in lack]
    assert ruleset.lacking(ruleset.mended(there)) == []
    run(work(root, host))
    host.state["rulesets"] = [{"id": 7, **there}]
    assert run(work(root, host))["rule"].came == "done"
    assert len(host.state["rulesets"]) == 1 and ruleset.lacking(host.state["rulesets"][0]) == []


def test_what_a_team_demands_beyond_ours_stays(root: Path, host: Host) -> None:
    run(work(root, host))
    mine = host.state["rulesets"][0]
    mine["rules"].append({"type": "required_signatures"})
    mine["rules"][2]["parameters"]["required_approving_review_count"] = 2
    mine["rules"][3]["parameters"]["required_status_checks"].append({"context": "lint"})
    mine["bypass_actors"] = [{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}]
    assert run(work(root, host))["rule"].came == "already"
    mine["enforcement"] = "evaluate"
    run(work(root, host))
    assert mine["enforcement"] == "active" and mine["bypass_actors"]
    kinds = {rule["type"]: rule.get("parameters") for rule in mine["rules"]}
    assert "required_signatures" in kinds and kinds["pull_request"]["required_approving_review_count"] == 2
    assert {"context": "lint"} in kinds["required_status_checks"]["required_status_checks"]


# --- the token -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "public", "words"),
    [
        (frozenset({"repo"}), False, "lacks workflow"),
        (frozenset({"workflow"}), False, "lacks repo"),
        (frozenset({"public_repo", "workflow"}), False, "lacks repo"),
        (frozenset(), True, "lacks repo and workflow"),
    ],
)
def test_a_weak_classic_token_is_told_what_it_lacks(
    host: Host, monkeypatch: pytest.MonkeyPatch, scopes: frozenset[str], public: bool, words: str
) -> None:
    monkeypatch.setattr(host, "who", lambda: Who("ada", scopes))
    with pytest.raises(Fault, match=words) as told:
        check_token(host, public)
    assert "gh auth refresh --hostname github.com --scopes repo,workflow" in str(told.value)


def test_tokens_that_fit(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for scopes, public in (
        (frozenset({"repo", "workflow"}), False),
        (frozenset({"public_repo", "workflow"}), True),
        (None, False),
    ):
        monkeypatch.setattr(host, "who", lambda scopes=scopes: Who("ada", scopes))
        assert check_token(host, public).login == "ada"


@pytest.mark.parametrize(("status", "words"), [(401, "Classic: repo, workflow"), (403, "A person publishes")])
def test_an_expired_token_and_a_robots_name_the_fix(host: Host, status: int, words: str) -> None:
    host.no["who"] = Refused("Bad credentials", status)
    with pytest.raises(Fault, match=words):
        check_token(host, False)
