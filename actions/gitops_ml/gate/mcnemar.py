"""McNemar's test of two classifiers on the same rows: of the rows that one gets right and the other wrong, is one half each's?"""

from __future__ import annotations

from typing import Any

import numpy as np


def mcnemar(lost: int, won: int) -> dict[str, Any]:
    """``lost``: rows that only the champion gets right, ``won``: only the challenger.

    ``exact`` is the two-sided binomial p value (McNemar, Psychometrika 12, 1947, p. 153), ``mid_p`` the less cautious
    one that Fagerland, Lydersen and Laake recommend (BMC Medical Research Methodology 13:91, 2013).
    """
    n, least = lost + won, min(lost, won)
    if not n:
        return {"lost": 0, "won": 0, "exact": 1.0, "mid_p": 1.0}
    steps = np.arange(1, least + 1, dtype=np.float64)
    # log of n over k, for k = 0 .. least
    logs = np.concatenate([[0.0], np.cumsum(np.log(n + 1 - steps) - np.log(steps))]) - n * np.log(2.0)
    parts = np.exp(logs)
    twice, at = 2 * float(parts.sum()), float(parts[-1])
    return {
        "lost": lost,
        "won": won,
        "exact": float(f"{min(1.0, twice):.6g}"),
        "mid_p": float(f"{min(1.0, twice - at):.6g}"),
    }
