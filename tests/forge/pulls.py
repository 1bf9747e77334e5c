"""The life of pull requests: opened, kept in step with their branches, merged; and of every ref that moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.forge import events, rules
from tests.forge.access import Caller, Refused, can_push, invalid
from tests.forge.plumbing import ZERO, now
from tests.forge.rules import Update
from tests.forge.state import Json

if TYPE_CHECKING:
    from tests.forge.repo import Repo

NOT_PERMITTED = "GitHub Actions is not permitted to create or approve pull requests."
BODY_LIMIT = 65536


def check_body(resource: str, body: str | None) -> None:
    if body is not None and len(body) > BODY_LIMIT:
        said = f"body is too long (maximum is {BODY_LIMIT} characters)"
        raise invalid(resource, field="body", code="custom", message=said)


def new_issue(repo: Repo, caller: Caller, title: str, body: str | None, labels: Sequence[str] = ()) -> Json:
    """A numbered record; issues and pull requests count together."""
    repo.data["last_number"] += 1
    number = repo.data["last_number"]
    record: Json = {
        "id": repo.forge.state.number(),
        "number": number,
        "title": title,
        "body": body,
        "user": caller.login,
        "state": "open",
        "state_reason": None,
        "labels": list(labels),
        "created_at": now(),
        "updated_at": now(),
        "closed_at": None,
        "closed_by": None,
        "pull": None,
    }
    repo.data["issues"][str(number)] = record
    return record


def open_pull(
    repo: Repo, caller: Caller, *, title: str, head: str, base: str, body: str | None, draft: bool = False
) -> Json:
    """A new pull request, or 422 for each reason that GitHub has."""
    if caller.kind == "job" and not repo.data["actions"]["can_approve_pull_request_reviews"]:
        raise Refused(403, NOT_PERMITTED)
    if not title:
        raise invalid("PullRequest", field="title", code="missing_field")
    check_body("PullRequest", body)
    owner, _, branch = head.rpartition(":")
    home = repo.relative(owner) if owner else repo
    tip = home.git.ref(f"refs/heads/{branch}") if home else None
    if home is None or tip is None:
        raise invalid("PullRequest", field="head", code="invalid")
    if home is not repo and not caller.bot and not can_push(repo.forge.state, caller, home.data):
        raise invalid("PullRequest", message="must be a collaborator")
    onto = repo.git.ref(f"refs/heads/{base}")
    if onto is None:
        raise invalid("PullRequest", field="base", code="invalid")
    for record in repo.open_records():
        data = record["pull"]
        if (data["head"]["repo"], data["head"]["ref"], data["base"]["ref"]) == (home.slug, branch, base):
            label = f"{home.data['owner']}:{branch}"
            raise invalid("PullRequest", message=f"A pull request already exists for {label}.")
    _bring(repo, home, tip, None)
    if repo.git.merge_base(onto, tip) is None:
        said = f"The {branch} branch has no history in common with {base}"
        raise invalid("PullRequest", message=said)
    if repo.git.count(f"{onto}..{tip}") == 0:
        raise invalid("PullRequest", message=f"No commits between {base} and {branch}")
    record = new_issue(repo, caller, title, body)
    record["pull"] = {
        "head": {"ref": branch, "sha": tip, "repo": home.slug},
        "base": {"ref": base, "sha": onto},
        "draft": draft,
        "merged": False,
        "merged_at": None,
        "merged_by": None,
        "merge_commit_sha": None,
        "conflict": False,
        "looked": False,
        "tested": None,
        "reviews": [],
    }
    refresh(repo, record)
    events.pull(repo, caller, record, "opened")
    return record


def _bring(repo: Repo, home: Repo, sha: str, number: int | None) -> None:
    """The objects of a fork's branch, and the ref that keeps them."""
    if home is not repo and repo.git.kind(sha) is None:
        repo.git.run("fetch", "--quiet", "--no-tags", str(home.bare), sha)
    if number is not None:
        repo.git.update(f"refs/pull/{number}/head", sha)


def refresh(repo: Repo, record: Json) -> None:
    """Bring refs/pull/N/head and refs/pull/N/merge in step; whether it conflicts is known from here on."""
    data, number = record["pull"], record["number"]
    home = repo.forge.repo(data["head"]["repo"])
    tip = repo.git.ref(f"refs/heads/{data['base']['ref']}")
    head = data["head"]["sha"]
    if home is not None:
        _bring(repo, home, head, number)
    if tip is None or data["tested"] == [tip, head]:
        return
    data["tested"] = [tip, head]
    data["looked"] = not repo.forge.lazy_mergeable
    tree = repo.git.merge_tree(tip, head)
    data["conflict"] = tree is None
    ref = f"refs/pull/{number}/merge"
    if tree is None:
        data["merge_commit_sha"] = None
        if repo.git.ref(ref):
            repo.git.update(ref, None)
    else:
        made = repo.git.commit(
            tree, [tip, head], f"Merge {head} into {tip}", ("GitHub", "noreply@github.com")
        )
        repo.git.update(ref, made)
        data["merge_commit_sha"] = made


def moved(repo: Repo, caller: Caller, updates: Sequence[Update]) -> None:
    """All that follows from refs that moved: push events, heads of pull requests, what can be merged."""
    events.pushed(repo, caller, [(u.old, u.new, u.ref) for u in updates])
    repo.data["pushed_at"] = now()
    for update in updates:
        if not update.ref.startswith("refs/heads/"):
            continue
        branch = update.ref.removeprefix("refs/heads/")
        for other in repo.forge.repos():
            for record in other.open_records():
                data = record["pull"]
                if (data["head"]["repo"], data["head"]["ref"]) == (repo.slug, branch):
                    _head_moved(other, caller, record, update)
        for record in repo.open_records():
            if record["pull"]["base"]["ref"] == branch:
                _base_moved(repo, caller, record, update)


