"""train: the estimator of params.yaml, fitted behind its preprocessing, becomes models/model.skops."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib
import inspect
import json
import math
import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import threadpoolctl
from sklearn.base import is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import has_fit_parameter

from . import artifact
from .config import ConfigError, Params, Schema, Train, load_params, load_schema
from .features import build_preprocessor, target_of

TRAIN = Path("data/prepared/train.parquet")
MODELS = Path("models")
LIBRARIES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy", "skops")


class TrainError(Exception):
    """The model cannot be trained as params.yaml says; the message names the key and the fix."""


# ---------------------------------------------------------------- the estimator


def build_estimator(params: Train, schema: Schema) -> Any:
    """The unfitted estimator of params.yaml, seeded. Raises :class:`TrainError` naming the nearest valid
    name."""
    cls = _find(params.estimator)
    known = _arguments(cls)
    given = dict(params.params)
    for name in [*given, *(params.search.space if params.search.strategy else ())]:
        if known is not None and name not in known:
            raise TrainError(f"params.yaml: {params.estimator} has no parameter {name!r}{_near(name, known)}")
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
            f"them. "
            "Set train.calibration: sigmoid, or choose another estimator."
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


def _near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; it has {', '.join(known)}."


def _weights(params: Train, estimator: Any, y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
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


# ---------------------------------------------------------------- folds and search


def _folds(
    frame: pd.DataFrame, y: np.ndarray[Any, Any], schema: Schema, params: Params, number: int
) -> list[tuple[Any, Any]]:
    """Row numbers of training and held-out parts, cut as the test rows were: by class, group or time."""
    strategy = params.data.split.strategy
    rows = np.zeros(len(y))
    if strategy == "group" and schema.group:
        groups = frame[schema.group].to_numpy()
        found, what = len(pd.unique(groups)), f"groups of {schema.group}"
        cut: Any = GroupKFold(number).split
        arguments: tuple[Any, ...] = (rows, y, groups)
    elif strategy == "time":
        found, what = len(y) - 1, "rows after the first"
        cut, arguments = TimeSeriesSplit(number).split, (rows, y, None)
    elif schema.task == "classification":
        labels, counts = np.unique(y, return_counts=True)
        found, what = int(counts.min()), f"training rows of class {labels[counts.argmin()].item()!r}"
        cut, arguments = (
            StratifiedKFold(number, shuffle=True, random_state=params.train.seed).split,
            (rows, y, None),
        )
    else:
        found, what = len(y), "training rows"
        cut, arguments = KFold(number, shuffle=True, random_state=params.train.seed).split, (rows, y, None)
    if found < number:
        raise TrainError(
            f"params.yaml: train.search.folds is {number}, and there are {found} {what}. Use fewer folds "
            f"or more rows, "
            "or set train.search.strategy and train.calibration to null."
        )
    parts = list(cut(*arguments))
    if strategy == "time":  # the parts are positions in time: translate them to rows
        order = np.argsort(frame[schema.time].to_numpy(), kind="stable")
        parts = [(order[learn], order[held]) for learn, held in parts]
    return parts


def _search(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    y: np.ndarray[Any, Any],
    folds: list[Any],
    params: Train,
    primary: str,
    fit: Any,
) -> Any:
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.metrics import get_scorer_names
    from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

    settings = params.search
    metric = settings.metric or primary
    if metric not in get_scorer_names():
        raise TrainError(
            f"params.yaml: train.search.metric {metric!r} is not a scikit-learn "
            f"scorer{_near(metric, get_scorer_names())}"
        )
    space = {f"model__{name}": values for name, values in settings.space.items()}
    candidates = min(settings.candidates, math.prod(len(values) for values in space.values()))
    common = {"scoring": metric, "cv": folds, "n_jobs": settings.jobs, "error_score": "raise"}
    if settings.strategy == "grid":
        search = GridSearchCV(pipeline, space, **common)
    elif settings.strategy == "random":
        search = RandomizedSearchCV(pipeline, space, n_iter=candidates, random_state=params.seed, **common)
    else:
        # A small part of the rows may lack a class: that candidate then counts as failed, not the search.
        # "exhaust":
        # the last round sees all rows.
        common["error_score"] = np.nan
        search = HalvingRandomSearchCV(
            pipeline,
            space,
            n_candidates=candidates,
            min_resources="exhaust",
            random_state=params.seed,
            **common,
        )
        search = _with_stable_folds(search)
    with _backend(params):
        search.fit(frame, y, **fit)
    return search


def _with_stable_folds(search: Any) -> Any:
    """Halving asks for a splitter object rather than a list of parts."""
    from sklearn.model_selection import PredefinedSplit

    class Folds(PredefinedSplit):  # type: ignore[misc]
        def __init__(self, parts: list[Any]) -> None:
            self.parts = parts

        def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
            return len(self.parts)

        def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[Any]:
            yield from self.parts

    search.cv = Folds(search.cv)
    return search


@contextlib.contextmanager
def _backend(params: Train) -> Iterator[None]:
    """Where the candidates are fitted: this machine's cores, or a Dask cluster."""
    if params.search.backend == "loky":
        # One thread in each worker, whatever machine this is: some estimators round by the number of threads.
        with (
            joblib.parallel_config(backend="loky", inner_max_num_threads=1)
            if params.search.jobs != 1
            else contextlib.nullcontext()
        ):
            yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise TrainError(
            "params.yaml: train.search.backend is dask, which is not installed. Install it: uv sync "
            "--group dask"
        ) from None
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    options = (
        {"address": address}
        if address
        else {"n_workers": max(params.search.jobs, 1), "threads_per_worker": 1, "dashboard_address": None}
    )
    with Client(**options), joblib.parallel_config(backend="dask"):
        yield


