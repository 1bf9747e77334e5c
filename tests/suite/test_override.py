"""`gitops-ml override`: an entry that the gate honours for one check of one model, or a clear no and an untouched file."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite import runs
from tests.suite.judged import NEW, OLD, evaluation, evidence, schema_text
from tests.suite.pipelines import git

from gitops_ml.contracts.base import read_plain
from gitops_ml.contracts.overrides import OverridesFile
from gitops_ml.errors import Fault
from gitops_ml.gate.judge import judge
from gitops_ml.policy.codeowners import owners
from gitops_ml.policy.override import Asked, entry, known, write
from gitops_ml.policy.override_command import override as command
from gitops_ml.policy.tally import tally

TODAY = date(2026, 11, 21)
WHY = "The new plan starts in May; agreed with retention."
POLICY = {"version": 1, "environments": ["production"], "floors": {"accuracy": 0.9999}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project on main, whose evaluation and lock name model NEW."""
    content = json.dumps(evaluation("binary", 600).model_dump(mode="json"))
    md5 = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    outs = [{"path": "reports/evaluation.json", "hash": "md5", "md5": md5, "size": len(content)}]
    files = {
        "dvc.yaml": "stages: {}\n",
        "dvc.lock": json.dumps({"schema": "2.0", "stages": {"evaluate": {"cmd": "x", "outs": outs}}}),
        "policy.yaml": json.dumps(POLICY),
        "schema.yaml": json.dumps(schema_text("binary")),
        "reports/evaluation.json": content,
    }
    runs.write(tmp_path, files)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "config", "user.name", "Ada")
    git(tmp_path, "config", "user.email", "ada@example.org")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Start")
    return tmp_path


def asked(**changes: Any) -> Asked:
    return Asked(**{"check": "floor/accuracy", "reason": WHY, "expires": "2027-01-31", **changes})


def written(project: Path, **changes: Any) -> OverridesFile:
    write(project, entry(project, asked(**changes), TODAY))
    return OverridesFile.read(project / "overrides.yaml")


# ---------------------------------------------------------------- what is written


def test_the_gate_honours_what_it_writes_and_nothing_else(project: Path) -> None:
    (one,) = written(project).overrides
    assert (one.check, one.sha256, one.owner, one.expires) == (
        "floor/accuracy",
        NEW,
        "Ada",
        date(2027, 1, 31),
    )
    given: dict[str, Any] = {"n": 2000, "apart": 0.1, "policy": {"floors": POLICY["floors"]}}
    assert judge(evidence(**given)).overall == "block"
    verdict = judge(evidence(**given, overrides=(one,)))
    assert verdict.overall == "pass"
    assert [check.override for check in verdict.checks if check.override] == [f"{WHY} (Ada)"]
    (other,) = written(project, model=OLD).overrides[1:]
    assert judge(evidence(**given, overrides=(other,))).overall == "block"


def test_comments_and_other_entries_stay_as_they_are(project: Path) -> None:
    path = project / "overrides.yaml"
    flow = f"- {{check: card, sha256: {OLD}, owner: 'Bob, of sales', reason: \"long: enough\", expires: 2026-01-31}} # old"
    mine = f"- check: floor/accuracy # asked on Monday\n  sha256: {NEW}\n  owner: Bob\n  reason: I said so, and so it is.\n"
    path.write_text(
        f"# Ours.\nversion: 1\n\n# All of them:\noverrides:\n{flow}\n{mine}  expires: 2026-12-01\n# The end.\n"
    )
    found = written(project)
    text = path.read_text("utf-8")
    assert (
        len(found.overrides) == 2 and found.overrides[1].owner == "Ada" and found.overrides[1].reason == WHY
    )
    assert flow in text and "# Ours." in text and "# All of them:" in text and "# asked on Monday" in text
    assert "# The end." in text and "I said so" not in text
    assert len(written(project, check="floor/dummy").overrides) == 3 and flow in path.read_text("utf-8")


def test_the_same_again_changes_nothing_and_says_so(project: Path) -> None:
    first = write(project, entry(project, asked(), TODAY))
    text = (project / "overrides.yaml").read_bytes()
    again = write(project, entry(project, asked(), TODAY))
    assert (first.updated, again.updated) == (False, True)
    assert (project / "overrides.yaml").read_bytes() == text


