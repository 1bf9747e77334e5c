"""How many trainings on a shuffled target it takes to tell a leak from an accident, and the shuffles themselves.

A model of a shuffled target has learnt nothing of the target, and yet its metric on the test rows is not the metric of
random scores: it is some function of the columns, and columns go with the target. By accident it points along or against
them, often far from the middle, and no interval from the test rows of one such model can tell that from a leak. But
along and against are equally likely. So k models are trained, each on its own shuffle: that all of them come out
better than guessing happens by accident in at most one of 2^k cases (the sign test: Dixon and Mood, Journal of the
American Statistical Association 41, 1946, p. 557). A leak lifts them all.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def shuffles(level: float) -> int:
    """How many it takes for an error of at most 1 - level: 5 at 0.95."""
    return math.ceil(-math.log2(1 - level) - 1e-9)


def shuffle(rows: int, seed: int, number: int) -> npt.NDArray[np.intp]:
    """The order that the targets of so many rows get in the shuffle of this number, from 0.

    Over all rows, also where these belong to groups: within a group the target often is one and the same. Random bits
    are taken raw from PCG64, whose stream numpy promises not to change (NEP 19).
    """
    bits = np.random.PCG64([seed, number]).random_raw(rows)
    return np.argsort(bits, kind="stable")
