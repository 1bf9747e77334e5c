"""Champion and candidate on further rows: those of today, and those the champion was tested on. Shown, never judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from gitops_ml.build.held_out import held_out
from gitops_ml.build.seal import sha256_of
from gitops_ml.build.sealed import opened
from gitops_ml.contracts.scores import Also, Scores
from gitops_ml.gate.bootstrap import paired
from gitops_ml.gate.chain import AGAIN
from gitops_ml.gate.evidence import Evidence, Forged, Player
from gitops_ml.gate.metrics import Rows, primary
from gitops_ml.gate.said import predictions_of, scores_of
from gitops_ml.gate.table import Table


@dataclass(frozen=True)
class Beside:
    """The primary metric of both on ``n`` rows, and the interval of the difference; ``reason`` says what is missing."""

    name: str
    n: int
    left_out: int
    metric: str
    champion: float | None = None
    challenger: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def word(self) -> str:
        """better, worse, same (no difference can be seen) or unknown."""
        if self.low is None or self.high is None:
            return "unknown"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "same"


def beside(
    evidence: Evidence,
    tables: dict[str, Path],
    candidate: Path,
    candidate_digest: str,
    scores: Path,
    digest: str,
) -> list[Beside]:
    """One for each table, in order. Raises :class:`Forged` where scores are of other rows or models.

    ``tables``: checked already. Which of their rows the candidate was not trained on is found out here again.
    """
    given = scores_of(scores, digest)
    by_name = {one.name: one for one in given.also}
    return [
        _one(evidence, path, by_name.get(name), candidate, candidate_digest, scores, given, name)
        for name, path in tables.items()
    ]


def _one(
    evidence: Evidence,
    path: Path,
    also: Also | None,
    candidate: Path,
    candidate_digest: str,
    scores: Path,
    given: Scores,
    name: str,
) -> Beside:
    schema = evidence.new_schema
    metric = Table.of(evidence).primary
    if also is None:
        return Beside(name, 0, 0, metric, reason="nobody scored them")
    if also.source != sha256_of(path):
        raise Forged(f"the scores of the rows {name} are of another table. {AGAIN}")
    keep = held_out(path, candidate, opened(candidate, candidate_digest), schema)
    if int(keep.sum()) != also.rows:
        raise Forged(
            f"the scores of the rows {name} are of {also.rows:,} rows, not of {int(keep.sum()):,}. {AGAIN}"
        )
    known = Beside(name, also.rows, also.left_out, metric)
    if also.challenger is None or also.champion is None or given.champion is None:
        return replace(known, reason=(also.error or "there is no champion").splitlines()[-1])
    if (
        also.challenger.model_sha256 != evidence.challenger.side.sha256
        or also.champion.model_sha256 != given.champion.sha256
    ):
        raise Forged(f"the scores of the rows {name} are of other models. {AGAIN}")
    if schema.target not in pq.read_schema(path).names:
        return replace(known, reason="the rows have no labels")
    group = schema.one("group")
    frame = pq.read_table(path).to_pandas(ignore_metadata=True)[keep].reset_index(drop=True)
    told = frame[schema.target].notna().to_numpy()
    sides = []
    for who, scored in (("challenger", also.challenger), ("champion", also.champion)):
        said = predictions_of(scores, scored, also.rows, who)
        sides.append(said[told].reset_index(drop=True))
    frame = frame[told].reset_index(drop=True)
    if not len(frame):
        return replace(known, n=0, reason="the rows have no labels")
    assert evidence.champion is not None
    table = Table.of(
        replace(
            evidence,
            truth=frame[schema.target],
            groups=frame[group] if group is not None and group in frame.columns else None,
            challenger=Player(evidence.challenger.side, sides[0]),
            champion=Player(evidence.champion.side, sides[1]),
        )
    )
    return _measured(replace(known, n=len(table.challenger.truth)), table, evidence)


def _measured(known: Beside, table: Table, evidence: Evidence) -> Beside:
    if table.champion is None:
        return replace(known, reason=table.trouble)
    own, other = primary(table.challenger), primary(table.champion)
    known = replace(known, challenger=own, champion=other)
    if own is None or other is None:
        return replace(known, reason=f"{known.metric} is not defined on these rows")
    rules = evidence.policy.quality
    if np.array_equal(table.challenger.scores, table.champion.scores):
        return replace(known, low=0.0, high=0.0)
    found = paired(
        table.challenger.kind, _truth(table.challenger), _scores(table.champion), _scores(table.challenger),
        groups=table.groups, level=rules.level, repeats=rules.repeats, seed=rules.seed,
    )  # fmt: skip
    return replace(known, low=found.low, high=found.high, reason=found.reason)


def _truth(rows: Rows) -> np.ndarray:
    return rows.truth == rows.positive if rows.kind == "binary" else rows.truth


def _scores(rows: Rows) -> np.ndarray:
    return rows.scores[:, rows.positive] if rows.kind == "binary" else rows.scores
