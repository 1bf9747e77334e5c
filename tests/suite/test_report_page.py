"""The page of a report: complete, bound by its policy, and no text of a stranger breaks out of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.suite import judged, told
from tests.suite.test_report_comment import CASES, context

from gitops_ml.contracts.report import Report
from gitops_ml.gate.curves import counts, looks
from gitops_ml.gate.judge import judge
from gitops_ml.gate.metrics import Rows, measure
from gitops_ml.gate.table import Table
from gitops_ml.report.page import asset, page
from gitops_ml.report.page_drawn import shares
from gitops_ml.report.story import told as tell
from gitops_ml.ruling.around import LARGEST, pictures_of

VOID = {"meta", "img", "input", "br"}
KNOWN = VOID | set(
    ["html", "head", "title", "style", "body", "header", "main", "nav", "section", "h1", "h2", "h3", "p", "a", "ul", "li", "strong", "span", "code", "pre", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "dl", "dt", "dd", "figure", "figcaption", "svg", "line", "circle", "rect", "text", "polyline", "label", "select", "option", "output", "script"]
)  # fmt: skip


class Tree(HTMLParser):
    """Elements with their attributes, and their texts, as a browser nests them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.strange: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.strange.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def handle_comment(self, data: str) -> None:
        self.strange.append(f"<!--{data}")

    def content(self, tag: str) -> list[str]:
        return [text for where, text in self.texts if where == tag]


def sound(text: str) -> Tree:
    """Nothing in the page but what it is made of, whatever its texts are."""
    tree = Tree(text)
    assert not tree.strange and not tree.open, (tree.strange, tree.open)
    tags = [tag for tag, _ in tree.found]
    assert set(tags) <= KNOWN, set(tags) - KNOWN
    assert tags.count("script") == 2 and tags.count("style") == 1 and tags.count("meta") == 5
    for tag, attributes in tree.found:
        for key, value in attributes.items():
            assert not key.startswith("on") and key != "style", (tag, key)
            if key == "src":
                assert (value or "").startswith("data:image/"), value
            if key == "href":
                assert re.match(r"#[a-z]+$|https?://", value or ""), value
    data, script = tree.content("script")
    assert json.loads(data) is not None and script == asset("page.js")
    assert tree.content("style") == [asset("page.css")]
    shown = "".join(text for tag, text in tree.texts if tag not in ("script", "style"))
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x1b]", text)
    assert "x" * 801 not in shown
    return tree


REPORTS = {
    "pass": lambda: told.report(),
    "block": lambda: told.report(loss=0.25),
    "first": lambda: told.report(first=True),
    "failed": lambda: told.report(failed=True),
    "multiclass": lambda: told.report("multiclass"),
    "regression": lambda: told.report("regression"),
}


@pytest.mark.parametrize("case", REPORTS)
def test_the_page_is_sound_and_the_report_survives_the_file(case: str) -> None:
    given = REPORTS[case]()
    again = Report.parse(json.loads(given.model_dump_json()), "report.json")
    assert again == given
    text = page(given, {one.file: told.PICTURE for one in given.pictures})
    tree = sound(text)
    ids = {attributes["id"] for _, attributes in tree.found if "id" in attributes}
    links = {
        (attributes["href"] or "")[1:]
        for tag, attributes in tree.found
        if tag == "a" and "#" in (attributes["href"] or "")
    }
    assert links <= ids and {"figures", "checks", "provenance", "pictures"} <= links
    assert {"threshold", "confusion", "calibration"} <= links or case == "regression" or case == "multiclass"
    assert ("errors" in links) == (case == "regression") and ("threshold" in links) == (
        case not in ("regression", "multiclass")
    )
    assert sum(tag == "img" for tag, _ in tree.found) == 3
    # In words, too: nothing is told by a colour alone.
    for tag, attributes in tree.found:
        if tag == "span" and "sign" in (attributes.get("class") or ""):
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


