"""`gitops-ml publish`: says what becomes visible to whom, asks before each step, and ends with a repository that works."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.forge.place import Place
    from gitops_ml.publish.host import Who
    from gitops_ml.publish.run import Outcome, Talk
    from gitops_ml.publish.step import Work
    from gitops_ml.publish.visible import Visible

IDENTITY = (
    "the workflows act as GITHUB_TOKEN. That works, but what they push or open starts no other workflow. A GitHub App of "
    "your own is better: the variable GITOPS_ML_APP_ID, the secret GITOPS_ML_APP_KEY (cookiecutter-gitops-ml, "
    "docs/how-to/github-app.md)"
)
COLUMNS = 110
I_UNDERSTAND = "--i-understand-everyone-can-read-the-rows"


@click.command()
@click.option("--repository", metavar="OWNER/NAME", help="Default: the remote origin; else YOU/project")
@click.option("--server", metavar="URL", help="Default: the remote's, GITHUB_SERVER_URL, https://github.com")
@click.option(
    "--public/--private", "public", default=None, help="Who reads a new repository. Default: private"
)
@click.option("--dry-run", is_flag=True, help="Only show the plan: nothing is written, here or there")
@click.option(
    "--yes", is_flag=True, help="Answer each question with yes, but not that everyone may read the rows"
)
@click.option(I_UNDERSTAND, "understood", is_flag=True, help="That yes, where nobody can be asked")
def publish(
    repository: str | None,
    server: str | None,
    public: bool | None,
    dry_run: bool,
    yes: bool,
    understood: bool,
) -> None:
    """Put the project on GitHub: repository, bytes, settings. It can be run again: what is done stays done."""
    from gitops_ml.forge.place import Place
    from gitops_ml.forge.token import token
    from gitops_ml.publish import check, where
    from gitops_ml.publish.host import GitHub, check_token
    from gitops_ml.publish.run import go
    from gitops_ml.publish.step import Work
    from gitops_ml.publish.steps import steps
    from gitops_ml.publish.stock import Bytes
    from gitops_ml.publish.visible import remote, visible

    root = shell.project()
    notes = check.ready(root)
    place = where.wanted(root, repository, server)
    secret = token(place)
    who = check_token(GitHub(place, secret, root), public=public is True)
    if not place.owner:
        place = Place(place.server, place.api, who.login, place.name)
    work = Work(
        root,
        GitHub(place, secret, root),
        Bytes(root, secret, remote(root)),
        None if public is None else not public,
    )
    seen = visible(root)
    click.echo(opening(work, seen, who, notes, dry_run))
    outcomes = go(steps(work), work, _talk(work, yes, understood), dry_run)
    click.echo(closing(root, place, outcomes, seen, dry_run))


def opening(work: Work, seen: Visible, who: Who, notes: list[str], dry: bool) -> str:
    """Where it goes, and what becomes visible to whom: read before the first question."""
    from gitops_ml.publish.visible import whom

    place, visibility = work.host.place, work.visibility()
    new = "new" if work.repository() is None else "exists"
    lines = [
        "",
        f"  publish   {place.web} ({new}, {visibility}), as {who.login}" + (" - a dry run" if dry else ""),
        "",
        f"  visible   to {whom(visibility)}",
    ]
    lines += [wrapped(f"            {line}") for line in seen.lines()]
    if who.expires:
        notes = [*notes, f"the token ends on {who.expires}"]
    lines += [wrapped(f"  note      {note}") for note in notes]
    return "\n".join([*lines, ""])


def closing(root: Path, place: Place, outcomes: list[Outcome], seen: Visible, dry: bool) -> str:
    """What is not as it should be, how the workflows log in, and what to watch."""
    if dry:
        planned = sum(outcome.came == "planned" for outcome in outcomes)
        again = f"{shell.prefix(root)}gitops-ml publish"
        return f"\n  A dry run: nothing was written. {planned} of {len(outcomes)} steps are to do: {again}"
    came = {outcome.title: outcome.came for outcome in outcomes}
    lacks = [outcome for outcome in outcomes if outcome.came in ("impossible", "left")]
    lines = ["", f"  {place.web} " + ("works, with exceptions:" if lacks else "is ready."), ""]
    lines += [wrapped(f"  {outcome.title:<9} {outcome.says}") for outcome in lacks]
    lines += ["", wrapped(f"  identity  {IDENTITY}")] if lacks else [wrapped(f"  identity  {IDENTITY}")]
    if seen.storage:
        needs = f"the workflows need to read and write {seen.storage}: give them its keys as secrets"
        lines.append(wrapped(f"  storage   {needs}"))
    watch = "started" if came.get("main") == "done" else "runs when main moves"
    lines += [
        "",
        f"  next      {place.web}/actions/workflows/release.yml   the first release ({watch})",
        f"            {place.web}/pulls   then: merge the pull request that serves it",
        f"            {shell.prefix(root)}gitops-ml status",
    ]
    return "\n".join(lines)


def wrapped(line: str) -> str:
    """A long line, gone on below where its text began: behind its first gap of two blanks or more."""
    first = re.match(r"\s*\S.*?\s{2,}|\s*", line)
    return textwrap.fill(
        line,
        COLUMNS,
        subsequent_indent=" " * len(first[0] if first else ""),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )


def _talk(work: Work, yes: bool, understood: bool) -> Talk:
    from gitops_ml.publish.run import Talk

    def agree(line: str) -> bool:
        if yes:
            click.echo(wrapped(line))
            return True
        _someone("--yes answers each question with yes")
        return click.confirm(wrapped(line), default=True)

    def understand() -> bool:
        if understood:
            return True
        slug, visibility = work.host.place.slug, work.visibility()
        if yes or not sys.stdin.isatty():
            raise Fault(
                f"{slug} is {visibility}: its rows would be read by others than those you let in, and --yes does not say "
                f"yes to that. Nothing was pushed.\n  If that is meant: add --public {I_UNDERSTAND}"
            )
        typed: str = click.prompt(
            f"  {slug} is {visibility}. Type its name to show the rows listed above", default=""
        )
        return typed.strip().lower() in (slug.lower(), work.host.place.name.lower())

    return Talk(lambda line: click.echo(wrapped(line)), agree, understand)


def _someone(otherwise: str) -> None:
    if not sys.stdin.isatty():
        raise Fault(
            f"nobody can be asked here: the input is no terminal. {otherwise}; --dry-run shows the plan."
        )
