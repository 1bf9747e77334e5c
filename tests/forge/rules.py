"""What may be pushed and what may be merged: rulesets, workflow files, large files, required statuses, reviews."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.forge import access
from tests.forge.access import Caller
from tests.forge.plumbing import EMPTY_TREE, ZERO, Git, GitError
from tests.forge.state import Json

if TYPE_CHECKING:
    from tests.forge.repo import Repo

WORKFLOWS = ".github/workflows/"
ACTIONS_APP = 15368  # the id of GitHub Actions as an integration
BEHIND = "This branch is out-of-date with the base branch"
REVIEWS_COUNT = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")


@dataclass(frozen=True)
class Update:
    """One ref of a push: ZERO as old makes it, ZERO as new deletes it."""

    old: str
    new: str
    ref: str


def active(repo: Repo, ref: str) -> list[Json]:
    """The rules that hold for a ref, each with the id of its ruleset; none where the plan has no rulesets."""
    if not repo.has_rulesets:
        return []
    return [
        {**rule, "ruleset_id": ruleset["id"]}
        for ruleset in repo.data["rulesets"]
        if ruleset["enforcement"] == "active" and _concerns(repo, ruleset, ref)
        for rule in ruleset["rules"]
    ]


def _concerns(repo: Repo, ruleset: Json, ref: str) -> bool:
    kind = "refs/tags/" if ruleset["target"] == "tag" else "refs/heads/"
    if not ref.startswith(kind):
        return False
    names = (ruleset.get("conditions") or {}).get("ref_name") or {"include": ["~ALL"], "exclude": []}

    def hit(pattern: str) -> bool:
        if pattern == "~DEFAULT_BRANCH":
            return ref == f"refs/heads/{repo.data['default_branch']}"
        return pattern == "~ALL" or fnmatch.fnmatchcase(ref, pattern)

    return any(map(hit, names.get("include", []))) and not any(map(hit, names.get("exclude", [])))


def _contexts(rule: Json) -> list[tuple[str, int | None]]:
    listed = rule["parameters"].get("required_status_checks", [])
    return [(item["context"], item.get("integration_id")) for item in listed]


def succeeded(repo: Repo, sha: str, context: str, integration: int | None) -> bool:
    """Whether the newest status of the context says success, by the integration that the rule may name."""
    for status in reversed(repo.data["statuses"].get(sha, [])):
        if status["context"] != context:
            continue
        by = ACTIONS_APP if status["kind"] == "job" else repo.forge.state.user(status["creator"])["id"]
        if integration is not None and by != integration:
            continue
        return bool(status["state"] == "success")
    return False


# --- pushes --------------------------------------------------------------------------------------------


def judge(repo: Repo, caller: Caller, updates: Sequence[Update], git: Git, merge: bool = False) -> list[str]:
    """Why a push is refused, in GitHub's words; empty if it is not. ``git`` sees the pushed objects."""
    said: list[str] = []
    for update in updates:
        if not merge:
            if update.ref.startswith("refs/pull/"):
                said.append(f"refusing to update {update.ref}: deny updating a hidden ref")
            said += _rules(repo, update, git)
        if update.new == ZERO or not update.ref.startswith(("refs/heads/", "refs/tags/")):
            continue
        said += _workflows(repo, caller, update, git)
    said += _large(repo, updates, git)
    return said


def _rules(repo: Repo, update: Update, git: Git) -> list[str]:
    said: list[str] = []
    creates, deletes = update.old == ZERO, update.new == ZERO
    for rule in active(repo, update.ref):
        kind = rule["type"]
        if kind == "deletion" and deletes:
            said.append("- Cannot delete this protected ref.")
        elif kind == "creation" and creates:
            said.append("- Cannot create ref due to creations being restricted.")
        elif kind == "update" and not creates and not deletes:
            said.append("- Cannot update this protected ref.")
        elif kind == "non_fast_forward" and not creates and not deletes:
            if not git.is_ancestor(update.old, update.new):
                said.append("- Cannot force-push to this branch")
        elif kind == "required_linear_history" and not deletes:
            above = [f"^{update.old}"] if not creates else []
            if git.count("--merges", update.new, *above):
                said.append("- This branch must not contain merge commits.")
        elif kind == "pull_request" and not creates and not deletes:
            said.append("- Changes must be made through a pull request.")
        elif kind == "required_status_checks" and not deletes:
            if creates and rule["parameters"].get("do_not_enforce_on_create"):
                continue
            missing = [c for c, by in _contexts(rule) if not succeeded(repo, update.new, c, by)]
            said += [f'- Required status check "{context}" is expected.' for context in missing]
    if said:
        said = [f"error: GH013: Repository rule violations found for {update.ref}.", "", *said, ""]
    return said


