"""The git-ref store: a tree of objects per ref, read blobless, written by compare-and-swap, without any worktree.

All of it happens in a bare repository that lives for one operation under .dvc/tmp. So the user's clone never becomes a
partial clone, no lock file survives a kill, and bytes that were erased stay in no forgotten copy.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import IO

from gitops_ml.errors import Fault
from gitops_ml.storage import remote_git
from gitops_ml.storage.cache import CHUNK
from gitops_ml.storage.remote_git import Failed
from gitops_ml.storage.scratch import scratch

STORE = "refs/dvc/store"
NAMES = re.compile(r"refs/dvc/(store|pr/[1-9]\d*|branch/[^\s~^:?*\[\\]+)")
ENTRY = re.compile(r"files/md5/([0-9a-f]{2})/([0-9a-f]{30}(?:\.dir)?)")
LOST = re.compile(
    r"stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref|reference already exists|"
    r"incorrect old value|remote ref updated"
)
ATTEMPTS = 60
SAMPLE = 8192
SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.autocrlf": "false",
    "core.bigFileThreshold": "64m",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "maintenance.auto": "false",
    "pack.useSparse": "false",
    "pack.window": "0",  # nothing to gain from deltas of Parquet and zip, and much time to lose
    "protocol.version": "2",
    "push.followTags": "false",
    "push.gpgSign": "false",
}


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Store]:
    """The store of the project's remote, for one operation."""
    with scratch(root / ".dvc" / "tmp" / "gitops-ml-store") as folder:
        yield Store(root, folder)


def check_name(ref: str) -> str:
    """A ref of this store. Raises :class:`Fault` for any other: nothing here may touch a branch or a tag."""
    if not NAMES.fullmatch(ref) or ".." in ref or ref.endswith((".lock", "/", ".")):
        raise Fault(
            f"{ref} is no ref of the storage. It has refs/dvc/store, refs/dvc/pr/N and refs/dvc/branch/B."
        )
    return ref


