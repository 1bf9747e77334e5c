"""One workflow, executed: act in host mode against the forge, each job in an empty workspace with its own token and HOME.

What act does not do is done here: the workflow file comes from the revision that GitHub would take it from, tokens carry
permissions (see tests.workflows.rewrite), checkouts are real (`--no-skip-checkout`), and everything a run writes lies below
one temporary folder. What act ignores altogether (`concurrency`, filters of `on:`) is for loop and matcher.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.workflows import machine
from tests.workflows.log import Command, Job, Log
from tests.workflows.matcher import FOLDER, Json, WorkflowError, dispatch_inputs, load, source, triggers_of
from tests.workflows.rewrite import LABELS, LEVELS, Plan, Rewriter, World, permissions_of

if TYPE_CHECKING:
    from tests.forge.events import Event
    from tests.forge.repo import Repo

act_binary = machine.act_binary
# Events that run a fork's own workflow files: with no secrets, and nothing above read.
OF_FORKS = ("pull_request", "pull_request_review", "pull_request_review_comment")


@dataclass(frozen=True)
class App:
    """A GitHub App that is installed in the repository: what it may, and what a workflow must know to be it."""

    slug: str
    permissions: Mapping[str, str]
    client_id: str = "Iv23liTests"
    private_key: str = "-----BEGIN RSA PRIVATE KEY-----\nnot a key\n-----END RSA PRIVATE KEY-----"


@dataclass
class Run:
    """One run of a workflow. ``result``: success, failure, cancelled (superseded), killed or timeout."""

    workflow: str
    trigger: str
    event: Event
    id: str = ""
    result: str = "success"
    jobs: dict[str, Job] = field(default_factory=dict)
    permissions: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Job -> what its token could do."""
    commands: list[Command] = field(default_factory=list)
    log: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.result == "success"

    @property
    def name(self) -> str:
        return Path(self.workflow).stem

    @property
    def summaries(self) -> dict[str, str]:
        """The step summaries of each job that wrote any."""
        return {name: job.summary for name, job in self.jobs.items() if job.summary}

    def errors(self) -> list[str]:
        return [command.text for command in self.commands if command.kind == "error"]

    def ran(self) -> list[str]:
        """The jobs that were not skipped, in the order of their start."""
        return [name for name, job in self.jobs.items() if job.result != "skipped"]


class Process:
    """A run that is under way, for whoever wants to pull its plug."""

    def __init__(self, tracking: str) -> None:
        self.tracking = tracking
        self.popen: subprocess.Popen[str] | None = None
        self.killed = ""

    def kill(self, why: str = "killed") -> None:
        """End act and every process of every step, at once, wherever they are."""
        if self.popen is not None and not self.killed:
            self.killed = why
            machine.kill(self.popen, self.tracking)


def tree_file(repo: Repo, revision: str) -> Callable[[str], str | None]:
    """Reads files of the repository at a revision."""

    def read(path: str) -> str | None:
        words = ["git", "-C", str(repo.bare), "cat-file", "blob", f"{revision}:{path}"]
        done = subprocess.run(words, capture_output=True, check=False)
        return done.stdout.decode("utf-8") if done.returncode == 0 else None

    return read


def workflow_files(repo: Repo, revision: str) -> dict[str, str]:
    """The workflow files of a revision: path -> text."""
    words = ["git", "-C", str(repo.bare), "ls-tree", "-z", "--name-only", revision, FOLDER]
    listed = subprocess.run(words, capture_output=True, text=True, check=False)
    if listed.returncode:
        return {}
    read = tree_file(repo, revision)
    return {path: read(path) or "" for path in listed.stdout.split("\0") if path}


def default_tip(repo: Repo) -> str:
    return repo.git.ref(f"refs/heads/{repo.data['default_branch']}") or ""


