"""What a plant is: a failure with a name, the change that brings it about, and the checks that exist to stop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from gitops_ml.ruling.task import Ruling
from gitops_ml.selftest.site import Site

Edit = Callable[[Site], None]
Strict = Callable[[Site], Mapping[str, Any]]
BUILD = "job/build"
"""Stands for a build that stops, where there is no verdict yet."""


@dataclass(frozen=True)
class Plant:
    """A failure to plant. ``edit`` changes a checkout, which is then committed; :class:`Impossible` where it cannot.

    ``expects``: the ids (patterns) of the checks that exist for it; none: it must pass. ``strict``: keys of policy.yaml
    under which these checks stop it, for a policy that has them off. ``then``: a second change on top, made of the
    ruling on the first one. ``note``: a check that must say something besides, though it stops nothing. ``poisons``:
    under the name of the table's bytes the store then holds others. ``waits``: its checks are notes until production has
    changed hands.
    """

    name: str
    title: str
    edit: Edit
    expects: tuple[str, ...] = ()
    strict: Strict | None = None
    then: Callable[[Site, Ruling], None] | None = None
    note: str = ""
    poisons: bool = False
    waits: bool = False

    def expected(self, check: str) -> bool:
        """Whether a check's id is one of those that exist for it."""
        return any(fnmatchcase(check, pattern) for pattern in self.expects)
