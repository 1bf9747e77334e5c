"""The page of a report: one HTML file that asks nobody for anything, complete without its script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources

from gitops_ml.contracts.report import Reason, Report
from gitops_ml.contracts.verdict import Side
from gitops_ml.report import page_drawn, page_tables
from gitops_ml.report.html import Part, Safe, folded, joined, lines, name, sign, signed, tag
from gitops_ml.report.text import clip

KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
HEADINGS = {"pass": "✅", "needs-human": "✋", "block": "⛔"}


def page(report: Report, pictures: Mapping[str, bytes] | None = None) -> str:
    """The page. ``pictures``: bytes of those that the report names, by path; one that is missing is not shown.

    Every text is a stranger's: it is escaped, clipped, and cannot turn the direction of writing. Script and style are
    allowed by their hashes alone, so that nothing that slipped through would run.
    """
    style, script = asset("page.css"), asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = [one for one in _sections(report, pictures or {}) if one[2]]
    links = [tag("a", title, href=f"#{id_}") for id_, title, _ in sections]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=Safe(policy)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{report.heading} · gitops-ml"),
        tag("style", Safe(style)),
    )
    body = tag(
        "body",
        _top(report),
        tag("nav", links, aria_label="On this page"),
        tag(
            "main",
            [
                tag("section", tag("h2", title), content, id=id_, aria_label=title)
                for id_, title, content in sections
            ],
        ),
        _data(report),
        tag("script", Safe(script)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def asset(file: str) -> str:
    """A file that stands beside this module."""
    return resources.files("gitops_ml.report").joinpath("assets", file).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(report: Report) -> Safe:
    """What the script needs, as data that no browser runs; nothing in it can end its element."""
    content: dict[str, object] = {}
    if report.looks is not None and report.looks.challenger.counts is not None:
        models = {"challenger": report.looks.challenger, "champion": report.looks.champion}
        content = {who: one.counts.model_dump() for who, one in models.items() if one and one.counts}
    text = json.dumps(content, ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e")
    return tag("script", Safe(text.replace("&", "\\u0026")), type="application/json", id="counts")


def _top(report: Report) -> Safe:
    """The verdict, why, and what to do: all that most readers need."""
    mark = HEADINGS[report.overall]
    word, colon, because = report.heading.removeprefix(mark).strip().partition(": ")
    banner = tag("p", sign("⚠️", named=False), " ", report.banner, class_="banner") if report.banner else None
    stopped: Part = None
    if report.stopped is not None:
        stopped = [
            tag("p", "A job beside the judgement failed: ", tag("strong", report.stopped.stage), "."),
            lines("\n".join(report.stopped.reason.strip().splitlines()[-40:])),
        ]
    entries = (
        folded("Lines for overrides.yaml", lines(report.next.overrides)) if report.next.overrides else None
    )
    return tag(
        "header",
        tag("p", sign(mark, named=False), " ", word, class_="word"),
        tag("h1", (because[:1].upper() + because[1:]) if colon else word),
        banner,
        _reasons(report.overridden, "overridden"),
        tag("p", report.lead, class_="lead"),
        stopped,
        _reasons(report.reasons, "reasons"),
        tag("ul", [tag("li", one) for one in report.notes], class_="notes") if report.notes else None,
        tag("div", tag("p", tag("strong", "Next"), " ", report.next.text), entries, class_="next"),
        class_=report.overall,
    )


def _reasons(reasons: list[Reason], class_: str) -> Safe | None:
    if not reasons:
        return None
    marks = {"block": "⛔", "needs-human": "✋", "note": "📝"}
    items = [
        tag(
            "li",
            sign("☑️" if one.override is not None else marks[one.severity]),
            " ",
            tag("strong", f"{'Overridden: ' if one.override is not None else ''}{one.title}."),
            f" {one.text}",
            tag("span", f" Because: {one.override}", class_="because") if one.override else None,
        )
        for one in reasons
    ]
    return tag("ul", items, class_=class_)


def _sections(report: Report, pictures: Mapping[str, bytes]) -> list[tuple[str, str, Safe]]:
    """Id, title and content of each; an empty one is left out."""
    return [
        ("figures", "Figures", page_tables.figures(report)),
        ("changed", "What changed", page_tables.changed(report)),
        ("threshold", "Threshold", page_drawn.threshold(report)),
        ("confusion", "Confusion", page_drawn.confusion(report)),
        ("errors", "Errors", page_drawn.errors(report)),
        ("calibration", "Calibration", page_drawn.calibration(report)),
        ("slices", "Slices", page_tables.slices(report)),
        ("fairness", "Fairness", page_tables.fairness(report)),
        ("flips", "Flips", page_tables.flips(report)),
        ("checks", "Every check", page_tables.checks(report)),
        ("pictures", "Pictures", _pictures(report, pictures)),
        ("provenance", "Provenance", _provenance(report)),
    ]


def _pictures(report: Report, pictures: Mapping[str, bytes]) -> Safe:
    shown = []
    for one in report.pictures:
        kind = next((kind for end, kind in KINDS.items() if one.file.endswith(end)), None)
        if kind is None or one.file not in pictures:
            continue
        content = base64.b64encode(pictures[one.file]).decode()
        source = Safe(f"data:{kind};base64,{content}")
        shown.append(
            tag(
                "figure",
                tag("img", src=source, alt=clip(one.title)),
                tag("figcaption", one.title),
            )
        )
    return tag("div", shown, class_="pictures") if shown else Safe()


def _provenance(report: Report) -> Safe:
    inputs = report.verdict.inputs
    rows: list[tuple[str, Part]] = [
        ("model", name(inputs.challenger.sha256, 64)),
        ("champion", _champion(report)),
        *([("baseline", _released(inputs.baseline))] if inputs.baseline else []),
        ("test rows", name(inputs.test_rows, 64)),
        ("policy.yaml", name(inputs.policy, 64)),
        ("dvc.lock", name(inputs.lock, 64)),
        ("suite", f"gitops-ml {inputs.suite}"),
        ("commit", name(report.head, 64) if report.head else "not made yet"),
        ("run", tag("a", report.run, href=report.run, rel="noreferrer") if _web(report.run) else "a laptop"),
        ("verdict", name(report.digest, 64)),
    ]
    if report.measurements is not None:
        seconds = report.measurements.build_seconds
        took = ", ".join(f"{stage} {value:,.1f} s" for stage, value in seconds.items())
        rows += [("built on", report.measurements.platform), ("stages", took or "nothing had to be built")]
    terms = [[tag("dt", term), tag("dd", told)] for term, told in rows]
    return joined([tag("p", signed(report.built), class_="soft"), tag("dl", terms)])


def _champion(report: Report) -> Part:
    champion = report.verdict.inputs.champion
    if champion is None:
        return "none: this is the first model"
    return _released(champion)


def _released(side: Side) -> Part:
    return [f"{side.version or 'not released'} ", name(side.sha256, 64)]


def _web(address: str) -> bool:
    return address.startswith(("https://", "http://"))
