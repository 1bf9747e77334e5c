"""One call as the forge saw it, and the requests and replies between server and rooms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.forge.access import Caller, Refused, require
from tests.forge.state import Json

if TYPE_CHECKING:
    from tests.forge.forge import Forge
    from tests.forge.repo import Repo


@dataclass
class Call:
    """One line of the log."""

    method: str
    path: str
    status: int = 0
    """0: the connection was dropped."""
    identity: str = ""
    kind: str = "anonymous"
    job: str | None = None
    run: str | None = None
    permission: str = ""
    """The permission that was needed and used, such as "contents: write"."""
    effect: bool = False
    fault: str = ""
    service: str = ""
    """git-upload-pack, git-receive-pack, rest, page."""
    refs: list[str] = field(default_factory=list)
    """Refs that a push moved."""
    received: int = 0
    """Bytes of the request's body."""
    sent: int = 0
    """Bytes of the answer's body."""
    message: str = ""

    @property
    def permission_used(self) -> str:
        return self.permission


@dataclass
class Reply:
    """An answer: JSON, or bytes of another kind."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json; charset=utf-8"

    def data(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Request:
    """A call of the REST API, with its caller known."""

    forge: Forge
    caller: Caller
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    raw: bytes
    call: Call

    def json(self) -> Json:
        """The body as an object; 400 if it is none."""
        if not self.raw.strip():
            return {}
        try:
            found = json.loads(self.raw)
        except ValueError:
            raise Refused(400, "Problems parsing JSON") from None
        if not isinstance(found, dict):
            raise Refused(400, "Body should be a JSON object")
        return found

    def need(self, repo: Repo, *needs: str) -> None:
        require(self.forge.state, self.caller, repo.data, *needs)

    def pages(self, items: list[Any], shape: Callable[[Any], Any], key: str = "") -> Reply:
        """One page of a list, with GitHub's Link header; the shape is made for what is shown only."""
        size = min(max(int(self.query.get("per_page", 30)), 1), 100)
        page = max(int(self.query.get("page", 1)), 1)
        last = max((len(items) + size - 1) // size, 1)

        def link(number: int, rel: str) -> str:
            asked = urlencode({**self.query, "page": number})
            return f'<{self.forge.url}{self.path}?{asked}>; rel="{rel}"'

        links = [link(page + 1, "next"), link(last, "last")] if page < last else []
        links += [link(1, "first"), link(page - 1, "prev")] if page > 1 else []
        shown = [shape(item) for item in items[(page - 1) * size : page * size]]
        body = {"total_count": len(items), key: shown} if key else shown
        return Reply(200, body, {"Link": ", ".join(links)} if links else {})


Handler = Callable[..., Reply]


class Router:
    """Which function answers a path: names in braces match one part, with a star any
    number of parts; {number} matches digits."""

    def __init__(self) -> None:
        self.routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def on(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        expression = pattern.replace(".", r"\.").replace("{number}", r"(?P<number>\d+)")
        expression = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", expression)
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", expression)
        compiled = re.compile(expression)

        def add(handler: Handler) -> Handler:
            self.routes.append((method, compiled, handler))
            return handler

        return add

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        for wanted, pattern, handler in self.routes:
            found = pattern.fullmatch(path) if wanted == method else None
            if found:
                return handler, found.groupdict()
        return None


TOP = Router()
"""Routes of /api/v3 outside repositories: handler(request, **parts)."""
REPO = Router()
"""Routes below /repos/{owner}/{name}: handler(request, repo, **parts)."""
