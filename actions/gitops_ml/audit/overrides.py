"""Whether somebody still answers for what is served in spite of a failed check."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_ml.audit.said import Finding, Note, Said
from gitops_ml.audit.scene import Scene
from gitops_ml.delivery import tree
from gitops_ml.policy.tally import tally

FILE = "overrides.yaml"


def overrides(scene: Scene) -> Iterator[Said]:
    """Every override behind a served model still holds; and how many entries there are."""
    found = tally(tree.plain(scene.root, scene.main, FILE), f"{FILE} of main", scene.now.date())
    if not found.line:
        return
    yield Note(f"{FILE}: {found.line}")
    for environment, pointer in scene.served():
        if pointer.verdict != "override":
            continue
        for one in (
            one for one in found.expired if one.sha256 == pointer.sha256 and one.check != "protected"
        ):
            yield Finding(
                f"{environment} serves {pointer.version} by an override of {one.check} that ended on {one.expires}",
                f"{one.owner} answered for it until then; now nobody does",
                f"serve a version that passes, or argue again: gitops-ml override {one.check} --model {one.sha256}",
            )
