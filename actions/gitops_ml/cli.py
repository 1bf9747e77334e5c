"""The command line: one verb per capability. A verb's module is imported only when the verb is called."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from gitops_ml import __version__
from gitops_ml.errors import Fault

VERBS = {
    "adopt": "gitops_ml.adopt.command:adopt",
    "schema": "gitops_ml.adopt.schema_command:schema",
    "profile": "gitops_ml.adopt.profile_command:profile",
    "explore": "gitops_ml.adopt.explore_command:explore",
    "check": "gitops_ml.adopt.check_command:check",
    "card": "gitops_ml.card.command:card",
    "track": "gitops_ml.track.command:track",
    "first-run": "gitops_ml.project.first_run:first_run",
    "reproduce": "gitops_ml.project.reproduce:reproduce",
    "status": "gitops_ml.project.status:status",
    "storage": "gitops_ml.storage.command:storage",
    "publish": "gitops_ml.publish.command:publish",
    "preview": "gitops_ml.preview.command:preview",
    "gates": "gitops_ml.selftest.command:gates",
    "plan": "gitops_ml.build.plan_command:plan",
    "build": "gitops_ml.build.command:build",
    "check-project": "gitops_ml.build.check_project:check_project",
    "unpack": "gitops_ml.build.unpack:unpack",
    "score": "gitops_ml.build.score_command:score",
    "judge": "gitops_ml.ruling.command:judge",
    "policy": "gitops_ml.policy.command:policy",
    "override": "gitops_ml.policy.override_command:override",
    "approve": "gitops_ml.ruling.command:approve",
    "report": "gitops_ml.report.command:report",
    "release": "gitops_ml.delivery.command:release",
    "refresh": "gitops_ml.delivery.command:refresh",
    "audit": "gitops_ml.audit.command:audit",
    "template": "gitops_ml.template.command:template",
    "prove": "gitops_ml.delivery.prove_command:prove",
    "verify-verdict": "gitops_ml.delivery.prove_command:verify_verdict",
    "deploy": "gitops_ml.delivery.deploy_command:deploy",
    "promote": "gitops_ml.delivery.move_command:promote",
    "roll-back": "gitops_ml.delivery.move_command:roll_back",
    "check-drift": "gitops_ml.drift.command:check_drift",
    "record-drift": "gitops_ml.drift.command:record_drift",
    "open-pull-request": "gitops_ml.forge.command:open_pull_request",
}


class Verbs(click.Group):
    """A click group whose commands are looked up in :data:`VERBS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, name = VERBS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gitops-ml")
def cli() -> None:
    """Git is the truth: data, models and what is served change by pull request."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; a :class:`Fault` becomes one ``error:`` text and exit status 1."""
    os.environ.setdefault("DO_NOT_TRACK", "true")
    try:
        return cli.main(args=arguments, prog_name="gitops-ml")
    except Fault as fault:
        click.echo(f"error: {fault}", err=True)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            from gitops_ml.forge.actions import output, report_fault

            report_fault(fault)
            output("reason", str(fault)[:4000])
        sys.exit(1)
