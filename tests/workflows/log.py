"""What a run of act said, line by line of JSON, as jobs with steps, outputs, summaries and seconds."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

NAME = re.compile(r"job-(\d+)(?:-(\d+))?(?=/|\s*$)")
OUTPUT = re.compile(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.([\w-]+)\s*\}\}")
ANNOTATIONS = ("error", "warning", "notice")


@dataclass
class Step:
    """One step of a job. ``result``: success, failure or running; steps that were skipped are absent."""

    name: str
    id: str
    result: str = "running"
    seconds: float = 0.0
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""
    composite: bool = False


@dataclass
class Job:
    """One job. ``result``: success, failure, skipped, or cancelled for one that was cut off."""

    result: str = "skipped"
    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    log: str = ""

    def step(self, name: str) -> Step:
        """The step of this name or id. Raises KeyError if it did not run."""
        for step in self.steps:
            if name in (step.name, step.id):
                return step
        raise KeyError(f"no step {name!r} ran; there are {[step.name for step in self.steps]}")

    @property
    def summary(self) -> str:
        return "".join(step.summary for step in self.steps)


@dataclass
class Command:
    """An `::error::` and its kin: what GitHub shows as an annotation."""

    kind: str
    text: str
    job: str
    title: str = ""


class Log:
    """Fed with lines as they come; the clock of this process is what measures, act's has whole seconds."""

    def __init__(self, keys: dict[int, str]) -> None:
        self.keys = keys
        self.jobs: dict[str, Job] = {}
        self.commands: list[Command] = []
        self.lines: list[str] = []
        self._steps: dict[tuple[str, str], Step] = {}
        self._began: dict[str, float] = {}

    def feed(self, line: str) -> None:
        """One line of act's output."""
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            self.lines.append(line.rstrip("\n"))
            return
        message = str(record.get("msg", "")).rstrip("\n")
        found = NAME.findall(str(record.get("job", "")))
        if not found:
            self.lines.append(message)
            return
        # The last name is the job's own; those before it are of the calls around it, each of which may be a leg.
        legs = ", ".join(leg for _, leg in found if leg)
        key = self.keys[int(found[-1][0])] + (f" ({legs})" if legs else "")
        self.lines.append(f"[{key}] {message}")
        self._job(key, record, message, leg=bool(legs))

    def _job(self, key: str, record: dict[str, Any], message: str, leg: bool) -> None:
        now = time.monotonic()
        job = self.jobs.setdefault(key, Job("cancelled"))
        self._began.setdefault(key, now)
        job.seconds = now - self._began[key]
        if record.get("raw_output"):
            job.log += message + "\n"
        if "jobResult" in record:
            # act has one result for all legs of a matrix: a leg whose own steps passed has passed.
            own = leg and all(step.result == "success" for step in job.steps)
            job.result = "success" if own else record["jobResult"]
        ids = record.get("stepID")
        if isinstance(ids, list) and ids and record.get("stage") == "Main":
            self._step(job, key, ids, record, message)
        if record.get("command") in ANNOTATIONS:
            title = str((record.get("kvPairs") or {}).get("title", ""))
            self.commands.append(Command(record["command"], str(record.get("arg", "")), key, title))

    def _step(self, job: Job, key: str, ids: list[str], record: dict[str, Any], message: str) -> None:
        step = self._steps.get((key, ids[0]))
        if step is None:
            step = self._steps[key, ids[0]] = Step(str(record.get("step", "")), ids[0])
            job.steps.append(step)
        if record.get("raw_output"):
            step.log += message + "\n"
        inner = len(ids) > 1
        step.composite = step.composite or inner
        if record.get("command") == "summary" and (inner or not step.composite):
            # Behind a composite step act says the last summary once more.
            step.summary += str(record["content"])
        if inner:
            return
        if "stepResult" in record:
            step.result = record["stepResult"]
            # act measured it itself, in nanoseconds.
            step.seconds = record.get("executionTime", 0) / 1e9
        elif record.get("command") == "set-output" and not (step.composite and step.result != "running"):
            # Behind a composite step act leaks what its last inner step put out: GitHub does not.
            step.outputs[record["name"]] = str(record["arg"])

    def outputs(self, key: str, declared: dict[str, Any]) -> None:
        """Fill in a job's outputs from those of its steps."""
        for leg, job in self.jobs.items():
            if leg == key or leg.startswith(f"{key} ("):
                values = {step.id: step.outputs for step in job.steps}
                for name, said in declared.items():
                    job.outputs[name] = OUTPUT.sub(
                        lambda found, values=values: values.get(found[1], {}).get(found[2], ""),  # type: ignore[misc]
                        str(said),
                    )
