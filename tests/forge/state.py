"""What the forge remembers: users, tokens, repositories; kept as JSON beside the bare repositories."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.forge.plumbing import now

Json = dict[str, Any]
PLACEHOLDER = "@@FORGE@@"
ACTIONS_BOT = "github-actions[bot]"
# Labels of every new repository on GitHub.
LABELS = (
    ("bug", "d73a4a", "Something isn't working"),
    ("documentation", "0075ca", "Improvements or additions to documentation"),
    ("duplicate", "cfd3d7", "This issue or pull request already exists"),
    ("enhancement", "a2eeef", "New feature or request"),
    ("good first issue", "7057ff", "Good for newcomers"),
    ("help wanted", "008672", "Extra attention is needed"),
    ("invalid", "e4e669", "This doesn't seem right"),
    ("question", "d876e3", "Further information is requested"),
    ("wontfix", "ffffff", "This will not be worked on"),
)


@dataclass(frozen=True)
class Identity:
    """Somebody with a token: a person, an organisation, or an App's bot."""

    login: str
    kind: str
    token: str


class State:
    """The JSON of a forge; every change is followed by ``save``. URLs are stored without the server's address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.file = folder / "state.json"
        self.data: Json = {"next": 1, "users": {}, "tokens": {}, "repos": {}}

    def load(self) -> None:
        """Read what stands in the folder; the address of this server replaces that of the former one."""
        if self.file.exists():
            self.data = json.loads(self.file.read_text("utf-8").replace(PLACEHOLDER, self.url))

    def save(self) -> None:
        text = json.dumps(self.data, ensure_ascii=False)
        if self.url:
            text = text.replace(self.url, PLACEHOLDER)
        partial = self.file.with_suffix(".partial")
        partial.write_text(text, "utf-8")
        os.replace(partial, self.file)

    def number(self) -> int:
        """An id, unique in this forge."""
        self.data["next"] += 1
        return int(self.data["next"])

    # --- identities --------------------------------------------------------------------------------------

    def user(self, login: str, kind: str = "User") -> Json:
        """The record of a login, made on first use. Logins are compared without case."""
        users: dict[str, Json] = self.data["users"]
        found = users.get(login.lower())
        if found is None:
            number = self.number()
            kind = "Bot" if login.endswith("[bot]") else kind
            email = f"{number}+{login}@users.noreply.github.com"
            found = {"login": login, "id": number, "type": kind, "email": email, "token": ""}
            users[login.lower()] = found
        return found

    def known(self, login: str) -> Json | None:
        found: Json | None = self.data["users"].get(login.lower())
        return found

    def token(self, prefix: str, login: str, kind: str, **more: Any) -> str:
        """Register a token: kind "pat", "app" or "job"."""
        token = f"{prefix}_{secrets.token_hex(18)}"
        self.data["tokens"][token] = {"login": login, "kind": kind, **more}
        return token

    def repo(self, slug: str) -> Json | None:
        wanted = slug.lower()
        found: Json | None = next((r for s, r in self.data["repos"].items() if s.lower() == wanted), None)
        return found

    def bare(self, record: Mapping[str, Any]) -> Path:
        return self.folder / "repos" / str(record["owner"]) / f"{record['name']}.git"

    def asset(self, number: int) -> Path:
        return self.folder / "assets" / str(number)


def new_repo(number: int, owner: str, name: str, private: bool, can_approve: bool) -> Json:
    """The record of a repository as GitHub makes it: Actions may read, and may open no pull request."""
    return {
        "id": number,
        "owner": owner,
        "name": name,
        "private": private,
        "plan": "free",
        "description": None,
        "homepage": None,
        "default_branch": "main",
        "created_at": now(),
        "pushed_at": now(),
        "fork_of": None,
        "collaborators": {},
        "settings": {
            "allow_squash_merge": True,
            "allow_merge_commit": True,
            "allow_rebase_merge": True,
            "allow_auto_merge": False,
            "delete_branch_on_merge": False,
            "allow_update_branch": False,
            "has_issues": True,
            "has_wiki": True,
            "has_projects": True,
        },
        "actions": {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": can_approve},
        "rulesets": [],
        "labels": [
            {"id": number * 100 + i, "name": n, "color": c, "description": d, "default": True}
            for i, (n, c, d) in enumerate(LABELS)
        ],
        "last_number": 0,
        "issues": {},
        "comments": [],
        "statuses": {},
        "releases": [],
        "deployments": [],
        "runs": [],
        "events": [],
        "event_number": 0,
        "generation": 0,
    }
