"""The named alternative to score: read all rows, predict_proba, write. Usage: bare_score.py MODEL INPUT OUTPUT TYPES"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import skops.io


def main(model_path: str, table: str, output: str, types: str) -> None:
    lines = (line.split("#")[0].strip() for line in Path(types).read_text().splitlines())
    trusted = [f"bench{line}" if line.startswith(".") else line for line in lines if line]
    model = skops.io.load(model_path, trusted=trusted)
    frame = pd.read_parquet(table)
    proba = model.predict_proba(frame[list(model.feature_names_in_)])
    scores = pd.DataFrame(proba, columns=[f"score_{name}" for name in model.classes_])
    scores.insert(0, "prediction", model.classes_[proba.argmax(axis=1)])
    scores.to_parquet(output)


if __name__ == "__main__":
    main(*sys.argv[1:5])
