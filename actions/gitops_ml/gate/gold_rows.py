"""Reads the gold set out of the folder of scores: the base branch's bytes, the rows that count, and what both models said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitops_ml.build import gold as given
from gitops_ml.build import lock as locks
from gitops_ml.build import pipeline as pipelines
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.scores import Also, Scores
from gitops_ml.errors import Fault
from gitops_ml.gate.chain import AGAIN, LOCK, Source, plain
from gitops_ml.gate.evidence import Forged
from gitops_ml.gate.said import predictions_of

if TYPE_CHECKING:
    import pandas as pd

Who = Literal["champion", "challenger"]
SCHEMA = "schema.yaml"


@dataclass(frozen=True)
class GoldSet:
    """The gold set by value. ``truth`` and ``groups`` have the order of the predictions, which lack where ``error`` says why.

    ``readers``: stages that read it. ``left_out``: rows that the candidate was trained on. ``lost``: what is missing is
    no fault of the pull request.
    """

    table: str
    sha256: str | None = None
    truth: pd.Series | None = None
    groups: pd.Series | None = None
    predictions: dict[Who, pd.DataFrame] = field(default_factory=dict)
    digests: dict[Who, str] = field(default_factory=dict)
    left_out: int = 0
    readers: tuple[str, ...] = ()
    error: str = ""
    lost: bool = False


def gold_rows(
    table: str, source: Source, base: Path, scores: Path, manifest: Scores, schema: SchemaFile
) -> GoldSet:
    """The gold set that policy.yaml of the folder ``base`` names. Raises :class:`Forged`: not its bytes, rows or models."""
    found, told = GoldSet(table), manifest.gold
    try:
        md5 = given.named(base, table)
    except Fault as wrong:
        return replace(found, error=str(wrong), lost=True)
    found = replace(found, readers=_readers(source, table, md5))
    if found.readers:  # nothing that was said of these rows would prove anything
        return found
    if told is None or told.table != table or told.sha256 is None:
        why = told.error if told is not None and told.table == table else None
        return replace(found, error=why or "the score job did not look at it. Run it again.", lost=True)
    if not plain(scores, given.FILE) or given.md5_of((scores / given.FILE).read_bytes()) != md5:
        raise Forged(f"{given.FILE} of the scores is not {table} of the base branch. {AGAIN}")
    also = next((one for one in manifest.also if one.name == given.NAME), None)
    if also is None or also.source != told.sha256:
        raise Forged(f"the scores of the gold set are of another table. {AGAIN}")
    found = replace(found, sha256=told.sha256, left_out=also.left_out)
    return _said(found, also, source, scores, manifest, schema)


def _readers(source: Source, table: str, md5: str) -> tuple[str, ...]:
    lock = locks.parse(source.content(LOCK).decode("utf-8", "replace"))
    text = source.content("dvc.yaml").decode("utf-8", "replace") if source.has("dvc.yaml") else ""
    pipeline = pipelines.parse(text) if text else {}
    made = {entry.path: entry.md5 for entry in source.sealed.objects}
    return tuple(given.readers(lock, pipeline, table, md5, made))


def _said(
    found: GoldSet, also: Also, source: Source, scores: Path, manifest: Scores, schema: SchemaFile
) -> GoldSet:
    import pyarrow.parquet as pq

    from gitops_ml.build.held_out import held_out
    from gitops_ml.build.seal import sha256_of

    path = scores / given.FILE
    if sha256_of(path) != found.sha256:
        raise Forged(f"{given.FILE} of the scores is not what their manifest names. {AGAIN}")
    keep = held_out(path, source.candidate, source.sealed, schema)
    if int(keep.sum()) != also.rows:
        raise Forged(
            f"the scores of the gold set are of {also.rows:,} rows, not of {int(keep.sum()):,}. {AGAIN}"
        )
    if not also.rows:
        return replace(found, error="the candidate was trained on every row of it")
    missing = [name for name in [*schema.features, schema.target] if name not in pq.read_schema(path).names]
    if missing:
        why = f"it has no column {missing[0]}, which {SCHEMA} asks for. Extend it in a pull request of its own, first"
        return replace(found, error=why, lost=True)
    if also.challenger is None:
        return replace(found, error=_last(also.error) or "the challenger said nothing of it")
    group = schema.one("group")
    frame = pq.read_table(path).to_pandas(ignore_metadata=True)[keep].reset_index(drop=True)
    labelled = frame[schema.target].notna().to_numpy()
    if not labelled.any():
        return replace(found, error="no row of it has a label", lost=True)
    champion = manifest.champion
    models: dict[Who, str] = {"challenger": manifest.challenger.model_sha256}
    models |= {"champion": champion.sha256} if champion else {}
    predictions: dict[Who, pd.DataFrame] = {}
    digests: dict[Who, str] = {}
    for who, model in models.items():
        scored = also.champion if who == "champion" else also.challenger
        if scored is None:
            continue
        if scored.model_sha256 != model:
            raise Forged(f"the scores of the gold set are of another model than the {who}. {AGAIN}")
        said = predictions_of(scores, scored, also.rows, who)
        predictions[who] = said[labelled].reset_index(drop=True)
        digests[who] = scored.sha256
    frame = frame[labelled].reset_index(drop=True)
    lacking = champion is not None and "champion" not in predictions
    return replace(
        found,
        truth=frame[schema.target],
        groups=frame[group] if group is not None and group in frame.columns else None,
        predictions=predictions,
        digests=digests,
        error=(_last(also.error) or "the champion said nothing of it") if lacking else "",
        lost=lacking,
    )


def _last(text: str | None) -> str:
    return text.strip().splitlines()[-1] if text and text.strip() else ""
