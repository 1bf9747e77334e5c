"""Answers for waiting: how long in all, how long each time, and that a person is told what for."""

from __future__ import annotations

import os
import random
import sys
import time

from gitops_ml.errors import Fault

VARIABLE = "GITOPS_ML_RETRY_SECONDS"
DEFAULT = 300.0
FIRST, LONGEST = 0.5, 30.0


class Patience:
    """A budget of seconds. One serves everything that one connection, or one push, waits for."""

    def __init__(self, seconds: float | None = None) -> None:
        self.left = _configured() if seconds is None else seconds

    def wait(self, why: str, attempt: int, at_least: float | None = None) -> bool:
        """Wait before the next try and say so on stderr; False, at once, if the budget does not allow it.

        ``at_least``: seconds that the server asked for. ``attempt``: 1 after the first failure; without a wish of
        the server the wait doubles each time, scattered so that runs that failed together do not return together.
        """
        if at_least is None:
            seconds = min(FIRST * 2 ** (attempt - 1), LONGEST) * random.uniform(0.75, 1.25)
        else:
            # "Retry-After: 0", answered for ever, must come to an end too.
            seconds = max(at_least, 0.01 * 2**attempt)
        if seconds > self.left:
            return False
        self.left -= seconds
        print(f"waiting {seconds:.1f} s: {why}", file=sys.stderr, flush=True)
        time.sleep(seconds)
        return True


def _configured() -> float:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise Fault(f"{VARIABLE} is {text!r}, not a number of seconds. Set it to, say, 300, or remove it.")
    return seconds
