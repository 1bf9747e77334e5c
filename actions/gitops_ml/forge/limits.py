"""Answers for rate limits: whether an answer is one, and how long the server wants quiet."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any


def limit(status: int, headers: Mapping[str, Any], said: str) -> tuple[bool, float | None]:
    """Whether the answer is a primary or secondary rate limit, and the seconds to wait if the server says them.

    GitHub sends 403 or 429, with Retry-After, or with no call remaining and the time of the reset, or with words only:
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    if status not in (403, 429):
        return False, None
    asked = seconds(str(headers.get("retry-after") or ""))
    if asked is not None:
        return True, asked
    reset = str(headers.get("x-ratelimit-reset") or "")
    if str(headers.get("x-ratelimit-remaining")) == "0" and reset.isdigit():
        return True, max(float(reset) - time.time(), 0.0) + 1
    return status == 429 or "rate limit" in said.lower() or "abuse detection" in said.lower(), None


def seconds(text: str) -> float | None:
    """Retry-After, which is a number of seconds or a date (RFC 9110, 10.2.3); None if it is neither."""
    if text.strip().isdigit():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None