# ---------------------------------------------------------------- the model


def fit(frame: pd.DataFrame, schema: Schema, params: Params) -> tuple[Pipeline, dict[str, Any]]:
    """The fitted pipeline (`preprocess`, `model`), and what training.json says of it. Raises
    :class:`TrainError`."""
    train = params.train
    X, y = frame[[column.name for column in schema.features]], target_of(frame, schema)
    estimator = build_estimator(train, schema)
    weights = _weights(train, estimator, y)
    extra = {} if weights is None else {"model__sample_weight": weights}
    pipeline = Pipeline(
        [("preprocess", build_preprocessor(schema, params.features, train.seed)), ("model", estimator)]
    )
    folds = (
        _folds(frame, y, schema, params, train.search.folds)
        if train.search.strategy or train.calibration
        else []
    )
    if train.calibration and schema.task == "regression":
        raise TrainError(
            "params.yaml: train.calibration is about probabilities, and schema.yaml says task: "
            "regression. Set it to null."
        )
    found = None
    with threadpoolctl.threadpool_limits(train.threads), _said_plainly(train):
        if train.search.strategy:
            search = _search(pipeline, X, y, folds, train, schema.primary, extra)
            pipeline, found = search.best_estimator_, _summary(search, train, schema.primary)
        if train.calibration:
            model = pipeline.named_steps["model"]
            calibrated = CalibratedClassifierCV(model, method=train.calibration, cv=folds)
            pipeline.set_params(model=calibrated).fit(X, y, **extra)
            calibrated.cv = train.search.folds  # the rows of each fold are no part of the model
        elif not train.search.strategy:
            pipeline.fit(X, y, **extra)
    given = build_estimator(train, schema).get_params(deep=False)
    shown = {
        name: given[name] for name in {**train.params, "random_state": 0, "class_weight": 0} if name in given
    }
    if found:
        shown |= found["best_params"]
    classes = pipeline.classes_.tolist() if schema.task == "classification" else None
    return pipeline, {
        "estimator": train.estimator,
        "params": shown,
        "search": found,
        "calibration": train.calibration,
        "class_weight": train.class_weight,
        "seed": train.seed,
        "threads": train.threads,
        "rows": len(frame),
        "features": list(X.columns),
        "classes": classes,
    }


@contextlib.contextmanager
def _said_plainly(train: Train) -> Iterator[None]:
    """What an estimator refuses, as one sentence instead of a traceback."""
    try:
        yield
    except (ValueError, TypeError) as wrong:
        said = str(wrong).strip().splitlines()
        lines = [line for line in said if line and set(line) != {"-"}]
        raise TrainError(
            f"params.yaml: {train.estimator} cannot be fitted: {' '.join(lines[-3:])}"
        ) from wrong


def _summary(search: Any, params: Train, primary: str) -> dict[str, Any]:
    return {
        "strategy": params.search.strategy,
        "metric": params.search.metric or primary,
        "candidates": len(
            {json.dumps(tried, sort_keys=True, default=str) for tried in search.cv_results_["params"]}
        ),
        "best_params": {name.removeprefix("model__"): value for name, value in search.best_params_.items()},
        "best_score": float(f"{search.best_score_:.6g}"),
    }


def platform_facts(estimator: str) -> dict[str, Any]:
    """What may change the bytes of a model: system, CPU and its abilities, BLAS, versions. No clock, no
    host name."""
    # numpy and scipy each bring one, and they are listed in the order of their addresses: that is, in any order.
    blas = {
        f"{p['internal_api']} {p['version']} {p.get('architecture', '')}".strip()
        for p in threadpoolctl.threadpool_info()
        if p["user_api"] == "blas"
    }
    top = estimator.split(".")[0]
    own = (
        metadata.packages_distributions().get(top, [])
        if top not in ("sklearn", (__package__ or "").split(".")[0])
        else []
    )
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "blas": sorted(blas),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in sorted({*LIBRARIES, *own})},
    }


def _cpu() -> str:
    """The model of the CPU, and a digest of what it can do; "unknown" where /proc does not tell."""
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    flags = facts.get("flags") or facts.get("Features") or ""
    model = facts.get("model name") or platform.processor() or "unknown"
    return (
        f"{model} ({hashlib.sha256(' '.join(sorted(flags.split())).encode()).hexdigest()[:12]})"
        if flags
        else model
    )


def main() -> None:
    """The stage: data/prepared/train.parquet -> models/model.skops and models/training.json."""
    try:
        schema, params = load_schema(), load_params()
        if not TRAIN.is_file():
            raise TrainError(f"{TRAIN} is missing. Make it: uv run dvc repro prepare")
        model, facts = fit(pd.read_parquet(TRAIN), schema, params)
        data = artifact.dumps(model)
    except (ConfigError, TrainError, artifact.ArtifactError) as wrong:
        sys.exit(f"error: {wrong}")
    path = MODELS / artifact.MODEL_FILE
    digest = hashlib.sha256(data).hexdigest()
    note = {"version": 1, "model": {"path": path.as_posix(), "sha256": digest, "size": len(data)}, **facts}
    note["platform"] = platform_facts(params.train.estimator)
    text = json.dumps(note, indent=2, ensure_ascii=False, default=str) + "\n"
    artifact.replace(path, data)
    artifact.replace(MODELS / "training.json", text.encode())
    print(
        f"train: {params.train.estimator} on {facts['rows']:,} rows -> {path} ({len(data):,} bytes, "
        f"sha256 {digest[:12]})"
    )


if __name__ == "__main__":
    main()
