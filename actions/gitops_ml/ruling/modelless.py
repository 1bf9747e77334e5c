"""Rulings on heads that bring no new model: nothing to build, a change of the rules alone, a change of what is served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from gitops_ml.build import gold
from gitops_ml.contracts.overrides import OverridesFile
from gitops_ml.delivery import tree
from gitops_ml.errors import Fault
from gitops_ml.ruling.task import UNTESTED, Ruling, Task, blocked


def nothing(task: Task, changed: list[str], alone: Callable[[], bool]) -> Ruling:
    """No new model; a change of the rules still needs a second person."""
    from gitops_ml.delivery.champion import champion
    from gitops_ml.delivery.releases import model_sha256
    from gitops_ml.report import stopped

    if task.checks_failed:
        why = task.reason or "Lint or tests failed."
        return Ruling("block", UNTESTED, lambda head: stopped.failed("check", why, task.run_url))
    guarded = tuple(gold.guarded(task.root, "HEAD", changed))
    serving = champion(task.root, "HEAD")
    people = tuple(path for path in changed if path not in guarded)
    model = model_sha256(task.root, task.head) if guarded and alone() else None
    try:
        reason = _override(task, model)
    except Fault as fault:
        return blocked("judge", str(fault), task.run_url)

    def render(head: str) -> str:
        return stopped.nothing(people, guarded, serving.version if serving else None, model, reason)

    if not guarded:
        return Ruling("pass", "Nothing to build: the model stays", render)
    if reason is not None:
        return Ruling("pass", f"Override: {reason}", render)
    return Ruling("needs-human", f"Needs a human: it changes {', '.join(guarded)}", render)


def _override(task: Task, model: str | None) -> str | None:
    """The reason of an entry for the protected files, bound to the model that stays, and not expired."""
    content = tree.plain(task.root, task.head, "overrides.yaml")
    if content is None or model is None:
        return None
    for one in OverridesFile.parse(content, "overrides.yaml").overrides:
        if one.check == "protected" and one.sha256 == model and one.expires >= date.today():
            return f"{one.reason} ({one.owner})"
    return None


def pointer(task: Task, parted: str, changed: list[str]) -> Ruling:
    """A change of what is served: the version exists, its bytes are in the store, and it was proven that it answers."""
    from gitops_ml.contracts.pointer import Pointer
    from gitops_ml.delivery import proofs
    from gitops_ml.delivery.pointer import check_pointer, environment_of
    from gitops_ml.report import stopped

    problems = check_pointer(task.root, "HEAD", task.head)
    paths = [path for path in changed if environment_of(path) is not None]
    try:
        given = proofs.read(task.proofs)
        news = {path: Pointer.parse(tree.plain(task.root, task.head, path), path) for path in paths}
        path = paths[0] if paths else ""
        new = news[path] if paths else Pointer.parse(None, "deploy/<environment>/model.yaml")
        before = tree.plain(task.root, parted, path)
        old = None if before is None else Pointer.parse(before, path)
    except Fault as fault:
        why = "\n".join(problems) or str(fault)
        return Ruling(
            "block",
            f"Blocked: {why.splitlines()[0]}",
            lambda head: stopped.failed("judge", why, task.run_url),
        )
    if not problems:
        for name, one in news.items():
            lacking = proofs.lacking(given, name.split("/")[1], one.version, one.sha256)
            problems += [f"{name}: {problem}" for problem in lacking]
    environment = path.split("/")[1]
    proof = proofs.proof_of(given, environment, new.version)
    rows = 0 if proof is None else proof.rows
    first = problems[0] if problems else f"{new.version} in {environment}: {rows} rows answered as judged"
    return Ruling(
        "block" if problems else "pass",
        f"Blocked: {first}" if problems else f"Pass: {first}",
        lambda head: stopped.pointer(environment, old, new, tuple(problems), rows),
    )
