"""Outputs that no value can escape from, summaries within GitHub's limit, annotations of one line, and the verb itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.suite.forge_script import Answer, Script, pull, scripted

from gitops_ml.errors import Fault
from gitops_ml.forge import actions
from gitops_ml.forge.command import open_pull_request


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A step of a run."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.delenv("GITHUB_RUN_ATTEMPT", raising=False)


def outputs(folder: Path) -> dict[str, str]:
    """As the runner reads them."""
    lines = iter((folder / "output").read_text("utf-8").splitlines())
    found = {}
    for line in lines:
        name, mark = line.split("<<")
        value = []
        while (line := next(lines)) != mark:
            value.append(line)
        found[name] = "\n".join(value)
    return found


def test_an_output_cannot_end_itself(tmp_path: Path) -> None:
    evil = "one\nEOF\nghadelimiter\nurl<<X\nhttp://evil\nX\né"
    actions.output("title", evil)
    actions.output("number", 3)
    actions.output("built", True)
    actions.output("empty", "")
    assert outputs(tmp_path) == {"title": evil, "number": "3", "built": "true", "empty": ""}
    marks = re.findall("<<(end-.*)", (tmp_path / "output").read_text())
    assert len(set(marks)) == 4


def test_a_laptop_gets_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    actions.output("a", "b")
    actions.summary("text")
    actions.annotation("error", "t", "m")
    actions.report_fault(Fault("broken"))
    assert not actions.in_actions()
    assert actions.run_url() == ""
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""
    actions.warn("title", "message")
    assert capsys.readouterr().err == "warning: title\n  message\n"


def test_a_summary_stays_within_the_limit(tmp_path: Path) -> None:
    actions.summary("first")
    actions.summary("second\n")
    assert (tmp_path / "summary").read_text() == "first\n\nsecond\n\n"
    actions.summary("ä line\n" * 200_000)
    actions.summary("nothing of this")
    content = (tmp_path / "summary").read_bytes()
    assert len(content) <= actions.SUMMARY_LIMIT
    assert content.decode().endswith("ä line" + actions.CUT)


def test_an_annotation_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    actions.annotation("warning", "a: b, c%\n", "100%\nof::it\r")
    assert capsys.readouterr().out == "::warning title=a%3A b%2C c%25%0A::100%25%0Aof::it%0D\n"
    actions.annotation("error", "t", "x" * 10_000)
    assert len(capsys.readouterr().out) < 4_100
    with pytest.raises(ValueError, match="debug is none of"):
        actions.annotation("debug", "t", "m")


def test_the_page_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GITHUB_REPOSITORY", "demo/churn")
    monkeypatch.setenv("GITHUB_RUN_ID", "77")
    assert actions.run_url() == "http://127.0.0.1:1/demo/churn/actions/runs/77"
    monkeypatch.setenv("GITHUB_RUN_ATTEMPT", "2")
    assert actions.run_url() == "http://127.0.0.1:1/demo/churn/actions/runs/77/attempts/2"


def test_a_fault_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    actions.report_fault(
        Fault("models/*.skops is not in the store: @ada\n  Run `gitops-ml storage push`\n  ~~~~")
    )
    assert capsys.readouterr().out == (
        "::error title=models/*.skops is not in the store::models/*.skops is not in the store: @ada%0A"
        "  Run `gitops-ml storage push`%0A  ~~~~\n"
    )
    summary = (tmp_path / "summary").read_text()
    assert summary.startswith("### ⛔ models/\\*.skops is not in the store: @\u200bada\n\n~~~~text\n")
    assert summary.count("~~~~") == 2
    actions.report_fault(Fault("x" * 300))
    assert f"title={'x' * 79}…::" in capsys.readouterr().out


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    with scripted() as server:
        monkeypatch.setenv("GITHUB_SERVER_URL", server.url)
        monkeypatch.setenv("GITHUB_API_URL", server.place.api)
        monkeypatch.setenv("GITHUB_REPOSITORY", "demo/churn")
        monkeypatch.setenv("GITOPS_ML_TOKEN", "ghs_x")
        server.on("GET ", {"default_branch": "main"})
        server.on("GET pulls", [])
        server.on("GET issues", [])
        yield server


def invoke(*arguments: str) -> Result:
    given = ["--branch", "retrain/data", "--title", "New\n rows", "--body-file", "-", *arguments]
    return CliRunner().invoke(open_pull_request, given, input="Text")


def test_the_verb_opens(tmp_path: Path, script: Script) -> None:
    script.on(
        "POST pulls", lambda asked: Answer(201, pull(4, title=asked.body["title"], body=asked.body["body"]))
    )
    script.on("POST issues/4/labels", [])
    done = invoke("--label", "gitops-ml: retrain", "--label", "b")
    assert (done.exit_code, done.output) == (0, "#4 http://web/demo/churn/pull/4\n")
    created = next(asked for asked in script.asked if asked.call == "POST pulls")
    assert created.body == {"title": "New rows", "body": "Text", "head": "retrain/data", "base": "main"}
    assert outputs(tmp_path) == {"number": "4", "url": "http://web/demo/churn/pull/4", "compare-url": ""}
    assert {"labels": ["gitops-ml: retrain", "b"]} in [asked.body for asked in script.asked]


def test_the_verb_is_not_red_where_a_setting_forbids(tmp_path: Path, script: Script) -> None:
    script.on(
        "POST pulls",
        Answer(403, {"message": "GitHub Actions is not permitted to create or approve pull requests."}),
    )
    script.on(
        "POST issues", lambda asked: Answer(201, {**asked.body, "number": 8, "html_url": "i8", "labels": []})
    )
    done = invoke("--base", "trunk")
    link = f"{script.url}/demo/churn/compare/trunk...retrain/data?expand=1"
    assert done.exit_code == 0
    assert "::warning title=GitHub Actions may not open pull requests here::" in done.output
    assert f"not opened: {link}\nwhat to click: i8\n" in done.output
    assert outputs(tmp_path) == {"number": "", "url": "i8", "compare-url": link}
    assert link in (tmp_path / "summary").read_text()


def test_the_verb_fails_on_a_clear_no(script: Script) -> None:
    script.on("POST pulls", Answer(403, {"message": "Resource not accessible by integration"}))
    done = invoke()
    assert done.exit_code != 0
    assert isinstance(done.exception, Fault)


def test_the_verb_s_module_is_cheap() -> None:
    import subprocess

    code = "import sys, gitops_ml.forge.command, gitops_ml.forge.client, gitops_ml.forge.commits; "
    code += "print([name for name in ('github', 'requests', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
