"""`gitops-ml schema`: look at the data contract, and change one line of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SCHEMA = Path("schema.yaml")


@click.group()
def schema() -> None:
    """Show or edit schema.yaml; comments and other lines stay as they are."""


@schema.command()
def show() -> None:
    """Print the contract as a table."""
    from gitops_ml.adopt.schema_edit import table_text
    from gitops_ml.contracts.schema import SchemaFile

    click.echo(table_text(SchemaFile.read(SCHEMA)))


@schema.command()
@click.argument("column")
@click.argument("values", nargs=-1, required=True, metavar="VALUE...")
def allow(column: str, values: tuple[str, ...]) -> None:
    """Add each VALUE to the categories of COLUMN."""
    from gitops_ml.adopt.schema_edit import allow

    _change(column, lambda entry: allow(entry, column, values))


@schema.command()
@click.argument("column")
@click.option("--minimum", type=float, help="The new lower bound.")
@click.option("--maximum", type=float, help="The new upper bound.")
def widen(column: str, minimum: float | None, maximum: float | None) -> None:
    """Widen the range of COLUMN: to the values given, or else to fit the project's table."""
    from gitops_ml.adopt.schema_edit import fitted, widen

    if minimum is None and maximum is None:
        minimum, maximum = fitted(column, SCHEMA)
    _change(column, lambda entry: widen(entry, column, minimum, maximum))


@schema.command("set")
@click.argument("column")
@click.option(
    "--available/--unavailable", default=None, help="Whether it is known when the prediction is made."
)
@click.option("--nullable/--not-nullable", default=None, help="Whether a cell may be empty.")
@click.option(
    "--role",
    type=click.Choice(["feature", "target", "id", "time", "group", "ignored"]),
    help="What it is for; the target is moved by adopt --target.",
)
@click.option("--reason", metavar="TEXT", help="Why, for the next reader; '' removes it.")
def set_(
    column: str, available: bool | None, nullable: bool | None, role: str | None, reason: str | None
) -> None:
    """Say of COLUMN what it is for, whether it is known when predicting, and whether it may be empty.

    The rows are not looked at: the next `gitops-ml reproduce` does that. adopt --drop, --id, --time and --group
    set a role and look at the rows first.
    """
    from gitops_ml.adopt.schema_edit import set_

    _change(
        column,
        lambda entry: set_(entry, column, role=role, available=available, nullable=nullable, reason=reason),
    )


@schema.command()
@click.argument("folder", type=click.Path(path_type=Path))
def export(folder: Path) -> None:
    """Write the JSON Schema of every contract file into FOLDER."""
    from gitops_ml.contracts.export import export

    for path in export(folder):
        click.echo(path)


def _change(column: str, edit: Callable[[Any], list[str]]) -> None:
    from gitops_ml.adopt.schema_edit import change

    for line in change(SCHEMA, column, edit):
        click.echo(line)