@pytest.mark.parametrize(
    "reason", ['it\'s: #1 & "agreed upon" {no}', "naïve — 名前, abcdefghij", "two\nlines of good reason"]
)
def test_any_words_survive(project: Path, reason: str) -> None:
    assert written(project, reason=reason, owner="Ada: @x").overrides[0].reason == " ".join(reason.split())


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"check": "floor/acuracy"}, "Did you mean floor/accuracy"),
        ({"check": "floor/recall"}, "Did you mean floor/"),
        ({"check": "quality"}, "Did you mean quality/roc_auc"),
        ({"check": "everything"}, "Those that stop one here: floor/accuracy"),
        ({"check": "flips"}, "no override is needed"),
        ({"reason": "because 12345"}, "10 letters"),
        ({"reason": "  " * 20}, "10 letters"),
        ({"expires": "tomorrow"}, "a day is written as 2027-02-19"),
        ({"expires": "20270131"}, "a day is written as"),
        ({"expires": "2026-11-21"}, "not ahead of today"),
        ({"expires": "2027-11-22"}, "by 2027-11-21 at"),
        ({"model": NEW[:12]}, "64 hexadecimal"),
        ({"model": NEW.upper()}, "64 hexadecimal"),
        ({"owner": " "}, "--owner"),
    ],
)
def test_a_no_is_clear_and_leaves_the_file_alone(project: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        written(project, **changes)
    assert not (project / "overrides.yaml").exists()
    written(project)
    before = (project / "overrides.yaml").read_bytes()
    with pytest.raises(Fault, match=words):
        written(project, **changes)
    assert (project / "overrides.yaml").read_bytes() == before


def test_a_year_is_the_most(project: Path) -> None:
    assert written(project, expires="2027-11-21").overrides[0].expires == date(2027, 11, 21)


@pytest.mark.parametrize(
    "text",
    ["version: 1\noverrides: {\n", "version: 2\n", "version: 1\noverrides:\n- {check: card}\n", "[]\n"],
)
def test_a_broken_file_is_not_touched(project: Path, text: str) -> None:
    (project / "overrides.yaml").write_text(text)
    with pytest.raises(Fault, match=r"overrides\.yaml"):
        written(project)
    assert (project / "overrides.yaml").read_text() == text


def test_a_link_is_not_followed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("other") / "x.yaml"
    (project / "overrides.yaml").symlink_to(elsewhere)
    with pytest.raises(Fault, match="is a link"):
        written(project)
    assert not elsewhere.exists()


def test_mains_policy_judges_so_its_checks_count(project: Path) -> None:
    (project / "policy.yaml").write_text(
        json.dumps({**POLICY, "floors": {}, "calibration": {"severity": "block"}})
    )
    assert known(project)["floor/accuracy"] == "block"
    assert known(project)["calibration"] == "block", "this branch's, too: main may soon have it"
    git(project, "commit", "-qam", "Loosen")
    assert "floor/accuracy" not in known(project)


def test_a_model_that_the_lock_does_not_name_is_no_model(project: Path) -> None:
    other = json.dumps(evaluation("binary", 600, OLD).model_dump(mode="json"))
    (project / "reports/evaluation.json").write_text(other)
    with pytest.raises(Fault, match=r"not the one that dvc\.lock names"):
        written(project)
    (project / "reports/evaluation.json").unlink()
    with pytest.raises(Fault, match="has no model"):
        written(project)
    assert written(project, model=OLD).overrides[0].sha256 == OLD


# ---------------------------------------------------------------- the command


def test_the_command_says_for_what_who_approves_and_what_next(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / ".github").mkdir()
    (project / ".github/CODEOWNERS").write_text(
        "* @everyone\n/overrides.yaml @ada @bob # both\npolicy.yaml @eve\n"
    )
    words = ["floor/accuracy", "--reason", WHY, "--expires", "2027-01-31"]
    said = CliRunner().invoke(command, words, catch_exceptions=False).output
    for part in ("added", NEW, "somebody else", "@ada, @bob", "override protected", "git add overrides.yaml"):
        assert part in said, part
    assert "changed" in CliRunner().invoke(command, words, catch_exceptions=False).output
    alone = CliRunner().invoke(command, ["protected", *words[1:]], catch_exceptions=False).output
    assert "approves  nobody" in alone
    lost = CliRunner().invoke(command, ["floor/accuracy", "--expires", "2027-01-31"])
    assert lost.exit_code != 0 and "--reason" in lost.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* @a\n", ["@a"]),
        ("* @a\n*.yaml @b\n", ["@b"]),
        ("/overrides.yaml @c @org/team\n/docs @d\n", ["@c", "@org/team"]),
        ("overrides.yaml @a\noverrides.yaml\n", []),  # the last line that names it counts
        ("# overrides.yaml @a\n\n", []),
    ],
)
def test_owners(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert owners(tmp_path, "overrides.yaml") == []
    (tmp_path / "CODEOWNERS").write_text(text)
    assert owners(tmp_path, "overrides.yaml") == expected
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github/CODEOWNERS").write_text("overrides.yaml @first\n")
    assert owners(tmp_path, "overrides.yaml") == ["@first"], "GitHub reads this one first"


def test_the_tally(project: Path) -> None:
    assert tally(None, "x", TODAY).line == ""
    written(project)
    content = read_plain(project / "overrides.yaml")
    assert (
        tally(content, "x", TODAY).line
        == "1 in force (floor/accuracy of 4f1c09ab until 2027-01-31), 0 expired"
    )
    assert tally(content, "x", date(2027, 1, 31)).line.startswith("1 in force"), "its last day is one of them"
    assert tally(content, "x", date(2027, 2, 1)).line == "0 in force, 1 expired"