def _world(
    repo: Repo, event: Event, trigger: str, run_id: str, revision: str, app: App | None, folder: Path
) -> World:
    forked = event.fork and trigger in OF_FORKS

    def mint(job: str, permissions: Mapping[str, str]) -> str:
        return repo.github_token(run=run_id, permissions=permissions, event=event, job=job, fork=forked)

    def mint_app(job: str, wanted: Mapping[str, str] | None) -> dict[str, str]:
        if app is None:
            return {}
        known = {
            "STANDIN_APP_ID": app.client_id,
            "STANDIN_APP_KEY": app.private_key,
            "STANDIN_APP_SLUG": app.slug,
        }
        asked = app.permissions if wanted is None else wanted
        for name, level in asked.items():
            if LEVELS.get(level, 3) > LEVELS[app.permissions.get(name, "none")]:
                return {**known, "STANDIN_APP_REFUSED": f"{name}: {level}"}
        made = repo.app(app.slug, asked, event=event, run=run_id, job=job)
        return {**known, "STANDIN_APP_TOKEN": made.token}

    def lookup(slug: str, ref: str) -> Path | None:
        """Another repository of the forge, as it stands at a commit; actions and workflows may come from there."""
        other = repo.forge.repo(slug)
        if other is None or other.git.resolve(ref) is None:
            return None
        place = folder / "repositories" / slug.replace("/", "-") / ref.replace("/", "-")
        if not place.exists():
            place.mkdir(parents=True)
            words = ["git", "-C", str(other.bare), "archive", "--format=tar", ref]
            archive = subprocess.run(words, check=True, capture_output=True).stdout
            subprocess.run(["tar", "-x", "-C", str(place)], input=archive, check=True)
        return place

    return World(
        read=tree_file(repo, revision),
        mint=mint,
        mint_app=mint_app,
        lookup=lookup,
        default_permissions=_defaults(repo),
        homes=folder / "homes",
    )


def _defaults(repo: Repo) -> Mapping[str, str]:
    """What a job may that declares nothing: the repository's setting."""
    if repo.data["actions"]["default_workflow_permissions"] == "write":
        return permissions_of("write-all", "the default") or {}
    return {"contents": "read", "packages": "read"}


def variables_of(
    repo: Repo, event: Event, trigger: str, path: str, run_id: str, revision: str
) -> dict[str, str]:
    """The GITHUB_* variables that differ from event to event."""
    pull = event.payload.get("pull_request") or {}
    of_pull = trigger.startswith("pull_request")
    ref, sha = event.ref, event.sha
    if trigger == "pull_request_target":
        ref, sha = f"refs/heads/{repo.data['default_branch']}", revision
    name = ref.split("/", 2)[2] if ref.startswith("refs/") else ref
    return {
        "GITHUB_SERVER_URL": repo.forge.url,
        "GITHUB_API_URL": repo.forge.api,
        "GITHUB_GRAPHQL_URL": f"{repo.forge.url}/api/graphql",
        "GITHUB_REPOSITORY": repo.slug,
        "GITHUB_REPOSITORY_OWNER": repo.slug.split("/")[0],
        "GITHUB_REPOSITORY_ID": str(repo.data.get("id", 1)),
        "GITHUB_RUN_ID": run_id,
        "GITHUB_RUN_NUMBER": run_id,
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_ACTOR": event.actor,
        "GITHUB_TRIGGERING_ACTOR": event.actor,
        "GITHUB_WORKFLOW_REF": f"{repo.slug}/{path}@{ref}",
        "GITHUB_WORKFLOW_SHA": revision,
        "GITHUB_REF": ref,
        "GITHUB_REF_NAME": name,
        "GITHUB_REF_TYPE": "tag" if ref.startswith("refs/tags/") else "branch",
        "GITHUB_SHA": sha,
        # act's own name for the same: without it, it looks for git in its folder.
        "SHA_REF": sha,
        "GITHUB_BASE_REF": pull["base"]["ref"] if of_pull and pull else "",
        "GITHUB_HEAD_REF": pull["head"]["ref"] if of_pull and pull else "",
    }


