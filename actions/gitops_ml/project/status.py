"""`gitops-ml status`: model, data, card, what is served, what is stale and the next command, on one screen."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_ml import shell
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.errors import Fault
from gitops_ml.project import commits, facts


@click.command()
def status() -> None:
    """Say what there is, what is stale, and the next command."""
    click.echo(screen(shell.project()))


def screen(root: Path) -> str:
    """The screen's text. Works before the first run, and where bytes are not on this machine."""
    prefix = shell.prefix(root)
    lines = [f"  {facts.name(root)}", ""]
    if not (root / "dvc.lock").exists():
        lines += _rows("model", ["no model yet"]) + _rows("data", [_safe(facts.data_line, root)])
        lines += _rows("card", [_safe(facts.card_line, root)]) + _rows("served", served(root))
        return "\n".join([*lines, "", f"  next      {prefix}gitops-ml first-run"])
    trained = _safe(_model, root)
    stale, following = _stale(root, prefix)
    lines += _rows("model", trained.split("\n")) + _rows("data", [_safe(facts.data_line, root)])
    lines += _rows("card", [_safe(facts.card_line, root)]) + _rows("served", served(root))
    lines += _rows("override", [overridden]) if (overridden := _safe(_overrides, root)) else []
    lines += _rows("stale", stale or ["nothing"])
    return "\n".join([*lines, "", f"  next      {following}"])


def _rows(title: str, texts: list[str]) -> list[str]:
    return [f"  {title if number == 0 else '':<9} {text}" for number, text in enumerate(texts)]


def _safe(line: object, root: Path) -> str:
    """A line, or the first line of why it cannot be told: status must not fail where it is needed most."""
    try:
        return str(line(root))  # type: ignore[operator]
    except Fault as fault:
        return "unreadable: " + str(fault).splitlines()[0]


def _model(root: Path) -> str:
    if facts.model(root) is None:
        return f"its bytes are not on this machine{facts.score(root)}\nfetch them: {shell.prefix(root)}gitops-ml storage pull"
    return f"{facts.model_line(root)}\n{facts.bytes_line(root)}"


def served(root: Path) -> list[str]:
    """One line for each environment with a pointer."""
    lines = []
    for path in sorted((root / "deploy").glob("*/model.yaml")):
        try:
            pointer = Pointer.read(path)
            lines.append(
                f"{path.parent.name}: {pointer.version}, sha256 {pointer.sha256[:8]}... ({pointer.verdict})"
            )
        except Fault as fault:
            lines.append(f"{path.parent.name}: {str(fault).splitlines()[0]}")
    return lines or ["nothing yet"]


def _overrides(root: Path) -> str:
    """How many overrides hold and how many have ended; empty where there are none."""
    from gitops_ml.contracts.base import read_plain
    from gitops_ml.policy.tally import tally

    path = root / "overrides.yaml"
    return tally(read_plain(path), path.name).line if path.exists() else ""


def _stale(root: Path, prefix: str) -> tuple[list[str], str]:
    """What is stale, and the command that helps with the first of it."""
    from gitops_ml.track.sync import waiting

    try:
        stages = facts.stale(root)
    except Fault as fault:
        return [str(fault)], f"{prefix}dvc status"
    lines, following = list(stages), ""
    if stages:
        following = f"{prefix}gitops-ml reproduce"
    paths = [path for path in _uncommitted(root) if commits.ours(path)]
    if paths:
        lines.append(
            "not committed: "
            + ", ".join(paths[:3])
            + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        )
        following = following or 'git add --all && git commit -m "..."'
    # A stale workspace cannot be recorded before it is reproduced.
    runs = [] if stages else waiting(root)
    if runs:
        lines.append("not recorded: " + ", ".join(found.places[0].title for found in runs[:3]))
        following = following or f"{prefix}gitops-ml track sync"
    return lines, following or _when_clean(root, prefix)


def _uncommitted(root: Path) -> list[str]:
    try:
        return commits.changed(root)
    except Fault:
        return []


def _when_clean(root: Path, prefix: str) -> str:
    if "unknown" in _safe(facts.card_line, root):
        return f"answer what is unknown in model_card.yaml, then: {prefix}gitops-ml reproduce"
    return f"change params.yaml or src/, then: {prefix}gitops-ml reproduce"
