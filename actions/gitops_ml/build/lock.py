"""dvc.lock, read once for everybody: stage by stage, and what differs between two of them, and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_ml import shell
from gitops_ml.build.derived import inside
from gitops_ml.errors import Fault

FILE = "dvc.lock"
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?\Z")
REPAIR = "It is a derived file: take main's (git checkout origin/main -- dvc.lock) and push; CI builds what is missing."

Kind = Literal[
    "added", "removed", "command", "data", "code", "schema", "params", "libraries", "policy", "upstream", "other", "result"
]  # fmt: skip


@dataclass(frozen=True)
class Out:
    """What a stage made: DVC's md5 (``.dir`` at the end: of a folder's listing), bytes in all."""

    md5: str
    size: int


@dataclass(frozen=True)
class Entry:
    """One stage of a lock. ``deps``: path -> md5 (or etag); ``params``: file -> dotted key -> value."""

    cmd: Any
    deps: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outs: Mapping[str, Out] = field(default_factory=dict)


Lock = Mapping[str, Entry]


@dataclass(frozen=True)
class Change:
    """One difference of one stage: a path, ``file:key`` of a param, or the command; old and new in short."""

    stage: str
    kind: Kind
    name: str
    old: Any = None
    new: Any = None


@dataclass(frozen=True)
class Changes:
    """All differences; each flag says whether there is one of its kind."""

    all: tuple[Change, ...]

    def _any(self, *kinds: Kind) -> bool:
        return any(change.kind in kinds for change in self.all)

    @property
    def data(self) -> bool:
        """Other rows, or another table."""
        return self._any("data")

    @property
    def source(self) -> bool:
        """Another table: its path changed, not only its rows."""
        return any(c.kind == "data" and (c.old is None) != (c.new is None) for c in self.all)

    @property
    def code(self) -> bool:
        """Something below src/."""
        return self._any("code")

    @property
    def schema(self) -> bool:
        """schema.yaml."""
        return self._any("schema")

    @property
    def params(self) -> bool:
        """A knob of params.yaml or of another file of params."""
        return self._any("params")

    @property
    def libraries(self) -> bool:
        """project.dependencies of pyproject.toml."""
        return self._any("libraries")

    @property
    def command(self) -> bool:
        """What a stage runs, or which stages there are."""
        return self._any("command", "added", "removed")

    @property
    def recipe(self) -> bool:
        """Anything but rows: the same recipe on the same rows would give another model."""
        return self.source or self._any(
            "code", "schema", "params", "libraries", "command", "added", "removed"
        )

    def __bool__(self) -> bool:
        return bool(self.all)


# ---------------------------------------------------------------- reading


def parse(text: str, origin: str = FILE) -> Lock:
    """The stages of a lock's text. Raises :class:`Fault`: merge markers, not YAML, not a lock."""
    return _parse(text, origin)


