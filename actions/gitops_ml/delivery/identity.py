"""What a commit would release, by digest: the model, what serves it, the recipe, the source of the data, the contract.

The *release unit* is the model's sha256 and the serving digest. Serving is all that goes into the Bento besides the
model: the files that ``[tool.bentoml.build]`` includes (``models/`` and ``deploy/`` excepted: the first is the model,
the second is what a release leads to), that table itself, and what the service asks of its environment:
``project.dependencies``, the group ``serve``, and those of uv's ``constraint-dependencies`` whose package one of the two
names. Constraints on packages further down are left out: a Bento does not lock them (``lock_packages = false``), so
they change nothing that is served. schema.yaml counts by what it says: a comment in it is no release.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.delivery import tree
from gitops_ml.delivery.releases import model_sha256
from gitops_ml.errors import Fault

MODEL = "models/model.skops"
SCHEMA = "schema.yaml"
APART = ("models/", "deploy/")


@dataclass(frozen=True)
class Identity:
    """Of one commit. ``serving``: part -> digest. ``lock``: the stages that make the model. ``source``: where rows come from.

    ``model`` None: there is no model. ``schema`` None: there is none, or ``unreadable`` says why it cannot be read.
    """

    model: str | None
    serving: Mapping[str, str] = field(default_factory=dict)
    schema: SchemaFile | None = None
    lock: locks.Lock = field(default_factory=dict)
    source: str = ""
    unreadable: str | None = None

    @cached_property
    def serving_digest(self) -> str:
        """sha256 over the parts, sorted by name."""
        return _sha256(sorted(self.serving.items()))

    @property
    def unit(self) -> tuple[str | None, str]:
        """What a version names: the model's sha256, and the serving digest."""
        return self.model, self.serving_digest


def identity(root: Path, revision: str) -> Identity:
    """What a commit would release, read from git alone. Raises :class:`Fault` for what cannot be read."""
    commit = tree.commit_of(root, revision)
    schema, unreadable = _schema(root, commit)
    lock = locks.read(root, commit)
    return Identity(
        model=model_sha256(root, commit),
        serving=_serving(root, commit, schema),
        schema=schema,
        lock=making(lock),
        source=_source(root, commit),
        unreadable=unreadable,
    )


def making(lock: locks.Lock, path: str = MODEL) -> locks.Lock:
    """The stages that lead to an output: its own and those whose outputs these read. All, if no stage makes it."""
    makers = {out: name for name, entry in lock.items() for out in entry.outs}
    if path not in makers:
        return lock
    wanted, waiting = set[str](), [makers[path]]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += [makers[dep] for dep in lock[name].deps if dep in makers]
    return {name: entry for name, entry in lock.items() if name in wanted}


def _schema(root: Path, commit: str) -> tuple[SchemaFile | None, str | None]:
    """A contract that another version of the suite wrote may be unreadable: that is a finding, not the end."""
    try:
        said = tree.plain(root, commit, SCHEMA)
        return (None, f"{SCHEMA} is missing") if said is None else (SchemaFile.parse(said, SCHEMA), None)
    except Fault as fault:
        return None, str(fault).splitlines()[0]


# ---------------------------------------------------------------- serving


def _serving(root: Path, commit: str, schema: SchemaFile | None) -> dict[str, str]:
    text = tree.content(root, commit, "pyproject.toml")
    if text is None:
        return {}
    try:
        settings = tomllib.loads(text.decode("utf-8"))
    except ValueError as wrong:
        raise Fault(f"pyproject.toml of {commit[:12]} cannot be read: {wrong}") from None
    build = _table(settings, "tool", "bentoml", "build")
    parts = {
        path: blob
        for path, blob in included(root, commit, build.get("include"), build.get("exclude")).items()
        if not path.startswith(APART)
    }
    if SCHEMA in parts and schema is not None:
        parts[SCHEMA] = _sha256(schema.model_dump(mode="json"))
    asked = [*_texts(_table(settings, "project").get("dependencies"))]
    serve = _texts(_table(settings, "dependency-groups").get("serve"))
    names = {package(line) for line in [*asked, *serve]}
    pins = _texts(_table(settings, "tool", "uv").get("constraint-dependencies"))
    parts["pyproject.toml tool.bentoml.build"] = _sha256(build)
    parts["pyproject.toml project.dependencies"] = _sha256(sorted(asked))
    parts["pyproject.toml dependency-groups.serve"] = _sha256(sorted(serve))
    parts["pyproject.toml constraints of these"] = _sha256(sorted(p for p in pins if package(p) in names))
    return parts


def included(root: Path, commit: str, include: Any, exclude: Any = None) -> dict[str, str]:
    """Path -> blob id of the files that patterns like those of .gitignore choose; without patterns all.

    git itself matches them, over an index of the commit: BentoML reads the same language.
    """
    with tempfile.TemporaryDirectory(prefix="gitops-ml-") as folder:
        env = {**shell.environment(), "GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(root, env, "read-tree", commit)

        def matched(patterns: Iterable[str]) -> dict[str, str]:
            chosen = [f"--exclude={pattern}" for pattern in patterns]
            listed = _git(root, env, "ls-files", "--stage", "-z", "--cached", "--ignored", *chosen)
            entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
            return {path: facts.split()[1] for facts, _, path in entries}

        without = matched(_texts(exclude)) if _texts(exclude) else {}
        return {path: blob for path, blob in matched(_texts(include) or ["*"]).items() if path not in without}


def _git(root: Path, env: Mapping[str, str], *command: str) -> str:
    done = subprocess.run(["git", *command], cwd=root, env=dict(env), capture_output=True, check=False)
    if done.returncode:
        raise Fault(f"git {command[0]} failed: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout.decode("utf-8", "surrogateescape")


def package(requirement: str) -> str:
    """The normalised name of a requirement (PEP 503): "Ruamel.Yaml>=1 ; ..." is ruamel-yaml."""
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else requirement


# ---------------------------------------------------------------- source of the data


def _source(root: Path, commit: str) -> str:
    """The table's path; and of an imported one where it comes from, without what changes at every update."""
    params = tree.plain(root, commit, "params.yaml")
    data = params.get("data") if isinstance(params, dict) else None
    table = str(data.get("table", "")) if isinstance(data, dict) else ""
    pointer = tree.plain(root, commit, f"{table}.dvc") if table else None
    origins = []
    for dep in (pointer.get("deps") or []) if isinstance(pointer, dict) else []:
        repo = dep.get("repo") or {}
        # rev, rev_lock, etag, md5, size and version_id say which rows, not where from.
        origins.append({"path": dep.get("path"), "repo": repo.get("url"), "remote": dep.get("remote")})
    return json.dumps([table, *origins], sort_keys=True, ensure_ascii=False)


def _table(content: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    inner: Any = content
    for key in keys:
        inner = inner.get(key) if isinstance(inner, dict) else None
    return inner if isinstance(inner, dict) else {}


def _texts(given: Any) -> list[str]:
    """Requirements and patterns as texts; an ``include-group`` counts as what it says."""
    listed: Iterable[Any] = given if isinstance(given, list) else []
    return [one if isinstance(one, str) else json.dumps(one, sort_keys=True) for one in listed]


def _sha256(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
