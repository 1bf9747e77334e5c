"""`gitops-ml explore`: Evidently's page about the project's table, to look at before modelling."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("reports/explore.html"), show_default=True
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="At most so many rows, evenly spaced.",
)
def explore(output: Path, rows: int) -> None:
    """Write one self-contained HTML page: distributions, empty cells, and correlations of every column."""
    from gitops_ml.adopt.explore import write_page

    click.echo(f"explore: {write_page(output, rows):,} rows described in {output}; open it in a browser")
