"""The service of the generated project: started on a free port, asked for predictions, stopped."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.demo.timeline import OUTPUT, SLUG, environment, step, stop, under_way


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
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return json.load(answer)


def some_rows(project: Path) -> tuple[list[dict[str, float]], list[str]]:
    """Three rows of the sample table as the service takes them, and what they really are."""
    with (project / "data" / "raw" / "breast_cancer.csv").open(encoding="utf-8") as file:
        records = list(csv.DictReader(file))[::19][:3]
    truth = [record.pop("diagnosis") for record in records]
    return [{name: float(cell) for name, cell in record.items()} for record in records], truth


def serve_and_ask(project: Path) -> None:
    """Start the service, wait until it is ready, ask about three rows, stop it."""
    port = free_port()
    uv = shutil.which("uv") or str(project / ".venv" / "bin" / "uv")
    under_way("installing what the service needs")
    sync = [uv, "sync", "--quiet", "--inexact", "--group", "serve"]
    subprocess.run(sync, cwd=project, env=environment(), check=True)
    under_way("starting the service")
    command = [".venv/bin/bentoml", "serve", f"{SLUG.replace('-', '_')}.service:Service"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with (OUTPUT / "service.log").open("w") as log:
        server = subprocess.Popen(
            command,
            cwd=project,
            env=environment() | {"BENTOML_DO_NOT_TRACK": "True"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", server)
        digest = ask(f"http://127.0.0.1:{port}/metadata")["sha256"]
        rows, truth = some_rows(project)
        answer = ask(f"http://127.0.0.1:{port}/predict", rows)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
    said = [f"{one['prediction']} {max(one['scores'].values()):.0%}" for one in answer]
    right = sum(one["prediction"] == real for one, real in zip(answer, truth, strict=True))
    step(
        "served here, asked about 3 rows",
        f"{', '.join(said)}: {right} of {len(said)} are so; sha256 {digest[:8]}",
    )


def wait_until_ready(url: str, server: subprocess.Popen[bytes], seconds: int = 90) -> None:
    """Poll until the service says it is ready. Exits with the log's end if it dies or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            ask(url)
            return
        except json.JSONDecodeError:  # ready, and not in JSON
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise stop("the service did not become ready:\n" + (OUTPUT / "service.log").read_text()[-2000:])
