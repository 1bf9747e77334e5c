"""Whether production has changed hands: until then, what people still owe a young project is a note."""

from __future__ import annotations

from pathlib import Path

from gitops_ml.delivery.champion import environments
from gitops_ml.delivery.served import history


def handed_over(root: Path, main: str) -> bool:
    """Whether the pointer of the last environment has named a second model by ``main``, a revision of the base branch.

    Counted by the model's bytes on main's own line of history, so it is a function of the commit: the same for
    whoever asks, and it never becomes untrue again (a roll-back is a change of hands, too).
    """
    last = environments(root, main)[-1]
    return len({named.pointer.sha256 for named in history(root, main, last)}) > 1
