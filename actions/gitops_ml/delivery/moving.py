"""What deploy, promote and roll-back share: main as it is now, and whether a version may be served, by checks and by proof."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proofs
from gitops_ml.delivery import tree
from gitops_ml.delivery.champion import environments, pointer_path
from gitops_ml.delivery.offer import pointer_text
from gitops_ml.delivery.pointer import check_pointer
from gitops_ml.delivery.proofs import lacking, read
from gitops_ml.delivery.retired import refusal, retired
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.actions import in_actions
from gitops_ml.forge.client import Forge

JOB_TOKEN = "GITOPS_ML_JOB_TOKEN"  # a job's own token, where GITOPS_ML_TOKEN is an App's
Target = tuple[str, str]
"""An environment and a version."""


@dataclass(frozen=True)
class Desk:
    """What moving works with. ``root``: a checkout with the whole history; ``job``: the forge as this job's own token
    sees it, which keeps tags and deployments, so that an App needs no right to these."""

    root: Path
    forge: Forge
    token: str
    job: Forge
    storage: Any  # the module gitops_ml.storage, or what stands in for it


@dataclass(frozen=True)
class Look:
    """Main's tip, and what it says: the model's name, and where it is served, in the order of promotion."""

    main: str
    model: str
    environments: list[str]


def at_work(root: Path) -> Desk:
    """The desk of this repository, with this job's tokens and the real storage."""
    from gitops_ml import storage
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import checked, token

    where = place(root)
    secret = token(where)
    own = os.environ.get(JOB_TOKEN, "").strip()
    forge = connect(where, secret)
    job = connect(where, checked(own, JOB_TOKEN)) if own and own != secret else forge
    return Desk(root, forge, secret, job, storage)


def look(desk: Desk) -> Look:
    """Fetch main and the tags, and read what main says. Raises :class:`Fault`."""
    base = desk.forge.default_branch()
    remote = f"refs/remotes/origin/{base}"
    # Forced: a tag is what the server says. What is gone there is told by whoever misses it.
    commits.fetch(
        desk.root, desk.forge.place, desk.token, f"+refs/heads/{base}:{remote}", "+refs/tags/*:refs/tags/*"
    )
    main = tree.commit_of(desk.root, remote)
    return Look(main, tree.model_name(desk.root, main), environments(desk.root, main))


def objections(desk: Desk, seen: Look, environment: str, content: Pointer, proofs: Proofs) -> list[str]:
    """Why an environment may not serve what a pointer names, each one sentence; empty: it may.

    What needs no code of the project is looked at here, again, as on a pull request that brings this pointer; the rest is
    what the proof of exactly this environment, version and bytes says. A proof that is not there is no proof.
    """
    path = pointer_path(environment)
    text = pointer_text(content, environment).encode()
    # Two commits that no ref names: main without the pointer, and with it.
    there = tree.blob_id(desk.root, seen.main, path) is not None
    apart = commits.commit_files(desk.root, [seen.main], {path: None} if there else {}, "Without")
    change = commits.commit_files(desk.root, [apart], {path: text}, "With")
    found = check_pointer(desk.root, apart, change, storage=desk.storage)
    found = [problem.removeprefix(f"{path}: ") for problem in found]
    gone = retired(desk.root, seen.main, content.version)
    if gone is not None:
        return [refusal(content.version, gone)]
    return found or lacking(proofs, environment, content.version, content.sha256)


def given_or_made(root: Path, proofs: str, target: Target) -> Proofs:
    """The proofs that the job before handed over; on a laptop, without any, `gitops-ml prove` makes one here.

    A job that may write runs no code of the project: there it is no proof at all. Raises :class:`Fault`.
    """
    if proofs.strip() or in_actions():
        return read(proofs)
    return _prove(root, target)


def _prove(root: Path, target: Target) -> Proofs:
    with tempfile.TemporaryDirectory(prefix="gitops-ml-") as folder:
        answer = Path(folder) / "output"
        env = shell.environment() | {"GITHUB_OUTPUT": str(answer)}
        command = [sys.executable, "-m", "gitops_ml", "prove", "--target", "=".join(target)]
        done = subprocess.run(command, cwd=root, env=env, check=False)
        said = answer.read_text("utf-8") if answer.exists() else ""
    if done.returncode:
        raise Fault(
            f"whether {target[1]} can be served could not be found out, so nothing is opened.\n"
            f"  See what is wrong: gitops-ml prove --target {'='.join(target)}"
        )
    # As GitHub reads it: name<<mark, lines, mark.
    found = re.search(r"^proofs<<(\S+)\n(.*?)\n\1$", said, re.MULTILINE | re.DOTALL)
    return read(found[2] if found else "")


def refused(content: Pointer, environment: str, problems: list[str]) -> Fault:
    """The Fault of a version that may not be served: nothing is opened."""
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return Fault(
        f"{content.version} cannot be served in {environment}, so nothing is opened:{lines}\n"
        f"  Name another version; bytes that are missing: gitops-ml storage verify"
    )
