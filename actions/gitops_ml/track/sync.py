"""Logs every dvc.lock that MLflow does not have yet; asks nobody when there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gitops_ml.contracts.base import read_plain
from gitops_ml.track import aliases, index
from gitops_ml.track.places import Found, find
from gitops_ml.track.record import Stale, read


@dataclass
class Result:
    """What a sync did: runs made, locks known before, and what could not be logged, with the command that helps."""

    label: str
    new: list[str] = field(default_factory=list)
    known: int = 0
    moved: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """One line for a person."""
        also = f"; alias {', '.join(self.moved)}" if self.moved else ""
        return self._runs + also

    @property
    def _runs(self) -> str:
        if self.new:
            noun = "run" if len(self.new) == 1 else "runs"
            return f"tracked {len(self.new)} new {noun} in {self.label}: {', '.join(self.new)}"
        if self.known:
            return f"nothing new to track in {self.label} ({self.known} known)"
        return f"nothing to track in {self.label} yet"


def answers(root: Path) -> dict[str, str]:
    """The answers of .gitops-ml.yaml as texts; a project without the file is named after its folder."""
    content = read_plain(root / ".gitops-ml.yaml") if (root / ".gitops-ml.yaml").exists() else {}
    given = content.get("answers", {}) if isinstance(content, dict) else {}
    texts = {str(key): str(value) for key, value in given.items() if value is not None}
    return {"project_slug": root.name, **{key: text for key, text in texts.items() if text}}


def waiting(root: Path) -> list[Found]:
    """Locks that the index does not know yet, workspace and HEAD and experiments."""
    where = index.target(root, answers(root).get("mlflow_tracking_uri", ""))
    known = index.load(where).get(index.key(where), {})
    return [found for found in find(root) if found.key not in known]


def sync(
    root: Path,
    force: bool = False,
    history: bool = False,
    say: Callable[[str], None] = lambda text: None,
    proofs: str | None = None,
) -> Result:
    """Log what is missing, and make each environment's alias name what it serves.

    ``force`` asks the store also about what the index knows; ``history`` adds older commits; ``proofs``: see
    :func:`gitops_ml.track.aliases.served`.

    Raises :class:`Fault` if the store cannot be reached; what was logged before stays logged.
    """
    given = answers(root)
    where = index.target(root, given.get("mlflow_tracking_uri", ""))
    result = Result(where.label)
    locks = find(root, history)
    with index.alone(where.folder):
        known_to_all = index.load(where)
        if index.moved(where, known_to_all):
            aside = index.set_aside(where)
            known_to_all = index.forget(known_to_all)
            result.notes.append(
                f"the project was moved: its runs are logged anew, the old store is {aside.name}"
            )
        known = known_to_all.setdefault(index.key(where), {})
        due = [found for found in locks if force or _due(found, known)]
        result.known = len(locks) - len(due)
        pointed = [
            one
            for one in aliases.served(root, where.embedded, proofs)
            if force or proofs is not None or not aliases.done(one, known)
        ]
        if not due and not pointed:
            return result
        records = []
        for found in due:
            try:
                records.append(read(found, given.get("package_name")))
            except Stale as stale:
                if found.key in known:  # logged once already; the files have moved on since
                    result.known += 1
                    continue
                title = found.places[0].title
                result.notes.append(
                    f"{title} not tracked: stale ({stale}). Bring it up to date: gitops-ml reproduce"
                )
        if not records and not pointed:
            return result
        from gitops_ml.track.store import Store

        say(f"recording in {where.label} ...")
        store = Store(where, given["project_slug"])
        for record in records:
            run, new = store.log(record)
            known[record.key] = {"run": run, "commit": record.commit}
            index.save(where, known_to_all)
            if new:
                result.new.append(record.title)
            else:
                result.known += 1
            if record.missing:
                result.notes.append(f"{record.title} is tracked without its model: {record.missing}")
        package, note = given.get("package_name"), result.notes.append
        result.moved = aliases.all_of(
            root, store, pointed, known, package, note, lambda: index.save(where, known_to_all)
        )
    return result


def _due(found: Found, known: index.Known) -> bool:
    """Not logged yet, or logged before it was committed."""
    entry = known.get(found.key)
    return entry is None or (entry.get("commit") is None and found.commit is not None)
