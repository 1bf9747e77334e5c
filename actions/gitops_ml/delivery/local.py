"""`gitops-ml deploy --local`: serves, on this machine alone, exactly the bytes that an environment's pointer names."""

from __future__ import annotations

import json
import shlex
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from gitops_ml import shell
from gitops_ml.contracts.base import write_text
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.delivery import tree
from gitops_ml.delivery.champion import first_environment, pointer_of, pointer_path
from gitops_ml.delivery.offer import pointer_text
from gitops_ml.delivery.retired import refusal, retired
from gitops_ml.delivery.serving import Service, metadata, serving, taken
from gitops_ml.delivery.workbench import Wanted, laid_out
from gitops_ml.errors import Fault


def serve(
    root: Path,
    environment: str | None,
    port: int,
    *,
    say: Callable[[str], None] = print,
    wait: Callable[[Service], None] | None = None,
    install: Sequence[str] | None = None,
    command: Sequence[str] | None = None,
) -> None:
    """Serve the pointer that HEAD has for an environment (default: the first) until Ctrl-C or TERM; then nothing is left.

    Raises :class:`Fault`: no pointer, a retired version, bytes that are not those named, a service that does not start
    or ends by itself.
    """
    started = time.monotonic()
    name, pointer = _pointer(root, environment)
    if taken(port):
        raise Fault(
            f"somebody listens on port {port} already. Choose another: gitops-ml deploy --local --port {port + 1}"
        )
    wanted = Wanted(pointer.version, pointer.revision, pointer.path, pointer.sha256)
    say(
        f"{pointer.model} {pointer.version} of {name}: fetching sha256 {pointer.sha256[:12]} and its environment"
    )
    try:
        with _ended_by_term(), laid_out(root, wanted, rows=False, install=install) as bench:
            # The commit of a version is older than the pointer to it; the service reads its version there.
            write_text(bench.project / pointer_path(name), pointer_text(pointer, name))
            with serving(bench, port, environment=name, command=command) as service:
                _check(service, pointer)
                say(_screen(pointer, name, service, time.monotonic() - started))
                (wait or _until_it_ends)(service)
    except KeyboardInterrupt:
        say("ended")


def _check(service: Service, pointer: Pointer) -> None:
    said = metadata(service).get("sha256")
    if said != pointer.sha256:
        raise Fault(f"the service says that it serves {said}, and the pointer names {pointer.sha256}.")


def _pointer(root: Path, environment: str | None) -> tuple[str, Pointer]:
    said = tree.plain(root, "HEAD", "policy.yaml")
    known = PolicyFile.parse(said, "policy.yaml").environments if said is not None else []
    name = environment or first_environment(root, "HEAD")
    if known and name not in known:
        raise Fault(f"there is no environment {name}. policy.yaml has: {', '.join(known)}")
    pointer = pointer_of(root, "HEAD", name)
    if pointer is None:
        raise Fault(
            f"nothing is served in {name} yet: HEAD has no {pointer_path(name)}.\n"
            "  Merge the pull request that serves a version, then: git pull"
        )
    reason = retired(root, "HEAD", pointer.version)
    if reason is not None:
        raise Fault(f"{refusal(pointer.version, reason)}. Go back to another: the workflow roll-back.")
    if shell.ask_git(root, "cat-file", "-e", f"{pointer.revision}^{{commit}}") is None:
        raise Fault(
            f"the commit of {pointer.version}, {pointer.revision[:12]}, is not here. Fetch it: git fetch --tags origin"
        )
    return name, pointer


def _until_it_ends(service: Service) -> None:
    code = service.process.wait()
    raise Fault(f"the service ended by itself, with status {code}:\n{service.words()}")


def _screen(pointer: Pointer, environment: str, service: Service, seconds: float) -> str:
    example = shlex.quote(json.dumps(_example(service), ensure_ascii=False))
    return "\n".join(
        [
            "",
            f"  {pointer.model} {pointer.version}, as {environment} serves it{'':<24} {seconds:.1f} s",
            "",
            f"  address   {service.url}    this machine only; /docs.json describes it, /metadata names the model",
            f"  bytes     {pointer.path}  sha256 {pointer.sha256}",
            f"  try       curl -s {service.url}/predict -H 'Content-Type: application/json' -d {example}",
            "  end       Ctrl-C",
            "",
        ]
    )


def _example(service: Service) -> Any:
    """A request that the service itself gives as an example."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{service.url}/docs.json", timeout=10
        ) as page:
            described = json.load(page)
        return described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    except (OSError, ValueError, KeyError, TypeError):
        return {"rows": []}


@contextmanager
def _ended_by_term() -> Iterator[None]:
    """TERM, and a terminal that is closed, end it as Ctrl-C does: with the service."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {one: signal.signal(one, interrupt) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
