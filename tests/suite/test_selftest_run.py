"""What a ruling on a planted failure comes to, in a word; and the throw-away clone that it is planted in."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite.pipelines import git
from tests.suite.test_build_world import World, commit, paths, world  # noqa: F401 - fixtures
from tests.suite.test_ruling_laptop import looks

from gitops_ml.contracts.verdict import Check, Inputs, Side, Verdict
from gitops_ml.delivery.champion import champion
from gitops_ml.delivery.handed_over import handed_over
from gitops_ml.errors import Fault
from gitops_ml.ruling.task import Ruling
from gitops_ml.selftest import command, screen
from gitops_ml.selftest import run as running
from gitops_ml.selftest.clone import cloned
from gitops_ml.selftest.plant import BUILD, Plant
from gitops_ml.selftest.run import Judged, Result, _result
from gitops_ml.selftest.site import Impossible, Site
from gitops_ml.storage import pull, remote
from gitops_ml.storage.cache import Cache

NEW, OLD = "b" * 64, "a" * 64
PLANT = Plant(
    "leaky", "a leak", lambda site: None, ("leakage*",), lambda site: {"leakage": {"severity": "block"}}
)
ALWAYS = Plant("worse", "a worse model", lambda site: None, ("quality/*",))
WAITS = replace(PLANT, waits=True)
EQUAL = Plant("equal", "an equally good model", lambda site: None)


def ruled(*checks: tuple[str, str, str], overall: str = "pass") -> Ruling:
    """A ruling with these checks: id, severity, outcome."""
    made = [
        Check.parse(
            {"id": id_, "severity": severity, "outcome": outcome, "title": id_, "reason": f"{id_} says so."},
            "check",
        )
        for id_, severity, outcome in checks
    ]
    side = Side(version=None, revision=None, sha256=NEW, predictions=OLD)
    inputs = Inputs(challenger=side, champion=None, test_rows=OLD, policy=OLD, lock="c" * 40, suite="1.0.0")
    verdict = Verdict.parse(
        {"version": 1, "overall": overall, "first_model": False, "inputs": inputs.model_dump(), "checks": [c.model_dump() for c in made]},
        "verdict",
    )  # fmt: skip
    return Ruling(overall, f"{overall}: in short", lambda head: "", verdict=verdict)


STOPS = ruled(("quality/x", "block", "fail"), ("leakage/y", "block", "fail"), overall="block")
OTHER = ruled(("quality/x", "block", "fail"), ("leakage/y", "note", "fail"), overall="block")
NOTE = ruled(("quality/x", "block", "pass"), ("leakage/y", "note", "fail"))
ASLEEP = ruled(("quality/x", "block", "pass"), ("leakage/y", "block", "pass"))
NONE = ruled(("quality/x", "block", "pass"))
UNKNOWN = ruled(("leakage/y", "needs-human", "unknown"), overall="needs-human")
BUILDS = Ruling("block", "Blocked: build stopped: no bytes", lambda head: "")
KEYS = {"leakage": {"severity": "block", "alone": [0.99]}}


@pytest.mark.parametrize(
    ("plant", "ruling", "strict", "word", "why", "own"),
    [
        (PLANT, STOPS, None, "stopped", "", True),
        (PLANT, UNKNOWN, None, "stopped", "", True),
        (PLANT, OTHER, STOPS, "stopped", "leakage/y would stop it, and is a note in policy.yaml; it says: leakage/y says so.", False),
        (PLANT, NOTE, STOPS, "unprotected", "leakage/y would stop it, and is a note", False),
        (PLANT, NONE, NONE, "unprotected", "switched on, these rows would not have shown it either", False),
        (PLANT, NONE, None, "unprotected", "there is no check `leakage*` here", False),
        (PLANT, NOTE, None, "unprotected", "`leakage*` stops nothing here; it says: leakage/y says so.", False),
        (PLANT, ASLEEP, ASLEEP, "let through", "leakage/y is on, and says: leakage/y says so.", False),
        (PLANT, BUILDS, None, "not planted", "with it, build stopped: no bytes", False),
        (EQUAL, BUILDS, None, "not planted", "with it, build stopped: no bytes", True),
        (Plant("unpushed", "bytes", lambda site: None, (BUILD,)), BUILDS, None, "stopped", "", True),
        (ALWAYS, ASLEEP, None, "let through", "quality/x is on", False),
        (ALWAYS, ruled(), None, "let through", "no check `quality/*`", False),
        (WAITS, NOTE, STOPS, "unprotected", "leakage/y waits until production has changed hands; it says", False),
        (EQUAL, NONE, None, "passed", "in short", True),
        (EQUAL, OTHER, None, "let through", "nothing got worse, and the gate says: in short", True),
    ],
)  # fmt: skip
def test_what_a_ruling_comes_to(
    plant: Plant, ruling: Ruling, strict: Ruling | None, word: str, why: str, own: bool
) -> None:
    result = _result(plant, Judged(ruling, strict, KEYS if strict else None))
    assert (result.word, result.own) == (word, own) and why in result.why, result
    assert result.ok == (word != "let through")


def test_the_line_for_policy_yaml_is_yaml() -> None:
    result = _result(PLANT, Judged(NOTE, STOPS, KEYS))
    assert result.line == "leakage: {severity: block, alone: [0.99]}"


def test_an_expired_override_is_told_by_its_note() -> None:
    plant = Plant("expired", "an override", lambda site: None, ("quality/*",), note="overrides")
    found = ruled(("quality/x", "block", "fail"), ("overrides", "note", "fail"), overall="block")
    assert _result(plant, Judged(found, None, None)).why == "overrides says so."
    assert "no word of overrides" in _result(plant, Judged(STOPS, None, None)).why


# ---------------------------------------------------------------- told


def results() -> list[Result]:
    told = [
        _result(ALWAYS, Judged(STOPS, None, None)),
        _result(PLANT, Judged(NOTE, STOPS, KEYS)),
        _result(Plant("other", "another", lambda site: None, ("slices",)), Judged(STOPS, None, None)),
        Result(
            Plant("odd", "an odd one", lambda site: None, ("x",)), "not planted", (), "there is | no place", 0
        ),
        _result(EQUAL, Judged(NONE, None, None)),
    ]
    return told


def test_the_screen_names_the_check_the_word_and_the_line() -> None:
    lines = [screen.line(one) for one in results()]
    assert "blocked" in lines[0] and "quality/x: " in lines[0] and "(and 1 more)" in lines[0]
    assert lines[1].rstrip().endswith("s") and "unprotected" in lines[1]
    told = "\n".join(screen.details(results()))
    assert "to be protected, in policy.yaml:\n      leakage: {severity: block, alone: [0.99]}" in told
    assert "another: stopped, but not by its own check" in told
    assert "a worse model" not in told, "what is well needs no words"
    assert screen.sentence(results()) == (
        "2 of 4 planted failures were stopped; 1 of them by another check than their own (other); 1 met a check that is off "
        "(leaky); 1 could not be planted here (odd); an equally good model passed."
    )


def test_the_summary_of_a_run_is_markdown() -> None:
    text = screen.markdown(results(), "judged by")
    assert text.startswith("### ✅ 2 of 4 planted failures were stopped")
    assert "| ✅ | a worse model | blocked | " in text and "```yaml\nleakage: {" in text
    assert "there is \\| no place" in text
    assert screen.markdown([_result(ALWAYS, Judged(ASLEEP, None, None))], "").startswith("### ⛔ 0 of 1")


# ---------------------------------------------------------------- the clone


@pytest.fixture
def root(world: World, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(world.origin, tmp_path / "churn", symlinks=True))
    git(copy, "remote", "add", "origin", "https://example.invalid/ada/churn.git")
    return copy


def test_the_clone_serves_todays_model_and_leaves_the_persons_folder_alone(root: Path) -> None:
    commit(
        root, {".dvc/config": "[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://bucket\n"}
    )
    (root / "params.yaml").write_text("not committed\n", "utf-8")
    before, head = looks(root), git(root, "rev-parse", "HEAD")
    with cloned(root) as clone:
        assert clone.commit == head and clone.root != root
        assert remote.kind(clone.root) == "git", "no object store is within reach"
        url = git(clone.root, "remote", "get-url", "origin")
        assert Path(url) == clone.origin and clone.origin.is_dir()
        serving = champion(clone.root, clone.base)
        assert serving is not None and (serving.revision, serving.version) == (head, "v0.0.1")
        assert not handed_over(clone.root, clone.base), "it is as young as the person's own"
        later = clone.policy(b"version: 1\nenvironments: [production]\n", handed_over=True)
        assert handed_over(clone.root, later) and champion(clone.root, later) == serving
        assert git(clone.root, "merge-base", later, clone.base) == clone.base
        assert Cache(clone.root).base.is_relative_to(clone.root)
        assert (
            pull(clone.root, ["models/model.skops"]) is not None
            and (clone.root / "models/model.skops").is_file()
        )
        site = clone.site()
        (site.root / "planted.py").write_text("", "utf-8")
        made = clone.commit_all("A plant")
        assert git(clone.root, "diff", "--name-only", clone.base, made) == "planted.py"
        assert not (clone.site().root / "planted.py").exists()
        other = clone.policy(b"version: 1\nenvironments: [production]\nfloors: {x: 1}\n")
        assert "floors" in git(clone.root, "show", f"{other}:policy.yaml")
        folder = clone.root
    assert not folder.exists() and looks(root) == before


def test_a_production_that_has_changed_hands_has_done_so_in_the_clone(root: Path) -> None:
    for sha256 in (OLD, NEW):
        pointer = f"model: churn\nversion: v1.0.0\nrevision: '{'1' * 40}'\npath: x\nsha256: {sha256}\nsize: 1\nimage: null\nverdict: pass\npromoted_from: null\n"
        commit(root, {"deploy/production/model.yaml": pointer})
    with cloned(root) as clone:
        assert handed_over(clone.root, clone.base)
        serving = champion(clone.root, clone.base)
        assert serving is not None and serving.revision == clone.commit


def test_a_poisoned_store_gives_other_bytes_until_the_end(root: Path) -> None:
    with cloned(root) as clone:
        (pointer,) = (clone.root / "data/raw").glob("*.dvc")
        md5 = pointer.read_text("utf-8").partition("path: churn.csv")[0].rpartition("md5: ")[2].split()[0]
        with (
            clone.poisoned(md5, b"other"),
            pytest.raises(Fault, match=r"(?s)could not be had.*(corrupted|truncated)"),
        ):
            pull(clone.root, ["data/raw/churn.csv"])
        pull(clone.root, ["data/raw/churn.csv"])
        assert (clone.root / "data/raw/churn.csv").read_bytes() != b"other"


def test_without_a_model_there_is_nothing_to_judge_against(root: Path) -> None:
    commit(root, {"dvc.lock": None})
    with pytest.raises(Fault, match=r"no dvc\.lock.*gitops-ml reproduce"), cloned(root):
        pass


def test_a_plant_without_a_place_is_not_planted_and_the_next_one_is_tried(root: Path) -> None:
    def nowhere(site: Site) -> None:
        raise Impossible("there is no place")

    def words(site: Site) -> None:
        (site.root / "README.md").write_text("# Words\n", "utf-8")

    said: list[str] = []
    with cloned(root) as clone:
        first, second = running.run(
            clone, [Plant("a", "a", nowhere, ("x",)), Plant("b", "words", words)], said.append
        )
    assert (first.word, first.why) == ("not planted", "there is no place")
    assert (second.word, second.ok) == ("passed", True) and said == ["a", "words"]


# ---------------------------------------------------------------- the command


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch, root: Path) -> Callable[[list[Result]], Any]:
    """The command, with these results in place of a run."""

    @contextmanager
    def nothing(root: Path) -> Any:
        yield type("Clone", (), {"commit": "1" * 40})()

    monkeypatch.chdir(root)
    monkeypatch.setattr("gitops_ml.selftest.clone.cloned", nothing)

    def invoke(found: list[Result], *arguments: str) -> Any:
        monkeypatch.setattr("gitops_ml.selftest.run.run", lambda clone, plants, say: iter(found))
        return CliRunner().invoke(command.gates, ["selftest", *arguments])

    return invoke


def test_status_1_is_a_failure_that_got_past_a_check_that_is_on(
    answering: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    good = answering(results())
    assert good.exit_code == 0 and "2 of 4 planted failures" in good.output
    assert (tmp_path / "summary").read_text("utf-8").startswith("### ✅ 2 of 4")
    bad = answering([_result(ALWAYS, Judged(ASLEEP, None, None))])
    assert bad.exit_code == 1 and "got through a check that is on" in bad.output


def test_the_list_and_unknown_names(answering: Any) -> None:
    listed = answering([], "--list")
    assert listed.exit_code == 0 and "worse-model" in listed.output and "must pass" in listed.output
    wrong = answering([], "--only", "worse-model, nothing")
    assert isinstance(wrong.exception, Fault) and "nothing" in str(wrong.exception)
