"""`gitops-ml deploy`: what main's pointers say is proven, and then shown: stage tags, GitHub Deployments, the next offer.

Level-triggered: for each environment the pointer on main's tip is compared with what the projections say. The tag comes
before the deployment, so what is seen last rests on what came before it; MLflow's alias came before both, in a job of its
own. Nothing moves without a proof.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import click

from gitops_ml.contracts.pointer import Pointer
from gitops_ml.contracts.proof import Proofs
from gitops_ml.delivery import moving
from gitops_ml.delivery.champion import pointer_of, pointer_path
from gitops_ml.delivery.following import follow, following
from gitops_ml.delivery.moving import Desk, Look, Target
from gitops_ml.delivery.proofs import proof_of, read
from gitops_ml.delivery.served import Stage, history, stage_message, stage_tag, stages
from gitops_ml.errors import Fault
from gitops_ml.forge import actions
from gitops_ml.forge.deployments import Deployment


@dataclass(frozen=True)
class Standing:
    """An environment: what main says (``commit`` brought it), and what stage tag and deployment say. None: nothing."""

    environment: str
    pointer: Pointer | None
    commit: str
    stage: Stage | None
    deployment: Deployment | None

    @property
    def tagged(self) -> bool:
        """Whether the newest stage tag is of the pointer."""
        return self.pointer is not None and self.stage is not None and self.stage.names(self.pointer)

    @property
    def shown(self) -> bool:
        """Whether the newest deployment is of the pointer, and went well."""
        there, pointer = self.deployment, self.pointer
        if there is None or pointer is None:
            return False
        return there.names(pointer.version, pointer.sha256) and there.state == "success"

    @property
    def behind(self) -> bool:
        """Whether something of what follows the pointer does not."""
        return self.pointer is not None and not (self.tagged and self.shown)


@dataclass
class Outcome:
    """What was done, for the summary. ``ok`` False: something that main wants served cannot be, and the run is red."""

    ok: bool = True
    lines: list[str] = field(default_factory=list)


def run(root: Path, proofs: str, plan: bool) -> None:
    """The verb: with ``plan`` only say what must be proven; else move what may move. Exits with 1 where something may not."""
    desk = moving.at_work(root)
    if plan:
        wanted = targets(desk)
        text = " ".join(f"{environment}={version}" for environment, version in wanted)
        actions.output("targets", text)
        line = f"to prove: {text}" if text else "everything follows its pointer"
        actions.summary(f"### Deploy: {line}")
        click.echo(line)
        return
    outcome = deploy(desk, read(proofs))
    actions.summary(
        "\n".join([f"### {'🚀' if outcome.ok else '⛔'} Deploy", "", *(f"- {x}" for x in outcome.lines)])
    )
    click.echo("\n".join(outcome.lines))
    if not outcome.ok:
        actions.annotation("error", "Not served as main says", outcome.lines[-1])
        sys.exit(1)


def targets(desk: Desk) -> list[Target]:
    """What must be proven: pointers that their projections do not follow, and versions that are offered next."""
    seen = moving.look(desk)
    found: list[Target] = []
    for environment in seen.environments:
        now = stand(desk, seen, environment)
        if now.behind and now.pointer is not None:
            found.append((environment, now.pointer.version))
    for earlier, later in pairwise(seen.environments):
        content = following(desk, seen, earlier, later)
        if content is not None:
            found.append((later, content.version))
    return list(dict.fromkeys(found))


def deploy(desk: Desk, proofs: Proofs) -> Outcome:
    """Move every environment's projections to its pointer, where the proof is good; then offer it to the next one.

    Raises :class:`Fault` where it cannot go on; the next run starts from what is there.
    """
    seen = moving.look(desk)
    outcome = Outcome()
    healthy = [
        environment for environment in seen.environments if _move(desk, seen, environment, proofs, outcome)
    ]
    for earlier, later in pairwise(seen.environments):
        if earlier in healthy:
            line, well = follow(desk, seen, earlier, later, proofs)
            outcome.lines += [line] if line else []
            outcome.ok = outcome.ok and well
    outcome.lines += [] if outcome.lines else ["nothing is served yet"]
    return outcome


def stand(desk: Desk, seen: Look, environment: str) -> Standing:
    """Where an environment stands."""
    pointer = pointer_of(desk.root, seen.main, environment)
    newest = next(iter(stages(desk.root, seen.model, environment)), None)
    if pointer is None:
        return Standing(environment, None, "", newest, None)
    commit = history(desk.root, seen.main, environment)[0].commit
    return Standing(environment, pointer, commit, newest, desk.job.deployment(environment))


def _move(desk: Desk, seen: Look, environment: str, proofs: Proofs, outcome: Outcome) -> bool:
    """One environment; whether it is served as main says."""
    now = stand(desk, seen, environment)
    if now.pointer is None:
        if now.stage is not None:
            outcome.lines.append(
                f"{environment}: main names nothing any more, and {now.stage.version} was served last. Nothing is done: "
                f"to serve again, name a version in {pointer_path(environment)}"
            )
        return False
    version = now.pointer.version
    if not now.behind:
        _close(desk, environment, version)
        outcome.lines.append(f"{environment}: {version} is served, as main says")
        return True
    if proof_of(proofs, environment, version) is None and _overtaken(desk, now):
        outcome.lines.append(
            f"{environment}: main has moved on to {version}, which its own run proves and serves"
        )
        return False
    problems = moving.objections(desk, seen, environment, now.pointer, proofs)
    if problems:
        _refuse(desk, seen, now, problems, outcome)
        return False
    _show(desk, seen, now)
    _close(desk, environment, version)
    outcome.lines.append(
        f"{environment}: {version} is proven, and served now (sha256 {now.pointer.sha256[:8]})"
    )
    return True


def _overtaken(desk: Desk, now: Standing) -> bool:
    """Whether the commit of this run names something else than main's tip: a newer run has the tip's proof."""
    try:
        return pointer_of(desk.root, "HEAD", now.environment) != now.pointer
    except Fault:
        return True


def _show(desk: Desk, seen: Look, now: Standing) -> None:
    """Stage tag, then deployment."""
    assert now.pointer is not None
    if not now.tagged:
        number = now.stage.number + 1 if now.stage is not None else 1
        tag = stage_tag(seen.model, now.environment, number)
        desk.job.create_tag(
            tag, now.pointer.revision, stage_message(now.pointer, now.environment, now.commit)
        )
    made = _deployment(desk, seen, now)
    desk.job.deployment_status(
        made, "success", f"{now.pointer.version} is proven and served", actions.run_url()
    )


def _refuse(desk: Desk, seen: Look, now: Standing, problems: list[str], outcome: Outcome) -> None:
    """Nothing moves; the deployment says why, and one issue."""
    assert now.pointer is not None
    made = _deployment(desk, seen, now)
    version, environment = now.pointer.version, now.environment
    desk.job.deployment_status(made, "failure", f"{version} is not served: {problems[0]}", actions.run_url())
    before = now.stage.version if now.stage is not None else "nothing"
    listed = "".join(f"- {problem}\n" for problem in problems)
    body = (
        f"`{pointer_path(environment)}` on main names **{version}**, which cannot be served:\n\n{listed}\n"
        f"Nothing was moved: tags, deployments and aliases still say **{before}**.\n\n"
        f"To go on: run the workflow `roll-back` for {environment} and merge its pull request; or mend what is wrong and run "
        "the workflow `deploy` again. This issue is updated in place, and closed when what main names is served.\n"
    )
    url = desk.forge.issue(
        _reason(environment), f"{environment} does not serve {version}, which main names", body
    )
    outcome.ok = False
    outcome.lines.append(
        f"{environment}: {version} is not served: {'; '.join(problems)}. Nothing was moved. See {url}"
    )


def _deployment(desk: Desk, seen: Look, now: Standing) -> Deployment:
    assert now.pointer is not None
    payload = {"version": now.pointer.version, "sha256": now.pointer.sha256}
    description = f"{now.pointer.model} {now.pointer.version}"
    last = now.environment == seen.environments[-1]
    return desk.job.deploy(now.environment, now.commit, payload, description, last)


def _close(desk: Desk, environment: str, version: str) -> None:
    desk.forge.close_issue(_reason(environment), f"{environment} serves {version}, as main says.")


def _reason(environment: str) -> str:
    return f"deploy {environment}"
