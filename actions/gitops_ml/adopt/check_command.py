"""`gitops-ml check`: every contract file of the project is valid and agrees with the others. Used by pre-commit."""

from __future__ import annotations

import click


@click.command()
def check() -> None:
    """Check the project's YAML files against their contracts and against each other; names all problems at once."""
    from gitops_ml.adopt.check import problems
    from gitops_ml.errors import Fault

    found = problems()
    if found:
        many = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        raise Fault(
            f"the project's files do not agree ({many})\n\n" + "\n".join(f"  {problem}" for problem in found)
        )
    click.echo("check: all contract files are valid and agree")
