"""Offers a released version to the first environment: the standing pull request that changes its pointer, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

from ruamel.yaml import YAML

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.training import Artifact
from gitops_ml.delivery.champion import first_environment, pointer_of, pointer_path
from gitops_ml.delivery.judgement import Word
from gitops_ml.delivery.releases import Release, numbers
from gitops_ml.delivery.retired import refusal, retired
from gitops_ml.delivery.standing import Branch, put, request
from gitops_ml.forge.client import Forge
from gitops_ml.forge.opening import Opened

LABEL = "gitops-ml: deploy"


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
    return f"# What {environment} serves. Changed by pull request only; to go back, revert one.\n{stream.getvalue()}"


def offer(
    root: Path,
    forge: Forge,
    token: str,
    main: str,
    content: Pointer,
    why: str,
    url: str,
) -> tuple[Opened | None, str]:
    """Open or update the pull request on top of ``main``, the newest commit of the default branch; and what was done.

    Nothing where the pointer names this version or a newer one; nor where the pull request of this very version was
    closed, or merged and the pointer was taken back since: a robot does not ask twice. Raises :class:`gitops_ml.delivery.standing.Occupied`.
    """
    environment = first_environment(root, main)
    served = pointer_of(root, main, environment)
    if served is not None and numbers(served.version) >= numbers(content.version):
        return None, f"{environment} is set to {served.version} already"
    branch = f"deploy/{environment}"
    title = f"Serve {content.model} {content.version} in {environment}"
    reason = retired(root, main, content.version)
    if reason is not None:
        line = refusal(content.version, reason)
        for pull in forge.pulls(head=branch):
            if pull.title == title and not pull.fork:
                forge.set_status(pull.head_sha, "failure", f"Blocked: {line}")
        return None, f"{line}, and is not offered"
    for pull in forge.pulls(state="closed", head=branch):
        if pull.title == title and not pull.fork:
            word = "merged, and taken back since" if pull.merged else "closed without a merge"
            return None, f"#{pull.number} was {word}: {content.version} is not offered again"
    files = {pointer_path(environment): pointer_text(content, environment).encode()}
    message = f"{title}\n\nsha256 {content.sha256}"
    head = put(root, forge, token, Branch(branch, main, files, message))
    opened = request(
        forge,
        branch=branch,
        base=forge.default_branch(),
        title=title,
        body=_body(content, environment, served, why, url),
        labels=[LABEL],
    )
    forge.set_status(head, "success", f"{content.version} was judged and released; only the pointer changes")
    what = f"#{opened.number}" if opened.number is not None else opened.url
    return opened, f"{what} offers {content.version} to {environment}"


def _body(content: Pointer, environment: str, served: Pointer | None, why: str, url: str) -> str:
    now = (
        f"Now **{served.version}** (sha256 `{served.sha256[:8]}`) is served."
        if served
        else "Nothing is served yet."
    )
    passed = {
        "pass": "It passed every check.",
        "accepted": "It needed a person's approval, and has it.",
        "override": "It passed with an override (overrides.yaml).",
    }[content.verdict]
    return (
        f"### Serve [{content.version}]({url}) in {environment}\n\n"
        f"{now} {passed} Why this version: {why}.\n\n"
        f"Only `{pointer_path(environment)}` changes: sha256 `{content.sha256}`, the bytes that were judged and released "
        f"as [{content.version}]({url}), from commit {content.revision}.\n\n"
        "Next: merge it to serve this version. The next release updates this pull request; closing it keeps what is "
        "served, and stays quiet until then. To go back after a merge: its *Revert* button.\n"
    )
