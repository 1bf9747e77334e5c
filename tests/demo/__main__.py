"""The story of `make demo`: generate, train, serve; publish to a local forge; newer rows, a column that leaks, drift, and back.

Every step on the forge is a real run of the project's own workflows; the demo itself only does what a person does: edit,
push, open and merge pull requests.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ruamel.yaml import YAML
from tests.demo.laptop import STATUS, TABLE, Laptop, generate
from tests.demo.rows import another_instrument, more_rows, with_treatment
from tests.demo.serving import serve_and_ask
from tests.demo.timeline import OUTPUT, ROOT, SLUG, environment, more, step, stop, under_way
from tests.forge import Forge
from tests.tools.go import NoGo
from tests.workflows.act import Run
from tests.workflows.loop import Loop
from tests.workflows.machine import act_binary
from tests.workflows.source import Source

POINTER = "deploy/production/model.yaml"


@dataclass
class Story:
    """Ada, the forge, and what runs her workflows."""

    forge: Forge
    laptop: Laptop
    loop: Loop
    source: Source

    def settle(self, red: str = "") -> str:
        """Run every workflow that what happened starts, until nothing starts any more; which, how long, which jobs.

        ``red``: the workflow that is meant to fail.
        """
        runs = self.loop.settle()
        for run in runs:
            if not run.ok and run.name != red:
                log = OUTPUT / "failed-run.log"
                log.write_text(run.log, "utf-8")
                said = "\n".join(run.errors()[-3:]) or run.log[-2000:]
                raise stop(
                    f"the workflow {run.name} ended with {run.result} (all it printed: {log}):\n{said}"
                )
        return "; ".join(_ran(run) for run in runs if len(run.ran()) > 1)

    # --- what happens ---------------------------------------------------------------------------------------

    def release(self) -> None:
        """What a merge (or the first push) released, and the pull request that serves it: merged."""
        repo = self.laptop.repo
        ran = self.settle()
        newest = repo.releases()[0]
        version = newest["tag_name"].rpartition("@")[2]
        step(f"released {version}", f"{repo.url}/releases/tag/{newest['tag_name']}")
        more(f"by {ran}")
        (pointer,) = [pull for pull in repo.open_pulls() if pull["head"]["ref"].startswith("deploy/")]
        step(f"PR #{pointer['number']} serves it: merged", self.laptop.page(pointer["number"]))
        refused = self.laptop.merge(pointer["number"])
        if refused:
            raise stop(f"the pull request that serves {version} was not merged: {refused}")
        self.served(version)

    def served(self, version: str) -> None:
        """What the merge of a pointer moved: the file on main, the stage tag, the deployment."""
        self.settle()
        repo = self.laptop.repo
        said: dict[str, Any] = YAML(typ="safe", pure=True).load(
            (self.laptop.project / POINTER).read_text("utf-8")
        )
        if (said["version"], said["sha256"]) != (version, self.released_model(f"{SLUG}@{version}")):
            raise stop(f"{POINTER} says {said['version']} {said['sha256']}, which is not what was released.")
        stage = max(
            (tag for tag in repo.tags() if tag.startswith(f"{SLUG}#production#")),
            key=lambda tag: int(tag.rpartition("#")[2]),
        )
        if repo.tags()[stage] != said["revision"]:
            raise stop(f"the newest stage tag {stage} does not name the commit of {version}.")
        more(f"proven, and production serves {version}: {stage}, sha256 {said['sha256'][:8]}")

    def passes(self) -> None:
        """Newer rows at the source: found at night, built, judged, and merged by a person."""
        under_way("adding rows at the source")
        before = self.source.content.count(b"\n")
        self.source.content = more_rows(self.source.content)
        added = self.source.content.count(b"\n") - before
        self.loop.schedule("train.yml")
        self.let_in(f"{added} newer rows at night", "retrain/data")

    def drifts(self) -> None:
        """The source measures otherwise from now on: the watch finds out, and brings the retrained candidate."""
        self.source.content = another_instrument(self.source.content)
        self.loop.schedule("drift.yml")
        self.let_in("drift: another instrument", "retrain/drift")

    def let_in(self, what: str, branch: str) -> None:
        """The pull request that a robot opened, judged: merged by a person."""
        ran = self.settle()
        (pull,) = [one for one in self.laptop.repo.open_pulls() if one["head"]["ref"] == branch]
        number = int(pull["number"])
        state, said = self.laptop.verdict(number)
        step(f"{what} -> PR #{number}", self.laptop.page(number))
        more(f'"{pull["title"]}"')
        more(f"by {ran}")
        more(f"status {STATUS}: {state}, {said}")
        refused = self.laptop.merge(number)
        if state != "success" or refused:
            raise stop(f"a pull request that should pass did not: {refused or said}")
        more("merged")

    def goes_back(self) -> None:
        """To the version before, by hand: a pull request of one file, merged."""
        laptop = self.laptop
        self.loop.dispatch("roll-back.yml")
        ran = self.settle()
        (pull,) = [one for one in laptop.repo.open_pulls() if one["head"]["ref"].startswith("roll-back/")]
        number = int(pull["number"])
        state, said = laptop.verdict(number)
        files = laptop.repo.changed_files("main", pull["head"]["sha"])
        step(f"roll-back -> PR #{number}, one file changes", laptop.page(number))
        more(f'"{pull["title"]}"')
        more(f"by {ran}")
        more(f"status {STATUS}: {state}, {said}")
        refused = laptop.merge(number)
        if state != "success" or refused or list(files) != [POINTER]:
            raise stop(f"the way back is not open: {refused or said}")
        more("merged")
        self.served(pull["title"].split(" to ")[-1])

    def blocked(self) -> None:
        """A column that is known only once the answer is: better by every figure, and the forge does not let it in."""
        laptop = self.laptop
        under_way("adding a column to the table")
        laptop.adopt(with_treatment(laptop.table()))
        title = "A column more: weeks of treatment"
        laptop.branch("treatment", title)
        body = "The hospital has it for every patient, and with it the model is nearly perfect."
        number = laptop.pull_request("treatment", title, body)
        ran = self.settle(red="pull-request")
        state, said = laptop.verdict(number)
        step(f'PR #{number} "{title}"', laptop.page(number))
        more(f"by {ran}")
        more(f"status {STATUS}: {state}, {said}")
        refused = laptop.merge(number)
        if state != "failure" or not refused:
            raise stop(f"a column that gives the answer away was not blocked: the status is {state}, {said}")
        step("merging it is refused by the forge", " ".join(refused.split()))
        laptop.api("PATCH", f"/pulls/{number}", {"state": "closed"})
        self.settle()
        laptop.table()
        more("closed: nobody is treated for weeks before the answer is known")

    # --- what is there --------------------------------------------------------------------------------------

    def released_model(self, tag: str) -> str:
        """The sha256 of the model in a release's Bento, counted here."""
        repo = self.laptop.repo
        names = [a["name"] for one in repo.releases() if one["tag_name"] == tag for a in one["assets"]]
        bento = repo.asset(tag, next(name for name in names if name.endswith(".bento")))
        with tarfile.open(fileobj=io.BytesIO(bento or b"")) as archive:
            model = archive.extractfile(
                next(one for one in archive if one.name.endswith("/models/model.skops"))
            )
            return hashlib.sha256(model.read() if model else b"").hexdigest()


