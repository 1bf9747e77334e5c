"""`gitops-ml preview`: the comment, the version and the workflows of a pull request, before anything is pushed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_ml import shell
from gitops_ml.errors import Fault

if TYPE_CHECKING:
    from gitops_ml.preview.story import Story

RULE = "  " + "-" * 78


@click.command()
@click.option(
    "--base", metavar="BRANCH", help="Where the pull request would go. Default: origin/main, else main"
)
def preview(base: str | None) -> None:
    """Show what a pull request from here would say. Nothing is pushed, built or written into the project."""
    from gitops_ml.build.plan_command import default_base
    from gitops_ml.preview.story import rooms, story

    root = shell.project()
    committed(root)
    told = story(root, base or default_base(root), rooms(lambda text: click.echo(text, err=True)))
    click.echo(screen(root, told))


def screen(root: Path, told: Story) -> str:
    """For a person: the comment as CI would write it, then what follows from a merge, then the next command."""
    commits = f"{told.commits} commit" + ("" if told.commits == 1 else "s")
    lines = [f"  preview   {commits} on top of {told.base}", ""]
    if told.comment is not None:
        # Said outside of the comment, which is as CI would write it.
        lines += ["  comment   preview: made from bytes of this machine; CI builds its own", RULE]
        lines += [told.comment.strip(), RULE]
    else:
        first, *rest = told.missing.splitlines() or ["none"]
        lines += [f"  comment   none: {first}", *(f"          {line}" for line in rest)]
    lines += [f"  note      {note.removeprefix('note: ')}" for note in told.notes]
    version = f"{told.version}: {told.why}" if told.version else f"none: {told.why}"
    lines += ["", f"  version   {version} (by the tags that are here)", ""]
    for title, when in (("opening", "pull request"), ("merging", "merge")):
        starts = [one for one in told.starts if one.when == when]
        for number, one in enumerate(sorted(starts, key=lambda one: not one.starts)):
            what = f"{'starts' if one.starts else 'leaves'} {one.file}"
            lines.append(f"  {title if number == 0 else '':<9} {what:<28} {one.why}")
    others = [one for one in told.starts if one.when == "otherwise"]
    for number, one in enumerate(others):
        lines.append(f"  {'neither' if number == 0 else '':<9} {'starts ' + one.file:<28} {one.why}")
    if not told.starts:
        lines.append("  starts    nothing: there is no workflow in .github/workflows")
    return "\n".join([*lines, "", f"  next      {_next(root, told)}"])


def _next(root: Path, told: Story) -> str:
    if not told.commits:
        return "commit a change on a branch: git switch -c NAME"
    branch = shell.ask_git(root, "symbolic-ref", "--short", "--quiet", "HEAD") or "HEAD"
    if branch in ("main", "HEAD"):
        return f"give it a branch: git switch -c NAME, then {shell.prefix(root)}gitops-ml preview"
    return (
        f"{shell.prefix(root)}gitops-ml storage push && git push -u origin {branch}, then open a pull request"
    )


def committed(root: Path) -> None:
    """A pull request is commits: what is not committed would be shown, and not be in it."""
    from gitops_ml.project import commits

    known = set(shell.git(root, "ls-files", "-z", "--cached").split("\0"))
    left = [path for path in commits.changed(root) if path in known or commits.ours(path)]
    if left:
        shown = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
        raise Fault(
            f"not committed: {shown}. A pull request is made of commits.\n"
            '  Commit them: git add --all && git commit -m "..."'
        )
