"""Answers for GitHub's deployments: what an environment was given last, from which commit, and how that went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_ml.forge import text
from gitops_ml.forge.room import Room


@dataclass(frozen=True)
class Deployment:
    """One deployment. ``state`` and ``description`` are its newest status's; "" where it has none yet."""

    number: int
    environment: str
    sha: str
    payload: Mapping[str, Any]
    state: str = ""
    description: str = ""

    def names(self, version: str, sha256: str) -> bool:
        """Whether it is of this version with these bytes."""
        return (self.payload.get("version"), self.payload.get("sha256")) == (version, sha256)


class Deployments(Room):
    """The deployments of the repository."""

    def deployment(self, environment: str) -> Deployment | None:
        """The newest deployment of an environment; None if there was none."""
        there = next(iter(self.api.pages("deployments", environment=environment)), None)
        if there is None:
            return None
        newest = next(iter(self.api.pages(f"deployments/{there['id']}/statuses")), {})
        return Deployment(
            there["id"],
            environment,
            there["sha"],
            _payload(there.get("payload")),
            newest.get("state") or "",
            newest.get("description") or "",
        )

    def deploy(
        self, environment: str, sha: str, payload: Mapping[str, str], description: str, production: bool
    ) -> Deployment:
        """A deployment of a commit to an environment; the newest one, where it is of this commit and payload already.

        ``production``: callers use it, which GitHub shows. Nothing is merged, and no status of the commit is asked for.
        """

        def standing() -> Deployment | None:
            there = self.deployment(environment)
            return there if there and there.sha == sha and dict(there.payload) == dict(payload) else None

        found = standing()
        if found is not None:
            return found
        content = {
            "ref": sha,
            "environment": environment,
            "payload": dict(payload),
            "description": text.description(description),
            "required_contexts": [],
            "auto_merge": False,
            "production_environment": production,
        }

        def create() -> Deployment:
            made = self.api.request("POST", "deployments", content)[1]
            return Deployment(made["id"], environment, made["sha"], _payload(made.get("payload")))

        return self.api.ensure(create, standing)

    def deployment_status(self, of: Deployment, state: str, description: str, url: str = "") -> None:
        """Set the status of a deployment (success, failure), unless its newest one says the same already."""
        description = text.description(description)

        def standing() -> dict[str, Any] | None:
            newest = next(iter(self.api.pages(f"deployments/{of.number}/statuses")), None)
            if newest is None or (newest["state"], newest.get("description") or "") != (state, description):
                return None
            return newest

        if standing() is None:
            content = {"state": state, "description": description, **({"log_url": url} if url else {})}
            self.api.post(f"deployments/{of.number}/statuses", content, standing)


def _payload(said: Any) -> Mapping[str, Any]:
    """The payload as it was given: GitHub hands a text back as a text."""
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except ValueError:
            said = {}
    return said if isinstance(said, dict) else {}
