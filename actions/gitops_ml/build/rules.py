"""Whose policy.yaml judges what is scored: the score job must ask what the judge will want to know."""

from __future__ import annotations

from pathlib import Path

from gitops_ml.build import trees
from gitops_ml.contracts.policy import PolicyFile

POLICY = "policy.yaml"


def rules_of(head: Path, base: Path) -> tuple[str, PolicyFile | None]:
    """The revision in ``base`` whose policy judges ``head``, and that policy; None: it has none.

    It is that of ``base``; where a commit of main itself is scored (one folder for both), main's before it.
    Raises :class:`gitops_ml.errors.Fault` where the file is not valid.
    """
    from gitops_ml.delivery import tree

    revision = "HEAD"
    if head.resolve() == base.resolve():
        from gitops_ml.delivery.judgement import policy_revision

        revision = policy_revision(base, trees.commit_of(base, "HEAD"))
    content = tree.plain(base, revision, POLICY)
    return revision, None if content is None else PolicyFile.parse(content, f"{POLICY} of {revision[:12]}")
