"""`make bench`: speed and memory as ratios against named alternatives in the same run. Writes docs/benchmarks.md.

`--quick` leaves out the million rows; `--demo` adds `make demo` from an empty machine (empty caches, new clone).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tests.benchmarks import gate, loop, storage
from tests.template.conftest import ROOT, Project, generate

STAGES = 4
ROWS, COLUMNS = 1_000_000, 30


@dataclass(frozen=True)
class Row:
    """One comparison. ``limit`` is the largest ratio that may be; seconds are medians of interleaved repeats."""

    what: str
    ours: float
    against: str
    theirs: float
    limit: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    def __post_init__(self) -> None:
        print(self.line(), flush=True)

    def line(self) -> str:
        met = "yes" if self.ratio <= self.limit else "**no**"
        return f"| {self.what} | {self.ours:.2f} s | {self.against} | {self.theirs:.2f} s | {self.ratio:.2f}x | {self.limit:.2f}x | {met} |"


def timed(run: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def interleaved(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Median seconds of both, measured in turns, so that a busy machine hurts both alike."""
    pairs = [(timed(ours), timed(theirs)) for _ in range(repeats)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def empty_pipeline(folder: Path, project: Project) -> Project:
    """A DVC project with as many stages as ours, each of which copies an empty file."""
    folder.mkdir()
    shutil.copytree(project.path / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    shutil.copy(project.path / ".dvcignore", folder)
    (folder / "s0").touch()
    stages = "".join(
        f"  s{i + 1}:\n    cmd: cp s{i} s{i + 1}\n    deps: [s{i}]\n    outs: [s{i + 1}]\n"
        for i in range(STAGES)
    )
    (folder / "dvc.yaml").write_text(f"stages:\n{stages}")
    empty = Project(folder, "", 0, project.home)
    for command in (["git", "init", "-q"], ["git", "add", "-A"]):
        empty.run(*command)
    path = f"{project.path}/.venv/bin:{os.environ['PATH']}"
    empty.run("dvc", "repro", PATH=path)
    return empty


def million(path: Path) -> None:
    """A table of a million rows and 30 numbers; the target is yes or no, AUC about 0.9."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(ROWS, COLUMNS)).round(5)
    odds = values[:, 0] * 1.5 + values[:, 1] * values[:, 2] + 0.5 * values[:, 3] ** 2 - 0.5
    frame = pd.DataFrame(values, columns=[f"f{i}" for i in range(COLUMNS)])
    frame["target"] = np.where(rng.random(ROWS) < 1 / (1 + np.exp(-odds)), "yes", "no")
    frame.to_parquet(path)


def peak_megabytes(project: Project, *command: str) -> float:
    """Peak resident memory of a command, in MB, as the kernel counts it for the child."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    return float(project.run("python", "-c", script, *command).stdout.strip().splitlines()[-1])


def sample(project: Project, scratch: Path) -> list[Row]:
    """Nothing to do, and everything by force, on the sample."""
    empty = empty_pipeline(scratch / "empty", project)
    path = f"{project.path}/.venv/bin:{os.environ['PATH']}"
    ours, theirs = interleaved(
        lambda: project.run("dvc", "repro"), lambda: empty.run("dvc", "repro", PATH=path), 5
    )
    rows = [Row("`dvc repro`, nothing to do", ours, f"{STAGES} empty stages", theirs, 1.3)]
    table = "data/raw/breast_cancer.csv"
    script = [str(ROOT / "tests/benchmarks/bare.py"), table, "diagnosis", str(scratch / "bare")]
    force = ["dvc", "repro", "-f", "--no-run-cache"]
    ours, theirs = interleaved(
        lambda: project.run(*force), lambda: project.run("python", *script, OMP_NUM_THREADS="2"), 3
    )
    return [*rows, Row("forced pipeline, sample (569 x 30)", ours, "one bare script", theirs, 3.5)]


def large(project: Project, scratch: Path) -> tuple[list[Row], list[str]]:
    """The forced pipeline and score on a million rows; score's memory at a quarter and at all of them."""
    table = scratch / "million.parquet"
    million(table)
    project.run("gitops-ml", "adopt", table, "--target", "target")
    project.run("dvc", "repro")
    script = [str(ROOT / "tests/benchmarks/bare.py"), str(table), "target", str(scratch / "bare")]
    force = ["dvc", "repro", "-f", "--no-run-cache"]
    ours, theirs = interleaved(
        lambda: project.run(*force), lambda: project.run("python", *script, OMP_NUM_THREADS="2"), 1
    )
    rows = [Row("forced pipeline, 1M x 30, Parquet", ours, "one bare script", theirs, 1.15)]

    score = [
        "python",
        "-m",
        "bench.score",
        "--model",
        "models/model.skops",
        "--output",
        str(scratch / "o.parquet"),
    ]
    bare = [
        str(ROOT / "tests/benchmarks/bare_score.py"),
        "models/model.skops",
        str(table),
        str(scratch / "b.parquet"),
    ]
    bare.append("src/bench/trusted_types.txt")
    threads = {"OMP_NUM_THREADS": "2"}
    ours, theirs = interleaved(
        lambda: project.run(*score, "--input", str(table), **threads),
        lambda: project.run("python", *bare, **threads), 3,
    )  # fmt: skip
    rows.append(
        Row("score, 1M x 30, Parquet in and out", ours, "read, predict_proba, write", theirs, 1 / 0.8)
    )
    quarter = scratch / "quarter.parquet"
    pd.read_parquet(table).head(ROWS // 4).to_parquet(quarter)
    memory = [peak_megabytes(project, *score, "--input", str(path)) for path in (quarter, table)]
    against = peak_megabytes(project, "python", *bare)
    notes = [
        f"Score's peak memory: {memory[0]:.0f} MB for 250,000 rows, {memory[1]:.0f} MB for 1,000,000 "
        f"({memory[1] / memory[0]:.2f}x); the bare script takes {against:.0f} MB for 1,000,000."
    ]
    return rows, notes


def demo(scratch: Path) -> list[str]:
    """`make demo` in a new clone with an empty home and empty caches: minutes and megabytes."""
    clone, home = scratch / "clone", scratch / "empty-home"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    home.mkdir()
    kept = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": os.environ.get("LANG", "C.UTF-8")}
    seconds = timed(lambda: subprocess.run(["make", "demo"], cwd=clone, env=kept, check=True))
    size = {name: _megabytes(path) for name, path in {"the clone": clone, "the caches": home}.items()}
    return [
        f"`make demo` from an empty machine: {seconds / 60:.1f} minutes; "
        + ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in size.items())
        + " (hard links between the two are counted in each)."
    ]


def _megabytes(folder: Path) -> float:
    return int(subprocess.check_output(["du", "-sm", str(folder)], text=True).split()[0])


def storage_rows(scratch: Path) -> list[Row]:
    """Bytes in git refs against a local DVC remote."""
    scratch.mkdir()
    found = storage.measure(scratch)
    return [
        Row(
            f"storage {verb}, 100 MB in 200 objects",
            found[f"{verb}, git refs"],
            f"`dvc {verb}`, a local remote",
            found[f"{verb}, DVC remote"],
            storage.LIMIT,
        )
        for verb in ("push", "pull")
    ]


def loop_rows(scratch: Path) -> tuple[list[Row], list[str], str]:
    """The executed loop: the comparison for a pull request with nothing to build, notes, and the table of workflows."""
    scratch.mkdir()
    table, notes, ours, theirs = loop.measure(scratch)
    kinds = " | ".join(loop.KINDS)
    head = f"| what | workflow | wall, s | {kinds} | minutes |\n|---|---|--:|{'--:|' * len(loop.KINDS)}--:|"
    nothing = Row(
        "pull request with nothing to build", ours, "`dvc status` and its API calls, bare", theirs, 1.3
    )
    return [nothing], notes, "\n".join([head, *table])


def gate_rows(scratch: Path) -> tuple[list[Row], list[str]]:
    """The gate against the models that it compares, on the same rows."""
    scratch.mkdir()
    found = gate.measure(scratch)
    rows = [
        Row(
            f"gate, {n:,} test rows, {gate.GROUPED * gate.GROUPS} slices",
            found[n]["gate"],
            "`predict_proba` of both models",
            found[n]["predict_proba"],
            limit,
        )
        for n, limit in gate.LIMITS.items()
    ]
    return rows, gate.notes(found)


def main() -> None:
    rows, notes, workflows = [], [], ""
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        project = generate(scratch / "project", project_name="Bench")
        project.install("dev")
        rows += sample(project, scratch)
        if "--quick" not in sys.argv:
            more, notes = large(project, scratch)
            rows += [*more, *storage_rows(scratch / "storage")]
            more, told = gate_rows(scratch / "gate")
            rows, notes = [*rows, *more], [*notes, *told]
            more, told, workflows = loop_rows(scratch / "loop")
            rows, notes = [*rows, *more], [*notes, *told]
        if "--demo" in sys.argv:
            notes += demo(scratch)
    head = "| what | ours | against | theirs | ratio | at most | met |\n|---|--:|---|--:|--:|--:|---|"
    table = "\n".join([head, *[row.line() for row in rows], "", *[f"- {note}" for note in notes]])
    print(table)
    if "--quick" not in sys.argv:
        page = ROOT / "docs" / "benchmarks.md"
        page.write_text(
            "# Benchmarks\n\n`make bench` (add `ARGS=--demo` for the demo from an empty machine). Ratios count; seconds are "
            f"those of one machine with {os.cpu_count()} cores.\nMedians of interleaved repeats in one run.\n\n{table}\n\n"
            "## The executed workflows\n\nOn the sample, warm caches, jobs beside each other where they can be: steps add up to "
            f"more than the wall time.\n\n{workflows}\n",
            encoding="utf-8",
        )
    if any(row.ratio > row.limit for row in rows):
        sys.exit("error: a ratio is above its limit.")


if __name__ == "__main__":
    main()
