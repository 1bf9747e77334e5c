"""The executed loop in seconds: each workflow split by what it waits for, a pull request from push to comment, and a week's minutes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.template.conftest import clean_environment
from tests.workflows.act import Run
from tests.workflows.world import World, enter, plant

# What a step spends its time on, by its name in the workflows.
KINDS = {
    "set-up": (
        "Check out main", "Check out the commit", "Check out the merge", "Set up", "Token of the App",
    ),
    "artifacts": (
        "Keep the candidate", "Keep the predictions", "Keep the verdict", "Keep the Bento", "Keep the report",
        "Fetch the candidate", "Fetch the predictions", "Fetch the Bento", "Fetch the report", "Fetch the report of drift",
        "Put its files in place", "Put it in place", "Fetch bytes",
    ),
    "DVC": ("Plan", "Look what nobody built", "Build", "Build that; fetch the rest"),
    "Python": (
        "Check", "Score", "Build the Bento", "Watch", "Prove that it can be served", "Prove that the version can be served",
    ),
    "API and git": (
        "Judge", "Release", "List", "Approve", "Look what is to be proven", "Deploy", "Open the pull request", "Record",
        "Audit",
    ),
}  # fmt: skip
WEEK = {"pull request": 20, "drift check": 7, "release": 4}


def split(run: Run) -> dict[str, float]:
    """Seconds of a run's steps by kind; jobs that ran beside each other are added up. Raises KeyError for an unknown step."""
    kind_of = {step: kind for kind, steps in KINDS.items() for step in steps}
    found = dict.fromkeys(KINDS, 0.0)
    for job in run.jobs.values():
        for step in job.steps:
            if step.name not in ("Set up job", "Complete job"):
                found[kind_of[step.name]] += step.seconds
    return found


def minutes(run: Run) -> int:
    """Runner minutes as GitHub counts them: each job that ran, rounded up."""
    return sum(math.ceil(max(job.seconds, 1) / 60) for job in run.jobs.values() if job.result != "skipped")


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    """An edit of one file."""

    def change(project: Path) -> None:
        text = (project / path).read_text("utf-8")
        assert old in text, (path, old)
        (project / path).write_text(text.replace(old, new), "utf-8")

    return change


def measure(folder: Path) -> tuple[list[str], list[str], float, float]:
    """Rows of the table, notes, and both sides of the comparison for a pull request with nothing to build."""
    seed = Path(os.environ.get("GITOPS_ML_SEED") or folder / "seed")
    if not (seed / "served").exists():
        seed.mkdir(parents=True)
        plant(seed)
    (folder / "world").mkdir()
    world = enter(seed, folder / "world")
    rows: list[str] = []
    runs: dict[str, list[Run]] = {}
    with world.forge:
        docs = world.pull_request(
            "docs", lambda root: (root / "docs/note.md").write_text("# A note\n") and None, "A note"
        )
        runs["pull request, documentation only"] = world.settle()
        started = time.perf_counter()
        params = world.pull_request(
            "params", edit("params.yaml", "max_iter: 40", "max_iter: 30"), "Fewer trees"
        )
        runs["pull request, a new model"] = world.settle()
        comment = time.perf_counter() - started
        assert world.status(params)[0] == world.status(docs)[0] == "success"
        world.merge(params)
        runs["merge: refresh and release"] = world.settle()
        world.loop.schedule("train.yml")
        runs["train, no source moved"] = world.settle()
        world.loop.schedule("drift.yml")
        runs["drift, nothing to watch"] = world.settle()
        (offered,) = [one for one in world.repo.open_pulls() if one["head"]["ref"] == "deploy/production"]
        world.merge(offered["number"])
        runs["merge of a pointer: deploy"] = world.settle()
        world.loop.dispatch("roll-back.yml")
        runs["roll-back, to its pull request"] = world.settle()
        world.loop.schedule("audit.yml")
        runs["audit"] = world.settle()
        ours, theirs = nothing_to_build(world, docs)
    for what, listed in runs.items():
        for run in listed:
            if run.ran():
                parts = split(run)
                cells = " | ".join(f"{parts[kind]:.1f}" for kind in KINDS)
                rows.append(f"| {what} | {run.name} | {run.seconds:.1f} | {cells} | {minutes(run)} |")
    notes = [
        f"From push to comment, sample, a new model: {comment:.0f} s (jobs beside each other where they can be)."
    ]
    return rows, [*notes, week(runs)], ours, theirs


def week(runs: dict[str, list[Run]]) -> str:
    """Runner minutes of a typical week, from the runs above; a drift check is one that finds nothing, and a release has its pointer merged."""
    each = {
        "pull request": minutes_of(runs["pull request, a new model"]),
        "drift check": minutes_of(runs["drift, nothing to watch"]),
        "release": minutes_of(runs["merge: refresh and release"])
        + minutes_of(runs["merge of a pointer: deploy"]),
    }
    total = sum(WEEK[kind] * each[kind] for kind in WEEK)
    terms = " + ".join(f"{WEEK[kind]} x {each[kind]} ({kind})" for kind in WEEK)
    return f"Runner minutes of a week on the sample, every job rounded up to a minute: {terms} = {total}."


def minutes_of(runs: list[Run]) -> int:
    return sum(minutes(run) for run in runs if run.ran())


def nothing_to_build(world: World, number: int) -> tuple[float, float]:
    """Best of five: `plan` and `judge` of a pull request with nothing to build; `dvc status` and their API calls, bare."""
    clone = world.fresh()
    base = world.git("rev-parse", "HEAD")
    head = world.head(number)
    checkout = world.folder / "head"
    world.git("clone", "--quiet", world.repo.address(world.ada), str(checkout), cwd=world.folder)
    world.git("checkout", "--quiet", "--detach", head, cwd=checkout)
    environment = clean_environment(world.folder / "home") | {
        "GITOPS_ML_TOKEN": world.ada.token,
        "GITHUB_SERVER_URL": world.forge.url,
        "GITHUB_API_URL": world.forge.api,
        "PATH": f"{world.seed_environment}/bin:{os.environ['PATH']}",
    }

    def run(*command: str, cwd: Path) -> float:
        started = time.perf_counter()
        subprocess.run(
            [str(world.project_python()), "-m", *command],
            cwd=cwd,
            env=environment,
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - started

    def suite() -> float:
        plan = run("gitops_ml", "plan", "--head", str(checkout), "--base", base, cwd=clone)
        judge = ("gitops_ml", "judge", "--number", str(number), "--head", head, "--kind", "none")
        return plan + run(*judge, cwd=clone)

    def bare() -> float:
        seconds = run("dvc", "status", cwd=checkout)
        started = time.perf_counter()
        for path in calls:
            request = urllib.request.Request(
                f"{world.forge.url}{path}", headers={"Authorization": f"Bearer {world.ada.token}"}
            )
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=30
            ) as answer:
                json.load(answer)
        world.git("fetch", "--quiet", "origin", f"refs/pull/{number}/head", cwd=clone)
        return seconds + time.perf_counter() - started

    suite()
    with world.forge.recording() as made:
        suite()
    calls = [call.path for call in made if call.method == "GET" and "/api/" in call.path]
    pairs = [(suite(), bare()) for _ in range(5)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        rows, notes, ours, theirs = measure(Path(scratch))
    print(
        "\n".join([*rows, *notes]),
        f"nothing to build: {ours:.2f} s against {theirs:.2f} s: {ours / theirs:.2f}x",
        sep="\n",
    )
    sys.exit(ours / theirs > 1.3)
