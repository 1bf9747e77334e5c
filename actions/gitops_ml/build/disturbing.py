"""Test rows on a bad day, where policy.yaml asks for them: a further set of rows that both models are asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_ml.build.environment import last_lines
from gitops_ml.build.further import Extra
from gitops_ml.build.rules import rules_of
from gitops_ml.build.seal import sha256_of
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.scores import Disturbed
from gitops_ml.errors import Fault

NAME = "disturbed"
"""Under which the predictions stand among further rows."""
EVALUATION = "reports/evaluation.json"


@dataclass(frozen=True)
class Made:
    """What the manifest says of it, and the rows; without them it says why."""

    told: Disturbed
    extra: Extra | None


def made(head: Path, base: Path, candidate: Path, rows: Path, desk: Path) -> Made | None:
    """The disturbed rows on the desk; None: the judge's policy does not ask for any.

    ``rows``: the test rows without their target. What keeps them from being made is written down, for the judge to weigh.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from gitops_ml.rows.disturbed import chosen, disturbed, keys, numbers

    _, policy = rules_of(head, base)
    rules = None if policy is None else policy.robustness
    if rules is None or (rules.noise is None and rules.missing is None):
        return None
    columns: list[str] = []
    noise = rules.noise
    count = 0
    try:
        schema = SchemaFile.read(head / "schema.yaml")
        columns = important(_evaluation(candidate, head), schema.features)[: rules.missing or 0]
        noise = noise if numbers(schema) else None
        table = pq.read_table(rows)
        order = chosen(keys(table.column, schema))
        taken = table.take(pa.array(order))
        count = len(order)
        if noise is not None or columns:
            whole = disturbed(taken, keys(taken.column, schema), schema, noise, rules.seed, columns)
            path = desk / f"also-{NAME}.parquet"
            pq.write_table(whole, path)
            told = Disturbed(rows=count, noise=noise, seed=rules.seed, columns=columns, error=None)
            return Made(told, Extra(NAME, sha256_of(path), path, whole.num_rows, 0))
        error = "there is no number and no feature that could be disturbed"
    except (Fault, pa.ArrowException, KeyError, OSError, TypeError) as wrong:
        error = last_lines(f"the test rows cannot be disturbed: {wrong}", 4)[:2000]
    return Made(Disturbed(rows=count, noise=noise, seed=rules.seed, columns=columns, error=error), None)


def important(evaluation: object, features: Sequence[str]) -> list[str]:
    """The features, the most important first as the candidate's own report has them; then the others, in their order."""
    listed = evaluation.get("importance") if isinstance(evaluation, dict) else None
    named = [str(one.get("feature")) for one in listed or [] if isinstance(one, dict)]
    known = [name for name in dict.fromkeys(named) if name in features]
    return [*known, *(name for name in features if name not in known)]


def _evaluation(candidate: Path, head: Path) -> object:
    """The report that the build made, else the one that it left as it was."""
    for path in (candidate / "files" / EVALUATION, head / EVALUATION):
        if path.is_file() and not path.is_symlink():
            try:
                return json.loads(path.read_bytes())
            except ValueError:
                return None
    return None