def _head_moved(repo: Repo, caller: Caller, record: Json, update: Update) -> None:
    if update.new == ZERO:
        close(repo, caller, record)
        return
    data = record["pull"]
    before, data["head"]["sha"] = data["head"]["sha"], update.new
    data["base"]["sha"] = repo.git.ref(f"refs/heads/{data['base']['ref']}") or data["base"]["sha"]
    record["updated_at"] = now()
    refresh(repo, record)
    for ruleset in rules.active(repo, f"refs/heads/{data['base']['ref']}"):
        if (ruleset.get("parameters") or {}).get("dismiss_stale_reviews_on_push"):
            for review in data["reviews"]:
                review["state"] = "DISMISSED" if review["state"] == "APPROVED" else review["state"]
    events.pull(repo, caller, record, "synchronize", before=before, after=update.new)


def _base_moved(repo: Repo, caller: Caller, record: Json, update: Update) -> None:
    if update.new == ZERO:
        close(repo, caller, record)
    elif repo.git.is_ancestor(record["pull"]["head"]["sha"], update.new):
        mark_merged(repo, caller, record, update.new)
    else:
        refresh(repo, record)


def close(repo: Repo, caller: Caller, record: Json, reason: str | None = None) -> None:
    """Close an issue or a pull request."""
    record |= {"state": "closed", "closed_at": now(), "updated_at": now(), "closed_by": caller.login}
    if not record["pull"]:
        record["state_reason"] = reason or "completed"
    events.issue_event(repo, caller, record, "closed")


def reopen(repo: Repo, caller: Caller, record: Json) -> None:
    """Open again what was closed; a pull request needs its branch."""
    data = record["pull"]
    if data:
        home = repo.forge.repo(data["head"]["repo"])
        tip = home.git.ref(f"refs/heads/{data['head']['ref']}") if home else None
        if data["merged"] or tip is None:
            raise invalid(
                "PullRequest", field="state", message="state cannot be changed. The branch is gone."
            )
        data["head"]["sha"] = tip
    record |= {"state": "open", "closed_at": None, "closed_by": None, "updated_at": now()}
    record["state_reason"] = None if data else "reopened"
    if data:
        refresh(repo, record)
    events.issue_event(repo, caller, record, "reopened")


def mark_merged(repo: Repo, caller: Caller, record: Json, sha: str) -> None:
    data = record["pull"]
    data |= {"merged": True, "merged_at": now(), "merged_by": caller.login, "merge_commit_sha": sha}
    close(repo, caller, record)


def merge(
    repo: Repo, caller: Caller, record: Json, *, method: str = "merge", sha: str | None = None,
    title: str | None = None, message: str | None = None,
) -> str:  # fmt: skip
    """Merge as GitHub's button does; the new commit on the base branch. Deletes nothing."""
    data = record["pull"]
    allowed = {"merge": "allow_merge_commit", "squash": "allow_squash_merge", "rebase": "allow_rebase_merge"}
    if method not in allowed:
        raise invalid("PullRequest", field="merge_method", code="invalid")
    if record["state"] != "open":
        raise Refused(405, "Pull Request is not mergeable")
    if not repo.data["settings"][allowed[method]]:
        raise Refused(405, f"{method.capitalize()} merges are not allowed on this repository.")
    head = data["head"]["sha"]
    if sha is not None and sha != head:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    if data["draft"]:
        raise Refused(405, "Pull Request is still a draft")
    refresh(repo, record)
    if data["conflict"]:
        raise Refused(405, "Pull Request is not mergeable")
    refusals = rules.merge_refusals(repo, record)
    if refusals:
        raise Refused(405, "Repository rule violations found\n\n" + "\n".join(refusals) + "\n\n")
    ref = f"refs/heads/{data['base']['ref']}"
    tip = repo.git.ref(ref) or ""
    made = _merged(repo, caller, record, tip, method, title, message)
    said = rules.judge(repo, caller, [Update(tip, made, ref)], repo.git, merge=True)
    if said:
        raise Refused(403, said[0])
    repo.git.update(ref, made, tip)
    mark_merged(repo, caller, record, made)
    moved(repo, caller, [Update(tip, made, ref)])
    if repo.data["settings"]["delete_branch_on_merge"] and data["head"]["repo"] == repo.slug:
        branch = f"refs/heads/{data['head']['ref']}"
        repo.git.update(branch, None)
        moved(repo, caller, [Update(head, ZERO, branch)])
    return made


def _merged(
    repo: Repo, caller: Caller, record: Json, tip: str, method: str, title: str | None, message: str | None
) -> str:
    data, number = record["pull"], record["number"]
    head = data["head"]["sha"]
    if method == "rebase":
        made = repo.git.rebase(tip, head)
        if made is None:
            raise Refused(405, "This branch can't be rebased")
        return made
    tree = repo.git.merge_tree(tip, head)
    assert tree is not None
    user = repo.forge.state.user(caller.login)
    author = (user["login"], user["email"])
    if method == "squash":
        subject = title or f"{record['title']} (#{number})"
        text = message if message is not None else ""
        opener = repo.forge.state.user(record["user"])
        return repo.git.commit(
            tree, [tip], f"{subject}\n\n{text}".strip() + "\n", (opener["login"], opener["email"])
        )
    owner = data["head"]["repo"].partition("/")[0]
    subject = title or f"Merge pull request #{number} from {owner}/{data['head']['ref']}"
    text = message if message is not None else record["title"]
    return repo.git.commit(tree, [tip, head], f"{subject}\n\n{text}".strip() + "\n", author)
