"""Offers a released version to an environment: the standing pull request that changes its pointer, and nothing else."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.training import Artifact
from gitops_ml.delivery.champion import first_environment, pointer_of, pointer_path
from gitops_ml.delivery.judgement import Word
from gitops_ml.delivery.releases import Release, numbers, tag_of
from gitops_ml.delivery.retired import refusal, retired
from gitops_ml.delivery.served import history
from gitops_ml.delivery.standing import Branch, put, request
from gitops_ml.forge.client import Forge
from gitops_ml.forge.opening import Opened
from gitops_ml.forge.place import Place
from gitops_ml.report.text import words

LABEL = "gitops-ml: deploy"
BACK = "To go back after a merge: run the workflow `roll-back`, and merge its pull request."
PASSED = {
    "pass": "It passed every check.",
    "accepted": "It needed a person's approval, and has it.",
    "override": "It passed with an override (overrides.yaml).",
}


@dataclass(frozen=True)
class Offer:
    """A pointer for an environment, and what people read of it. ``status``: why its head may be merged."""

    environment: str
    content: Pointer
    branch: str
    title: str
    body: str
    label: str
    status: str


def pointer(model: str, release: Release, artifact: Artifact, verdict: Word) -> Pointer:
    """The pointer of a release for the first environment."""
    return Pointer(
        model=model,
        version=release.version,
        revision=release.commit,
        path=artifact.path,
        sha256=artifact.sha256,
        size=artifact.size,
        image=None,
        verdict=verdict,
        promoted_from=None,
    )


def pointer_text(content: Pointer, environment: str) -> str:
    """The pointer as a file."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 200
    stream = io.StringIO()
    yaml.dump(content.model_dump(mode="json"), stream)
    return (
        f"# What {environment} serves. Changed by pull request only; to go back: gitops-ml roll-back\n"
        f"{stream.getvalue()}"
    )


def propose(root: Path, forge: Forge, token: str, main: str, made: Offer) -> tuple[Opened, str]:
    """Open or update the pull request of an offer on top of ``main``, the newest commit of the default branch; and what
    was done. Whoever calls has seen that the version can be served: the head gets the required status.

    Raises :class:`gitops_ml.delivery.standing.Occupied`.
    """
    files = {pointer_path(made.environment): pointer_text(made.content, made.environment).encode()}
    message = f"{made.title}\n\nsha256 {made.content.sha256}"
    head = put(root, forge, token, Branch(made.branch, main, files, message))
    opened = request(
        forge,
        branch=made.branch,
        base=forge.default_branch(),
        title=made.title,
        body=made.body,
        labels=[made.label],
    )
    forge.set_status(head, "success", made.status)
    what = f"#{opened.number}" if opened.number is not None else opened.url
    return opened, f"{what} offers {made.content.version} to {made.environment}"


def offer(
    root: Path,
    forge: Forge,
    token: str,
    main: str,
    content: Pointer,
    why: str,
    url: str,
    argued: str | None = None,
) -> tuple[Opened | None, str]:
    """A release's own offer, to the first environment; nothing where :func:`declined` says why.

    Raises :class:`gitops_ml.delivery.standing.Occupied`.
    """
    environment = first_environment(root, main)
    refused = declined(root, forge, main, environment, content)
    if refused is not None:
        _block_retired(root, forge, main, environment, content)
        return None, refused
    served = pointer_of(root, main, environment)
    made = serving(
        content,
        environment,
        served,
        why,
        url,
        f"{content.version} was judged and released; only the pointer changes",
        argued,
    )
    return propose(root, forge, token, main, made)


def declined(root: Path, forge: Forge, main: str, environment: str, content: Pointer) -> str | None:
    """Why no robot offers a version to an environment; None: it may. A person who asks for it is not asked.

    The pointer names this version or a newer one; it is retired; the pointer named it once and was taken back since, by
    whatever means: a roll-back, a revert; or the pull request of this very version was closed. A robot does not ask twice.
    """
    served = pointer_of(root, main, environment)
    if served is not None and numbers(served.version) >= numbers(content.version):
        return f"{environment} is set to {served.version} already"
    reason = retired(root, main, content.version)
    if reason is not None:
        return f"{refusal(content.version, reason)}, and is not offered"
    again = f"{content.version} is not offered again"
    if any(named.pointer.version == content.version for named in history(root, main, environment)):
        return f"{environment} was set to {content.version} once, and taken back since: {again}"
    for pull in forge.pulls(state="closed", head=branch_of(environment)):
        if pull.title == title_of(content, environment) and not pull.fork:
            word = "merged, and taken back since" if pull.merged else "closed without a merge"
            return f"#{pull.number} was {word}: {again}"
    return None


def _block_retired(root: Path, forge: Forge, main: str, environment: str, content: Pointer) -> None:
    """A version that was retired while it is offered: its pull request can no longer be merged."""
    reason = retired(root, main, content.version)
    if reason is None:
        return
    for pull in forge.pulls(head=branch_of(environment)):
        if pull.title == title_of(content, environment) and not pull.fork:
            forge.set_status(pull.head_sha, "failure", f"Blocked: {refusal(content.version, reason)}")


def branch_of(environment: str) -> str:
    """The standing branch that moves an environment forward."""
    return f"deploy/{environment}"


def title_of(content: Pointer, environment: str) -> str:
    """The title of the pull request that moves it."""
    return f"Serve {content.model} {content.version} in {environment}"


def release_url(place: Place, content: Pointer) -> str:
    """The page of a pointer's release."""
    return f"{place.web}/releases/tag/{tag_of(content.model, content.version)}"


def serving(
    content: Pointer,
    environment: str,
    served: Pointer | None,
    why: str,
    url: str,
    status: str,
    argued: str | None = None,
) -> Offer:
    """The offer that moves an environment forward. ``url``: of the release; ``why``: this version, in words.

    ``argued``: who answers for which check, where it passed with an override.
    """
    passed = PASSED[content.verdict] + (
        f" {words(argued)}." if argued and content.verdict == "override" else ""
    )
    now = (
        f"Now **{served.version}** (sha256 `{served.sha256[:8]}`) is served."
        if served
        else "Nothing is served yet."
    )
    source = "The next release updates" if content.promoted_from is None else "The next promotion updates"
    body = (
        f"### Serve [{content.version}]({url}) in {environment}\n\n"
        f"{now} {passed} Why this version: {why}.\n\n"
        f"Only `{pointer_path(environment)}` changes: sha256 `{content.sha256}`, the bytes that were judged and released "
        f"as [{content.version}]({url}), from commit {content.revision}.\n\n"
        f"Next: merge it to serve this version. {source} this pull request; closing it keeps what is served, and stays "
        f"quiet until then. {BACK}\n"
    )
    return Offer(
        environment, content, branch_of(environment), title_of(content, environment), body, LABEL, status
    )
