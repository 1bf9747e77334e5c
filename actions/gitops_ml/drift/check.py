"""One look: the serving model's test rows, today's rows, the data contract, then the comparison. Writes the folder drift.

The order is the point: rows that break the contract are broken, not drifted, and too few rows, or none, are unknown.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec as _spec
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_ml import shell
from gitops_ml.build.environment import last_lines, python_of, scrubbed
from gitops_ml.build.released import Named, Released, released
from gitops_ml.build.seal import TEST_ROWS, sha256_of
from gitops_ml.build.workshop import fresh
from gitops_ml.contracts.base import to_json, write_text
from gitops_ml.contracts.drift import DriftFile, Problem, Rows, Serving
from gitops_ml.contracts.policy import Drift, PolicyFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.delivery.champion import champion
from gitops_ml.drift import compare, measure, quality, rows, source
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    import pandas as pd

SECONDS = 1800
FILE, SUMMARY = "drift.json", "summary.md"
REFERENCE, CURRENT = "reference.parquet", "current.parquet"
SEED = 0


@dataclass(frozen=True)
class Tools:
    """What a test may exchange: where bytes come from, how an environment is made, which Python, how long to wait."""

    pull: Callable[..., object] | None = None
    install: Sequence[str] | None = None
    python: str | None = None
    seconds: float = SECONDS
    say: Callable[[str], None] = print


@dataclass(frozen=True)
class Look:
    """What was found out, as far as it went."""

    policy: Drift
    serving: Serving

    def says(self, state: str, reason: str, **more: object) -> DriftFile:
        """The file, with nothing in it that is not known."""
        empty: dict[str, object] = {
            "watched": None, "problems": [], "columns": [], "share": None, "notes": [], "reference": None,
            "current": None,
        }  # fmt: skip
        return DriftFile(
            version=1,
            state=state,
            reason=reason,
            serving=self.serving,
            limit=self.policy.share,
            **{**empty, **more},
        )


def check(root: Path, out: Path, tools: Tools = Tools()) -> tuple[DriftFile, str]:
    """Look, and write ``out``: drift.json, summary.md, and where rows were compared report.html and both tables.

    Returns the file and the sha256 of drift.json. Nothing of the project is changed. Raises :class:`Fault` where the
    serving model itself is not to be had; ``out`` is then as it was.
    """
    from gitops_ml.drift.summary import summary

    policy = PolicyFile.read(root / "policy.yaml").drift
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        named = champion(root, "HEAD")
        if named is None:
            reason = "Nothing was released yet, so there is no model to watch."
            found = DriftFile(
                version=1, state="unknown", reason=reason, serving=None, watched=None, problems=[], columns=[],
                share=None, limit=policy.share, notes=[], reference=None, current=None,
            )  # fmt: skip
        else:
            tools.say(f"watching {named.version}, sha256 {named.sha256[:12]}")
            with fresh("gitops-ml-drift-") as desk:
                found = _look(root, desk, partial, policy, named, tools)
        found.write_json(partial / FILE)
        write_text(partial / SUMMARY, summary(found))
        digest = sha256_of(partial / FILE)
        shutil.rmtree(out, ignore_errors=True)
        os.rename(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return found, digest


def _look(root: Path, desk: Path, out: Path, policy: Drift, named: Named, tools: Tools) -> DriftFile:
    from gitops_ml.build.run import _storage_pull

    pull = tools.pull or _storage_pull
    look = Look(policy, Serving(version=named.version, revision=named.revision, sha256=named.sha256))
    python = tools.python or python_of(root)
    with (
        released(root, named, desk, pull, [TEST_ROWS]) as serving,
        source.scratch(root, desk) as (copy, more),
    ):
        schema = SchemaFile.read(serving.project / "schema.yaml")
        try:
            found = source.find(
                root,
                copy,
                policy,
                source.tables_of(root, named.revision),
                python,
                shell.environment() | more,
                pull,
            )
        except Fault as fault:
            return look.says("unknown", f"Today's rows could not be read: {fault}")
        if not found.files:
            return look.says("unknown", found.reason)
        table = rows.read(found.files, schema, exact=found.exact)
        count = len(table.frame)
        broken = quality.problems(table, schema, exact=found.exact, tolerated=policy.tolerated)
        if broken:
            where = found.watched(count, 0)
            return look.says(
                "broken", _broken(broken, found.path, named.version), watched=where, problems=broken
            )
        if count < policy.min_rows:
            reason = f"{found.path} has {count:,} rows; fewer than {policy.min_rows:,} (policy.yaml, drift.min_rows) say nothing."
            return look.says("unknown", reason, watched=found.watched(count, 0))
        reference = rows.read([serving.project / TEST_ROWS], schema, exact=False).frame
        if len(reference) < policy.min_rows:
            reason = f"{named.version} was tested on {len(reference):,} rows; fewer than {policy.min_rows:,} (policy.yaml, drift.min_rows) say nothing."
            return look.says("unknown", reason, watched=found.watched(count, 0))
        notes: list[str] = []
        current = _sample(quality.clean(table.frame), policy.max_rows, f"{found.path} has", notes)
        reference = _sample(reference, policy.max_rows, f"The test rows of {named.version} are", notes)
        target = schema.target
        if target in current.columns:
            labelled = int(current[target].notna().sum())
            if labelled < len(current):
                notes.append(f"{labelled:,} of {len(current):,} rows have a label.")
            if not labelled:
                current = current.drop(columns=target)
        else:
            notes.append("The rows have no labels: whether the model is still right is not known.")
        key = schema.one("id")
        if key is not None and key not in current.columns:  # the score contract asks for one
            numbers = range(len(current))
            whole = schema.columns[key].type == "integer"
            current = current.assign(**{key: list(numbers) if whole else [str(one) for one in numbers]})
        files = {REFERENCE: reference, CURRENT: current}
        for name, frame in files.items():
            rows.write(frame, out / name)
        sides, kind, trouble = _predictions(serving, schema, files, desk, tools)
        wanted, left = compare.subjects(schema, current, kind)
        notes += [f"Not compared: {', '.join(left)}."] if left else []
        notes += [f"What the model says of today's rows is not known: {trouble}"] if trouble else []
        compared = compare.compare(sides[0], sides[1], wanted, policy, _measurer(root, out, desk))
        answer = compare.decide(compared, policy)
        digests = [Rows(file=n, sha256=sha256_of(out / n), rows=len(frame)) for n, frame in files.items()]
        return look.says(
            answer.state, answer.reason, watched=found.watched(count, len(current)), columns=compared,
            share=answer.share, notes=notes, reference=digests[0], current=digests[1],
        )  # fmt: skip


def _broken(broken: list[Problem], path: str, version: str) -> str:
    columns = len({one.column for one in broken})
    failures = f"{len(broken)} failure{'s' * (len(broken) != 1)} in {columns} column{'s' * (columns != 1)}"
    return (
        f"{path} breaks the data contract of {version} ({failures}). That is no drift: nothing is retrained."
    )


def _sample(frame: pd.DataFrame, most: int, what: str, notes: list[str]) -> pd.DataFrame:
    if len(frame) <= most:
        return frame
    notes.append(
        f"{what} {len(frame):,} rows; a seeded sample of {most:,} was compared (policy.yaml, drift.max_rows)."
    )
    return frame.sample(n=most, random_state=SEED).sort_index().reset_index(drop=True)


# ---------------------------------------------------------------- what the model says


def _predictions(
    serving: Released, schema: SchemaFile, files: Mapping[str, pd.DataFrame], desk: Path, tools: Tools
) -> tuple[tuple[pd.DataFrame, pd.DataFrame], compare.Kind | None, str]:
    """Both tables with the model's answers as a column, and of what kind they are; or why there are none."""
    import pandas as pd

    from gitops_ml.build.predicting import install_for, predict

    frames = (files[REFERENCE], files[CURRENT])
    kind: compare.Kind = "number"
    answers = []
    try:
        python = install_for(serving.project, tools.install, tools.seconds)
        for name, frame in zip(files, frames, strict=True):
            asked, answered = desk / f"asked-{name}", desk / f"answered-{name}"
            rows.write(_asked(frame, schema), asked)
            named = serving.named
            predict(
                serving.project, python, serving.model, named.sha256, asked, len(frame), answered, named.revision,
                tools.seconds,
            )  # fmt: skip
            values, kind = _said(pd.read_parquet(answered), schema)
            answers.append(values)
    except Fault as fault:
        # A column without a value: it is shown as not compared, and the verdict cannot be "stable".
        trouble, kind = last_lines(str(fault), 3), "number"
        answers = [pd.Series([None] * len(frame), dtype="float64") for frame in frames]
    else:
        trouble = ""
    column = compare.prediction_name(schema)
    first, second = (
        frame.assign(**{column: said.to_numpy()}) for frame, said in zip(frames, answers, strict=True)
    )
    return (first, second), kind, trouble


