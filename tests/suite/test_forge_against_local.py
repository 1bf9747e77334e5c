"""Every method of the client in a round trip against the strict local GitHub, as GITHUB_TOKEN, App and person."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.forge import Forge as Hub
from tests.forge import Repo

from gitops_ml.errors import Fault
from gitops_ml.forge import patience
from gitops_ml.forge.client import Forge, connect
from gitops_ml.forge.commits import Lost, blob, commit_files, fetch, ls_remote, push
from gitops_ml.forge.errors import NotAllowed, Refused, Unsure
from gitops_ml.forge.opening import open_or_explain
from gitops_ml.forge.place import Place

ALL = {name: "write" for name in ("contents", "issues", "pull-requests", "statuses")}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITHUB_", "GITOPS_ML_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub.start(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def repo(hub: Hub) -> Repo:
    owner = hub.user("ada")
    made = hub.create("ada/churn", owner)
    made.commit("main", {"README.md": "# Churn\n", ".github/workflows/ci.yml": "on: push\n"}, owner, "First")
    return made


@pytest.fixture
def where(hub: Hub) -> Place:
    return Place(hub.url, hub.api, "ada", "churn")


@pytest.fixture
def bot(repo: Repo, where: Place) -> Forge:
    return connect(where, repo.github_token("7", ALL, job="judge"))


@pytest.fixture
def root(tmp_path: Path, where: Place) -> Path:
    folder = tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    fetch(folder, where, "", "refs/heads/main:refs/remotes/origin/main")
    return folder


def effects(hub: Hub) -> list[str]:
    return [f"{call.method} {call.path}" for call in hub.calls if call.effect]


@pytest.mark.parametrize("kind", ["job", "app", "person"])
def test_a_pull_request_from_push_to_close(
    hub: Hub, repo: Repo, where: Place, root: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.allow_pull_requests()
    if kind == "app":
        monkeypatch.setenv("GITOPS_ML_APP_SLUG", "our-app")
    token = {
        "job": lambda: repo.github_token("7", ALL, job="judge"),
        "app": lambda: repo.app("our-app", ALL).token,
        "person": lambda: hub.user("ada").token,
    }[kind]()
    forge = connect(where, token)
    login = {"job": "github-actions[bot]", "app": "our-app[bot]", "person": "ada"}[kind]
    assert forge.me() == login
    assert forge.default_branch() == "main"

    base = repo.head("main") or ""
    sha = commit_files(root, [base], {"dvc.lock": b"lock"}, "Retrain")
    push(root, where, token, sha, "retrain/data", "")
    push(root, where, token, sha, "retrain/data", "")
    assert ls_remote(root, where, token, "refs/heads/*")["refs/heads/retrain/data"] == sha

    forge.labels({"gitops-ml: retrain": ("5319e7", "Newer data")})
    before = effects(hub)
    forge.labels({"gitops-ml: retrain": ("5319e7", "Newer data")})
    assert effects(hub) == before

    wanted: Any = {
        "branch": "retrain/data",
        "base": "main",
        "title": "Retrain",
        "labels": ["gitops-ml: retrain"],
    }
    first = forge.open_or_update(**wanted, body="one")
    assert (first.author, first.fork, first.head_sha, first.base_sha) == (login, False, sha, base)
    again = forge.open_or_update(**wanted, body="two")
    before = effects(hub)
    assert forge.open_or_update(**wanted, body="two").number == first.number
    assert effects(hub) == before
    assert again.body == "two"
    assert forge.pull(first.number).labels == ("gitops-ml: retrain",)
    assert [pull.number for pull in forge.pulls(head="retrain/data")] == [first.number]
    assert [pull.number for pull in forge.pulls_of(sha)] == [first.number]
    assert forge.pulls(head="other") == []

    url = forge.comment(first.number, "hello")
    before = effects(hub)
    assert forge.comment(first.number, "hello") == url
    assert effects(hub) == before
    assert forge.comment(first.number, "other") == url

    for _ in range(2):
        forge.set_status(sha, "pending", "waits for a person", url="http://run")
    statuses = forge.statuses(sha)
    assert [(one.context, one.state, one.creator, one.url) for one in statuses] == [
        ("gitops-ml", "pending", login, "http://run")
    ]
    assert statuses[0].creator_type == ("User" if kind == "person" else "Bot")
    forge.set_status(sha, "success", "x" * 200)
    assert [one.state for one in forge.statuses(sha)] == ["success", "pending"]

    hub.user("will")
    repo.collaborator(hub.user("will"), "write")
    repo.approve(first.number, hub.user("will"))
    assert [(one.user, one.state, one.commit) for one in forge.reviews(first.number)] == [
        ("will", "APPROVED", sha)
    ]
    assert [forge.can_write(name) for name in ("ada", "will", "stranger")] == [True, True, False]

    forge.close_pull(first.number, "Nothing to do.")
    assert forge.pull(first.number).state == "closed"
    before = effects(hub)
    forge.close_pull(first.number, "Nothing to do.")
    assert effects(hub) == before


def test_a_merged_pull_request(hub: Hub, repo: Repo, bot: Forge) -> None:
    ada = hub.user("ada")
    repo.commit("topic", {"a": "a"}, ada)
    number = (
        connect(bot.place, ada.token).open_or_update(branch="topic", base="main", title="t", body="").number
    )
    assert bot.pull(number).mergeable in (None, True)
    assert bot.pull(number).mergeable is True
    merged = repo.merge(number, ada)
    pull = bot.pull(number)
    assert (pull.merged, pull.merge_commit) == (True, merged)
    assert [one.number for one in bot.pulls_of(merged)] == [number]


def test_a_fork_is_told(hub: Hub, repo: Repo, bot: Forge) -> None:
    eve = hub.user("eve")
    fork = hub.fork(repo, eve)
    fork.commit("retrain/data", {"a": "evil"}, eve)
    theirs = connect(bot.place, eve.token).api.request(
        "POST", "pulls", {"title": "t", "head": "eve:retrain/data", "base": "main"}
    )[1]["number"]
    assert bot.pull(theirs).fork
    repo.allow_pull_requests()
    repo.commit("retrain/data", {"a": "ours"}, hub.user("ada"))
    assert bot.open_or_update(branch="retrain/data", base="main", title="t", body="b").number != theirs


def test_fresh_settings_forbid_and_one_issue_explains(
    hub: Hub, repo: Repo, bot: Forge, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.commit("retrain/data", {"a": "a"}, hub.user("ada"))
    wanted = {"branch": "retrain/data", "base": "main", "title": "t", "body": "b"}
    with pytest.raises(NotAllowed):
        bot.open_or_update(**wanted)
    opened = open_or_explain(bot, **wanted, reason="open retrain/data")
    assert opened.number is None and opened.compare_url and opened.compare_url in capsys.readouterr().err
    before = effects(hub)
    assert open_or_explain(bot, **wanted, reason="open retrain/data") == opened
    assert effects(hub) == before
    repo.allow_pull_requests()
    done = open_or_explain(bot, **wanted, reason="open retrain/data")
    assert done.number is not None
    assert [one["html_url"] for one in bot.api.pages("issues", state="closed")] == [opened.url]


def test_issues(hub: Hub, bot: Forge) -> None:
    url = bot.issue("stale", "Title", "Text", ["bug"])
    before = effects(hub)
    assert bot.issue("stale", "Title", "Text", ["bug"]) == url
    assert effects(hub) == before
    assert bot.issue("stale", "Title", "New") == url
    assert bot.issue("other", "Title", "Text") != url
    bot.close_issue("stale", "Fresh again.")
    assert bot.issue("stale", "Title", "Text") != url


def test_tags_and_releases(hub: Hub, repo: Repo, bot: Forge, tmp_path: Path) -> None:
    sha = repo.head("main") or ""
    assert bot.tag_sha("churn@v1.0.0") is None
    bot.create_tag("churn@v1.0.0", sha, "churn 1.0.0")
    bot.create_tag("light", sha)
    assert bot.tag_sha("churn@v1.0.0") == sha == bot.tag_sha("light")
    other = repo.commit("main", {"b": "b"}, hub.user("ada"))
    with pytest.raises(Fault, match="never moved"):
        bot.create_tag("churn@v1.0.0", other, "churn 1.0.0")
    files = {}
    for name, content in {"model.skops": b"\0\xff", "MODEL_CARD.md": b"card"}.items():
        (tmp_path / name).write_bytes(content)
        files[name] = tmp_path / name
    given = {"name": "churn 1.0.0", "body": "notes", "target": sha}
    url = bot.release("churn@v1.0.0", **given, assets={"model.skops": files["model.skops"]})
    assert url == bot.release("churn@v1.0.0", **given, assets=files)
    before = effects(hub)
    assert url == bot.release("churn@v1.0.0", **given, assets=files)
    assert effects(hub) == before
    assets = bot.release_assets("churn@v1.0.0")
    assert {name: bot.download(at) for name, at in assets.items()} == {
        "model.skops": b"\0\xff",
        "MODEL_CARD.md": b"card",
    }
    assert bot.release_assets("none") == {}


def test_a_dispatch_arrives(repo: Repo, bot: Forge) -> None:
    repo.take_events()
    bot.dispatch("data-changed", {"source": "s3"})
    assert [event.name for event in repo.take_events()] == ["repository_dispatch"]


# Faults of the server, in every writing call


def act(bot: Forge, sha: str, file: Path) -> None:
    bot.set_status(sha, "success", "ok")
    pull = bot.open_or_update(branch="topic", base="main", title="t", body="b", labels=["l"])
    bot.comment(pull.number, "hello")
    bot.issue("reason", "Title", "Text", ["l"])
    bot.labels({"new": ("ffffff", "")})
    bot.create_tag("v1", sha, "one")
    bot.release("v1", name="one", body="notes", target=sha, assets={"file": file})
    bot.close_issue("reason", "done")


def outcome(bot: Forge, sha: str) -> dict[str, object]:
    pulls = bot.pulls()
    return {
        "statuses": [one.state for one in bot.statuses(sha)],
        "pulls": [(pull.title, pull.body, pull.labels) for pull in pulls],
        "comments": [
            one["body"] for pull in pulls for one in bot.api.pages(f"issues/{pull.number}/comments")
        ],
        "issues": [
            (one["body"], one["state"], one["comments"])
            for one in bot.api.pages("issues", state="all")
            if "pull_request" not in one
        ],
        "labels": sorted(one["name"] for one in bot.api.pages("labels")),
        "tag": bot.tag_sha("v1"),
        "releases": [(one["draft"], one["body"], len(one["assets"])) for one in bot.api.pages("releases")],
    }


@pytest.fixture
def sha(hub: Hub, repo: Repo) -> str:
    repo.allow_pull_requests()
    return repo.commit("topic", {"a": "a"}, hub.user("ada"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "asset").write_bytes(b"asset")
    return tmp_path / "asset"


def test_every_fault_in_every_call_changes_nothing_in_the_end(
    hub: Hub, repo: Repo, bot: Forge, sha: str, file: Path, tmp_path: Path
) -> None:
    hub.save(tmp_path / "seed")
    with hub.recording() as calls:
        act(bot, sha, file)
    expected = outcome(bot, sha)
    count = len([call for call in calls if "/api/" in call.path])
    assert count > 15
    token = bot.api.token
    for kind in ("drop", "drop-after", "502", "429", "secondary"):
        copy = tmp_path / kind
        subprocess.run(["cp", "-r", str(tmp_path / "seed"), str(copy)], check=True)
        with Hub.start(copy) as other:
            forge = connect(Place(other.url, other.api, "ada", "churn"), token)
            # Every call fails once, then works: the hardest run that still has to end well.
            ordered = []
            for call in {(call.method, call.path.split("?")[0]) for call in calls}:
                pattern = rf"^{re.escape(call[1])}(\?|$)"
                ordered.append(other.faults.add(kind, call[0], pattern, times=1))
            act(forge, sha, file)
            assert [fault.path for fault in ordered if not fault.fired] == []
            other.faults.clear()
            assert outcome(forge, sha) == expected, kind


def test_a_run_killed_after_any_effect_is_completed_by_the_next(
    hub: Hub, repo: Repo, bot: Forge, sha: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    hub.save(tmp_path / "seed")
    before = len(effects(hub))
    act(bot, sha, file)
    expected = outcome(bot, sha)
    assert expected["tag"] == sha and expected["releases"] == [(False, "notes", 1)]
    made = len(effects(hub)) - before
    assert made >= 10
    for number in range(1, made):
        copy = tmp_path / f"kill-{number}"
        subprocess.run(["cp", "-r", str(tmp_path / "seed"), str(copy)], check=True)
        with Hub.start(copy) as other:
            where = Place(other.url, other.api, "ada", "churn")
            other.faults.add("dead-after-n-effects", after=number)
            with pytest.raises(Unsure):
                act(connect(where, bot.api.token), sha, file)
            other.faults.clear()
            forge = connect(where, bot.api.token)
            act(forge, sha, file)
            assert outcome(forge, sha) == expected, number


# Refusals


def test_refusals_name_the_fix(hub: Hub, repo: Repo, where: Place) -> None:
    hidden = hub.create("ada/secret", hub.user("ada"), private=True)
    weak = repo.github_token("7", {"contents": "read"})
    sha = repo.head("main") or ""
    for forge, call, told in (
        (connect(where, "ghp_wrong"), lambda forge: forge.default_branch(), "Bad credentials"),
        (connect(where, repo.github_token(expired=True)), lambda forge: forge.default_branch(), "expired"),
        (connect(where, ""), lambda forge: forge.issue("r", "t", "b"), "No token was sent"),
        (connect(where, weak), lambda forge: forge.set_status(sha, "success", "ok"), "statuses: write"),
        (connect(where, weak), lambda forge: forge.create_tag("v1", sha, "m"), "contents: write"),
        (
            connect(Place(where.server, where.api, "ada", hidden.data["name"]), hub.user("stan").token),
            lambda forge: forge.default_branch(),
            "cannot see ada/secret",
        ),
    ):
        with pytest.raises(Refused, match=told) as caught:
            call(forge)  # type: ignore[no-untyped-call]
        assert (forge.api.token or "nothing") not in str(caught.value)


def test_git_is_refused_in_words(hub: Hub, repo: Repo, where: Place, root: Path) -> None:
    base = repo.head("main") or ""
    sha = commit_files(root, [base], {"a": b"a"}, "m")
    workflow = commit_files(root, [base], {".github/workflows/ci.yml": b"on: pull_request\n"}, "m")
    job = repo.github_token("7", {"contents": "write"})
    for token, pushed, told in (
        ("ghp_wrong", sha, "expired"),
        (repo.github_token("7", {"contents": "read"}), sha, "contents: write"),
        (job, workflow, "from your laptop"),
    ):
        with pytest.raises(Refused, match=told) as caught:
            push(root, where, token, pushed, "topic", "")
        assert token not in str(caught.value)
    push(root, where, job, sha, "topic", "")
    fetch(root, where, "", "refs/heads/topic:refs/remotes/origin/topic")
    assert blob(root, "refs/remotes/origin/topic", "a") == b"a"


@pytest.mark.parametrize("kind", ["drop", "drop-after", "502", "429"])
@pytest.mark.parametrize("path", ["info/refs", "git-receive-pack"])
def test_git_faults_pass(hub: Hub, repo: Repo, where: Place, root: Path, kind: str, path: str) -> None:
    sha = commit_files(root, [repo.head("main") or ""], {"a": b"a"}, "m")
    fault = hub.faults.add(kind, None, path, times=1)
    push(root, where, repo.github_token("7", {"contents": "write"}), sha, "topic", "")
    assert fault.fired == 1
    assert repo.head("topic") == sha


@pytest.mark.parametrize("when", ["receive", "advertise"])
def test_a_lost_race(hub: Hub, repo: Repo, where: Place, root: Path, when: str) -> None:
    base = repo.commit("topic", {"first": "1"}, hub.user("ada"))
    fetch(root, where, "", "refs/heads/topic:refs/remotes/origin/topic")
    sha = commit_files(root, [base], {"a": b"a"}, "m")
    hub.faults.add("lost-race", ref="refs/heads/topic", files={"theirs": b"x"}, when=when)
    with pytest.raises(Lost):
        push(root, where, repo.github_token("7", {"contents": "write"}), sha, "topic", base)
    assert repo.file("topic", "theirs") == b"x"
    assert repo.file("topic", "a") is None
