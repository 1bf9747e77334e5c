"""`storage verify`: every object of every released version is read where it is stored, and every loss is named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gitops_ml.storage import remote
from gitops_ml.storage.cache import Cache
from gitops_ml.storage.objects import Named, members, named, releases
from gitops_ml.storage.pulling import groups_of
from gitops_ml.storage.receive import Sink, receive, with_members
from gitops_ml.storage.refs import STORE, Store, check_name, opened
from gitops_ml.storage.report import Loss


def verify(
    root: Path, revisions: Iterable[str] | None = None, ref: str = STORE, every: bool = False
) -> list[Loss]:
    """Losses among the objects of these revisions, in ``ref``; the number of objects read is not limited by the cache.

    Default: every release tag in ``ref``, and HEAD, whose objects may still wait for a release in another ref.
    ``every``: also whatever else any ref of the storage holds.
    """
    if revisions is None:
        asked = {revision: [[ref]] for revision in releases(root)}
        return _losses(root, asked, head=True, ref=ref, every=every)
    return _losses(root, {revision: [[ref]] for revision in revisions}, head=False, ref=ref, every=every)


def _losses(root: Path, asked: dict[str, list[list[str]]], head: bool, ref: str, every: bool) -> list[Loss]:
    tops = {revision: named(root, revision) for revision in asked}
    here = named(root, "HEAD") if head else []
    if remote.kind(root) == "remote":
        return _in_remote(root, tops | ({"HEAD": here} if head else {}))
    with opened(root) as store:
        sink = Sink()
        found = _in_refs(store, tops, [[check_name(ref)]], sink)
        groups = [[ref], *groups_of(root, store.list())]
        found += _in_refs(store, {"HEAD": here}, groups, sink) if head else []
        if every:
            found += _everything(store, sink)
    return found


def _in_refs(store: Store, tops: dict[str, list[Named]], groups: list[list[str]], sink: Sink) -> list[Loss]:
    distinct = {entry.md5: entry for entries in tops.values() for entry in entries}
    _, lost = with_members(store, distinct.values(), groups, sink)
    return _told(lost, tops, sink.listings)


def _told(lost: dict[str, Loss], tops: dict[str, list[Named]], listings: dict[str, bytes]) -> list[Loss]:
    """Each loss with the revisions that name it."""
    users: dict[str, list[str]] = {}
    for revision, entries in tops.items():
        names = {entry.md5 for entry in entries}
        for entry in entries:
            if entry.md5 in listings:
                names |= {inside.md5 for inside in members(entry, listings[entry.md5])}
        for md5 in names & lost.keys():
            users.setdefault(md5, []).append(revision)
    return [Loss(loss.kind, md5, loss.path, tuple(users.get(md5, ()))) for md5, loss in lost.items()]


def _everything(store: Store, sink: Sink) -> list[Loss]:
    """Entries of any ref that are not what their name says, whoever names them."""
    found = []
    for ref in store.list():
        store.load([ref])
        wants = [
            Named(md5, None, ref) for md5, oid in store.entries[ref].items() if sink.blobs.get(md5) != oid
        ]
        found += [Loss(loss.kind, md5, ref) for md5, loss in receive(store, wants, [[ref]], sink).items()]
    return found


def _in_remote(root: Path, tops: dict[str, list[Named]]) -> list[Loss]:
    cache = Cache(root)
    distinct = {entry.md5: entry for entries in tops.values() for entry in entries}
    folders = [md5 for md5 in distinct if md5.endswith(".dir") and not cache.has(md5)]
    if folders:
        remote.fetch(root, folders)
    listings: dict[str, bytes] = {}
    for entry in list(distinct.values()):
        listing = cache.read(entry.md5) if entry.md5.endswith(".dir") else None
        if listing is not None:
            listings[entry.md5] = listing
            distinct |= {inside.md5: inside for inside in members(entry, listing)}
    sizes = {md5: entry.size for md5, entry in distinct.items()}
    wrong = remote.check(root, distinct, sizes=sizes) if distinct else {}
    lost = {md5: Loss(kind, md5, distinct[md5].path) for md5, kind in wrong.items()}
    return _told(lost, tops, listings)
