"""Versions that must not be served any more: `retired:` of policy.yaml, with the reviewers' reason."""

from __future__ import annotations

from pathlib import Path

from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.delivery import tree
from gitops_ml.delivery.releases import numbers


def retired(root: Path, revision: str, version: str) -> str | None:
    """Why a version is retired, as policy.yaml of a revision says; None: it is not.

    Asked of main as it is now, never of the change that wants to serve it. Raises :class:`gitops_ml.errors.Fault` where
    policy.yaml cannot be read, ValueError for a version that is none.
    """
    said = tree.plain(root, revision, "policy.yaml")
    if said is None:
        return None
    listed = PolicyFile.parse(said, f"policy.yaml of {revision[:12]}").retired
    return next((why for name, why in listed.items() if numbers(name) == numbers(version)), None)


def refusal(version: str, reason: str) -> str:
    """The sentence with which everything refuses a retired version."""
    return f"{version} is retired: {reason.rstrip('.')} (policy.yaml, retired)"