def workflow_changes(repo: Repo, update: Update, git: Git) -> list[str]:
    """Workflow files that differ between what the ref was (a new one: where it left main) and what it becomes.

    A merge or rebase that brings main's own changes of workflows to another branch counts too, as on GitHub.
    """
    new = git.resolve(update.new)
    if new is None:
        return []
    old = git.resolve(update.old) if update.old != ZERO else None
    if old is None:
        tip = repo.git.ref(f"refs/heads/{repo.data['default_branch']}")
        old = git.merge_base(tip, new) if tip else None
    changed = git.changes(old or EMPTY_TREE, new)
    return [change.path for change in changed if change.path.startswith(WORKFLOWS)]


def _workflows(repo: Repo, caller: Caller, update: Update, git: Git) -> list[str]:
    granted = (caller.permissions or {}).get("workflows") == "write" and caller.kind != "job"
    if granted or (caller.permissions is None and not caller.bot):
        return []
    found = workflow_changes(repo, update, git)
    if not found:
        return []
    who = "a GitHub App" if caller.bot else "a Personal Access Token"
    lacks = "`workflows` permission" if caller.bot else "`workflow` scope"
    return [f"refusing to allow {who} to create or update workflow `{found[0]}` without {lacks}"]


def _large(repo: Repo, updates: Sequence[Update], git: Git) -> list[str]:
    limit = repo.forge.file_limit
    tips = [update.new for update in updates if update.new != ZERO]
    if not tips:
        return []
    try:
        listed = git.text("rev-list", "--objects", *tips, "--not", "--all").splitlines()
    except GitError:
        return []
    paths = {sha: path for sha, _, path in (line.partition(" ") for line in listed)}
    if not paths:
        return []
    form = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
    sizes = git.text("cat-file", form, data=("\n".join(paths) + "\n").encode()).splitlines()
    said = []
    for sha, kind, size in (line.split() for line in sizes):
        if kind == "blob" and int(size) > limit:
            shown, most = f"{int(size) / 2**20:.2f} MB", f"{limit / 2**20:.2f} MB"
            said.append(
                f"error: File {paths[sha]} is {shown}; this exceeds GitHub's file size limit of {most}"
            )
    if said:
        said = [
            "error: See https://gh.io/lfs for more information.",
            *said,
            "error: GH001: Large files detected. You may want to try Git Large File Storage - "
            "https://git-lfs.github.com.",
        ]
    return said


# --- merges --------------------------------------------------------------------------------------------


def approvals(repo: Repo, record: Json) -> Iterator[str]:
    """Who approves the head as it is now: people who may write, other than the author, by their last word."""
    data = record["pull"]
    last: dict[str, Json] = {}
    for review in data["reviews"]:
        if review["state"] in REVIEWS_COUNT:
            last[review["user"]] = review
    for login, review in last.items():
        rank = access.ROLES.index(access.role(repo.forge.state, repo.data, login))
        if review["state"] == "APPROVED" and rank >= access.ROLES.index("write"):
            yield login


def merge_refusals(repo: Repo, record: Json) -> list[str]:
    """What of the rulesets stands against a merge now."""
    data = record["pull"]
    ref = f"refs/heads/{data['base']['ref']}"
    head = data["head"]["sha"]
    said: list[str] = []
    for rule in active(repo, ref):
        wanted = rule.get("parameters") or {}
        if rule["type"] == "required_status_checks":
            for context, by in _contexts(rule):
                if not succeeded(repo, head, context, by):
                    said.append(f'Required status check "{context}" is expected.')
            tip = repo.git.ref(ref)
            strict = wanted.get("strict_required_status_checks_policy")
            if strict and tip and not repo.git.is_ancestor(tip, head):
                said.append(BEHIND)
        elif rule["type"] == "pull_request":
            count = wanted.get("required_approving_review_count", 0)
            if len(list(approvals(repo, record))) < count:
                said.append(f"At least {count} approving review is required by reviewers with write access.")
    return said
