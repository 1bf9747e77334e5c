"""`gitops-ml promote` and `gitops-ml roll-back`: by hand, the pull request that moves an environment forward or back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gitops_ml import shell

if TYPE_CHECKING:
    from gitops_ml.contracts.proof import Proofs
    from gitops_ml.delivery.moving import Desk, Look
    from gitops_ml.delivery.promote import Aim, Opened

Act = Callable[["Desk", "Look", "Aim", "Proofs"], "Opened"]


def options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that both have, besides where and what."""
    plan = click.option("--plan", is_flag=True, help="Only say what must be proven: ENVIRONMENT=VERSION.")
    proofs = click.option(
        "--proofs",
        default="",
        help="What `gitops-ml prove` said, as JSON. Default: it is run here, on a laptop",
    )
    return plan(proofs(command))


@click.command()
@click.option(
    "--environment", default="", help="Where. Default: the first one that is behind the one before it"
)
@click.option("--version", default="", help="Which. Default: what the environment before it serves")
@options
def promote(environment: str, version: str, plan: bool, proofs: str) -> None:
    """Open the pull request that serves a version in the next environment."""
    from gitops_ml.delivery import moving
    from gitops_ml.delivery import promote as promoting

    desk = moving.at_work(shell.project())
    seen = moving.look(desk)
    at = promoting.aim(desk, seen, environment.strip(), version.strip())
    _go("Promote", desk, seen, at, promoting.promote, plan, proofs)


@click.command("roll-back")
@click.option(
    "--environment", default="", help="Where. Default: the last one of policy.yaml, which callers use"
)
@click.option("--version", default="", help="To which. Default: the version that was served before")
@options
def roll_back(environment: str, version: str, plan: bool, proofs: str) -> None:
    """Open the pull request that serves an earlier version again."""
    from gitops_ml.delivery import moving
    from gitops_ml.delivery import roll_back as rolling

    desk = moving.at_work(shell.project())
    seen = moving.look(desk)
    at = rolling.aim(desk, seen, environment.strip(), version.strip())
    _go("Roll back", desk, seen, at, rolling.roll_back, plan, proofs)


def _go(title: str, desk: Any, seen: Any, at: Aim | None, act: Act, plan: bool, proofs: str) -> None:
    from gitops_ml.delivery import moving
    from gitops_ml.forge import actions

    if at is None:
        lines = ["nothing to promote: no environment is behind the one before it"]
    elif plan:
        actions.output("targets", "=".join(at.target))
        lines = [f"to prove: {'='.join(at.target)}"]
    else:
        opened = act(desk, seen, at, moving.given_or_made(desk.root, proofs, at.target))
        actions.output("number", opened.number or "")
        actions.output("url", opened.url)
        lines = [*opened.lines, opened.url]
    actions.summary(f"### {title}: {lines[0]}")
    click.echo("\n".join(dict.fromkeys(lines)))