class Store:
    """Refs of the remote as they were last fetched: ``tips`` by ref, ``entries`` by ref as md5 -> blob id."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.env = remote_git.environment(root) | remote_git.author(root)
        self.tips: dict[str, str] = {}
        self.entries: dict[str, dict[str, str]] = {}
        self._make()

    def _make(self) -> None:
        self._git("init", "--quiet", "--bare", "--template=", ".")
        url, pushed = remote_git.address(self.root), remote_git.address(self.root, push=True)
        lines = ['[remote "origin"]', f"url = {_quoted(url)}", f"pushurl = {_quoted(pushed)}"]
        lines += ["promisor = true", "partialclonefilter = blob:none"]
        lines += ["[extensions]", "partialClone = origin", "[core]", "repositoryformatversion = 1"]
        for key, value in SETTINGS.items():
            section, _, name = key.partition(".")
            lines += [f"[{section}]", f"{name} = {value}"]
        with (self.folder / "config").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self._packs: set[Path] = set()

    def _git(self, *command: str, given: bytes = b"", env: Mapping[str, str] = {}) -> str:
        out = remote_git.call(command, self.folder, self.env | dict(env), given)
        return out.decode("utf-8", "surrogateescape").strip("\n")

    def list(self, *patterns: str) -> dict[str, str]:
        """Refs of the remote by pattern, of the storage unless said otherwise."""
        try:
            out = remote_git.call_remote(
                ["ls-remote", "--quiet", "origin", *(patterns or ("refs/dvc/*",))], self.folder, self.env
            )
        except Failed as failed:
            raise remote_git.explain(failed, self.root, "Asking the remote for its refs") from None
        pairs = (line.split("\t") for line in out.decode("utf-8", "replace").splitlines())
        found = {ref: oid for oid, ref in pairs}
        return found if patterns else {ref: oid for ref, oid in found.items() if NAMES.fullmatch(ref)}

    def load(self, refs: Iterable[str], history: bool = False) -> None:
        """Fetch what these refs hold, without any bytes; a ref that does not exist holds nothing."""
        wanted = list(dict.fromkeys(map(check_name, refs)))
        for attempt in range(remote_git.TRIES):
            there = self.list()
            have = [ref for ref in wanted if ref in there]
            command = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none"]
            command += [] if history else ["--depth=1"]
            command += ["origin", *(f"+{ref}:{_local(ref)}" for ref in have)]
            try:
                if have:
                    remote_git.call_remote(command, self.folder, self.env)
                break
            except Failed as failed:  # deleted between the two questions
                if "find remote ref" not in str(failed) or attempt + 1 == remote_git.TRIES:
                    raise remote_git.explain(failed, self.root, "Reading the storage") from None
        for ref in wanted:
            self.tips.pop(ref, None)
            self.entries[ref] = {}
            if ref in there:
                self.tips[ref] = self._git("rev-parse", _local(ref))
                self.entries[ref] = self._entries(_local(ref))

    def _entries(self, ref: str) -> dict[str, str]:
        found = {}
        for line in filter(None, self._git("ls-tree", "-r", "-z", ref).split("\0")):
            about, _, path = line.partition("\t")
            fits = ENTRY.fullmatch(path)
            if fits:
                found[fits[1] + fits[2]] = about.split()[2]
        return found

    def get(self, blobs: Iterable[str]) -> set[str]:
        """Fetch these blobs in one request; those that the remote does not have, or cannot read, come back."""
        wanted, unavailable = set(blobs), set[str]()
        before = set(self._all_packs())
        command = ["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "origin", "--no-tags"]
        command += ["--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin"]
        while wanted:
            given = "".join(f"{oid}\n" for oid in sorted(wanted)).encode()
            try:
                remote_git.call_remote(command, self.folder, self.env, given)
                break
            except Failed as failed:
                said = set(re.findall(r"[0-9a-f]{40}", str(failed))) & wanted
                if not said:
                    raise remote_git.explain(failed, self.root, "Fetching objects") from None
                unavailable |= said
                wanted -= said
        self._packs |= set(self._all_packs()) - before
        return unavailable

    def _all_packs(self) -> Iterator[Path]:
        return (self.folder / "objects" / "pack").glob("*.pack")

    def read(self, blobs: Sequence[str]) -> Iterator[tuple[str, int, IO[bytes]]]:
        """The bytes of fetched blobs, one after the other: id, size, a stream that must be read to its end."""
        command = ["git", "cat-file", "--batch", "--buffer"]
        names = self.folder / "names"
        names.write_text("".join(f"{oid}\n" for oid in blobs), "ascii")
        with (
            names.open("rb") as given,
            subprocess.Popen(
                command, cwd=self.folder, env=self.env, stdin=given, stdout=subprocess.PIPE, bufsize=CHUNK
            ) as child,
        ):
            assert child.stdout is not None
            for oid in blobs:
                head = child.stdout.readline().split()
                if len(head) != 3:
                    raise Fault(f"git cannot read the object {oid} that it has just fetched. Run this again.")
                yield oid, int(head[2]), child.stdout
                child.stdout.read(1)

    def drop_bytes(self) -> None:
        """Give back the space of fetched blobs; refs and trees stay."""
        for pack in self._packs:
            for file in pack.parent.glob(f"{pack.stem}.*"):
                file.unlink(missing_ok=True)
        self._packs.clear()

    def put(self, path: Path) -> tuple[str, str, int, int]:
        """A file as a blob, unchanged by any filter or attribute of git's: md5, blob id, size, level of zlib.

        Written as git writes a loose object: one reading for both hashes, on every core, where git would need four.
        """
        handle, name = tempfile.mkstemp(dir=self.folder / "objects")
        with path.open("rb", buffering=0) as file, os.fdopen(handle, "wb", buffering=0) as out:
            size = left = os.fstat(file.fileno()).st_size
            head = b"blob %d\0" % size
            sample = file.read(SAMPLE)
            file.seek(0)
            # To compress again what is compressed costs seconds and saves nothing.
            level = int(len(zlib.compress(sample, 1)) < 0.9 * len(sample))
            md5, sha1 = hashlib.md5(usedforsecurity=False), hashlib.sha1(head, usedforsecurity=False)
            squeezed = zlib.compressobj(level)
            _all(out, squeezed.compress(head))
            while left and (chunk := file.read(min(CHUNK, left))):
                md5.update(chunk)
                sha1.update(chunk)
                _all(out, squeezed.compress(chunk))
                left -= len(chunk)
            _all(out, squeezed.flush())
        if left:
            raise Fault(f"{path} became shorter while it was read. Nothing was pushed; run this again.")
        oid = sha1.hexdigest()
        target = self.folder / "objects" / oid[:2] / oid[2:]
        target.parent.mkdir(exist_ok=True)
        os.replace(name, target)
        return md5.hexdigest(), oid, size, level

    def append(self, ref: str, entries: Mapping[str, str], message: str, level: int = 0) -> int:
        """Add entries (md5 -> blob id) to a ref; who loses a race reads again and replays. The number of new ones."""
        for attempt in range(ATTEMPTS):
            tip, have = self.tips.get(ref), self.entries.get(ref, {})
            new = {md5: oid for md5, oid in entries.items() if have.get(md5) != oid}
            if not new:
                return 0
            commit = self._commit(tip, {_path(md5): oid for md5, oid in new.items()}, message, tip)
            if self._push(ref, tip, commit, level):
                self.tips[ref], self.entries[ref] = commit, have | new
                return len(new)
            remote_git.pause(attempt)
            self.load([ref])
        raise Fault(
            f"{ref} is written by others all the time: {ATTEMPTS} attempts were too slow. Run this again."
        )

    def rewrite(self, ref: str, gone: Iterable[str], message: str) -> None:
        """Give a ref a first commit without these md5s: the commits that held them are no longer part of it."""
        removed = set(gone)
        for attempt in range(ATTEMPTS):
            tip = self.tips.get(ref)
            if tip is None:
                return
            away: dict[str, str | None] = {_path(md5): None for md5 in removed & self.entries[ref].keys()}
            commit = self._commit(tip, away, message, None)
            if self._push(ref, tip, commit):
                self.tips[ref] = commit
                return
            remote_git.pause(attempt)
            self.load([ref], history=True)
        raise Fault(f"{ref} is written by others all the time. Stop them, then run this again.")

    def delete(self, ref: str) -> None:
        """Remove a ref from the remote; nothing if it is gone."""
        for attempt in range(ATTEMPTS):
            tip = self.list().get(check_name(ref))
            if tip is None or self._push(ref, tip, ""):
                return
            remote_git.pause(attempt)
        raise Fault(f"{ref} is written by others all the time. Stop them, then run this again.")

    def ever_held(self, ref: str, md5: str) -> bool:
        """Whether the ref's history, loaded with ``history``, has an entry for this md5."""
        return bool(self._git("rev-list", "-1", _local(ref), "--", _path(md5)))

    def _commit(
        self, tip: str | None, change: Mapping[str, str | None], message: str, parent: str | None
    ) -> str:
        index = {"GIT_INDEX_FILE": str(self.folder / "index")}
        self._git("read-tree", *([tip] if tip else ["--empty"]), env=index)
        lines = (
            f"100644 {oid}\t{path}" if oid else f"0 {'0' * 40}\t{path}"
            for path, oid in sorted(change.items())
        )
        self._git("update-index", "-z", "--index-info", given="\0".join([*lines, ""]).encode(), env=index)
        tree = self._git("write-tree", "--missing-ok", env=index)
        parents = ["-p", parent] if parent else []
        return self._git("commit-tree", tree, *parents, given=message.encode())

    def _push(self, ref: str, tip: str | None, commit: str, level: int = 0) -> bool:
        """Move the ref from ``tip`` to ``commit`` and from nothing else; False if it is no longer there."""
        # Only in a shallow repository, and for a thin pack, does git take all that the remote's refs hold for sent.
        # Otherwise it would look for blobs that we never fetched. (Deltas are off: nothing else is thin about it.)
        if self.tips:
            shallow = "".join(f"{oid}\n" for oid in sorted(set(self.tips.values())))
            (self.folder / "shallow").write_text(shallow, "ascii")
        command = [
            "-c",
            f"pack.compression={level}",
            "push",
            "--porcelain",
            "--no-verify",
            "--thin",
            f"--force-with-lease={ref}:{tip or ''}",
        ]
        try:
            remote_git.call_remote([*command, "origin", f"{commit}:{ref}"], self.folder, self.env)
        except Failed as failed:
            if LOST.search(str(failed)):
                return False
            raise remote_git.explain(failed, self.root, f"Writing {ref}") from None
        return True


def _path(md5: str) -> str:
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def _local(ref: str) -> str:
    return "refs/gitops-ml/" + ref.removeprefix("refs/dvc/")


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _all(out: FileIO, content: bytes) -> None:
    """Write it whole: a raw file may take less at once."""
    view = memoryview(content)
    while view:
        view = view[out.write(view) :]