@pytest.mark.parametrize("case", ["pass", "block", "multiclass", "regression"])
def test_an_interval_is_drawn_beside_the_figures_it_is_of(case: str) -> None:
    figures = page(REPORTS[case]()).partition('id="figures"')[2].partition("</section>")[0]
    drawn = re.findall(
        r'data-label="difference[^"]*">([^<]*)</td>.*?aria-label="difference ([^"]*), margin', figures
    )
    assert len(drawn) >= (3 if case in ("pass", "block") else 2)
    for cell, picture in drawn:
        estimate, low, high = re.findall(r"[+\N{MINUS SIGN}]?[\d.e-]+", cell)
        assert picture == f"{estimate}, interval {low} to {high}"


def test_the_policy_names_its_own_script_and_style_by_hash_and_lets_nothing_else_in() -> None:
    tree = Tree(page(told.report()))
    policy = next(
        attributes["content"] or ""
        for tag, attributes in tree.found
        if attributes.get("http-equiv") is not None
    )
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    for key, tag in (("script-src", "script"), ("style-src", "style")):
        digest = base64.b64encode(hashlib.sha256(tree.content(tag)[-1].encode()).digest()).decode()
        assert allowed[key] == f"'sha256-{digest}'"
    assert allowed["default-src"] == "'none'" and allowed["img-src"] == "data:"
    assert "unsafe" not in policy and "http" not in policy


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_strangers_texts_stay_texts_wherever_they_stand(kind: str) -> None:
    for turn in range(len(told.HOSTILE)):
        texts = told.HOSTILE[turn:] + told.HOSTILE[:turn]
        tree = sound(page(told.spoiled(told.report(kind, loss=0.25), texts)))
        assert any("window.broken" in text for _, text in tree.texts)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=7))
def test_no_text_at_all_breaks_out(texts: list[str]) -> None:
    words = tuple(text.encode("utf-8", "replace").decode() for text in texts)
    sound(page(told.spoiled(told.report("binary", loss=0.25), words)))


def test_hostile_columns_and_classes_go_all_the_way_from_evidence_to_page() -> None:
    names = {text[:300]: [told.HOSTILE[k % 10][:200] for k in range(600)] for text in told.HOSTILE[:3]}
    given_ = told.evidence("binary", 600, 0.25, names)
    tree = sound(page(tell(judge(given_), context(), None, looks(given_))))
    assert any(tag == "code" and "<script>" in text for tag, text in tree.texts)


def test_pictures_that_are_no_pictures_are_left_out() -> None:
    given_ = told.report()
    bad = given_.model_copy(
        update={"pictures": [one.model_copy(update={"file": "reports/a.html"}) for one in given_.pictures]}
    )
    assert "<img" not in page(bad, {"reports/a.html": b"<script>"})
    assert "<img" not in page(given_, {})


def test_only_plain_pictures_of_a_size_for_a_page_are_taken_from_what_a_build_left(tmp_path: Path) -> None:
    first, second = tmp_path / "files", tmp_path / "head"
    for folder, content in ((first, b"new"), (second, b"old")):
        (folder / "reports").mkdir(parents=True)
        (folder / "reports" / "roc.svg").write_bytes(content)
    (second / "reports" / "only.png").write_bytes(b"png")
    (second / "reports" / "huge.svg").write_bytes(b"x" * (LARGEST + 1))
    (second / "reports" / "page.html").write_bytes(b"<script>")
    (second / "reports" / "link.svg").symlink_to("/etc/passwd")
    named = [
        "reports/roc.svg",
        "reports/only.png",
        "reports/huge.svg",
        "reports/page.html",
        "reports/link.svg",
    ]
    named += ["../outside.svg", "/etc/hosts.svg", "reports/none.svg"]
    pictures = [{"file": path, "title": "A picture"} for path in named]
    made = judged.evaluation("binary", 10, pictures=pictures)
    assert pictures_of(made, first, second) == {"reports/roc.svg": b"new", "reports/only.png": b"png"}


