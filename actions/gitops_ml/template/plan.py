"""What an update would make of a commit: the versions, the merge, the lock file that goes with it. Changes nothing."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from gitops_ml import shell
from gitops_ml.contracts.answers import AnswersFile
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.template import merge, source
from gitops_ml.template.render import FILE, environment, render

WORKFLOWS, SUITE = ".github/workflows/", ".github/actions/"
# What decides the bytes of a model, or the numbers about it.
RECIPE = ("src/", "params.yaml", "dvc.yaml", "schema.yaml", "pyproject.toml")
LOCKED = ("pyproject.toml", f"{SUITE}pyproject.toml")


@dataclass(frozen=True)
class Planned:
    """``tree``: the merged result, the lock file brought up to date; with conflict markers where there are conflicts."""

    old: str
    new: str
    source: str | None
    theirs: str
    tree: str
    conflicts: list[str]
    wanted: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"Template {self.old} -> {self.new}"

    @property
    def workflows(self) -> list[str]:
        """Workflow files that the template changed."""
        return [path for path in self.wanted if path.startswith(WORKFLOWS)]


@dataclass(frozen=True)
class Step:
    """From which version to which."""

    source: source.Source
    old: str
    new: str

    @property
    def newer(self) -> bool:
        return source.number(self.new) > source.number(self.old)


def answers_of(root: Path, revision: str) -> AnswersFile:
    """.gitops-ml.yaml as a revision has it. Raises :class:`Fault`."""
    found = tree.plain(root, revision, FILE)
    if found is None:
        raise Fault(
            f"{FILE} is not in git: it holds the answers that made this project, and without them no template can be "
            "rendered for it. Bring it back from an older commit: git log -- .gitops-ml.yaml"
        )
    return AnswersFile.parse(found, FILE)


def step(answers: AnswersFile, given: str | None, to: str | None) -> Step:
    """From the recorded version to the wanted one, or the newest. Raises :class:`Fault` for one that is not there, or older."""
    where = source.source_of(answers, given)
    there = source.versions(where)
    new = to.removeprefix("v") if to else there[-1]
    if to and new not in there:
        source.number(new)
        raise Fault(f"the template has no version {new}. It has: {', '.join(there[-8:])}")
    found = Step(where, answers.version, new)
    if to and source.number(new) < source.number(answers.version):
        raise Fault(
            f"this project has version {answers.version}, which is newer than {new}. To go back, revert the commit of the "
            'update: git log --grep "^Template "'
        )
    return found


def plan(root: Path, revision: str, answers: AnswersFile, wish: Step, scratch: Path) -> Planned:
    """Render, merge, lock. ``scratch``: a folder of this run's own. Raises :class:`Fault`; nothing has changed then."""
    if shell.git(root, "rev-parse", "--show-prefix"):
        raise Fault(
            "the project is a folder inside a repository: its template holds files that belong to the top of one "
            "(.github). Update it by hand."
        )
    template = source.fetch(wish.source, wish.new, scratch)
    newer = merge.tree_of(root, render(template, wish.new, answers, scratch), wish.source.name)
    older = merge.untouched(root, revision, wish.old, answers.source) or _older(root, answers, wish, scratch)
    title = f"Template {wish.old} -> {wish.new}"
    merged = merge.merge(root, revision, older, newer, title)
    made, notes = (merged.tree, []) if merged.conflicts else lock(root, revision, merged.tree, scratch)
    if any(path.startswith(RECIPE) for path in merge.changed(root, f"{revision}^{{tree}}", made)):
        notes.append("The model will be built again by CI: what makes it has changed.")
    return Planned(
        wish.old, wish.new, wish.source.name, merged.theirs, made, merged.conflicts, merged.wanted, notes
    )


def _older(root: Path, answers: AnswersFile, wish: Step, scratch: Path) -> str:
    """The older version, rendered again: the project's first commit is of another one, or not here."""
    if wish.old not in source.versions(wish.source):
        raise Fault(
            f"version {wish.old}, which this project has, is not among the template's tags, and the project's first commit "
            "is not it. Without it nobody can tell what the team changed. Name the template that has it: --source"
        )
    template = source.fetch(wish.source, wish.old, scratch)
    return merge.tree_of(root, render(template, wish.old, answers, scratch), answers.source)


def lock(root: Path, revision: str, made: str, scratch: Path) -> tuple[str, list[str]]:
    """The tree with uv.lock as uv makes it of the merged pyproject.toml; and what is left to do where uv cannot."""
    differing = set(merge.changed(root, f"{revision}^{{tree}}", made))
    if tree.content(root, made, "uv.lock") is None or differing.isdisjoint(LOCKED):
        return made, []
    folder = scratch / "lock"
    for path in ("uv.lock", *LOCKED):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(tree.content(root, made, path) or b"")
    uv = shutil.which("uv", path=shell.environment()["PATH"])
    command = [uv or "uv", "lock", "--quiet", "--project", str(folder)]
    if uv is not None:
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, check=False)
        if done.returncode == 0:
            return merge.with_file(root, made, "uv.lock", (folder / "uv.lock").read_bytes()), []
    return made, ["uv.lock is not up to date, and could not be made here: run `uv lock`, and commit it."]
