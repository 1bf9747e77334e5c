"""Answers for the repository on GitHub as one object: :func:`connect` gives it, its rooms do the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gitops_ml.forge import text
from gitops_ml.forge.api import Api
from gitops_ml.forge.deployments import Deployments
from gitops_ml.forge.errors import Refused
from gitops_ml.forge.issues import Issues
from gitops_ml.forge.place import Place
from gitops_ml.forge.records import Status
from gitops_ml.forge.releases import Releases
from gitops_ml.forge.token import checked

CONTEXT = "gitops-ml"
WRITERS = ("admin", "maintain", "write")


class Forge(Issues, Releases, Deployments):
    """The repository on its server. Every method raises :class:`gitops_ml.errors.Fault` with the fix in it."""

    def default_branch(self) -> str:
        return str(self.api.get("")["default_branch"])

    def statuses(self, sha: str) -> list[Status]:
        """The statuses of a commit, newest first."""
        return [Status.of(entry) for entry in self.api.pages(f"commits/{sha}/statuses")]

    def set_status(
        self, sha: str, state: str, description: str, context: str = CONTEXT, url: str = ""
    ) -> None:
        """Set a commit status (success, pending, failure, error), unless the newest of its context is ours and the same.

        A description is cut to 140 characters.
        """
        description = text.description(description)

        def standing() -> Status | None:
            listed = map(Status.of, self.api.pages(f"commits/{sha}/statuses"))
            newest = next((one for one in listed if one.context == context), None)
            if newest is None or (newest.state, newest.description, newest.url) != (state, description, url):
                return None
            return newest if newest.creator == self.me() else None

        if standing() is None:
            content = {"state": state, "description": description, "context": context}
            self.api.post(f"statuses/{sha}", {**content, **({"target_url": url} if url else {})}, standing)

    def can_write(self, user: str) -> bool:
        """Whether a person may push to this repository. Nobody who is no collaborator, no bot, may."""
        try:
            answer = self.api.get(f"collaborators/{quote(user)}/permission")
        except Refused as refused:
            if refused.status == 404:
                return False
            raise
        return answer.get("permission") in WRITERS or answer.get("role_name") in WRITERS

    def dispatch(self, event: str, payload: Mapping[str, Any]) -> None:
        """Send a ``repository_dispatch``. After a lost answer it is sent again: what it starts looks before it acts."""
        self.api.request(
            "POST", "dispatches", {"event_type": event, "client_payload": dict(payload)}, repeat=True
        )


def connect(place: Place, token: str) -> Forge:
    """The repository, for the owner of a token ("" reads what is public). Nothing is sent yet."""
    return Forge(place, Api(place, checked(token, "the caller") if token else ""))
