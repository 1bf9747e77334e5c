"""The verb open-pull-request: the one standing pull request of a branch that was pushed."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click


@click.command("open-pull-request")
@click.option("--branch", required=True, help="The branch, pushed already.")
@click.option("--base", default="", help="The branch to merge into. Default: the repository's own.")
@click.option("--title", required=True, help="The title, on one line.")
@click.option(
    "--body-file",
    "body_file",
    required=True,
    type=click.File("r", "utf-8"),
    help='Its text; "-" reads stdin.',
)
@click.option("--label", "labels", multiple=True, help="A label to add. Can be given again.")
@click.option("--reason", default="", help="What tells its issue, where one is needed. Default: the branch.")
def open_pull_request(
    branch: str, base: str, title: str, body_file: TextIO, labels: tuple[str, ...], reason: str
) -> None:
    """Open or update the one pull request of a pushed branch.

    Where a setting keeps GitHub Actions from opening pull requests, the branch stays as it is, the link that opens one
    is printed, and one issue says what to click; that is a warning, not a failure.
    """
    from gitops_ml.forge import actions
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.opening import open_or_explain
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token

    where = place(Path.cwd())
    forge = connect(where, token(where))
    opened = open_or_explain(
        forge,
        branch=branch.removeprefix("refs/heads/"),
        base=base or forge.default_branch(),
        title=" ".join(title.split()),
        body=body_file.read(),
        labels=labels,
        reason=reason or f"open {branch}",
    )
    actions.output("number", "" if opened.number is None else opened.number)
    actions.output("url", opened.url)
    actions.output("compare-url", opened.compare_url or "")
    if opened.number is None:
        click.echo(f"not opened: {opened.compare_url}")
        click.echo(f"what to click: {opened.url}")
        actions.summary(
            f"### ⚠️ Open this pull request yourself\n`{branch}` is pushed; GitHub Actions may not open pull requests "
            f"here. [Open it]({opened.compare_url}), or see [what to click]({opened.url})."
        )
    else:
        click.echo(f"#{opened.number} {opened.url}")
        actions.summary(f"Pull request [#{opened.number}]({opened.url}) of `{branch}`.")
