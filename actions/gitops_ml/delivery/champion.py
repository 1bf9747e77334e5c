"""The model to beat: what the first environment's pointer names; else the newest release; else nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.delivery import tree
from gitops_ml.delivery.releases import model_sha256, releases
from gitops_ml.errors import Fault


@dataclass(frozen=True)
class Champion:
    """A released model: its version, the tagged commit (whose code scores it), and the sha256 of its bytes."""

    version: str
    revision: str
    sha256: str


def environments(root: Path, revision: str) -> list[str]:
    """Where the model is served, in the order of promotion: policy.yaml says; without one, production alone."""
    said = tree.plain(root, revision, "policy.yaml")
    if said is None:
        return ["production"]
    return PolicyFile.parse(said, f"policy.yaml of {revision[:12]}").environments


def first_environment(root: Path, revision: str) -> str:
    """The environment that a release is offered to first."""
    return environments(root, revision)[0]


def pointer_path(environment: str) -> str:
    """Where the pointer of an environment is."""
    return f"deploy/{environment}/model.yaml"


def pointer_of(root: Path, revision: str, environment: str) -> Pointer | None:
    """The pointer of an environment as a revision has it; None if nothing is served there. Raises :class:`Fault`."""
    path = pointer_path(environment)
    said = tree.plain(root, revision, path)
    return None if said is None else Pointer.parse(said, f"{path} of {revision[:12]}")


def champion(root: Path, revision: str, but: str | None = None) -> Champion | None:
    """The model to beat, as a revision of the base branch names it; None: nothing was released yet.

    ``but``: a commit whose own version does not count: what a run that was cut off released is not its own champion.
    Raises :class:`Fault` if the pointer cannot be read: to judge without a champion would be to pass too easily.
    """
    base = tree.commit_of(root, revision)
    pointer = pointer_of(root, base, first_environment(root, base))
    if pointer is not None:
        return Champion(pointer.version, pointer.revision, pointer.sha256)
    listed = releases(root, tree.model_name(root, base), base)
    release = next((one for one in listed if one.commit != but), None)
    if release is None:
        return None
    sha256 = model_sha256(root, release.commit)
    if sha256 is None:
        raise Fault(
            f"the tag {release.tag} names {release.commit[:12]}, which has no reports/evaluation.json, so its model is "
            f"unknown and nothing can be compared with it.\n  A tag that is no release: git push origin :refs/tags/{release.tag}"
        )
    return Champion(release.version, release.commit, sha256)
