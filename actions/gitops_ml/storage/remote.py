"""Bytes in an object store or a folder: DVC moves them; we name the objects, and hash what it brings and keeps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.storage.cache import Cache, setting
from gitops_ml.storage.report import Kind, Loss, Report, count, refuse
from gitops_ml.storage.scratch import scratch

# Runs under the project's Python, which has DVC and the drivers of its store; the suite's may have neither.
SCRIPT = """
import hashlib, json, sys
from concurrent.futures import ThreadPoolExecutor
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo

asked = json.load(sys.stdin)
name = asked["name"]
config = {"core": {"remote": name}, "remote": {name: {**asked["options"], "verify": True}}}
if asked["url"]:
    config["remote"][name]["url"] = asked["url"]
repo = Repo(asked["root"], config=config)
names = asked["objects"]
objects = {HashInfo("md5", name) for name in names}
answer = {}
if asked["verb"] == "fetch":
    answer = {"failed": [each.value for each in repo.cloud.pull(objects).failed]}
elif asked["verb"] == "push":
    answer = {"failed": [each.value for each in repo.cloud.push(objects).failed]}
else:
    store = repo.cloud.get_remote_odb()
    fs = store.fs
    def check(name):
        hashed, size = hashlib.md5(usedforsecurity=False), 0
        try:
            with fs.open(store.oid_to_path(name), "rb") as file:
                while chunk := file.read(1 << 20):
                    hashed.update(chunk)
                    size += len(chunk)
        except FileNotFoundError:
            return None
        return hashed.hexdigest(), size
    def take(name):
        data = fs.cat_file(store.oid_to_path(name)) if fs.exists(store.oid_to_path(name)) else b""
        if hashlib.md5(data, usedforsecurity=False).hexdigest() == name.removesuffix(".dir"):
            repo.cache.local.add_bytes(name, data)
    def erase(name):
        try:
            fs.remove(store.oid_to_path(name))
        except FileNotFoundError:
            return False
        return True
    with ThreadPoolExecutor(min(16, getattr(fs, "jobs", 4) or 4)) as pool:
        answer = dict(zip(names, pool.map({"check": check, "take": take, "erase": erase}[asked["verb"]], names)))
print("\\n" + json.dumps(answer))
"""


OPTIONS = (
    "GITOPS_ML_STORAGE"  # a job's credentials: lines `option = value`, as `dvc remote modify` takes them
)
NAME = "storage"  # of the remote that `storage move` and the template write


def kind(root: Path) -> Literal["git", "remote"]:
    """Where the project keeps its bytes: ``remote`` if its committed DVC settings name a default remote."""
    return "remote" if setting(root / ".dvc" / "config", "core", "remote") else "git"


def url(root: Path) -> str:
    """Address of the default remote, as the project's settings have it."""
    file = root / ".dvc" / "config"
    name = setting(file, "core", "remote") or ""
    return setting(file, f"'remote \"{name}\"'", "url") or f"the remote {name}"


def fetch(root: Path, objects: Sequence[str], follow: bool = True) -> None:
    """Objects into DVC's cache. One whose bytes are wrong does not stay there; look with :meth:`Cache.has`.

    ``follow``: DVC fetches with a folder's listing what stands in it.
    """
    cache = Cache(root)
    _dvc(root, "fetch" if follow else "take", objects, "")
    for md5 in objects:
        path = cache.path(md5)
        if path.exists():
            path.chmod(0o644)  # so that `has` hashes it, whatever the remote's settings let DVC do
            if cache.has(md5):
                path.chmod(0o444)
            else:
                path.unlink()


