"""Faults on request: what a test asks the forge to do wrong, when, and how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID."
)
ANSWERS: dict[str, tuple[int, str]] = {
    "401": (401, "Bad credentials"),
    "403": (403, "Resource not accessible by integration"),
    "404": (404, "Not Found"),
    "409": (409, "Conflict"),
    "422": (422, "Validation Failed"),
    "429": (429, "API rate limit exceeded for installation ID 1."),
    "secondary": (403, SECONDARY),
    "500": (500, "Internal Server Error"),
    "502": (502, "Server Error"),
}
OTHERS = {"slow", "drop", "drop-after", "starter", "lost-race", "dead-after-n-effects"}
WITH_RETRY = {"429", "secondary"}


@dataclass
class Fault:
    """One order; it fires on the calls it matches, skips the first ``after`` of them, then ``times`` times."""

    kind: str
    method: str | None = None
    path: str | None = None
    times: int = 1
    after: int = 0
    retry_after: int | None = 0
    seconds: float = 1.0
    job: str | None = None
    """Only for tokens of this job."""
    ref: str | None = None
    """lost-race: the ref (regular expression) that somebody else moves first."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """lost-race: what the other commit adds."""
    when: str = "receive"
    """lost-race: "receive", while the push is judged; "advertise", before the client reads the refs."""
    callback: Callable[[], None] | None = None
    message: str | None = None
    seen: int = 0
    fired: int = 0

    def matches(self, method: str, path: str, job: str | None) -> bool:
        return (
            (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, path) is not None)
            and (self.job is None or self.job == job)
        )

    def answer(self) -> tuple[int, str, dict[str, str]]:
        """Status, message, headers of a fault that is an answer."""
        status, text = ANSWERS[self.kind]
        waits = self.kind in WITH_RETRY and self.retry_after is not None
        return status, self.message or text, {"Retry-After": str(self.retry_after)} if waits else {}


class Faults:
    """The orders that stand, and the count of effects."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[Fault] = []
        self._deadline: list[tuple[int, Fault]] = []
        self.effects = 0
        self.dead = False

    def add(
        self,
        kind: int | str,
        method: str | None = None,
        path: str | None = None,
        times: int = 1,
        after: int = 0,
        *,
        retry_after: int | None = 0,
        seconds: float = 1.0,
        job: str | None = None,
        ref: str | None = None,
        files: Mapping[str, bytes] | None = None,
        when: str = "receive",
        callback: Callable[[], None] | None = None,
        message: str | None = None,
    ) -> Fault:
        """Order a fault; ``path`` is a regular expression searched in path and query."""
        kind = str(kind)
        if kind not in ANSWERS and kind not in OTHERS:
            raise ValueError(f"no such fault: {kind}; there are {', '.join([*ANSWERS, *sorted(OTHERS)])}")
        if when not in ("receive", "advertise"):
            raise ValueError(f"a race is lost at receive or advertise, not at {when}")
        fault = Fault(
            kind,
            method,
            path,
            times,
            after,
            retry_after,
            seconds,
            job,
            ref,
            files or {},
            when,
            callback,
            message,
        )
        with self._lock:
            if kind == "dead-after-n-effects":
                self._deadline.append((self.effects + after, fault))
                self.dead = self.dead or after == 0
            else:
                self._orders.append(fault)
        return fault

    def clear(self) -> None:
        """No fault any more; the dead forge lives again."""
        with self._lock:
            self._orders.clear()
            self._deadline.clear()
            self.dead = False

    def take(self, method: str, path: str, job: str | None, kinds: set[str] | None = None) -> Fault | None:
        """The fault that fires on this call, if any; ``kinds`` limits which are looked at."""
        with self._lock:
            for fault in self._orders:
                wanted = fault.kind in kinds if kinds else fault.kind != "lost-race"
                if not wanted or not fault.matches(method, path, job):
                    continue
                fault.seen += 1
                if fault.seen > fault.after and fault.fired < fault.times:
                    fault.fired += 1
                    return fault
        return None

    def race(self, when: str, path: str, refs: list[str], job: str | None) -> tuple[Fault, str] | None:
        """The race that this push loses, and on which ref."""
        with self._lock:
            for fault in self._orders:
                if fault.kind != "lost-race" or fault.when != when or not fault.matches("POST", path, job):
                    continue
                hit = next((ref for ref in refs if fault.ref is None or re.search(fault.ref, ref)), None)
                if hit is None:
                    continue
                fault.seen += 1
                if fault.seen > fault.after and fault.fired < fault.times:
                    fault.fired += 1
                    return fault, hit
        return None

    def effect(self) -> None:
        """One effect has happened; the deadline may have come."""
        due: list[Fault] = []
        with self._lock:
            self.effects += 1
            for limit, fault in self._deadline:
                if self.effects >= limit and not fault.fired:
                    fault.fired += 1
                    self.dead = True
                    due.append(fault)
        for fault in due:
            if fault.callback:
                fault.callback()
