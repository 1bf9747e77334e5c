"""Champion, baseline and challenger predict the same rows, each by its own code and environment, without seeing the target."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_ml.build import disturbing
from gitops_ml.build import gold as gold_set
from gitops_ml.build.environment import python_of
from gitops_ml.build.further import extra_rows, without_target
from gitops_ml.build.predicting import SECONDS, command, execute, predict
from gitops_ml.build.released import Named
from gitops_ml.build.rivals import Asking, baseline
from gitops_ml.build.rivals import ask as ask_release
from gitops_ml.build.run import Pull, _storage_pull
from gitops_ml.build.seal import object_path, sha256_of
from gitops_ml.build.sealed import model_file, opened
from gitops_ml.build.timing import Ready, measured
from gitops_ml.build.workshop import fresh
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.scores import Scores
from gitops_ml.contracts.timings import Timings, Who
from gitops_ml.errors import Fault

TIMINGS = "timings.json"
Find = Callable[[Path, str], Named | None]


@dataclass(frozen=True)
class Result:
    """The scores and the sha256 of their manifest."""

    scores: Scores
    digest: str


def score(
    candidate: Path,
    head: Path,
    base: Path,
    out: Path,
    *,
    digest: str | None = None,
    also: Mapping[str, Path] = {},
    find: Find | None = None,
    pull: Pull | None = None,
    install: Sequence[str] | None = None,
    python: str | None = None,
    seconds: float = SECONDS,
    measure: bool = False,
    say: Callable[[str], None] = print,
) -> Result:
    """Score the candidate's test rows with both models and write ``out``.

    ``base``: a checkout of the base branch with its tags; it says who the champion is. What keeps the champion from
    predicting is written down, for the judge to weigh; what keeps the challenger from it is a :class:`Fault`.
    ``also``: further sets of rows, by name; both predict those of them that the candidate was not trained on, and what
    keeps them from it is written down; so is the gold set, where policy.yaml names one, its baseline, and the test rows on a bad day. ``install``: the command that
    makes a champion's environment (default: uv sync). ``measure``: in the end, ask both in turn with a clock (see
    :mod:`gitops_ml.build.timing`).
    """
    from gitops_ml.build import shuffled

    sealed = opened(candidate, digest)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        timings: Timings | None = None
        with fresh("gitops-ml-score-") as desk, contextlib.ExitStack() as kept:
            rows = desk / "rows.parquet"
            count = without_target(object_path(candidate, sealed.test_rows.md5), rows, (head, base))
            gold = gold_set.brought(head, base, desk, pull or _storage_pull)
            further = {**also, **({gold_set.NAME: gold.file} if gold and gold.file else {})}
            extras = [
                extra_rows(name, path, candidate, sealed, desk, (head, base))
                for name, path in further.items()
            ]
            bad = disturbing.made(head, base, candidate, rows, desk)
            extras += [bad.extra] if bad and bad.extra else []
            # The champion first: what runs afterwards is the pull request's code.
            named = (find or functools.partial(_find, sealed))(base, "HEAD")
            asking = Asking(base, desk, rows, count, partial, pull or _storage_pull, install, seconds, kept)
            first = ask_release(asking, named, "champion", extras) if named else None
            champion = None if first is None else first.champion
            reference = baseline(asking, head, champion)
            players: dict[Who, Ready] = {}
            if first is not None and first.ready is not None:
                players["champion"] = first.ready
            if not measure:
                kept.close()
            model = desk / "candidate" / "model.skops"
            model.parent.mkdir()
            shutil.copy(model_file(candidate, sealed), model)
            say(f"challenger: {sealed.model.sha256[:12]} predicts {count:,} rows")
            try:
                challenger = predict(
                    head,
                    python or python_of(head),
                    model,
                    sealed.model.sha256,
                    rows,
                    count,
                    partial / "challenger.parquet",
                    sealed.head,
                    seconds,
                )
            except Fault as fault:
                raise Fault(
                    f"the new model cannot be scored, so it cannot be judged: {fault}\n"
                    "Try it: python -m <package>.score --model models/model.skops --input TABLE --output out.parquet"
                ) from None
            own = python or python_of(head)
            ask = functools.partial(
                predict, head, own, rows=rows, count=count, revision=sealed.head, seconds=seconds
            )
            want = shuffled.asked(base, sealed.head)
            shuffles = shuffled.shuffled(
                want, candidate, sealed, head, desk, partial, own, ask, execute, seconds
            )
            for extra in extras:
                ask = functools.partial(predict, head, python or python_of(head), model, sealed.model.sha256)
                extra.challenger = extra.asked(ask, partial, "challenger", sealed.head, seconds)
            golden = gold.told(partial) if gold else None
            if measure:
                own = python or python_of(head)
                said = partial / challenger.file
                players["challenger"] = Ready(command(head, own, model, sealed.model.sha256), head, own, said)
                timings = measured(players, rows, desk)
        others = [champion, reference and reference.release]
        theirs = [*(one.scored for one in others if one), *(extra.champion for extra in extras)]
        for scored in filter(None, theirs):
            if sha256_of(partial / scored.file) != scored.sha256:
                raise Fault(
                    "the champion's predictions changed while the challenger's code ran. Look at that code."
                )
        manifest = sha256_of(candidate / "manifest.json")
        test_rows = sha256_of(object_path(candidate, sealed.test_rows.md5))
        if timings is not None:
            timings.write_json(partial / TIMINGS)
        scores = Scores(
            version=1,
            candidate=manifest,
            test_rows=test_rows,
            challenger=challenger,
            champion=champion,
            also=[extra.told(champion) for extra in extras],
            shuffled=shuffles,
            timings=None if timings is None else sha256_of(partial / TIMINGS),
            gold=golden,
            baseline=reference,
            disturbed=None if bad is None else bad.told,
        )
        if manifest != (digest or manifest):
            raise Fault("the candidate changed while its code ran. Look at that code.")
        scores.write_json(partial / "manifest.json")
        result = Result(scores, sha256_of(partial / "manifest.json"))
        shutil.rmtree(out, ignore_errors=True)
        os.rename(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return result


def _find(sealed: Candidate, base: Path, revision: str) -> Named | None:
    """The champion; if that is the candidate itself, tagged by a release that was cut off, the one before it."""
    from gitops_ml.delivery.champion import champion

    found = champion(base, revision)
    if found is not None and (found.revision, found.sha256) == (sealed.head, sealed.model.sha256):
        found = champion(base, revision, but=sealed.head)
    return found
