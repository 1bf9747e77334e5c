"""The build: pulls what is needed, runs what nobody may vouch for, without a run-cache, and seals what came out."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gitops_ml import shell
from gitops_ml.build import again, gold, trees
from gitops_ml.build import lock as locks
from gitops_ml.build import merge as merging
from gitops_ml.build import pipeline as pipelines
from gitops_ml.build import plan as planning
from gitops_ml.build import update as updating
from gitops_ml.build.derived import is_derived, is_source_pointer
from gitops_ml.build.environment import in_ci, last_lines, python_of, scrubbed
from gitops_ml.build.seal import Sealed, blob_of, kept_outs, seal, wanted_objects
from gitops_ml.build.trees import Side
from gitops_ml.build.workshop import apart
from gitops_ml.contracts.base import write_text
from gitops_ml.errors import Fault
from gitops_ml.storage.cache import cache_folder

Pull = Callable[..., object]
NOT_BELIEVED = "gitops-ml: built by somebody else"
_RUNNING = re.compile(r"Running stage '([^']+)':")


@dataclass
class Log:
    """What DVC did: stages in the order in which they ran, and the seconds of each."""

    ran: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def build(
    head: Path,
    out: Path,
    *,
    stages: Collection[str] | None = None,
    base: str | None = None,
    update: bool = False,
    merge: str | None = None,
    isolated: bool | None = None,
    python: str | None = None,
    pull: Pull | None = None,
    twice: again.Wanted | None = None,
    rules: str | None = None,
    say: Callable[[str], None] = print,
) -> Sealed | None:
    """Build the checkout ``head`` and write the candidate to ``out``; None: nothing to do (``update`` only).

    ``stages`` are run whatever DVC thinks; without them the plan against ``base`` (default: only what is stale)
    decides. ``merge``: that commit of main is merged into the folder first. ``isolated`` (default: in a workflow):
    bytes come from the storage alone, not from what lies in the checkout. ``twice``: whether the lock that came out is
    built once more; of a lock that needed no build, every stage. ``rules``: the commit whose policy.yaml will judge; its
    gold set, and the branch's own, are not to be seen in an isolated build. Raises :class:`Fault`; ``out`` is then as it was.
    """
    python = python or python_of(head)
    isolated = in_ci() if isolated is None else isolated
    pull = pull or _storage_pull
    commit, tree, merged = trees.commit_of(head, "HEAD"), "HEAD", None
    if merge is not None:
        base = trees.commit_of(head, merge)
        # Merged already, by a run that was stopped: only the build is missing.
        if shell.ask_git(head, "merge-base", "--is-ancestor", base, commit) is None:
            merged = base
            result = merging.merge(head, commit, merged)
            merging.check_out(head, result.tree)
            tree = result.tree
            if result.taken:
                say(f"merged {merged[:12]}; taken from main and built again: {', '.join(result.taken)}")
    golden = gold.declared(head, tree, *filter(None, [rules]))
    with apart(head, isolated) as more, gold.hidden(head, golden if isolated else ()):
        moved: list[str] = []
        if update:
            moved = updating.update(head, python, shell.environment() | more)
            say("sources moved: " + (", ".join(moved) or "none"))
        if stages is None:
            dvc = [python, "-I", "-m", "dvc"]
            found = planning.plan(head, base or commit, dvc=dvc, tree=tree, look=True, env=more)
            if found.kind == "invalid":
                raise Fault(found.reason or "the pipeline cannot be read")
            stages = found.names
        if update and not moved and not stages:
            return None
        side = Side(head, tree)
        log = Log()
        if stages or moved:
            lock = locks.read(head)
            _check_names(stages, lock, side.pipeline)
            tables = dict(side.tables)
            for pointer in moved:
                tables |= pipelines.table((head / pointer).read_text("utf-8"), pointer)
            used = _fetch(head, side, lock, set(stages), pull, golden)
            if isolated:
                _verify_tables(head, {path: tables[path] for path in used})
            log = _run(head, stages, python, scrubbed(python) | more, isolated, say)
        # On a laptop what is not committed yet counts too.
        text = None if isolated else (head / "dvc.yaml").read_text("utf-8")
        pipeline = side.pipeline if text is None else pipelines.parse(text)
        cache = cache_folder(head)
        lacking = [p for p, md5 in wanted_objects(head, pipeline, moved) if not _stored(cache, md5)]
        if lacking:
            pull(head, lacking, checkout=False)
        second = None
        if twice is not None and twice(blob_of((head / locks.FILE).read_bytes(), side)):
            names = log.ran or every_stage(head)
            say(f"once more, in a clean folder: {', '.join(names)}")
            second = again.twice(
                side,
                cache,
                names,
                python,
                lambda at, which, env: _run(at, which, python, env, False, say),
                pull,
            )
        return seal(
            head,
            out,
            side=side,
            pipeline=pipeline,
            cache=cache,
            commit=commit,
            merged=merged,
            moved=moved,
            ran=log.ran,
            seconds=log.seconds,
            again=second,
        )


def _storage_pull(root: Path, wanted: Iterable[str] | None = None, **more: Any) -> object:
    from gitops_ml.storage import pull

    return pull(root, wanted, **more)


def _stored(cache: Path, md5: str) -> bool:
    return (cache / "files" / "md5" / md5[:2] / md5[2:]).is_file()


# ---------------------------------------------------------------- running


def _check_names(stages: Collection[str], lock: locks.Lock, pipeline: pipelines.Pipeline) -> None:
    unknown = [n for n in stages if n not in lock and pipelines.stage_of(pipeline, n) is None]
    if unknown:
        raise Fault(f"dvc.yaml has no stage {unknown[0]}. It has: {', '.join(pipeline)}")


def _run(
    head: Path,
    stages: Collection[str],
    python: str,
    env: dict[str, str],
    isolated: bool,
    say: Callable[[str], None],
) -> Log:
    """Run these stages and what follows from them; dvc.lock is as it was if that fails."""
    path, dirty = head / locks.FILE, _dirty(head)
    if path.is_symlink():
        raise Fault("dvc.lock is a link, not a file. Commit the file itself.")
    original = path.read_bytes() if path.is_file() else None
    known = frozenset([*locks.read(head), *pipelines.parse((head / "dvc.yaml").read_text("utf-8"))])
    try:
        _doubt(path, stages)
        log = _repro(head, python, env, say, known)
        after = locks.read(head)
        left = [name for name in stages if name in after and after[name].cmd == NOT_BELIEVED]
        if left:
            raise Fault(f"DVC did not run {', '.join(left)}, which CI must build itself.")
    except BaseException:
        if original is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(original)
        raise
    theirs = sorted(p for p in _dirty(head) - dirty if not is_derived(p) and not is_source_pointer(p))
    if theirs and isolated:
        raise Fault(
            f"the pipeline changed files that people own: {', '.join(theirs[:5])}. What is judged would not be what "
            "is in the commit. Let stages write only what dvc.yaml lists under outs."
        )
    return log


def _dirty(head: Path) -> set[str]:
    listing = shell.git(head, "diff", "--name-only", "-z", "--no-renames", "--relative", "HEAD", "--", ".")
    return {path for path in listing.split("\0") if path}


def _fetch(
    head: Path, side: Side, lock: locks.Lock, stages: set[str], pull: Pull, golden: Collection[str]
) -> list[str]:
    """Pull what the stages read and this folder does not have: tables, and results of stages that will not run.

    Returns the tables. ``golden`` are none of them: no stage may read those.
    """
    follow = set(stages)
    while True:
        made = {path for name in follow if name in lock for path in lock[name].outs}
        more = {n for n, e in lock.items() if n not in follow and any(_touches(dep, made) for dep in e.deps)}
        if not more:
            break
        follow |= more
    kept = kept_outs(side.pipeline, lock)
    running = {dep for name in follow if name in lock for dep in lock[name].deps}
    known = {dep for entry in lock.values() for dep in entry.deps}
    # A table that no entry names is new to the pipeline: some stage will read it.
    found = [t for t in side.tables if _touches(t, running) or not _touches(t, known)]
    tables = [t for t in found if t not in golden]
    must = [*tables, *(path for path, (name, _) in kept.items() if name not in follow)]
    may = [path for path, (name, _) in kept.items() if name in follow - stages]
    lacking = [path for path in must if not (head / path).exists()]
    if lacking:
        pull(head, lacking)
    hoped = [path for path in may if not (head / path).exists()]
    if hoped:
        # Results that are most likely made again; if not, the seal asks once more and says what is missing.
        with contextlib.suppress(Fault):
            pull(head, hoped)
    return tables


def _touches(path: str, others: Collection[str]) -> bool:
    return path in others or bool(trees.related(path, list(others)))


def _verify_tables(head: Path, tables: Mapping[str, str]) -> None:
    """DVC believes bytes that stand under the right name; we look."""
    for path, md5 in tables.items():
        file = head / path
        if file.is_file() and not md5.endswith(".dir"):
            with file.open("rb") as content:
                found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if found != md5:
                raise Fault(
                    f"{path} is not what {path}.dvc names (md5 {found}, not {md5}): the storage gave other bytes. "
                    "Check it: gitops-ml storage verify"
                )


def _doubt(lock: Path, stages: Collection[str]) -> None:
    """Make DVC run these stages, wherever they stand and whatever their entries say: the entry's command is not theirs.

    The entries keep their places, so that equal results give an equal file.
    """
    if not lock.is_file() or not stages:
        return
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 1 << 20
    content = yaml.load(lock.read_text("utf-8"))
    for name in stages:
        if name in content["stages"]:
            content["stages"][name]["cmd"] = NOT_BELIEVED
    text = io.StringIO()
    yaml.dump(content, text)
    write_text(lock, text.getvalue())


def _repro(
    head: Path, python: str, env: dict[str, str], say: Callable[[str], None], known: Collection[str]
) -> Log:
    """`dvc repro`, its output passed on; what ran, and how long. Raises :class:`Fault` with the last lines."""
    # -I: not a dvc.py that the pull request put into the current folder.
    command = [python, "-I", "-m", "dvc", "repro", "--no-run-cache", "--allow-missing"]
    log, lines, started, current = Log(), list[str](), time.monotonic(), ""
    # While the project's code talks, the runner must not take its words for commands (`::set-output ...`).
    stop = secrets.token_hex(16) if "GITHUB_ACTIONS" in os.environ else ""
    if stop:
        say(f"::stop-commands::{stop}")
    try:
        with subprocess.Popen(
            command,
            cwd=head,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as child:
            assert child.stdout is not None
            try:
                for line in child.stdout:
                    lines.append(line.rstrip("\n"))
                    del lines[:-200]
                    say(lines[-1])
                    running = _RUNNING.match(line)
                    if running and running[1] in known:
                        now = time.monotonic()
                        if current:
                            log.seconds[current] = round(now - started, 3)
                        current, started = running[1], now
                        log.ran += [current] if current not in log.ran else []
            except BaseException:
                child.terminate()
                raise
    finally:
        if stop:
            say(f"::{stop}::")
    if current:
        log.seconds[current] = round(time.monotonic() - started, 3)
    if child.returncode:
        where = f"stage {current}" if current else "the pipeline"
        raise Fault(f"{where} failed, so there is no candidate:\n{last_lines(chr(10).join(lines), 15)}")
    return log


def every_stage(head: Path) -> list[str]:
    """Every stage: those of dvc.yaml, and the members of its families that the lock knows."""
    stages = pipelines.parse((head / "dvc.yaml").read_text("utf-8"))
    members = [name for name in locks.read(head) if name not in stages and pipelines.stage_of(stages, name)]
    return [*(name for name, stage in stages.items() if not stage.family), *members]


def rehearse(head: Path, made: Path | None, say: Callable[[str], None] = print) -> Log:
    """Run the whole pipeline on what is here, pulling nothing and sealing nothing (forks). Raises :class:`Fault`.

    ``made``: a table of made-up rows; its ``.dvc`` file is out of DVC's sight meanwhile, for it names other bytes.
    """
    python = python_of(head)
    pointer = None if made is None else made.with_name(f"{made.name}.dvc")
    before = pointer.read_bytes() if pointer is not None and pointer.is_file() else None
    try:
        if pointer is not None:
            pointer.unlink(missing_ok=True)
        with apart(head, in_ci()) as more:
            return _run(head, every_stage(head), python, scrubbed(python) | more, False, say)
    finally:
        if pointer is not None and before is not None:
            pointer.write_bytes(before)
