"""The named alternative: one plain script that does the pipeline's work with pandas and scikit-learn, in one process.

It reads the table, validates it with pandera, splits, profiles, fits, saves with skops, evaluates with intervals, ranks
the features, draws the pictures, and writes metrics and a card. It keeps no cache, no lock, no intermediate files.

Usage: python bare.py TABLE.csv|.parquet TARGET OUTPUT_FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import skops.io
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    average_precision_score,
    brier_score_loss,
    classification_report,
    log_loss,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(table: str, target: str, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    frame = pd.read_parquet(table) if table.endswith(".parquet") else pd.read_csv(table)
    features = [column for column in frame.columns if column != target]

    low, high = frame[features].min(), frame[features].max()
    checks = {
        name: pa.Column(float, pa.Check.in_range(low[name], high[name]), coerce=True) for name in features
    }
    pa.DataFrameSchema(checks | {target: pa.Column(str)}).validate(frame, lazy=True)

    train, test = train_test_split(frame, test_size=0.25, random_state=20, stratify=frame[target])
    profile = {
        "describe": json.loads(
            frame.describe(percentiles=[0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]).to_json()
        ),
        "nulls": frame.isna().sum().to_dict(),
        "distinct": frame.nunique().to_dict(),
        "balance": frame[target].value_counts().to_dict(),
        "duplicates": int(pd.util.hash_pandas_object(frame, index=False).duplicated().sum()),
        "overlap": int(
            pd.util.hash_pandas_object(test[features], index=False)
            .isin(pd.util.hash_pandas_object(train[features], index=False))
            .sum()
        ),
    }
    (output / "profile.json").write_text(json.dumps(profile, default=str))

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    estimator = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, min_samples_leaf=10, l2_regularization=5, random_state=7
    )
    model = make_pipeline(ColumnTransformer([("numbers", numbers, features)]), estimator)
    model.fit(train[features], train[target])
    skops.io.dump(model, output / "model.skops")

    truth = (test[target] == model.classes_[1]).to_numpy()
    proba = model.predict_proba(test[features])
    score, predicted = proba[:, 1], model.classes_[proba.argmax(axis=1)]
    rng = np.random.default_rng(11)
    draws = [rng.integers(0, len(truth), len(truth)) for _ in range(20)]
    metrics = {
        "roc_auc": roc_auc_score(truth, score),
        "average_precision": average_precision_score(truth, score),
        "brier": brier_score_loss(truth, score),
        "log_loss": log_loss(truth, score),
        "report": classification_report(test[target], predicted, output_dict=True),
        # An interval the short way. Twenty draws are few: the pipeline's intervals cost less and are better.
        "roc_auc_draws": [roc_auc_score(truth[draw], score[draw]) for draw in draws],
    }
    (output / "metrics.json").write_text(json.dumps(metrics))

    some = test.sample(min(len(test), 20_000), random_state=11)
    importance = permutation_importance(
        model, some[features], some[target], scoring="roc_auc", n_repeats=5, random_state=11
    )
    displays = {
        "roc": lambda axes: RocCurveDisplay.from_predictions(truth, score, ax=axes),
        "pr": lambda axes: PrecisionRecallDisplay.from_predictions(truth, score, ax=axes),
        "confusion": lambda axes: ConfusionMatrixDisplay.from_predictions(test[target], predicted, ax=axes),
        "calibration": lambda axes: CalibrationDisplay.from_predictions(truth, score, n_bins=10, ax=axes),
        "importance": lambda axes: axes.barh(features[:20], importance.importances_mean[:20]),
    }
    for name, draw in displays.items():
        figure = Figure(figsize=(5, 4))
        draw(figure.subplots())
        figure.savefig(output / f"{name}.svg")
    (output / "card.md").write_text(
        f"# Model\n\nAUC {metrics['roc_auc']:.3f}\n\n{json.dumps(profile['balance'])}\n"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
