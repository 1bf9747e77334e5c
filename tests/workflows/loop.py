"""GitHub's own loop: events start workflows, their effects are events again, until nothing starts any more."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.workflows.act import App, Process, Run, default_tip, run_workflow, variables_of, workflow_files
from tests.workflows.expressions import interpolate
from tests.workflows.matcher import (
    FOLDER,
    Decision,
    Json,
    WorkflowError,
    crons,
    decide,
    dispatch_inputs,
    load,
    source,
    triggers_of,
)

if TYPE_CHECKING:
    from tests.forge.events import Event
    from tests.forge.forge import Forge
    from tests.forge.repo import Repo
    from tests.forge.state import Identity


class Endless(RuntimeError):
    """More runs than a test expected: most likely workflows that cause each other."""


@dataclass
class _Waiting:
    """A run in the queue. GitHub keeps one running and one pending per group: ``active`` may run, others wait."""

    event: Event
    decision: Decision
    name: str
    group: str | None
    cancels: bool
    keeps_all: bool
    active: bool = True
    run: Run | None = None


@dataclass
class _Kill:
    effects: int
    workflow: str
    done: bool = False


@dataclass
class Loop:
    """What github.com is to a repository. Runs are executed one after the other, in the order of their events.

    ``concurrency`` is simulated: what arrived while a run of the same group was under way waits; of several that wait the
    newest stays, unless ``queue: max``; ``cancel-in-progress`` drops all that have not begun. Those dropped are in ``runs`` with
    the result "cancelled". ``decisions`` has, for each event, every workflow and why it started or did not.
    """

    forge: Forge
    repo: Repo
    secrets: Mapping[str, str] = field(default_factory=dict)
    vars: Mapping[str, str] = field(default_factory=dict)
    app: App | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 600
    concurrent_jobs: int = 2
    artifacts: Path | None = None
    runs: list[Run] = field(default_factory=list)
    decisions: list[tuple[Event, Decision]] = field(default_factory=list)
    _queue: list[_Waiting] = field(default_factory=list)
    _kills: list[_Kill] = field(default_factory=list)

    # --- what happens from outside -----------------------------------------------------------------------

    def _by(self, by: Identity | None) -> Identity:
        """Whoever asks; without anybody named, the owner or an administrator."""
        if by is not None:
            return by
        owner = self.forge.state.user(self.repo.data["owner"])
        people = [name for name, role in self.repo.data["collaborators"].items() if role == "admin"]
        return self.forge.user(people[0] if owner["type"] == "Organization" else owner["login"])

    def _post(self, path: str, body: Json, by: Identity | None) -> None:
        request = urllib.request.Request(
            f"{self.repo.api}{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._by(by).token}", "Content-Type": "application/json"},
        )
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()
        except urllib.error.HTTPError as refused:
            raise WorkflowError(f"{path}: {refused.code} {refused.read().decode()}") from None

    def schedule(self, what: str) -> Event:
        """The clock strikes for a cron line, or for the (first) line of a workflow."""
        line = what
        if what.endswith((".yml", ".yaml")):
            path = what if "/" in what else FOLDER + what
            text = workflow_files(self.repo, default_tip(self.repo)).get(path)
            said = triggers_of(load(text, path), path) if text else {}
            if "schedule" not in said:
                raise WorkflowError(f"{path} has no on: schedule on the default branch")
            line = crons(said["schedule"])[0]
        with self.forge.lock:
            event = self.repo.schedule()
            event.payload["schedule"] = line
            self.repo.data["events"][-1]["payload"]["schedule"] = line
            self.forge.save()
        return event

    def dispatch(
        self, workflow: str, inputs: Json | None = None, ref: str = "", by: Identity | None = None
    ) -> None:
        """Somebody presses "Run workflow"; WorkflowError with GitHub's words where the forge or the inputs refuse."""
        file = Path(workflow).name
        path = FOLDER + file
        branch = ref or self.repo.data["default_branch"]
        text = workflow_files(self.repo, branch).get(path)
        if text:
            dispatch_inputs(triggers_of(load(text, path), path).get("workflow_dispatch") or {}, inputs or {})
        self._post(f"/actions/workflows/{file}/dispatches", {"ref": branch, "inputs": inputs or {}}, by)

    def repository_dispatch(self, kind: str, payload: Json | None = None, by: Identity | None = None) -> None:
        """Somebody outside says that something happened."""
        self._post("/dispatches", {"event_type": kind, "client_payload": payload or {}}, by)

    def kill_after(self, effects: int, workflow: str = "") -> None:
        """The next run (of a workflow) loses its machine behind its n-th effect on the forge; 0: at once."""
        self._kills.append(_Kill(effects, Path(workflow).stem))

    def rerun(self, run: Run) -> None:
        """Somebody presses "Re-run all jobs": the same event and commit, from the beginning."""
        event, decision = next(
            (event, decision)
            for event, decision in self.decisions
            if event is run.event and (decision.workflow, decision.trigger) == (run.workflow, run.trigger)
        )
        revision = source(event, decision.trigger, default_tip(self.repo))
        self._enqueue(event, decision, workflow_files(self.repo, revision)[decision.workflow])

    # --- the loop ----------------------------------------------------------------------------------------

    def settle(self, limit: int = 40) -> list[Run]:
        """Run what the forge's events start until nothing more starts; the runs of this call, in order.

        Raises Endless beyond ``limit`` runs, and WorkflowError for a workflow that GitHub would not start.
        """
        before = len(self.runs)
        executed = 0
        self._take()
        while waiting := next((one for one in self._queue if one.active), None):
            executed += 1
            if executed > limit:
                raise Endless(f"more than {limit} runs: {[run.name for run in self.runs[before:]][-10:]}")
            self._execute(waiting)
            # Events of this run came while it was under way: they wait behind it.
            self._take()
            self._release(waiting)
        return self.runs[before:]

    def started(self, name: str) -> list[Run]:
        """The runs of a workflow, by its file's name without the suffix."""
        return [run for run in self.runs if run.name == Path(name).stem]

    def reasons(self, workflow: str) -> list[str]:
        """Why a workflow did not start, one reason per event and trigger that did not start it."""
        wanted = Path(workflow).stem
        return [d.reason for _, d in self.decisions if Path(d.workflow).stem == wanted and not d.starts]

    def _take(self) -> None:
        for event in self.repo.take_events():
            tip = default_tip(self.repo)
            texts = {
                trigger: workflow_files(self.repo, source(event, trigger, tip))
                for trigger in {*event.triggers, event.name, *self._of_pulls(event)}
            }
            for decision in decide(event, texts.__getitem__, self._head_message(event)):
                self.decisions.append((event, decision))
                if decision.starts:
                    self._enqueue(event, decision, texts[decision.trigger][decision.workflow])

    @staticmethod
    def _of_pulls(event: Event) -> list[str]:
        return ["pull_request", "pull_request_target"] if event.name == "pull_request" else []

    def _head_message(self, event: Event) -> str:
        if event.name != "pull_request":
            return ""
        head = event.payload["pull_request"]["head"]["sha"]
        words = ["git", "-C", str(self.repo.bare), "log", "-1", "--format=%B", head]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    def _enqueue(self, event: Event, decision: Decision, text: str) -> None:
        workflow = load(text, decision.workflow)
        said = workflow.get("concurrency")
        said = {"group": said} if isinstance(said, str) else said or {}
        contexts = self._contexts(event, decision, workflow)
        group = interpolate(said["group"], contexts) if "group" in said else None
        cancels = interpolate(said.get("cancel-in-progress", False), contexts)
        new = _Waiting(
            event,
            decision,
            str(workflow.get("name", decision.workflow)),
            None if group is None else str(group).lower(),
            cancels is True or cancels == "true",
            said.get("queue") == "max",
        )
        if new.group is not None:
            self._line_up(new)
        self._queue.append(new)

    def _line_up(self, new: _Waiting) -> None:
        """GitHub's rule for a group: one running, one pending."""
        same = [one for one in self._queue if one.group == new.group]
        for one in same:
            dropped = one.run is None and (new.cancels or (not one.active and not new.keeps_all))
            if dropped:
                self._queue.remove(one)
                self._cancelled(one)
        new.active = not any(one in self._queue for one in same)

    def _release(self, done: _Waiting) -> None:
        self._queue.remove(done)
        following = next((one for one in self._queue if one.group == done.group and not one.active), None)
        if done.group is not None and following is not None:
            following.active = True

    def _contexts(self, event: Event, decision: Decision, workflow: Json) -> Json:
        revision = source(event, decision.trigger, default_tip(self.repo))
        known = variables_of(self.repo, event, decision.trigger, decision.workflow, "0", revision)
        github: Json = {name.removeprefix("GITHUB_").lower(): value for name, value in known.items()}
        github |= {
            "event": event.payload,
            "event_name": decision.trigger,
            "workflow": str(workflow.get("name", decision.workflow)),
        }
        return {"github": github, "inputs": decision.inputs, "vars": dict(self.vars)}

    def _cancelled(self, waiting: _Waiting) -> None:
        run = Run(waiting.decision.workflow, waiting.decision.trigger, waiting.event, result="cancelled")
        record = self.repo.add_run(waiting.name, run.trigger, {}, "cancelled")
        run.id = str(record["id"])
        self.runs.append(run)

    def _execute(self, waiting: _Waiting) -> None:
        decision, event = waiting.decision, waiting.event
        record = self.repo.add_run(waiting.name, decision.trigger, {}, "in_progress")
        kill = next(
            (k for k in self._kills if not k.done and k.workflow in ("", Path(decision.workflow).stem)), None
        )
        disarm: list[Any] = []

        def armed(process: Process) -> None:
            if kill is None:
                return
            kill.done = True
            if kill.effects == 0:
                process.kill()
                return
            disarm.append(
                self.forge.faults.add("dead-after-n-effects", after=kill.effects, callback=process.kill)
            )

        waiting.run = Run(decision.workflow, decision.trigger, event, str(record["id"]), result="in_progress")
        try:
            waiting.run = run_workflow(
                self.repo,
                decision.workflow,
                event,
                trigger=decision.trigger,
                inputs=decision.inputs if decision.trigger == "workflow_dispatch" else None,
                secrets=self.secrets,
                variables=self.vars,
                env=self.env,
                app=self.app,
                artifacts=self.artifacts or self.forge.folder / "artifacts",
                run_id=str(record["id"]),
                timeout=self.timeout,
                # With one job at a time the n-th effect is the same one every time.
                concurrent_jobs=1 if kill else self.concurrent_jobs,
                on_start=armed,
            )
        finally:
            for fault in disarm:
                # The machine died, the forge did not: the next run finds it alive.
                fault.fired = max(fault.fired, 1)
                self.forge.faults.dead = False
            self.runs.append(waiting.run)
            self._register(record, waiting.run)

    def _register(self, record: Json, run: Run) -> None:
        with self.forge.lock:
            record["jobs"] = {name: job.result for name, job in run.jobs.items()}
            record["result"] = run.result
            record["summary"] = "\n\n".join(run.summaries.values())
            record["seconds"] = round(run.seconds, 1)
            self.forge.save()
