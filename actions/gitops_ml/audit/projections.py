"""What follows from the pointers, and must say the same: stage tags, GitHub Deployments, aliases in MLflow.

The server's own refs are read, not the clone's: :func:`newest_stage`. MLflow is asked under the Python that has it: :func:`alias`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.audit.said import Finding, Note, Passed, Said
from gitops_ml.audit.scene import Scene
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.errors import Fault

DEPLOY = "deploy"
AGAIN = "gh workflow run deploy.yml"
SECONDS = 60  # an MLflow server that is away must not hold the rest up

# Under the Python that has MLflow: the project's, where the suite's has none.
SCRIPT = """
import json, sys
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
asked = json.load(sys.stdin)
client = MlflowClient()
try:
    found = client.get_model_version_by_alias(asked["model"], asked["alias"])
except MlflowException as wrong:
    if wrong.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
        raise
    print("\\n" + json.dumps(None))
else:
    tags = dict(found.tags or {})
    if found.run_id:
        tags = {**client.get_run(found.run_id).data.tags, **tags}
    print("\\n" + json.dumps({"number": str(found.version), "tags": tags}))
"""


@dataclass(frozen=True)
class Alias:
    """What an alias in MLflow names: the number of a model version, and every tag of it and of its run."""

    number: str
    tags: dict[str, str]


def newest_stage(scene: Scene, environment: str) -> tuple[str, str] | None:
    """The newest tag `<model>#<environment>#N`, and the commit that it names; None if there is none."""
    pattern = re.compile(rf"{re.escape(f'{scene.model}#{environment}#')}([1-9]\d*)")
    found = [(int(match[1]), name) for name in scene.tags if (match := pattern.fullmatch(name))]
    return (max(found)[1], scene.tags[max(found)[1]]) if found else None


def alias(root: Path, python: str, model: str, environment: str) -> Alias | None:
    """What MLflow's alias of an environment names; None if there is none. Raises :class:`Fault` without an answer."""
    asked = json.dumps({"model": model, "alias": environment})
    try:
        done = subprocess.run(
            [python, "-c", SCRIPT],
            cwd=root,
            env=shell.environment(),
            input=asked,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Fault(
            f"MLflow gave no answer within {SECONDS} s.\n  Look whether it is there: MLFLOW_TRACKING_URI"
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Fault(f"MLflow could not be asked: {last}\n  Look whether it is there: MLFLOW_TRACKING_URI")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return None if said is None else Alias(said["number"], said["tags"])


def stage_tags(scene: Scene) -> Iterator[Said]:
    """The newest stage tag of each environment names the pointer's commit."""
    yield from _each(scene, _stage_tag)


def deployments(scene: Scene) -> Iterator[Said]:
    """The newest GitHub Deployment of each environment is of the pointer's version, and succeeded."""
    yield from _each(scene, _deployment)


def aliases(scene: Scene) -> Iterator[Said]:
    """The alias of each environment in MLflow names the pointer's version."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        yield Passed("MLFLOW_TRACKING_URI is not set: no MLflow server is asked")
        return
    python = _with_mlflow(scene.root)
    if python is None:
        yield Passed("MLflow is installed neither here nor in the project's .venv: uv sync")
        return
    yield from _each(scene, lambda scene, environment, pointer: _alias(scene, python, environment, pointer))


def _each(scene: Scene, look: Callable[[Scene, str, Pointer], Iterator[Finding]]) -> Iterator[Said]:
    """A look at every environment that serves something; just after a merge a disagreement is a note."""
    if scene.workflow(DEPLOY) is None:
        yield Passed("main has no workflow deploy.yml: nothing follows the pointers here")
        return
    for environment, pointer in scene.served():
        for found in look(scene, environment, pointer):
            if scene.settling(environment):
                yield Note(
                    f"{found.what}; the pointer was merged within the hour, so deploy may be under way"
                )
            else:
                yield found


def _stage_tag(scene: Scene, environment: str, pointer: Pointer) -> Iterator[Finding]:
    newest = newest_stage(scene, environment)
    why = f"whoever reads the tags believes that {environment} serves something else"
    if newest is None:
        what = f"{environment} serves {pointer.version}, and there is no tag {scene.model}#{environment}#1"
        yield Finding(what, why, AGAIN)
    elif newest[1] != pointer.revision:
        named = next((one.version for one in scene.versions if one.commit == newest[1]), newest[1][:12])
        what = f"{newest[0]} is the newest stage tag and names {named}; the pointer names {pointer.version}"
        yield Finding(what, why, AGAIN)


def _deployment(scene: Scene, environment: str, pointer: Pointer) -> Iterator[Finding]:
    newest = scene.hub.deployment(environment)
    if newest is None:
        yield Finding(
            f"{environment} serves {pointer.version}, and GitHub knows no deployment of {environment}",
            "the page Deployments, and whoever listens to it, knows nothing of what is served",
            AGAIN,
        )
    elif not newest.names(pointer.version, pointer.sha256):
        version, sha256 = (str(newest.payload.get(key) or "") for key in ("version", "sha256"))
        named = f"{version or 'no version'} (sha256 {sha256[:12] or 'unknown'})"
        yield Finding(
            f"the newest deployment of {environment} is of {named}; the pointer names {pointer.version} "
            f"({pointer.sha256[:12]})",
            "the pointer was merged, and nothing deployed it",
            AGAIN,
        )
    elif newest.state != "success":
        because = f": {newest.description}" if newest.description else ""
        yield Finding(
            f"the deployment of {pointer.version} to {environment} is {newest.state or 'pending'}, not success{because}",
            f"{environment} may still serve what was there before",
            AGAIN,
        )


def _alias(scene: Scene, python: str, environment: str, pointer: Pointer) -> Iterator[Finding]:
    found = alias(scene.root, python, scene.model, environment)
    if found is None:
        what = (
            f"{environment} serves {pointer.version}, and MLflow has no alias {environment} of {scene.model}"
        )
    elif pointer.sha256 in found.tags.values():
        return
    else:
        what = (
            f"the alias {environment} in MLflow names version {found.number} of {scene.model}, which is not "
            f"{pointer.version} (sha256 {pointer.sha256[:12]})"
        )
    yield Finding(what, "whoever loads the model by its alias gets other bytes than those approved", AGAIN)


def _with_mlflow(root: Path) -> str | None:
    """A Python that has MLflow: ours, else the project's, which a workflow installs where it is asked for."""
    if importlib.util.find_spec("mlflow") is not None:
        return sys.executable
    from gitops_ml.storage.remote import python

    try:
        own = python(root)
    except Fault:
        return None
    return own if shell.ask([own, "-c", "import mlflow.version"], root) is not None else None
