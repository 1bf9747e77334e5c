"""`gitops-ml storage`: the bytes behind dvc.lock, wherever the project keeps them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from gitops_ml import shell

YES = click.option("--yes", is_flag=True, help="Do it without asking.")


@click.group()
def storage() -> None:
    """The bytes of data and models: in this repository's own refs, or in an object store."""


@storage.command()
@click.argument("paths", nargs=-1)
@click.option(
    "--from", "refs", multiple=True, metavar="REF", help="Look in this ref only, e.g. refs/dvc/pr/7."
)
def pull(paths: tuple[str, ...], refs: tuple[str, ...]) -> None:
    """Fetch what is missing of PATHS (default: all that dvc.lock and .dvc files name) and write the files."""
    from gitops_ml.storage.pulling import pull

    root = shell.project()
    report = pull(root, _inside(root, paths), refs=refs or None)
    click.echo(report.screen())


@storage.command()
@click.option("--to", "ref", metavar="REF", help="Default: refs/dvc/branch/<the current branch>.")
def push(ref: str | None) -> None:
    """Store the bytes that dvc.lock and .dvc files name, for CI and for colleagues."""
    from gitops_ml.storage.pushing import push

    root = shell.project()
    click.echo(push(root, ref or _own_ref(root)).screen())


@storage.command()
@click.option("--all", "every", is_flag=True, help="Read also what no version names, in every ref.")
def verify(every: bool) -> None:
    """Read every object of HEAD and of every released version where it is stored; status 1 names each loss."""
    from gitops_ml.storage.objects import releases
    from gitops_ml.storage.report import count
    from gitops_ml.storage.verifying import verify

    root = shell.project()
    losses = verify(root, every=every)
    versions = releases(root)
    if not losses:
        click.echo(f"  whole     every object of HEAD and of {len(versions)} released versions")
        return
    click.echo(f"  lost      {count(len(losses))}")
    for loss in sorted(losses, key=lambda loss: (loss.path, loss.md5)):
        click.echo(f"            {loss}")
    prefix = shell.prefix(root)
    click.echo(f"\n  next      {prefix}gitops-ml storage push   where the bytes still are: sets them right")
    click.echo(f"            {prefix}gitops-ml reproduce      builds them again from data and code")
    sys.exit(1)


@storage.command()
@click.argument("url")
@YES
def move(url: str, yes: bool) -> None:
    """Move the bytes from git to URL: s3:// gs:// azure:// ssh:// or an absolute path."""
    from gitops_ml.storage.moving import move

    report = move(shell.project(), url, _agree(yes))
    click.echo("nothing was changed" if report is None else report.screen())


@storage.command()
@click.option(
    "--pr", "pulls", type=int, multiple=True, help="A pull request that is closed; may be repeated."
)
@click.option("--yes", is_flag=True, help="Delete them; without it they are only listed.")
def prune(pulls: tuple[int, ...], yes: bool) -> None:
    """List, or delete, the refs of branches and pull requests that are over."""
    from gitops_ml.storage.pruning import prune

    root = shell.project()
    again = " ".join(["gitops-ml storage prune", *(f"--pr {number}" for number in pulls), "--yes"])
    click.echo(prune(root, pulls, delete=yes).screen(shell.prefix(root) + again))


@storage.command()
@click.argument("target", metavar="PATH|MD5")
@click.option("--revision", help="The path as this revision names it; default: as the workspace does.")
@YES
def forget(target: str, revision: str | None, yes: bool) -> None:
    """Erase an object for ever (personal data), and say what can no longer be reproduced."""
    from gitops_ml.storage.forgetting import forget
    from gitops_ml.storage.objects import MD5

    root = shell.project()
    name = target if MD5.fullmatch(target) else (_inside(root, (target,)) or [target])[0]
    result = forget(root, name, revision, _agree(yes))
    click.echo("nothing was changed" if result is None else result.screen())


def _inside(root: Path, paths: tuple[str, ...]) -> list[str] | None:
    """Paths as typed in this folder, relative to the project; a stage's name stays."""
    if not paths:
        return None
    here = Path.cwd().resolve()
    below = os.path.relpath(here, root)
    return [
        os.path.relpath(here / path, root) if os.path.isabs(path) or below != "." else path for path in paths
    ]


def _own_ref(root: Path) -> str:
    from gitops_ml.errors import Fault

    branch = shell.ask_git(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    if branch is None:
        raise Fault(
            "no branch is checked out, so there is no ref of yours to push to. Say --to refs/dvc/branch/NAME"
        )
    return f"refs/dvc/branch/{branch}"


def _agree(yes: bool) -> Callable[[str], bool]:
    return lambda question: yes or click.confirm(question)
