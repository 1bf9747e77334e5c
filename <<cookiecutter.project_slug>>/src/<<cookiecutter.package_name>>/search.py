"""Folds of the training rows, and the search for an estimator's parameters over them."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.pipeline import Pipeline

from .config import near
from .estimator import TrainError
from .params import Params, Train
from .schema import Schema


def folds(
    frame: pd.DataFrame, y: np.ndarray[Any, Any], schema: Schema, params: Params, number: int
) -> list[tuple[Any, Any]]:
    """Row numbers of training and held-out parts, cut as the test rows were: by class, group or time."""
    strategy, seed = params.data.split.strategy, params.train.seed
    groups = None
    if strategy == "group" and schema.group:
        groups = frame[schema.group].to_numpy()
        found, what = len(pd.unique(groups)), f"groups of {schema.group}"
        cut: Any = GroupKFold(number)
    elif strategy == "time":
        found, what = len(y) - 1, "rows after the first"
        cut = TimeSeriesSplit(number)
    elif schema.task == "classification":
        labels, counts = np.unique(y, return_counts=True)
        found, what = int(counts.min()), f"training rows of class {labels[counts.argmin()].item()!r}"
        cut = StratifiedKFold(number, shuffle=True, random_state=seed)
    else:
        found, what = len(y), "training rows"
        cut = KFold(number, shuffle=True, random_state=seed)
    if found < number:
        raise TrainError(
            f"params.yaml: train.search.folds is {number}, and there are {found} {what}. Use fewer folds "
            "or more rows, or set train.search.strategy and train.calibration to null."
        )
    parts = list(cut.split(np.zeros(len(y)), y, groups))
    if strategy == "time":  # the parts are positions in time: translate them to rows
        order = np.argsort(frame[schema.time].to_numpy(), kind="stable")
        parts = [(order[learn], order[held]) for learn, held in parts]
    return parts


def run(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    y: np.ndarray[Any, Any],
    parts: list[Any],
    params: Train,
    primary: str,
    fit: Any,
) -> Any:
    """The finished search over the parts of :func:`folds`; ``fit`` goes to the pipeline's fit. Raises
    :class:`TrainError`."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.metrics import get_scorer_names
    from sklearn.model_selection import (
        GridSearchCV,
        HalvingRandomSearchCV,
        RandomizedSearchCV,
    )

    settings = params.search
    metric = settings.metric or primary
    if metric not in get_scorer_names():
        hint = near(metric, get_scorer_names(), "it has", most=99)
        raise TrainError(f"params.yaml: train.search.metric {metric!r} is not a scikit-learn scorer{hint}")
    space = {f"model__{name}": values for name, values in settings.space.items()}
    candidates = min(settings.candidates, math.prod(len(values) for values in space.values()))
    common = {"scoring": metric, "cv": parts, "n_jobs": settings.jobs, "error_score": "raise"}
    if settings.strategy == "grid":
        found = GridSearchCV(pipeline, space, **common)
    elif settings.strategy == "random":
        found = RandomizedSearchCV(pipeline, space, n_iter=candidates, random_state=params.seed, **common)
    else:
        # A small part of the rows may lack a class: that candidate then counts as failed, not the search.
        # "exhaust": the last round sees all rows.
        common["error_score"] = np.nan
        found = HalvingRandomSearchCV(
            pipeline,
            space,
            n_candidates=candidates,
            min_resources="exhaust",
            random_state=params.seed,
            **common,
        )
    with _backend(params):
        found.fit(frame, y, **fit)
    return found


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


def summary(search: Any, params: Train, primary: str) -> dict[str, Any]:
    """What training.json says of a search that ended."""
    return {
        "strategy": params.search.strategy,
        "metric": params.search.metric or primary,
        "candidates": len(
            {json.dumps(tried, sort_keys=True, default=str) for tried in search.cv_results_["params"]}
        ),
        "best_params": {name.removeprefix("model__"): value for name, value in search.best_params_.items()},
        "best_score": float(f"{search.best_score_:.6g}"),
    }
