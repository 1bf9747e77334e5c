"""Comments without a verdict: something stopped on the way, there is nothing to build, or a pointer is moved."""

from __future__ import annotations

from gitops_ml.card.markdown import bytes_, folded, table
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.report.asking import APPROVE, answer
from gitops_ml.report.context import MARKER
from gitops_ml.report.text import block, clip, joined, name, some, version, words

# Stage of the workflow -> what stopped, and how a person tries it on a laptop.
STAGES = {
    "check": ("the project's own tests or linters fail", "uv run --group dev gitops-ml check-project"),
    "build": ("the pipeline does not run through", "uv run dvc repro"),
    "score": ("the new model cannot be scored", "uv run gitops-ml preview"),
    "judge": ("the evidence was refused", "uv run gitops-ml preview"),
    "prove": ("nobody could see whether this version can be served", "uv run gitops-ml prove --change HEAD"),
}


def failed(stage: str, reason: str, log_url: str = "", verdict: str = "", also: str = "") -> str:
    """A check, build, score or judge that stopped: which, why (the log's last lines), and how to try it.

    ``verdict``: the comment on the model, where there is one all the same; ``also``: why that blocks, too.
    """
    what, command = STAGES.get(stage, (f"{clip(stage)} failed", "uv run gitops-ml preview"))
    log = f"[The whole log]({log_url})." if log_url else ""
    return joined(
        [
            f"{MARKER}\n### ⛔ Blocked: {words(what)}{f', and {words(also, 160)}' if also else ''}",
            f"The workflow stopped in **{words(stage, 40)}**"
            + (":" if verdict else ", so there is no model to judge:"),
            block(reason or "Nothing was said about it."),
            log,
            f"**To go on:** try it on your machine with `{command}`, correct it, and push; this comment is then replaced.",
            folded("What the gate says of the model", verdict.removeprefix(MARKER), bool(also))
            if verdict
            else "",
        ]
    )


def nothing(
    changed: tuple[str, ...] = (),
    protected: tuple[str, ...] = (),
    champion: str | None = None,
    model: str | None = None,
    override: str | None = None,
) -> str:
    """A pull request without a new model. ``champion``: the version that stays.

    ``model``: the digest that an override is bound to, where nobody but the author could approve; ``override``: why it
    was accepted all the same.
    """
    stays = f"**{version(champion)}** stays" if champion else "No model is served yet, and none is made here"
    files = f" It changes {some([name(path, 80) for path in changed], 8, 'files')}." if changed else ""
    if not protected:
        return joined(
            [
                f"{MARKER}\n### 💤 Nothing to build",
                f"No data, code or param of the pipeline changes, so the model is the same. {stays}.{files}",
                "**Next:** review and merge.",
            ]
        )
    verdict = "✅ Pass, with an override" if override else "✋ Needs a human"
    following = "**Next:** review and merge." if override else APPROVE if model is None else answer(model)
    return joined(
        [
            f"{MARKER}\n### {verdict}: it changes the rules that judge others",
            f"**⚠️ Read these files first:** {some([name(path, 80) for path in protected], 10, 'files')}. "
            "They take effect with the merge; until then, main's copies judge.",
            f"There is nothing to build. {stays}.{files}",
            f"**Overridden:** {words(override)}" if override else "",
            following,
        ]
    )


def pointer(
    environment: str, old: Pointer | None, new: Pointer, problems: tuple[str, ...] = (), answered: int = 0
) -> str:
    """A pull request that only says what is served. ``problems``: what verification found; empty: all is well.

    ``answered``: rows that its service answered as the model predicts.
    """
    back = old is not None and _order(new.version) < _order(old.version)
    verb = "Roll back" if back else "Serve"
    where = name(environment)
    rows = [
        ["version", version(old.version) if old else "none", version(new.version)],
        ["sha256", name(old.sha256[:12]) if old else "", name(new.sha256[:12])],
        ["commit", name(old.revision[:8]) if old else "", name(new.revision[:8])],
        ["size", bytes_(old.size) if old else "", bytes_(new.size)],
        ["gate", words(old.verdict) if old else "", words(new.verdict)],
    ]
    facts = table(["", f"{where} now", "after the merge"], rows)
    if problems:
        return joined(
            [
                f"{MARKER}\n### ⛔ Blocked: {version(new.version)} cannot be served",
                "\n".join(f"{number}. {words(one)}" for number, one in enumerate(problems[:20], start=1)),
                facts,
                f"What is served stays as it is. **To go on:** point at another version, or try this one on your machine: "
                f"{name(f'uv run gitops-ml prove --target {environment}={new.version}', 120)}.",
            ]
        )
    return joined(
        [
            f"{MARKER}\n### ✅ {verb}: {version(new.version)} in {where}",
            "Its bytes are in the store and are the ones that were judged: its verdict comes out again, and its service "
            f"answered {answered} rows as the model predicts. Nothing is built; the merge is the approval.",
            facts,
            "**Next:** review and merge.",
        ]
    )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").split("."))
