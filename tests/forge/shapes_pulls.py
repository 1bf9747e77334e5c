"""The JSON of pull requests and their reviews."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.forge import shapes
from tests.forge.state import Json

if TYPE_CHECKING:
    from tests.forge.repo import Repo


def branch_of(repo: Repo, slug: str | None, ref: str, sha: str) -> Json:
    """One end of a pull request; its repository is null once it is gone."""
    home = repo.forge.repo(slug) if slug else None
    owner = home.data["owner"] if home else ""
    return {
        "label": f"{owner}:{ref}" if home else ref,
        "ref": ref,
        "sha": sha,
        "user": shapes.user(repo.forge, owner) if home else None,
        "repo": shapes.repository(home) if home else None,
    }


def mergeable_state(repo: Repo, record: Json) -> str:
    """clean, blocked, behind, dirty; unknown until GitHub has looked."""
    from tests.forge import rules

    data = record["pull"]
    if data["conflict"]:
        return "dirty"
    refusals = rules.merge_refusals(repo, record)
    if not refusals:
        return "clean"
    return "behind" if refusals == [rules.BEHIND] else "blocked"


def pull(repo: Repo, record: Json, full: bool = False) -> Json:
    """A pull request; ``full`` as a single GET has it, else as a list has it."""
    data, number = record["pull"], record["number"]
    api, home = f"{repo.api}/pulls/{number}", f"{repo.url}/pull/{number}"
    base, head = data["base"], data["head"]
    seen = shapes.issue(repo, record)
    shape: Json = {
        **{
            key: seen[key]
            for key in [
                "id",
                "number",
                "title",
                "body",
                "user",
                "state",
                "locked",
                "labels",
                "assignee",
                "assignees",
                "milestone",
                "created_at",
                "updated_at",
                "closed_at",
                "author_association",
            ]
        },
        "node_id": f"PR_{record['id']}",
        "url": api,
        "html_url": home,
        "diff_url": f"{home}.diff",
        "patch_url": f"{home}.patch",
        "issue_url": f"{repo.api}/issues/{number}",
        "commits_url": f"{api}/commits",
        "review_comments_url": f"{api}/comments",
        "review_comment_url": f"{repo.api}/pulls/comments{{/number}}",
        "comments_url": f"{repo.api}/issues/{number}/comments",
        "statuses_url": f"{repo.api}/statuses/{head['sha']}",
        "draft": data["draft"],
        "merged_at": data["merged_at"],
        "merge_commit_sha": data["merge_commit_sha"],
        "requested_reviewers": [],
        "requested_teams": [],
        "auto_merge": None,
        "active_lock_reason": None,
        "head": branch_of(repo, head["repo"], head["ref"], head["sha"]),
        "base": branch_of(repo, repo.slug, base["ref"], base["sha"]),
    }
    shape["_links"] = {"self": {"href": api}, "html": {"href": home}}
    if full:
        start = repo.git.merge_base(base["sha"], head["sha"])
        changed = repo.git.changes(start, head["sha"]) if start else []
        known = data["looked"] and record["state"] == "open"
        shape |= {
            "merged": data["merged"],
            "mergeable": (not data["conflict"]) if known else None,
            "mergeable_state": mergeable_state(repo, record) if known else "unknown",
            "rebaseable": (not data["conflict"]) if known else None,
            "merged_by": shapes.user(repo.forge, data["merged_by"]) if data["merged_by"] else None,
            "comments": seen["comments"],
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": repo.git.count(f"{base['sha']}..{head['sha']}") if base["sha"] else 0,
            "additions": sum(change.additions for change in changed),
            "deletions": sum(change.deletions for change in changed),
            "changed_files": len(changed),
        }
    return shape


def review(repo: Repo, record: Json, number: int) -> Json:
    """A review of a pull request."""
    home = f"{repo.url}/pull/{number}"
    return {
        "id": record["id"],
        "node_id": f"PRR_{record['id']}",
        "user": shapes.user(repo.forge, record["user"]),
        "body": record["body"],
        "state": record["state"],
        "html_url": f"{home}#pullrequestreview-{record['id']}",
        "pull_request_url": f"{repo.api}/pulls/{number}",
        "submitted_at": record["submitted_at"],
        "commit_id": record["commit_id"],
        "author_association": shapes.association(repo, record["user"]),
        "_links": {"html": {"href": home}, "pull_request": {"href": f"{repo.api}/pulls/{number}"}},
    }
