"""The one comment under a pull request: verdict, reasons, figures, what changed, pictures, the next step."""

from __future__ import annotations

from gitops_ml.card.markdown import folded, table
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.report import summary
from gitops_ml.report.asking import APPROVE, answer, entries, fenced
from gitops_ml.report.changed import data_table, params_table, what_changed
from gitops_ml.report.context import MARKER, Context
from gitops_ml.report.figures import figures, level, margin, metric_name, sentence
from gitops_ml.report.groups import details, flips_line
from gitops_ml.report.text import joined, name, picture, some, version, words

PICTURES = 2  # shown at once; the others open on a click


def comment(verdict: Verdict, context: Context) -> str:
    """The Markdown of the comment, below the marker that finds it again. Always below GitHub's limit."""
    first = [
        f"{MARKER}\n### {summary.heading(verdict)}",
        _rules(verdict),
        _lead(verdict, context),
        _reasons(verdict),
        figures(verdict),
        "\n".join(part for part in (what_changed(context), flips_line(verdict)) if part),
        _pictures(context, context.pictures[:PICTURES]),
    ]
    spare = [
        _checks(verdict),
        *details(verdict),
        folded("More pictures", _pictures(context, context.pictures[PICTURES:]))
        if _pictures(context, context.pictures[PICTURES:])
        else "",
        params_table(context),
        data_table(context),
    ]
    where = f"in the [run]({context.run_url})" if context.run_url else ""
    return joined(first, spare, [_built(verdict, context), _next(verdict, context.alone)], where)


def _rules(verdict: Verdict) -> str:
    """Files that decide how pull requests are judged come before everything else."""
    found = next((one for one in verdict.checks if one.id == "protected"), None)
    if found is None:
        return ""
    files = [name(path, 80) for path in found.evidence.get("files", [])]
    return (
        f"**⚠️ This pull request changes the rules it is judged by:** {some(files, 10, 'files')}. "
        "It was judged by the base branch's copies. Read these files first."
    )


def _lead(verdict: Verdict, context: Context) -> str:
    """The one sentence or two that explain the verdict."""
    # A comparison that stands in the way is told below, among the reasons.
    told = any(one.id.startswith("quality/") for one in summary.in_the_way(verdict))
    parts = ["" if told else sentence(verdict)]
    judged = [one for one in verdict.checks if one.severity != "note"]
    passed = [one for one in judged if one.outcome == "pass"]
    overridden = [one for one in judged if one.override is not None]
    if len(passed) == len(judged):
        parts.append("The one check passes." if len(judged) == 1 else f"All {len(judged)} checks pass.")
    else:
        more = f", {len(overridden)} overridden" if overridden else ""
        parts.append(f"{len(passed)} of {len(judged)} checks pass{more}.")
    if verdict.overall != "block" and context.version:
        model = name(verdict.inputs.challenger.sha256[:8])
        why = f" ({words(context.why, 120)})" if context.why else ""
        parts.append(f"A merge would release {model} as **{version(context.version)}**{why}.")
    elif verdict.overall != "block":
        parts.append("A merge would release nothing.")
    return " ".join(part for part in parts if part)


def _reasons(verdict: Verdict) -> str:
    """Everything that stands in the way, numbered; then what was overridden, and notes that failed."""
    left = [one for one in summary.in_the_way(verdict) if one.id != "protected"]
    lines = [f"{number}. {_reason(one)}" for number, one in enumerate(left, start=1)]
    others = [one for one in verdict.checks if one.override is not None]
    said = [f"- **Overridden:** {_reason(one)} Because: {words(one.override)}" for one in others]
    notes = [one for one in verdict.checks if one.severity == "note" and one.outcome != "pass"]
    said += [f"- **Note:** {words(one.reason)}" for one in notes]
    return "\n\n".join("\n".join(part) for part in (lines, said) if part)


def _reason(one: Check) -> str:
    title = summary.short(one)
    # The check's own sentence repeats figures and names for those who read verdict.json; here they are set for people.
    said = margin(one) if one.id.startswith(("quality/", "secondary/")) else words(one.reason)
    return f"**{words(title[:1].upper() + title[1:], 120)}.** {said}"


def _pictures(context: Context, chosen: tuple[tuple[str, str], ...]) -> str:
    if not context.web or not context.head:
        return ""
    return " ".join(picture(title, context.web, context.head, path) for title, path in chosen)


def _checks(verdict: Verdict) -> str:
    rows = [
        [
            summary.mark(one),
            name(one.id),
            words(one.reason) + (f" Overridden: {words(one.override)}" if one.override else ""),
        ]
        for one in verdict.checks
    ]
    quality = next((one for one in verdict.checks if one.id.startswith("quality/")), None)
    method = ""
    if quality is not None and quality.metric and quality.evidence.get("method"):
        method = (
            f"\n\nThe {level(quality)} interval of {metric_name(quality.metric)}: "
            f"{words(quality.evidence['method'])}, seed {quality.evidence.get('seed', '-')}."
        )
    return folded("Every check, and notes", table(["", "check", "result"], rows) + method)


def _built(verdict: Verdict, context: Context) -> str:
    """Which lock, which rules, which suite: enough to compute the verdict again."""
    lock = f"{name('dvc.lock')} {name(verdict.inputs.lock[:8])}"
    again = next((one for one in verdict.checks if one.id == "reproduction"), None)
    same = again is not None and again.outcome == "pass"
    if context.stages:
        took = f" in {context.seconds:,.0f} s" if context.seconds is not None else ""
        how = f"twice from {lock}, same bytes," if same else f"from {lock}"
        ran = f"Built here {how}{took} ({some([words(s, 40) for s in context.stages], 8)})."
    else:
        ran = f"Nothing had to be built again: {lock} was built by CI before"
        ran += ", and a second build gave the same bytes." if same else "."
    policy = name(verdict.inputs.policy[:8])
    run = f" [Run]({context.run_url})." if context.run_url else ""
    return (
        f"<sub>{ran} Judged by gitops-ml {words(verdict.inputs.suite, 40)} with the base branch's policy.yaml {policy}; "
        f"verdict {name(verdict.digest()[:12])}.{run}</sub>"
    )


def _next(verdict: Verdict, alone: bool) -> str:
    if verdict.overall == "pass":
        return "**Next:** review and merge."
    left = summary.in_the_way(verdict)
    if verdict.overall == "needs-human" and alone:
        return answer(verdict.inputs.challenger.sha256, [one.id for one in left])
    if verdict.overall == "needs-human":
        return f"{APPROVE} {_entry(verdict, left)}"
    blocking = [one for one in left if one.severity == "block"]
    steps = list(dict.fromkeys(summary.step(one) for one in blocking))
    return f"**To go on:** {'; '.join(steps)}. {_entry(verdict, blocking)}"


def _entry(verdict: Verdict, checks: list[Check]) -> str:
    """The line for overrides.yaml, ready to be argued."""
    lines = entries(verdict.inputs.challenger.sha256, [one.id for one in checks if one.id != "protected"])
    if not lines:
        return ""
    text = f"Add to overrides.yaml, below `overrides:`\n\n{fenced(lines)}"
    return f"Or argue an override:\n\n{folded('overrides.yaml', text)}"
