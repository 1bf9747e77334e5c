"""What a commit asks of CI. A stage is built when DVC finds it stale, or when nobody but a person vouches for its bytes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.build import derived, gold, trees
from gitops_ml.build import pipeline as pipelines
from gitops_ml.build.environment import ask_status, dvc_of, first_lines
from gitops_ml.build.lock import Entry
from gitops_ml.build.trees import Side
from gitops_ml.contracts.plan import Plan, PlannedStage
from gitops_ml.errors import Fault

Reasons = dict[str, list[str]]
SECONDS = 600
"""A `dvc status` that takes longer hangs."""


def plan(
    head: Path,
    base: str,
    *,
    built: Container[str] = (),
    dvc: Sequence[str] | None = None,
    main: bool = False,
    tree: str = "HEAD",
    look: bool = False,
    env: Mapping[str, str] | None = None,
    status: subprocess.Popen[bytes] | None = None,
) -> Plan:
    """What must be built of the checkout ``head``, compared with the commit ``base``.

    ``built``: blob ids of locks that CI itself recorded; asked only if it matters. ``main``: trust nothing else, not
    even the base. ``tree``: what the folder holds if it is not HEAD (a merge that is not committed). ``look``: ask DVC
    even if the commits are the same (a laptop, a new table). ``env``: additions for DVC. ``status``: a `dvc status` that runs already. Runs no code of ``head``. Raises :class:`Fault` where
    the answer cannot be found; what is wrong with the commit itself is a plan of kind ``invalid``.
    """
    here = trees.commit_of(head, "HEAD")
    there = trees.commit_of(head, base)
    parted = shell.ask_git(head, "merge-base", there, here)
    if parted is None:
        raise Fault(
            f"{here[:12]} and {there[:12]} have no common ancestor in {head}. Fetch the whole history: "
            "git fetch --unshallow origin (in a workflow: fetch-depth: 0)"
        )
    side = Side(head, tree)
    changed = trees.changed(head, parted, tree)
    pointer = bool(changed) and all(map(derived.served, changed))
    ours = gold.guarded(head, there, changed)
    guarded = [p for p in changed if p in ours or (derived.served(p) and not pointer)]
    facts: dict[str, Any] = {
        "version": 1,
        "head": here,
        "base": there,
        "merge_base": parted,
        "lock": side.lock_blob,
        "check": any(not derived.documentation(p) and not derived.served(p) for p in changed),
        "protected": guarded,
        "changed": changed,
        "reason": None,
        "notes": [],
        "stages": [],
    }
    if pointer:
        return Plan(kind="pointer", **facts)
    if not (look or main) and _idle(changed, Side(head, parted)):
        return Plan(kind="none", **facts)
    status = status or ask_status(head, dvc or dvc_of(Path.cwd()), env or {})
    try:
        pipeline, lock, _ = side.pipeline, side.lock, side.tables
        if not pipeline:
            raise Fault("dvc.yaml is missing. Bring it back: git checkout origin/main -- dvc.yaml")
        trusted = (
            [] if main else list({s.lock_blob: s for s in (Side(head, there), Side(head, parted))}.values())
        )
        doubts = _doubts(side, trusted)
        stale = _stale(side, _answer(status), trusted)
    except Fault as fault:
        return Plan(kind="invalid", **facts | {"reason": str(fault)})
    finally:
        status.kill()
        status.communicate()
    if doubts and side.lock_blob is not None and side.lock_blob in built:
        doubts = {}
    wanted = {name: [*stale.get(name, []), *doubts.get(name, [])] for name in (*doubts, *stale)}
    order = [*pipeline, *(name for name in lock if name not in pipeline)]
    names = sorted(wanted, key=lambda name: order.index(name) if name in order else len(order))
    facts["stages"] = [PlannedStage(name=name, reasons=list(dict.fromkeys(wanted[name]))) for name in names]
    facts["notes"] = [
        f"stage {stage.name} is frozen in dvc.yaml: DVC does not look whether its inputs changed."
        for stage in pipeline.values()
        if stage.frozen
    ]
    # A lock that CI built for this pull request needs no build, but the model in it still waits for its judgement.
    moved = not main and side.lock_blob not in (None, *(s.lock_blob for s in trusted))
    return Plan(kind="model" if names or moved else "none", **facts)


def _idle(changed: list[str], before: Side) -> bool:
    """Whether only documentation changed that no stage reads."""
    if not all(map(derived.documentation, changed)):
        return False
    if not changed:
        return True
    try:
        read = {path for entry in before.lock.values() for path in (*entry.deps, *entry.outs)}
    except Fault:
        return False
    return not any(path in read or trees.related(path, list(read)) for path in changed)


# ---------------------------------------------------------------- what DVC says


def _answer(status: subprocess.Popen[bytes]) -> dict[str, Any]:
    try:
        out, err = status.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Fault(f"dvc status gave no answer in {SECONDS} s.") from None
    if status.returncode == 0:
        try:
            found: dict[str, Any] = json.loads(out)
            return found
        except ValueError:
            pass
    words = err.decode("utf-8", "replace") or out.decode("utf-8", "replace")
    raise Fault("DVC cannot read the pipeline:\n" + first_lines(words.replace(f"{os.getcwd()}/", "")))


def _stale(side: Side, answer: dict[str, Any], trusted: list[Side]) -> Reasons:
    """Stages whose inputs, command or results in git are not those of the lock. Bytes that are only not here are fine.

    DVC cannot tell whether a file that is not here is the one that the lock means; the lock and the `.dvc` files can.
    """
    pipeline, lock, tables = side.pipeline, side.lock, side.tables
    kept = dict(tables)
    for name, entry in lock.items():
        stage = pipelines.stage_of(pipeline, name)
        kept |= {p: o.md5 for p, o in entry.outs.items() if stage is not None and not stage.in_git(p)}
    found: Reasons = {
        stage.name: ["never built"]
        for stage in pipeline.values()
        if stage.name not in lock and not stage.family
    }
    for name, items in answer.items():
        if pipelines.stage_of(pipeline, name) is not None and name not in found:
            reasons = [reason for item in items for reason in _words(item, kept)]
            if reasons:
                found[name] = reasons
    for name, entry in lock.items():
        if pipelines.stage_of(pipeline, name) is not None and name not in found:
            broken = [f"{path} is another" for path, md5 in entry.deps.items() if kept.get(path, md5) != md5]
            broken += _moved_folders(entry, tables, trusted)
            if broken:
                found[name] = broken
    return found


def _words(item: Any, kept: dict[str, str]) -> list[str]:
    if isinstance(item, str):
        return {"always changed": [], "changed command": ["its command changed"]}.get(item, [item])
    reasons = []
    for path, word in ((path, word) for group in item.values() for path, word in group.items()):
        if isinstance(word, dict):  # params: {"params.yaml": {"train.seed": "modified"}}
            reasons += [f"{path}:{key} {how}" for key, how in word.items()]
        elif word != "not in cache" and not (
            word == "deleted" and (path in kept or trees.related(path, list(kept)))
        ):
            reasons.append(f"{path} {word}")
    return reasons


def _moved_folders(entry: Entry, tables: dict[str, str], trusted: list[Side]) -> list[str]:
    """Tables in folders: what a file in them should be stands in a listing that is not here, so any move counts."""
    for path in entry.deps:
        for folder in trees.related(path, list(tables)):
            if trusted and all(side.tables.get(folder) != tables[folder] for side in trusted):
                return [f"{folder} is another"]
    return []


# ---------------------------------------------------------------- whom to believe


def _doubts(side: Side, trusted: list[Side]) -> Reasons:
    """Stages whose entry in the lock, or whose definition, is not the base's: a valid-looking lock proves nothing."""
    pipeline, found = side.pipeline, Reasons()
    gone = [n for n in _stages(trusted[:1]) if n not in pipeline] if trusted else []
    for name, entry in side.lock.items():
        stage = pipelines.stage_of(pipeline, name)
        if stage is None:
            continue
        if not any(other.lock.get(name) == entry for other in trusted):
            found[name] = ["CI has no record of having built what dvc.lock says"]
        elif not any(_written(other, stage.name) == stage.written for other in trusted):
            found[name] = ["its definition in dvc.yaml changed"]
        elif gone:
            found[name] = [f"stage {gone[0]} was removed"]
    return found


def _stages(sides: list[Side]) -> list[str]:
    try:
        return [name for side in sides for name in side.pipeline]
    except Fault:  # the base's own dvc.yaml is broken: nothing of it can be missed
        return []


def _written(side: Side, name: str) -> Any:
    try:
        stage = side.pipeline.get(name)
    except Fault:
        return None
    return stage.written if stage is not None else None
