"""Which rows are the test: drawn at random, the newest, or whole groups; every row on exactly one side.

A row keeps its side when the table grows, shrinks or is sorted anew: a model that serves must not be judged
on rows that it was trained on. So a row (or a group) has a key of its own, and the smallest keys are the test.
Only where the border moves a little with the table's size, the few keys beside it change sides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .config import ConfigError
from .failures import DataError, Mask
from .params import Split
from .schema import Schema


def split(frame: pd.DataFrame, schema: Schema, params: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and test rows, each in the order of the table. Every row is in exactly one.

    random: of each class the same share (classes of one row train), by the key of the row's id, or of the whole
    row where no column has role id; time: the newest rows are the test, rows of one moment stay together;
    group: whole groups, by the key of their name, until the test is as large as asked. Raises :class:`DataError` when a side would be empty or training rows would have one class.
    """
    rows = len(frame)
    wanted = min(max(round(rows * params.test_size), 1), rows - 1)
    if params.strategy == "time":
        test = _newest(frame, _declared(schema, "time"), wanted)
    elif params.strategy == "group":
        test = _groups(frame, _declared(schema, "group"), wanted, params.seed)
    else:
        named = frame if schema.id is None else frame[[schema.id]]
        test = _random(frame[schema.target.name], schema, wanted, _keys(named, params.seed))
    train_rows, test_rows = frame[~test].reset_index(drop=True), frame[test].reset_index(drop=True)
    if schema.task == "classification" and train_rows[schema.target.name].nunique() < 2:
        raise DataError(
            f"after the {params.strategy} split all training rows have {schema.target.name} = "
            f"{train_rows[schema.target.name].iloc[0]!r}, "
            "so there is nothing to learn. Choose another data.split.strategy or test_size in params.yaml."
        )
    return train_rows, test_rows


def _declared(schema: Schema, role: str) -> str:
    name: str | None = getattr(schema, role)
    if name is None:
        raise ConfigError(
            f"params.yaml: data.split.strategy is {role}, and no column of schema.yaml has role: {role}. "
            f"Give it to one."
        )
    return name


def _keys(rows: pd.DataFrame, seed: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """One number for each row, shape (rows,): of its content and the seed. Equal rows are counted, so they
    draw apart."""
    content = pd.util.hash_pandas_object(rows, index=False)
    key = pd.DataFrame({"content": content, "copy": content.groupby(content).cumcount(), "seed": seed})
    return pd.util.hash_pandas_object(key, index=False).to_numpy()


def _random(
    target: pd.Series, schema: Schema, wanted: int, keys: np.ndarray[Any, np.dtype[np.uint64]]
) -> Mask:
    test = np.zeros(len(target), dtype=bool)
    order = np.argsort(keys, kind="stable")
    if schema.task == "regression":
        test[order[:wanted]] = True
        return test
    codes, _ = pd.factorize(target, sort=True)
    counts = np.bincount(codes)
    # Largest remainders: whole rows of each class that add up to what was asked; a class of one row stays in
    # train.
    share = counts * (wanted / len(target))
    take = np.minimum(np.floor(share).astype(int), np.maximum(counts - 1, 0))
    for label in np.argsort(np.floor(share) - share, kind="stable"):
        if take.sum() >= wanted:
            break
        take[label] += int(take[label] < counts[label] - 1)
    by_class = order[np.argsort(codes[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    for start, number in zip(starts, take, strict=True):
        test[by_class[start : start + number]] = True
    return test


def _newest(frame: pd.DataFrame, name: str, wanted: int) -> Mask:
    moments = frame[name].to_numpy()
    border = np.sort(moments)[len(frame) - wanted]
    test = np.asarray(moments >= border)
    if test.all():  # more than the wanted share is of the oldest moment
        test = np.asarray(moments > border)
    if not test.any():
        raise DataError(
            f"all rows have the same {name}, so there is no newest part to test on. Use another "
            f"data.split.strategy in params.yaml."
        )
    return test


def _groups(frame: pd.DataFrame, name: str, wanted: int, seed: int) -> Mask:
    codes, groups = pd.factorize(frame[name], sort=True)
    if len(groups) < 2:
        raise DataError(
            f"all rows have the same {name}, so groups cannot be held out. Use another "
            f"data.split.strategy in params.yaml."
        )
    order = np.argsort(_keys(pd.DataFrame({name: groups}), seed), kind="stable")
    sizes = np.cumsum(np.bincount(codes)[order])
    number = min(max(int(np.argmin(np.abs(sizes - wanted))) + 1, 1), len(groups) - 1)
    return np.isin(codes, order[:number])
