"""What adopting changes in the files that the team also edits: params.yaml, policy.yaml, behaviour.yaml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gitops_ml.adopt.yaml_text import edited
from gitops_ml.contracts.behaviour import BehaviourFile
from gitops_ml.contracts.schema import SchemaFile

DEFAULT = "sklearn.ensemble.HistGradientBoosting"
# Those of a new project: the template's params.yaml.
PARAMS = {
    "learning_rate": 0.05,
    "max_iter": 200,
    "min_samples_leaf": 10,
    "l2_regularization": 5,
    "early_stopping": "auto",
}
_ENDING = {"classification": "Classifier", "regression": "Regressor"}
# Params that an estimator's other half does not take, or takes with other values.
_ONE_SIDED = (
    "class_weight",
    "criterion",
    "loss",
    "probability",
    "scale_pos_weight",
    "objective",
    "eval_metric",
)


def params_text(path: Path, table: str, schema: SchemaFile, strategy: str | None, notes: list[str]) -> str:
    """params.yaml with the data block set (``strategy`` None: as it is) and an estimator that fits the task."""

    def edit(content: CommentedMap) -> None:
        data = content.setdefault("data", CommentedMap())
        data["table"] = table
        split = data.setdefault("split", CommentedMap(strategy="random", test_size=0.25, seed=20))
        if strategy is not None:
            split["strategy"] = strategy
        train = content.get("train")
        if isinstance(train, CommentedMap):
            _fit_task(train, schema.task, notes)

    return edited(path, edit)


def other_half(estimator: str, task: str) -> str | None:
    """The estimator of the same family for this task; itself if it fits already; None if there is none to name."""
    for kind, ending in _ENDING.items():
        if estimator.endswith(ending):
            if kind == task:
                return estimator
            if estimator.endswith(".RidgeClassifier"):
                return None
            return estimator.removesuffix(ending) + _ENDING[task]
    name = estimator.rpartition(".")[2]
    if name in ("LogisticRegression", "LogisticRegressionCV"):
        return estimator if task == "classification" else None
    if name.endswith(("SVC", "NB")):
        return estimator if task == "classification" else None
    if name.endswith(("Regression", "SVR")) or name in ("Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet"):
        return estimator if task == "regression" else None
    return estimator  # the team's own: it knows what it does


def _fit_task(train: CommentedMap, task: str, notes: list[str]) -> None:
    before = str(train.get("estimator", ""))
    after = other_half(before, task)
    if after is None:
        after = DEFAULT + _ENDING[task]
        train["params"] = CommentedMap(PARAMS)
        if isinstance(train.get("search"), CommentedMap) and train["search"].get("strategy") is not None:
            train["search"]["strategy"] = None
    if after != before:
        train["estimator"] = after
        notes.append(f"params.yaml: the estimator is now {after}, because this is a {task}")
        params = train.get("params")
        if isinstance(params, CommentedMap):
            for name in [name for name in params if name in _ONE_SIDED]:
                del params[name]
        if isinstance(train.get("search"), CommentedMap) and train["search"].get("metric") is not None:
            train["search"]["metric"] = None
    if task == "regression":
        for name in ("class_weight", "calibration"):
            train.pop(name, None)
        return
    place = list(train).index("params") + 1 if "params" in train else len(train)
    if "calibration" not in train:
        train.insert(
            place, "calibration", None, comment="sigmoid | isotonic: probabilities that can be read as shares"
        )
    if "class_weight" not in train:
        train.insert(place, "class_weight", None, comment="balanced: rare classes count more")


def policy_text(path: Path, schema: SchemaFile, notes: list[str]) -> str | None:
    """policy.yaml without slices and protected columns that are gone or ignored; None if nothing is to change."""
    gone: list[str] = []

    def away(name: object) -> bool:
        return name not in schema.columns or schema.columns[str(name)].role == "ignored"

    def edit(content: CommentedMap) -> None:
        fairness = content.get("fairness")
        attributes = fairness.get("attributes", []) if isinstance(fairness, dict) else []
        for name in [one for one in attributes if away(one)]:
            gone.append(str(name))
            attributes.remove(name)
        for pair in [
            one for one in content.get("slices_cross") or [] if isinstance(one, list) and any(map(away, one))
        ]:
            content["slices_cross"].remove(pair)
        slices = content.get("slices")
        for entry in list(slices or []):
            name = entry.get("column") if isinstance(entry, dict) else None
            if away(name):
                gone.append(str(name))
                slices.remove(entry)
        if slices is not None and not slices:
            content["slices"] = _empty()

    text = edited(path, edit)
    if gone:
        notes.append(f"policy.yaml: slices by {', '.join(dict.fromkeys(gone))} are gone, like the columns")
    return text if gone else None


_OF_THE_SAMPLE = re.compile(r"^(\w+): .+ # (.+) \(of the sample\)$", re.MULTILINE)


def card_text(path: Path, notes: list[str]) -> str | None:
    """model_card.yaml without the answers that a new project has for its sample; None if it has none of them.

    They are marked as such in their line's comment; whoever writes an answer of their own removes the mark.
    """
    before = path.read_text("utf-8")
    text = _OF_THE_SAMPLE.sub(r"\1: unknown # \2", before)
    if text == before:
        return None
    notes.append(
        "model_card.yaml: its answers were about the sample, and are unknown again: answer for this table"
    )
    return text


def behaviour_text(path: Path, schema: SchemaFile, same_table: bool, notes: list[str]) -> str | None:
    """behaviour.yaml with empty lists, or of the same table without columns that are gone; None: nothing changes."""
    removed = 0
    empty: list[str] = []

    def edit(content: CommentedMap) -> None:
        nonlocal removed
        for kind in BehaviourFile.model_fields:
            entries = content.get(kind)
            for entry in list(entries or []):
                if not same_table or not set(_named(entry)) <= set(schema.features):
                    entries.remove(entry)
                    removed += 1
            if entries is not None and not entries:
                empty.append(kind)

    text = edited(path, edit)
    if not removed:
        return None
    notes.append(
        f"{path.as_posix()}: {removed} expectation{'s' if removed > 1 else ''} of other columns removed"
    )
    return emptied(path.read_text("utf-8") if len(empty) == len(BehaviourFile.model_fields) else text, empty)


def emptied(text: str, keys: list[str]) -> str:
    """YAML text with top-level lists made empty; comments at the left margin stay (a parser would move them)."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        key = line.partition(":")[0]
        if line[:1] not in ("", " ", "-", "#"):
            inside = key in keys
            lines.append(f"{key}: []" if inside else line)
        elif not inside or line[:1] in ("", "#"):
            lines.append(line)
    return "\n".join(lines) + "\n"


def _named(entry: Any) -> list[str]:
    return [str(entry["column"])] if "column" in entry else [str(name) for name in entry.get("row", {})]


def _empty() -> CommentedSeq:
    nothing = CommentedSeq()
    nothing.fa.set_flow_style()
    return nothing
