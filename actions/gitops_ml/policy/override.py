"""Writes one entry of overrides.yaml: a person answers for one check of one model, with a reason and a last day."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gitops_ml import shell
from gitops_ml.adopt.yaml_text import edited, edited_text
from gitops_ml.build import lock as locks
from gitops_ml.build.plan_command import default_base
from gitops_ml.contracts.base import write_text
from gitops_ml.contracts.evaluation import Evaluation
from gitops_ml.contracts.overrides import Override, OverridesFile
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.verdict import Severity
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault

FILE, EVALUATION = "overrides.yaml", "reports/evaluation.json"
LONGEST = timedelta(days=365)
HEADER = """\
# yaml-language-server: $schema=.github/actions/schemas/overrides.schema.json
# A person answers for one check of one model, by its bytes, with a reason and a last day. Somebody else approves it.
# Write an entry: gitops-ml override CHECK --reason TEXT --expires YYYY-MM-DD
version: 1
overrides: []
"""


@dataclass(frozen=True)
class Written:
    """The entry as it stands in the file now; ``updated``: it stood there before, with other words."""

    entry: Override
    updated: bool


def write(root: Path, entry: Override) -> Written:
    """Put the entry into the project's overrides.yaml; comments and other entries stay as they are.

    Raises :class:`Fault`, with the file untouched, where it could not be read before or would not be valid after.
    """
    path = root / FILE
    if path.is_symlink():
        raise Fault(f"{FILE} is a link; CI reads plain files only. Replace it with a file.")
    there = path.exists()
    if there:
        OverridesFile.read(path)
    updated = False

    def put(content: CommentedMap) -> None:
        nonlocal updated
        listed = content.setdefault("overrides", CommentedSeq())
        words = {**entry.model_dump(include={"owner", "reason"}), "expires": entry.expires}
        for one in listed:
            if (one["check"], one["sha256"]) == (entry.check, entry.sha256):
                one.update(words)
                updated = True
                return
        listed.fa.set_block_style()
        listed.append(CommentedMap({"check": entry.check, "sha256": entry.sha256, **words}))

    text = edited(path, put) if there else edited_text(HEADER, path, put)
    OverridesFile.parse(YAML(typ="safe", pure=True).load(text), FILE)
    write_text(path, text)
    return Written(entry, updated)


@dataclass(frozen=True)
class Asked:
    """The command line; ``owner`` and ``model`` None: git's user, and the model of this checkout."""

    check: str
    reason: str
    expires: str
    owner: str | None = None
    model: str | None = None


def entry(root: Path, asked: Asked, today: date | None = None) -> Override:
    """The entry that a person asks for. Raises :class:`Fault` with what to write instead.

    ``today``: by UTC, as the gate counts days.
    """
    stoppable(asked.check, known(root))
    reason = " ".join(asked.reason.split())
    if sum(letter.isalpha() for letter in reason) < 10:
        raise Fault("the reason is too short: say in at least 10 letters why it is right all the same.")
    last = last_day(asked.expires, today or datetime.now(UTC).date())
    owner = asked.owner or shell.ask_git(root, "config", "user.name") or ""
    if not owner.strip():
        raise Fault("nobody answers for it: git has no user.name here. Say who: --owner NAME")
    model = asked.model or model_here(root)
    if len(model) != 64 or set(model) - set("0123456789abcdef"):
        raise Fault(
            f"--model {model}: the whole sha256 of the model is needed, 64 hexadecimal digits. The comment of the pull "
            "request shows it."
        )
    return Override(check=asked.check, sha256=model, owner=owner.strip(), reason=reason, expires=last)


def last_day(text: str, today: date) -> date:
    """The day that a text names, if it lies ahead, and by no more than a year. Raises :class:`Fault`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    example = (today + timedelta(days=90)).isoformat()
    if day is None or day.isoformat() != text:
        raise Fault(f"--expires {text}: a day is written as {example}.")
    if day <= today:
        raise Fault(f"--expires {text} is not ahead of today, {today.isoformat()}. Such as: {example}")
    if day - today > LONGEST:
        latest = (today + LONGEST).isoformat()
        raise Fault(
            f"--expires {text} is more than {LONGEST.days} days ahead. Whoever answers for it looks again by {latest} at "
            "the latest."
        )
    return day


def stoppable(check: str, severities: Mapping[str, Severity]) -> None:
    """Raises :class:`Fault` for a check that the gate does not make here, with near ones, or that stops nothing."""
    severity = severities.get(check)
    if severity == "note":
        raise Fault(f"{check} is a note: it stops no model, so no override is needed.")
    if severity is not None:
        return
    stops = [name for name, one in severities.items() if one != "note"]
    near = difflib.get_close_matches(check, stops, n=3, cutoff=0.5)
    near = near or [name for name in stops if name.partition("/")[0] == check.partition("/")[0]][:3]
    fix = f"Did you mean {' or '.join(near)}?" if near else f"Those that stop one here: {', '.join(stops)}"
    raise Fault(f"{check} is no check of the gate under this policy.yaml. {fix}")


def known(root: Path) -> dict[str, Severity]:
    """Ids of the checks that can come out here, each with the gravest severity: by this policy.yaml, and by main's,
    which judges."""
    from gitops_ml.gate.catalogue import severities

    schema = SchemaFile.read(root / "schema.yaml")
    found = severities(PolicyFile.read(root / "policy.yaml"), schema)
    try:
        base = default_base(root)
    except Fault:  # no main yet: there is one policy
        return found
    said = tree.plain(root, base, "policy.yaml")
    judging = {} if said is None else severities(PolicyFile.parse(said, f"policy.yaml of {base}"), schema)
    order: list[Severity] = ["note", "needs-human", "block"]
    for name, severity in judging.items():
        found[name] = max(severity, found.get(name, severity), key=order.index)
    return found


def model_here(root: Path) -> str:
    """sha256 of the model that this checkout's dvc.lock names, as its evaluation records it. Raises :class:`Fault`."""
    path = root / EVALUATION
    if not path.exists():
        raise Fault(
            f"{EVALUATION} is missing, so this checkout has no model. Name one: --model SHA256, as the comment of the pull "
            f"request shows it; or make one: {shell.prefix(root)}gitops-ml reproduce"
        )
    found = Evaluation.read(path).model_sha256
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if locks.producers(locks.read(root)).get(EVALUATION, md5) != md5:
        raise Fault(
            f"{EVALUATION} is not the one that dvc.lock names: the model of this checkout is unknown.\n"
            f"  Bring both in line: {shell.prefix(root)}dvc checkout, or {shell.prefix(root)}gitops-ml reproduce"
        )
    return found
