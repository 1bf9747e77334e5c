"""Answers for tags and releases: made once, completed where a run was cut off, never moved."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gitops_ml.errors import Fault
from gitops_ml.forge import text
from gitops_ml.forge.errors import Refused
from gitops_ml.forge.room import Room


class Releases(Room):
    """The tags and releases of the repository."""

    def tag_sha(self, name: str) -> str | None:
        """The commit that a tag names, through an annotated tag too; None if there is no such tag."""
        try:
            target = self.api.get(f"git/ref/tags/{quote(name, safe='/')}")["object"]
        except Refused as refused:
            # 409: a repository without a first commit.
            if refused.status in (404, 409):
                return None
            raise
        for _ in range(8):  # a tag may name a tag
            if target["type"] != "tag":
                break
            target = self.api.get(f"git/tags/{target['sha']}")["object"]
        return str(target["sha"])

    def create_tag(self, name: str, sha: str, message: str = "") -> None:
        """An annotated tag (a plain one without a message) on a commit; nothing if it is there.

        Raises :class:`Fault` if the tag names another commit: released versions never move.
        """
        if self._named(name, sha):
            return
        target = sha
        if message:
            content = {"tag": name, "message": message, "object": sha, "type": "commit"}
            # Only the ref makes it seen: an object made twice is one that nobody meets.
            target = self.api.request("POST", "git/tags", content, repeat=True)[1]["sha"]
        self.api.post(
            "git/refs",
            {"ref": f"refs/tags/{name}", "sha": target},
            lambda: {"sha": sha} if self._named(name, sha) else None,
        )

    def release(
        self, tag: str, *, name: str, body: str, target: str, assets: Mapping[str, Path], rewrite: bool = True
    ) -> str:
        """The published release of a tag with these assets; its address.

        Made as a draft, filled, then published: nobody sees half of one. A published release keeps the assets it
        has, and gets those it lacks. ``rewrite`` False: a text that is there stays, for the caller knows less.
        """
        body = text.body(body, 125_000)
        there = self._release(tag)
        if there is None:
            content = {
                "tag_name": tag,
                "target_commitish": target,
                "name": name,
                "body": body,
                "draft": True,
            }
            there = self.api.post("releases", content, lambda: self._release(tag))
        for asset, path in assets.items():
            self._attach(there, asset, path)
        changes: dict[str, Any] = {}
        if there["draft"]:
            changes["draft"] = False
        if (there.get("name") or "") != name:
            changes["name"] = name
        if (rewrite or not there.get("body")) and not text.same(there.get("body") or "", body):
            changes["body"] = body
        if changes:
            there = self.api.patch(f"releases/{there['id']}", **changes)
        return str(there["html_url"])

    def release_assets(self, tag: str) -> dict[str, str]:
        """The assets of a published release: name -> address for :meth:`download`; empty if there is none."""
        try:
            there = self.api.get(f"releases/tags/{quote(tag, safe='/')}")
        except Refused as refused:
            if refused.status == 404:
                return {}
            raise
        # "url", not "browser_download_url": only the API takes a token for a private repository.
        return {
            asset["name"]: asset["url"] for asset in self._assets(there) if asset.get("state") != "starter"
        }

    def download(self, url: str) -> bytes:
        """The bytes of an asset."""
        return self.api.download(url)

    def _named(self, tag: str, sha: str) -> bool:
        """Whether the tag exists and names the commit. Raises :class:`Fault` if it names another."""
        there = self.tag_sha(tag)
        if there is not None and there != sha:
            raise Fault(
                f"the tag {tag} names {there[:12]}, not {sha[:12]}: a version that was given is never moved.\n"
                f"  See it: {self.place.web}/releases/tag/{quote(tag)}\n"
                f"  Release under the next version; or, if nobody can have it yet, delete it first: "
                f"git push origin :refs/tags/{tag}"
            )
        return there is not None

    def _release(self, tag: str) -> dict[str, Any] | None:
        """The release of a tag; a draft if none is published (those are in the list only, and never by tag)."""
        found = [entry for entry in self.api.pages("releases") if entry["tag_name"] == tag]
        return min(found, key=lambda entry: (entry["draft"], entry["id"])) if found else None

    def _assets(self, release: dict[str, Any]) -> list[dict[str, Any]]:
        return list(self.api.pages(f"releases/{release['id']}/assets"))

    def _attach(self, release: dict[str, Any], name: str, path: Path) -> None:
        """Upload the asset if it is missing; in a draft also if what is there is cut off or another."""

        def standing() -> dict[str, Any] | None:
            there = next((one for one in self._assets(release) if _key(one["name"]) == _key(name)), None)
            if there is None or _whole(there, path):
                return there
            if there.get("state") != "starter" and not release["draft"]:
                return there
            self.api.delete(f"releases/assets/{there['id']}")
            return None

        if standing() is None:
            url = str(release["upload_url"]).partition("{")[0]
            self.api.ensure(lambda: self.api.upload(url, name, path), standing)


def _key(name: str) -> str:
    """An asset's name as it can be compared: GitHub turns special characters into dots."""
    return re.sub(r"[^A-Za-z0-9]+", ".", name).strip(".").lower()


def _whole(asset: dict[str, Any], path: Path) -> bool:
    """Whether an asset is this file: by its digest, where the server gives one, else by its size."""
    if asset.get("state", "uploaded") != "uploaded" or asset.get("size") != path.stat().st_size:
        return False
    digest = str(asset.get("digest") or "")
    return not digest.startswith("sha256:") or digest == f"sha256:{_sha256(path)}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