def push(root: Path, objects: Sequence[tuple[str, Path, int]], report: Report, at: str = "") -> Report:
    """Objects (md5, file, size; hashed by the caller) to the remote. Raises :class:`Fault` naming what did not arrive."""
    cache = Cache(root)
    where = at or url(root)
    with scratch(cache.base / "gitops-ml-tmp") as folder:
        for md5, path, _ in objects:
            if path != cache.path(md5) and not cache.has(md5):
                cache.keep(Path(shutil.copyfile(path, folder / md5)), md5)
    stored = _dvc(root, "check", [md5 for md5, _, _ in objects], at)
    there = {md5 for md5, found in stored.items() if found and found[0] == md5.removesuffix(".dir")}
    bad = [md5 for md5, found in stored.items() if found and md5 not in there]
    if bad:  # DVC would take them for stored
        _dvc(root, "erase", bad, at)
        report.notes.append(f"{count(len(bad))} were stored damaged, and are set right now")
    new = [(md5, size) for md5, _, size in objects if md5 not in there]
    if new:
        failed = _dvc(root, "push", [md5 for md5, _ in new], at)["failed"]
        refuse(
            [Loss("missing", md5, md5) for md5 in failed],
            f"{count(len(failed))} did not arrive in {where}:",
            "What arrived stays there. Run this again.",
        )
    report.objects, report.bytes = len(new), sum(size for _, size in new)
    report.present, report.where = len(there), f"to {where}"
    return report


def check(
    root: Path, objects: Iterable[str], at: str = "", sizes: dict[str, int | None] | None = None
) -> dict[str, Kind]:
    """Read every object where it is stored; for each that is not whole, what is wrong with it."""
    wrong: dict[str, Kind] = {}
    for md5, found in _dvc(root, "check", list(objects), at).items():
        size = (sizes or {}).get(md5)
        if found is None:
            wrong[md5] = "missing"
        elif found[0] != md5.removesuffix(".dir"):
            wrong[md5] = "truncated" if size is not None and found[1] < size else "corrupted"
    return wrong


def erase(root: Path, objects: Iterable[str]) -> list[str]:
    """Remove objects from the remote; those that were there."""
    return [md5 for md5, was in _dvc(root, "erase", list(objects), "").items() if was]


def python(root: Path) -> str:
    """A Python with DVC: this one, else the project's; in a workflow that of the checkout of main. Raises :class:`Fault`.

    A workflow's checkout of main gets its environment here, where it is needed: nothing of a pull request's is used.
    """
    if find_spec("dvc"):
        return sys.executable
    workflow = os.environ.get("GITHUB_ACTIONS") == "true"
    own = Path.cwd() if workflow else root
    path = own / ".venv" / "bin" / "python"
    if workflow and not path.exists():
        locked = ["--frozen"] if (own / "uv.lock").exists() else []
        shell.ask(["uv", "sync", "--quiet", *locked], own)
    if path.exists():
        return str(path)
    raise Fault(
        f"the project's bytes are in {url(root)}, which needs DVC, and {root} has no environment with it.\n"
        "Make one: uv sync"
    )


def options(text: str) -> dict[str, str]:
    """Options of the remote from lines `option = value`. Raises :class:`Fault` that repeats none of them."""
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if name and not name.startswith(("#", "[")):
            if not equals:
                raise Fault(
                    f"line {number} of {OPTIONS} is not of the form `option = value` (see `dvc remote modify`)."
                )
            found[name] = value
    return found


def _dvc(root: Path, verb: str, objects: Sequence[str], at: str) -> dict[str, Any]:
    name = NAME if at else setting(root / ".dvc" / "config", "core", "remote")
    asked = {
        "root": str(root),
        "verb": verb,
        "objects": list(objects),
        "url": at,
        "name": name,
        "options": options(os.environ.get(OPTIONS, "")),
    }
    done = subprocess.run(
        [python(root), "-c", SCRIPT],
        cwd=root,
        env=shell.environment(),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise _explained(root, done.stderr, at or url(root))
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _explained(root: Path, words: str, where: str) -> Fault:
    last = words.strip().splitlines()[-1] if words.strip() else "it gave no reason"
    scheme = where.partition("://")[0] if "://" in where else ""
    if "is supported, but requires" in words or "No module named 'dvc_" in words:
        return Fault(
            f"DVC has no driver for {where}. Add it to the project's environment:\n"
            f"  uv add 'dvc[{scheme}]>=3.67,<4'   (in pyproject.toml, where dvc stands now)"
        )
    return Fault(
        f"DVC could not work with {where}:\n  {last}\n"
        f"Are the address and this machine's credentials right? See: {shell.prefix(root)}dvc remote list"
    )
