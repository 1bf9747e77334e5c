"""The candidate's folder: derived files, objects and manifest, each by digest; it appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import __version__
from gitops_ml.build import lock as locks
from gitops_ml.build import pipeline as pipelines
from gitops_ml.build import trees
from gitops_ml.build.derived import inside, is_derived, is_source_pointer
from gitops_ml.build.trees import Side
from gitops_ml.contracts.candidate import Again, Candidate, StoredObject
from gitops_ml.contracts.training import Artifact, Training
from gitops_ml.errors import Fault

TRAINING = "models/training.json"
TEST_ROWS = "data/prepared/test.parquet"
LIMIT = 100 * 1024 * 1024
"""Bytes of one file in git that hosts refuse."""


@dataclass(frozen=True)
class Sealed:
    """A candidate and the sha256 of its manifest."""

    candidate: Candidate
    digest: str

    @property
    def changed(self) -> bool:
        """Whether there is something to commit."""
        return bool(self.candidate.files or self.candidate.removed)


def kept_outs(pipeline: pipelines.Pipeline, lock: locks.Lock) -> dict[str, tuple[str, locks.Out]]:
    """Path -> (stage, out) of what DVC keeps, of the stages that dvc.yaml still has."""
    return {
        path: (name, out)
        for name, entry in lock.items()
        for path, out in entry.outs.items()
        if (stage := pipelines.stage_of(pipeline, name)) is not None and not stage.in_git(path)
    }


def git_outs(pipeline: pipelines.Pipeline, lock: locks.Lock) -> list[str]:
    """Paths of what git keeps (``cache: false``)."""
    return [
        path
        for name, entry in lock.items()
        for path in entry.outs
        if (stage := pipelines.stage_of(pipeline, name)) is not None and stage.in_git(path)
    ]


def wanted_objects(head: Path, pipeline: pipelines.Pipeline, moved: Sequence[str]) -> list[tuple[str, str]]:
    """(path, md5) of every object the candidate carries: what DVC keeps of the lock, and tables that moved."""
    found = [(path, out.md5) for path, (_, out) in kept_outs(pipeline, locks.read(head)).items()]
    for pointer in moved:
        found += pipelines.table((head / pointer).read_text("utf-8"), pointer).items()
    return found


def seal(
    head: Path,
    out: Path,
    *,
    side: Side,
    pipeline: pipelines.Pipeline,
    cache: Path,
    commit: str,
    merged: str | None,
    moved: Sequence[str],
    ran: Sequence[str],
    seconds: dict[str, float],
    again: Again | None = None,
) -> Sealed:
    """Write the candidate of what the folder ``head`` holds. Raises :class:`Fault`; ``out`` is then as it was."""
    text = read_plainly(head, locks.FILE)
    lock = locks.parse(text.decode("utf-8", "replace"))
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        files, removed = _files(head, side, lock, pipeline, moved, everything=merged is not None)
        for path, content in files.items():
            target = partial / "files" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        objects = list(_objects(cache, partial, wanted_objects(head, pipeline, moved)))
        found = {entry.path: entry for entry in objects}
        training = _training(head, partial, found)
        candidate = Candidate(
            version=1,
            head=commit,
            merged=merged,
            lock=blob_of(text, side),
            stages=list(ran),
            files={path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
            removed=removed,
            objects=objects,
            model=_model(training, partial, found),
            test_rows=_named(found, TEST_ROWS, "the rows that both models are judged on"),
            suite=__version__,
            platform=f"{platform.system()} {platform.machine()}, Python {training.platform.python}",
            seconds=seconds,
            again=again,
        )
        candidate.write_json(partial / "manifest.json")
        digest = sha256_of(partial / "manifest.json")
        _appear(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Sealed(candidate, digest)


def _appear(partial: Path, out: Path) -> None:
    """Put the whole folder in its place in one step."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        os.rename(out, old)
    os.rename(partial, out)
    shutil.rmtree(old, ignore_errors=True)


# ---------------------------------------------------------------- files of git


def _files(
    head: Path,
    side: Side,
    lock: locks.Lock,
    pipeline: pipelines.Pipeline,
    moved: Sequence[str],
    everything: bool,
) -> tuple[dict[str, bytes], list[str]]:
    """Derived files to commit, and those of the commit that are no more. ``everything``: also what did not change."""
    outs = git_outs(pipeline, lock)
    for path in outs:
        if not is_derived(path) and not is_derived(f"{path}/x"):
            raise Fault(
                f"dvc.yaml keeps {path} in git (cache: false), and CI commits only dvc.lock, MODEL_CARD.md and "
                "what lies in reports/. Write it to reports/, or let DVC keep it (remove cache: false)."
            )
    now = {path: read_plainly(head, path) for path in walk(head, [locks.FILE, *outs])}
    hidden = [path for path in now if not is_derived(path)]
    if hidden:
        raise Fault(
            f"{hidden[0]} is among the results, and CI commits no hidden files. Do not write it there."
        )
    for pointer in moved:
        if not is_source_pointer(pointer):
            raise Fault(f"{pointer} is no pointer of a table in data/raw; CI does not commit it.")
        now[pointer] = read_plainly(head, pointer)
    before = trees.listed(head, side.revision, locks.FILE, *outs, *moved)
    large = [path for path, content in now.items() if len(content) > LIMIT]
    if large:
        raise Fault(
            f"{large[0]} has {len(now[large[0]]):,} bytes, and hosts refuse files over 100 MB in git. "
            "Let DVC keep it: remove `cache: false` in dvc.yaml."
        )
    files = {
        path: content
        for path, content in now.items()
        if everything or before.get(path, ("", ""))[1] != blob_of(content, side)
    }
    return files, sorted(path for path in before if path not in now)


