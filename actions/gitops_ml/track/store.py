"""The one module that talks to MLflow: finds, cleans and writes runs. Importing MLflow takes seconds, so callers ask first."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from gitops_ml.errors import Fault
from gitops_ml.track.index import Target
from gitops_ml.track.record import MODEL, Record

# Bounds on how long a server that is away can hold a person up: about half a minute. The person's own values win.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
PIPELINE = "dvc.pipeline"  # sha256 of dvc.lock
WRITER = "gitops_ml.writer"
MODEL_TAG = "model.sha256"
BATCH = 100  # params in one call; the server's limit
ABANDONED = 3600.0  # seconds after which another machine's unfinished run counts as dead


class Store:
    """An MLflow tracking store and one experiment in it. Raises :class:`Fault` where the store cannot be reached."""

    def __init__(self, where: Target, experiment: str) -> None:
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow
        except ModuleNotFoundError as wrong:
            raise Fault(
                f"MLflow is not installed ({wrong.name} is missing), so the run cannot be recorded. Install it: uv sync"
            ) from None
        # Its progress ("Running upgrade 451aebb31d03") is about its own tables, not about the project.
        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module=r"mlflow(\.|$)")
        self._mlflow = mlflow
        self._where = where
        self._writer = hashlib.sha256(f"{socket.gethostname()}:{where.folder}".encode()).hexdigest()[:16]
        try:
            _point_at(mlflow, where.uri)
            self._client = mlflow.MlflowClient(tracking_uri=where.uri)
            self._experiment = self._open(experiment)
        except Exception as wrong:
            raise self._fault(wrong) from None

    def _fault(self, wrong: Exception) -> Fault:
        reason = (
            (str(wrong).strip() or type(wrong).__name__)
            .splitlines()[0]
            .replace(self._where.uri, self._where.label)
        )
        if self._where.embedded:
            fix = f"The store is built from git: move {self._where.label} away and run: gitops-ml track sync --force"
        else:
            fix = (
                "Start it, or correct the address (MLFLOW_TRACKING_URI, or mlflow_tracking_uri in .gitops-ml.yaml), "
                "then run: gitops-ml track sync"
            )
        return Fault(
            f"MLflow at {self._where.label} did not take the run: {reason[:300]}\nNothing is lost. {fix}"
        )

    def _open(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            place = (self._where.folder / "artifacts").as_uri() if self._where.embedded else None
            try:
                return str(self._client.create_experiment(name, artifact_location=place))
            except self._mlflow.MlflowException:
                # Somebody else made it meanwhile; if that is not the reason, the second look finds nothing either.
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    @property
    def embedded(self) -> bool:
        """Whether it is the project's own."""
        return self._where.embedded

    def holds(self, run: str, sha256: str) -> bool:
        """Whether a run of this store carries the model with these bytes."""
        try:
            return bool(self._client.get_run(run).data.tags.get(MODEL_TAG) == sha256 and self._models(run))
        except self._mlflow.MlflowException:
            return False

    def alias(self, model: str, alias: str, run: str, sha256: str, version: str) -> bool:
        """Make the alias of a registered model name the version that is a run's model; whether it had to move."""
        try:
            if not self.holds(run, sha256):
                raise Fault(f"the run of {version} in {self._where.label} does not carry its model.")
            self._register(model)
            held = self._client.search_model_versions(f"name = '{model}' and run_id = '{run}'")
            if held:
                number = str(min(int(one.version) for one in held))
            else:
                source = self._models(run)[0].model_id
                tags = {"version": version, "sha256": sha256}
                made = self._client.create_model_version(
                    model, source=f"models:/{source}", run_id=run, tags=tags, model_id=source
                )
                number = str(made.version)
            if str(self._client.get_registered_model(model).aliases.get(alias, "")) == number:
                return False
            self._client.set_registered_model_alias(model, alias, number)
            return True
        except Fault:
            raise
        except Exception as wrong:
            raise self._fault(wrong) from None

    def _register(self, model: str) -> None:
        try:
            self._client.create_registered_model(model)
        except self._mlflow.MlflowException as wrong:
            if wrong.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _models(self, run: str) -> list[Any]:
        return list(
            self._client.search_logged_models(
                [self._experiment], filter_string=f"source_run_id = '{run}'", max_results=50
            )
        )

    def log(self, record: Record) -> tuple[str, bool]:
        """Make the record's run unless there is one: run id, and whether it is new.

        A run that a crash left unfinished is deleted and written again, so no lock is there twice.
        """
        try:
            finished = self._finished(record.key)
            if finished is None:
                return self._write(record), True
            if record.model and finished.data.tags.get(MODEL_TAG) == "missing":
                self._log_model(finished.info.run_id, record)
                self._client.set_tag(finished.info.run_id, MODEL_TAG, record.model.sha256)
            self._client.set_tag(finished.info.run_id, "git.revision", record.commit or "uncommitted")
            return str(finished.info.run_id), False
        except Exception as wrong:
            raise self._fault(wrong) from None

    def _finished(self, key: str) -> Any:
        """The finished run of a lock; unfinished ones that nobody writes any more are removed."""
        runs = self._client.search_runs([self._experiment], f"tags.`{PIPELINE}` = '{key}'", max_results=50)
        finished = [run for run in runs if run.info.status == "FINISHED"]
        for run in runs:
            ours = run.data.tags.get(WRITER) == self._writer  # and we hold the lock: it is nobody's
            old = time.time() - run.info.start_time / 1000 > ABANDONED
            if run.info.status != "FINISHED" and (self._where.embedded or ours or old):
                self._remove(run.info.run_id)
        return min(finished, key=lambda run: run.info.start_time) if finished else None

    def _remove(self, run: str) -> None:
        for model in self._models(run):
            self._client.delete_logged_model(model.model_id)
        self._client.delete_run(run)

    def _write(self, record: Record) -> str:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        tags = {
            PIPELINE: record.key,
            WRITER: self._writer,
            MODEL_TAG: record.model.sha256 if record.model else "missing",
            "git.revision": record.commit or "uncommitted",
        }
        if record.commit:
            tags["mlflow.source.git.commit"] = record.commit
        name = f"{record.title} {record.key[:8]}"
        run = str(self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id)
        params = [Param(key, value) for key, value in record.params.items()]
        for start in range(0, len(params), BATCH):
            self._client.log_batch(run, params=params[start : start + BATCH])
        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, 0) for key, value in record.metrics.items()]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(run, metrics=metrics[start : start + BATCH])
        if record.dataset:
            source = json.dumps({"path": record.dataset.path, "md5": record.dataset.md5})
            data = Dataset(record.dataset.path, record.dataset.md5[:8], "dvc", source)
            md5 = InputTag("dvc.md5", record.dataset.md5)
            self._client.log_inputs(
                run, [DatasetInput(data, [InputTag("mlflow.data.context", "training"), md5])]
            )
        if record.model:
            self._log_model(run, record)
        self._client.set_terminated(run, "FINISHED")  # last: what is not finished does not count
        return run

    def _log_model(self, run: str, record: Record) -> None:
        """Log the model's very bytes, without loading them, with the code of that revision to load them by."""
        if record.model is None or record.package is None:
            return
        with tempfile.TemporaryDirectory() as scratch:
            # MLflow names the copy after the file; in DVC's cache the file is named by its md5.
            file = Path(scratch) / Path(MODEL).name
            file.write_bytes(record.model.file.read_bytes())
            code = Path(scratch) / "code" / record.package
            source = f"src/{record.package}"
            for name in record.place.names(source):
                copy = code / Path(name).relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(record.place.read(name) or b"")
            # Leaving the block finishes the run, or marks it failed; so the model is what a run gets last.
            with self._mlflow.start_run(run_id=run):
                self._mlflow.pyfunc.log_model(
                    name="model",
                    loader_module=f"{record.package}.artifact",
                    data_path=str(file),
                    code_paths=[str(code)],
                    pip_requirements=record.requirements or [""],
                    signature=signature(record.schema) if record.schema else None,
                    metadata={"sha256": record.model.sha256, "dvc.pipeline": record.key},
                )


def _point_at(mlflow: Any, uri: str) -> None:
    """Choose the store for this process, and take back the variable that MLflow also sets: children and a later
    sync must not take it for the person's own choice."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    if before is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = before


def signature(schema: dict[str, Any]) -> Any:
    """MLflow's signature from schema.yaml: the features known at prediction time, and the prediction.

    An integer or boolean that may be empty is a double or a string there: MLflow has no empty integer.
    """
    from mlflow.models.signature import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    types = {"number": "double", "integer": "long", "boolean": "boolean", "datetime": "datetime"}
    empty = {"integer": "double", "boolean": "string"}
    inputs: list[Any] = []
    output = "double"
    for name, column in schema.get("columns", {}).items():
        kind = column.get("type", "category")
        if column.get("role") == "target":
            output = types.get(kind, "string") if schema.get("task") == "classification" else "double"
        elif column.get("role", "feature") == "feature" and column.get("available", True):
            chosen = types.get(kind, "string")
            inputs.append(ColSpec(empty.get(kind, chosen) if column.get("nullable") else chosen, name))
    return ModelSignature(inputs=Schema(inputs) if inputs else None, outputs=Schema([ColSpec(output)]))
