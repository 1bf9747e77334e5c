"""Which rows of a table a candidate was not trained on: only they can say what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gitops_ml.build.seal import object_path
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.contracts.schema import SchemaFile

TRAIN = "data/prepared/train.parquet"
Mask = np.ndarray[Any, Any]


def held_out(rows: Path, folder: Path, candidate: Candidate, schema: SchemaFile) -> Mask:
    """Row of ``rows`` -> whether the candidate's training rows have none with the same features and label.

    A pipeline that keeps no training rows as Parquet is not asked: then every row counts.
    """
    table = pq.read_table(rows).to_pandas(ignore_metadata=True)
    entry = next((one for one in candidate.objects if one.path == TRAIN), None)
    if entry is None:
        return np.ones(len(table), dtype=bool)
    try:
        train = pq.read_table(object_path(folder, entry.md5)).to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError):
        return np.ones(len(table), dtype=bool)
    names = [n for n in [*schema.features, schema.target] if n in table.columns and n in train.columns]
    if any(name not in names for name in schema.features):
        return np.ones(len(table), dtype=bool)
    known = pd.util.hash_pandas_object(_plain(train[names]), index=False)
    return np.asarray(~pd.util.hash_pandas_object(_plain(table[names]), index=False).isin(known))


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Equal cells with equal types, whichever of pandas' types held them."""
    found = {}
    for name, cells in frame.items():
        if pd.api.types.is_datetime64_any_dtype(cells):
            found[name] = cells.astype("datetime64[us]").astype("int64")
        elif pd.api.types.is_numeric_dtype(cells):  # booleans too
            found[name] = pd.Series(cells.to_numpy(dtype="float64", na_value=np.nan), index=cells.index)
        else:
            found[name] = cells.map(str, na_action="ignore").fillna("").astype("object")
    return pd.DataFrame(found)
