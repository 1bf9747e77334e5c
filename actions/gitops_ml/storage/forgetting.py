"""`storage forget`: erases an object (personal data) wherever we keep it, and says what can no longer be reproduced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.storage import remote
from gitops_ml.storage.cache import Cache
from gitops_ml.storage.objects import MD5, Named, expand, named, releases, select
from gitops_ml.storage.pulling import bring_listings
from gitops_ml.storage.refs import Store, opened
from gitops_ml.storage.report import count


@dataclass
class Forgotten:
    """What was erased where, and what it costs."""

    objects: dict[str, str]  # md5 -> path
    broken: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)

    def screen(self) -> str:
        """For a person."""
        shown = [f"{path}  md5 {md5}" for md5, path in list(self.objects.items())[:5]]
        lines = [f"  erased    {count(len(self.objects))}: {shown[0]}"]
        lines += [f"            {line}" for line in shown[1:]]
        lines += [f"  from      {', '.join(self.places) or 'nowhere: it was stored nowhere any more'}"]
        lines += [f"  lost      {cost(self.broken)}"]
        if self.unreachable:
            lines += [
                "  note      the host may keep these commits, which nothing names now, until it collects its garbage;",
                "            GitHub does it when its support is asked: https://support.github.com",
                *(f"            {commit}" for commit in self.unreachable),
            ]
        return "\n".join(
            [
                *lines,
                "  note      files in working folders, other people's caches and artifacts of past runs are theirs "
                "to delete",
            ]
        )


def cost(broken: list[str]) -> str:
    """What can no longer be reproduced, as half a sentence."""
    return f"no longer reproducible: {', '.join(broken)}" if broken else "no released version needs it"


def forget(root: Path, target: str, revision: str | None, agree: Callable[[str], bool]) -> Forgotten | None:
    """Erase an object by md5 or by path (as ``revision`` names it; None: the workspace) from refs, remote and cache.

    Each ref becomes a first commit without it, so no history holds it. Killed at any point, run it again.
    None if the person does not agree. Raises :class:`Fault` if nothing is named so.
    """
    cache = Cache(root)
    versions = {name: named(root, name) for name in releases(root)}
    present = {"the workspace": named(root), "HEAD": named(root, "HEAD")}
    chosen = _chosen(root, cache, target, revision)
    folders = [
        top for tops in [*versions.values(), *present.values()] for top in tops if top.md5.endswith(".dir")
    ]
    bring_listings(root, cache, folders)  # to know which versions' folders hold it
    result = Forgotten(chosen)
    for name, tops in (versions | present).items():
        if any(entry.md5 in chosen for entry in expand(tops, cache.read)):
            result.broken.append(name)
    others = _others(versions, chosen)
    question = (
        f"Erase {count(len(chosen))} ({', '.join(sorted(set(chosen.values()))[:3])}) for ever? "
        f"What is lost: {cost(result.broken)}.{others}"
    )
    if not agree(question):
        return None
    if shell.ask_git(root, "remote", "get-url", "origin"):
        with opened(root) as store:
            _from_refs(store, chosen, result)
    if remote.kind(root) == "remote" and remote.erase(root, list(chosen)):
        result.places.append(remote.url(root))
    # Listings last: until then a second run can find out what stood in them.
    if any([cache.remove(md5) for md5 in sorted(chosen, key=lambda md5: md5.endswith(".dir"))]):
        result.places.append("this machine's cache")
    return result


def _chosen(root: Path, cache: Cache, target: str, revision: str | None) -> dict[str, str]:
    """md5 -> path of what the target names, with what stands in a folder."""
    if MD5.fullmatch(target):
        tops = [Named(target, None, target)]
    else:
        picked = select(named(root, revision), [target])
        tops = [top for top, part in picked if part is None]
        for top, part in picked:
            if part is not None:
                bring_listings(root, cache, [top])
                inside = expand([top], cache.read)[1:]
                tops += [entry for entry, _ in select(inside, [part])]
    folders = [top for top in tops if top.md5.endswith(".dir")]
    gone = bring_listings(root, cache, folders)
    if gone:
        raise Fault(
            f"the listing of {gone[0].path} (md5 {gone[0].md5}) is stored nowhere, so what stood in that folder is "
            "not known.\nName its files by md5: gitops-ml storage forget MD5"
        )
    return {entry.md5: entry.path for entry in expand(tops, cache.read)}


def _others(versions: dict[str, list[Named]], chosen: dict[str, str]) -> str:
    """Other bytes that the same path had in released versions: a person may mean these as well."""
    paths = set(chosen.values())
    names = [
        name
        for name, tops in versions.items()
        if any(entry.path in paths and entry.md5 not in chosen for entry in tops)
    ]
    if not names:
        return ""
    return f" Other versions of the same path stay, in {', '.join(names[:5])}: forget them by --revision."


def _from_refs(store: Store, chosen: dict[str, str], result: Forgotten) -> None:
    refs = store.list()
    store.load(refs, history=True)
    blobs = {oid for entries in store.entries.values() for md5, oid in entries.items() if md5 in chosen}
    for ref in refs:
        # The same bytes under another name are the same personal data.
        gone = {md5 for md5, oid in store.entries[ref].items() if md5 in chosen or oid in blobs}
        if gone or any(store.ever_held(ref, md5) for md5 in chosen):
            old = store.tips[ref]
            store.rewrite(ref, gone | chosen.keys(), "Keep what was not forgotten\n")
            result.places.append(ref)
            result.unreachable.append(old)
