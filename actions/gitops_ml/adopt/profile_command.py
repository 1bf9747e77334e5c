"""`gitops-ml profile`: the prepared data described in reports/data_profile.json; the last step of prepare."""

from __future__ import annotations

import click


@click.command()
def profile() -> None:
    """Describe data/prepared in reports/data_profile.json: nulls, quantiles, categories, balance, duplicates, overlap."""
    from gitops_ml.adopt.profile import write_profile

    found = write_profile()
    click.echo(
        f"profile: {found.rows.total:,} rows, {len(found.columns)} columns, "
        f"{found.duplicates.rows:,} repeated, {found.overlap.rows:,} test rows also in training"
    )
