"""Released models beside whom the candidate is judged, asked the same rows: the champion, and the baseline of policy.yaml."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitops_ml.build.environment import last_lines
from gitops_ml.build.further import Extra
from gitops_ml.build.predicting import command, install_for, predict
from gitops_ml.build.released import Named, Pull, released
from gitops_ml.build.rules import rules_of
from gitops_ml.build.timing import Ready
from gitops_ml.contracts.scores import Baseline, Champion
from gitops_ml.errors import Fault


@dataclass(frozen=True)
class Asking:
    """What every released model is asked with. ``rows``: a table of ``count`` rows; answers go to the folder ``answers``.

    Trees, bytes and environments stand on ``desk``, as long as ``kept`` is open.
    """

    base: Path
    desk: Path
    rows: Path
    count: int
    answers: Path
    pull: Pull
    install: Sequence[str] | None
    seconds: float
    kept: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


@dataclass(frozen=True)
class Asked:
    """A released model's answer, or why there is none; ``ready``: how to ask it again, where it answered."""

    champion: Champion
    ready: Ready | None = None


def ask(asking: Asking, named: Named, name: str, extras: Sequence[Extra] = ()) -> Asked:
    """One release's predictions in ``<name>.parquet``, by its own code and environment; and those of ``extras``."""
    facts: dict[str, Any] = {"version": named.version, "revision": named.revision, "sha256": named.sha256}
    output = asking.answers / f"{name}.parquet"
    try:
        there = released(asking.base, named, asking.desk, asking.pull, place=name)
        found = asking.kept.enter_context(there)
        facts["size"] = found.model.stat().st_size
        python = install_for(found.project, asking.install, asking.seconds)
        say = functools.partial(predict, found.project, python, found.model, named.sha256)
        scored = say(asking.rows, asking.count, output, named.revision, asking.seconds)
        for extra in extras:
            extra.champion = extra.asked(say, asking.answers, name, named.revision, asking.seconds)
        ready = Ready(
            command(found.project, python, found.model, named.sha256), found.project, python, output
        )
        return Asked(Champion.parse({**facts, "scored": scored.model_dump(), "error": None}, "scores"), ready)
    except (Fault, OSError) as wrong:
        output.unlink(missing_ok=True)
        why = last_lines(str(wrong), 8)[:2000]
        return Asked(Champion.parse({**facts, "scored": None, "error": why}, "scores"))


def baseline(asking: Asking, head: Path, champion: Champion | None) -> Baseline | None:
    """The release that the judge's policy names, asked as the champion was; None: it names none.

    Where it is the champion, nobody is asked twice.
    """
    revision, policy = rules_of(head, asking.base)
    version = None if policy is None else policy.baseline.version
    if version is None:
        return None
    try:
        named = _release(asking.base, revision, version)
    except Fault as wrong:
        return Baseline(version=version, release=None, error=last_lines(str(wrong), 4)[:2000])
    same = champion is not None and (champion.revision, champion.sha256) == (named.revision, named.sha256)
    release = champion if same else ask(asking, named, "baseline").champion
    return Baseline(version=version, release=release, error=None)


def _release(base: Path, revision: str, version: str) -> Named:
    """The release of this version that a revision of main contains. Raises :class:`Fault`."""
    from gitops_ml.delivery import tree
    from gitops_ml.delivery.champion import Champion as Released
    from gitops_ml.delivery.releases import model_sha256, numbers, releases

    listed = releases(base, tree.model_name(base, revision), revision)
    found = next((one for one in listed if one.numbers == numbers(version)), None)
    sha256 = None if found is None else model_sha256(base, found.commit)
    if found is None or sha256 is None:
        there = ", ".join(one.version for one in listed[:8]) or "nothing yet"
        raise Fault(
            f"policy.yaml names {version} as baseline, and main has no such release with a model. Released: {there}"
        )
    return Released(found.version, found.commit, sha256)
