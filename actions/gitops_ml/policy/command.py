"""`gitops-ml policy`: what the reviewers' file protects, and what each of its keys means."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from gitops_ml import shell


@click.group(invoke_without_command=True)
@click.pass_context
def policy(context: click.Context) -> None:
    """Say which checks stop a model, which only tell, and what is unprotected, with the line that changes it."""
    if context.invoked_subcommand is None:
        click.echo(screen(shell.project()))


@policy.command()
@click.argument("key", required=False)
def explain(key: str | None) -> None:
    """Explain every key of policy.yaml, or KEY and what it holds: meaning, type, what is in force, the default."""
    from gitops_ml.contracts.base import read_plain
    from gitops_ml.contracts.policy import PolicyFile
    from gitops_ml.policy import explain as explaining
    from gitops_ml.policy.keys import find, keys

    path = shell.project() / "policy.yaml"
    chosen = keys() if key is None else find(key)
    in_force = PolicyFile.read(path).model_dump(mode="json")
    click.echo(explaining.text(chosen, read_plain(path), in_force, width()).strip("\n"))


def screen(root: Path) -> str:
    """The whole screen, with where the rules come from and the next command."""
    from gitops_ml.contracts.policy import PolicyFile
    from gitops_ml.contracts.schema import SchemaFile
    from gitops_ml.policy import screen as screening

    rules, schema = PolicyFile.read(root / "policy.yaml"), SchemaFile.read(root / "schema.yaml")
    told = screening.text(rules, schema, width(), _changed_hands(root))
    return (
        f"{told}\n\n  A pull request is judged by main's policy.yaml, never by its own.\n"
        f"  next      {shell.prefix(root)}gitops-ml policy explain slices    what a key means"
    )


def width() -> int:
    """Columns of this terminal, within what is pleasant to read."""
    return max(60, min(shutil.get_terminal_size((100, 24)).columns, 110))


def _changed_hands(root: Path) -> bool:
    """By main as this clone knows it; a project without commits has served nothing."""
    from gitops_ml.build.plan_command import default_base
    from gitops_ml.delivery.handed_over import handed_over
    from gitops_ml.errors import Fault

    try:
        base = default_base(root)
    except Fault:
        return False
    return handed_over(root, base)
