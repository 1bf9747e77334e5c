"""Reads what models said out of the folder of scores, and believes nothing of it that is not borne out by a digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_ml.contracts.scores import Champion, Scored, Scores
from gitops_ml.contracts.timings import Timings
from gitops_ml.contracts.verdict import Side
from gitops_ml.delivery.releases import numbers
from gitops_ml.gate.chain import AGAIN, plain
from gitops_ml.gate.evidence import Forged, Player, Shuffled

if TYPE_CHECKING:
    import pandas as pd


def scores_of(folder: Path, digest: str | None) -> Scores:
    """The manifest of the scores; ``digest``: as a job's output names it. Raises :class:`Forged`."""
    content = _bytes_of(folder, "manifest.json")
    if digest is not None and sha256(content) != digest:
        raise Forged(f"the manifest of the scores is not the one that the score job wrote: swapped. {AGAIN}")
    return Scores.read(folder / "manifest.json")


def player(folder: Path, champion: Champion, rows: int, who: str) -> Player:
    """A released model with what it said of the test rows; ``who``: its part, for people."""
    scored = champion.scored
    if scored is not None and (
        scored.model_sha256 != champion.sha256 or scored.revision != champion.revision
    ):
        raise Forged(f"the {who}'s predictions are of another model or revision than it is. {AGAIN}")
    side = Side(
        version=champion.version,
        revision=champion.revision,
        sha256=champion.sha256,
        predictions=None if scored is None else scored.sha256,
    )
    if scored is None:
        return Player(side, None, champion.error or "nobody said why", size=champion.size)
    return Player(side, predictions_of(folder, scored, rows, who), size=champion.size)


def baseline(folder: Path, given: Scores, rows: int, version: str | None) -> tuple[Player | None, str]:
    """The baseline that the base branch's policy names; None, and why, where it was not scored."""
    found = given.baseline
    if version is None:
        return None, ""
    if found is None:
        return None, "nobody scored it"
    if found.version != version:
        raise Forged(f"the scores are of baseline {found.version}, policy.yaml names {version}. {AGAIN}")
    if found.release is None:
        return None, found.error or "nobody said why"
    if numbers(found.release.version) != numbers(version):
        raise Forged(f"{found.release.version} was scored as baseline {version}. {AGAIN}")
    return player(folder, found.release, rows, "baseline"), ""


def shuffled(folder: Path, given: Scores, rows: int) -> Shuffled | None:
    """What models of a shuffled target said; None: there were none."""
    found = given.shuffled
    if found is None:
        return None
    tables = [predictions_of(folder, one, rows, f"shuffle {k}") for k, one in enumerate(found.scored, 1)]
    return Shuffled(found.seed, tuple(tables), found.error)


def predictions_of(folder: Path, scored: Scored, rows: int, who: str) -> pd.DataFrame:
    """Predictions, checked against their digest and the number of test rows: numbers, and the predicted labels."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    content = _bytes_of(folder, scored.file)
    if sha256(content) != scored.sha256:
        raise Forged(f"{scored.file} ({who}) is not what the score job wrote: changed or swapped. {AGAIN}")
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        names = [n for n in file.schema_arrow.names if n == "prediction" or n.startswith("score_")]
        table = file.read(columns=names)
    except (pa.ArrowException, OSError) as wrong:
        raise Forged(f"{scored.file} ({who}) is not Parquet: {wrong}") from None
    if table.num_rows != rows or scored.rows != rows:
        raise Forged(
            f"{scored.file} ({who}) has {table.num_rows:,} rows, its manifest says {scored.rows:,}, and there are {rows:,} "
            f"test rows. {AGAIN}"
        )
    numbers = [f.name for f in table.schema if f.name.startswith("score_")]
    strange = [name for name in numbers if not pa.types.is_floating(table.schema.field(name).type)]
    if strange:
        raise Forged(f"{scored.file} ({who}): column {strange[0]!r} does not hold numbers. {AGAIN}")
    return table.to_pandas(ignore_metadata=True)  # type: ignore[no-any-return]


def timings(scores: Path, digest: str) -> Timings:
    """What the score job's clock said, if it is what that job wrote."""
    name = "timings.json"
    if sha256(_bytes_of(scores, name)) != digest:
        raise Forged(f"{name} is not what the score job wrote: changed or swapped. {AGAIN}")
    return Timings.read(scores / name)


def _bytes_of(folder: Path, name: str) -> bytes:
    if "/" in name or name in ("", ".", "..") or not plain(folder, name):
        raise Forged(f"{folder.name}/{name} is missing, or no plain file. {AGAIN}")
    return (folder / name).read_bytes()


def sha256(content: bytes) -> str:
    """Hex."""
    return hashlib.sha256(content).hexdigest()
