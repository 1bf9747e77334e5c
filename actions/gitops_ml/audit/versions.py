"""What was released: one tag for each version, its GitHub release whole, its bytes in the store, main's lock built by CI."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

from gitops_ml.audit.said import Finding, Note, Passed, Said
from gitops_ml.audit.scene import Scene
from gitops_ml.build.records import CONTEXT
from gitops_ml.delivery import tree
from gitops_ml.delivery.assets import ALL, SUMS
from gitops_ml.delivery.main_lock import built_record
from gitops_ml.delivery.releases import Release
from gitops_ml.forge.actions import in_actions
from gitops_ml.forge.room import ACTIONS, SLUG

RELEASE = "gh workflow run release.yml"
SHOWN = 10  # losses, each in a sentence of its own


def tags(scene: Scene) -> Iterator[Said]:
    """No commit has two version tags, and every version tag is on main."""
    if not scene.versions:
        yield Passed("nothing was released yet")
    first: dict[str, Release] = {}
    for one in reversed(scene.versions):
        before = first.setdefault(one.commit, one)
        if before is not one:
            yield Finding(
                f"{one.tag} names {one.commit[:12]}, and so does {before.tag}",
                "one model has two names: a roll-back between them changes nothing",
                f"the one that nobody serves: git push origin :refs/tags/{one.tag}",
            )
        if not tree.is_ancestor(scene.root, one.commit, scene.main):
            yield Finding(
                f"{one.tag} names {one.commit[:12]}, which is not on main",
                "what is released must have been merged, and judged there",
                f"if nobody serves it: git push origin :refs/tags/{one.tag}",
            )


def releases(scene: Scene) -> Iterator[Said]:
    """Every version has its GitHub release with all files, and SHA256SUMS names their bytes; no release lacks its tag."""
    listed = {one["tag_name"]: one for one in scene.hub.api.pages("releases") if not one.get("draft")}
    for one in scene.versions:
        there = listed.get(one.tag)
        if there is None:
            yield Finding(
                f"{one.tag} has no GitHub release",
                "its card, its verdict and its checksums are nowhere to be read",
                RELEASE if one is scene.versions[0] else _by_hand(one.tag),
            )
            continue
        found = {str(asset["name"]): asset for asset in there["assets"] if asset.get("state") == "uploaded"}
        lacking = [name for name in ALL if name not in found]
        if lacking:
            yield Finding(
                f"the release {one.tag} lacks {', '.join(lacking)}",
                "whoever checks this version later has less than was promised",
                RELEASE if one is scene.versions[0] else _by_hand(one.tag),
            )
        if SUMS in found:
            yield from _sums(scene, one.tag, found)
    known = {one.tag for one in scene.versions}
    for tag in listed:
        if tag.startswith(f"{scene.model}@v") and tag not in known:
            yield Finding(
                f"the release {tag} has no tag of this name",
                "nobody can say which commit it is of",
                f"git push origin COMMIT:refs/tags/{tag}, or delete it: gh release delete {tag}",
            )


def _sums(scene: Scene, tag: str, found: dict[str, Any]) -> Iterator[Said]:
    content = scene.hub.download(found[SUMS]["url"]).decode("utf-8", "replace")
    lines = (line.split(None, 1) for line in content.splitlines())
    for digest, name in (parts for parts in lines if len(parts) == 2):
        asset = found.get(name.strip())
        if asset is None:
            if name.strip() not in ALL:  # those that every release has are named above
                yield Finding(
                    f"the release {tag} lacks {name.strip()}, which its {SUMS} names",
                    "whoever checks this version later has less than was promised",
                    _by_hand(tag),
                )
            continue
        said = str(asset.get("digest") or "")
        if not said.startswith("sha256:"):  # a server that names no digest
            said = f"sha256:{hashlib.sha256(scene.hub.download(asset['url'])).hexdigest()}"
        if said != f"sha256:{digest}":
            yield Finding(
                f"{name.strip()} of the release {tag} is not what its {SUMS} names",
                "it was changed after the release: nobody can rely on it",
                f"compare it with git: git show {tag}:dvc.lock; then gh release upload --clobber {tag} FILE",
            )


def stored(scene: Scene) -> Iterator[Said]:
    """Every object of every released version is in the store, and is what its name says."""
    if not scene.versions:
        yield Passed("nothing was released yet")
        return
    version = {one.commit: one.version for one in scene.versions}
    losses = scene.storage.verify(scene.root, list(version))
    for number, loss in enumerate(sorted(losses, key=lambda one: (one.path, one.md5))):
        users = sorted({version.get(commit, commit[:12]) for commit in loss.revisions})
        what = f"{loss.path} (md5 {loss.md5}) of {', '.join(users[:5]) or 'a version'} is {loss.kind} in the store"
        if users and all(user in scene.retired for user in users):
            yield Note(f"{what}; nobody may serve it any more")
            continue
        if number >= SHOWN:
            yield Finding(
                f"{len(losses) - SHOWN} more objects are lost",
                "the same",
                "all of them by name: gitops-ml storage verify",
            )
            return
        yield Finding(
            what,
            f"nobody can go back to {', '.join(users[:5])}, nor serve it on a new machine",
            "where its bytes still are: gitops-ml storage push --to refs/dvc/store; else build them again: gitops-ml reproduce",
        )


def built(scene: Scene) -> Iterator[Said]:
    """CI recorded that it built the dvc.lock of main."""
    if tree.blob_id(scene.root, scene.main, "dvc.lock") is None:
        yield Passed("main has no dvc.lock yet")
    elif not built_record(scene.hub, scene.root, scene.main, _recorders(scene)):
        yield Finding(
            f"no build of main's dvc.lock is recorded (main is {scene.main[:12]})",
            "what main says was trained may be what nobody trained",
            RELEASE,
        )


def _recorders(scene: Scene) -> list[str]:
    """Whose records count: CI's identities. On a laptop the App's name is unknown: there any robot's, which no person is."""
    slug = os.environ.get(SLUG, "").strip().removesuffix("[bot]")
    known = [ACTIONS, *([f"{slug}[bot]"] if slug else [])]
    if in_actions() or slug:
        return known
    heads = [pull.head_sha for pull in scene.hub.pulls_of(scene.main)]
    return known + [
        status.creator
        for commit in [scene.main, *heads]
        for status in scene.hub.statuses(commit)
        if status.context == CONTEXT and status.creator_type == "Bot"
    ]


def _by_hand(tag: str) -> str:
    return f"gh release view {tag}; what is lacking can be made from git: git show {tag}:MODEL_CARD.md"
