"""What a revision or the workspace names: the DVC objects behind dvc.lock and every .dvc file, by md5."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.errors import Fault

MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Named:
    """One object by the path that it has in the project. A folder's md5 ends in ``.dir`` and has no size here."""

    md5: str
    size: int | None
    path: str
    stage: str | None = None


def named(root: Path, revision: str | None = None) -> list[Named]:
    """What the lock and the .dvc files name themselves, without what stands in folders. None: the workspace's files.

    Raises :class:`Fault` for a file that cannot be read, or that names a path outside of the project.
    """
    tracked, files = _workspace(root) if revision is None else _revision(root, revision)
    found: dict[tuple[str, str], Named] = {}
    for path, text in files.items():
        if path.endswith(".dvc"):
            entries = _of_pointer(path, text)
        elif posixpath.basename(path) == "dvc.lock":
            pipeline = files.get(posixpath.join(posixpath.dirname(path), "dvc.yaml"), "")
            # What git keeps itself, DVC only knows by hash (cache: false): it has no object.
            entries = (entry for entry in _of_lock(path, text, pipeline) if not _inside(entry.path, tracked))
        else:
            continue
        for entry in entries:
            found.setdefault((entry.path, entry.md5), entry)
    return sorted(found.values(), key=lambda entry: (entry.path, entry.md5))


def members(folder: Named, listing: bytes) -> list[Named]:
    """What stands in a folder, from its ``.dir`` object. Raises :class:`Fault` if that is none, or names what it must not."""
    try:
        entries = json.loads(listing)
        pairs = [(str(entry["md5"]), str(entry["relpath"])) for entry in entries]
    except (ValueError, KeyError, TypeError):
        raise Fault(f"the listing of {folder.path} (md5 {folder.md5}) is no DVC folder listing.") from None
    for _, name in pairs:
        if _leaves(name):
            raise Fault(f"the listing of {folder.path} names {name!r}, which is outside of that folder.")
    return [
        Named(_checked(md5, folder.path), None, f"{folder.path}/{name}", folder.stage) for md5, name in pairs
    ]


def expand(entries: Iterable[Named], read: Callable[[str], bytes | None]) -> list[Named]:
    """The entries, each folder followed by what stands in it where ``read`` has its listing."""
    result = []
    for entry in entries:
        result.append(entry)
        if entry.md5.endswith(".dir"):
            listing = read(entry.md5)
            if listing is not None:
                result += members(entry, listing)
    return result


def select(entries: list[Named], wanted: Iterable[str] | None) -> list[tuple[Named, str | None]]:
    """Those that are wanted: by path, by a folder above it, by its .dvc file or by its stage.

    A wanted path below a folder that DVC keeps as one comes back beside that folder. Raises :class:`Fault` for a
    path that nothing is named by.
    """
    if wanted is None:
        return [(entry, None) for entry in entries]
    result: dict[tuple[Named, str | None], None] = {}
    for given in wanted:
        path = posixpath.normpath(given.removesuffix(".dvc"))
        whole = [
            entry
            for entry in entries
            if path in (entry.path, ".") or entry.path.startswith(f"{path}/") or entry.stage == given
        ]
        part = [
            entry for entry in entries if entry.md5.endswith(".dir") and path.startswith(f"{entry.path}/")
        ]
        if not whole and not part:
            known = ", ".join(entry.path for entry in entries[:8]) or "nothing"
            raise Fault(
                f"DVC keeps nothing at {given}. It keeps {known}{', ...' if len(entries) > 8 else ''}.\n"
                "Name one of these, or leave the path out for all."
            )
        result |= {(entry, None): None for entry in whole} | {(entry, path): None for entry in part}
    return list(result)


def releases(root: Path) -> list[str]:
    """The tags of released versions, oldest version first."""
    listed = shell.git(root, "tag", "--list", "*@v*", "--sort=version:refname")
    return listed.splitlines()


def _workspace(root: Path) -> tuple[frozenset[str], dict[str, str]]:
    tracked = shell.git(root, "ls-files", "-z", "--cached").split("\0")
    extra = shell.git(
        root, "ls-files", "-z", "--others", "--exclude-standard", "--", "*.dvc", "*dvc.lock", "*dvc.yaml"
    )
    files = {}
    for path in [*tracked, *extra.split("\0")]:
        if _interesting(path) and (root / path).is_file():
            files[path] = _decoded((root / path).read_bytes(), path)
    return frozenset(tracked), files


