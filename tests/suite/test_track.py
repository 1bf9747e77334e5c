"""MLflow as a projection of git: a real SQLite store, real experiment refs, crashes, and nothing twice."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite import pipelines, runs
from tests.suite.pipelines import git

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proof, Proofs
from gitops_ml.delivery import proofs
from gitops_ml.delivery.served import stage_message
from gitops_ml.errors import Fault
from gitops_ml.track import index, places, record, store
from gitops_ml.track import sync as syncing
from gitops_ml.track.command import track
from gitops_ml.track.sync import sync


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its first run, committed, not recorded; and one experiment with another seed."""
    root = pipelines.make(tmp_path_factory.mktemp("committed") / "churn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(runs.ACTIONS))
        pipelines.dvc(root, "repro", "-q")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "First run")
        pipelines.dvc(root, "exp", "run", "--temp", "-n", "eight", "-S", "train.seed=8")
        pipelines.dvc(root, "exp", "run", "-q", "--queue", "-S", "train.seed=9")
    return root


@pytest.fixture
def project(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "churn"
    shutil.copytree(committed, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(runs.ACTIONS))
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    yield root


def client(root: Path) -> Any:
    import mlflow

    return mlflow.MlflowClient(tracking_uri=index.target(root, "").uri)


def all_runs(root: Path) -> list[Any]:
    server = client(root)
    experiment = server.get_experiment_by_name("churn")
    return list(server.search_runs([experiment.experiment_id]))


def test_workspace_head_and_experiments_become_one_run_each(project: Path) -> None:
    result = sync(project)
    assert result.new == ["HEAD", "experiment eight"] and result.notes == [] and "2 new runs" in result.line
    found = {run.data.params["train.seed"]: run for run in all_runs(project)}
    assert set(found) == {"7", "8"}  # the queued one has not run
    run, lock = found["7"], (project / "dvc.lock").read_bytes()
    assert run.info.status == "FINISHED"
    assert run.data.tags["dvc.pipeline"] == hashlib.sha256(lock).hexdigest()
    assert run.data.tags["git.revision"] == git(project, "rev-parse", "HEAD")
    assert run.data.metrics["roc_auc"] == 0.7 and run.data.metrics["roc_auc.low"] == 0.8278
    assert found["8"].data.metrics["roc_auc"] == 0.8
    (dataset,) = run.inputs.dataset_inputs
    md5 = hashlib.md5((project / "data/raw/churn.csv").read_bytes()).hexdigest()
    assert (dataset.dataset.name, dataset.dataset.digest) == ("data/raw/churn.csv", md5[:8])
    assert {tag.key: tag.value for tag in dataset.tags}["dvc.md5"] == md5
    assert git(project, "status", "--porcelain") == ""
    # The very bytes, and a model that loads with the code of that revision in a process that knows nothing.
    (model,) = client(project).search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
    )
    folder = Path(model.artifact_location.removeprefix("file://"))
    logged = (folder / "data" / "model.skops").read_bytes()
    assert logged == b"model 7" and run.data.tags["model.sha256"] == hashlib.sha256(logged).hexdigest()
    required = (folder / "requirements.txt").read_text().split()
    assert required[0].startswith("mlflow==") and required[1:] == ["click==8.1.8", "pydantic==2.10.0"]
    program = (
        "import sys, pandas, mlflow.pyfunc;"
        f"m = mlflow.pyfunc.load_model({str(folder)!r});"
        "print(m.metadata.signature, m.predict(pandas.DataFrame({'tenure': [1], 'contract': ['monthly']})))"
    )
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, text=True
    )
    assert loaded.returncode == 0, loaded.stderr
    assert "['model 7']" in loaded.stdout
    assert "'tenure': long" in loaded.stdout and "refund" not in loaded.stdout
    # Repeating is free: no store is opened. --force asks it, and finds everything there.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "Store", None)
        started = time.monotonic()
        assert sync(project).line == "nothing new to track in .mlflow/mlflow.db (2 known)"
        assert time.monotonic() - started < 1
    again = sync(project, force=True)
    assert again.new == [] and again.known == 2 and len(all_runs(project)) == 2
    # The index is only a cache.
    (project / ".mlflow/synced.json").write_text("not json")
    assert sync(project).new == [] and len(all_runs(project)) == 2


