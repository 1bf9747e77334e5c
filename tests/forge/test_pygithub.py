"""The client that the suite uses, against the forge: every object it reads is complete."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from github import Auth, Github, GithubException
from github.GithubObject import NotSet
from tests.forge import Identity
from tests.forge.conftest import World


def client(world: World, who: Identity | str) -> Github:
    token = who.token if isinstance(who, Identity) else who
    base = f"{world.forge.url}/api/v3"
    return Github(
        base_url=base,
        auth=Auth.Token(token),
        retry=None,
        timeout=10,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


def test_a_pull_request_from_branch_to_merge(world: World) -> None:
    world.repo.commit("topic", {"a.txt": "a\n"}, world.writer)
    repo = client(world, world.writer).get_repo("ada/churn")
    assert (repo.default_branch, repo.private, repo.owner.login) == ("main", False, "ada")
    pull = repo.create_pull(base="main", head="topic", title="A", body="B")
    assert (pull.number, pull.state, pull.user.login, pull.head.repo.full_name) == (
        1,
        "open",
        "will",
        "ada/churn",
    )
    assert [p.number for p in repo.get_pulls(state="open", head="ada:topic", base="main")] == [1]
    assert [(f.filename, f.status, f.additions) for f in pull.get_files()] == [("a.txt", "added", 1)]
    assert [c.sha for c in pull.get_commits()] == [pull.head.sha] and pull.changed_files == 1
    comment = pull.create_issue_comment("<!-- m --> one")
    comment.edit("<!-- m --> two")
    assert [c.body for c in repo.get_issue(1).get_comments()] == ["<!-- m --> two"]
    commit = repo.get_commit(pull.head.sha)
    commit.create_status("success", "http://x", "fine", "gitops-ml")
    assert commit.get_combined_status().state == "success"
    assert [(s.context, s.creator.type) for s in commit.get_statuses()] == [("gitops-ml", "User")]
    assert [p.number for p in commit.get_pulls()] == [1]
    label = repo.create_label("gitops-ml: retrain", "0e8a16", "Opened by train")
    pull.add_to_labels(label.name)
    assert [found.name for found in pull.get_labels()] == ["gitops-ml: retrain"]
    client(world, world.owner).get_repo("ada/churn").get_pull(1).create_review(event="APPROVE", body="good")
    assert [(r.user.login, r.state, r.commit_id) for r in pull.get_reviews()] == [
        ("ada", "APPROVED", pull.head.sha)
    ]
    pull.edit(title="New", body="Newer")
    done = pull.merge(merge_method="squash", sha=pull.head.sha)
    assert done.merged and repo.get_branch("main").commit.sha == done.sha
    assert repo.get_commit(done.sha).commit.message == "New (#1)"
    assert repo.get_pull(1).merged and not list(repo.get_pulls())
    assert repo.get_collaborator_permission("will") == "write"
    assert repo.compare(done.sha, "main").status == "identical"


def test_a_release_with_assets(world: World, tmp_path: Path) -> None:
    job = world.repo.github_token(permissions={"contents": "write"})
    repo = client(world, job).get_repo("ada/churn")
    sha = repo.get_branch("main").commit.sha
    tag = repo.create_git_tag("churn@v1.0.0", "First", sha, "commit")
    repo.create_git_ref("refs/tags/churn@v1.0.0", tag.sha)
    assert repo.get_git_ref("tags/churn@v1.0.0").object.sha == tag.sha
    assert [found.name for found in repo.get_tags()] == ["churn@v1.0.0"]
    draft = repo.create_git_release("churn@v1.0.0", "Churn", "Body", draft=True, target_commitish=sha)
    with pytest.raises(GithubException):
        repo.get_release("churn@v1.0.0")
    assert not list(client(world, world.reader).get_repo("ada/churn").get_releases())
    file = tmp_path / "model card.md"
    file.write_bytes(b"# Card\n" * 1000)
    asset = draft.upload_asset(str(file), content_type="text/markdown")
    assert asset.name == "model.card.md" and asset.size == 7000
    draft.upload_asset_from_memory(io.BytesIO(b"abc"), 3, "sums.txt")
    with pytest.raises(GithubException, match="already_exists"):
        draft.upload_asset_from_memory(io.BytesIO(b"abc"), 3, "sums.txt")
    published = draft.update_release("Churn", "Body", draft=False)
    assert not published.draft and repo.get_release("churn@v1.0.0").id == draft.id
    assert repo.get_latest_release().tag_name == "churn@v1.0.0"
    found = {a.name: a for a in published.get_assets()}
    found["model.card.md"].download_asset(str(tmp_path / "back.md"))
    assert (tmp_path / "back.md").read_bytes() == file.read_bytes()
    assert world.repo.asset("churn@v1.0.0", "sums.txt") == b"abc"
    with pytest.raises(GithubException, match="already_exists"):
        repo.create_git_release("churn@v1.0.0", "Again", "")
    found["sums.txt"].delete_asset()
    assert [a["name"] for a in world.repo.releases()[0]["assets"]] == ["model.card.md"]
    events = [(event.action, event.starts) for event in world.repo.events if event.name == "release"]
    assert events == [("published", False), ("released", False)]


def test_publishing_makes_the_tag_and_tells_people(world: World) -> None:
    repo = client(world, world.writer).get_repo("ada/churn")
    repo.create_git_release("v1", "One", "", draft=True)
    assert world.repo.tags() == {}
    repo.create_git_release("v2", "Two", "", target_commitish="main")
    assert world.repo.tags() == {"v2": world.repo.head("main")}
    told = [(event.name, event.action, event.starts) for event in world.repo.take_events()]
    released = [("release", action, True) for action in ("created", "published", "released")]
    assert told == [("push", "", True), *released]
    with pytest.raises(GithubException, match="target_commitish"):
        repo.create_git_release("v3", "Three", "", target_commitish="nowhere")


def test_issues_dispatches_deployments_and_settings(world: World) -> None:
    github = client(world, world.owner)
    assert github.get_user().login == "ada"
    made = github.get_user().create_repo("mine", private=True)
    assert made.full_name == "ada/mine" and made.private
    repo = github.get_repo("ada/churn")
    issue = repo.create_issue("Broken", body="<!-- gitops-ml: x -->", labels=["bug"])
    assert [found.number for found in repo.get_issues(state="open", labels=["bug"])] == [issue.number]
    issue.edit(state="closed")
    assert repo.get_issue(issue.number).state == "closed"
    assert repo.create_repository_dispatch("data-changed", {"table": "x"})
    workflow = repo.get_workflow("ci.yml")
    assert workflow.path == ".github/workflows/ci.yml" and workflow.create_dispatch("main")
    deployment = repo.create_deployment("main", environment="production", required_contexts=[])
    deployment.create_status("success", environment_url="http://x")
    assert [s.state for s in repo.get_deployments()[0].get_statuses()] == ["success"]
    repo.edit(delete_branch_on_merge=False, allow_squash_merge=True)
    assert github.get_rate_limit().rate.remaining > 0
    contents = repo.get_contents("README.md", ref="main")
    assert not isinstance(contents, list) and contents.decoded_content == b"# Churn\n"
    assert repo.create_git_ref("refs/heads/new", repo.get_branch("main").commit.sha).ref == "refs/heads/new"
    assert NotSet is not None and [b.name for b in repo.get_branches()] == ["main", "new"]
