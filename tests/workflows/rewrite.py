"""A workflow made fit for act: a token of its own for each job, third-party actions mapped to folders, calls followed.

**Tokens.** act knows one GITHUB_TOKEN for all jobs and no `permissions`. On GitHub each job gets a token of its own with
exactly what it declares. So the copy that act runs has, in every job, `github.token` and `secrets.GITHUB_TOKEN` replaced by
`secrets.JOB_TOKEN_<n>`, and that secret is a token of the forge with the job's permissions and the job's name: what the job
did not declare is refused with a real 403, and the forge's log knows which job made which call. Actions get their token by an
input; where its default is `github.token` and the step does not pass it, the copy passes it. Inside a composite action the
token cannot be replaced: one that reads `github.token` other than as the default of an input is refused. act itself holds
a token that the forge does not know, so that whatever slips through ends in a 401.

**Calls.** A called workflow is copied once per call, since each call has other tokens; the permissions of its jobs may not
exceed those of the calling job, which is an error here as on GitHub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflows.matcher import FOLDER, Json, WorkflowError, load

STANDINS = Path(__file__).with_name("standins")
ACTIONS = {
    "actions/checkout": "checkout",
    "actions/upload-artifact": "upload-artifact",
    "actions/download-artifact": "download-artifact",
    "actions/create-github-app-token": "create-github-app-token",
    "actions/setup-python": "setup-python",
    "astral-sh/setup-uv": "setup-uv",
}
LABELS = ("ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04")
TOKEN = re.compile(
    r"\b(?:github\.token|secrets\.GITHUB_TOKEN|github\[\s*'token'\s*\]|secrets\[\s*'GITHUB_TOKEN'\s*\])", re.I
)
REMOTE = re.compile(r"([\w.-]+/[\w.-]+)((?:/[^@]+)?)@(\S+)")
LEVELS = {"none": 0, "read": 1, "write": 2}
SCOPES = (
    "actions",
    "attestations",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "id-token",
    "issues",
    "models",
    "packages",
    "pages",
    "pull-requests",
    "security-events",
    "statuses",
)


@dataclass
class Plan:
    """What act is given: files, secrets, folders for actions; and what its log is read with."""

    workflows: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    repositories: dict[str, Path] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    """Number of a job in act's log -> its name here: `build`, or `call/build` in a called workflow."""
    permissions: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Job -> what its token may."""
    outputs: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """What a rewriting asks of its surroundings.

    ``read``: a file of the repository at the workflow's revision. ``mint``: a token for a job. ``mint_app``: the variables
    that the App-token stand-in reads, for permissions (None: all that the App has). ``lookup``: a folder with another
    repository at a ref, or None. ``homes``: below it each job has its HOME.
    """

    read: Callable[[str], str | None]
    mint: Callable[[str, Mapping[str, str]], str]
    mint_app: Callable[[str, Mapping[str, str] | None], dict[str, str]]
    lookup: Callable[[str, str], Path | None]
    default_permissions: Mapping[str, str]
    homes: Path


def permissions_of(said: Any, where: str) -> dict[str, str] | None:
    """Declared permissions in their long form; None where nothing is said."""
    if said is None:
        return None
    if said in ("read-all", "write-all"):
        return dict.fromkeys(SCOPES, said.removesuffix("-all"))
    if not isinstance(said, dict):
        raise WorkflowError(f"{where}: permissions are neither a mapping, read-all nor write-all")
    for name, level in said.items():
        if name not in SCOPES and name not in ("artifact-metadata", "repository-projects"):
            raise WorkflowError(f"{where}: there is no permission {name!r}")
        if level not in LEVELS:
            raise WorkflowError(f"{where}: {name}: {level} is neither read, write nor none")
    return {name: level for name, level in said.items() if level != "none"}


def _replace(value: Any, secret: str, condition: bool = False) -> Any:
    """A copy with the job's own token in every expression."""
    if isinstance(value, dict):
        return {key: _replace(one, secret, key == "if") for key, one in value.items()}
    if isinstance(value, list):
        return [_replace(one, secret) for one in value]
    if isinstance(value, str) and (condition or "${{" in value):
        return TOKEN.sub(f"secrets.{secret}", value)
    return value


def _mentions(value: Any) -> bool:
    return TOKEN.search(json.dumps(value, default=str)) is not None


