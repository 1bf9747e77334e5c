"""Makes the data summary page. The only room of adopt that needs Evidently."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from gitops_ml.adopt.kinds import type_column
from gitops_ml.adopt.read import read_table
from gitops_ml.contracts.params import ParamsFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.errors import Fault


def write_page(output: Path, most: int) -> int:
    """Write the page for the project's table; returns the rows described. Raises :class:`Fault`."""
    schema = SchemaFile.read("schema.yaml")
    if output.suffix.lower() != ".html":
        raise Fault(f"{output} is no page: choose a name that ends in .html.")
    table = read_table(Path(ParamsFile.read("params.yaml").data.table))
    if output.is_dir() or output.parent.is_file():
        raise Fault(f"{output} cannot be written: a folder or file is in the way.")
    try:
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataSummaryPreset
    except ImportError:
        raise Fault(
            "Evidently is not installed here. Run: uv run --group monitor gitops-ml explore"
        ) from None
    step = max(1, -(-table.data.num_rows // most))
    rows = pa.array(range(0, table.data.num_rows, step))
    names = [n for n, c in schema.columns.items() if c.role != "ignored" and n in table.data.column_names]
    frame = _frame(
        {name: type_column(name, table.data.column(name), table.file).cells.take(rows) for name in names}
    )
    # Evidently cannot summarise a column without a value.
    frame = frame[[name for name in names if frame[name].notna().any()]]
    kinds: dict[str, list[str]] = {
        "numerical_columns": [],
        "categorical_columns": [],
        "datetime_columns": [],
        "text_columns": [],
    }
    for name in frame.columns:
        kinds[_kind(schema, name)].append(name)
    report = Report([DataSummaryPreset()]).run(
        Dataset.from_pandas(frame, data_definition=DataDefinition(**kinds)), None
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=output.parent, suffix=".html")
    os.close(handle)
    try:
        report.save_html(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return len(frame)


def _frame(cells: dict[str, pa.Array]) -> Any:
    frame = pa.table(cells).to_pandas()
    booleans = frame.columns[frame.dtypes == "bool"]
    return frame.astype(dict.fromkeys(booleans, "str"))


def _kind(schema: SchemaFile, name: str) -> str:
    column = schema.columns[name]
    if column.categories is not None or column.type in ("category", "boolean") or column.role == "id":
        return "categorical_columns"
    return {"datetime": "datetime_columns", "text": "text_columns"}.get(column.type, "numerical_columns")
