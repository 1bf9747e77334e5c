"""What runs leave to later runs: state.json in refs/gitops-ml/drift, moved forward by compare-and-swap, never by a branch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from gitops_ml.contracts.base import to_json
from gitops_ml.contracts.drift import DriftRun, DriftState
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.place import Place

REF = "refs/gitops-ml/drift"
LOCAL = "refs/gitops-ml/remembered/drift"
FILE = "state.json"
KEPT = 200
ATTEMPTS = 20
EMPTY = DriftState(version=1, runs=[], cooldown_until=None, closed=[])

Change = Callable[[DriftState], DriftState]


def read(root: Path, place: Place, token: str) -> tuple[DriftState, str]:
    """The state, and the commit that holds it ("": there is none yet). Raises :class:`Fault` if it cannot be read."""
    tip = commits.ls_remote(root, place, token, REF).get(REF, "")
    if not tip:
        return EMPTY, ""
    commits.fetch(root, place, token, f"+{REF}:{LOCAL}")
    content = commits.blob(root, tip, FILE)
    try:
        return DriftState.parse(json.loads(content or b""), f"{FILE} of {REF}"), tip
    except (ValueError, Fault) as wrong:
        raise Fault(
            f"{REF} holds no state that can be read, so nothing was recorded: {wrong}\n"
            f"  Begin anew: git push origin :{REF}"
        ) from None


def write(root: Path, place: Place, token: str, change: Change) -> DriftState:
    """Apply a change to the newest state and push it; who loses a race reads again and replays. Nothing new: no push."""
    for _ in range(ATTEMPTS):
        state, tip = read(root, place, token)
        wanted = change(state)
        if wanted == state and tip:
            return state
        content = to_json(wanted.model_dump(mode="json")).encode()
        last = wanted.runs[-1] if wanted.runs else None
        said = f"Drift: {last.state}, run {last.run}" if last else "Drift: nothing yet"
        made = commits.commit_files(root, [tip] if tip else [], {FILE: content}, said)
        try:
            commits.push(root, place, token, made, REF, expect=tip)
        except commits.Lost:
            continue
        return wanted
    raise Fault(f"{REF} is written by others all the time: nothing was recorded.\n  Run this again.")


def remember(state: DriftState, run: DriftRun) -> DriftState:
    """The state with this run in it, once: what is repeated keeps its place, and its date if nothing else differs."""
    before = next((one for one in state.runs if one.run == run.run), None)
    if before is None:
        runs = [*state.runs, run]
    else:
        same = before.model_copy(update={"date": run.date}) == run
        runs = [one if one.run != run.run else (before if same else run) for one in state.runs]
    return state.model_copy(update={"runs": runs[-KEPT:]})
