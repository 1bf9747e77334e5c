"""The chain from the candidate's manifest to every byte that is judged: manifest, lock, objects, reports."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gitops_ml.build import lock as locks
from gitops_ml.build import pipeline
from gitops_ml.build.derived import inside
from gitops_ml.build.seal import object_path
from gitops_ml.contracts.base import Contract
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.training import Training
from gitops_ml.errors import Fault
from gitops_ml.gate.evidence import Forged

LOCK, TRAINING = "dvc.lock", "models/training.json"
AGAIN = "Nothing was judged. Re-run all jobs of the workflow; if it stays, look who can write its artifacts."

T = TypeVar("T", bound=Contract)


@dataclass(frozen=True)
class Source:
    """The candidate's files, and the head's where the build changed nothing; both only as far as the lock bears them out."""

    candidate: Path
    head: Path
    sealed: Candidate

    def check(self) -> None:
        """The lock is the manifest's, names every object, and both name one model."""
        text = self.content(LOCK)
        kind = "sha256" if len(self.sealed.lock) == 64 else "sha1"
        blob = hashlib.new(kind, b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest()
        if blob != self.sealed.lock:
            raise Forged(
                f"{LOCK} is blob {blob[:12]}, the candidate was built from {self.sealed.lock[:12]}. {AGAIN}"
            )
        named = self.named()
        listed: dict[str, str] = {}
        for entry in self.sealed.objects:
            if entry.md5.endswith(".dir") and named.get(entry.path) == entry.md5:
                try:
                    listing = _json(object_path(self.candidate, entry.md5).read_bytes())
                    listed |= {f"{entry.path}/{one['relpath']}": one["md5"] for one in listing}
                except (ValueError, KeyError, TypeError):
                    raise Forged(f"the listing of the folder {entry.path} is not DVC's. {AGAIN}") from None
        pointers = self._pointers()
        for entry in self.sealed.objects:
            if entry.md5 not in (
                named.get(entry.path),
                listed.get(entry.path),
                pointers.get(entry.path),
            ):
                raise Forged(
                    f"{entry.path}: {LOCK} names md5 {named.get(entry.path, 'nothing')}, the candidate holds "
                    f"{entry.md5}. {AGAIN}"
                )
        # Each of the three is an out of some stage, not merely something that a stage reads.
        outs = {path: out.md5 for stage in self._lock().values() for path, out in stage.outs.items()}
        objects = {entry.path: entry.md5 for entry in self.sealed.objects}
        for path in (self.sealed.model.path, TRAINING, self.sealed.test_rows.path):
            if path not in outs or objects.get(path) != outs[path]:
                raise Forged(
                    f"{path} is no out of a stage in {LOCK} with its bytes in the candidate. {AGAIN}"
                )
        try:
            said = _json(object_path(self.candidate, objects[TRAINING]).read_bytes())
        except ValueError:
            raise Forged(f"{TRAINING} is not JSON. Train again: dvc repro -f train") from None
        training = Training.parse(said, TRAINING)
        if training.model.sha256 != self.sealed.model.sha256:
            raise Forged(
                f"{TRAINING} describes model {training.model.sha256[:12]}, the candidate's is "
                f"{self.sealed.model.sha256[:12]}. {AGAIN}"
            )

    def _lock(self) -> locks.Lock:
        return locks.parse(self.content(LOCK).decode("utf-8", "replace"))

    def named(self) -> dict[str, str]:
        """path -> md5 of everything that the lock's stages read or write."""
        found: dict[str, str] = {}
        for stage in self._lock().values():
            found |= dict(stage.deps)
        for stage in self._lock().values():
            found |= {path: out.md5 for path, out in stage.outs.items()}
        return found

    def _pointers(self) -> dict[str, str]:
        """path -> md5 of tables whose `.dvc` file the candidate carries."""

        found: dict[str, str] = {}
        for path in self.sealed.files:
            if path.endswith(".dvc"):
                found |= dict(pipeline.table(self.content(path).decode("utf-8", "replace"), path))
        return found

    def has(self, path: str) -> bool:
        """Whether the candidate, or the head, has this file."""
        return path in self.sealed.files or (
            path not in self.sealed.removed and (self.head / path).is_file() and plain(self.head, path)
        )

    def content(self, path: str) -> bytes:
        """A file of the candidate; of the head where the build did not change it. Raises :class:`Forged` for links."""
        root = self.candidate / "files" if path in self.sealed.files else self.head
        if path in self.sealed.removed or not plain(root, path):
            raise Forged(f"{path} is missing, or no plain file. The pipeline must write it: dvc repro")
        return (root / path).read_bytes()

    def yaml(self, path: str) -> Any:
        """The plain content of a file that people of the pull request wrote, and that the lock may name."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        content = self.content(path)
        self._as_locked(path, content)
        try:
            return YAML(typ="safe", pure=True).load(content.decode("utf-8"))
        except (YAMLError, UnicodeDecodeError) as wrong:
            raise Fault(f"{path} of the pull request cannot be read: {wrong}") from None

    def report(self, path: str, contract: type[T]) -> T:
        """A report, as the lock names it."""
        content = self.content(path)
        self._as_locked(path, content, must=True)
        try:
            return contract.parse(_json(content), path)
        except ValueError:
            raise Forged(f"{path} is not JSON. Write it by the pipeline: dvc repro") from None

    def _as_locked(self, path: str, content: bytes, must: bool = False) -> None:
        """A report edited by hand, behind the lock's back, is not evidence."""
        named, md5 = self.named().get(path), hashlib.md5(content, usedforsecurity=False).hexdigest()
        if named is None and not must:
            return
        if named != md5:
            raise Forged(
                f"{path} is not what {LOCK} names (md5 {md5[:12]}, not {(named or 'named at all')[:12]}): it was "
                "edited by hand. Restore it: dvc repro"
            )


def plain(root: Path, path: str) -> bool:
    """Whether it is a plain file inside the folder, behind no link: strangers write these folders."""
    if not inside(path):
        return False
    current = root
    for part in path.split("/"):
        current = current / part
        try:
            mode = current.lstat().st_mode
        except OSError:
            return False
        if stat.S_ISLNK(mode):
            return False
    return stat.S_ISREG(mode)


def _json(content: bytes) -> Any:
    """JSON without NaN and infinities, which no honest report holds. Raises ValueError."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(content, parse_constant=refuse)
