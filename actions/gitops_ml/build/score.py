"""Champion and challenger predict the same rows, each by its own code in its own environment, without seeing the target."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_ml.build import gold as gold_set
from gitops_ml.build.environment import last_lines, python_of, scrubbed
from gitops_ml.build.released import Named, released
from gitops_ml.build.run import Pull, _storage_pull
from gitops_ml.build.seal import object_path, sha256_of
from gitops_ml.build.sealed import model_file, opened
from gitops_ml.build.timing import Ready, measured
from gitops_ml.build.workshop import fresh
from gitops_ml.contracts.base import read_plain
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.scores import Also, Champion, Scored, Scores
from gitops_ml.contracts.timings import Timings, Who
from gitops_ml.errors import Fault

SECONDS = 1800
"""A model that scores longer than this is not one to wait for."""
TIMINGS = "timings.json"
INSTALL = ("uv", "sync", "--no-default-groups")


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
    keeps them from it is written down; so is the gold set, where policy.yaml names one. ``install``: the command that
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
            count = _without_target(object_path(candidate, sealed.test_rows.md5), rows, (head, base))
            gold = gold_set.brought(head, base, desk, pull or _storage_pull)
            further = {**also, **({gold_set.NAME: gold.file} if gold and gold.file else {})}
            extras = [
                _extra(name, path, candidate, sealed, desk, (head, base)) for name, path in further.items()
            ]
            # The champion first: what runs afterwards is the pull request's code.
            named = (find or functools.partial(_find, sealed))(base, "HEAD")
            output = partial / "champion.parquet"
            players: dict[Who, Ready] = {}
            champion = (
                _champion(
                    base, named, desk, rows, count, output, pull, install, seconds, extras, kept, players
                )
                if named
                else None
            )
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
        theirs = [champion.scored if champion else None, *(extra.champion for extra in extras)]
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


# ---------------------------------------------------------------- rows


@dataclass
class Extra:
    """A further set of rows while it is predicted. ``rows``: those that count, without the target."""

    name: str
    source: str
    rows: Path
    count: int
    left_out: int
    challenger: Scored | None = None
    champion: Scored | None = None
    error: str | None = None

    def asked(
        self, ask: Callable[..., Scored], folder: Path, who: str, revision: str, seconds: float
    ) -> Scored | None:
        """One model's predictions; None, and ``error``, where there are none."""
        if not self.count:
            return None
        output = folder / f"also-{self.name}-{who}.parquet"
        try:
            return ask(self.rows, self.count, output, revision, seconds)
        except Fault as wrong:
            output.unlink(missing_ok=True)
            self.error = last_lines(f"the {who}: {wrong}", 8)[:2000]
            return None

    def told(self, champion: Champion | None) -> Also:
        """What the manifest says of it."""
        error = self.error
        if not self.count:
            error = "the candidate was trained on all of these rows"
        elif error is None and champion is not None and champion.scored is None:
            error = champion.error
        return Also(
            name=self.name, source=self.source, rows=self.count, left_out=self.left_out, challenger=self.challenger,
            champion=self.champion, error=error,
        )  # fmt: skip


def _extra(
    name: str, path: Path, candidate: Path, sealed: Candidate, desk: Path, projects: Sequence[Path]
) -> Extra:
    from gitops_ml.build.held_out import held_out

    keep = held_out(path, candidate, sealed, SchemaFile.read(projects[0] / "schema.yaml"))
    rows, count = desk / f"also-{name}.parquet", int(keep.sum())
    if count:
        _without_target(path, rows, projects, keep)
    return Extra(name, sha256_of(path), rows, count, len(keep) - count)


