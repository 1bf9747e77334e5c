"""Answers for what publish asks of GitHub and nobody else does: the account, the repository itself, its settings and rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gitops_ml.errors import Fault
from gitops_ml.forge.errors import Refused
from gitops_ml.forge.place import Place

Data = dict[str, Any]
LABELS = {
    "gitops-ml": ("5319e7", "Opened and kept up to date by the machinery"),
    "gitops-ml: retrain": ("0e8a16", "Carries a model that was trained on newer data"),
    "gitops-ml: deploy": ("1d76db", "Changes what is served: a pointer in deploy/"),
    "gitops-ml: rollback": ("d93f0b", "Serves an earlier version again"),
    "gitops-ml: reproduce": ("fbca04", "Put on by people: CI builds this one twice and compares the bytes"),
}


@dataclass(frozen=True)
class Who:
    """The token's owner; ``scopes`` is None for a fine-grained token, which does not say what it may do."""

    login: str
    scopes: frozenset[str] | None
    expires: str = ""


@dataclass(frozen=True)
class Repository:
    """What decides here about a repository that exists."""

    slug: str
    visibility: str  # public, private; internal: every member of the enterprise
    default_branch: str
    admin: bool
    push: bool
    archived: bool
    settings: Data

    @classmethod
    def of(cls, data: Data) -> Repository:
        may = data.get("permissions") or {}
        visibility = data.get("visibility") or ("private" if data["private"] else "public")
        return cls(
            slug=data["full_name"],
            visibility=visibility,
            default_branch=data.get("default_branch") or "main",
            admin=bool(may.get("admin")),
            push=bool(may.get("push") or may.get("maintain") or may.get("admin")),
            archived=bool(data.get("archived")),
            settings=data,
        )


class Host(Protocol):
    """What the steps need; tests give one in memory. Every method raises :class:`Fault` (a clear no: Refused)."""

    place: Place

    def who(self) -> Who: ...
    def repository(self) -> Repository | None: ...
    def create(self, private: bool) -> Repository: ...
    def edit(self, **settings: Any) -> None: ...
    def actions(self) -> Data: ...
    def allow_actions(self) -> None: ...
    def workflow_token(self) -> Data: ...
    def set_workflow_token(self, wanted: Mapping[str, Any]) -> None: ...
    def labels(self) -> set[str]: ...
    def make_labels(self) -> None: ...
    def ruleset(self, name: str) -> Data | None: ...
    def set_ruleset(self, wanted: Data, number: int | None) -> None: ...
    def refs(self) -> dict[str, str]: ...
    def has_commit(self, sha: str) -> bool: ...
    def push(self, root: Path, sha: str, ref: str) -> None: ...


class GitHub:
    """The host as it is, over gitops_ml.forge. ``root``: any git repository, for git's own commands."""

    def __init__(self, place: Place, token: str, root: Path) -> None:
        from gitops_ml.forge.client import connect

        self.place = place
        self._token = token
        self._root = root
        self._forge = connect(place, token)
        self._api = self._forge.api

    def who(self) -> Who:
        headers, data = self._api.request("GET", "/user")
        scopes = headers.get("x-oauth-scopes")
        named = (
            None if scopes is None else frozenset(part.strip() for part in scopes.split(",") if part.strip())
        )
        return Who(data["login"], named, headers.get("github-authentication-token-expiration", ""))

    def repository(self) -> Repository | None:
        data = _or_none(lambda: self._api.get(""))
        return None if data is None else Repository.of(data)

    def create(self, private: bool) -> Repository:
        """An empty repository: a first commit made by GitHub would be unrelated to ours."""
        mine = self.who().login.lower() == self.place.owner.lower()
        path = "/user/repos" if mine else f"/orgs/{self.place.owner}/repos"
        body = {"name": self.place.name, "private": private, "auto_init": False, "has_issues": True}
        return Repository.of(self._api.post(path, body, lambda: _or_none(lambda: self._api.get(""))))

    def edit(self, **settings: Any) -> None:
        self._api.patch("", **settings)

    def actions(self) -> Data:
        return dict(self._api.get("actions/permissions"))

    def allow_actions(self) -> None:
        self._api.request("PUT", "actions/permissions", {"enabled": True, "allowed_actions": "all"})

    def workflow_token(self) -> Data:
        return dict(self._api.get("actions/permissions/workflow"))

    def set_workflow_token(self, wanted: Mapping[str, Any]) -> None:
        self._api.request("PUT", "actions/permissions/workflow", wanted)

    def labels(self) -> set[str]:
        return {entry["name"].lower() for entry in self._api.pages("labels")}

    def make_labels(self) -> None:
        self._forge.labels(LABELS)

    def ruleset(self, name: str) -> Data | None:
        """The repository's own ruleset of this name, whole: the list leaves the rules out."""
        for entry in self._api.pages("rulesets", includes_parents="false"):
            if entry["name"] == name:
                return dict(self._api.get(f"rulesets/{entry['id']}"))
        return None

    def set_ruleset(self, wanted: Data, number: int | None) -> None:
        if number is None:
            self._api.post("rulesets", wanted, lambda: self.ruleset(wanted["name"]))
        else:
            self._api.request("PUT", f"rulesets/{number}", wanted)

    def refs(self) -> dict[str, str]:
        from gitops_ml.forge.commits import ls_remote

        return ls_remote(self._root, self.place, self._token)

    def has_commit(self, sha: str) -> bool:
        try:
            self._api.get(f"git/commits/{sha}")
        except Refused as refused:
            if refused.status in (404, 409, 422):  # 409: the repository is empty
                return False
            raise
        return True

    def push(self, root: Path, sha: str, ref: str) -> None:
        from gitops_ml.forge.commits import push

        push(root, self.place, self._token, sha, ref)


def _or_none(call: Any) -> Any:
    """What is there, or None for what is not (404)."""
    try:
        return call()
    except Refused as refused:
        if refused.status == 404:
            return None
        raise


def check_token(host: Host, public: bool) -> Who:
    """Who asks. Raises :class:`Fault` that names what a classic token lacks; a fine-grained one tells only when it is used."""
    place = host.place
    try:
        who = host.who()
    except Refused as refused:
        if refused.status == 403:
            raise Fault(
                f"the token is a robot's: {place.host} does not say whose it is. A person publishes.\n"
                f"  Log in: gh auth login --hostname {place.host} --scopes repo,workflow\n"
                "  and unset GITHUB_TOKEN where it is a workflow's own."
            ) from None
        if refused.status == 401:
            raise Fault(f"{refused}\n  {rights(place)}") from None
        raise
    if who.scopes is None:
        return who
    fits = {"repo", "public_repo"} if public else {"repo"}
    missing = [
        name
        for name, met in (("repo", bool(who.scopes & fits)), ("workflow", "workflow" in who.scopes))
        if not met
    ]
    if missing:
        raise Fault(
            f"the token of {who.login} lacks {' and '.join(missing)}: the repository "
            "and its .github/workflows/ could not be pushed. Nothing was done.\n"
            f"  Renew it: gh auth refresh --hostname {place.host} --scopes repo,workflow\n  {rights(place)}"
        )
    return who


def rights(place: Place) -> str:
    """What a token needs to publish, of either kind."""
    return (
        f"Or make one at {place.server}/settings/tokens. Classic: repo, workflow. Fine-grained, for this repository "
        "(to create one: for all repositories), read and write:\n"
        "    Administration, Actions, Commit statuses, Contents, Issues, Pull requests, Workflows.\n"
        "  Then: export GITOPS_ML_TOKEN=..."
    )
