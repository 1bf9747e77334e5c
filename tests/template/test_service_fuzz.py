"""A generated project's service, fuzzed over HTTP from its own OpenAPI: no 5xx, and JSON that every parser reads."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.template.conftest import Project

EXAMPLES = int(os.environ.get("GITOPS_ML_FUZZ_EXAMPLES", "60"))
READY_WITHIN = 90  # seconds, on a busy machine of two cores


@pytest.mark.xdist_group("default")
def test_the_service_answers_anything_with_json_and_never_5xx(baked: Project, tmp_path: Path) -> None:
    baked.install("serve")
    fuzz(baked.path, str(baked.path / ".venv/bin/python"), tmp_path / "service.log")


def fuzz(project: Path, python: str, log: Path, examples: int = EXAMPLES) -> int:
    """Start the service of ``project``, fuzz it, stop it. Returns how many requests were made."""
    with serving(project, python, log) as url:
        made = _schemathesis(url, examples) + _by_hand(url)
    text = log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in text, text[-3000:]
    assert "zq-private-4711" not in text, "a refused value is in the log"
    return made


@contextlib.contextmanager
def serving(project: Path, python: str, log: Path) -> Iterator[str]:
    """`bentoml serve` of a project's own service."""
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    target = settings["tool"]["bentoml"]["build"]["service"]
    more = {"PYTHONPATH": str(project / "src"), "BENTOML_HOME": str(log.parent / "bentoml")}
    with answering([python, "-m", "bentoml", "serve", target], project, more, log) as url:
        yield url


@contextlib.contextmanager
def answering(
    command: list[str], folder: Path, more: dict[str, str], log: Path | None = None
) -> Iterator[str]:
    """A server on a free port of this machine, once it is ready; its process group is stopped at the end."""
    log = log or folder / "service.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "true"} | more
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, server, log)
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=2):
            return
        time.sleep(0.2)
    pytest.fail(f"the service was not ready:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


def _schemathesis(url: str, examples: int) -> int:
    """Requests made from the service's own document, valid ones and broken ones."""
    import hypothesis
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    document = schemathesis.openapi.from_url(f"{url}/docs.json")
    operation = document["/predict"]["POST"]
    codes: list[int] = []
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def attempt(case: Any) -> None:
            response = case.call(base_url=url, timeout=30)
            strict(response.content)
            case.validate_response(
                response,
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )
            codes.append(response.status_code)

        attempt()
    assert 200 in codes, "no valid row was made: the document does not describe what the service takes"
    assert min(codes) < 400 <= max(codes) < 500
    return len(codes)


def _by_hand(url: str) -> int:
    """Bodies that no schema describes."""
    row = json.loads(_get(f"{url}/docs.json"))["paths"]["/predict"]["post"]["requestBody"]["content"]
    good = row["application/json"]["example"]
    assert _post(url, json.dumps(good).encode())[0] == 200
    name = next(iter(good["rows"][0]))
    marked = json.dumps({"rows": [{**good["rows"][0], name: "MARK"}]})
    values = [
        "NaN",
        "-Infinity",
        "1e999",
        "9" * 5000,
        '"\\ud800"',
        '"\\u0000"',
        '{"a": "zq-private-4711"}',
        "[" * 5000,
    ]
    bodies = [marked.replace('"MARK"', value).encode() for value in values]
    bodies += [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"null",
        b'{"rows": []}',
        b'{"rows": {"zq-private-4711": 1}}',
        b"[" * 100_000,
    ]
    bodies.append(json.dumps({"rows": good["rows"] * 1001}).encode())
    for body in bodies:
        code, content = _post(url, body)
        assert code < 500, (code, body[:200])
        strict(content)
    return len(bodies)


def strict(content: bytes) -> Any:
    """Parse as RFC 8259 has it: NaN and Infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"the answer holds {word}")

    return json.loads(content, parse_constant=refuse)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        return bytes(response.read())


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as wrong:
        return wrong.code, wrong.read()
