"""The disturbed test rows by value: which rows they are, and what both models said of each disturbance."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitops_ml.build.disturbing import NAME
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.scores import Also, Scores
from gitops_ml.gate.chain import AGAIN
from gitops_ml.gate.evidence import Forged
from gitops_ml.gate.said import predictions_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

Who = Literal["champion", "challenger"]
SCHEMA = "schema.yaml"


@dataclass(frozen=True)
class Block:
    """One disturbance: an emptied ``column``, or noise where that is None. Predictions in the order of ``BadDay.rows``."""

    column: str | None
    predictions: dict[Who, pd.DataFrame]


@dataclass(frozen=True)
class BadDay:
    """``rows``: which of the test rows were disturbed, shape (rows,). Without blocks, ``error`` says why.

    ``fault``: it is the challenger that could not predict them.
    """

    rows: npt.NDArray[np.intp] | None = None
    noise: float | None = None
    blocks: tuple[Block, ...] = ()
    digests: dict[Who, str] = field(default_factory=dict)
    error: str = ""
    fault: bool = False


def bad_day(
    file: Path, schema: SchemaFile, policy: PolicyFile, scores: Path, manifest: Scores
) -> BadDay | None:
    """What the policy asks for, as the score job made it; None: it asks for nothing. ``file``: the test rows.

    Raises :class:`Forged` where the predictions are not of the rows, the disturbances or the models that they should be of.
    """
    rules, told = policy.robustness, manifest.disturbed
    if rules.noise is None and rules.missing is None:
        return None
    if told is None:
        return BadDay(error="the score job did not disturb them. Run it again.")
    if told.error is not None:
        return BadDay(error=told.error)
    wrong = [name for name in told.columns if name not in schema.features]
    if told.seed != rules.seed or told.noise not in (rules.noise, None) or wrong:
        raise Forged(f"the test rows were not disturbed as policy.yaml asks. {AGAIN}")
    rows = _rows(file, schema)
    also = next((one for one in manifest.also if one.name == NAME), None)
    blocks = [*([None] if told.noise is not None else []), *told.columns]
    if also is None or told.rows != len(rows) or also.rows != len(rows) * len(blocks):
        raise Forged(f"the disturbed rows are not those of the test rows. {AGAIN}")
    found = _said(also, scores, manifest)
    lacking = "challenger" not in found
    if lacking or (manifest.champion is not None and manifest.champion.scored and "champion" not in found):
        why = (also.error or "nobody said why").strip().splitlines()[-1]
        return BadDay(rows, told.noise, error=why, fault=lacking)
    parts = {
        column: {
            who: table.iloc[at * len(rows) : (at + 1) * len(rows)].reset_index(drop=True)
            for who, (table, _) in found.items()
        }
        for at, column in enumerate(blocks)
    }
    made = tuple(Block(column, said) for column, said in parts.items())
    return BadDay(rows, told.noise, made, {who: digest for who, (_, digest) in found.items()})


def _rows(file: Path, schema: SchemaFile) -> npt.NDArray[np.intp]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from gitops_ml.rows.disturbed import chosen, keys

    parquet = pq.ParquetFile(file)

    def column(name: str) -> pa.ChunkedArray:  # one at a time: a million rows take the memory of one column
        return parquet.read(columns=[name]).column(name)

    try:
        return chosen(keys(column, schema))
    except KeyError as missing:
        raise Forged(f"the test rows lack {missing}, which {SCHEMA} names. {AGAIN}") from None


def _said(also: Also, scores: Path, manifest: Scores) -> dict[Who, tuple[pd.DataFrame, str]]:
    champion = manifest.champion
    models: dict[Who, str] = {"challenger": manifest.challenger.model_sha256}
    models |= {"champion": champion.sha256} if champion else {}
    found: dict[Who, tuple[pd.DataFrame, str]] = {}
    for who, model in models.items():
        scored = also.champion if who == "champion" else also.challenger
        if scored is None:
            continue
        if scored.model_sha256 != model:
            raise Forged(f"the disturbed rows were predicted by another model than the {who}. {AGAIN}")
        found[who] = (predictions_of(scores, scored, also.rows, who), scored.sha256)
    return found
