"""Puts a plan into the project: everything or nothing. Whatever fails, every file is as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gitops_ml.contracts.base import read_plain, write_text
from gitops_ml.errors import Fault

RAW = Path("data/raw")
SCRATCH = Path(".dvc/tmp")
"""Ignored by git and on the same disk: half-copied tables and things to put back live here."""


@dataclass(frozen=True)
class Change:
    """What to do: ``texts`` are whole files; ``source`` is copied to ``table``, which goes under DVC if ``track``."""

    texts: dict[Path, str]
    source: Path | None
    table: Path
    track: bool
    untrack: bool = False
    """A file of that name is plain git: git forgets it (its index only) before DVC takes it."""
    retire: Path | None = None
    """The table that nothing names any more."""


@dataclass
class Undo:
    """Remembers how to put things back, the last one first."""

    steps: list[Callable[[], object]] = field(default_factory=list)
    litter: list[Path] = field(default_factory=list)

    def text(self, path: Path) -> None:
        """Before a small file is written or removed."""
        before = path.read_bytes() if path.exists() else None
        mode = path.stat().st_mode if before is not None else 0o644

        def back() -> None:
            if before is None:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_bytes() != before:
                path.write_bytes(before)
                path.chmod(mode & 0o7777)

        self.steps.append(back)

    def aside(self, path: Path) -> None:
        """Move a large file out of the way; it comes back, or goes for good in :meth:`forget`."""
        if not path.exists() and not path.is_symlink():
            self.steps.append(lambda: path.unlink(missing_ok=True))
            return
        handle, name = tempfile.mkstemp(dir=SCRATCH, prefix="adopt-")
        os.close(handle)
        os.replace(path, name)
        self.litter.append(Path(name))
        self.steps.append(lambda: os.replace(name, path))

    def back(self) -> None:
        """Put everything back."""
        for step in reversed(self.steps):
            step()
        self.forget()

    def forget(self) -> None:
        """All went well (or is back): remove what was kept aside."""
        for path in self.litter:
            path.unlink(missing_ok=True)


def apply(change: Change) -> None:
    """Carry out a change. Raises :class:`Fault`; then, and after an interrupt, every file is as it was."""
    undo = Undo()
    try:
        _carry_out(change, undo)
    except OSError as wrong:
        undo.back()
        raise Fault(
            f"Writing failed: {wrong.strerror or wrong}. Nothing was changed; make room or rights, and try again."
        ) from None
    except BaseException:
        undo.back()
        raise
    undo.forget()


def _carry_out(change: Change, undo: Undo) -> None:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    if not RAW.is_dir():
        RAW.mkdir(parents=True)
    pointer = pointer_of(change.table)
    ignore = RAW / ".gitignore"
    for path in (pointer, ignore, *change.texts):
        undo.text(path)
    if change.untrack:
        _forget_in_git(change.table, undo)
    if change.source is not None:
        handle, fresh = tempfile.mkstemp(dir=SCRATCH, prefix="adopt-")
        os.close(handle)
        undo.litter.append(Path(fresh))
        shutil.copyfile(change.source, fresh)
        os.chmod(fresh, 0o644)
        undo.aside(change.table)
        os.replace(fresh, change.table)
    if change.track:
        dvc_add(change.table)
    for path, text in change.texts.items():
        write_text(path, text)
    if change.retire is not None:
        _retire(change.retire, undo)


def pointer_of(table: Path) -> Path:
    """data/raw/x.csv -> data/raw/x.csv.dvc"""
    return table.with_name(table.name + ".dvc")


def dvc_add(table: Path) -> None:
    """Put a file under DVC. Raises :class:`Fault` with DVC's own last line."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "add", "--", table.as_posix()],
        capture_output=True, text=True, errors="replace", check=False,
        env={**os.environ, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "true"},
    )  # fmt: skip
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reason = next(
            (line for line in said if line.startswith("ERROR")), " ".join(said[:3]) or "it gave no reason"
        )
        if "No module named dvc" in reason:
            reason = "DVC is not installed here; run it as: uv run gitops-ml adopt ..."
        raise Fault(
            f"DVC could not take {table}: {reason.removeprefix('ERROR: ').rstrip('.')}. Nothing was changed."
        )


def _retire(old: Path, undo: Undo) -> None:
    """Remove a table that is no longer used, with its pointer and its line in .gitignore; never the only copy of its bytes."""
    pointer, ignore = pointer_of(old), RAW / ".gitignore"
    if not safe_to_remove(old):
        return
    if pointer.exists():
        undo.text(pointer)
        pointer.unlink()
    undo.aside(old)
    if ignore.exists():
        lines = [line for line in ignore.read_text("utf-8").splitlines() if line != f"/{old.name}"]
        if lines:
            write_text(ignore, "\n".join(lines) + "\n")
        else:
            ignore.unlink()


def safe_to_remove(table: Path) -> bool:
    """Whether git, or DVC's pointer, still has these bytes (or there are none)."""
    if not table.exists():
        return True
    pointer = pointer_of(table)
    if pointer.exists():
        return pointed_md5(pointer) == md5_of(table)
    return in_git(table) and not git("status", "--porcelain", "--", table.as_posix())


def pointed_md5(pointer: Path) -> str | None:
    """The md5 that a .dvc file names, or None."""
    try:
        content = read_plain(pointer)
        return str(content["outs"][0]["md5"])
    except (Fault, KeyError, IndexError, TypeError):
        return None


def md5_of(path: Path) -> str:
    """The md5 of a file's bytes, as DVC 3 computes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def git(*arguments: str) -> str:
    """What git prints; nothing where there is no repository or no git."""
    try:
        done = subprocess.run(
            ["git", "--literal-pathspecs", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def in_git(path: Path) -> bool:
    """Whether git tracks this file itself."""
    return bool(git("ls-files", "-z", "--", path.as_posix()))


def _forget_in_git(table: Path, undo: Undo) -> None:
    staged = git("ls-files", "-s", "-z", "--", table.as_posix()).rstrip("\0")
    mode, sha, _ = staged.split("\t")[0].split(" ")
    git("update-index", "--force-remove", "--", table.as_posix())
    undo.steps.append(lambda: git("update-index", "--add", "--cacheinfo", f"{mode},{sha},{table.as_posix()}"))


def inside_raw(path: Path) -> Path | None:
    """The path inside the project if a file lies directly in data/raw, else None."""
    try:
        inside = path.resolve().relative_to(RAW.resolve())
    except ValueError:
        return None
    return Path(PurePosixPath(RAW / inside)) if len(inside.parts) == 1 else None
