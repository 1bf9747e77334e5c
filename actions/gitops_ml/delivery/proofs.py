"""Reads what `gitops-ml prove` found out, for whoever moves or judges a pointer: without a proof nothing is served."""

from __future__ import annotations

import json

from gitops_ml.contracts.proof import Proof, Proofs
from gitops_ml.errors import Fault


def read(text: str) -> Proofs:
    """The proofs as a job output carries them; no text is no proof. Raises :class:`Fault` for other words."""
    if not text.strip():
        return Proofs(version=1, proofs=[])
    try:
        content = json.loads(text)
    except ValueError:
        raise Fault("the proofs are not JSON, so nothing is proven. Run the workflow again.") from None
    return Proofs.parse(content, "the proofs")


def write(found: Proofs) -> str:
    """Compact JSON, for a job output."""
    return json.dumps(found.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))


def proof_of(found: Proofs, environment: str, version: str) -> Proof | None:
    """The proof of a version for an environment."""
    named = [one for one in found.proofs if (one.environment, one.version) == (environment, version)]
    return named[0] if named else None


def lacking(found: Proofs, environment: str, version: str, sha256: str) -> list[str]:
    """Why a version must not be served there, each one sentence; empty: it is proven, by exactly these bytes."""
    proof = proof_of(found, environment, version)
    if proof is None:
        return [f"nobody has proven that {version} can be served: run `gitops-ml prove` first"]
    if proof.problems:
        return list(proof.problems)
    if proof.sha256 != sha256:
        said = (proof.sha256 or "no bytes")[:12]
        return [f"what answered for {version} was {said}, and {version} is {sha256[:12]}"]
    return []
