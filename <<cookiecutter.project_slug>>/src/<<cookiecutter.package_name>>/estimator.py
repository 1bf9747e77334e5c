"""The estimator of params.yaml: found by its import path, given its parameters, or refused by name."""

from __future__ import annotations

import difflib
import importlib
import inspect
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import has_fit_parameter

from .config import near
from .params import Train
from .schema import Schema


class TrainError(Exception):
    """The model cannot be trained as params.yaml says; the message names the key and the fix."""


def build_estimator(params: Train, schema: Schema) -> Any:
    """The unfitted estimator of params.yaml, seeded. Raises :class:`TrainError` naming the nearest valid
    name."""
    cls = _find(params.estimator)
    known = _arguments(cls)
    given = dict(params.params)
    for name in [*given, *(params.search.space if params.search.strategy else ())]:
        if known is not None and name not in known:
            hint = near(name, known, "it has", most=99)
            raise TrainError(f"params.yaml: {params.estimator} has no parameter {name!r}{hint}")
    if "random_state" in (known or ()):
        given.setdefault("random_state", params.seed)
    if params.class_weight is not None and "class_weight" in (known or ()):
        given.setdefault("class_weight", params.class_weight)
    estimator = cls(**given)
    classifies = schema.task == "classification"
    if (is_regressor(estimator) and classifies) or (is_classifier(estimator) and not classifies):
        found, other = ("numbers", "Classifier") if classifies else ("classes", "Regressor")
        raise TrainError(
            f"params.yaml: {params.estimator} predicts {found}, and schema.yaml says task: {schema.task}. "
            f"Choose a {other}, such as sklearn.ensemble.HistGradientBoosting{other}."
        )
    if classifies and not params.calibration and not hasattr(estimator, "predict_proba"):
        raise TrainError(
            f"params.yaml: {params.estimator} gives no probabilities with these params, and scores need "
            "them. Set train.calibration: sigmoid, or choose another estimator."
        )
    return estimator


def _find(path: str) -> Any:
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise TrainError(f"params.yaml: train.estimator {path!r} is not an import path{_similar(path)}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as wrong:
        top = module_name.split(".")[0]
        install = f" Install it: uv add {top}" if wrong.name == top else ""
        raise TrainError(
            f"params.yaml: train.estimator {path!r}: there is no module "
            f"{wrong.name!r}{_similar(name)}.{install}"
        ) from None
    cls = getattr(module, name, None)
    if not inspect.isclass(cls) or not hasattr(cls, "fit"):
        classes = [
            f"{module_name}.{other}"
            for other, found in vars(module).items()
            if inspect.isclass(found) and hasattr(found, "fit")
        ]
        close = difflib.get_close_matches(path, classes, n=1, cutoff=0.7)
        hint = f"; did you mean {close[0]}?" if close else _similar(name)
        raise TrainError(f"params.yaml: train.estimator {path!r} is not an estimator{hint}")
    return cls


def _similar(name: str) -> str:
    from sklearn.utils import all_estimators

    paths = {
        found: f"{cls.__module__.split('._')[0]}.{found}"
        for found, cls in all_estimators(["classifier", "regressor"])
    }
    close = difflib.get_close_matches(name, paths, n=1, cutoff=0.6)
    return f"; did you mean {paths[close[0]]}?" if close else ""


def _arguments(cls: Any) -> list[str] | None:
    """The names an estimator takes; None if it takes any."""
    parameters = list(inspect.signature(cls).parameters.values())
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.kind != p.VAR_POSITIONAL]


def row_weights(params: Train, estimator: Any, y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Row weights that stand in for class weights where the estimator has no such parameter; None if not
    needed."""
    if params.class_weight is None:
        return None
    labels = set(y.tolist())
    if y.dtype.kind == "f":
        raise TrainError(
            "params.yaml: train.class_weight needs classes, and schema.yaml says task: regression. Set it "
            "to null."
        )
    if isinstance(params.class_weight, dict) and set(params.class_weight) != labels:
        raise TrainError(
            f"params.yaml: train.class_weight must weigh each class: {', '.join(map(repr, sorted(labels)))}."
        )
    if "class_weight" in (_arguments(type(estimator)) or ()):
        return None
    if not has_fit_parameter(estimator, "sample_weight"):
        raise TrainError(
            f"params.yaml: {params.estimator} knows no weights. Set train.class_weight: null, or choose "
            f"another estimator."
        )
    return np.asarray(compute_sample_weight(params.class_weight, y))
