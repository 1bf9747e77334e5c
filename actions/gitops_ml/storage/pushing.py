"""`storage push` and the release's copy: objects are hashed, held against the host's limits, and only then given away."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gitops_ml import shell
from gitops_ml.card.markdown import bytes_
from gitops_ml.errors import Fault
from gitops_ml.storage import remote
from gitops_ml.storage.cache import Cache, identify, side_by_side
from gitops_ml.storage.objects import MD5, Named, expand, members, named
from gitops_ml.storage.receive import Sink, with_members
from gitops_ml.storage.refs import STORE, Store, check_name, opened
from gitops_ml.storage.report import Loss, Report, count, refuse

BLOB_LIMIT = 100 * 1024 * 1024  # GitHub refuses a larger one; GITOPS_ML_BLOB_LIMIT for another host
PUSH_LIMIT = 1_900_000_000  # GitHub refuses a push of 2 GB
SMALL = 1_000_000  # not worth a push of its own


@dataclass(frozen=True)
class Local:
    """An object of this machine, hashed just now."""

    md5: str
    path: Path
    name: str
    size: int
    blob: str
    level: int  # of zlib, for the pack


def push(
    root: Path,
    ref: str,
    objects: Iterable[str] | None = None,
    *,
    source: Path | None = None,
    revision: str | None = None,
) -> Report:
    """Append objects (md5s; default: what lock and .dvc files name and is here) to a ref of the storage.

    ``source``: a candidate's ``objects`` folder in place of DVC's cache; the default is then all that it holds.
    Every object is hashed before anything leaves; one that is stored with other bytes is set right.
    Raises :class:`Fault` for a damaged, unknown or too large object: nothing was pushed then.
    """
    report = Report("pushed", f"to {ref}")
    check_name(ref)
    paths = _chosen(root, objects, source, revision, report)
    if remote.kind(root) == "git":
        _within_limit(root, paths)
        with opened(root) as store:
            store.load([ref, STORE])
            _send(store, ref, _hashed(paths, store), report)
    else:
        remote.push(root, [(each.md5, each.path, each.size) for each in _hashed(paths, None)], report)
    return report.done()


def copy(root: Path, wanted: Iterable[str], *, sources: Sequence[str], destination: str) -> Report:
    """Copy objects (md5s) and what stands in folders between refs, each read and hashed first.

    One that the destination holds is checked as well, and set right from the sources if it is damaged.
    Raises :class:`Fault` that names every missing or poisoned object; nothing was copied then.
    """
    report = Report("copied", f"from {', '.join(sources)} to {destination}")
    names = {entry.md5: entry for entry in named(root)}
    entries = [names.get(md5, Named(_md5(md5), None, md5)) for md5 in dict.fromkeys(wanted)]
    if remote.kind(root) == "remote":
        return _copy_remote(root, entries, report)
    with opened(root) as store:
        order = list(dict.fromkeys([check_name(destination), *map(check_name, sources)]))
        store.load(order)
        sink = Sink()
        _known_here(root, store, entries, sink, order)
        asked, lost = with_members(store, entries, [order], sink)
        refuse(
            lost.values(),
            f"{count(len(lost))} cannot be copied from {', '.join(sources)} to {destination}:",
            "Nothing was copied. Build the pull request again, or push the objects from where they are: "
            f"{shell.prefix(root)}gitops-ml storage push",
        )
        wholes = {entry.md5 for entry in asked}
        report.objects = store.append(
            destination, {md5: sink.blobs[md5] for md5 in wholes}, _message(wholes, sink.sizes)
        )
        report.present = len(wholes) - report.objects
        report.bytes = sum(sink.sizes.values()) if report.objects else 0
    return report.done()


def _known_here(root: Path, store: Store, entries: list[Named], sink: Sink, order: Sequence[str]) -> None:
    """What need not come over the network to be checked: the right bytes are here, so their blob id is known."""
    cache = Cache(root)
    for entry in expand(entries, cache.read):
        if not cache.has(entry.md5):
            continue
        md5, blob, size = identify(cache.path(entry.md5))
        held = any(store.entries[ref].get(entry.md5) == blob for ref in order)
        if held and md5 == entry.md5.removesuffix(".dir"):
            sink.blobs[entry.md5], sink.sizes[entry.md5] = blob, size
            if entry.md5.endswith(".dir"):
                sink.listings[entry.md5] = cache.path(entry.md5).read_bytes()


def _copy_remote(root: Path, entries: list[Named], report: Report) -> Report:
    """With an object store there is one place: what DVC can fetch, hash and find there is released."""
    from gitops_ml.storage.pulling import bring

    lost = bring(root, Cache(root), entries, None, report)
    lost |= {
        md5: Loss(kind, md5, md5)
        for md5, kind in remote.check(root, [entry.md5 for entry in entries]).items()
    }
    refuse(
        lost.values(),
        f"{count(len(lost))} cannot be had from {remote.url(root)}:",
        f"Push them from where they are: {shell.prefix(root)}gitops-ml storage push",
    )
    report.where = f"in {remote.url(root)}"
    return report.done()


def _chosen(
    root: Path, objects: Iterable[str] | None, source: Path | None, revision: str | None, report: Report
) -> dict[str, tuple[Path, str]]:
    """md5 -> where it is on this machine, and what it is called."""
    cache = Cache(root)
    tops = {entry.md5: entry.path for entry in expand(named(root, revision), cache.read)}
    if source is not None:
        held = {
            path.parent.name + path.name: path
            for path in sorted(source.glob("??/*"))
            if path.is_file() and not path.is_symlink()
        }
        strange = [name for name in held if not MD5.fullmatch(name)]
        if strange:
            raise Fault(
                f"{source} holds {strange[0]}, which is no object. It must be a candidate's objects folder."
            )
        wanted = list(held) if objects is None else list(map(_md5, objects))
        find = {md5: held[md5] for md5 in wanted if md5 in held}
    else:
        wanted = list(tops) if objects is None else list(map(_md5, objects))
        find = {md5: cache.path(md5) for md5 in wanted if cache.path(md5).is_file()}
    absent = [md5 for md5 in dict.fromkeys(wanted) if md5 not in find]
    if absent and objects is not None:
        refuse(
            [Loss("missing", md5, tops.get(md5, "an object")) for md5 in absent],
            f"{count(len(absent))} to push cannot be found in {source or cache.folder}:",
            f"Get them first: {shell.prefix(root)}gitops-ml storage pull",
        )
    if absent:
        shown = ", ".join(sorted({tops[md5] for md5 in absent})[:3])
        report.notes.append(f"{count(len(absent))} not on this machine, so not pushed from here: {shown}")
    return {md5: (path, tops.get(md5, path.name)) for md5, path in find.items()}


def limit() -> int:
    """The largest blob that the host takes, in bytes."""
    given = os.environ.get("GITOPS_ML_BLOB_LIMIT", "")
    if given and not given.isdigit():
        raise Fault(
            f"GITOPS_ML_BLOB_LIMIT is {given!r}, not a number of bytes. Unset it, or set it to a number."
        )
    return int(given) if given else BLOB_LIMIT


def _within_limit(root: Path, paths: Mapping[str, tuple[Path, str]]) -> None:
    allowed = limit()
    large = [(name, path.stat().st_size) for path, name in paths.values() if path.stat().st_size > allowed]
    if large:
        lines = "\n".join(f"  {name}  {bytes_(size)}" for name, size in sorted(large))
        raise Fault(
            f"too large for the git host, which takes {bytes_(allowed)} in one file:\n{lines}\n"
            "Nothing was pushed. Move the project's bytes to an object store, or to a folder that all of you reach:\n"
            f"  {shell.prefix(root)}gitops-ml storage move s3://BUCKET/PATH"
        )


def _hashed(paths: Mapping[str, tuple[Path, str]], store: Store | None) -> list[Local]:
    """Every object hashed, side by side; what ``store`` does not hold yet goes into its helper in the same reading."""
    held = {md5 for entries in store.entries.values() for md5 in entries} if store else set()

    def one(item: tuple[str, tuple[Path, str]]) -> Local | Loss:
        md5, (path, name) = item
        if store is None or md5 in held:
            found, blob, size = identify(path)
            level = 0
        else:
            found, blob, size, level = store.put(path)
        if found != md5.removesuffix(".dir"):
            return Loss("corrupted", md5, name)
        if md5.endswith(".dir"):
            members(Named(md5, None, name), path.read_bytes())
        return Local(md5, path, name, size, blob, level)

    results = side_by_side(one, paths.items())
    refuse(
        [each for each in results if isinstance(each, Loss)],
        "the bytes on this machine are not what their names say:",
        "Nothing was pushed. Remove these from DVC's cache (.dvc/cache/files/md5) and fetch or build them again.",
    )
    return [each for each in results if isinstance(each, Local)]


def _send(store: Store, ref: str, local: Sequence[Local], report: Report) -> None:
    held = {blob for entries in store.entries.values() for blob in entries.values()}
    for each in local:
        if store.entries[ref].get(each.md5, each.blob) != each.blob:
            report.notes.append(f"{each.name} was stored with other bytes than its md5 says; now it is right")
        if each.blob not in held and any(each.md5 in entries for entries in store.entries.values()):
            store.put(each.path)  # somewhere there are other bytes under this md5, so hashing did not take it
    new = [each for each in local if store.entries[ref].get(each.md5) != each.blob]
    report.present = len(local) - len(new)
    for batch in _batches(new):
        sizes = {each.md5: each.size for each in batch}
        store.append(ref, {each.md5: each.blob for each in batch}, _message(sizes, sizes), batch[0].level)
        report.objects += len(batch)
        report.bytes += sum(sizes.values())


def _batches(local: Iterable[Local]) -> Iterator[list[Local]]:
    """What goes in one push: below the limit, and of one level of compression; small objects go with the many."""
    batch: list[Local] = []
    total = 0
    objects = list(local)
    squeezed = sum(each.size if each.level else -each.size for each in objects) > 0
    objects = [replace(each, level=int(squeezed)) if each.size < SMALL else each for each in objects]
    for each in sorted(objects, key=lambda each: each.level):
        if batch and (total + each.size > PUSH_LIMIT or each.level != batch[0].level):
            yield batch
            batch, total = [], 0
        batch.append(each)
        total += each.size
    if batch:
        yield batch


def _message(md5s: Iterable[str], sizes: Mapping[str, int]) -> str:
    names = sorted(md5s)
    total = sum(sizes.get(md5, 0) for md5 in names)
    return f"Add {count(len(names))}, {bytes_(total)}\n"


def _md5(given: str) -> str:
    if not MD5.fullmatch(given):
        raise Fault(
            f"{given!r} is no md5 of a DVC object (32 hexadecimal digits, for a folder with .dir behind)."
        )
    return given
