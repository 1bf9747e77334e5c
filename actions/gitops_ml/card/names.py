"""What metrics are called in front of people. A metric without an entry keeps its own name, spaced."""

from __future__ import annotations

from gitops_ml.card.markdown import plain

NAMES = {
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC, one against the rest",
    "average_precision": "average precision",
    "pr_auc": "PR AUC",
    "ece": "expected calibration error",
    "f1": "F1",
    "f1_macro": "F1, mean over classes",
    "log_loss": "log loss",
    "brier": "Brier score",
    "mcc": "Matthews correlation",
    "r2": "R²",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "mape": "mean absolute percentage error",
}


def metric_name(metric: str) -> str:
    """The name people use."""
    return NAMES.get(metric) or plain(metric.replace("_", " "))