def _ran(run: Run) -> str:
    jobs = [name.removeprefix("candidate / ").removeprefix("candidate/") for name in run.ran()]
    return f"{run.name} ({run.seconds:.0f} s: {', '.join(jobs)})"


class Watched(Loop):
    """Says which workflow is running, on a terminal."""

    def _execute(self, waiting: Any) -> None:
        under_way(f"running the workflow {Path(waiting.decision.workflow).stem}, on {waiting.event.name}")
        super()._execute(waiting)


def trained(project: Path) -> str:
    """The first figure of the first model."""
    metrics = json.loads((project / "reports" / "metrics.json").read_text("utf-8"))
    auc = metrics["roc_auc"]
    return f"ROC AUC {auc['value']:.3f} ({auc['low']:.3f}-{auc['high']:.3f} on {metrics['n']} test rows)"


def tell(keep: bool) -> None:
    """The whole story."""
    step("generating a project and training its first model", str(OUTPUT / SLUG))
    with ThreadPoolExecutor(1) as pool:
        # The runner of workflows is compiled meanwhile, where that has not been done yet.
        runner = pool.submit(act_binary)
        project = generate()
        step("generated, trained, explained", trained(project))
        serve_and_ask(project)
        wait_for(runner)
    with Forge.start(OUTPUT / "forge") as forge:
        laptop = Laptop(project, forge, forge.user("ada"))
        source = Source((project / TABLE).read_bytes())
        laptop.take_from(source.url)
        laptop.publish()
        laptop.repo.collaborator(forge.user("bob"), "write")
        story = Story(forge, laptop, Watched(forge, laptop.repo), source)
        step("published to the local forge", laptop.repo.url)
        more("by `gitops-ml publish`: repository, bytes, settings, the rule for main")
        story.release()
        story.passes()
        story.release()
        story.blocked()
        story.drifts()
        story.release()
        story.goes_back()
        source.server.shutdown()
        end(story, keep)


def wait_for(runner: Future[Path]) -> None:
    if not runner.done():
        under_way("compiling act, which runs the workflows")
    try:
        runner.result()
    except NoGo as missing:
        raise stop(f"the workflows need act, which runs them here.\n{missing}") from None


def end(story: Story, keep: bool) -> None:
    """Where everything is, and the pages for as long as they are wanted."""
    port = story.forge.url.rpartition(":")[2]
    cookiecutter = "uvx cookiecutter" if shutil.which("uvx") else f"{ROOT}/.venv/bin/cookiecutter"
    listed = ["git", "ls-files", ":!.github/actions"]
    own = subprocess.run(
        listed, cwd=story.laptop.project, capture_output=True, env=environment()
    ).stdout.split()
    step(
        "done" if keep else "done: nothing runs any more, the project stays",
        f"demo/{SLUG}, {len(own)} files of yours",
    )
    print(
        f"""
  Every step on the forge was a run of the project's own workflows. Where to look, in demo/{SLUG}:
    MODEL_CARD.md                  what the model is, how good, on which data
    reports/pictures/              ROC, calibration, importance
    .github/workflows/             what ran
    deploy/production/model.yaml   what is to be served, by version and sha256
    git log --stat                 the commits that made it, then the merges
  The pages again: .venv/bin/python -m tests.forge demo/forge --port {port}
  Your own table:  {cookiecutter} {ROOT}
""",
        flush=True,
    )
    if keep:
        print(f"  The pages stay up until Ctrl-C: {story.laptop.repo.url}", flush=True)
        threading.Event().wait()


def main() -> None:
    asked = argparse.ArgumentParser(prog="make demo", description="A project from nothing to judged changes.")
    asked.add_argument("--keep", action="store_true", help="leave the forge's pages up until Ctrl-C")
    keep = asked.parse_args().keep

    def ended(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Whoever ends the demo ends what it started: the forge, the service, a run under way.
    signal.signal(signal.SIGTERM, ended)
    try:
        tell(keep)
    except KeyboardInterrupt:
        under_way("")
        print("\n  ended", flush=True)
        sys.exit(0 if keep else 130)


if __name__ == "__main__":
    main()