class Rewriter:
    """One workflow with all that it calls."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.plan = Plan()
        self.name = ""

    def run(self, path: str, text: str | bytes) -> Plan:
        """The plan for a workflow of the repository. Raises WorkflowError where GitHub would not start it."""
        stem = Path(path).stem
        workflow = load(text, path)
        self.name = str(workflow.get("name", path))
        self._workflow(workflow, path, [stem], Path(path).name, None)
        return self.plan

    def _workflow(
        self,
        workflow: Json,
        path: str,
        trail: list[str],
        file: str,
        caller: Mapping[str, str] | None,
    ) -> list[str]:
        """Rewrite one file; the names of the secrets that it needs from its caller."""
        jobs = workflow.get("jobs")
        if not isinstance(jobs, dict) or not jobs:
            raise WorkflowError(f"{path} has no jobs")
        top = permissions_of(workflow.get("permissions"), path)
        needed: list[str] = []
        # Tokens differ from job to job: what the whole workflow has in its environment, each job gets.
        shared = workflow.get("env") or {}
        made = {}
        for key, job in jobs.items():
            own = permissions_of(job.get("permissions"), f"{path}: job {key}")
            declared = own if own is not None else top
            allowed = self._allowed(declared, caller, [*trail, key], path)
            job = {**job, "env": {**shared, **(job.get("env") or {})}} if "uses" not in job else job
            made[key], secrets = self._job(job, [*trail, key], allowed, path)
            needed += secrets
        # act ignores `concurrency`, and refuses `queue` in it, which GitHub has since May 2026: the loop simulates both.
        dropped = ("jobs", "env", "permissions", "name", "concurrency")
        rest = {one: value for one, value in workflow.items() if one not in dropped}
        # github.workflow is the name of the workflow that was started, also in those that it calls.
        self.plan.workflows[file] = {"name": self.name, **rest, "jobs": made}
        return needed

    def _allowed(
        self,
        declared: Mapping[str, str] | None,
        caller: Mapping[str, str] | None,
        trail: list[str],
        path: str,
    ) -> Mapping[str, str]:
        if caller is None:
            return self.world.default_permissions if declared is None else declared
        if declared is None:
            return caller
        for name, level in declared.items():
            has = caller.get(name, "none")
            if LEVELS[level] > LEVELS[has]:
                raise WorkflowError(
                    f"{path}: the nested job '{trail[-1]}' is requesting '{name}: {level}',"
                    f" but is only allowed '{name}: {has}'"
                )
        return declared

    def _job(
        self, job: Json, trail: list[str], allowed: Mapping[str, str], path: str
    ) -> tuple[Json, list[str]]:
        number = len(self.plan.keys)
        key = "/".join(trail[1:])
        self.plan.keys[number] = key
        if "uses" in job:
            made, needed = self._call(job, trail, allowed, path)
            return {**made, "name": f"job-{number}"}, needed
        self._runs_on(job, key, path)
        secret = f"JOB_TOKEN_{number}"
        self.plan.secrets[secret] = self.world.mint("/".join(trail), allowed)
        self.plan.permissions[key] = allowed
        self.plan.outputs[key] = job.get("outputs") or {}
        steps, needed = [], [secret]
        for step in job.get("steps") or []:
            step, more = self._step(step, "/".join(trail), path)
            steps.append(step)
            needed += more
        home = self.world.homes / f"job-{number}"
        home.mkdir(parents=True, exist_ok=True)
        env = {**job["env"], "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        made = _replace({**job, "steps": steps, "env": env}, secret)
        made.pop("permissions", None)
        return {**made, "name": f"job-{number}"}, needed

    def _runs_on(self, job: Json, key: str, path: str) -> None:
        labels = job.get("runs-on")
        for label in labels if isinstance(labels, list) else [labels]:
            # act skips a job with another label and calls that a success.
            if label not in LABELS and "${{" not in str(label):
                raise WorkflowError(
                    f"{path}: job {key} runs on {label!r}; known here are {', '.join(LABELS)}"
                )

    def _call(
        self, job: Json, trail: list[str], allowed: Mapping[str, str], path: str
    ) -> tuple[Json, list[str]]:
        uses = str(job["uses"])
        if uses.startswith("./"):
            text = self.world.read(uses[2:])
        else:
            found = REMOTE.fullmatch(uses)
            folder = self.world.lookup(found[1], found[3]) if found else None
            file = folder / found[2].lstrip("/") if folder and found else None
            text = file.read_text("utf-8") if file and file.is_file() else None
        if text is None:
            raise WorkflowError(f"{path}: job {trail[-1]} calls {uses}, which does not exist")
        called = load(text, uses)
        if "workflow_call" not in _events(called):
            raise WorkflowError(f"{path}: job {trail[-1]} calls {uses}, which has no on: workflow_call")
        if len(trail) > 10:
            raise WorkflowError(f"{path}: workflows call each other more than ten levels deep")
        copy = f"called-{'-'.join(trail)}.yml"
        needed = self._workflow(called, uses, trail, copy, allowed)
        made = {one: value for one, value in job.items() if one != "permissions"}
        made["uses"] = f"./{FOLDER}{copy}"
        if _mentions({**made, "secrets": {}}) or _mentions(made.get("secrets") or {}):
            raise WorkflowError(
                f"{path}: job {trail[-1]} passes github.token on; a called workflow has its own"
            )
        if made.get("secrets") != "inherit":
            passed = {name: f"${{{{ secrets.{name} }}}}" for name in needed}
            made["secrets"] = {**(made.get("secrets") or {}), **passed}
        return made, needed

    def _step(self, step: Json, job: str, path: str) -> tuple[Json, list[str]]:
        """A step with its token passed; the secrets that it needs besides the job's."""
        if "uses" not in step:
            return step, []
        uses = str(step["uses"])
        action = self.action(uses, f"{path}: {job}")
        given = step.get("with") or {}
        passed = {
            name: str(said["default"])
            for name, said in ((action or {}).get("inputs") or {}).items()
            if said and name not in given and _mentions(said.get("default", ""))
        }
        step = {**step, "with": {**given, **passed}} if passed else step
        if not uses.startswith("actions/create-github-app-token@"):
            return step, []
        return self._app(step, job)

    def _app(self, step: Json, job: str) -> tuple[Json, list[str]]:
        given = step.get("with") or {}
        wanted = {
            name.removeprefix("permission-"): str(level)
            for name, level in given.items()
            if name.startswith("permission-")
        }
        variables = self.world.mint_app(job, wanted or None)
        number = sum(name.startswith("APP_TOKEN_") for name in self.plan.secrets)
        names = {"STANDIN_APP_TOKEN": f"APP_TOKEN_{number}", "STANDIN_APP_KEY": f"APP_KEY_{number}"}
        for variable, secret in names.items():
            self.plan.secrets[secret] = variables.get(variable, "")
        env = {
            **(step.get("env") or {}),
            **variables,
            **{variable: f"${{{{ secrets.{secret} }}}}" for variable, secret in names.items()},
        }
        return {**step, "env": env}, list(names.values())

    def action(self, uses: str, where: str) -> Json | None:
        """The metadata of an action; None for one that only a checkout at run time will bring.

        Registers the folder of a remote one. Raises for one that is not known here, and for a composite one whose
        token cannot be replaced.
        """
        if uses.startswith("./"):
            action = self._local(uses[2:].strip("/"))
        else:
            found = REMOTE.fullmatch(uses)
            if not found:
                raise WorkflowError(f"{where} uses {uses}, which is neither ./path nor owner/name@ref")
            slug, below, ref = found[1], found[2].strip("/"), found[3]
            folder = self.world.lookup(slug, ref)
            if folder is None and slug in ACTIONS and not below:
                folder = STANDINS / ACTIONS[slug]
            if folder is None:
                known = ", ".join(sorted(ACTIONS))
                raise WorkflowError(
                    f"{where} uses {uses}, for which tests/workflows/standins has nothing. It has: {known}"
                )
            self.plan.repositories[f"{slug}@{ref}"] = folder
            texts = [folder / below / name for name in ("action.yml", "action.yaml")]
            text = next((file.read_text("utf-8") for file in texts if file.is_file()), None)
            if text is None:
                raise WorkflowError(f"{where} uses {uses}, where no action.yml is")
            action = load(text, uses)
        if action is not None and (action.get("runs") or {}).get("using") == "composite":
            self._composite(action, uses, where)
        return action

    def _local(self, folder: str) -> Json | None:
        """An action in the workspace; a checkout into a folder (`./head/.github/...`) has it further down."""
        parts = folder.split("/")
        for start in range(len(parts)):
            for name in ("action.yml", "action.yaml"):
                text = self.world.read("/".join([*parts[start:], name]))
                if text is not None:
                    return load(text, f"{folder}/{name}")
        return None

    def _composite(self, action: Json, uses: str, where: str) -> None:
        for step in action["runs"].get("steps") or []:
            if _mentions(step):
                raise WorkflowError(
                    f"{uses} reads github.token in a step. Give it an input with that default, and read the input:"
                    " the runner of the tests can only give each job its own token by inputs."
                )
            if "uses" not in step:
                continue
            if str(step["uses"]).startswith("actions/create-github-app-token@"):
                raise WorkflowError(f"{uses} makes an App token inside: let the workflow make it and pass it")
            inner = self.action(str(step["uses"]), uses)
            for name, said in ((inner or {}).get("inputs") or {}).items():
                if said and _mentions(said.get("default", "")) and name not in (step.get("with") or {}):
                    raise WorkflowError(f"{uses} uses {step['uses']} without passing `{name}:` ({where})")


def _events(workflow: Json) -> list[str]:
    on = workflow.get("on")
    return [on] if isinstance(on, str) else list(on or [])
