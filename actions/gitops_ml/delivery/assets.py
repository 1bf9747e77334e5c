"""What a GitHub release carries and says: card, verdict, measurements, lock, Bento, and the checksums of all of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.card.markdown import bytes_, code, number, plain, table
from gitops_ml.contracts.base import to_json, write_text
from gitops_ml.contracts.training import Artifact
from gitops_ml.contracts.verdict import Check, Measurements, Verdict
from gitops_ml.delivery import tree
from gitops_ml.delivery.bento import file_sha256
from gitops_ml.delivery.releases import Release
from gitops_ml.forge.place import Place
from gitops_ml.report.text import words

CARD = "MODEL_CARD.md"
CARD_DATA = "reports/model_card.json"
SUMS = "SHA256SUMS"
# What every release has; the Bento comes where one was built.
OF_GIT = (CARD, "model_card.json", "dvc.lock", SUMS)
ALL = (*OF_GIT, "verdict.json", "measurements.json")
MARKS = {"pass": "✅", "fail": "⛔", "unknown": "❔"}
COMMITS = 20  # listed under "what changed"


@dataclass(frozen=True)
class Story:
    """What the text of a release is made of. ``verdict`` None: the run that judged was cut off before it could attach it."""

    release: Release
    previous: Release | None
    model: Artifact
    why: str
    passed: str
    verdict: Verdict | None


def collect(
    root: Path,
    release: Release,
    folder: Path,
    verdict: Verdict | None,
    measurements: Measurements | None,
    bento: Path | None = None,
) -> dict[str, Path]:
    """Write the assets into a folder: name -> file. ``folder`` must be empty."""
    commit = release.commit
    card = tree.content(root, commit, CARD)
    if card is not None:
        write_text(folder / CARD, released_card(card.decode("utf-8", "replace"), release))
    for name, path in (("model_card.json", CARD_DATA), ("dvc.lock", "dvc.lock")):
        content = tree.content(root, commit, path)
        if content is not None:
            (folder / name).write_bytes(content)
    if verdict is not None:
        verdict.write_json(folder / "verdict.json")
    if measurements is not None:
        write_text(folder / "measurements.json", to_json(measurements.model_dump(mode="json")))
    if bento is not None:
        shutil.copy(bento, folder / f"{release.tag.replace('@', '-')}.bento")
    found = {path.name: path for path in sorted(folder.iterdir())}
    lines = [f"{file_sha256(path)}  {name}\n" for name, path in found.items()]
    write_text(folder / SUMS, "".join(lines))
    return {**found, SUMS: folder / SUMS}


def released_card(card: str, release: Release) -> str:
    """The card with version and revision below its title: in git it has neither, because both come after it."""
    line = f"**Version {plain(release.version)}**, commit {code(release.commit)}, tag {code(release.tag)}."
    start = 0
    front = re.match(r"---\n.*?\n---\n", card, re.DOTALL)
    if front is not None:
        start = front.end()
    title = re.compile(r"^# .*$", re.MULTILINE).search(card, start)
    if title is None:
        return f"{card[:start]}\n{line}\n\n{card[start:].lstrip()}"
    return f"{card[: title.end()]}\n\n{line}{card[title.end() :]}"


def text(root: Path, place: Place, story: Story, assets: Mapping[str, Path]) -> str:
    """The body of the GitHub release."""
    release, model = story.release, story.model
    parts = [
        _first_lines(root, release),
        f"**Why {release.version}:** {plain(story.why)}.",
        _judged(story),
        f"## What changed\n\n{_changed(root, place, story)}",
        "## To serve it, and to go back\n\n"
        f"Merge the pull request that names {release.version} in `deploy/`. To go back, run the workflow `roll-back` (on a "
        "laptop: `gitops-ml roll-back`), and merge its pull request: it proves that the earlier version still loads and "
        "answers, changes the pointer only, and the bytes of every version stay in the store.",
        f"## Checksums\n\n{code(model.path)}, {bytes_(model.size)}, sha256 {code(model.sha256)}\n\n"
        + table(
            ["file", "sha256"],
            ([code(name), code(file_sha256(path))] for name, path in assets.items() if name != SUMS),
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _first_lines(root: Path, release: Release) -> str:
    """What the card says first: between its title and its first section."""
    card = (tree.content(root, release.commit, CARD) or b"").decode("utf-8", "replace")
    found = re.search(r"^# .*?\n(.*?)(?=^## )", card, re.MULTILINE | re.DOTALL)
    # The note on unanswered questions is for the team, not for those who read a release.
    lines = [line for line in (found[1] if found else "").strip().splitlines() if not line.startswith("> ")]
    return "\n".join(lines).strip()


def _judged(story: Story) -> str:
    if story.verdict is None:
        return f"**Judged:** {words(story.passed)}. The run that judged was cut off before it attached its verdict."
    checks = story.verdict.checks
    rows = [[MARKS[check.outcome], plain(check.title), plain(check.reason)] for check in checks]
    listed = "\n\n" + table(["", "check", ""], rows) if rows else ""
    return f"**Judged:** {words(story.passed)}.{_primary(checks)}{listed}"


def _primary(checks: list[Check]) -> str:
    """The first measured comparison in one sentence."""
    for check in checks:
        if check.champion is not None and check.challenger is not None:
            name = plain(check.metric or check.id)
            return f" {name} {number(check.champion)} → {number(check.challenger)}."
    return ""


def _changed(root: Path, place: Place, story: Story) -> str:
    release, previous = story.release, story.previous
    if previous is None:
        return "This is the first release."
    listed = shell.git(
        root, "log", "--first-parent", "--format=%s", f"{previous.commit}..{release.commit}"
    ).splitlines()
    lines = [f"- {plain(subject)}" for subject in listed[:COMMITS]]
    if len(listed) > COMMITS:
        lines.append(f"- and {len(listed) - COMMITS} more")
    link = f"{place.web}/compare/{previous.commit[:12]}...{release.commit[:12]}"
    return "\n".join([*lines, "", f"[All changes since {previous.version}]({link})"])