def test_a_crash_half_way_leaves_nothing_twice(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(
        project,
        "update-ref",
        "-d",
        git(project, "for-each-ref", "--format=%(refname)", "refs/exps").split("\n")[0],
    )
    import mlflow.pyfunc

    original = mlflow.pyfunc.log_model

    def crash(**given: Any) -> None:
        original(**given)
        raise RuntimeError("pulled the plug")

    monkeypatch.setattr(mlflow.pyfunc, "log_model", crash)
    with pytest.raises(Fault, match=r"did not take the run: pulled the plug(.|\n)*Nothing is lost"):
        sync(project)
    (run,) = all_runs(project)
    assert run.info.status == "FAILED"
    client(project).set_terminated(run.info.run_id, "RUNNING")  # as a killed process leaves it
    monkeypatch.setattr(mlflow.pyfunc, "log_model", original)
    sync(project)
    states = [run.info.status for run in all_runs(project)]
    assert states == ["FINISHED"] * len(states)
    tags = [run.data.tags["dvc.pipeline"] for run in all_runs(project)]
    assert len(tags) == len(set(tags))
    for run in all_runs(project):
        experiment = [run.info.experiment_id]
        assert (
            len(client(project).search_logged_models(experiment, f"source_run_id = '{run.info.run_id}'")) == 1
        )


def test_logged_before_the_commit_the_revision_follows(project: Path) -> None:
    (project / "params.yaml").write_text("data: {table: data/raw/churn.csv}\ntrain: {seed: 3}\n")
    pipelines.dvc(project, "repro", "-q")
    first = sync(project)
    assert first.new[0] == "workspace"
    (run,) = [run for run in all_runs(project) if run.data.params["train.seed"] == "3"]
    assert run.data.tags["git.revision"] == "uncommitted"
    assert [
        run.data.params["train.seed"] for run in all_runs(project) if run.data.params["train.seed"] == "7"
    ]
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Three")
    assert sync(project).new == []
    (run,) = [run for run in all_runs(project) if run.data.params["train.seed"] == "3"]
    assert run.data.tags["git.revision"] == git(project, "rev-parse", "HEAD")
    # A store that was thrown away is built again from git, older commits too when asked.
    shutil.rmtree(project / ".mlflow")
    command = [sys.executable, "-m", "gitops_ml", "track", "sync", "--history"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    older = git(project, "rev-parse", "HEAD~1")[:8]
    titles = [[place.title for place in found.places] for found in places.find(project, history=True)]
    head = git(project, "rev-parse", "HEAD")[:8]
    assert titles == [["HEAD", f"commit {head}", "workspace"], ["experiment eight"], [f"commit {older}"]]
    assert done.stdout == f"tracked 3 new runs in .mlflow/mlflow.db: HEAD, experiment eight, commit {older}\n"
    assert done.stderr == "recording in .mlflow/mlflow.db ...\n"


def test_bytes_that_are_not_here_are_said_and_come_later(project: Path) -> None:
    shutil.move(project / "models", project.parent / "away")
    shutil.move(project / ".dvc/cache", project.parent / "cache")
    result = sync(project)
    assert len(result.new) == 2
    assert (
        "is tracked without its model: models/model.skops" in result.notes[0]
        and "dvc fetch" in result.notes[0]
    )
    assert {run.data.tags["model.sha256"] for run in all_runs(project)} == {"missing"}
    (project / ".dvc/config.local").write_text(f"[cache]\n    dir = {project.parent / 'cache'}\n")
    assert sync(project, force=True).notes == []
    assert hashlib.sha256(b"model 7").hexdigest() in {
        run.data.tags["model.sha256"] for run in all_runs(project)
    }
    assert len(all_runs(project)) == 2


def test_a_moved_project_gets_a_new_store(project: Path, tmp_path: Path) -> None:
    sync(project)
    moved = tmp_path / "moved"
    shutil.move(project, moved)
    os.chdir(moved)
    result = sync(moved)
    assert len(result.new) == 2 and "the old store is mlflow.moved-1.db" in result.notes[0]
    assert not project.exists(), "nothing is written where the project was"
    assert {run.info.artifact_uri.startswith(moved.as_uri()) for run in all_runs(moved)} == {True}


def test_what_the_lock_does_not_vouch_for_is_not_logged(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "Store", None)  # nothing may get so far
    refs = git(project, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    for ref in refs:
        git(project, "update-ref", "-d", ref)
    git(project, "rm", "-q", "--cached", "dvc.lock")
    git(project, "commit", "-qm", "no lock")
    (project / "reports/metrics.json").write_text('{"n": 1}')
    result = sync(project)
    assert result.new == [] and "workspace not tracked: stale (reports/metrics.json)" in result.notes[0]
    answer = CliRunner().invoke(track, ["sync"])
    assert answer.exit_code == 0 and "note: workspace not tracked" in answer.output
    known = {syncing.find(project)[0].key: {"run": "1", "commit": None}}
    target = index.target(project, "")
    index.save(target, {index.key(target): known})
    assert sync(project, force=True).notes == []  # it was logged while it was true
    (project / "dvc.lock").write_text("]: no")
    with pytest.raises(Fault, match=r"dvc\.lock of workspace cannot be read"):
        sync(project)
    (project / "dvc.lock").unlink()
    assert sync(project).line == "nothing to track in .mlflow/mlflow.db yet"
    assert syncing.waiting(project) == []


def test_a_server_that_is_away_is_named_without_its_password(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:9/")
    started = time.monotonic()
    with pytest.raises(Fault) as fault:
        sync(project)
    assert time.monotonic() - started < 30
    text = str(fault.value)
    assert "MLflow at http://127.0.0.1:9/ did not take the run" in text and "gitops-ml track sync" in text
    assert "secret" not in text


def test_without_mlflow_the_fix_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(Fault, match="Install it: uv sync"):
        sync(project)


def test_one_store_for_copies_that_dvc_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "temp"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert index.target(copy, "").uri == f"sqlite:///{tmp_path}/.mlflow/mlflow.db"
    other = tmp_path.parent / "other"
    assert index.target(other, "").folder == other / ".mlflow"
    assert index.target(other, "http://x").label == "http://x"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://u:p@env:5000/a")
    chosen = index.target(other, "http://x")
    assert (chosen.uri, chosen.label, chosen.embedded) == (
        "http://u:p@env:5000/a",
        "http://env:5000/a",
        False,
    )


def test_syncs_wait_for_each_other(tmp_path: Path) -> None:
    folder = tmp_path / ".mlflow"
    with index.alone(folder), (folder / "sync.lock").open("w") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (tmp_path / "file").write_text("")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / ".mlflow"))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(Fault, match="cannot be written"), index.alone(tmp_path / ".mlflow"):
        pass


def test_params_fit_mlflows_limits_and_stay_apart() -> None:
    from mlflow.utils.validation import _validate_param_name

    nested = {
        "a": {"b": 1, "c": {}},
        "ünïcödé 🦔": "x",
        "we/../ird": "1",
        "/lead": None,
        "d" * 300: [1],
        "e": "v" * 7000,
    }
    stages = {"train": {"params": {"params.yaml": nested, "policy.yaml": {"slices": []}}}, "x": {}}
    flat = record.params(stages)
    assert flat["a.b"] == "1" and flat["a.c"] == "{}" and flat["policy.slices"] == "[]"
    assert len(flat) == 8 and max(map(len, flat)) <= 250 and len(flat["e"]) == 6000
    for name in flat:
        _validate_param_name(name)
    assert record.params({"t": {"params": {"params.yaml": {"a!": 1, "a?": 2}}}}).keys() != {"a_"}
    assert len(record.params({"t": {"params": {"params.yaml": {"a!": 1, "a?": 2}}}})) == 2


def test_signatures_hold_what_is_known_when_predicting() -> None:
    schema = {
        "task": "classification",
        "columns": {
            "n": {"role": "feature", "type": "integer", "nullable": True},
            "b": {"role": "feature", "type": "boolean"},
            "late": {"role": "feature", "type": "number", "available": False},
            "when": {"role": "feature", "type": "datetime"},
            "who": {"role": "id", "type": "text"},
            "y": {"role": "target", "type": "category"},
        },
    }
    made = store.signature(schema)
    assert made.inputs.input_names() == ["n", "b", "when"]
    assert [str(kind) for kind in made.inputs.input_types()] == [
        "DataType.double",
        "DataType.boolean",
        "DataType.datetime",
    ]
    assert "string" in str(made.outputs)
    assert "double" in str(store.signature({**schema, "task": "regression"}).outputs)
    assert store.signature({"columns": {}}).inputs is None


def test_odd_locks(project: Path) -> None:
    place = places.Place(project, "HEAD", places.head(project))
    assert place.names("src/churn")[0] == "src/churn/__init__.py"
    assert place.names("src/churn") == places.Place(project, "workspace", None).names("src/churn")
    lock = b"stages:\n  only:\n    cmd: x\n    deps:\n    - {path: src/churn, md5: 1.dir}\n"
    read = record.read(places.Found("k", lock, (place,)), "churn")
    assert read.model is None and read.missing and "names no models/model.skops" in read.missing
    assert read.metrics == {} and read.dataset is None
    assert read.requirements == ["click==8.1.8", "pydantic==2.10.0"] and read.package == "churn"
    assert record.read(places.Found("k", lock, (place,)), None).package is None
    (project / "pyproject.toml").write_text("]")
    workspace = places.Place(project, "workspace", None)
    (project / "schema.yaml").write_text("[")
    odd = record.read(places.Found("k", lock, (workspace,)), "churn")
    assert odd.requirements == [] and odd.schema == {}
    (project / "models/model.skops").write_bytes(b"another")
    assert record.read(syncing.find(project)[0], "churn").model is not None  # from DVC's cache
    (project / ".dvc/config").write_text("no section")
    assert record._cache(project) == project / ".dvc/cache"


def test_answers_are_texts(tmp_path: Path) -> None:
    assert syncing.answers(tmp_path) == {"project_slug": tmp_path.name}
    runs.write(tmp_path, {".gitops-ml.yaml": json.dumps({"answers": {"a": 1, "b": None, "c": ""}})})
    assert syncing.answers(tmp_path) == {"project_slug": tmp_path.name, "a": "1"}


def test_a_deleted_experiment_and_a_race_do_not_stop_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = index.target(project, "")
    target.folder.mkdir()
    first = store.Store(target, "churn")
    first._client.delete_experiment(first._experiment)
    again = store.Store(target, "churn")
    assert again._experiment == first._experiment
    from mlflow import MlflowClient

    found = MlflowClient.get_experiment_by_name
    looks: list[str] = []

    def blind(self: Any, name: str) -> Any:
        looks.append(name)
        return None if len(looks) == 1 else found(self, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", blind)
    assert store.Store(target, "churn")._experiment == first._experiment
    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", lambda *_: None)
    with pytest.raises(Fault, match="did not take"):
        store.Store(target, "churn")


# ---------------------------------------------------------------- aliases


@pytest.fixture
def served(project: Path) -> Pointer:
    """HEAD is v1.0.0, and the commit behind it lets production serve it."""
    revision, model = git(project, "rev-parse", "HEAD"), (project / "models/model.skops").read_bytes()
    content = {"model": "churn", "version": "v1.0.0", "revision": revision, "path": "models/model.skops"}
    content |= {"sha256": hashlib.sha256(model).hexdigest(), "size": len(model), "verdict": "pass"}
    pointer = Pointer.model_validate({**content, "image": None, "promoted_from": None})
    runs.write(project, {"deploy/production/model.yaml": json.dumps(pointer.model_dump(mode="json"))})
    git(project, "add", "deploy")
    git(project, "commit", "-qm", "Serve v1.0.0")
    return pointer


def alias(server: Any, name: str = "production") -> tuple[str, str] | None:
    """Version and sha256 of the model that an alias names."""
    import mlflow

    try:
        found = server.get_model_version_by_alias("churn", name)
    except mlflow.MlflowException:  # there is no such alias
        return None
    return found.tags["version"], server.get_run(found.run_id).data.tags["model.sha256"]


def test_an_alias_names_what_the_pointer_on_head_names(project: Path, served: Pointer) -> None:
    result = sync(project)
    assert result.moved == ["production names v1.0.0"] and "alias production names v1.0.0" in result.line
    assert alias(client(project)) == ("v1.0.0", served.sha256) and len(all_runs(project)) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "Store", None)
        assert sync(project).moved == [], "repeating is free"
    client(project).delete_registered_model_alias("churn", "production")
    assert sync(project, force=True).moved == ["production names v1.0.0"]
    assert len(client(project).search_model_versions("name = 'churn'")) == 1, "nothing twice"
    # Without the bytes an alias names nothing, and never another model.
    other = served.model_copy(update={"sha256": "1" * 64, "version": "v1.0.1"})
    runs.write(project, {"deploy/staging/model.yaml": json.dumps(other.model_dump(mode="json"))})
    runs.write(project, {"policy.yaml": "version: 1\nenvironments: [staging, production]\n"})
    git(project, "add", "deploy", "policy.yaml")
    git(project, "commit", "-qm", "Staging")
    result = sync(project)
    assert result.moved == [] and any("staging has no alias for v1.0.1" in note for note in result.notes)
    assert alias(client(project), "staging") is None


def test_on_a_server_an_alias_follows_a_proof_or_what_is_served_already(
    project: Path, served: Pointer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    uri = f"sqlite:///{tmp_path / 'server.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    server = mlflow.MlflowClient(tracking_uri=uri)
    good = Proof(
        environment="production",
        version="v1.0.0",
        revision=served.revision,
        sha256=served.sha256,
        rows=1,
        problems=[],
    )
    bad = good.model_copy(update={"problems": ["it does not load"]})
    for said in (None, "", proofs.write(Proofs(version=1, proofs=[bad]))):
        assert sync(project, proofs=said).moved == [] and alias(server) is None
    assert sync(project, proofs=proofs.write(Proofs(version=1, proofs=[good]))).moved
    assert alias(server) == ("v1.0.0", served.sha256)
    # What the newest stage tag says is served: put right without a new proof.
    server.delete_registered_model_alias("churn", "production")
    message = stage_message(served, "production", served.revision)
    git(project, "tag", "-a", "churn#production#1", "-m", message, served.revision)
    shutil.rmtree(project / ".mlflow")
    result = CliRunner().invoke(track, ["sync", "--proofs", ""], catch_exceptions=False)
    assert "alias production names v1.0.0" in result.output, result.output
    assert alias(server) == ("v1.0.0", served.sha256)
    with pytest.raises(Fault, match=r"does not carry|are not here"):
        other = served.model_copy(update={"sha256": "1" * 64, "version": "v1.0.1"})
        runs.write(project, {"deploy/production/model.yaml": json.dumps(other.model_dump(mode="json"))})
        git(project, "add", "deploy")
        git(project, "commit", "-qm", "Lost")
        lost = good.model_copy(update={"version": "v1.0.1", "sha256": "1" * 64})
        sync(project, proofs=proofs.write(Proofs(version=1, proofs=[lost])))
    assert alias(server) == ("v1.0.0", served.sha256), "it stays where it was"
