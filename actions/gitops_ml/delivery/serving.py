"""Starts a version's own service on this machine, asks it the smoke rows, and compares its answers with its score command."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_ml.build import predicting
from gitops_ml.build.environment import last_lines, scrubbed
from gitops_ml.build.seal import TEST_ROWS
from gitops_ml.delivery.workbench import Bench
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    import pyarrow as pa

HOST = "127.0.0.1"
ROWS = 20
"""Smoke rows: the first of the version's own test rows."""
TOLERANCE = 1e-9
"""How far a score of the service may be from the model's; a number that is predicted likewise, relative to its size."""
READY_SECONDS = 120.0
END_SECONDS = 15.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Service:
    """A service that answers. ``url`` without a slash at the end."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def words(self, lines: int = 12) -> str:
        """The last lines of its log."""
        return last_lines(self.log.read_text("utf-8", "replace"), lines)


@contextlib.contextmanager
def serving(
    bench: Bench,
    port: int = 0,
    *,
    environment: str = "",
    command: Sequence[str] | None = None,
    seconds: float = READY_SECONDS,
) -> Iterator[Service]:
    """The version's service, ready, on this machine alone; it and all that it started are ended at the end.

    ``port``: 0 takes a free one. ``environment``: whose pointer it shall read. ``command``: instead of BentoML's. Raises
    :class:`Fault` with the end of its log if it does not become ready.
    """
    port = port or free_port()
    bentoml = Path(bench.python).with_name("bentoml")
    if command is None and not bentoml.exists():
        raise Fault(
            "its serving environment has no BentoML, so nothing can answer. See the group serve of its pyproject.toml."
        )
    words = list(command or [str(bentoml), "serve", f"{bench.package}.service:Service"])
    words += ["--host", HOST, "--port", str(port)]
    env = scrubbed(bench.python) | {
        "BENTOML_HOME": str(bench.scratch / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MODEL_SHA256": bench.wanted.sha256,
    }
    if environment:
        env["GITOPS_ML_ENVIRONMENT"] = environment
    log = bench.scratch / "service.log"
    with log.open("wb") as file:
        try:
            process = subprocess.Popen(
                words,
                cwd=bench.project,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Fault(f"the program {words[0]} was not found, so nothing can answer.") from None
    service = Service(f"http://{HOST}:{port}", process, log)
    try:
        _wait(service, seconds)
        yield service
    finally:
        _end(process)


def free_port() -> int:
    """A port that nobody listens on, on this machine only."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def taken(port: int) -> bool:
    """Whether somebody listens there already."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _wait(service: Service, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if service.process.poll() is not None:
            raise Fault(f"its service ended before it was ready:\n{service.words()}")
        try:
            _DIRECT.open(f"{service.url}/readyz", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise Fault(f"its service was not ready within {seconds:.0f} s:\n{service.words()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, then make it, whatever interrupts us: its workers must not outlive us."""
    try:
        _tell(process, signal.SIGTERM)
    finally:
        _tell(process, signal.SIGKILL)


def _tell(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, how)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)


# ---------------------------------------------------------------- smoke rows


def smoke(bench: Bench, service: Service, score: Callable[..., object] = predicting.predict) -> int:
    """How many rows the service answered exactly as the model predicts them. Raises :class:`Fault` at the first doubt."""
    facts = metadata(service)
    if facts.get("sha256") != bench.wanted.sha256:
        said = str(facts.get("sha256"))[:12]
        raise Fault(f"its service says that it serves {said}, not {bench.wanted.sha256[:12]}.")
    fields = _fields(facts)
    table = _rows(bench.project / TEST_ROWS, str(facts.get("target") or ""))
    lacking = [name for name in fields if name not in table.column_names]
    if lacking:
        raise Fault(f"its service asks for {lacking[0]!r}, which its own test rows do not have.")
    answers = _ask(service, [{name: _plain(row[name]) for name in fields} for row in table.to_pylist()])
    compare(answers, _scored(bench, table, score))
    return int(table.num_rows)


