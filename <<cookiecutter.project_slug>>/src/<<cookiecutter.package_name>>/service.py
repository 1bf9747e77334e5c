"""The service: rows in over HTTP, predictions out, from the model whose digest was approved.

In the project's folder: `bentoml serve <package>.service:Service` and `bentoml build`. Settings: serving.py.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import bentoml

# Not exported by `bentoml` itself, hence the upper bound of its version. Question, below, replaces how
# BentoML reads a request, because its own way logs the values of a refused row.
from _bentoml_sdk.io_models import IODescriptor
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import MODEL, interface
from .schema import load_schema
from .serving import NotReady, Served, is_finite, open_model

# The folder that this code belongs to, not the working directory: two levels up in a project, one in a Bento.
ROOT = next(folder for folder in Path(__file__).absolute().parents if (folder / "schema.yaml").is_file())
SCHEMA = load_schema(ROOT / "schema.yaml")
Body = interface.request_model(SCHEMA)
log = logging.getLogger("bentoml.service")


Row = tuple[Any, ...]
Answers = list[dict[str, Any]]


class Refused(Exception):
    """A request without a prediction. ``detail`` holds row, field and rule of each problem; never a value."""

    def __init__(self, status: int, error: str, detail: list[dict[str, Any]]) -> None:
        super().__init__(error)
        self.status, self.error, self.detail = status, error, detail


def refuse(detail: list[dict[str, Any]]) -> Refused:
    """400, with the first problem as its sentence."""
    return Refused(400, interface.say(detail[0]), detail)


def answer(served: Served, requests: list[list[Row]]) -> list[Answers | Exception]:
    """Answer several requests with one call of the model; a request that makes it fail is refused alone."""
    together = [row for request in requests for row in request]
    try:
        answers = iter(_ask(served, together))
        answered: list[Answers | Exception] = [[next(answers) for _ in request] for request in requests]
    except Exception as wrong:
        if len(requests) > 1:
            return [part for request in requests for part in answer(served, [request])]
        # Without the message: scikit-learn quotes values in it.
        log.error("the model raised %s%s", type(wrong).__name__, _where(wrong))
        if isinstance(
            wrong, (ValueError, ArithmeticError)
        ):  # such as a number too large for a tree's 32 bits
            return [refuse([{"row": None, "field": "rows", "rule": "the model cannot answer them"}])]
        return [Refused(500, "the model failed; the service's log names the place", [])]
    return [_finite(part) for part in answered if isinstance(part, list)]


def _where(wrong: Exception) -> str:
    frames = traceback.extract_tb(wrong.__traceback__)[-3:]
    return "".join(f" < {Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def _ask(served: Served, given: list[Row]) -> Answers:
    frame = interface.to_frame(served.schema.features, given)
    named = served.schema.id is not None
    return [
        {"prediction": prediction, "scores": scores} | ({"id": row[-1]} if named else {})
        for row, (prediction, scores) in zip(given, served.predict(frame), strict=True)
    ]


def _finite(answers: Answers) -> Answers | Exception:
    rule = "the model has no finite answer for it"
    wrong = [
        {"row": number, "field": None, "rule": rule}
        for number, entry in enumerate(answers)
        if not is_finite(entry["prediction"], entry["scores"])
    ]
    return refuse(wrong[: interface.MAX_PROBLEMS]) if wrong else answers


class Batcher:
    """While the model answers, requests gather; then all that wait are asked together.

    A lone request never waits for company. With BentoML's adaptive batching it does: for one caller after a
    busy minute we measured 17 ms for a row instead of 3, and 56 ms for 100 rows instead of 4.
    """

    def __init__(self, work: Callable[[list[list[Row]]], list[Answers | Exception]]) -> None:
        self._work = work
        self._waiting: deque[tuple[list[Row], asyncio.Future[Answers]]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    async def __call__(self, request: list[Row]) -> Answers:
        """The answers to one request. Raises :class:`Refused`."""
        future: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._next()
                try:
                    loop = asyncio.get_running_loop()
                    answers = await loop.run_in_executor(
                        self._thread, self._work, [request for request, _ in batch]
                    )
                except Exception as wrong:
                    answers = [wrong] * len(batch)
                for (_, future), result in zip(batch, answers, strict=True):
                    if future.done():  # the caller has hung up
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
        finally:
            self._running = None

    def _next(self) -> list[tuple[list[Row], asyncio.Future[Answers]]]:
        """Whole requests, in order of arrival, of at most MAX_ROWS rows together."""
        batch, room = [], interface.MAX_ROWS
        while self._waiting and len(self._waiting[0][0]) <= room:
            batch.append(self._waiting.popleft())
            room -= len(batch[-1][0])
        return batch


# ---------------------------------------------------------------- HTTP


class Question(IODescriptor):
    """The body of a request. What is wrong with it is a value: BentoML logs exceptions, rows included."""

    rows: list[Any]

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Question:
        """Read and check a request; never raises for what a caller can do."""
        return cls.model_construct(rows=await _read(request))


async def _read(request: Request) -> list[Row] | Refused:
    media_type = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if media_type != "application/json":
        return Refused(415, "send the rows as application/json", [])
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > interface.MAX_BODY:
            return Refused(
                413, f"the body is larger than {interface.MAX_BODY} bytes; send fewer rows at a time", []
            )
    try:
        return [interface.values(row) for row in Body.model_validate_json(bytes(body)).rows]  # type: ignore[attr-defined]
    except ValidationError as wrong:
        return refuse(interface.explain(wrong))


def _respond(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(interface.dumps(content), status, media_type="application/json", headers=headers)


def _respond_refused(refused: Refused) -> Response:
    """What was wrong: to the caller, and in one line of the log, there without unknown fields' names."""
    said = [p["rule"] if p["rule"] == interface.UNKNOWN else interface.say(p) for p in refused.detail[:5]]
    log.warning("predict refused (%d): %s", refused.status, "; ".join(said) or refused.error)
    return _respond({"error": refused.error, "detail": refused.detail}, refused.status)


