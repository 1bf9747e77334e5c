"""What the one who is asked has to do: approve the commit, or, where nobody else could, answer for it in overrides.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gitops_ml.card.markdown import scalar

APPROVE = (
    "**Next:** someone other than the author, with write access, approves this commit "
    "(Files changed → Review changes → Approve)."
)


def entries(model: str, checks: Iterable[str]) -> str:
    """Lines for overrides.yaml, one per check, bound to the model, ready to be argued; "" if there are none."""
    return "\n".join(
        f"- {{check: {_bare(one)}, sha256: {model}, owner: YOU, reason: WHY, expires: YYYY-MM-DD}}"
        for one in [one for one in checks if len(one) <= 200][:5]
    )


ALONE = (
    "**Next:** nobody else can write here, so nobody can approve. If you answer for it yourself, say so in "
    "`overrides.yaml` (where it exists, add only what is below `overrides:`), with your name, your reason in at "
    "least 10 letters and a last day, and push it to this branch:"
)


def answer(model: str, checks: Iterable[str] = ("protected",)) -> str:
    """For an author who is alone here: the whole overrides.yaml that clears these checks."""
    lines = "".join(f"\n  {line}" for line in entries(model, checks).splitlines())
    whole = fenced(f"version: 1\noverrides:{lines}")
    return f"{ALONE}\n\n{whole}"


def fenced(text: str) -> str:
    """A block of YAML that its content cannot close."""
    fence = "`" * max(3, 1 + text.count("`"))
    return f"{fence}yaml\n{text}\n{fence}"


def _bare(text: str) -> str:
    """A YAML text: in quotes unless it is plain."""
    return text if re.fullmatch(r"[a-z][\w/.-]*", text) else str(scalar(text))
