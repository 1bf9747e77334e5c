"""Which rows are equal: one number of 64 bits for each cell, and for each row, without looking at two rows at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]
PIECE = 1 << 17
"""Texts hashed at a time: pandas makes a Python object of each."""


def hashes(cells: pa.ChunkedArray) -> Hashes:
    """64 bits for each cell, the same for equal cells (pandas' hash, which has no seed)."""
    if _is_text(cells):
        parts = [_of_texts(cells.slice(first, PIECE)) for first in range(0, len(cells), PIECE)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)
    values = cells.to_pandas()
    if pa.types.is_floating(cells.type):
        values = values + 0.0  # -0 and 0 are equal, and not the same bits
    return np.asarray(pd.util.hash_pandas_object(values, index=False), dtype=np.uint64)


def _of_texts(cells: pa.ChunkedArray) -> Hashes:
    """Each distinct text once."""
    coded = pc.dictionary_encode(cells.combine_chunks())
    values = pd.util.hash_pandas_object(coded.dictionary.to_pandas(), index=False).to_numpy()
    codes = pc.fill_null(coded.indices, len(values)).to_numpy(zero_copy_only=False)
    return np.asarray(np.append(values, np.uint64(0))[codes], dtype=np.uint64)


def combined(columns: Iterable[Hashes]) -> Hashes:
    """One hash for each row: a polynomial over its cells' hashes, modulo 2**64 (the odd multiplier is Knuth's)."""
    rows: Hashes | None = None
    for one in columns:
        rows = one.copy() if rows is None else rows * np.uint64(6364136223846793005) + one
    assert rows is not None, "a row has cells"
    return rows


def _is_text(cells: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type))