def _asked(frame: pd.DataFrame, schema: SchemaFile) -> pd.DataFrame:
    """What the score contract asks for: the features, and the id where one is declared; never the target."""
    key = schema.one("id")
    return frame[[*([key] if key else []), *(name for name in schema.features if name in frame.columns)]]


def _said(answered: pd.DataFrame, schema: SchemaFile) -> tuple[pd.Series, compare.Kind]:
    """The one column that says most: the score of two classes, the number of a regression, the class of several."""
    target = schema.columns[schema.target]
    if schema.task == "regression":
        return answered["prediction"], "number"
    classes = sorted(target.categories or [])
    positive = target.positive if target.positive is not None else classes[-1]
    score = f"score_{positive}"
    if len(classes) == 2 and score in answered.columns:
        return answered[score], "number"
    return answered["prediction"], "category"


# ---------------------------------------------------------------- Evidently


def _measurer(root: Path, out: Path, desk: Path) -> compare.Measure:
    """Evidently in this process, or in the project's Python, whichever has it."""

    def here(
        reference: pd.DataFrame, current: pd.DataFrame, asked: compare.Asked
    ) -> Mapping[str, float | None]:
        return measure.measure(reference, current, asked, out / measure.PAGE)

    def there(
        reference: pd.DataFrame, current: pd.DataFrame, asked: compare.Asked
    ) -> Mapping[str, float | None]:
        folder = desk / "measure"
        folder.mkdir()
        reference.to_parquet(folder / REFERENCE)
        current.to_parquet(folder / CURRENT)
        write_text(folder / measure.ASK, to_json(asked))
        python = python_of(root)
        command = [python, "-m", "gitops_ml.drift.measure", str(folder)]
        done = subprocess.run(
            command,
            cwd=desk,
            env=scrubbed(python),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            if "No module named 'evidently'" in done.stderr:
                raise Fault(
                    "Evidently is not installed here. Run: uv run --group monitor gitops-ml check-drift"
                )
            raise Fault(f"Evidently could not compare the rows:\n{last_lines(done.stderr, 8)}")
        shutil.copy(folder / measure.PAGE, out / measure.PAGE)
        found: dict[str, float | None] = json.loads((folder / measure.ANSWER).read_text("utf-8"))
        return found

    return here if _spec("evidently") is not None else there
