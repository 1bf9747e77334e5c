"""`gitops-ml audit`: what disagrees with main, on one screen, and on request in one issue."""

from __future__ import annotations

import json
import sys

import click

from gitops_ml import shell

KEY = "audit"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the screen.")
@click.option(
    "--issue",
    "keep",
    is_flag=True,
    help="Keep one issue of what disagrees: opened, updated, closed when all agrees. Needs a token that may write issues.",
)
def audit(as_json: bool, keep: bool) -> None:
    """Compare everything with main: pointers, tags, deployments, releases, stored bytes, schedules, the rule. Mends nothing.

    Status 1 where something disagrees, or could not be looked at. With --issue the issue is the alarm, and only what could not
    be looked at is status 1. Without a token, git is looked at alone.
    """
    from gitops_ml.audit import report
    from gitops_ml.audit.looking import audit as look
    from gitops_ml.audit.scene import scene
    from gitops_ml.errors import Fault
    from gitops_ml.forge import actions
    from gitops_ml.forge.client import connect
    from gitops_ml.forge.place import place
    from gitops_ml.forge.token import token

    root = shell.project()
    forge, secret, without = None, "", ""
    try:
        where = place(root)
        secret = token(where)
        forge = connect(where, secret)
    except Fault as fault:
        if keep:
            raise
        without = str(fault).splitlines()[0]
    found = look(scene(root, forge, secret, without))
    if keep and forge is not None:
        if found.findings:
            forge.issue(KEY, report.title(found), report.issue(found))
        elif found.healthy:
            forge.close_issue(KEY, f"All of it agrees again, at {found.commit[:12]}.")
    actions.output("findings", len(found.findings))
    actions.output("healthy", found.healthy)
    actions.summary(
        f"### {'☕' if found.healthy else '⛔'} {report.title(found)}\n\n{report.markdown(found)}"
    )
    click.echo(json.dumps(report.plain(found), indent=2) if as_json else report.screen(found))
    for check in found.failed:
        actions.annotation("error", f"Could not look at {check.title}", check.failed)
    if found.failed or (found.findings and not keep):
        sys.exit(1)
