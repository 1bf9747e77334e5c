"""`storage move`: from git refs to an object store or a folder. The settings change last, when every object is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from gitops_ml import shell
from gitops_ml.card.markdown import bytes_, scalar
from gitops_ml.contracts.base import write_text
from gitops_ml.errors import Fault
from gitops_ml.storage import remote
from gitops_ml.storage.cache import Cache
from gitops_ml.storage.objects import Named, expand, named, releases
from gitops_ml.storage.pulling import bring, groups_of
from gitops_ml.storage.refs import STORE, opened
from gitops_ml.storage.report import Loss, Report, count, refuse

EXTRAS = ("s3", "gs", "azure", "ssh")


def move(root: Path, url: str, agree: Callable[[str], bool]) -> Report | None:
    """Copy every object of HEAD and of every released version to ``url``, read each back, then change the settings.

    Killed at any point, run it again: what arrived is not sent twice. None if the person does not agree.
    Raises :class:`Fault` for a lost object or an address that is none; the settings are then as they were.
    """
    _address(url)
    report = Report("moved", f"to {url}")
    if remote.kind(root) == "remote":
        if remote.url(root) != url:
            raise Fault(
                f"the bytes are in {remote.url(root)}, not in git. From one remote to another DVC moves them: see\n"
                "https://dvc.org/doc/command-reference/remote/modify"
            )
        _answer(root, url)
        report.notes.append(f"the project keeps its bytes in {url} already")
        return report.done()
    versions = releases(root)
    tops = {entry.md5: entry for revision in ["HEAD", *versions] for entry in named(root, revision)}
    known = sum(entry.size or 0 for entry in tops.values())
    what = f"HEAD and {len(versions)} released version{'s' if len(versions) != 1 else ''}"
    if not agree(
        f"Copy {count(len(tops))} of {what} (at least {bytes_(known)}) to {url}, then keep bytes there?"
    ):
        return None
    objects = _collect(root, list(tops.values()))
    remote.push(root, objects, report, at=url)
    wrong = remote.check(root, [md5 for md5, _, _ in objects], at=url)
    refuse(
        [Loss(kind, md5, md5) for md5, kind in wrong.items()],
        f"{count(len(wrong))} cannot be read back from {url} as they were:",
        "The project still keeps its bytes in git. Look at the store, then run this again.",
    )
    _answer(root, url)
    _configure(root, url)
    report.notes += _after(root, url)
    return report.done()


def _address(url: str) -> None:
    scheme, _, rest = url.partition("://")
    if not ((scheme in EXTRAS and rest.strip("/")) or url.startswith("/")) or re.search(r"[\s\"'%]", url):
        raise Fault(
            f"{url!r} is no address for bytes. Give s3://BUCKET/PATH, gs://BUCKET/PATH, azure://CONTAINER/PATH, "
            "ssh://HOST/PATH, or an absolute path that all of you reach."
        )


def _collect(root: Path, tops: list[Named]) -> list[tuple[str, Path, int]]:
    """Everything into the cache of this machine, checked."""
    cache = Cache(root)
    with opened(root) as store:
        groups = groups_of(root, store.list())
    lost = bring(root, cache, tops, [ref for group in groups for ref in group] or [STORE], Report("fetched"))
    refuse(
        lost.values(),
        f"{count(len(lost))} cannot be had, so the project cannot move without losing them:",
        f"Push them from where they still are: {shell.prefix(root)}gitops-ml storage push. "
        f"Or give them up for good: {shell.prefix(root)}gitops-ml storage forget MD5",
    )
    distinct = {entry.md5: cache.path(entry.md5) for entry in expand(tops, cache.read)}
    return [(md5, path, path.stat().st_size) for md5, path in distinct.items()]


def _answer(root: Path, url: str) -> None:
    """The answer in .gitops-ml.yaml, one line of it; every other line and comment stays."""
    path = root / ".gitops-ml.yaml"
    if path.exists():
        text = path.read_text("utf-8")
        changed = re.sub(
            r"(?m)^( +storage:)[^\n#]*?( +#[^\n]*)?$",
            lambda found: f"{found[1]} {scalar(url)}{found[2] or ''}",
            text,
            count=1,
        )
        if changed != text:
            write_text(path, changed)


def _configure(root: Path, url: str) -> None:
    """The default remote in .dvc/config, in one step."""
    path = root / ".dvc" / "config"
    text = path.read_text("utf-8") if path.exists() else ""
    line = f"    remote = {remote.NAME}\n"
    if re.search(r"(?m)^\[core\][ \t]*$", text):
        text = re.sub(r"(?m)^\[core\][ \t]*\n?", lambda _: f"[core]\n{line}", text, count=1)
    else:
        text = f"[core]\n{line}{text}"
    section = f"['remote \"{remote.NAME}\"']"
    if section in text:  # somebody's, not the default one: ours takes its place
        text = re.sub(re.escape(section) + r"[^\n]*\n(?:(?!\[)[^\n]*\n?)*", "", text)
    text = text.rstrip("\n") + f"\n{section}\n    url = {url}\n    verify = true\n"
    write_text(path, text)


def _after(root: Path, url: str) -> list[str]:
    scheme = url.partition("://")[0] if "://" in url else ""
    notes = [
        'next: git commit -m "Keep bytes outside of git" .dvc/config .gitops-ml.yaml, by pull request',
        f"{STORE} and its like stay until you delete them: git push origin --delete {STORE}",
    ]
    if scheme:
        notes.insert(1, f"CI needs the store's credentials, and pyproject.toml dvc[{scheme}] in place of dvc")
    else:
        notes.insert(1, "only runners that reach this folder can build and release")
    return notes
