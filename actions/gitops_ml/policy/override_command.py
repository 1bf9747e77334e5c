"""`gitops-ml override`: answer for one check of one model that failed, in overrides.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell

if TYPE_CHECKING:
    from gitops_ml.policy.override import Written


@click.command()
@click.argument("check")
@click.option(
    "--reason", required=True, metavar="TEXT", help="Why it is right all the same, in at least 10 letters."
)
@click.option(
    "--expires",
    required=True,
    metavar="DATE",
    help="The last day it holds, such as 2027-01-31; a year at most.",
)
@click.option("--owner", metavar="NAME", help="Who answers for it. Default: git's user.name")
@click.option("--model", metavar="SHA256", help="Of the model's bytes. Default: the model of this checkout")
def override(check: str, reason: str, expires: str, owner: str | None, model: str | None) -> None:
    """Answer for CHECK, an id as the comment and the verdict name it, such as quality/roc_auc: writes overrides.yaml.

    It holds for this check and these bytes alone, until its last day; somebody else approves it with the pull request. An
    entry of the same check and model is replaced. Nothing is committed.
    """
    from gitops_ml.policy.override import Asked, entry, write

    root = shell.project()
    written = write(root, entry(root, Asked(check, reason, expires, owner, model)))
    click.echo(screen(root, written))


def screen(root: Path, written: Written) -> str:
    """The entry, for what it holds, who must approve, and the next command."""
    from gitops_ml.policy.codeowners import owners

    one, prefix = written.entry, shell.prefix(root)
    asked = ", ".join(owners(root, "overrides.yaml"))
    day = one.expires.isoformat()
    lines = [
        f"  overrides.yaml: {'changed' if written.updated else 'added'}",
        "",
        f"    check     {one.check}",
        f"    sha256    {one.sha256}",
        f"    owner     {one.owner}",
        f"    reason    {one.reason}",
        f"    expires   {day}",
        "",
        f"  holds     for model {one.sha256[:8]} and {one.check} alone, until {day}. Bytes that CI builds anew need an entry",
        "            of their own: compare the digest with the one in the pull request's comment",
    ]
    if one.check != "protected":
        lines += [
            f"  approves  somebody else with write access{f' (asked: {asked})' if asked else ''}, in the pull request",
            "            Nobody else there? Answer for that, too:",
            f"            {prefix}gitops-ml override protected --reason TEXT --expires {day}",
        ]
    else:
        lines.append("  approves  nobody: it holds only where nobody but the author has write access")
    check = f"Override {one.check}".replace('"', "'")
    return "\n".join(
        [*lines, "", f'  next      git add overrides.yaml && git commit -m "{check}" && git push']
    )
