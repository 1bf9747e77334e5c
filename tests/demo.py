"""`make demo`: a project from nothing to a prediction, on this machine, with no account."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "demo"
SLUG = "tumour-demo"
STARTED = time.monotonic()


def step(text: str, detail: str = "") -> None:
    """One line of the timeline: minutes and seconds since the start, what happened, where to look."""
    minutes, seconds = divmod(int(time.monotonic() - STARTED), 60)
    print(f"  {minutes:>2}:{seconds:02}  {text:<46} {detail}".rstrip(), flush=True)


def environment() -> dict[str, str]:
    """The shell's environment without another project's Python."""
    foreign = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    return {name: value for name, value in os.environ.items() if name not in foreign}


def generate() -> Path:
    """Run cookiecutter, whose hook trains the first model. Exits with its status if it fails."""
    project = OUTPUT / SLUG
    shutil.rmtree(project, ignore_errors=True)
    OUTPUT.mkdir(exist_ok=True)
    answers = ["project_name=Tumour demo", "author_name=Demo", "author_email=demo@example.invalid"]
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        "--no-input",
        "--output-dir",
        str(OUTPUT),
        str(ROOT),
        *answers,
    ]
    done = subprocess.run(command, env=environment())
    if done.returncode or not (project / "models" / "model.skops").exists():
        sys.exit("error: the project was generated, but its first run did not end. The lines above say why.")
    return project


def free_port() -> int:
    """A port that nobody listens on, on this machine only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(url: str, rows: Any = None) -> Any:
    """GET, or POST rows, and return the JSON answer."""
    body = None if rows is None else json.dumps({"rows": rows}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def some_rows(project: Path) -> tuple[list[dict[str, float]], list[str]]:
    """Three rows of the sample table as the service takes them, and what they really are."""
    with (project / "data" / "raw" / "breast_cancer.csv").open(encoding="utf-8") as file:
        records = list(csv.DictReader(file))[::19][:3]
    truth = [record.pop("diagnosis") for record in records]
    return [{name: float(cell) for name, cell in record.items()} for record in records], truth


def serve_and_ask(project: Path) -> None:
    """Start the service on a free port, wait until it is ready, ask for predictions, stop it."""
    port = free_port()
    uv = shutil.which("uv") or str(project / ".venv" / "bin" / "uv")
    subprocess.run(
        [uv, "sync", "--quiet", "--inexact", "--group", "serve"], cwd=project, env=environment(), check=True
    )
    package = SLUG.replace("-", "_")
    command = [
        ".venv/bin/bentoml",
        "serve",
        f"{package}.service:Service",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (OUTPUT / "service.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=project, env=environment() | {"BENTOML_DO_NOT_TRACK": "True"}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", server)
        step(
            "serving",
            f"sha256 {ask(f'http://127.0.0.1:{port}/metadata')['sha256'][:8]}..., checked before loading",
        )
        rows, truth = some_rows(project)
        answer = ask(f"http://127.0.0.1:{port}/predict", rows)
        for row, prediction, real in zip(rows, answer, truth, strict=True):
            score = max(prediction["scores"].values())
            step(
                f"asked: mean radius {row['mean radius']:.4g}, {len(row) - 1} more",
                f"-> {prediction['prediction']} ({score:.1%}); it was {real}",
            )
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def wait_until_ready(url: str, server: subprocess.Popen[bytes], seconds: int = 90) -> None:
    """Poll until the service says it is ready. Exits with the log's end if it dies or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    sys.exit("error: the service did not become ready:\n" + (OUTPUT / "service.log").read_text()[-2000:])


def main() -> None:
    step("generating a project and training its first model", str(OUTPUT / SLUG))
    project = generate()
    step("generated, trained, explained")
    serve_and_ask(project)
    own = len(
        subprocess.run(
            ["git", "ls-files", ":!.github/actions"], cwd=project, capture_output=True
        ).stdout.split()
    )
    step(
        "done: the service is stopped, the project stays",
        f"{own} files of yours, the machinery in .github/actions",
    )
    cookiecutter = "uvx cookiecutter" if shutil.which("uvx") else f"{ROOT}/.venv/bin/cookiecutter"
    print(
        f"""
  Where to look, in demo/{SLUG}:
    MODEL_CARD.md                  what the model is, how good, on which data
    reports/pictures/              ROC, calibration, importance
    dvc.yaml, params.yaml          the pipeline and its knobs
    git log --stat                 the two commits that made it
  Your own table:  {cookiecutter} {ROOT}
"""
    )


if __name__ == "__main__":
    main()
