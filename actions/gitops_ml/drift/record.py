"""From a look to what follows: remembered in a ref, one issue where rows are broken, and whether a candidate is wanted.

Runs no code of the project. Stop it anywhere, and the next run ends at the same place: the state is written last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitops_ml.contracts.drift import DriftFile, DriftRun, DriftState
from gitops_ml.contracts.policy import Drift, PolicyFile
from gitops_ml.drift import memory
from gitops_ml.drift.sealed import opened
from gitops_ml.drift.summary import headline, summary
from gitops_ml.forge.client import Forge
from gitops_ml.forge.records import Pull

BRANCH = "retrain/drift"
BROKEN, NOTHING, STOPPED = "drift-broken", "drift-nothing", "drift"
"""Keys of the issues: rows that break the contract; drift with nothing newer to train on; a candidate that stopped."""
BROKEN_TITLE = "The rows of today break the data contract"


@dataclass(frozen=True)
class Recorded:
    """``retrain``: a candidate is wanted; ``why``: or why not."""

    state: str
    retrain: bool
    why: str


def record(
    root: Path,
    forge: Forge,
    token: str,
    folder: Path,
    digest: str,
    run: str,
    *,
    run_url: str = "",
    now: datetime | None = None,
) -> Recorded:
    """Remember the look of a folder. Raises :class:`gitops_ml.errors.Fault` for a folder that is not the one of ``digest``."""
    found = opened(folder, digest)
    policy = PolicyFile.read(root / "policy.yaml").drift
    moment = now or datetime.now(UTC)
    closed = [one for one in forge.pulls(state="closed", head=BRANCH) if not one.merged and not one.fork]
    until = cooldown(closed, policy, moment)
    _issues(forge, found, run_url)

    def change(state: DriftState) -> DriftState:
        earlier = [one.state for one in state.runs if one.run != run]
        retrain, why = decide(found, policy, earlier, until)
        entry = DriftRun(
            run=run,
            date=moment.astimezone(UTC).isoformat(timespec="seconds"),
            serving=found.serving.version if found.serving else None,
            state=found.state,
            share=found.share,
            columns=[one.name for one in found.moved],
            retrain=retrain,
            why=why,
        )
        numbers = sorted({*state.closed, *(one.number for one in closed)})
        changed = {
            "cooldown_until": until.isoformat(timespec="seconds") if until else None,
            "closed": numbers,
        }
        return memory.remember(state, entry).model_copy(update=changed)

    state = memory.write(root, forge.place, token, change)
    mine = next(one for one in state.runs if one.run == run)
    return Recorded(found.state, mine.retrain, mine.why)


def cooldown(closed: Sequence[Pull], policy: Drift, now: datetime) -> datetime | None:
    """When a pull request may be opened again; None: now. Counted from the newest that was closed without merging."""
    moments = [datetime.fromisoformat(one.closed_at) for one in closed if one.closed_at]
    if not moments:
        return None
    until = max(moments).astimezone(UTC) + timedelta(days=policy.cooldown_days)
    return until if until > now else None


def decide(
    found: DriftFile, policy: Drift, earlier: Sequence[str], until: datetime | None
) -> tuple[bool, str]:
    """Whether a candidate is wanted, and why. ``earlier``: the states of the runs before, oldest first."""
    if found.state == "broken":
        return False, "The rows break the data contract: an issue says how, and nothing is retrained."
    if found.state != "drifted":
        return False, "Nothing is known to have drifted." if found.state == "unknown" else "Nothing drifted."
    windows = policy.windows
    looked = [*earlier, found.state][-windows.of :]
    count = looked.count("drifted")
    if count < windows.drifted:
        return (
            False,
            f"{count} of the last {len(looked)} runs drifted; {windows.drifted} of {windows.of} are asked for.",
        )
    if until is not None:
        day = until.date().isoformat()
        return False, (
            f"Drift is recorded, and no pull request is opened before {day}: the last one was closed without merging "
            f"(policy.yaml, drift.cooldown_days: {policy.cooldown_days})."
        )
    return True, f"{headline(found)[:1].upper()}{headline(found)[1:]}."


def _issues(forge: Forge, found: DriftFile, run_url: str) -> None:
    if found.state == "broken":
        forge.issue(BROKEN, BROKEN_TITLE, _broken(found, run_url))
    if found.state in ("stable", "drifted"):
        forge.close_issue(BROKEN, "The rows of today keep the data contract again.")
    if found.state == "stable":
        forge.close_issue(NOTHING, "The rows of today look like those that the serving model was tested on.")
        forge.close_issue(STOPPED, "Nothing drifts any more, so nothing has to be trained.")


def _broken(found: DriftFile, run_url: str) -> str:
    page = f"[The run]({run_url}) has the whole report.\n\n" if run_url else ""
    return (
        f"{summary(found)}\n{page}"
        "To go on: mend the table at its source. If the new values are right, widen the contract in a pull request:\n\n"
        "```bash\n"
        'uv run gitops-ml schema allow COLUMN "VALUE"\n'
        "uv run gitops-ml schema widen COLUMN --maximum NUMBER\n"
        "```\n\n"
        "Nothing is retrained meanwhile. This issue is updated in place, and closed when the rows keep the contract.\n"
    )