def run_workflow(
    repo: Repo,
    workflow: str,
    event: Event,
    *,
    trigger: str = "",
    inputs: Json | None = None,
    secrets: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    app: App | None = None,
    artifacts: Path | None = None,
    run_id: str = "1",
    timeout: float = 600,
    concurrent_jobs: int = 2,
    on_start: Callable[[Process], None] | None = None,
    folder: Path | None = None,
) -> Run:
    """Execute one workflow of a repository of the forge for one event.

    ``workflow`` is a path as ``.github/workflows/x.yml`` or only ``x.yml``; ``trigger`` the key of its ``on:`` (default: the
    event's name). A fork's pull request gets no secrets. ``artifacts``: the store of the stand-ins, shared between runs.
    ``folder``: where everything is written, kept then; otherwise a temporary one, removed. Raises WorkflowError where
    GitHub would not start the workflow at all.
    """
    path = workflow if "/" in workflow else f"{FOLDER}{workflow}"
    trigger = trigger or event.name
    revision = source(event, trigger, default_tip(repo))
    text = tree_file(repo, revision)(path)
    if text is None:
        raise WorkflowError(f"{path} does not exist at {revision}")
    said = triggers_of(load(text, path), path)
    if trigger not in said:
        raise WorkflowError(f"{path} has no on: {trigger}")
    if trigger == "workflow_dispatch" and inputs is None:
        inputs = dispatch_inputs(said[trigger] or {}, event.payload.get("inputs") or {})
    place = folder or Path(tempfile.mkdtemp(prefix="act-run-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        world = _world(repo, event, trigger, run_id, revision, app, place)
        plan = Rewriter(world).run(path, text)
        known = {} if event.fork and trigger in OF_FORKS else dict(secrets or {})
        known |= plan.secrets
        own = variables_of(repo, event, trigger, path, run_id, revision)
        own |= {"STANDIN_ARTIFACTS": str(artifacts or place / "artifacts"), **(env or {})}
        payload = {**event.payload, **({"inputs": inputs} if inputs is not None else {})}
        process = Process(f"gitops-ml-{uuid.uuid4()}")
        command = _command(place, plan, path, trigger, payload, event.actor, known, variables or {}, own)
        command += ["--concurrent-jobs", str(concurrent_jobs)]
        run = Run(path, trigger, event, run_id, permissions=plan.permissions)
        _execute(run, plan, command, place, process, timeout, on_start)
        return run
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def _command(
    place: Path,
    plan: Plan,
    path: str,
    trigger: str,
    payload: Json,
    actor: str,
    secrets: Mapping[str, str],
    variables: Mapping[str, str],
    env: Mapping[str, str],
) -> list[str]:
    """The files that act reads, written, and the words that it is called with."""
    # act reads .env, .secrets, .vars and .actrc of its folder: this one has nothing but the rewritten workflows.
    inside = place / "repository"
    for file, content in plan.workflows.items():
        target = inside / FOLDER / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content, default=str), "utf-8")
    event = place / "event.json"
    event.write_text(json.dumps(payload), "utf-8")
    hidden = place / "secrets.yml"
    hidden.touch(mode=0o600)
    # No job has this token, and the forge does not know it: what still uses act's own gets a 401.
    hidden.write_text(json.dumps({"GITHUB_TOKEN": f"ghs_nobody{uuid.uuid4().hex}", **secrets}), "utf-8")
    shown = place / "vars.env"
    shown.touch()
    command = [str(machine.act_binary()), trigger, "-W", str(inside / FOLDER / Path(path).name)]
    command += ["-e", str(event), "--secret-file", str(hidden), "--actor", actor]
    command += ["--json", "--rm", "--no-cache-server", "--no-skip-checkout"]
    command += ["--action-cache-path", str(place / "act")]
    for label in LABELS:
        command += ["-P", f"{label}=-self-hosted"]
    for name, value in variables.items():
        command += ["--var", f"{name}={value}"]
    for name, value in env.items():
        command += ["--env", f"{name}={value}"]
    for name, folder in {"nobody/nothing@none": place, **plan.repositories}.items():
        command += ["--local-repository", f"{name}={folder}"]
    return command


def _execute(
    run: Run,
    plan: Plan,
    command: list[str],
    place: Path,
    process: Process,
    timeout: float,
    on_start: Callable[[Process], None] | None,
) -> None:
    log = Log(plan.keys)
    began = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=place / "repository",
        env=machine.environment(place, process.tracking),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as popen:
        process.popen = popen
        timer = threading.Timer(timeout, process.kill, ["timeout"])
        timer.start()
        try:
            if on_start:
                on_start(process)
            assert popen.stdout is not None
            for line in popen.stdout:
                log.feed(line)
            popen.wait()
        except BaseException:
            process.kill("interrupted")
            raise
        finally:
            timer.cancel()
    # A step may have left something running; GitHub's machine ends with its job.
    machine.kill(popen, process.tracking)
    run.seconds = time.monotonic() - began
    for key, declared in plan.outputs.items():
        log.outputs(key, declared)
    run.jobs = dict(log.jobs)
    for key in plan.permissions:
        if not any(name == key or name.startswith(f"{key} (") for name in run.jobs):
            run.jobs[key] = Job("skipped")
    run.commands = log.commands
    run.log = "\n".join(log.lines)
    run.result = process.killed or _result(run, popen.returncode)


def _result(run: Run, status: int) -> str:
    failed = any(job.result not in ("success", "skipped") for job in run.jobs.values())
    return "failure" if status or failed else "success"


__all__ = ["App", "Process", "Run", "WorkflowError", "act_binary", "run_workflow", "workflow_files"]
