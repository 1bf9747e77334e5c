"""Why a robot retrains, and the words for it: its branch, its one pull request, and its one issue where something stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitops_ml.contracts.drift import DriftFile
from gitops_ml.delivery.releases import model_sha256
from gitops_ml.drift import record, summary
from gitops_ml.forge.client import Forge
from gitops_ml.report.text import version, words
from gitops_ml.ruling.drifted import body
from gitops_ml.ruling.task import Ruling, Task


@dataclass(frozen=True)
class Idle:
    """That there is nothing to carry: one line, and Markdown."""

    line: str
    text: str


class Reason(Protocol):
    """The words of one reason, and what it does where there is nothing to carry."""

    @property
    def branch(self) -> str:
        """The standing one."""

    @property
    def issue(self) -> str:
        """Key of the one issue where no candidate came of it."""

    @property
    def stopped(self) -> str:
        """Its title."""

    @property
    def built(self) -> str:
        """Said when that issue is closed by a candidate."""

    def idle(self, root: Path, forge: Forge, task: Task) -> Idle:
        """There is nothing newer to train on: what is told, and to whom."""

    def nothing(self, ruling: Ruling) -> bool:
        """Whether the candidate is none: carried all the same, it would change nothing that matters here."""

    def told(self, forge: Forge, task: Task, ruling: Ruling, moved: Sequence[str]) -> tuple[str, str]:
        """Title and body of the pull request. ``moved``: tables whose source has moved."""

    def carried(self, forge: Forge) -> None:
        """The pull request is there: what else is closed."""


class NewerData:
    """The source of an imported table has moved."""

    branch, issue = "retrain/data", "train"
    stopped = "Newer data could not be turned into a model"
    built = "The newest data was built and judged."

    def idle(self, root: Path, forge: Forge, task: Task) -> Idle:
        line = "no source has moved, and nothing is stale"
        forge.close_issue("train", "The sources can be read again, and main holds what they hold.")
        return Idle(line, f"### 💤 Nothing to train: {line}")

    def nothing(self, ruling: Ruling) -> bool:
        return False

    def told(self, forge: Forge, task: Task, ruling: Ruling, moved: Sequence[str]) -> tuple[str, str]:
        what = ", ".join(f"`{path}`" for path in moved) or "the data"
        return f"Newer data: {', '.join(moved)[:80] or 'retrained'}", (
            f"The source of {what} has moved. This pull request carries the newer version, and the model that CI built "
            "of it, judged against the one that serves. It is updated in place.\n"
        )

    def carried(self, forge: Forge) -> None:
        """Nothing else stands."""


NOTHING_TITLE = "Drifted, and there is nothing newer to train on"


@dataclass(frozen=True)
class Drifted:
    """Today's rows are no longer like those that the serving model was tested on. ``found``: checked already."""

    found: DriftFile
    cooldown_days: int
    branch: str = record.BRANCH
    issue: str = record.STOPPED
    stopped: str = "Drifted, and newer data could not be turned into a model"
    built: str = "The newest data was built and judged."

    def idle(self, root: Path, forge: Forge, task: Task) -> Idle:
        serving = self.found.serving
        if serving is not None and model_sha256(root, "HEAD") not in (None, serving.sha256):
            line = f"main holds a newer model than {serving.version}, which serves: what drifted may be cured by serving it"
            return Idle(line, f"### 💤 Nothing to train: {words(line)}")
        forge.issue(record.NOTHING, NOTHING_TITLE, self._nothing_newer(task))
        forge.close_issue(self.issue, "No source has moved, and nothing is stale: there is nothing to train.")
        return Idle("drifted, and there is nothing newer to train on", f"### 🔁 {NOTHING_TITLE}")

    def nothing(self, ruling: Ruling) -> bool:
        """The same bytes as the serving model's: a source moved that no stage reads."""
        serving, candidate = self.found.serving, ruling.candidate
        return serving is not None and candidate is not None and candidate.model.sha256 == serving.sha256

    def told(self, forge: Forge, task: Task, ruling: Ruling, moved: Sequence[str]) -> tuple[str, str]:
        title = f"Retrained after drift: {summary.headline(self.found)}"
        return title, body(self.found, ruling.beside, moved, self.cooldown_days, task.run_url)

    def carried(self, forge: Forge) -> None:
        forge.close_issue(record.NOTHING, "There is newer data now, and a candidate trained on it.")

    def _nothing_newer(self, task: Task) -> str:
        served = version(self.found.serving.version) if self.found.serving else "the model"
        page = f"[The run]({task.run_url}) has the whole report.\n\n" if task.run_url else ""
        return (
            f"{summary.summary(self.found)}\n{page}"
            f"No imported table has newer rows than {served} was trained on, so a retrained model would be the same one. "
            "To go on, one of:\n\n"
            "- add labelled rows of today to the training table, and push (`dvc add`, or at its source);\n"
            "- look at the columns above: does their source measure or write something else now?\n"
            "- serve an earlier version, if it was tested on rows like these.\n\n"
            "This issue is updated in place, and closed when the rows are stable again.\n"
        )
