"""Bytes come in from git refs: only what is wanted, in one request, each object hashed before anybody may use it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from gitops_ml.errors import Fault
from gitops_ml.storage.cache import CHUNK, Cache
from gitops_ml.storage.objects import Named, members
from gitops_ml.storage.refs import Store
from gitops_ml.storage.report import Kind, Loss
from gitops_ml.storage.scratch import scratch

# What is held twice for a moment: in git's pack and in the cache.
AT_ONCE = 1_500_000_000


class Sink:
    """Where checked bytes go. This one only hashes; folders' listings are kept, because they name more objects."""

    def __init__(self) -> None:
        self.listings: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self.blobs: dict[str, str] = {}  # md5 -> the blob id that was found to be right

    def take(self, stream: IO[bytes], size: int, oid: str, wants: Sequence[Named]) -> dict[str, Kind]:
        """Read one blob to its end; for each md5 that it should be and is not, what it is instead."""
        hashed, text = hashlib.md5(usedforsecurity=False), b""
        listing = any(want.md5.endswith(".dir") for want in wants)
        with self.file() as file:
            left = size
            while left:
                chunk = stream.read(min(CHUNK, left))
                if not chunk:
                    raise Fault(f"git stopped in the middle of the object {oid}. Run this again.")
                left -= len(chunk)
                hashed.update(chunk)
                text += chunk if listing else b""
                if file:
                    file.write(chunk)
        wrong: dict[str, Kind] = {}
        for want in wants:
            if hashed.hexdigest() != want.md5.removesuffix(".dir"):
                short = want.size is not None and size < want.size
                wrong[want.md5] = "truncated" if short else "corrupted"
                continue
            if want.md5.endswith(".dir"):
                self.listings[want.md5] = text
            self.sizes[want.md5], self.blobs[want.md5] = size, oid
            self.keep(want.md5)
        return wrong

    @contextlib.contextmanager
    def file(self) -> Iterator[IO[bytes] | None]:
        """A file for the bytes, if they are to be kept."""
        yield None

    def keep(self, md5: str) -> None:
        """The bytes of the file just written are this object."""


class IntoCache(Sink):
    """Keeps what is right in DVC's cache."""

    def __init__(self, cache: Cache, folder: Path) -> None:
        super().__init__()
        self.cache, self.folder = cache, folder
        self._file: Path | None = None
        self._kept = ""

    @contextlib.contextmanager
    def file(self) -> Iterator[IO[bytes] | None]:
        handle, name = tempfile.mkstemp(dir=self.folder)
        self._file = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file

    def keep(self, md5: str) -> None:
        assert self._file is not None
        if not self._file.exists():  # the same bytes are two objects: a folder's listing, and a file like it
            shutil.copyfile(self.cache.path(self._kept), self._file)
        self.cache.keep(self._file, md5)
        self._kept = md5


@contextlib.contextmanager
def into_cache(cache: Cache) -> Iterator[IntoCache]:
    """A sink beside the cache, on the same file system: what is right moves in by one rename."""
    with scratch(cache.base / "gitops-ml-tmp") as folder:
        yield IntoCache(cache, folder)


def receive(
    store: Store, wants: Iterable[Named], groups: Iterable[Sequence[str]], sink: Sink
) -> dict[str, Loss]:
    """Fetch and check every wanted object; what could not be had, by md5.

    ``groups``: refs, group after group; the next group is only looked at for what the ones before did not have.
    Where several refs hold different bytes for one md5, the next candidate is tried: a poisoned one hides no good one.
    """
    left = {want.md5: want for want in wants}
    tried: set[tuple[str, str]] = set()
    found: dict[str, Loss] = {}
    for group in groups:
        if not left:
            break
        store.load(ref for ref in group if ref not in store.entries)
        while batch := _next(store, left, group, tried):
            for part in _parts(batch, left):
                _take(store, part, left, found, sink)
    return {md5: found.get(md5, Loss("missing", md5, want.path)) for md5, want in left.items()}


def with_members(
    store: Store, wants: Iterable[Named], groups: Sequence[Sequence[str]], sink: Sink
) -> tuple[list[Named], dict[str, Loss]]:
    """The same, folders first and then, in one request, all files and what stands in the folders.

    What the sink knows already is not asked for. Every object that was meant comes back, with the losses.
    """
    everything = list(wants)
    folders = {want.md5: want for want in everything if want.md5.endswith(".dir")}
    lost = receive(store, [want for md5, want in folders.items() if md5 not in sink.listings], groups, sink)
    for want in [want for want in everything if want.md5.endswith(".dir")]:
        if want.md5 in sink.listings:
            everything += members(want, sink.listings[want.md5])
    return everything, lost | receive(
        store, [want for want in everything if want.md5 not in folders | sink.blobs], groups, sink
    )


def _next(
    store: Store, left: Mapping[str, Named], group: Sequence[str], tried: set[tuple[str, str]]
) -> dict[str, list[str]]:
    """The next untried blob of each md5 that is left: blob id -> the md5s that it may be."""
    batch: dict[str, list[str]] = {}
    for md5 in left:
        for ref in group:
            oid = store.entries.get(ref, {}).get(md5)
            if oid and (md5, oid) not in tried:
                tried.add((md5, oid))
                batch.setdefault(oid, []).append(md5)
                break
    return batch


def _parts(batch: Mapping[str, list[str]], left: Mapping[str, Named]) -> Iterator[dict[str, list[str]]]:
    part: dict[str, list[str]] = {}
    total = 0
    for oid, md5s in batch.items():
        size = left[md5s[0]].size or 0
        if part and total + size > AT_ONCE:
            yield part
            part, total = {}, 0
        part[oid] = md5s
        total += size
    if part:
        yield part


def _take(
    store: Store,
    part: Mapping[str, list[str]],
    left: dict[str, Named],
    found: dict[str, Loss],
    sink: Sink,
) -> None:
    unavailable = store.get(part)
    for oid, size, stream in store.read([oid for oid in part if oid not in unavailable]):
        wants = [left[md5] for md5 in part[oid]]
        wrong = sink.take(stream, size, oid, wants)
        for want in wants:
            if want.md5 in wrong:
                found[want.md5] = Loss(wrong[want.md5], want.md5, want.path)
            else:
                del left[want.md5]
    store.drop_bytes()
