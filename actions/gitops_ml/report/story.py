"""The story of the comment as data: the same words, without Markdown's signs, for report.json, terminal and page."""

from __future__ import annotations

import math

from gitops_ml.contracts.evaluation import Picture
from gitops_ml.contracts.report import (
    Changed,
    DataChange,
    Figures,
    Looks,
    Moved,
    Next,
    Param,
    Reason,
    Release,
    Report,
    Stopped,
)
from gitops_ml.contracts.verdict import Check, Measurements, Verdict
from gitops_ml.report import comment, summary
from gitops_ml.report.asking import ALONE, APPROVE, entries
from gitops_ml.report.changed import what_changed
from gitops_ml.report.changes import Move, data_diff, params_diff
from gitops_ml.report.context import Context
from gitops_ml.report.figures import cells
from gitops_ml.report.groups import flips_line
from gitops_ml.report.stopped import STAGES
from gitops_ml.report.text import spoken, words

FAILED = "⛔ Blocked: {}"


def told(
    verdict: Verdict,
    context: Context,
    measurements: Measurements | None = None,
    looks: Looks | None = None,
    failed: tuple[str, str] | None = None,
) -> Report:
    """The report. ``failed``: stage and last words of a job that failed beside the judgement, and blocks by itself."""
    stopped = _stopped(*failed) if failed else None
    shown = cells(verdict)
    release = None
    if verdict.overall != "block" and stopped is None and context.version:
        release = Release(version=context.version, why=context.why)
    return Report(
        version=1,
        overall="block" if stopped else verdict.overall,
        heading=_failed(stopped, verdict) if stopped else spoken(summary.heading(verdict)),
        lead=spoken(comment.lead(verdict, context)),
        banner=_lined(comment.rules(verdict)),
        overridden=[_reason(one) for one in verdict.checks if one.override is not None],
        reasons=[_reason(one) for one in summary.in_the_way(verdict) if one.id != "protected"],
        notes=[spoken(comment.note(one)) for one in comment.notes(verdict)],
        figures=Figures(
            head=[spoken(cell) for cell in shown.head],
            rows=[[spoken(cell) for cell in row] for row in shown.rows],
            checks=[one.id for one in shown.checks],
        ),
        changed=_changed(context),
        flips=_lined(flips_line(verdict)),
        built=spoken(comment.built(verdict, context)).removesuffix(" Run."),
        release=release,
        next=_next(verdict, context, stopped),
        stopped=stopped,
        pictures=[Picture(title=title, file=path) for title, path in context.pictures],
        head=context.head,
        run=context.run_url,
        verdict=verdict,
        digest=context.digest or verdict.digest(),
        measurements=measurements,
        looks=looks,
    )


def _lined(markdown: str) -> str:
    """A line of the comment without its bold label, which is a heading elsewhere."""
    label, bold, rest = markdown.removeprefix("**").partition(":** ")
    return spoken(rest if bold and "*" not in label else markdown)


def _reason(one: Check) -> Reason:
    title = spoken(words(summary.short(one), 120))
    return Reason(
        check=one.id,
        severity=one.severity,
        title=title[:1].upper() + title[1:],
        text=spoken(comment.figured(one)),
        override=one.override,
    )


def _changed(context: Context) -> Changed:
    data, params = None, []
    if context.new_profile is not None:
        diff = data_diff(context.old_profile, context.new_profile)
        if diff:
            data = DataChange(
                rows=diff.rows,
                old_rows=diff.old_rows,
                added=list(diff.added),
                removed=list(diff.removed),
                moves=[_moved(one) for one in diff.moves],
                balance=[_moved(one) for one in diff.balance],
                overlap=diff.overlap,
            )
    if context.new_params is not None and context.old_params is not None:
        params = [
            Param(key=one.key, old=one.old, new=one.new)
            for one in params_diff(context.old_params, context.new_params)
        ]
    return Changed(text=_lined(what_changed(context)), data=data, params=params, files=list(context.changed))


def _moved(one: Move) -> Moved:
    return Moved(
        column=one.column,
        kind=one.kind,
        value=one.value,
        old=one.old,
        new=one.new,
        size=one.size if math.isfinite(one.size) else None,
    )


def _failed(stopped: Stopped, verdict: Verdict) -> str:
    also = f", and {summary.because(verdict)}" if verdict.overall == "block" else ""
    return FAILED.format(stopped.what) + also


def _next(verdict: Verdict, context: Context, stopped: Stopped | None) -> Next:
    if stopped is not None:
        return Next(
            text=f"Try it on your machine with {stopped.command}, correct it, and push.", overrides=""
        )
    if verdict.overall == "pass":
        return Next(text="Review and merge.", overrides="")
    left = summary.in_the_way(verdict)
    text = ALONE if context.alone else APPROVE
    if verdict.overall == "block":
        left, said = comment.blocking(verdict), "; ".join(comment.steps(verdict))
        text = f"{said[:1].upper()}{said[1:]}."
    ids = [one.id for one in left if context.alone or one.id != "protected"]
    return Next(text=_lined(text), overrides=entries(verdict.inputs.challenger.sha256, ids))


def _stopped(stage: str, reason: str) -> Stopped:
    what, command = STAGES.get(stage, (f"{stage} failed", "uv run gitops-ml preview"))
    return Stopped(stage=stage, what=what, reason=reason, command=command)
