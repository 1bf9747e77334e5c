"""prepare: the table of params.yaml, checked against schema.yaml, becomes train and test rows."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .config import Column, ConfigError, Schema, Split, load_params, load_schema
from .table import DataError, Failure, Table, disagree, first_rows, iter_table, read, read_table

__all__ = ["DataError", "Failure", "iter_table", "prepare", "read_table", "split", "validate"]

PREPARED = Path("data/prepared")
Mask = np.ndarray[Any, np.dtype[np.bool_]]


# ---------------------------------------------------------------- the contract


@dataclass(frozen=True)
class _Rule:
    """``broken(column) -> Mask`` says which rows break it; text and fix are for people."""

    text: str
    broken: Callable[[pd.Series], Mask]
    fix: str


def _rules(column: Column) -> list[_Rule]:
    """The rules of one column; a value that is null breaks none but "is never empty"."""
    name = shlex.quote(column.name)
    rules: list[_Rule] = []
    if column.role in ("feature", "target"):
        text = "has a value somewhere"
        rules.append(
            _Rule(
                text,
                lambda s: np.full(len(s), bool(s.isna().all())),
                f"uv run gitops-ml schema set {name} --role ignored" if column.role == "feature" else "",
            )
        )
    if not column.nullable or column.role in ("id", "time", "group"):
        fix = (
            f"uv run gitops-ml schema set {name} --nullable"
            if column.role in ("feature", "target")
            else ""
        )
        rules.append(_Rule("is never empty", lambda s: np.asarray(s.isna()), fix))
    if column.type == "number":
        rules.append(_Rule("is finite", lambda s: np.isinf(s.to_numpy()), ""))
    if column.type in ("number", "integer") and (column.minimum is not None or column.maximum is not None):
        rules.append(_Rule(_range_text(column), _outside(column), f"uv run gitops-ml schema widen {name}"))
    if column.categories is not None:
        allowed = list(column.categories)
        shown = ", ".join(map(str, allowed[:6])) + (
            f", ... ({len(allowed)} in all)" if len(allowed) > 6 else ""
        )
        rules.append(
            _Rule(
                f"one of {shown}",
                lambda s: ~np.asarray(s.isin(allowed)) & ~np.asarray(s.isna()),
                f"uv run gitops-ml schema allow {name} VALUE",
            )
        )
    if column.role == "id":
        rules.append(_Rule("is unique", lambda s: np.asarray(s.duplicated(keep="first") & s.notna()), ""))
    return rules


def _range_text(column: Column) -> str:
    if column.minimum is None:
        return f"at most {column.maximum:g}"
    return (
        f"at least {column.minimum:g}"
        if column.maximum is None
        else f"between {column.minimum:g} and {column.maximum:g}"
    )


def _outside(column: Column) -> Callable[[pd.Series], Mask]:
    low = -np.inf if column.minimum is None else column.minimum
    high = np.inf if column.maximum is None else column.maximum

    def broken(series: pd.Series) -> Mask:
        values = series.to_numpy(dtype="float64", na_value=np.nan)
        return np.asarray(((values < low) | (values > high)) & ~np.isinf(values))

    return broken


def validate(frame: pd.DataFrame, schema: Schema, origin: Path | str = "the table") -> None:
    """Check typed columns against the schema. Raises :class:`DataError` with every broken rule at once."""
    failures = _broken(Table(frame), schema)
    if failures:
        raise disagree(origin, failures)


def _broken(table: Table, schema: Schema) -> list[Failure]:
    """Every rule that the columns of ``table`` break, found lazily by pandera."""
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

    columns = [column for column in schema.kept if column.name in table.frame.columns]
    rules = {column.name: {rule.text: rule for rule in _rules(column)} for column in columns}
    contract = pa.DataFrameSchema(
        {
            # One failing case of each rule is enough for pandera: rows are counted below, without a line for
            # each cell.
            column.name: pa.Column(
                nullable=True,
                checks=[
                    pa.Check(_kept(rule), name=text, ignore_na=False, n_failure_cases=1)
                    for text, rule in rules[column.name].items()
                ],
            )
            for column in columns
        }
    )
    try:
        contract.validate(table.frame, lazy=True, inplace=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        wrong = set(zip(cases["column"], cases["check"], strict=True))
    else:
        wrong = set()
    failures = [
        failure
        for column in columns
        for text, rule in rules[column.name].items()
        if (column.name, text) in wrong
        for failure in _describe(table, column, rule)
    ]
    return failures + _too_little(table.frame, schema)


def _kept(rule: _Rule) -> Callable[[pd.Series], pd.Series]:
    return lambda series: pd.Series(~rule.broken(series), index=series.index)


def _describe(table: Table, column: Column, rule: _Rule) -> list[Failure]:
    series = table.frame[column.name]
    mask = rule.broken(series)
    unreadable = table.unreadable.get(column.name)
    if unreadable is not None:  # cells that could not be typed are null here; they are reported already
        mask = mask & ~unreadable
    if not mask.any():
        return []
    example, fix = "", rule.fix
    if not rule.text.startswith(("is never", "has a value")):
        value = series.iloc[int(np.flatnonzero(mask)[0])]
        example = repr(value) if isinstance(value, str) else f"{value}"
        if fix.endswith(" VALUE"):
            values = pd.unique(series[mask])[:3]
            fix = "\n    ".join(f"{fix.removesuffix('VALUE')}{shlex.quote(str(value))}" for value in values)
    return [Failure(column.name, rule.text, int(mask.sum()), first_rows(mask), example, fix)]


def _too_little(frame: pd.DataFrame, schema: Schema) -> list[Failure]:
    """Failures of the table as a whole: one class, or too few rows to split."""
    name = schema.target.name
    if name not in frame.columns:
        return []
    known = frame[name].dropna()
    failures = []
    if len(known) and schema.task == "classification" and known.nunique() < 2:
        failures.append(
            Failure(name, "has rows of two classes or more", len(known), (), f"all {known.iloc[0]!r}")
        )
    if 0 < len(known) < 4:
        failures.append(Failure(name, "is known in 4 rows or more", len(known), (), "too few to split"))
    return failures


# ---------------------------------------------------------------- the split


def split(frame: pd.DataFrame, schema: Schema, params: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and test rows, each in the order of the table. Every row is in exactly one.

    random: of each class the same share (classes of one row train); time: the newest rows are the test,
    rows of one moment stay together; group: whole groups, in seeded order, until the test is as large as
    asked. Raises :class:`DataError` when a side would be empty or training rows would have one class.
    """
    rows = len(frame)
    wanted = min(max(round(rows * params.test_size), 1), rows - 1)
    draw = np.random.default_rng(params.seed)
    if params.strategy == "time":
        test = _newest(frame, _declared(schema, "time"), wanted)
    elif params.strategy == "group":
        test = _groups(frame, _declared(schema, "group"), wanted, draw)
    else:
        test = _random(frame[schema.target.name], schema, wanted, draw)
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