def _without_target(source: Path, rows: Path, projects: Sequence[Path], keep: Any = None) -> int:
    """Write the rows (of them ``keep``) without what is to be predicted; how many there are. Raises :class:`Fault`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    targets = set()
    for project in projects:
        path = project / "schema.yaml"
        if path.is_file():
            targets.add(SchemaFile.read(path).target)
    try:
        table = pq.read_table(source)
    except (pa.ArrowException, OSError) as wrong:
        raise Fault(f"the test rows (data/prepared/test.parquet) are not Parquet: {wrong}") from None
    if not table.num_rows:
        raise Fault("there are no test rows, so nothing can be compared. See data.split in params.yaml.")
    if keep is not None:
        table = table.filter(pa.array(keep))
    kept = [name for name in table.column_names if name not in targets]
    pq.write_table(table.select(kept).replace_schema_metadata(None), rows)
    return int(table.num_rows)


# ---------------------------------------------------------------- the two models


def _champion(
    base: Path,
    named: Named,
    desk: Path,
    rows: Path,
    count: int,
    output: Path,
    pull: Pull | None,
    install: Sequence[str] | None,
    seconds: float,
    extras: Sequence[Extra],
    kept: contextlib.ExitStack,
    players: dict[Who, Ready],
) -> Champion:
    """The champion's predictions, or why there are none. Its tree, bytes and environment stay as long as ``kept`` is open.

    ``players``: it is put among those that can be asked again.
    """
    facts: dict[str, Any] = {"version": named.version, "revision": named.revision, "sha256": named.sha256}
    try:
        found = kept.enter_context(released(base, named, desk, pull or _storage_pull))
        facts["size"] = found.model.stat().st_size
        python = install_for(found.project, install, seconds)
        scored = predict(
            found.project, python, found.model, named.sha256, rows, count, output, named.revision, seconds
        )
        asked = command(found.project, python, found.model, named.sha256)
        players["champion"] = Ready(asked, found.project, python, output)
        for extra in extras:
            ask = functools.partial(predict, found.project, python, found.model, named.sha256)
            extra.champion = extra.asked(ask, output.parent, "champion", named.revision, seconds)
        return Champion.parse({**facts, "scored": scored.model_dump(), "error": None}, "scores")
    except (Fault, OSError) as wrong:
        output.unlink(missing_ok=True)
        return Champion.parse({**facts, "scored": None, "error": last_lines(str(wrong), 8)[:2000]}, "scores")


def _find(sealed: Candidate, base: Path, revision: str) -> Named | None:
    """The champion; if that is the candidate itself, tagged by a release that was cut off, the one before it."""
    from gitops_ml.delivery.champion import champion

    found = champion(base, revision)
    if found is not None and (found.revision, found.sha256) == (sealed.head, sealed.model.sha256):
        found = champion(base, revision, but=sealed.head)
    return found


def install_for(project: Path, install: Sequence[str] | None, seconds: float) -> str:
    """Make the environment that the champion was released with; its Python."""
    if install is None:
        frozen = ["--frozen"] if (project / "uv.lock").is_file() else []
        install = [*INSTALL, *frozen]
    if install:
        env = scrubbed(python_of(project))
        code, words, _ = execute(list(install), project, env, seconds)
        if code:
            raise Fault(f"its environment could not be made ({' '.join(install)}):\n{last_lines(words, 6)}")
    return python_of(project)


def predict(
    project: Path,
    python: str,
    model: Path,
    sha256: str,
    rows: Path,
    count: int,
    output: Path,
    revision: str,
    seconds: float,
    more: Mapping[str, str] = {},
) -> Scored:
    """One model's predictions by the score contract. Raises :class:`Fault` with what its code said.

    ``more``: additions to its environment.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = ["--input", str(rows), "--output", str(output.absolute())]
    asked = [*command(project, python, model, sha256), *tables]
    code, words, took = execute(asked, project, {**scrubbed(python), **more}, seconds)
    if code:
        raise Fault(f"its score command ended with status {code}:\n{last_lines(words, 8)}")
    if output.is_symlink() or not output.is_file():
        raise Fault("its score command wrote no predictions.")
    try:
        table = pq.ParquetFile(output)
        names, found = table.schema_arrow.names, table.metadata.num_rows
    except (pa.ArrowException, OSError) as wrong:
        raise Fault(f"its predictions are not Parquet: {wrong}") from None
    if "prediction" not in names:
        raise Fault(f"its predictions have no column `prediction`, but {', '.join(names[:6]) or 'none'}.")
    if found != count:
        raise Fault(
            f"it predicted {found:,} rows of {count:,}: one prediction for each row, in order, is asked for."
        )
    return Scored(
        file=output.name,
        sha256=sha256_of(output),
        model_sha256=sha256,
        revision=revision,
        rows=count,
        seconds=round(took, 3),
    )


def command(project: Path, python: str, model: Path, sha256: str) -> tuple[str, ...]:
    """The project's score command, but for the tables."""
    return (python, "-m", f"{package(project)}.score", "--model", str(model), "--sha256", sha256)


def package(project: Path) -> str:
    """The name of the project's Python package. Raises :class:`Fault`."""
    content = read_plain(project / ".gitops-ml.yaml")
    answers = content.get("answers") if isinstance(content, dict) else None
    name = str(answers.get("package_name", "")) if isinstance(answers, dict) else ""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise Fault(f".gitops-ml.yaml: answers.package_name is {name!r}, which is no Python package.")
    return name


def execute(command: list[str], root: Path, env: Mapping[str, str], seconds: float) -> tuple[int, str, float]:
    """Status, output and wall time; a command that hangs is ended with all it started. Raises :class:`Fault`."""
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            command,
            cwd=root,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Fault(f"the program {command[0]} was not found.") from None
    try:
        words, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise Fault(f"it did not end within {seconds:.0f} s.") from None
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise
    return child.returncode, words, time.monotonic() - started
