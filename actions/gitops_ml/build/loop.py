"""One model's score command, loaded once and asked many times; the clock, and the look at its memory, are ours."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gitops_ml.build.environment import last_lines
from gitops_ml.errors import Fault

USAGE = 2
"""Status of a command that does not know an option (argparse, click, getopt)."""
NOISE = 1_000_000
"""Bytes that a command may print beside its answers."""
LEAVE = 5.0
"""Seconds that a process has to end itself once nobody asks any more."""


class Silent(Fault):
    """It gave no answer, and will give none; the message says why."""


class Late(Silent):
    """It gave no answer in time."""


class Loop:
    """A running `score --loop`: lines of JSON in, `{"input": I, "output": O}`; one line back for each, `{"rows": n}`.

    Lines that are no such answer are passed over, so that a library may print. Use it as a context: the process, and all it
    started, is gone at the end. ``peak`` is then the most memory that it held, in bytes; None where nobody knows.
    """

    def __init__(self, command: Sequence[str], root: Path, env: Mapping[str, str], log: Path) -> None:
        self.peak: int | None = None
        self._log = log
        self._rest = b""
        with log.open("wb") as words:
            try:
                self._child = subprocess.Popen(
                    [*command, "--loop"],
                    cwd=root,
                    env=dict(env),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=words,
                    bufsize=0,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise Silent(f"the program {command[0]} was not found.") from None
        assert self._child.stdin is not None and self._child.stdout is not None
        self._asks, self._answers = self._child.stdin.fileno(), self._child.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._answers, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def ready(self, seconds: float) -> None:
        """Wait until the model is loaded. Raises :class:`Silent`."""
        self._next("ready", time.perf_counter() + seconds)

    def ask(self, source: Path, output: Path, seconds: float) -> float:
        """Seconds from the ask to the answer that ``output`` holds the predictions of ``source``. Raises :class:`Silent`."""
        line = json.dumps({"input": str(source), "output": str(output)}).encode() + b"\n"
        started = time.perf_counter()
        try:
            os.write(self._asks, line)
        except BrokenPipeError:
            raise self._gone() from None
        self._next("rows", started + seconds)
        took = time.perf_counter() - started
        if output.is_symlink() or not output.is_file():
            raise Silent("it answered before its predictions were there.")
        return took

    def end(self) -> None:
        """Note the peak of its memory, and end it: by an end of the asks, else by force."""
        if self._child.returncode is not None:
            return
        # Not ru_maxrss where there is another: a child's begins with what its parent, the suite, held when it forked.
        self.peak = high_water(self._child.pid)
        self._selector.close()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            pipe.close()
        deadline, found = time.monotonic() + LEAVE, 0
        while time.monotonic() < deadline and not found:
            found, status, usage = os.wait4(self._child.pid, os.WNOHANG)
            time.sleep(0 if found else 0.01)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)  # what it started, too
        if not found:
            _, status, usage = os.wait4(self._child.pid, 0)
        self._child.returncode = os.waitstatus_to_exitcode(status)
        if self.peak is None:
            self.peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    def _next(self, key: str, deadline: float) -> None:
        """Read up to the next answer that has ``key``."""
        read = 0
        while True:
            while b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                try:
                    found = json.loads(line)
                except ValueError:
                    continue
                if isinstance(found, dict) and key in found:
                    return
            left = deadline - time.perf_counter()
            if left <= 0 or not self._selector.select(left):
                raise Late("it did not answer in time.")
            piece = os.read(self._answers, 65536)
            read += len(piece)
            if not piece:
                raise self._gone()
            if read > NOISE:
                raise Silent("it prints without end, and answers nothing.")
            self._rest += piece

    def _gone(self) -> Silent:
        """Why it is no longer there."""
        self.end()
        if self._child.returncode == USAGE:
            return Silent("its score command has no --loop.")
        words = last_lines(self._log.read_text("utf-8", "replace"), 4)
        return Silent(
            f"its score command ended with status {self._child.returncode}: {words or 'it said nothing'}"
        )


def high_water(pid: int) -> int | None:
    """The most memory that a running process has held (VmHWM of proc(5)), in bytes; None where there is no /proc."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
