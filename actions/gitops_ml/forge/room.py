"""Answers for who we are on the server, and which of its comments and issues are ours to rewrite."""

from __future__ import annotations

import os
from typing import Any

from gitops_ml.forge.api import Api
from gitops_ml.forge.errors import Refused
from gitops_ml.forge.place import Place
from gitops_ml.forge.records import login

ACTIONS = "github-actions[bot]"
SLUG = "GITOPS_ML_APP_SLUG"  # the App's name in its address; set it where the token is the App's


class Room:
    """What the parts of :class:`gitops_ml.forge.client.Forge` share: the API, the place, the identity."""

    def __init__(self, place: Place, api: Api) -> None:
        self.place = place
        self.api = api
        self._me: str | None = None

    def me(self) -> str:
        """The login of the token's identity. A GITHUB_TOKEN or an App's token may not ask; they are bots."""
        if self._me is None:
            self._me = self._asked()
        return self._me

    def _asked(self) -> str:
        slug = os.environ.get(SLUG, "").strip().removesuffix("[bot]")
        bot = f"{slug}[bot]" if slug else ACTIONS
        if self.api.token.startswith("ghs_"):  # an installation's token: the answer would be 403
            return bot
        try:
            return str(self.api.get("/user")["login"])
        except Refused as refused:
            if refused.status != 403:
                raise
            return bot

    def _ours(self, data: dict[str, Any]) -> bool:
        """Whether a bot or this very identity wrote it. A person's own words are never rewritten, marker or not."""
        return (data.get("user") or {}).get("type") == "Bot" or login(data) == self.me()
