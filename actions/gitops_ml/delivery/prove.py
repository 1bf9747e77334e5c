"""Proves that released versions can be served: tag, pointer, bytes, environment, answers, verdict; what stops one is named.

It runs code of those versions, so only where nothing can be written. A problem is an answer, not an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proof, Proofs
from gitops_ml.delivery import tree
from gitops_ml.delivery.pointer import changed_pointers, environment_of, problems_of, problems_of_release
from gitops_ml.delivery.releases import Release, recorded, releases, tag_of
from gitops_ml.delivery.serving import serving, smoke
from gitops_ml.delivery.verify import Answer, Published, verify, wanted_of
from gitops_ml.delivery.workbench import laid_out
from gitops_ml.errors import Fault

LONGEST = 500
"""Characters of a problem: proofs travel as one job output, and problems are shown in a comment."""
MOST = 8


@dataclass(frozen=True)
class Target:
    """A version for an environment. ``problems``: what its pointer says wrongly, where there is one."""

    environment: str
    version: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """What was found out of one version: for whom, and lines that are no problems."""

    proofs: Proofs
    notes: tuple[str, ...]


Run = Callable[[Path, Release], tuple[int, list[str], Answer | None]]


def changed(root: Path, base: str, head: str, storage: Any = None) -> tuple[list[Target], list[str]]:
    """The versions that the pointers changed by ``head`` name; and pointers that cannot be read, in words.

    Raises :class:`Fault` where the commits are not here.
    """
    targets, notes = [], []
    for path in changed_pointers(root, tree.commit_of(root, base), tree.commit_of(root, head)):
        try:
            pointer = Pointer.parse(tree.plain(root, head, path), path)
        except Fault:
            notes.append(f"{path} is removed or cannot be read, so it names no version that could be proven")
            continue
        found = problems_of(root, base, head, path, storage=storage)
        targets.append(Target(environment_of(path) or "", pointer.version, tuple(found)))
    return targets, notes


def prove(
    root: Path,
    targets: Sequence[Target],
    *,
    base: str = "HEAD",
    storage: Any = None,
    run: Run | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Shown:
    """A proof for each target, in order; each version is run once. ``base``: main, whose policy retires versions.

    ``run``: what stands in for serving the version and verifying its verdict.
    """
    model = tree.model_name(root, base)
    listed = {one.version: one for one in releases(root, model)}
    ran: dict[str, tuple[str | None, int, list[str]]] = {}
    proofs, notes = [], []
    for target in targets:
        release = listed.get(target.version)
        problems, sha256, rows = list(target.problems), None, 0
        if release is None:
            problems = problems or [
                f"there is no tag {tag_of(model, target.version)}: this version was never released"
            ]
        elif not problems:
            if target.version not in ran:
                say(f"{target.version}: fetching, serving and judging it again")
                sha256, rows, found, answer = _once(root, base, release, storage, run or by_serving)
                ran[target.version] = (sha256, rows, found)
                if answer is not None and answer.word != "differs" and not found:
                    notes.append(f"{target.version}: {answer.why}")
            sha256, rows, problems = ran[target.version]
        proofs.append(
            Proof(
                environment=target.environment,
                version=target.version,
                revision=None if release is None else release.commit,
                sha256=sha256 if not problems else None,
                rows=0 if problems else rows,
                problems=[_short(problem) for problem in problems[:MOST]],
            )
        )
    return Shown(Proofs(version=1, proofs=proofs), tuple(notes))


def _once(
    root: Path, base: str, release: Release, storage: Any, run: Run
) -> tuple[str | None, int, list[str], Answer | None]:
    """sha256, rows that were answered, problems, and what came of the verdict."""
    try:
        wanted = wanted_of(root, release)
        said = recorded(root, release.tag, "sha256")
        if said is not None and said != wanted.sha256:
            return (
                None,
                0,
                [f"the tag {release.tag} records sha256 {said[:12]}; its files name {wanted.sha256[:12]}"],
                None,
            )
        problems = problems_of_release(root, base, release, storage=storage)
        if problems:
            return None, 0, problems, None
        rows, problems, answer = run(root, release)
    except (Fault, OSError) as wrong:
        return None, 0, [f"{release.version}: {wrong}"], None
    return wanted.sha256, rows, [*problems, *_of_verdict(release, answer)], answer


def by_serving(
    root: Path, release: Release, published: Published | None = None
) -> tuple[int, list[str], Answer | None]:
    """Serve it and ask the smoke rows; judge it again on the same bench. Raises :class:`Fault` where it does not answer."""
    with laid_out(root, wanted_of(root, release)) as bench:
        with serving(bench) as service:
            rows = smoke(bench, service)
        return rows, [], verify(root, release, bench=bench, published=published)


def _of_verdict(release: Release, answer: Answer | None) -> list[str]:
    if answer is None or answer.word == "same":
        return []
    if answer.word == "differs":
        return [f"the verdict of {release.version} does not come out again: {'; '.join(answer.differs[:4])}"]
    # Another suite may not be able to read what an old one wrote, and the champion of then may be gone: that is said, and
    # says nothing against this version. A way back must not be closed by what became of a third one.
    return (
        []
        if answer.other_suite or answer.rival_lost
        else [f"the verdict of {release.version} cannot be computed again: {answer.why}"]
    )


def _short(problem: str) -> str:
    text = " ".join(problem.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
