"""What a project's own files say about it, in the words that first-run, reproduce and status share."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.card.markdown import between, bytes_, number
from gitops_ml.card.names import NAMES
from gitops_ml.contracts.base import read_plain
from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.contracts.metrics import Metrics
from gitops_ml.contracts.model_card import HumanCard
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.contracts.training import Training
from gitops_ml.errors import Fault


def name(root: Path) -> str:
    """What the project is called: its slug."""
    from gitops_ml.track.sync import answers

    return answers(root)["project_slug"]


def model(root: Path) -> Training | None:
    """The training record; None before the first run."""
    path = root / "models/training.json"
    return Training.read(path) if path.exists() else None


def model_line(root: Path) -> str:
    """Estimator, primary metric and its interval on how many test rows."""
    trained = model(root)
    return (trained.estimator.rpartition(".")[2] if trained else "a model") + score(root)


def score(root: Path) -> str:
    """ ", ROC AUC 0.846 (0.828-0.864 on 1,761 test rows)"; empty where nothing was measured."""
    evaluation_path, metrics_path = root / "reports/evaluation.json", root / "reports/metrics.json"
    if not evaluation_path.exists() or not metrics_path.exists():
        return ""
    evaluation, metrics = Evaluation.read(evaluation_path), Metrics.read(metrics_path)
    measured = metrics.values.get(evaluation.primary)
    if measured is None:
        return ""
    name = NAMES.get(evaluation.primary, evaluation.primary)
    interval = (
        "" if measured.low is None or measured.high is None else f"{between(measured.low, measured.high)} "
    )
    return f", {name} {number(measured.value)} ({interval}on {metrics.n:,} test rows)"


def bytes_line(root: Path) -> str:
    """Path, size and digest of the model file."""
    trained = model(root)
    if trained is None:
        return "no model yet"
    return f"{trained.model.path}  {bytes_(trained.model.size)}  sha256 {trained.model.sha256[:8]}..."


def data_line(root: Path) -> str:
    """Rows, columns, target and its balance."""
    path = root / "reports/data_profile.json"
    if not path.exists():
        return f"{table(root)}, not profiled yet"
    profile = ProfileFile.read(path)
    target, columns = profile.target, len(profile.columns)
    about = ""
    if target.overall.classes:
        total = max(sum(target.overall.classes.values()), 1)
        shown = list(target.overall.classes.items())[:3]
        more = ", ..." if len(target.overall.classes) > 3 else ""
        about = " (" + ", ".join(f"{label} {count / total:.0%}" for label, count in shown) + more + ")"
    elif target.overall.mean is not None:
        about = f" (mean {number(target.overall.mean)})"
    kept = "kept under DVC" if (root / f"{profile.table.path}.dvc").exists() else "kept in git"
    return (
        f"{profile.rows.total:,} rows, {columns:,} columns, target {target.column}{about}  "
        f"{profile.table.path}, {kept}"
    )


def table(root: Path) -> str:
    """The table that params.yaml names."""
    content = read_plain(root / "params.yaml")
    data = content.get("data", {}) if isinstance(content, dict) else {}
    return str(data.get("table", "no table")) if isinstance(data, dict) else "no table"


def card_line(root: Path) -> str:
    """The card, and how many answers of people are missing."""
    unknown = [
        value
        for value in HumanCard.read(root / "model_card.yaml").model_dump().values()
        if value == "unknown"
    ]
    written = "MODEL_CARD.md" if (root / "MODEL_CARD.md").exists() else "not written yet"
    if not unknown:
        return f"{written} (every question answered)"
    noun, verb = ("answer", "is") if len(unknown) == 1 else ("answers", "are")
    return f'{written} ({len(unknown)} {noun} of yours {verb} still "unknown": edit model_card.yaml)'


def cd(root: Path) -> str:
    """The command that goes to the project's folder, from anywhere."""
    return f"cd {shlex.quote(str(root))}"


def command(root: Path, verb: str) -> str:
    """A command as it works when pasted into a fresh shell anywhere."""
    return f"{cd(root)} && {shell.prefix(root)}{verb}"


def stale(root: Path) -> list[str]:
    """Stages that would run, with what changed, from one `dvc status`. Bytes that are only not here are not stale.

    Raises :class:`Fault` if dvc cannot tell.
    """
    import json

    answer = shell.ask([sys.executable, "-m", "dvc", "status", "--json"], root)
    if answer is None:
        raise Fault("dvc status failed. See why: dvc status")
    try:
        stages: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise Fault("dvc status gave no JSON. See why: dvc status") from None
    lines = []
    for stage, changes in stages.items():
        # A stage whose code changed is listed as the text "changed command" beside the dictionaries.
        named = {
            path: word
            for change in changes
            if isinstance(change, dict)
            for group in change.values()
            for path, word in (group if isinstance(group, dict) else {}).items()
        }
        flat = {}
        for path, word in named.items():
            # Parameters nest one level deeper: {"params.yaml": {"train": "modified"}}.
            flat.update(
                {f"{path} {key}": value for key, value in word.items()}
                if isinstance(word, dict)
                else {path: word}
            )
        reasons = [f"{path} {word}" for path, word in flat.items() if word not in ("deleted", "not in cache")]
        reasons += [change for change in changes if isinstance(change, str) and change != "always changed"]
        if reasons:
            lines.append(f"{stage}: {', '.join(reasons[:3])}" + (", ..." if len(reasons) > 3 else ""))
    return lines
