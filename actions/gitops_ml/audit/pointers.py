"""The pointers themselves: what they name was released, may be served, and belongs to an environment."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_ml.audit.said import Finding, Note, Passed, Said
from gitops_ml.audit.scene import Scene
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery import tree
from gitops_ml.delivery.champion import pointer_path
from gitops_ml.delivery.releases import model_sha256, tag_of
from gitops_ml.errors import Fault


def pointers(scene: Scene) -> Iterator[Said]:
    """Each pointer can be read, and names a version that was released, with its commit and its bytes."""
    if not scene.pointed:
        yield Passed("nothing is served yet: main has no deploy/<environment>/model.yaml")
    for environment in scene.pointed:
        path = pointer_path(environment)
        try:
            pointer = Pointer.parse(tree.plain(scene.root, scene.main, path), path)
        except Fault as fault:
            yield Finding(
                f"{path} cannot be read: {' '.join(str(fault).split())}",
                f"nobody can tell what {environment} serves, and nothing can be deployed there",
                _back(environment),
            )
            continue
        for problem in _against_tag(scene, pointer):
            yield Finding(
                f"{path}: {problem}",
                f"{environment} would serve something that was never judged under this name",
                _back(environment),
            )


def _against_tag(scene: Scene, pointer: Pointer) -> Iterator[str]:
    if pointer.model != scene.model:
        yield f"model is {pointer.model}; this repository makes {scene.model}"
        return
    tag = tag_of(scene.model, pointer.version)
    commit = scene.tags.get(tag)
    if commit is None:
        yield f"there is no tag {tag}"
        return
    if pointer.revision != commit:
        yield f"revision is {pointer.revision[:12]}; the tag {tag} names {commit[:12]}"
    sha256 = model_sha256(scene.root, commit)
    if pointer.sha256 != sha256:
        yield f"sha256 is {pointer.sha256[:12]}; {pointer.version} is {(sha256 or 'no model')[:12]}"


def environments(scene: Scene) -> Iterator[Said]:
    """policy.yaml and the folders of deploy/ name the same environments."""
    named = scene.environments
    for environment in scene.pointed:
        if environment not in named:
            yield Finding(
                f"{pointer_path(environment)} is there, and policy.yaml names no environment {environment}",
                "nothing promotes, checks or rolls back what it says",
                f"in a pull request: add {environment} to environments in policy.yaml, or git rm -r deploy/{environment}",
            )
    for environment in named:
        if environment not in scene.pointed:
            yield Note(f"{environment} serves nothing yet: it has no pointer")


def retired(scene: Scene) -> Iterator[Said]:
    """No pointer names a version that policy.yaml has retired."""
    for environment, pointer in scene.served():
        if pointer.version in scene.retired:
            yield Finding(
                f"{environment} serves {pointer.version}, which is retired: {scene.retired[pointer.version]}",
                "policy.yaml says that nobody should get its answers any more",
                _back(environment),
            )


def _back(environment: str) -> str:
    """The command that asks for the version that was served before; another one: `-f version=`."""
    return f"gh workflow run roll-back.yml -f environment={environment}"