# ---------------------------------------------------------------- the counts


def test_counts_are_those_of_each_threshold_and_give_the_gates_own_figures() -> None:
    found = looks(told.evidence("binary", 2000, 0.0))
    assert found is not None and found.champion is not None and found.thresholds[50] == 0.5
    table = Table.of(told.evidence("binary", 2000, 0.0))
    for rows, look in ((table.challenger, found.challenger), (table.champion, found.champion)):
        assert rows is not None and look.counts is not None
        score, truth = rows.scores[:, rows.positive], rows.truth == rows.positive
        for place, threshold in enumerate(found.thresholds):
            called = score >= threshold
            assert [getattr(look.counts, key)[place] for key in ("tp", "fp", "tn", "fn")] == [
                int((called & truth).sum()), int((called & ~truth).sum()),
                int((~called & ~truth).sum()), int((~called & truth).sum()),
            ]  # fmt: skip
        own, at = measure(rows), shares(look.counts, 50)
        assert {key: at[key] for key in ("recall", "precision", "f1", "accuracy")} == pytest.approx(
            {key: own[key] for key in ("recall", "precision", "f1", "accuracy")}
        )
        error = sum(abs(one.observed - one.predicted) * one.n for one in look.calibration) / found.n
        assert error == pytest.approx(own["ece"], rel=1e-4)
        assert [sum(row) for row in look.confusion] == [int((truth == one).sum()) for one in (False, True)]


def test_counts_of_scores_at_the_ends() -> None:
    rows = Rows(
        "binary", np.array([0, 1, 1, 0]), np.array([[1.0, 0.0], [0.0, 1.0], [0.71, 0.29], [0.5, 0.5]])
    )
    made = counts(rows)
    assert (made.tp[0], made.fp[0], made.tn[0], made.fn[0]) == (2, 2, 0, 0)
    assert (made.tp[29], made.tp[30], made.fp[50], made.fp[51]) == (2, 1, 1, 0)
    assert (made.tp[100], made.fp[100]) == (1, 0)


def test_errors_of_a_regression_are_all_counted_and_flips_are_the_surest() -> None:
    found = looks(told.evidence("regression", 500, 0.0))
    assert found is not None and sum(found.challenger.errors) == 500 and len(found.error_edges) == 22
    flips = told.report().looks
    assert flips is not None and len(flips.flips) == 100
    least = [min(one.champion_score or 0, one.challenger_score or 0) for one in flips.flips]
    assert least == sorted(least, reverse=True)
    shown = next(one.evidence["confident"] for one in told.report().verdict.checks if one.id == "flips")
    assert [one.model_dump() for one in flips.flips[:10]] == shown


def test_scores_that_are_no_numbers_have_no_looks() -> None:
    broken = judged.evidence("binary", 100)
    assert broken.challenger.predictions is not None
    table = broken.challenger.predictions.copy()
    table.loc[3, "score_yes"] = float("nan")
    assert (
        looks(judged.replace(broken, challenger=judged.replace(broken.challenger, predictions=table))) is None
    )


# ---------------------------------------------------------------- the comments, as a browser would nest them


@pytest.mark.parametrize("case", CASES)
def test_every_comment_renders_to_harmless_html(case: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(CASES[case]())
    tree = Tree(html)
    assert tree.strange == ["<!-- gitops-ml "] and not tree.open
    tags = {tag for tag, _ in tree.found}
    assert tags <= set(
        [
            "h3",
            "p",
            "strong",
            "em",
            "code",
            "pre",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "ul",
            "ol",
            "li",
            "details",
            "summary",
            "sub",
            "a",
            "img",
            "br",
        ]
    ), tags
    for tag, attributes in tree.found:
        if tag in ("a", "img"):
            assert (attributes.get("href") or attributes.get("src") or "").startswith(
                "https://github.com/acme/churn"
            )
        assert not any(key.startswith("on") for key in attributes)
    assert tree.found[0][0] == "h3", "the verdict stands first"
