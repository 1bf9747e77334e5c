"""Gathers the card from the dependencies of the card stage, each with its digest. Starts no pandas, no scikit-learn."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from gitops_ml.contracts.base import read_plain
from gitops_ml.contracts.behaviour import BehaviourFile, Between
from gitops_ml.contracts.evaluation import Evaluation, Slice
from gitops_ml.contracts.metrics import Metric, Metrics
from gitops_ml.contracts.model_card import (
    UNKNOWN,
    Answered,
    BehaviourPart,
    DataPart,
    HumanCard,
    Lineage,
    Measured,
    ModelCard,
    ModelPart,
    Nulls,
    Origin,
    PerformancePart,
)
from gitops_ml.contracts.profile import ProfileFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.training import Training
from gitops_ml.errors import Fault

PROFILE = "reports/data_profile.json"
TRAINING = "models/training.json"
EVALUATION = "reports/evaluation.json"
METRICS = "reports/metrics.json"
BEHAVIOUR = "tests/model/behaviour.yaml"
HUMAN = "model_card.yaml"
TOP = 10  # features in the importance table


def collect(root: Path) -> ModelCard:
    """The card of the files in ``root``. Raises :class:`Fault` if one is missing, not valid, or of another run."""
    # Read, and no dependency: DVC refuses its own file as one. A file added to a stage is added to the card stage too.
    pipeline = read_plain(root / "dvc.yaml")
    stages = pipeline.get("stages", {}) if isinstance(pipeline, dict) else {}
    sources = Sources(root, stages)
    schema = SchemaFile.read(root / "schema.yaml")
    profile = ProfileFile.read(root / PROFILE)
    training = Training.read(root / TRAINING)
    evaluation = Evaluation.read(root / EVALUATION)
    metrics = Metrics.read(root / METRICS)
    human = HumanCard.read(root / HUMAN)
    _same_run(training, evaluation, metrics)
    answers = _answers(root, human)
    name, description = _names(root, schema)
    return ModelCard(
        version=1,
        name=name,
        description=description,
        task=evaluation.task,
        target=schema.target,
        positive=evaluation.positive,
        classes=evaluation.classes,
        answers=answers,
        unknown=[key for key, answer in answers.items() if answer.value is None],
        model=ModelPart(
            origin=sources.origin(TRAINING),
            file=training.model,
            **{
                key: getattr(training, key) for key in ModelPart.model_fields if key not in ("origin", "file")
            },
        ),
        data=_data(sources.origin(PROFILE), profile, schema),
        performance=_performance(sources, evaluation, metrics),
        behaviour=_behaviour(sources.origin(BEHAVIOUR), BehaviourFile.read(root / BEHAVIOUR)),
        params_digest=sources.params(),
        code_digest=sources.code(None),
        lineage=_lineage(sources, profile, training),
    )


class Sources:
    """Digests of the files the card is made of, and the stages that write or read them, from dvc.yaml."""

    def __init__(self, root: Path, stages: dict[str, Any]) -> None:
        self._root = root
        self._writers: dict[str, str] = {}
        self.files: dict[str, list[str]] = {}  # stage -> its source files
        for stage, content in stages.items():
            for out in [*content.get("outs", []), *content.get("metrics", [])]:
                self._writers[out if isinstance(out, str) else next(iter(out))] = stage
            code = sorted(dep for dep in content.get("deps", []) if dep.startswith("src/"))
            # The card stage names the code of the others to be told of changes; it runs none of it.
            if code and stage != "card":
                self.files[stage] = code

    def origin(self, file: str) -> Origin:
        """A file's origin, with the sha256 of its bytes."""
        return Origin(stage=self._writers.get(file), file=file, digest=f"sha256:{_sha256(self._root / file)}")

    def params(self) -> str:
        """sha256 of what params.yaml says: comments and layout do not count."""
        said = json.dumps(
            read_plain(self._root / "params.yaml"), sort_keys=True, ensure_ascii=False, default=str
        )
        return "sha256:" + hashlib.sha256(said.encode()).hexdigest()

    def code(self, stage: str | None) -> str:
        """sha256 over path and sha256 of each source file of a stage, or of all stages, sorted by path."""
        chosen = self.files.values() if stage is None else [self.files[stage]]
        total = hashlib.sha256()
        for path in sorted({path for paths in chosen for path in paths}):
            total.update(f"{path}\0{_sha256(self._root / path)}\n".encode())
        return f"sha256:{total.hexdigest()}"


def _sha256(path: Path) -> str:
    """Digest of a file, or of a folder's files by name. Raises :class:`Fault` if it is missing."""
    if path.is_dir():
        total = hashlib.sha256()
        for file in sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            total.update(f"{file.relative_to(path).as_posix()}\0{_sha256(file)}\n".encode())
        return total.hexdigest()
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise Fault(f"{path} is named in dvc.yaml and missing. Restore it, or correct dvc.yaml.") from None


def _same_run(training: Training, evaluation: Evaluation, metrics: Metrics) -> None:
    fix = "Bring the files up to date: dvc repro"
    if training.model.sha256 != evaluation.model_sha256:
        raise Fault(
            f"{TRAINING} describes model {training.model.sha256[:8]}, {EVALUATION} another, "
            f"{evaluation.model_sha256[:8]}: a card of both would be wrong. {fix}"
        )
    measured = evaluation.primary in metrics.values or evaluation.primary in evaluation.left_out
    if not measured or metrics.n != evaluation.n:
        raise Fault(
            f"{METRICS} and {EVALUATION} are not of one run (primary metric or number of rows). {fix}"
        )


