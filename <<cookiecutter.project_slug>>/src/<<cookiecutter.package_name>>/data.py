"""prepare: the table of params.yaml, checked against schema.yaml, becomes train and test rows."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .config import ConfigError
from .failures import DataError, Failure, Mask, disagree, first_rows
from .params import Split, load_params
from .schema import Column, Schema, load_schema
from .split import split
from .table import Table, read

PREPARED = Path("data/prepared")


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
        fix = f"uv run gitops-ml schema set {name} --nullable" if column.role in ("feature", "target") else ""
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