def metadata(service: Service) -> dict[str, Any]:
    """What the service says of its model. Raises :class:`Fault`."""
    try:
        with _DIRECT.open(f"{service.url}/metadata", timeout=30) as answer:
            content = json.load(answer)
    except urllib.error.HTTPError as refused:
        raise Fault(
            f"its service has no page /metadata ({refused.code}), so which model answers is unknown."
        ) from None
    except (OSError, ValueError) as wrong:
        raise Fault(f"its service does not say which model answers: {wrong}") from None
    if not isinstance(content, dict):
        raise Fault("its service says something else on /metadata than which model answers.")
    return content


def _fields(facts: Mapping[str, Any]) -> list[str]:
    schema = facts.get("schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        raise Fault("its service does not say on /metadata which fields a row has, so it cannot be asked.")
    return list(properties)


def _rows(file: Path, target: str) -> pa.Table:
    """The smoke rows, without what is to be predicted. Raises :class:`Fault`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(file)
        batch = next(parquet.iter_batches(batch_size=ROWS), None)
    except (pa.ArrowException, OSError) as wrong:
        raise Fault(f"its test rows ({TEST_ROWS}) cannot be read: {wrong}") from None
    if batch is None or not batch.num_rows:
        raise Fault(f"its test rows ({TEST_ROWS}) are none, so nothing can be asked.")
    table = pa.Table.from_batches([batch])
    kept = [name for name in table.column_names if name != target]
    return table.select(kept).replace_schema_metadata(None)


def _plain(value: Any) -> Any:
    """A cell as JSON has it: nothing instead of NaN, dates as ISO 8601."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date | clock) else value


def _ask(service: Service, rows: list[dict[str, Any]]) -> list[Any]:
    body = json.dumps({"rows": rows}, allow_nan=False, default=str).encode()
    request = urllib.request.Request(f"{service.url}/predict", body, {"Content-Type": "application/json"})
    try:
        with _DIRECT.open(request, timeout=120) as answer:
            content = json.load(answer)
    except urllib.error.HTTPError as refused:
        said = refused.read(2000).decode("utf-8", "replace")
        raise Fault(
            f"its service refuses its own test rows ({refused.code}): {' '.join(said.split())[:300]}"
        ) from None
    except (OSError, ValueError) as wrong:
        raise Fault(f"its service gave no answer to its own test rows: {wrong}\n{service.words()}") from None
    if not isinstance(content, list) or len(content) != len(rows):
        count = len(content) if isinstance(content, list) else "no"
        raise Fault(f"its service gave {count} answers to {len(rows)} rows.")
    return content


def _scored(bench: Bench, table: pa.Table, score: Callable[..., object]) -> pa.Table:
    """The same rows by the score contract."""
    import pyarrow.parquet as pq

    source, output = bench.scratch / "smoke.parquet", bench.scratch / "scored.parquet"
    pq.write_table(table, source)
    wanted = bench.wanted
    score(
        bench.project,
        bench.python,
        bench.model,
        wanted.sha256,
        source,
        table.num_rows,
        output,
        wanted.revision,
        predicting.SECONDS,
    )
    return pq.read_table(output)


def compare(answers: Sequence[Any], table: pa.Table) -> None:
    """Raises :class:`Fault` that names the first row where the service says something else than the model."""
    scores = [name for name in table.column_names if name.startswith("score_")]
    for number, (answer, row) in enumerate(zip(answers, table.to_pylist(), strict=True), start=1):
        said = answer if isinstance(answer, dict) else {}
        if "prediction" not in said or not _same(said["prediction"], row["prediction"]):
            raise Fault(
                f"its service answers {_short(said.get('prediction'))} to test row {number}, and the model predicts "
                f"{_short(row['prediction'])}."
            )
        shares = said.get("scores")
        given = shares if isinstance(shares, dict) else {}
        for name in scores:
            share = given.get(name.removeprefix("score_"))
            if not isinstance(share, int | float) or not abs(share - row[name]) <= TOLERANCE:
                raise Fault(
                    f"its service gives test row {number} {_short(share)} for {name.removeprefix('score_')}, and the model "
                    f"{_short(row[name])}."
                )


def _same(said: Any, predicted: Any) -> bool:
    """Equal labels; numbers that are predicted may differ in their last digits."""
    if isinstance(predicted, float) and isinstance(said, int | float):
        return math.isclose(said, predicted, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(said) is type(predicted) and bool(said == predicted)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
