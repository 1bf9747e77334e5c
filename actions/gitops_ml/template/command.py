"""`gitops-ml template`: a newer version of the template, merged into what the team made of the older one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

SOURCE = click.option(
    "--source", "given", default=None, help="The template's git repository. Default: the recorded one."
)


@click.group()
def template() -> None:
    """Keep the project current with the template that made it."""


@template.command()
@click.option("--to", default=None, metavar="VERSION", help="Which version. Default: the newest.")
@SOURCE
@click.option(
    "--check",
    is_flag=True,
    help="Only look. Exit status 0: up to date; 1: a newer one is there; 2: could not look.",
)
def update(to: str | None, given: str | None, check: bool) -> None:
    """Merge a newer template on the branch template/update: one commit, or real conflicts to decide.

    The older and the newer version are rendered with the recorded answers; what differs between them is merged into
    HEAD. Lock files, reports, data and models are never touched by it. If it fails, nothing has changed.
    """
    from gitops_ml.template import laptop

    root = shell.project()
    if not check:
        click.echo(laptop.update(root, given, to))
        return
    try:
        newer, line = laptop.newest(root, given, to)
    except Fault as fault:
        click.echo(f"error: {fault}", err=True)
        sys.exit(2)
    click.echo(line)
    sys.exit(int(newer))


@template.command()
@SOURCE
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("template"),
    help="Folder for the result. Default: template",
)
def render(given: str | None, out: Path) -> None:
    """Make the update of HEAD as a sealed folder, for a later job that may write. Runs the template's hooks."""
    from gitops_ml.forge import actions
    from gitops_ml.template import sealed

    root = shell.project()
    made, digest = sealed.seal(root, given, out)
    actions.output("digest", digest)
    actions.output("outcome", made.outcome)
    line = sealed.line(made)
    actions.summary(f"### Template: {line}")
    click.echo(line)


@template.command()
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("template"),
    help="Folder that `template render` made. Default: template",
)
@click.option("--digest", required=True, help="sha256 of its manifest, as the job that rendered said it.")
@click.option("--may-push-workflows", default="false", help="true: the token may change .github/workflows/.")
def offer(folder: Path, digest: str, may_push_workflows: str) -> None:
    """Open or update the one pull request of the update; or, where robots may not, the one issue that says what to run."""
    from gitops_ml.delivery.command import at_work
    from gitops_ml.forge import actions
    from gitops_ml.template import offer as room
    from gitops_ml.template import sealed

    root = shell.project()
    opened = sealed.opened(folder, digest)
    desk = at_work(root)
    done = room.offer(root, desk.forge, desk.token, opened, folder, may_push_workflows == "true")
    actions.output("number", done.number or "")
    actions.output("head", done.head or "")
    actions.summary(f"### {done.text}")
    click.echo(done.text)
