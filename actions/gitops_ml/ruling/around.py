"""What stands around a verdict in a report: the version that would follow, data, params, files and pictures, from git."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_ml.build import derived
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.gate.chain import plain
from gitops_ml.report.context import Context

if TYPE_CHECKING:
    from gitops_ml.ruling.task import Task

LARGEST, MOST = 1_000_000, 4_000_000  # bytes of one picture, and of all, that a page carries


def context_of(
    task: Task,
    parted: str,
    left: str,
    changed: list[str],
    candidate: Candidate,
    evaluation: Evaluation,
    alone: bool,
) -> Context:
    """What the commit left behind, its base and the build tell beyond the verdict."""
    from gitops_ml.delivery.version import upcoming

    root = task.root
    try:
        decision = upcoming(root, left)
        version, why = decision.version, decision.why
    except Fault:  # a lock or schema of long ago that cannot be read: the release will say so
        version, why = None, ""
    server_page = task.run_url.partition("/actions/")[0]
    people = [path for path in changed if not derived.is_derived(path)]
    return Context(
        web=server_page,
        head=left,
        run_url=task.run_url,
        version=version,
        why=why,
        old_profile=_profile(root, parted),
        new_profile=_profile(root, left),
        old_params=_params(root, parted),
        new_params=_params(root, left),
        changed=tuple(people),
        pictures=tuple((one.title, one.file) for one in evaluation.pictures),
        stages=tuple(candidate.stages),
        seconds=sum(candidate.seconds.values()) if candidate.stages else None,
        alone=alone,
        artifact=task.artifact,
    )


def pictures_of(evaluation: Evaluation, *folders: Path) -> dict[str, bytes]:
    """The evaluation's pictures by path, from the first folder that has each; SVG and PNG, of a size a page can hold."""
    found: dict[str, bytes] = {}
    for path in dict.fromkeys(one.file for one in evaluation.pictures):
        folder = next((one for one in folders if plain(one, path)), None)
        if folder is None or not path.endswith((".svg", ".png")):
            continue
        size = (folder / path).stat().st_size
        if size <= LARGEST and size + sum(map(len, found.values())) <= MOST:
            found[path] = (folder / path).read_bytes()
    return found


def _profile(root: Path, revision: str) -> ProfileFile | None:
    content = tree.plain(root, revision, "reports/data_profile.json")
    return None if content is None else ProfileFile.parse(content, "reports/data_profile.json")


def _params(root: Path, revision: str) -> dict[str, Any] | None:
    content = tree.plain(root, revision, "params.yaml")
    return content if isinstance(content, dict) else None