async def _metadata(request: Request) -> Response:
    served = request.app.state.served
    return _respond(served.metadata, headers=served.headers)


async def _docs(request: Request) -> Response:
    return _respond(interface.openapi(SCHEMA, MODEL, request.app.state.served.metadata["version"]))


# Before BentoML's routes of the same name: its document of the interface drops half of the rules.
pages = Starlette(routes=[Route("/metadata", _metadata), Route("/docs.json", _docs)])


@bentoml.service(
    name=MODEL,
    # One thread for each call of the model: small batches gain nothing from more.
    envs=[{"name": "OMP_NUM_THREADS", "value": "1"}, {"name": "OPENBLAS_NUM_THREADS", "value": "1"}],
    traffic={"timeout": 60, "max_concurrency": 256},  # beyond it: 429 at once rather than an answer too late
)
@bentoml.asgi_app(pages)
class Service:
    """Rows in, predictions out."""

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Before a worker starts: a model not to be served ends the command, not worker by worker."""
        try:
            open_model(ROOT, SCHEMA)
        except NotReady as wrong:
            sys.exit(f"error: {wrong}")

    def __init__(self) -> None:
        self.served = pages.state.served = open_model(ROOT, SCHEMA)
        self.batcher = Batcher(partial(answer, self.served))
        log.info("%s %s answers, sha256 %s", MODEL, self.served.metadata["version"], self.served.sha256)

    def __is_ready__(self) -> bool:
        """True: there is no instance unless the digest was right and a row was answered."""
        return True

    @bentoml.api(input_spec=Question)
    async def predict(self, rows: Any) -> Answers:
        """One answer for each row, in order: prediction, scores by class, id if the schema declares one."""
        try:
            if isinstance(rows, Refused):
                raise rows
            answers = await self.batcher(rows)
        except Refused as refused:
            return _respond_refused(refused)  # type: ignore[return-value]  # BentoML passes a Response on as it is
        # Every prediction passes here: a prediction log holds rows, answers and self.served.metadata.
        return _respond(answers, headers=self.served.headers)  # type: ignore[return-value]