def walk(head: Path, paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        full = head / path
        if full.is_dir() and not full.is_symlink():
            for folder, folders, names in os.walk(full):
                folders.sort()
                links = [name for name in folders if (Path(folder) / name).is_symlink()]
                for name in sorted([*names, *links]):
                    yield (Path(folder) / name).relative_to(head).as_posix()
        elif os.path.lexists(full):
            yield path


def read_plainly(head: Path, path: str) -> bytes:
    """Bytes of a plain file below ``head``. Raises :class:`Fault`: outside, missing, a link, a device."""
    if not inside(path):
        raise Fault(f"{path!r} does not lie inside the project; CI does not read it.")
    current = head
    for part in path.split("/"):
        current = current / part
        try:
            mode = current.lstat().st_mode
        except OSError:
            raise Fault(f"{path} is missing after the build. Its stage must write it.") from None
        if stat.S_ISLNK(mode):
            raise Fault(f"{path} is, or lies behind, a symbolic link; CI commits plain files only.")
    if not stat.S_ISREG(mode):
        raise Fault(f"{path} is not a plain file.")
    return current.read_bytes()


def blob_of(content: bytes, side: Side) -> str:
    """The id that git gives to these bytes."""
    ids = [oid for _, oid in side.files.values()]
    kind = "sha256" if ids and len(ids[0]) == 64 else "sha1"
    return hashlib.new(kind, b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


# ---------------------------------------------------------------- objects of DVC


def object_path(folder: Path, md5: str) -> Path:
    """Where a candidate holds an object."""
    return folder / "objects" / md5[:2] / md5[2:]


def _objects(cache: Path, partial: Path, wanted: Sequence[tuple[str, str]]) -> Iterator[StoredObject]:
    """Copy each object, checked; folders with what stands in them."""
    for path, md5 in sorted(wanted):
        size = _copy(cache, partial, path, md5)
        yield StoredObject(md5=md5, size=size, path=path)
        if md5.endswith(".dir"):
            for name, member in _members(object_path(partial, md5), path):
                yield StoredObject(md5=member, size=_copy(cache, partial, name, member), path=name)


def _members(listing: Path, path: str) -> list[tuple[str, str]]:
    try:
        entries = [
            (f"{path}/{entry['relpath']}", str(entry["md5"])) for entry in json.loads(listing.read_bytes())
        ]
    except (ValueError, KeyError, TypeError):
        raise Fault(
            f"the listing of the folder {path} is not DVC's. Build it again: dvc repro --force"
        ) from None
    for name, md5 in entries:
        if not inside(name) or len(md5) != 32 or not md5.isalnum():
            raise Fault(f"the listing of the folder {path} names {name!r}; CI does not carry it.")
    return entries


def _copy(cache: Path, partial: Path, path: str, md5: str) -> int:
    source, target = cache / "files" / "md5" / md5[:2] / md5[2:], object_path(partial, md5)
    if source.is_symlink() or not source.is_file():
        raise Fault(
            f"the bytes of {path} (md5 {md5}) are in no storage that this build can read. Upload them where they are: "
            "gitops-ml storage push; or build them: dvc repro"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with source.open("rb") as left, target.open("wb") as right:
        while piece := left.read(1 << 20):
            digest.update(piece)
            right.write(piece)
            size += len(piece)
    if digest.hexdigest() != md5.removesuffix(".dir"):
        raise Fault(
            f"the bytes of {path} are not what dvc.lock names (md5 {digest.hexdigest()}, not {md5}): damaged, or "
            "changed by hand. Build them again: dvc repro --force"
        )
    return size


def _named(found: dict[str, StoredObject], path: str, what: str) -> StoredObject:
    if path not in found:
        raise Fault(
            f"no stage of dvc.yaml makes {path} ({what}), or git keeps it. List it under a stage's outs, without "
            "cache: false."
        )
    return found[path]


def _training(head: Path, partial: Path, found: dict[str, StoredObject]) -> Training:
    stored = found.get(TRAINING)
    content = (
        read_plainly(head, TRAINING) if stored is None else object_path(partial, stored.md5).read_bytes()
    )
    try:
        return Training.parse(json.loads(content), TRAINING)
    except ValueError:
        raise Fault(
            f"{TRAINING} is not JSON. The train stage must write it (see models/training.json in the docs)."
        ) from None


def _model(training: Training, partial: Path, found: dict[str, StoredObject]) -> Artifact:
    stored = _named(found, training.model.path, "the model that models/training.json names")
    path = object_path(partial, stored.md5)
    if stored.md5.endswith(".dir") or sha256_of(path) != training.model.sha256:
        raise Fault(
            f"{TRAINING} names another model (sha256 {training.model.sha256}) than the one at {training.model.path}. "
            "Both must come from one run of train."
        )
    return Artifact(path=training.model.path, sha256=training.model.sha256, size=stored.size)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
