"""`gitops-ml report`: what the terminal shows, at any width; the artifact of a run; the laptop's own judgement."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import click.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.suite import told

from gitops_ml.errors import Fault
from gitops_ml.report.command import report
from gitops_ml.report.comment import SUMMARY, comment
from gitops_ml.report.terminal import columns, folded, screen
from gitops_ml.report.text import LIMIT, clip, name, spoken, title_name, words
from gitops_ml.ruling import laptop
from gitops_ml.ruling.task import Ruling


def run(*arguments: str, **env: str) -> click.testing.Result:
    return click.testing.CliRunner(env=env).invoke(report, arguments)


# ---------------------------------------------------------------- the terminal


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 400])
@pytest.mark.parametrize("loss", [0.0, 0.25])
def test_the_screen_fits_and_tells_verdict_first_and_the_next_step_last(width: int, loss: float) -> None:
    text = screen(told.report(loss=loss), width)
    lines = text.split("\n")
    first = "✅ Pass: better than what serves today" if not loss else "⛔ Blocked: ROC AUC falls by"
    assert lines[0].strip().startswith(first[:30])
    assert max(columns(line) for line in lines if "sha256" not in line) <= max(40, min(width, 110))
    ends = [line.split()[0] for line in lines if line[:3].strip()]
    assert ends[-1] == ("next" if not loss else "or")
    for sign in ("**", "`", "<", "|", "\\", "\x1b", "&#"):
        assert sign not in text, sign
    flat = " ".join(text.split())
    assert "monthly_charges" in flat and "train.depth 6" in flat and "test rows change class" in flat


def test_a_wide_screen_has_a_table_and_a_narrow_one_has_none() -> None:
    assert any(line.strip().startswith("check ") for line in screen(told.report(), 100).split("\n"))
    narrow = screen(told.report(), 44)
    assert not any(line.strip().startswith("check ") for line in narrow.split("\n"))
    first = told.report().figures.rows[0]
    assert f"{first[1]} → {first[2]}" in narrow


def test_a_failed_job_and_the_first_model_are_told_too() -> None:
    failed = screen(told.report(failed=True), 80)
    assert failed.strip().startswith("⛔ Blocked: the project's own tests or linters fail")
    assert "FAILED tests/data/test_rows.py" in failed and "gitops-ml check-project" in " ".join(
        failed.split()
    )
    assert "floors and card decide" in " ".join(screen(told.report(first=True), 80).split())


def test_strangers_texts_move_no_cursor_and_no_line() -> None:
    for kind in ("binary", "multiclass", "regression"):
        text = screen(told.spoiled(told.report(kind, loss=0.25)), 80)
        assert not set(text) & {"\x1b", "\r", "\x07", "\x00", "\u202e", "\u2066", "\u2028"}
        told_, _, entries = text.partition("argue in overrides.yaml")
        assert max(columns(line) for line in told_.split("\n")) <= 80
        assert max(columns(line) for line in entries.split("\n")) <= 520, "to be copied, and no more"


@given(st.text(max_size=200), st.integers(10, 60))
def test_folding_loses_nothing_but_blanks(text: str, width: int) -> None:
    lines = folded(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(columns(line) <= width for line in lines)


HARD = st.text(
    st.one_of(st.sampled_from("`*_\\[]()<>#|~$&;@:/ .-+=1aw\u202e\n"), st.characters()), max_size=60
)


@given(HARD)
def test_what_is_spoken_is_what_was_written(text: str) -> None:
    shown = clip(text)
    assert spoken(name(text)) == spoken(words(text)) == shown
    assert (
        spoken(f"**{words(text)}** of {name(text)} [Run](https://a.b/c) end") == f"{shown} of {shown} Run end"
    )
    assert "<" not in title_name(text).replace("<code>", "").replace("</code>", "")


# ---------------------------------------------------------------- the artifact of a run


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    told.report(loss=0.25).write_json(tmp_path / "verdict-7" / "report.json")
    return tmp_path / "verdict-7"


def test_a_downloaded_artifact_is_shown_as_wide_as_the_window(artifact: Path, tmp_path: Path) -> None:
    shown = run("--verdict", str(artifact), "--html", str(tmp_path / "page.html"), COLUMNS="72")
    assert shown.exit_code == 0, "showing is no judging"
    assert shown.output.strip().startswith("⛔ Blocked: ROC AUC falls by") and "\x1b" not in shown.output
    assert (
        max(
            columns(line)
            for line in shown.output.split("\n")
            if "sha256" not in line and "page.html" not in line
        )
        <= 72
    )
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")
    assert run("--verdict", str(artifact), COLUMNS="72").output in shown.output


def test_a_folder_that_is_no_artifact_and_a_file_without_a_number_say_what_to_do(tmp_path: Path) -> None:
    for arguments, said in (
        (("--verdict", str(tmp_path)), "gh run download"),
        (("--file", str(tmp_path)), "--file"),
        (("--number", "7", "--file", str(tmp_path / "none.md")), "none.md is missing"),
    ):
        found = run(*arguments)
        assert found.exit_code and said in f"{found.exception} {found.output}"


# ---------------------------------------------------------------- the laptop


def judged(monkeypatch: pytest.MonkeyPatch, project: Path, ruling: Ruling) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def here(root: Path, base: str, **more: Any) -> Ruling:
        asked.append({"root": root, "base": base, **more})
        return ruling

    monkeypatch.setattr(laptop, "judged_here", here)
    monkeypatch.chdir(project)
    for key in [key for key in os.environ if key.startswith("GITHUB_")]:
        monkeypatch.delenv(key)
    return asked


def test_without_a_number_this_commit_is_judged_and_a_block_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, project: Path, tmp_path: Path
) -> None:
    for loss, status in ((0.0, 0), (0.25, 1)):
        story = told.report(loss=loss)
        ruling = Ruling(
            story.overall,
            "",
            lambda head: "",
            verdict=story.verdict,
            report=lambda head, story=story: story,
            pictures={one.file: told.PICTURE for one in story.pictures},
        )
        asked = judged(monkeypatch, project, ruling)
        shown = run("--base", "main", "--html", str(tmp_path / "page.html"))
        assert shown.exit_code == status and "next" in shown.output
        assert asked[0]["base"] == "main" and asked[0]["rebuild"] is False
        assert (tmp_path / "page.html").read_text("utf-8").count("<img") == 3


def test_where_no_model_is_judged_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    judged(monkeypatch, project, Ruling("pass", "Nothing to build: the model stays", lambda head: "text"))
    found = run("--base", "main")
    assert isinstance(found.exception, Fault)
    assert "Nothing to build" in str(found.exception) and "gitops-ml preview" in str(found.exception)


def test_a_settled_ruling_needs_its_folders_no_more() -> None:
    story, asked = told.report(), []

    def render(head: str) -> str:
        asked.append(head)
        return f"text {head}"

    ruling = Ruling("pass", "", render, whole=lambda head: f"whole {head}", report=lambda head: story)
    settled = ruling.settled("abc")
    assert (settled.render("x"), settled.summary("x")) == ("text abc", "whole abc") and asked == ["abc"]
    assert settled.report is not None and settled.report("x") is story
    assert Ruling("pass", "", render).settled("d").summary("x") == "text d"


# ---------------------------------------------------------------- what does not fit


def test_what_a_comment_has_no_room_for_is_in_the_summary_and_the_comment_says_where() -> None:
    from tests.suite.test_report_comment import context, floor, quality, verdict

    many = [floor(f"metric_{k} {'long ' * 60}", "fail", 0.1, 0.5) for k in range(80)]
    given_, around = verdict("block", *many, quality()), dataclasses.replace(context(), artifact="verdict-7")
    short, whole = comment(given_, around), comment(given_, around, SUMMARY)
    assert len(short) <= LIMIT < len(whole) <= SUMMARY
    assert "summary of the [run](https://github.com/acme/churn/actions/runs/77)" in short
    assert "report.html of its artifact `verdict-7`" in short
    assert "did not fit" not in whole and "Every check, and notes" in whole
