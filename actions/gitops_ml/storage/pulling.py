"""`storage pull`: what the lock names comes into DVC's cache, checked, and from there into the workspace."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.storage import remote
from gitops_ml.storage.cache import Cache
from gitops_ml.storage.checkout import Poor, checkout
from gitops_ml.storage.objects import Named, expand, members, named, select
from gitops_ml.storage.receive import into_cache, receive
from gitops_ml.storage.refs import STORE, check_name, opened
from gitops_ml.storage.report import Loss, Report, count, refuse


def needed(root: Path, revision: str | None = None) -> list[Named]:
    """What the lock and the .dvc files of a revision name (None: the workspace's); with what stands in a folder
    where its listing is in the cache."""
    return expand(named(root, revision), Cache(root).read)


def pull(
    root: Path,
    wanted: Iterable[str] | None = None,
    *,
    refs: Sequence[str] | None = None,
    revision: str | None = None,
    checkout: bool = True,
) -> Report:
    """Fetch what is missing of the outs ``wanted`` (paths; None: all that the lock names), and write them as files.

    ``refs``: where to look, in this order; else the store, then the current branch's ref, then every pull request's,
    then other branches'.
    With a ``revision`` the objects come into the cache only: the workspace shows one revision, its own.
    Raises :class:`Fault` that names every object that could not be had; the others are kept.
    """
    report = Report("pulled")
    cache = Cache(root)
    chosen = select(named(root, revision), wanted)
    for _ in range(2):
        whole = _bring(root, cache, chosen, refs, report)
        try:
            if checkout and revision is None:
                _write(root, cache, chosen, whole, report)
            return report.done()
        except Poor as poor:  # rotten on this disk: fetched again, once
            report.notes.append(
                f"{poor.entry.path} was damaged in the cache of this machine and fetched again"
            )
    raise Fault(
        f"the disk gives back other bytes than it was given: {cache.folder}. Look at it with your system's tools."
    )


def bring(
    root: Path, cache: Cache, entries: Iterable[Named], refs: Sequence[str] | None, report: Report
) -> dict[str, Loss]:
    """Every object of these, folders' contents included, into the cache; what could not be had, by md5."""
    tops = list(entries)
    if remote.kind(root) == "remote":
        return _bring_remote(root, cache, tops, report)
    lost: dict[str, Loss] = {}
    listings = [top for top in tops if top.md5.endswith(".dir")]
    missing = [top for top in tops if not cache.has(top.md5)]
    everything = _expanded(cache, tops)
    # A folder whose listing is here may lack some of its files; one whose listing is not, all of them.
    if not missing and all(cache.has(entry.md5) for entry in everything):
        report.present += len({entry.md5 for entry in everything})
        return lost
    with opened(root) as store, into_cache(cache) as sink:
        groups = [list(map(check_name, refs))] if refs is not None else groups_of(root, store.list())
        lost |= receive(store, [top for top in listings if not cache.has(top.md5)], groups, sink)
        everything = _expanded(cache, tops)
        distinct = {entry.md5: entry for entry in everything if entry.md5 not in lost}
        needed = [entry for md5, entry in distinct.items() if not cache.has(md5)]
        lost |= receive(store, needed, groups, sink)
        report.objects += len(sink.sizes)
        report.bytes += sum(sink.sizes.values())
        report.present += len(distinct) - len(sink.sizes.keys() & distinct.keys())
        report.where = f"from {', '.join(ref for ref in store.tips)}"
    return lost


def _bring(
    root: Path,
    cache: Cache,
    chosen: list[tuple[Named, str | None]],
    refs: Sequence[str] | None,
    report: Report,
) -> list[Named]:
    """What was chosen, into the cache. The files that it consists of. Raises :class:`Fault` naming every loss."""
    folders = [top for top, part in chosen if part is not None]
    absent = bring_listings(root, cache, folders, refs)
    lost = {folder.md5: Loss("missing", folder.md5, folder.path) for folder in absent}
    entries = [top for top, part in chosen if part is None]
    for top, part in chosen:
        listing = cache.read(top.md5) if part is not None and top.md5 not in lost else None
        if part is not None and listing is not None:
            inside = members(top, listing)
            select(inside, [part])
            entries += [entry for entry in inside if entry.path == part or entry.path.startswith(f"{part}/")]
    lost |= bring(root, cache, entries, refs, report)
    refuse(
        lost.values(),
        f"{count(len(lost))} could not be had{_looked(root, refs)}:",
        f"Run `{shell.prefix(root)}gitops-ml storage push` where they still are, "
        f"or build them again: {shell.prefix(root)}gitops-ml reproduce",
    )
    return [entry for entry in _expanded(cache, entries) if not entry.md5.endswith(".dir")]


def bring_listings(
    root: Path, cache: Cache, folders: list[Named], refs: Sequence[str] | None = None
) -> list[Named]:
    """The listings of folders into the cache, nothing else; the folders whose listing could not be had."""
    absent = [folder for folder in folders if not cache.has(folder.md5)]
    if absent and remote.kind(root) == "remote":
        remote.fetch(root, [folder.md5 for folder in absent], follow=False)
    elif absent:
        with opened(root) as store, into_cache(cache) as sink:
            groups = [list(map(check_name, refs))] if refs is not None else groups_of(root, store.list())
            receive(store, absent, groups, sink)
    return [folder for folder in absent if not cache.has(folder.md5)]


def _bring_remote(root: Path, cache: Cache, tops: list[Named], report: Report) -> dict[str, Loss]:
    def missing(entries: list[Named]) -> dict[str, Named]:
        return {entry.md5: entry for entry in entries if not cache.has(entry.md5)}

    first = missing(_expanded(cache, tops))
    if first:
        remote.fetch(root, sorted(first))
    second = missing(_expanded(cache, tops)).keys() - first.keys()
    if second:  # what stands in folders whose listing has just come
        remote.fetch(root, sorted(second))
    everything = _expanded(cache, tops)
    lost = missing(everything)
    came = [
        entry.md5
        for entry in {entry.md5: entry for entry in everything}.values()
        if entry.md5 in first.keys() | second and entry.md5 not in lost
    ]
    report.objects += len(came)
    report.bytes += sum(cache.path(md5).stat().st_size for md5 in came)
    report.present += len({entry.md5 for entry in everything}) - len(came) - len(lost)
    report.where = f"from {remote.url(root)}"
    kinds = remote.check(root, lost, sizes={md5: each.size for md5, each in lost.items()}) if lost else {}
    return {md5: Loss(kinds.get(md5, "missing"), md5, entry.path) for md5, entry in lost.items()}


def _write(
    root: Path, cache: Cache, chosen: list[tuple[Named, str | None]], files: list[Named], report: Report
) -> None:
    folders = [top for top, part in chosen if part is None and top.md5.endswith(".dir")]
    written, notes = checkout(root, cache, files, folders)
    report.files += written
    report.notes += notes


def _expanded(cache: Cache, tops: list[Named]) -> list[Named]:
    return expand(tops, cache.read)


def groups_of(root: Path, there: dict[str, str]) -> list[list[str]]:
    """Where to look: what was released, what this branch's people gave, what builds of pull requests left, what others gave.

    A workflow checks out a commit, not a branch; a pull request's branch is then GitHub's to name.
    """
    branch = shell.ask_git(root, "symbolic-ref", "--quiet", "--short", "HEAD") or os.environ.get(
        "GITHUB_HEAD_REF", ""
    )
    first = [ref for ref in (STORE, f"refs/dvc/branch/{branch}") if ref in there]
    pulls = [ref for ref in there if ref.startswith("refs/dvc/pr/")]
    others = [ref for ref in there if ref not in (*first, *pulls)]
    return [first, sorted(pulls, key=lambda ref: -int(ref.rpartition("/")[2])), sorted(others)]


def _looked(root: Path, refs: Sequence[str] | None) -> str:
    if remote.kind(root) == "remote":
        return f" from {remote.url(root)}"
    return f" from {', '.join(refs)}" if refs else " from the storage in this repository's refs"
