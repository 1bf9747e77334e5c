"""Compares columns by Evidently, and draws its page. The only module that imports it.

`python -m gitops_ml.drift.measure FOLDER` is how a process without Evidently asks one that has it: the folder holds
reference.parquet, current.parquet and columns.json; values.json and report.html are added.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_ml.contracts.base import to_json, write_text

if TYPE_CHECKING:
    import pandas as pd

ASK = "columns.json"
ANSWER, PAGE = "values.json", "report.html"


def measure(
    reference: pd.DataFrame, current: pd.DataFrame, columns: dict[str, tuple[str, str, float]], page: Path
) -> dict[str, float | None]:
    """Column -> distance or p-value; None where it is not a finite number. ``columns``: name -> kind, method, threshold.

    Cells are floats or texts, some of each column not empty. Raises ImportError where Evidently is not installed.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    kinds = {
        wanted: [name for name, (kind, _, _) in columns.items() if kind == wanted]
        for wanted in ("number", "category")
    }
    definition = DataDefinition(numerical_columns=kinds["number"], categorical_columns=kinds["category"])
    asked = [
        ValueDrift(column=name, method=method, threshold=threshold)
        for name, (_, method, threshold) in columns.items()
    ]
    sides = [
        Dataset.from_pandas(frame[list(columns)], data_definition=definition)
        for frame in (current, reference)
    ]
    snapshot = Report(asked).run(*sides)
    snapshot.save_html(str(page))
    found: dict[str, float | None] = dict.fromkeys(columns)
    for one in snapshot.dict()["metrics"]:
        # By its own words: the order and the names of results are Evidently's business.
        if one["config"]["type"].endswith("ValueDrift") and one["config"]["column"] in found:
            value = float(one["value"])
            found[one["config"]["column"]] = value if math.isfinite(value) else None
    return found


def main(folder: Path) -> None:
    """Answer what the folder asks."""
    import pandas as pd

    columns = {name: tuple(how) for name, how in json.loads((folder / ASK).read_text("utf-8")).items()}
    sides = [pd.read_parquet(folder / f"{side}.parquet") for side in ("reference", "current")]
    write_text(folder / ANSWER, to_json(measure(sides[0], sides[1], columns, folder / PAGE)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