@lru_cache(maxsize=8)  # head, base and merge base are mostly the same text
def _parse(text: str, origin: str) -> Lock:
    marker = re.search(r"^(<<<<<<<|=======|>>>>>>>)", text, re.M)
    if marker:
        line = text[: marker.start()].count("\n") + 1
        raise Fault(f"{origin} holds a merge conflict (line {line}: {marker[0]}). {REPAIR}")
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as wrong:
        raise Fault(f"{origin} cannot be read: {wrong}\n{REPAIR}") from None
    stages = content.get("stages") if isinstance(content, dict) else None
    if content is None or (isinstance(content, dict) and stages is None):
        return {}
    if not isinstance(stages, dict):
        raise Fault(f"{origin} is not a lock of DVC: it has no mapping `stages`. {REPAIR}")
    try:
        return {str(name): _entry(entry) for name, entry in stages.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise Fault(f"{origin} is not a lock that DVC 3 writes: {wrong!r}. {REPAIR}") from None


def _entry(entry: Any) -> Entry:
    deps = {
        str(d["path"]): str(d.get("md5") or d.get("etag") or d.get("checksum") or "")
        for d in entry.get("deps", [])
    }
    outs = {}
    for out in entry.get("outs", []):
        path, md5 = str(out["path"]), str(out["md5"])
        if not inside(path) or not _MD5.match(md5) or out.get("hash") != "md5":
            raise ValueError(f"output {path!r} must lie inside the project and have `hash: md5`")
        outs[path] = Out(md5, int(out.get("size") or 0))
    params = {str(file): dict(_flat(values)) for file, values in (entry.get("params") or {}).items()}
    return Entry(entry["cmd"], deps, params, outs)


def _flat(values: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict) and (values or not above):
        for key, value in values.items():
            yield from _flat(value, f"{above}.{key}" if above else str(key))
    else:
        yield above, values


def read(root: Path, revision: str | None = None) -> Lock:
    """The lock of a revision (None: of the folder as it is); empty if there is none. Raises :class:`Fault`."""
    if revision is None:
        path = root / FILE
        return parse(path.read_text("utf-8", "surrogateescape")) if path.is_file() else {}
    if shell.ask_git(root, "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}") is None:
        raise Fault(f"there is no commit {revision} in {root}. Fetch it: git fetch --unshallow origin")
    text = shell.ask_git(root, "cat-file", "blob", f"{revision}:./{FILE}")
    return {} if text is None else parse(text + "\n", f"{FILE} of {revision[:12]}")


def producers(lock: Lock) -> dict[str, str]:
    """Path of each output -> md5."""
    return {path: out.md5 for entry in lock.values() for path, out in entry.outs.items()}


# ---------------------------------------------------------------- comparing


def diff(old: Lock, new: Lock) -> list[Change]:
    """Every difference, stage by stage in the order of ``new``. ``result``: other bytes of the same inputs."""
    made = {*producers(old), *producers(new)}
    found: list[Change] = []
    for stage in [*new, *(name for name in old if name not in new)]:
        before, after = old.get(stage), new.get(stage)
        if before is None or after is None:
            found.append(Change(stage, "added" if before is None else "removed", stage))
            if before is after:
                continue
        inputs = _inputs(stage, before or Entry(None), after or Entry(None), made)
        if before is not None and after is not None:
            if before.cmd != after.cmd:
                inputs.insert(0, Change(stage, "command", "cmd", before.cmd, after.cmd))
            if not inputs and before.outs != after.outs:
                inputs = [
                    Change(stage, "result", path, before.outs.get(path), after.outs.get(path))
                    for path in dict.fromkeys([*before.outs, *after.outs])
                    if before.outs.get(path) != after.outs.get(path)
                ]
        found += inputs
    return found


def _inputs(stage: str, before: Entry, after: Entry, made: Collection[str]) -> list[Change]:
    found = [
        Change(stage, _dep_kind(path, made), path, before.deps.get(path), after.deps.get(path))
        for path in dict.fromkeys([*before.deps, *after.deps])
        if before.deps.get(path) != after.deps.get(path)
    ]
    for file in dict.fromkeys([*before.params, *after.params]):
        left, right = before.params.get(file, {}), after.params.get(file, {})
        for key in dict.fromkeys([*left, *right]):
            if (key in left) != (key in right) or not _same(left[key], right[key]):
                kind = _param_kind(file, key)
                found.append(Change(stage, kind, f"{file}:{key}", left.get(key), right.get(key)))
    return found


def _same(left: Any, right: Any) -> bool:
    """Equal, and of one type: for Python 1 is 1.0 is True; for a stage they are not."""
    return type(left) is type(right) and repr(left) == repr(right)


def _dep_kind(path: str, made: Collection[str]) -> Kind:
    if path in made:
        return "upstream"
    if path in ("schema.yaml", "policy.yaml"):
        return "schema" if path == "schema.yaml" else "policy"
    if path.startswith("data/") or "://" in path:
        return "data"
    return "code" if path.startswith("src/") or path == "src" or path.endswith(".py") else "other"


def _param_kind(file: str, key: str) -> Kind:
    if file == "pyproject.toml":
        return "libraries" if key.startswith("project.") else "params"
    if file == "policy.yaml":
        return "policy"
    return "other" if file == ".gitops-ml.yaml" else "params"


def what_changed(old: Lock, new: Lock, stages: Collection[str] | None = None) -> Changes:
    """What differs, for the version rule and the report; ``stages``: look at these only."""
    return Changes(tuple(c for c in diff(old, new) if stages is None or c.stage in stages))
