"""The version rule: what differs from the last release decides the step. Pure; see :func:`next_version`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gitops_ml.build.lock import Change, what_changed
from gitops_ml.delivery import tree
from gitops_ml.delivery.identity import Identity, identity
from gitops_ml.delivery.releases import Release, newest, numbers, releases
from gitops_ml.gate.callers import breaks

__all__ = ["Decision", "Identity", "Release", "bumped", "identity", "next_version", "upcoming"]

Step = Literal["major", "minor", "patch", "first"]
FIRST = "v1.0.0"
SHOWN = 3  # names of changed things in a sentence


@dataclass(frozen=True)
class Decision:
    """The version that a commit would get, and why; None: nothing that a version names has changed."""

    version: str | None
    step: Step | None
    why: str


def next_version(previous: Release | None, current: Identity, previous_identity: Identity | None) -> Decision:
    """The version of ``current`` after ``previous``, the last tag in its history.

    major: a caller must change. minor: code, features, estimator, params, libraries or data source changed. patch: the
    same recipe on newer data, or a serving fix. None: the same release unit (model sha256 and serving digest).
    """
    if current.model is None:
        return Decision(None, None, "there is no model yet")
    if current.unreadable and current.schema is None:
        return Decision(None, None, f"what callers send is unknown: {current.unreadable}")
    if previous is None or previous_identity is None:
        return Decision(FIRST, "first", "the first model")
    if current.unit == previous_identity.unit:
        return Decision(None, None, f"model and service are those of {previous.version}")
    step, why = _step(previous_identity, current)
    return Decision(bumped(previous.version, step), step, why)


def bumped(version: str, step: Step) -> str:
    """The version one step after another."""
    major, minor, patch = numbers(version)
    if step == "major":
        return f"v{major + 1}.0.0"
    return f"v{major}.{minor + 1}.0" if step == "minor" else f"v{major}.{minor}.{patch + 1}"


def upcoming(root: Path, revision: str) -> Decision:
    """The version that a commit would get if it were main, for reports and the preview."""
    model = tree.model_name(root, revision)
    previous = newest(root, model, revision)
    before = None if previous is None else identity(root, previous.commit)
    return free(root, model, previous, next_version(previous, identity(root, revision), before))


def free(root: Path, model: str, previous: Release | None, decision: Decision) -> Decision:
    """The decision, with a version that no tag has: one outside this history (a branch, a main of old) keeps its own."""
    taken = {release.version for release in releases(root, model)}
    version = decision.version
    while version is not None and version in taken:
        version = bumped(
            version, "minor" if decision.step in ("first", "minor") else decision.step or "patch"
        )
    if version == decision.version:
        return decision
    return Decision(version, decision.step, f"{decision.why} ({decision.version} is taken)")


def _step(old: Identity, new: Identity) -> tuple[Step, str]:
    callers = _callers(old, new)
    if callers:
        return "major", f"callers must change: {_some(callers, '; ')}"
    recipe = _recipe(old, new)
    if recipe:
        return "minor", f"changed: {_some(recipe, ', ')}"
    changes = what_changed(old.lock, new.lock)
    if old.model == new.model:
        return "patch", f"the same model, served anew: {_some(_parts(old, new), ', ')}"
    if changes.data:
        return "patch", "newer data, same recipe"
    return "patch", "the same recipe on the same data made other bytes"


def _callers(old: Identity, new: Identity) -> list[str]:
    """Why a caller must change."""
    if new.schema is None:
        return ["the schema is gone"]
    if old.schema is None:
        return ["what they sent before is unknown"]
    found = breaks(old.schema, new.schema)
    if old.schema.target != new.schema.target:
        found.append(f"{new.schema.target} is predicted, was {old.schema.target}")
    return found


def _recipe(old: Identity, new: Identity) -> list[str]:
    """What of the recipe changed, in words: the same rows would give another model."""
    changes = what_changed(old.lock, new.lock).all
    same_contract = old.schema is not None and old.schema == new.schema
    words: dict[str, list[str]] = {}
    for change in changes:
        kind = _kind(change)
        if kind and not (kind == "schema" and same_contract):
            words.setdefault(kind, []).append(_named(change))
    if old.source != new.source:
        words["data source"] = []
    return [
        f"{kind} ({_some(list(dict.fromkeys(filter(None, names))), ', ')})" if any(names) else kind
        for kind, names in words.items()
    ]


def _kind(change: Change) -> str | None:
    """What a change is to the recipe; None: rows, results, or what these follow from."""
    if change.kind == "data":
        return "data source" if (change.old is None) != (change.new is None) else None
    if change.kind in ("upstream", "result"):
        return None
    return {
        "added": "pipeline",
        "removed": "pipeline",
        "command": "pipeline",
        "policy": "other inputs",
        "other": "other inputs",
    }.get(change.kind, change.kind)


def _named(change: Change) -> str:
    if change.kind == "code":
        return change.name.rpartition("/")[2]
    if change.kind in ("added", "removed", "command"):
        return f"stage {change.stage}"
    if change.kind in ("data", "schema"):
        return ""
    return "" if change.kind == "libraries" else change.name.removeprefix("params.yaml:")


def _parts(old: Identity, new: Identity) -> list[str]:
    names = [*new.serving, *(name for name in old.serving if name not in new.serving)]
    return [name for name in names if old.serving.get(name) != new.serving.get(name)]


def _some(words: list[str], between: str) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return between.join(words[:SHOWN]) + more
