"""The clock outside the process: real processes, asked in turn; whatever they do, measuring ends, and fails nothing."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.suite.test_build_score import OLD, Named, candidate, head, ready, scored  # noqa: F401 - fixtures
from tests.suite.test_build_world import SCORE, World, commit, edit, paths, world  # noqa: F401 - fixtures

from gitops_ml.build import loop as loops
from gitops_ml.build import run, score_command
from gitops_ml.build import score as scoring
from gitops_ml.build.loop import Late, Loop, Silent
from gitops_ml.build.timing import MANY, ONE_ROW, Ready, measured
from gitops_ml.contracts.policy import Budgets
from gitops_ml.contracts.timings import Timings, Who
from gitops_ml.errors import Fault
from gitops_ml.gate.clocks import judged

# A score command that needs nothing: tables are text, one row a line, so that no library's import is waited for.
COMMAND = """\
import json, os, shutil, sys, time
{first}
print(json.dumps({{"ready": True}}), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    {each}
    shutil.copy(ask["input"], ask["output"])
    {then}
    print(json.dumps({{"rows": 1}}), flush=True)
{last}
"""
ROWS = 40
# One model, in effect: predictions are the column `prediction` of the rows themselves.
ONE, SOME = replace(ONE_ROW, asks=40, warm=4), replace(MANY, asks=12)


def player(folder: Path, name: str, each: str = "pass", **more: str) -> Ready:
    parts = {"first": "", "then": "pass", "last": "", "each": each, **more}
    path = folder / f"{name}.py"
    path.write_text(COMMAND.format(**parts))
    return Ready((sys.executable, "-S", str(path)), folder, sys.executable, folder / "rows.parquet")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    pq.write_table(pa.table({"prediction": [f"row {k}" for k in range(ROWS)]}), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def asked(rows: Path, new: Ready, old: Ready | None = None, **more: Any) -> Timings:
    players: dict[Who, Ready] = {"champion": old, "challenger": new} if old else {"challenger": new}
    desk = rows.parent / "desk"
    desk.mkdir()
    given = {"one_row": ONE, "many": SOME, "load": 20.0, **more}
    return measured(players, rows, desk, **given)


def test_both_are_asked_as_often_and_are_gone_in_the_end(rows: Path) -> None:
    found = asked(rows, player(rows.parent, "new"), player(rows.parent, "old", last="open('left', 'w')"))
    assert found.missing == {} and found.one_row is not None and found.batch is not None
    assert (found.one_row.rows, found.one_row.wanted, found.one_row.warm) == (1, 44, 4)
    assert len(found.one_row.challenger) == len(found.one_row.champion or []) == 44
    assert found.batch.rows == ROWS and len(found.batch.champion or []) == 14
    assert {who: 1e6 < size < 1e9 for who, size in found.peak_bytes.items()} == {
        "champion": True,
        "challenger": True,
    }
    assert (rows.parent / "left").exists(), "an end of the asks is enough to end it"
    singles = {
        pq.read_table(path)["prediction"][0].as_py() for path in rows.parent.glob("desk/ask-*-1.parquet")
    }
    assert singles == {f"row {k}" for k in range(ROWS)}, "no two asks in a row are of the same row"


def test_they_are_asked_in_turn_and_turned_round(rows: Path) -> None:
    note = "open('order', 'a').write('{}')"
    asked(rows, player(rows.parent, "new", note.format("b")), player(rows.parent, "old", note.format("a")))
    assert (rows.parent / "order").read_text().startswith("abbaabba")


def test_equal_models_are_never_called_slow_and_a_slow_one_is(rows: Path) -> None:
    """Real processes on a machine that does something else besides, several times."""
    for turn in range(3):
        again = rows.parent / str(turn)
        again.mkdir()
        (again / "rows.parquet").write_bytes(rows.read_bytes())
        # Some milliseconds each, as models take: of microseconds a busy machine makes any ratio.
        work = "time.sleep(0.005)"
        found = asked(again / "rows.parquet", player(again, "new", work), player(again, "old", work))
        outcomes = {check.id: check.outcome for check in judged(Budgets(), found, None)}
        assert "fail" not in outcomes.values(), (outcomes, found)
    slow = player(rows.parent, "slow", "time.sleep(0.03)")
    checks = judged(Budgets(), asked(rows, slow, player(rows.parent, "old", "time.sleep(0.005)")), None)
    assert [check.outcome for check in checks if "latency" in check.id] == ["fail", "fail"]


UNLUCKY = """\
lives = int(open("lives").read()) + 1 if os.path.exists("lives") else 1
open("lives", "w").write(str(lives))
"""


def test_a_process_that_is_unlucky_for_all_its_life_is_asked_in_a_second_one(rows: Path) -> None:
    unlucky = player(rows.parent, "new", "time.sleep(0.02 if lives == 1 else 0)", first=UNLUCKY)
    old = player(rows.parent, "old")
    found = asked(rows, unlucky, old)
    assert (rows.parent / "lives").read_text() == "2" and found.rounds == 2 and found.missing == {}
    for asks in (found.one_row, found.batch):
        assert asks is not None and min(asks.challenger) < 0.01, "what counts is of the second life"


def test_a_second_life_makes_no_slow_model_quick_and_a_quick_one_has_none(rows: Path) -> None:
    slow, old = player(rows.parent, "slow", "time.sleep(0.02)", first=UNLUCKY), player(rows.parent, "old")
    found = asked(rows, slow, old)
    assert found.rounds == 2
    assert [c.outcome for c in judged(Budgets(), found, None) if "latency" in c.id] == ["fail", "fail"]
    (rows.parent / "desk").rename(rows.parent / "before")
    assert asked(rows, old, slow).rounds == 1, "only a slow challenger is asked again"


def test_memory_is_of_the_process_and_not_of_whoever_started_it(rows: Path) -> None:
    ballast = bytearray(os.urandom(1) * 300_000_000)  # a fork would begin with it
    large = player(rows.parent, "large", first="held = bytearray(b'x' * 200_000_000)")
    found = asked(rows, large, player(rows.parent, "old"))
    assert len(ballast) and found.peak_bytes["champion"] < 100_000_000
    assert found.peak_bytes["challenger"] > 200_000_000


def test_memory_where_there_is_no_proc(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "high_water", lambda pid: None)
    assert asked(rows, player(rows.parent, "new")).peak_bytes["challenger"] > 1e6


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"first": "sys.exit(2)"}, "no --loop"),
        ({"first": "sys.exit('error: no such model')"}, "ended with status 1: error: no such model"),
        ({"each": "sys.exit(7)"}, "ended with status 7: it said nothing"),
        ({"each": "os.abort()"}, "ended with status -6"),
        ({"each": "ask['output'] += '.later'"}, "answered before its predictions were there"),
        ({"each": "ask['input'] = 'other.parquet'"}, "gave the same prediction for 0 of 44 rows only"),
        ({"each": "ask['input'] = __file__"}, "no table with a column"),
        ({"each": "print('x' * 3_000_000)"}, "prints without end"),
        (
            {"each": "os.symlink('rows.parquet', ask['output']); ask['output'] = '/dev/null'"},
            "answered before",
        ),
    ],
)
@pytest.mark.parametrize("who", ["champion", "challenger"])
def test_what_cannot_be_measured_is_written_down(
    rows: Path, who: Who, parts: dict[str, str], words: str
) -> None:
    pq.write_table(pa.table({"prediction": ["another"]}), rows.parent / "other.parquet")
    broken, whole = player(rows.parent, "broken", **parts), player(rows.parent, "whole")
    found = asked(rows, *((broken, whole) if who == "challenger" else (whole, broken)))
    assert list(found.missing) == [who] and words in found.missing[who]
    assert found.one_row is None and found.batch is None
    (check,) = judged(Budgets(), found, None)
    assert (check.severity, check.outcome) == ("note", "unknown")


def test_a_library_may_print(rows: Path) -> None:
    noisy = player(rows.parent, "noisy", "print('[1]'); print('{'); print('a warning', file=sys.stderr)")
    assert asked(rows, noisy).missing == {}


def test_sums_in_another_order_are_the_same_answer(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prediction": [1.0 + k for k in range(ROWS)]}), tmp_path / "rows.parquet")
    new = player(tmp_path, "new")
    pq.write_table(pa.table({"prediction": [1.0 + k + 1e-9 for k in range(ROWS)]}), tmp_path / "said.parquet")
    assert asked(tmp_path / "rows.parquet", replace(new, predictions=tmp_path / "said.parquet")).missing == {}


@pytest.mark.parametrize("who", ["champion", "challenger"])
def test_one_that_hangs_costs_the_time_of_one_ask(
    rows: Path, who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "LEAVE", 0.2)
    stuck, quick = player(rows.parent, "stuck", "time.sleep(60)"), player(rows.parent, "quick")
    pair = (stuck, quick) if who == "challenger" else (quick, stuck)
    started = time.monotonic()
    found = asked(rows, *pair, one_row=replace(ONE, seconds=1.0))
    assert time.monotonic() - started < 20
    assert found.one_row is not None and found.one_row.late == who and found.batch is None
    (check,) = (one for one in judged(Budgets(), found, None) if "latency" in one.id)
    assert check.outcome == ("fail" if who == "challenger" else "unknown")


def test_one_that_never_loads(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "LEAVE", 0.2)
    found = asked(rows, player(rows.parent, "stuck", first="time.sleep(60)"), load=0.5)
    assert found.missing == {"challenger": "it did not answer in time."}


def test_when_time_is_up_there_are_fewer_asks(rows: Path) -> None:
    found = asked(rows, player(rows.parent, "new", "time.sleep(0.05)"), one_row=replace(ONE, seconds=0.3))
    assert found.one_row is not None and found.one_row.late is None
    assert 1 <= len(found.one_row.challenger) < 20 and found.one_row.warm == 0


def test_a_fault_of_our_own_is_written_down_too(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("no table")
    found = asked(tmp_path / "rows.parquet", player(tmp_path, "new"))
    assert "Arrow" in found.missing["challenger"]
    gone = Ready(("/no/such/python",), tmp_path, sys.executable, tmp_path / "rows.parquet")
    with pytest.raises(Silent, match="was not found"):
        Loop(gone.command, tmp_path, {}, tmp_path / "log")
    assert issubclass(Late, Silent)


# ---------------------------------------------------------------- in the score job

WITH_LOOP = (
    SCORE.replace(
        'parser.add_argument("--" + name)\n',
        'parser.add_argument("--" + name)\nparser.add_argument("--loop", action="store_true")\n',
    )
    .replace(
        "table = pq.read_table(given.input)",
        """\
import json
asks = ({"input": given.input, "output": given.output},)
if given.loop:
    asks = map(json.loads, sys.stdin)
    print('{"ready": true}', flush=True)
for ask in asks:
  given.input, given.output = ask["input"], ask["output"]
  #each
  table = pq.read_table(given.input)
""",
    )
    .replace("pq.write_table(pa", "  pq.write_table(pa")
    .replace('if "churned"', '  if "churned"')
    .replace('    sys.exit("error: the target', '      sys.exit("error: the target')
    + "\n  print('{\"rows\": 1}', flush=True)\n"
)


def test_the_score_job_seals_what_its_clock_said(world: World, head: Path, candidate: Path) -> None:
    commit(head, {"src/churn/score.py": WITH_LOOP})
    base = world.clone(candidate.parent / "base")
    champion = Named("v1.0.0", commit(base, {"src/churn/score.py": WITH_LOOP}), OLD)
    found = scored(world, head, candidate, champion, measure=True).scores
    written = candidate.parent / "scores/timings.json"
    assert found.timings == hashlib.sha256(written.read_bytes()).hexdigest()
    timings = Timings.read(written)
    assert timings.missing == {} and timings.one_row is not None and timings.one_row.rows == 1
    assert timings.batch is not None and timings.batch.champion is not None and timings.batch.rows == 3
    assert found.champion is not None and found.champion.size == len(b"model 7")
    assert sorted(path.name for path in written.parent.iterdir()) == [
        "challenger.parquet", "champion.parquet", "manifest.json", "timings.json",
    ]  # fmt: skip


def test_a_champion_of_before_there_was_a_loop_is_a_note(world: World, head: Path, candidate: Path) -> None:
    commit(head, {"src/churn/score.py": WITH_LOOP})
    found = scored(world, head, candidate, measure=True).scores
    timings = Timings.read(candidate.parent / "scores/timings.json")
    assert timings.missing == {"champion": "its score command has no --loop."}
    assert found.champion is not None and found.champion.scored is not None, "it was scored all the same"


def test_nothing_is_measured_unless_asked_for(world: World, head: Path, candidate: Path) -> None:
    assert scored(world, head, candidate).scores.timings is None
    assert not (candidate.parent / "scores/timings.json").exists()


def test_code_that_waits_for_the_clock_to_touch_the_other_side(
    world: World, head: Path, candidate: Path
) -> None:
    found = f"Path({str(candidate.parent)!r}).glob('.scores.partial/champion*')"
    text = WITH_LOOP.replace("#each", f"given.loop and [p.write_bytes(b'') for p in {found}]")
    commit(head, {"src/churn/score.py": text})
    base = world.clone(candidate.parent / "base")
    champion = Named("v1.0.0", commit(base, {"src/churn/score.py": WITH_LOOP}), OLD)
    with pytest.raises(Fault, match="champion's predictions changed"):
        scored(world, head, candidate, champion, measure=True)


def test_the_verb_measures(
    world: World, head: Path, candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(head, {"src/churn/score.py": WITH_LOOP})
    monkeypatch.setattr(scoring, "_find", lambda *_: None)
    monkeypatch.setattr(run, "_storage_pull", world.pull)
    arguments = ["--candidate", str(candidate), "--head", str(head), "--out", str(tmp_path / "scores")]
    done = CliRunner().invoke(score_command.score, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    timings = Timings.read(tmp_path / "scores/timings.json")
    assert timings.one_row is not None and timings.one_row.champion is None
