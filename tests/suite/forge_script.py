"""A server on this machine that answers with what a test has written down, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gitops_ml.forge.place import Place

API = "/api/v3/repos/demo/churn"


@dataclass
class Answer:
    """One answer; ``drop``: the connection ends before it. ``effect`` happens on arrival, also when dropped."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    effect: Callable[[Any], None] | None = None
    cut: bool = False


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    authorizations: list[str] = field(default_factory=list)

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def call(self) -> str:
        return f"{self.method} {self.path.removeprefix(API).lstrip('/')}"


class Script:
    """What to answer: ``on("GET pulls", [...])`` gives the answers in turn and repeats the last one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.routes: dict[str, list[Any]] = {}

    @property
    def place(self) -> Place:
        return Place(self.url, f"{self.url}/api/v3", "demo", "churn")

    @property
    def calls(self) -> list[str]:
        return [asked.call for asked in self.asked]

    @property
    def writes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith("GET ")]

    def on(self, call: str, *answers: Any) -> None:
        """An answer is an :class:`Answer`, a function of what was asked that gives one, or the JSON of a 200."""
        self.routes[call] = list(answers)

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        answers = self.routes.get(asked.call)
        if not answers:
            return Answer(404, {"message": f"Not Found (no answer scripted for {asked.call})"})
        chosen = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(chosen):
            chosen = chosen(asked)
        return chosen if isinstance(chosen, Answer) else Answer(200, chosen)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # one packet an answer, else each waits for an acknowledgement
    script: Script

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        given = self.headers.get_all("Authorization") or []
        asked = Asked(self.command, address.path, dict(parse_qsl(address.query)), headers, raw, given)
        answer = self.script.answer(asked)
        if answer.effect:
            answer.effect(asked)
        if answer.drop:
            self.close_connection = True
            return
        body = answer.body
        content = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode("utf-8")
        )
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.cut:
            self.close_connection = True
            content = content[: len(content) // 2]
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def scripted() -> Iterator[Script]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    script = Script(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"script": script})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pull(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A pull request as GitHub describes it."""
    repo = {"full_name": "demo/churn"}
    return {
        "number": number,
        "state": "open",
        "title": "T",
        "body": "B",
        "user": {"login": "github-actions[bot]", "type": "Bot"},
        "head": {"ref": "retrain/data", "sha": "a" * 40, "repo": repo},
        "base": {"ref": "main", "sha": "b" * 40, "repo": repo},
        "html_url": f"http://web/demo/churn/pull/{number}",
        "merged_at": None,
        "merge_commit_sha": "c" * 40,
        "labels": [],
        **changes,
    }


BOT = {"login": "github-actions[bot]", "type": "Bot"}
ADA = {"login": "ada", "type": "User"}
