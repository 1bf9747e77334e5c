"""The folder between the job that renders, and runs the template's code, and the job that may write: each byte by digest."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build.seal import read_plainly, sha256_of, walk
from gitops_ml.contracts.template_update import TemplateUpdate
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.template import merge
from gitops_ml.template.plan import answers_of, plan, step
from gitops_ml.template.source import Unknown


def seal(root: Path, given: str | None, out: Path) -> tuple[TemplateUpdate, str]:
    """Plan the update of HEAD and write the folder ``out``; and the sha256 of its manifest. Raises :class:`Fault`."""
    head = shell.git(root, "rev-parse", "HEAD")
    contents: dict[str, bytes] = {}
    made = _look(root, head, given, contents)
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    for path, content in contents.items():
        target = out / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    made.write_json(out / "manifest.json")
    return made, sha256_of(out / "manifest.json")


def opened(folder: Path, digest: str) -> TemplateUpdate:
    """The manifest of a folder, every byte of it checked. Raises :class:`Fault` for a swapped or damaged one."""
    manifest = folder / "manifest.json"
    if manifest.is_symlink() or not manifest.is_file() or sha256_of(manifest) != digest:
        raise Fault(
            f"{manifest} is not the one that the job before it sealed ({digest[:12]}): the artifact was swapped or is cut "
            "off. Run the workflow again, and look who can write its artifacts."
        )
    found = TemplateUpdate.read(manifest)
    for path, sha256 in found.files.items():
        if hashlib.sha256(read_plainly(folder, f"files/{path}")).hexdigest() != sha256:
            raise Fault(f"files/{path} of the update is not what its manifest names.")
    spare = sorted(set(walk(folder, ["."])) - {"manifest.json", *(f"files/{path}" for path in found.files)})
    if spare:
        raise Fault(f"the update's folder holds {spare[0]!r}, which its manifest does not name.")
    return found


def line(made: TemplateUpdate) -> str:
    """What it says, in one line."""
    return {
        "current": f"up to date: {made.old}",
        "clean": f"{made.old} -> {made.new}: {len(made.files) + len(made.removed)} files change",
        "conflict": f"{made.old} -> {made.new}: people must decide in {', '.join(made.conflicts)}",
        "unknown": "where the template is, nobody wrote down",
    }[made.outcome]


def _look(root: Path, head: str, given: str | None, contents: dict[str, bytes]) -> TemplateUpdate:
    answers = answers_of(root, head)
    said = TemplateUpdate(
        version=1, outcome="current", main=head, old=answers.version, new=answers.version, source=answers.source,
        files={}, removed=[], conflicts=[], workflows=[], notes=[],
    )  # fmt: skip
    try:
        wish = step(answers, given, None)
    except Unknown:
        return said.model_copy(update={"outcome": "unknown"})
    if not wish.newer:
        return said
    with tempfile.TemporaryDirectory(prefix="gitops-ml-template-") as scratch:
        planned = plan(root, head, answers, wish, Path(scratch))
    facts = {
        "new": planned.new,
        "source": planned.source,
        "workflows": planned.workflows,
        "notes": planned.notes,
    }
    if planned.conflicts:
        return said.model_copy(update={**facts, "outcome": "conflict", "conflicts": planned.conflicts})
    removed = []
    for path in merge.changed(root, f"{head}^{{tree}}", planned.tree):
        content = tree.content(root, planned.tree, path)
        if content is None:
            removed.append(path)
        else:
            contents[path] = content
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    workflows = [path for path in planned.workflows if path in digests or path in removed]
    return said.model_copy(
        update={**facts, "outcome": "clean", "files": digests, "removed": removed, "workflows": workflows}
    )
