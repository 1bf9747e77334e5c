"""Answers for the steps of publish, in an order that makes the very first push work; each can tell whether it is done.

Settings come before code: the first push to main starts the release, which opens a pull request and reads bytes. The
rule on main comes after it: it would refuse that very push.
"""

from __future__ import annotations

from collections.abc import Callable

from gitops_ml.publish.sending import MakeRepository, PushBytes, PushMain, SetOrigin
from gitops_ml.publish.settings import (
    AllowActions,
    AllowPullRequests,
    MakeLabels,
    MergeSettings,
    ProtectMain,
)
from gitops_ml.publish.step import Step, Work

ORDER: tuple[Callable[[Work], Step], ...] = (
    MakeRepository,
    SetOrigin,
    AllowActions,
    AllowPullRequests,
    MakeLabels,
    PushBytes,
    PushMain,
    ProtectMain,
    MergeSettings,
)


def steps(work: Work) -> list[Step]:
    """All of them, in their order."""
    return [make(work) for make in ORDER]