def _names(root: Path, schema: SchemaFile) -> tuple[str, str]:
    """Name and description from the answers; without them the target names the card."""
    path = root / ".gitops-ml.yaml"
    content = read_plain(path) if path.exists() else {}
    answers = content.get("answers", {}) if isinstance(content, dict) else {}
    return str(answers.get("project_name") or schema.target), str(answers.get("description") or "")


def _answers(root: Path, human: HumanCard) -> dict[str, Answered]:
    lines = (root / HUMAN).read_text(encoding="utf-8").splitlines()
    numbers: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        key = re.match(r"""["']?(\w+)["']?\s*:""", line)
        if key:
            numbers.setdefault(key[1], number)
    return {
        key: Answered(value=None if value == UNKNOWN else value, line=numbers.get(key))
        for key, value in human.model_dump().items()
    }


def _data(origin: Origin, profile: ProfileFile, schema: SchemaFile) -> DataPart:
    empty = [(name, column) for name, column in profile.columns.items() if column.nulls]
    empty.sort(key=lambda pair: -pair[1].nulls)  # stable: the file's order among equals
    types: dict[str, str] = {name: schema.columns[name].type for name in schema.features}
    return DataPart(
        origin=origin,
        table=profile.table.path,
        md5=profile.table.md5,
        size=profile.table.size,
        rows=profile.rows,
        columns=len(schema.columns),
        types=types,
        target=profile.target.overall,
        nulls=[Nulls(column=name, rows=column.nulls, share=column.null_share) for name, column in empty],
        duplicates=profile.duplicates,
        overlap=profile.overlap,
    )


def _performance(sources: Sources, evaluation: Evaluation, metrics: Metrics) -> PerformancePart:
    def measured(name: str, metric: Metric) -> Measured:
        return Measured(
            metric=name,
            value=metric.value,
            low=metric.low,
            high=metric.high,
            dummy=evaluation.dummy.get(name),
            method=evaluation.methods.get(name),
        )

    unmeasured = Metric(value=None, low=None, high=None)
    return PerformancePart(
        origin=sources.origin(EVALUATION),
        numbers=sources.origin(METRICS),
        n=evaluation.n,
        level=evaluation.level,
        primary=measured(evaluation.primary, metrics.values.get(evaluation.primary, unmeasured)),
        left_out=evaluation.left_out,
        metrics=[measured(name, metric) for name, metric in metrics.values.items()],
        weakest=_weakest(evaluation.slices),
        slices=evaluation.slices,
        importance=evaluation.importance[:TOP],
        confusion=evaluation.confusion,
        calibration=evaluation.calibration,
        pictures=evaluation.pictures,
    )


def _weakest(slices: list[Slice]) -> Slice | None:
    """The judged slice with the lowest estimate; every primary metric is better when higher."""
    judged = [one for one in slices if one.judged and one.estimate is not None]
    return min(judged, key=lambda one: one.estimate or 0.0, default=None)


def _behaviour(origin: Origin, declared: BehaviourFile) -> BehaviourPart:
    invariance = [
        f"changing {entry.column} "
        + (f"by {entry.shift:g}" if entry.shift is not None else f"to {_listed(entry.values or [])}")
        + f" moves no score by more than {entry.tolerance:g}"
        for entry in declared.invariance
    ]
    direction = [f"adding {entry.change:g} to {entry.column}: {entry.expect}" for entry in declared.direction]
    minimum = []
    for case in declared.minimum:
        expect = case.expect
        wanted = f"{expect.low:g} to {expect.high:g}" if isinstance(expect, Between) else _plain(expect)
        minimum.append(
            f"{', '.join(f'{key} = {_plain(value)}' for key, value in case.row.items())}: {wanted}"
        )
    return BehaviourPart(origin=origin, invariance=invariance, direction=direction, minimum=minimum)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _listed(values: list[Any]) -> str:
    shown = [_plain(value) for value in values[:5]]
    return ", ".join(shown) + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _lineage(sources: Sources, profile: ProfileFile, training: Training) -> list[Lineage]:
    rows = [Lineage(what="data", stage=None, file=profile.table.path, digest=f"md5:{profile.table.md5}")]
    rows.append(Lineage(what="params", stage=None, file="params.yaml", digest=sources.params()))
    for stage, files in sources.files.items():
        folder = str(Path(files[0]).parent)
        what = f"{folder} ({len(files)} files)" if len(files) > 1 else files[0]
        rows.append(Lineage(what=f"code of {stage}", stage=stage, file=what, digest=sources.code(stage)))
    rows.append(
        Lineage(
            what="model",
            stage=sources.origin(TRAINING).stage,
            file=training.model.path,
            digest=f"sha256:{training.model.sha256}",
        )
    )
    inputs = (
        ("data contract", "schema.yaml"),
        ("data profile", PROFILE),
        ("training record", TRAINING),
        ("evaluation", EVALUATION),
        ("metrics", METRICS),
        ("expected behaviour", BEHAVIOUR),
        ("people's answers", HUMAN),
    )
    for what, file in inputs:
        rows.append(Lineage(what=what, **sources.origin(file).model_dump()))
    return rows
