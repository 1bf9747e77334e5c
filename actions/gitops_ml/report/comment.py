"""The one comment under a pull request: verdict, reasons, figures, what changed, pictures, the next step."""

from __future__ import annotations

from gitops_ml.card.markdown import folded, table
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.report import budgets, rows, summary
from gitops_ml.report.asking import APPROVE, answer, entries, fenced
from gitops_ml.report.changed import data_table, params_table, what_changed
from gitops_ml.report.context import MARKER, Context
from gitops_ml.report.figures import figures, level, margin, metric_name, sentence
from gitops_ml.report.groups import details, flips_line, worse_slices
from gitops_ml.report.text import LIMIT, joined, name, picture, some, version, words

PICTURES = 2  # shown at once; the others open on a click
SUMMARY = 250_000  # characters of the step summary, which holds 1 MiB: four bytes each at most


def comment(verdict: Verdict, context: Context, limit: int = LIMIT) -> str:
    """The Markdown of the comment, below the marker that finds it again; at most ``limit`` characters.

    What does not fit into GitHub's comment is left out, and said; :data:`SUMMARY` characters hold all of it.
    """
    first = [
        f"{MARKER}\n### {summary.heading(verdict)}",
        rules(verdict),
        overridden(verdict),
        lead(verdict, context),
        _reasons(verdict),
        figures(verdict),
        "\n".join(part for part in (what_changed(context), flips_line(verdict)) if part),
        _pictures(context, context.pictures[:PICTURES]),
    ]
    spare = [
        _checks(verdict),
        *details(verdict),
        rows.data_details(verdict),
        budgets.details(verdict),
        folded("More pictures", _pictures(context, context.pictures[PICTURES:]))
        if _pictures(context, context.pictures[PICTURES:])
        else "",
        params_table(context),
        data_table(context),
    ]
    last = [built(verdict, context), _next(verdict, context.alone)]
    return joined(first, spare, last, context.elsewhere, limit)


def rules(verdict: Verdict) -> str:
    """Files that decide how pull requests are judged come before everything else."""
    found = next((one for one in verdict.checks if one.id == "protected"), None)
    if found is None:
        return ""
    files = [name(path, 80) for path in found.evidence.get("files", [])]
    return (
        f"**⚠️ This pull request changes the rules it is judged by:** {some(files, 10, 'files')}. "
        "It was judged by the base branch's copies. Read these files first."
    )


def lead(verdict: Verdict, context: Context) -> str:
    """The one sentence or two that explain the verdict."""
    # A comparison that stands in the way is told below, among the reasons; one that was overridden, above.
    told = any(
        one.id.startswith("quality/") and (one.override is not None or one in summary.in_the_way(verdict))
        for one in verdict.checks
    )
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
    """Everything that stands in the way, numbered; then notes that failed."""
    left = [one for one in summary.in_the_way(verdict) if one.id != "protected"]
    lines = [f"{number}. {reason(one)}" for number, one in enumerate(left, start=1)]
    said = [f"- **Note:** {note(one)}" for one in notes(verdict)]
    return "\n\n".join("\n".join(part) for part in (lines, said) if part)


def overridden(verdict: Verdict) -> str:
    """What a person answered for in overrides.yaml: whoever reviews must see it before anything that passes."""
    others = [one for one in verdict.checks if one.override is not None]
    return "\n".join(
        f"{'- ' if len(others) > 1 else ''}**☑️ Overridden: {words(summary.short(one), 120)}.** {figured(one)} "
        f"**Because:** {words(one.override)}"
        for one in others
    )


def notes(verdict: Verdict) -> list[Check]:
    """What is said and stops nothing; that rows cannot tell how a bad day goes, the table says as well."""
    said = [one for one in verdict.checks if one.severity == "note" and one.outcome != "pass"]
    return [
        one
        for one in said
        if not (one.id.startswith("robustness/") and one.evidence.get("outcome") == "cannot tell")
    ]


def reason(one: Check) -> str:
    """What is wrong, in bold, and the figures. Markdown."""
    title = summary.short(one)
    return f"**{words(title[:1].upper() + title[1:], 120)}.** {figured(one)}"


def figured(one: Check) -> str:
    """The figures behind a reason. Markdown."""
    # The check's own sentence repeats figures and names for those who read verdict.json; here they are set for people.
    if one.id.startswith(("quality/", "secondary/")) or (one.id == "calibration" and one.outcome == "fail"):
        return margin(one)
    return worse_slices(one) or rows.said(one) or words(one.reason)


def note(one: Check) -> str:
    """What is said and stops nothing. Markdown."""
    if one.id == "calibration" and one.outcome == "fail":
        title = summary.short(one)
        return f"{words(title[:1].upper() + title[1:], 120)}: {figured(one)}"
    return words(one.reason)


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


def built(verdict: Verdict, context: Context) -> str:
    """Which lock, which rules, which suite: enough to compute the verdict again."""
    lock = f"{name('dvc.lock')} {name(verdict.inputs.lock[:8])}"
    again = next((one for one in verdict.checks if one.id == "reproduction"), None)
    same = again is not None and again.outcome == "pass"
    if context.stages:
        took = f" in {context.seconds:,.0f} s{context.price}" if context.seconds is not None else ""
        how = f"twice from {lock}, same bytes," if same else f"from {lock}"
        ran = f"Built here {how}{took} ({some([words(s, 40) for s in context.stages], 8)})."
    elif context.run_url:
        ran = f"Nothing had to be built again: {lock} was built by CI before"
        ran += ", and a second build gave the same bytes." if same else "."
    else:
        ran = f"Of the results that are here, by {lock}; CI builds its own."
    policy = name(verdict.inputs.policy[:8])
    run = f" [Run]({context.run_url})." if context.run_url else ""
    return (
        f"<sub>{ran} Judged by gitops-ml {words(verdict.inputs.suite, 40)} with the base branch's policy.yaml {policy}; "
        f"verdict {name((context.digest or verdict.digest())[:12])}.{run}</sub>"
    )


def _next(verdict: Verdict, alone: bool) -> str:
    if verdict.overall == "pass":
        return "**Next:** review and merge."
    left = summary.in_the_way(verdict)
    if verdict.overall == "needs-human" and alone:
        return answer(verdict.inputs.challenger.sha256, [one.id for one in left])
    if verdict.overall == "needs-human":
        return f"{APPROVE} {_entry(verdict, left)}"
    return f"**To go on:** {'; '.join(steps(verdict))}. {_entry(verdict, blocking(verdict))}"


def blocking(verdict: Verdict) -> list[Check]:
    """The checks that block, the worst first."""
    return [one for one in summary.in_the_way(verdict) if one.severity == "block"]


def steps(verdict: Verdict) -> list[str]:
    """What the author can do about what blocks, each once. Markdown."""
    return list(dict.fromkeys(summary.step(one) for one in blocking(verdict)))


def _entry(verdict: Verdict, checks: list[Check]) -> str:
    """The line for overrides.yaml, ready to be argued."""
    lines = entries(verdict.inputs.challenger.sha256, [one.id for one in checks if one.id != "protected"])
    if not lines:
        return ""
    text = f"Add to overrides.yaml, below `overrides:`\n\n{fenced(lines)}"
    return f"Or argue an override:\n\n{folded('overrides.yaml', text)}"
