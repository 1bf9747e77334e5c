"""The HTTP server: routing, who calls, faults, and the log of calls."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import sys
import tempfile
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.forge import (
    git_http,
    pages,
    rest_actions,
    rest_commits,
    rest_git,
    rest_issues,
    rest_pulls,
    rest_releases,
    rest_repos,
    rest_rules,
)
from tests.forge.access import Caller, Refused, caller_of, readable
from tests.forge.calls import REPO, TOP, Call, Reply, Request
from tests.forge.git_http import READ, WRITE, Push

if TYPE_CHECKING:
    from tests.forge.forge import Forge

ROOMS = (rest_actions, rest_commits, rest_git, rest_issues, rest_pulls, rest_releases, rest_repos, rest_rules)
GIT_PATH = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?(/info/refs|/git-upload-pack|/git-receive-pack)")
REPO_PATH = re.compile(r"/repos/([^/]+)/([^/]+)(/.*)?")
API, UPLOADS = "/api/v3", "/api/uploads"
CHUNK = 1 << 16


class Headers(dict[str, str]):
    """Headers by name, whatever their case."""

    def __init__(self, found: Message) -> None:
        super().__init__({name.lower(): value for name, value in found.items()})

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        return super().get(name.lower(), default)


class Dropped(Exception):
    """The connection is cut without an answer."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, forge: Forge, port: int) -> None:
        self.forge = forge
        self.pushes: dict[str, Push] = {}
        super().__init__(("127.0.0.1", port), Handler)
        git_http.install_hook(forge)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; anything else would be a mistake of ours."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.forge.errors.append(error)
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "forge"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:
        """The log is forge.calls."""

    def _any(self) -> None:
        forge = self.server.forge
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        with self._body() as body:
            if path.startswith("/_hook/"):
                self._hook(path.rpartition("/")[2], body)
                return
            call = Call(self.command, self.path, received=body.seek(0, 2))
            body.seek(0)
            forge.calls.append(call)
            try:
                self._serve(forge, call, path, parts.query, body)
            except Dropped:
                call.status = 0
                self._drop(half=GIT_PATH.fullmatch(path) is not None)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any

    def _serve(self, forge: Forge, call: Call, path: str, query: str, body: IO[bytes]) -> None:
        caller = Caller()
        try:
            if forge.faults.dead:
                call.fault = "dead"
                raise Dropped
            try:
                caller = caller_of(forge.state, self._token())
            except Refused:
                self._fault(forge, call, None)
                raise
            call.identity, call.kind, call.job, call.run = caller.login, caller.kind, caller.job, caller.run
            self._fault(forge, call, caller.job)
            found = GIT_PATH.fullmatch(path)
            if found:
                self._git(forge, call, caller, found, query, body)
                return
            if path.startswith((API, UPLOADS)):
                reply = self._rest(forge, call, caller, path, dict(parse_qsl(query, True)), body.read())
            else:
                call.service = "page"
                with forge.lock:
                    reply = pages.page(forge, caller, path)
        except Refused as refused:
            reply = self._refusal(call, refused, git=GIT_PATH.fullmatch(path) is not None)
        finally:
            call.permission = call.permission or (caller.used[0] if caller.used else "")
        if call.effect:
            forge.faults.effect()
        if call.fault == "drop-after":
            raise Dropped
        self._send(call, reply)

    # --- REST --------------------------------------------------------------------------------------------

    def _rest(
        self, forge: Forge, call: Call, caller: Caller, path: str, query: dict[str, str], raw: bytes
    ) -> Reply:
        call.service = "rest"
        below = path.removeprefix(UPLOADS if path.startswith(UPLOADS) else API)
        request = Request(forge, caller, self.command, path, query, Headers(self.headers), raw, call)
        with forge.lock:
            inside = REPO_PATH.fullmatch(below)
            if inside:
                repo = forge.repo(f"{inside[1]}/{inside[2]}")
                if repo is None or not readable(forge.state, caller, repo.data):
                    raise Refused(404, "Not Found")
                found = REPO.find(self.command, (inside[3] or "").rstrip("/"))
                if found is None:
                    raise Refused(404, "Not Found")
                if caller.kind == "anonymous" and self.command != "GET":
                    raise Refused(401, "Requires authentication")
                reply = found[0](request, repo, **found[1])
            else:
                found = TOP.find(self.command, below.rstrip("/"))
                if found is None:
                    raise Refused(404, "Not Found")
                reply = found[0](request, **found[1])
            if self.command != "GET" and reply.status < 300:
                call.effect = True
                forge.save()
        return reply

    def _refusal(self, call: Call, refused: Refused, git: bool) -> Reply:
        call.message = refused.message
        if git:
            headers = {"WWW-Authenticate": 'Basic realm="GitHub"'} if refused.status == 401 else {}
            return Reply(
                refused.status, f"{refused.message}\n".encode(), headers, "text/plain; charset=utf-8"
            )
        body: dict[str, object] = {"message": refused.message}
        if refused.errors is not None:
            body["errors"] = refused.errors
        body |= {"documentation_url": "https://docs.github.com/rest", "status": str(refused.status)}
        return Reply(refused.status, body, dict(getattr(refused, "headers", {})))

    def _fault(self, forge: Forge, call: Call, job: str | None) -> None:
        fault = forge.faults.take(self.command, self.path, job)
        if fault is None:
            return
        call.fault = fault.kind
        if fault.kind == "slow":
            time.sleep(fault.seconds)
        elif fault.kind == "drop":
            raise Dropped
        elif fault.kind not in ("drop-after", "starter"):
            status, message, headers = fault.answer()
            refused = Refused(status, message)
            refused.headers = headers  # type: ignore[attr-defined]
            raise refused

    # --- git ---------------------------------------------------------------------------------------------

    def _git(
        self, forge: Forge, call: Call, caller: Caller, found: re.Match[str], query: str, body: IO[bytes]
    ) -> None:
        repo = forge.repo(f"{found[1]}/{found[2]}")
        asked = dict(parse_qsl(query)).get("service", "")
        call.service = service = asked if found[3] == "/info/refs" else found[3].lstrip("/")
        if service not in (READ, WRITE):
            raise Refused(403, "Please upgrade your git client.")
        if repo is None:
            raise Refused(401 if caller.kind == "anonymous" else 404, "Repository not found.")
        git_http.check(forge, caller, repo, service)
        call.permission = caller.used[0]
        if service == WRITE and found[3] == "/info/refs":
            with forge.lock:
                race = forge.faults.race("advertise", self.path, list(repo.git.refs()), caller.job)
                if race:
                    call.fault = "lost-race"
                    git_http.land(repo, *race)
                    forge.save()
        push = Push(repo, caller, call)
        name = git_http.new_hook_name()
        hook = f"{self.server.server_port} {name}"
        encoding = self.headers.get("Content-Encoding", "")
        with git_http.plain_body(body, encoding) as (plain, length):
            arguments = (
                forge,
                repo,
                caller,
                self.command,
                found[3],
                query,
                Headers(self.headers),
                plain,
                length,
                hook,
            )
            if found[3] != f"/{WRITE}":
                self._stream(call, git_http.backend(*arguments))
                return
            with forge.lock:
                self.server.pushes[name] = push
                try:
                    answer = git_http.backend(*arguments)
                    said = answer.stream.read()
                    answer.process.wait()
                    git_http.received(forge, push)
                finally:
                    del self.server.pushes[name]
        if call.effect:
            forge.faults.effect()
        if call.fault == "drop-after":
            raise Dropped
        kind = dict(answer.headers).get("Content-Type", "text/plain")
        self._send(call, Reply(answer.status, said, {"Cache-Control": "no-cache"}, kind))

    def _hook(self, name: str, body: IO[bytes]) -> None:
        """Called by the hook of a push that this server is serving; the push's thread holds the lock."""
        push = self.server.pushes.get(name)
        asked = body.read().decode("utf-8", "surrogateescape")
        said = git_http.judge_push(self.server.forge, push, asked) if push else "unknown push\n"
        self._send(Call("POST", "/_hook"), Reply(403 if said else 200, said.encode(), {}, "text/plain"))
        self.close_connection = True

    def _stream(self, call: Call, answer: git_http.Answer) -> None:
        call.status = answer.status
        self.send_response(answer.status)
        for key, value in answer.headers:
            self.send_header(key, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while part := answer.stream.read1(CHUNK):  # type: ignore[attr-defined]
                call.sent += len(part)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        finally:
            answer.stream.close()
            answer.process.wait()
        if call.fault == "drop-after":
            raise Dropped

    # --- the wire ----------------------------------------------------------------------------------------

    def _token(self) -> str | None:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() in ("token", "bearer"):
            return value.strip()
        if scheme.lower() == "basic":
            user, _, password = base64.b64decode(value).decode("utf-8", "replace").partition(":")
            return user if password in ("", "x-oauth-basic") else password
        return None

    def _body(self) -> IO[bytes]:
        body = tempfile.SpooledTemporaryFile(max_size=8 << 20)  # noqa: SIM115
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self._copy(body, size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            self._copy(body, int(self.headers.get("Content-Length") or 0))
        body.rollover()  # git reads it as its standard input: it needs a file
        body.seek(0)
        return body

    def _copy(self, body: IO[bytes], size: int) -> None:
        while size > 0:
            part = self.rfile.read(min(size, CHUNK))
            if not part:
                raise ConnectionResetError("the client went away")
            body.write(part)
            size -= len(part)

    def _send(self, call: Call, reply: Reply) -> None:
        data = reply.data()
        call.status, call.sent = reply.status, len(data)
        self.send_response(reply.status, http.client.responses.get(reply.status))
        if reply.status not in (204, 304):
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(data)))
        limits = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4999", "X-RateLimit-Used": "1"}
        limits["X-RateLimit-Reset"] = str(int(time.time()) + 3600)
        for name, value in {**limits, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and reply.status not in (204, 304):
            self.wfile.write(data)
        self.wfile.flush()

    def _drop(self, half: bool) -> None:
        """Cut the line; for git in the middle of the headers: libcurl quietly repeats what got no byte at all."""
        self.close_connection = True
        try:
            if half:
                self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n")
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
