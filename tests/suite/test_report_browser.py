"""The page in a real browser: what is turned turns, nothing is asked of anybody, nothing is out of reach on a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.suite import told
from tests.tools.browser import NoBrowser, Tab, browser

from gitops_ml.contracts.report import Report
from gitops_ml.report.page import page
from gitops_ml.report.page_drawn import shares

PHONE, DESK = (390, 844), (1280, 900)
pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    """One browser for this module; without one these tests are left out, but never under CI."""
    try:
        with browser() as opened:
            yield opened
    except NoBrowser as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def show(tab: Tab, folder: Path, report: Report, size: tuple[int, int] = DESK, **screen: bool) -> None:
    file = folder / "report.html"
    file.write_text(page(report, {one.file: told.PICTURE for one in report.pictures}), "utf-8")
    tab.screen(*size, **screen)
    tab.open(file.as_uri())


def quiet(tab: Tab) -> None:
    """No error, no breach of its policy, nobody asked for anything but the file and what is inside it."""
    assert tab.said == []
    assert [address for address in tab.asked if not address.startswith(("file:", "data:image/"))] == []


@pytest.mark.parametrize(("size", "dark"), [(PHONE, True), (DESK, False)])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_page_opens_in_silence_and_fits(
    tab: Tab, tmp_path: Path, kind: str, size: tuple[int, int], dark: bool
) -> None:
    show(tab, tmp_path, told.report(kind, loss=0.25), size, dark=dark)
    quiet(tab)
    assert tab.run("document.documentElement.scrollWidth") <= size[0]
    assert tab.run("[...document.images].map(one => one.naturalWidth > 0)") == [True, True, True]
    # Ink on paper: 7 to 1 and more, by the formula of WCAG 2.1.
    assert tab.run(CONTRAST) >= 7
    # The verdict and the next step come before any scrolling on a desk.
    assert (
        size == PHONE or tab.run("document.querySelector('.next').getBoundingClientRect().bottom") <= size[1]
    )


CONTRAST = """(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/\\d+/g).map((v) => v / 255).map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const style = getComputedStyle(document.body);
  const [a, b] = [light(style.color), light(style.backgroundColor)].sort((x, y) => y - x);
  return (a + .05) / (b + .05);
})()"""


def test_without_a_script_every_figure_stands_there(tab: Tab, tmp_path: Path) -> None:
    show(tab, tmp_path, told.report(), script=False)
    try:
        tab.screen(*DESK)  # to ask, scripts are needed again; the page ran none
        assert tab.run(
            "document.querySelector('.slider').hidden && document.querySelector('.filters').hidden"
        )
        assert tab.run("document.querySelectorAll('#flips tbody tr').length") == 100
        assert tab.run("document.querySelectorAll('#threshold details tbody tr').length") == 9
        assert tab.run("document.querySelectorAll('th button').length") == 0
    finally:
        tab.screen(*DESK)


def test_the_slider_counts_again_and_moves_both_dots(tab: Tab, tmp_path: Path) -> None:
    report = told.report()
    assert report.looks is not None and report.looks.champion is not None
    show(tab, tmp_path, report)
    dot = "document.querySelector('[data-dot=challenger]').getAttribute('cy')"
    before = tab.run(dot)
    for place in (50, 83, 0, 100):
        tab.run(f"slider.value = {place}; slider.dispatchEvent(new Event('input'))")
        assert tab.run("chosen.textContent") == f"{place / 100:.2f}"
        for who, look in (("challenger", report.looks.challenger), ("champion", report.looks.champion)):
            assert look.counts is not None
            for key, value in shares(look.counts, place).items():
                shown = (
                    "not defined" if value is None else f"{value:,}" if key == "alarms" else f"{value:.3f}"
                )
                assert tab.run(f"document.querySelector('[data-share={who}-{key}]').textContent") == shown, (
                    who,
                    key,
                )
    assert tab.run(dot) != before
    quiet(tab)


def test_flips_are_found_and_filtered(tab: Tab, tmp_path: Path) -> None:
    report = told.report()
    assert report.looks is not None
    show(tab, tmp_path, report)
    shown = (
        "[...document.querySelectorAll('#flips tbody tr')].filter(row => row.offsetParent !== null).length"
    )
    assert tab.run(shown) == 100
    right = sum(one.challenger == one.truth for one in report.looks.flips)
    tab.run("kind.value = 'to the right class'; kind.dispatchEvent(new Event('change'))")
    assert tab.run(shown) == right and 0 < right < 100
    assert tab.run("document.getElementById('shown').textContent") == f"{right} of 100 shown"
    field = "document.getElementById('find')"
    row = next(str(one.row) for one in report.looks.flips if one.challenger == one.truth)
    tab.run(f"{field}.value = '{row.upper()}'; {field}.dispatchEvent(new Event('input'))")
    assert tab.run(shown) == 1
    tab.run(f"{field}.value = ''; kind.value = ''; kind.dispatchEvent(new Event('change'))")
    assert tab.run(shown) == 100
    quiet(tab)


def test_slices_are_sorted_by_what_is_clicked(tab: Tab, tmp_path: Path) -> None:
    show(tab, tmp_path, told.report(loss=0.25))
    rows = "[...document.querySelectorAll('#slices tbody tr')].map(row => Number(row.cells[1].textContent.replace(',', '')))"
    first = tab.run(rows)
    tab.run("document.querySelectorAll('#slices th button')[1].click()")
    assert tab.run(rows) == sorted(first) != first
    assert (
        tab.run("document.querySelectorAll('#slices thead th')[1].getAttribute('aria-sort')") == "ascending"
    )
    tab.run("document.querySelectorAll('#slices th button')[1].click()")
    assert tab.run(rows) == sorted(first, reverse=True)
    quiet(tab)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_strangers_texts_run_nothing_and_break_no_layout(tab: Tab, tmp_path: Path, kind: str) -> None:
    for turn, size in ((0, PHONE), (3, DESK), (7, PHONE)):
        texts = told.HOSTILE[turn:] + told.HOSTILE[:turn]
        show(tab, tmp_path, told.spoiled(told.report(kind, loss=0.25), texts), size)
        quiet(tab)
        assert tab.run("window.broken === undefined")
        assert tab.run("document.scripts.length") == 2 and tab.run("document.images.length") == 0
        assert tab.run("document.documentElement.scrollWidth") <= size[0]


def test_the_policy_is_in_force(tab: Tab, tmp_path: Path) -> None:
    """What the tests above would not see if the browser ignored it: a script of somebody else's is refused, and said."""
    file = tmp_path / "report.html"
    file.write_text(
        page(told.report()).replace("</body>", "<script>window.broken = 1</script></body>"), "utf-8"
    )
    tab.screen(*DESK)
    tab.open(file.as_uri())
    assert tab.run("window.broken === undefined")
    assert any("Content Security Policy" in text for text in tab.said)