def _random(target: pd.Series, schema: Schema, wanted: int, draw: np.random.Generator) -> Mask:
    test = np.zeros(len(target), dtype=bool)
    if schema.task == "regression":
        test[draw.permutation(len(target))[:wanted]] = True
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
    order = draw.permutation(len(target))
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


def _groups(frame: pd.DataFrame, name: str, wanted: int, draw: np.random.Generator) -> Mask:
    codes, groups = pd.factorize(frame[name], sort=True)
    if len(groups) < 2:
        raise DataError(
            f"all rows have the same {name}, so groups cannot be held out. Use another "
            f"data.split.strategy in params.yaml."
        )
    order = draw.permutation(len(groups))
    sizes = np.cumsum(np.bincount(codes)[order])
    number = min(max(int(np.argmin(np.abs(sizes - wanted))) + 1, 1), len(groups) - 1)
    return np.isin(codes, order[:number])


# ---------------------------------------------------------------- the stage


def load(path: Path | str, schema: Schema) -> pd.DataFrame:
    """Read and validate a table; rows without a target are left out. Raises :class:`DataError` with all
    failures."""
    table = read(path, schema, schema.kept)
    failures = table.failures + _broken(table, schema)
    if failures:
        raise disagree(path, failures)
    known = table.frame[schema.target.name].notna()
    return table.frame if known.all() else table.frame[known].reset_index(drop=True)


def prepare(schema: Schema, table: Path | str, params: Split, folder: Path = PREPARED) -> tuple[int, int]:
    """Write train.parquet and test.parquet; both are replaced, or none. Returns their numbers of rows."""
    parts = split(load(table, schema), schema, params)
    folder.mkdir(parents=True, exist_ok=True)
    finals = [folder / "train.parquet", folder / "test.parquet"]
    temporary = [folder / f".{path.name}.tmp" for path in finals]
    try:
        for part, path in zip(parts, temporary, strict=True):
            write_parquet(part, path)
        for path, final in zip(temporary, finals, strict=True):
            os.replace(path, final)
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)
    return len(parts[0]), len(parts[1])


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Parquet for speed: light compression, dictionaries only for text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    words = [
        field.name
        for field in table.schema
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    pq.write_table(table, path, compression="lz4", use_dictionary=words)


def main() -> None:
    """The stage: schema.yaml, params.yaml and the table -> data/prepared/."""
    try:
        schema, params = load_schema(), load_params()
        train, test = prepare(schema, params.data.table, params.data.split)
    except (ConfigError, DataError) as wrong:
        sys.exit(f"error: {wrong}")
    print(f"prepare: {train:,} training rows, {test:,} test rows ({params.data.split.strategy} split)")


if __name__ == "__main__":
    main()
