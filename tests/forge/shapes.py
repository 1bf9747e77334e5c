"""The JSON of GitHub's objects: users, repositories, commits, issues, labels, comments, statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.forge import access
from tests.forge.plumbing import EMPTY_TREE
from tests.forge.shapes_pulls import branch_of, pull, review
from tests.forge.state import Json

if TYPE_CHECKING:
    from tests.forge.forge import Forge
    from tests.forge.repo import Repo

__all__ = ["EMPTY_TREE", "branch_of", "pull", "review"]
FIELDS = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"


def user(forge: Forge, login: str) -> Json:
    """A user as GitHub shows it to others."""
    record = forge.state.user(login, access.user_type(login))
    name = record["login"]
    api, home = f"{forge.api}/users/{name}", f"{forge.url}/{name}"
    return {
        "login": name,
        "id": record["id"],
        "node_id": f"U_{record['id']}",
        "avatar_url": f"{home}.png",
        "gravatar_id": "",
        "url": api,
        "html_url": home,
        "followers_url": f"{api}/followers",
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events{{/privacy}}",
        "type": record["type"],
        "user_view_type": "public",
        "site_admin": False,
    }


def repository(repo: Repo, viewer: access.Caller | None = None) -> Json:
    """A repository; with a viewer, also what the viewer may do."""
    data, api = repo.data, repo.api
    settings = dict(data["settings"])
    shape: Json = {
        "id": data["id"],
        "node_id": f"R_{data['id']}",
        "name": data["name"],
        "full_name": repo.slug,
        "private": data["private"],
        "owner": user(repo.forge, data["owner"]),
        "html_url": repo.url,
        "description": data["description"],
        "homepage": data["homepage"],
        "fork": bool(data["fork_of"]),
        "url": api,
        "archive_url": f"{api}/{{archive_format}}{{/ref}}",
        "branches_url": f"{api}/branches{{/branch}}",
        "collaborators_url": f"{api}/collaborators{{/collaborator}}",
        "commits_url": f"{api}/commits{{/sha}}",
        "compare_url": f"{api}/compare/{{base}}...{{head}}",
        "contents_url": f"{api}/contents/{{+path}}",
        "deployments_url": f"{api}/deployments",
        "events_url": f"{api}/events",
        "forks_url": f"{api}/forks",
        "git_commits_url": f"{api}/git/commits{{/sha}}",
        "git_refs_url": f"{api}/git/refs{{/sha}}",
        "git_tags_url": f"{api}/git/tags{{/sha}}",
        "issue_comment_url": f"{api}/issues/comments{{/number}}",
        "issues_url": f"{api}/issues{{/number}}",
        "labels_url": f"{api}/labels{{/name}}",
        "pulls_url": f"{api}/pulls{{/number}}",
        "releases_url": f"{api}/releases{{/id}}",
        "statuses_url": f"{api}/statuses/{{sha}}",
        "clone_url": f"{repo.url}.git",
        "git_url": f"{repo.url}.git",
        "ssh_url": f"git@127.0.0.1:{repo.slug}.git",
        "created_at": data["created_at"],
        "updated_at": data["pushed_at"],
        "pushed_at": data["pushed_at"],
        "size": 0,
        "default_branch": data["default_branch"],
        "visibility": "private" if data["private"] else "public",
        "archived": False,
        "disabled": False,
        "is_template": False,
        "topics": [],
        "license": None,
        "language": None,
        "forks_count": len(repo.forks()),
        "open_issues_count": sum(1 for i in data["issues"].values() if i["state"] == "open"),
        "stargazers_count": 0,
        "watchers_count": 0,
        **settings,
    }
    if viewer is not None and viewer.login and not viewer.bot:
        rank = access.ROLES.index(access.role(repo.forge.state, data, viewer.login))
        rights = {"pull": 1, "triage": 2, "push": 3, "maintain": 4, "admin": 5}
        shape["permissions"] = {name: rank >= least for name, least in rights.items()}
    if data["fork_of"]:
        parent = repo.forge.repo(data["fork_of"])
        if parent:
            shape["parent"] = shape["source"] = repository(parent)
    return shape


def _who(repo: Repo, email: str) -> Json | None:
    users = repo.forge.state.data["users"].values()
    login = next((u["login"] for u in users if u["email"].lower() == email.lower()), None)
    return user(repo.forge, login) if login else None


def _read(repo: Repo, sha: str) -> list[str]:
    return repo.git.run("show", "-s", f"--format={FIELDS}", sha).decode("utf-8", "replace").split("\0")


def git_commit(repo: Repo, sha: str) -> Json:
    """The commit as /git/commits has it."""
    name, tree, parents, author, email, date, committer, cemail, cdate, message = _read(repo, sha)
    return {
        "sha": name,
        "node_id": f"C_{name}",
        "url": f"{repo.api}/git/commits/{name}",
        "html_url": f"{repo.url}/commit/{name}",
        "author": {"name": author, "email": email, "date": date},
        "committer": {"name": committer, "email": cemail, "date": cdate},
        "tree": {"sha": tree, "url": f"{repo.api}/git/trees/{tree}"},
        "message": message.rstrip("\n"),
        "parents": [
            {"sha": p, "url": f"{repo.api}/git/commits/{p}", "html_url": f"{repo.url}/commit/{p}"}
            for p in parents.split()
        ],
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }


def commit(repo: Repo, sha: str, full: bool = False) -> Json:
    """The commit as /commits has it; ``full`` adds files and stats."""
    inner = git_commit(repo, sha)
    name = inner.pop("sha")
    parents = [{**p, "url": f"{repo.api}/commits/{p['sha']}"} for p in inner.pop("parents")]
    shape: Json = {
        "sha": name,
        "node_id": f"C_{name}",
        "commit": {**inner, "comment_count": 0},
        "url": f"{repo.api}/commits/{name}",
        "html_url": f"{repo.url}/commit/{name}",
        "comments_url": f"{repo.api}/commits/{name}/comments",
        "author": _who(repo, inner["author"]["email"]),
        "committer": _who(repo, inner["committer"]["email"]),
        "parents": parents,
    }
    if full:
        before = parents[0]["sha"] if parents else EMPTY_TREE
        shape["files"] = files(repo, before, name)
        added, removed = (sum(f[k] for f in shape["files"]) for k in ("additions", "deletions"))
        shape["stats"] = {"total": added + removed, "additions": added, "deletions": removed}
    return shape


def pushed_commit(repo: Repo, sha: str) -> Json:
    """The commit as a push payload has it, with the files it touches."""
    name, tree, parents, author, email, _, committer, cemail, cdate, message = _read(repo, sha)
    before = parents.split()[0] if parents else EMPTY_TREE
    touched: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for change in repo.git.changes(before, name):
        touched[change.status].append(change.path)
    return {
        "id": name,
        "tree_id": tree,
        "distinct": True,
        "message": message.rstrip("\n"),
        "timestamp": cdate,
        "url": f"{repo.url}/commit/{name}",
        "author": {"name": author, "email": email},
        "committer": {"name": committer, "email": cemail},
        **touched,
    }


def files(repo: Repo, old: str, new: str) -> list[Json]:
    """Changed files between two trees, with patches."""
    listed = []
    for change in repo.git.changes(old, new):
        shown = old if change.status == "removed" else new
        listed.append(
            {
                "sha": change.sha,
                "filename": change.path,
                "status": change.status,
                "additions": change.additions,
                "deletions": change.deletions,
                "changes": change.additions + change.deletions,
                "blob_url": f"{repo.url}/blob/{shown}/{change.path}",
                "raw_url": f"{repo.url}/raw/{shown}/{change.path}",
                "contents_url": f"{repo.api}/contents/{change.path}?ref={shown}",
                "patch": repo.git.patch(old, new, change.path),
            }
        )
    return listed


def label(repo: Repo, record: Json) -> Json:
    return {**record, "node_id": f"LA_{record['id']}", "url": f"{repo.api}/labels/{record['name']}"}


def labels_of(repo: Repo, issue_record: Json) -> list[Json]:
    """The labels of an issue or a pull request, as they are defined now."""
    defined = {record["name"].lower(): record for record in repo.data["labels"]}
    wanted = [name.lower() for name in issue_record["labels"]]
    return [label(repo, defined[name]) for name in wanted if name in defined]


def association(repo: Repo, login: str) -> str:
    """How an author stands to the repository."""
    given = access.role(repo.forge.state, repo.data, login)
    if login.lower() == repo.data["owner"].lower():
        return "OWNER"
    return "COLLABORATOR" if access.ROLES.index(given) >= 2 else "NONE"


def issue(repo: Repo, record: Json) -> Json:
    """An issue; a pull request seen as an issue has the key pull_request."""
    number = record["number"]
    kind = "pull" if record["pull"] else "issues"
    api = f"{repo.api}/issues/{number}"
    shape: Json = {
        "id": record["id"],
        "node_id": f"I_{record['id']}",
        "number": number,
        "url": api,
        "html_url": f"{repo.url}/{kind}/{number}",
        "repository_url": repo.api,
        "labels_url": f"{api}/labels{{/name}}",
        "comments_url": f"{api}/comments",
        "events_url": f"{api}/events",
        "title": record["title"],
        "body": record["body"],
        "user": user(repo.forge, record["user"]),
        "state": record["state"],
        "state_reason": record["state_reason"],
        "locked": False,
        "labels": labels_of(repo, record),
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": sum(1 for c in repo.data["comments"] if c["issue"] == number),
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "closed_at": record["closed_at"],
        "closed_by": user(repo.forge, record["closed_by"]) if record["closed_by"] else None,
        "author_association": association(repo, record["user"]),
    }
    if record["pull"]:
        shape["pull_request"] = {
            "url": f"{repo.api}/pulls/{number}",
            "html_url": shape["html_url"],
            "merged_at": record["pull"]["merged_at"],
        }
    return shape


def comment(repo: Repo, record: Json) -> Json:
    found = repo.data["issues"][str(record["issue"])]
    kind = "pull" if found["pull"] else "issues"
    return {
        "id": record["id"],
        "node_id": f"IC_{record['id']}",
        "url": f"{repo.api}/issues/comments/{record['id']}",
        "html_url": f"{repo.url}/{kind}/{record['issue']}#issuecomment-{record['id']}",
        "issue_url": f"{repo.api}/issues/{record['issue']}",
        "body": record["body"],
        "user": user(repo.forge, record["user"]),
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "author_association": association(repo, record["user"]),
        "performed_via_github_app": None,
    }


def status(repo: Repo, record: Json) -> Json:
    return {
        "id": record["id"],
        "node_id": f"SC_{record['id']}",
        "url": f"{repo.api}/statuses/{record['sha']}",
        "avatar_url": "",
        "state": record["state"],
        "description": record["description"],
        "target_url": record["target_url"],
        "context": record["context"],
        "created_at": record["created_at"],
        "updated_at": record["created_at"],
        "creator": user(repo.forge, record["creator"]),
    }