def _revision(root: Path, revision: str) -> tuple[frozenset[str], dict[str, str]]:
    commit = shell.ask_git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if commit is None:
        raise Fault(f"there is no revision {revision} in {root}. Fetch it: git fetch --tags origin")
    listed = shell.git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", ".").split("\0")
    files = {}
    for path in filter(_interesting, listed):
        content = shell.ask(["git", "cat-file", "blob", f"{commit}:./{path}"], root)
        if content is None:
            raise Fault(
                f"git cannot read {path} of {revision}. Fetch its history: git fetch --refetch origin"
            )
        files[path] = _decoded(content, f"{path} of {revision}")
    return frozenset(listed), files


def _interesting(path: str) -> bool:
    # .github holds the suite, whose tests may hold pointers of their own.
    return not path.startswith(".github/") and (
        (path.endswith(".dvc") and posixpath.basename(path) != ".dvc")
        or posixpath.basename(path) in ("dvc.lock", "dvc.yaml")
    )


def _decoded(content: bytes, origin: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault(
            f"{origin} is not UTF-8 text. Take it from git again: git checkout HEAD -- <file>"
        ) from None


@lru_cache(maxsize=256)
def _plain(text: str, origin: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as wrong:
        raise Fault(
            f"{origin} cannot be read: {wrong}\nA merge may have left its marks: look at `git diff {origin}`."
        ) from None


def _of_pointer(path: str, text: str) -> Iterator[Named]:
    content = _plain(text, path)
    if isinstance(content, Mapping):
        folder = posixpath.join(posixpath.dirname(path), str(content.get("wdir", "")))
        yield from _outs(content.get("outs"), folder, path, None)


def _of_lock(path: str, text: str, pipeline: str) -> Iterator[Named]:
    content = _plain(text, path)
    stages = content.get("stages") if isinstance(content, Mapping) else None
    if not isinstance(stages, Mapping):
        return
    uncached, folders = _settings(pipeline, path)
    base = posixpath.dirname(path)
    for stage, record in stages.items():
        if not isinstance(record, Mapping):
            continue
        folder = posixpath.join(base, folders.get(str(stage).split("@")[0], ""))
        for entry in _outs(record.get("outs"), folder, path, str(stage)):
            if not any(pattern.fullmatch(entry.path) for pattern in uncached):
                yield entry


def _outs(outs: Any, folder: str, origin: str, stage: str | None) -> Iterator[Named]:
    for out in outs if isinstance(outs, list) else []:
        if not isinstance(out, Mapping) or "md5" not in out or "path" not in out:
            continue  # kept elsewhere (an etag), or not downloaded yet: there is no object
        if out.get("push") is False or out.get("cache") is False:
            continue
        name = str(out["path"])
        md5 = _checked(str(out["md5"]), f"{name} in {origin}")
        if out.get("hash") != "md5":
            raise Fault(
                f"{name} in {origin} was written by a DVC older than 3.0, whose hashes mean something else.\n"
                "Write it again: dvc cache migrate --dvc-files"
            )
        path = posixpath.normpath(posixpath.join(folder, name))
        if _leaves(path):
            raise Fault(f"{origin} names {name!r}, which is outside of the project. Move it inside.")
        size = out.get("size")
        known = isinstance(size, int) and not md5.endswith(".dir")
        yield Named(md5, size if known else None, path, stage)


def _settings(pipeline: str, origin: str) -> tuple[list[re.Pattern[str]], dict[str, str]]:
    """Paths of outs that dvc.yaml declares as not cached or not pushed; and the folders that stages run in."""
    content = _plain(pipeline, posixpath.join(posixpath.dirname(origin), "dvc.yaml")) if pipeline else None
    stages = content.get("stages") if isinstance(content, Mapping) else None
    patterns, folders = [], {}
    for name, stage in stages.items() if isinstance(stages, Mapping) else ():
        stage = stage.get("do", stage) if isinstance(stage, Mapping) else {}
        folder = str(stage.get("wdir", ""))
        folders[str(name)] = "" if "$" in folder else folder
        for kind in ("outs", "metrics", "plots"):
            for out in stage.get(kind) or ():
                for path, flags in out.items() if isinstance(out, Mapping) else ():
                    if isinstance(flags, Mapping) and False in (flags.get("cache"), flags.get("push")):
                        whole = posixpath.join(posixpath.dirname(origin), folders[str(name)], str(path))
                        parts = re.split(r"\$\{[^}]*\}", posixpath.normpath(whole))
                        patterns.append(re.compile(".+".join(map(re.escape, parts))))
    return patterns, folders


def _checked(md5: str, origin: str) -> str:
    if not MD5.fullmatch(md5):
        raise Fault(
            f"{origin} has the md5 {md5!r}, which is none. Take the file from git again, or repair it."
        )
    return md5


def _leaves(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return (
        not path
        or path.startswith(("/", "~"))
        or "\0" in path
        or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    )


def _inside(path: str, tracked: frozenset[str]) -> bool:
    return path in tracked or any(name.startswith(f"{path}/") for name in tracked)
