"""check-drift: every verdict by a table that deserves it, and the statistics that stand behind "moved"."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tests.suite import drifting, runs
from tests.suite.drifting import Watched, rows
from tests.suite.pipelines import git

from gitops_ml.contracts.drift import DriftFile
from gitops_ml.contracts.policy import Drift
from gitops_ml.drift import check as checking
from gitops_ml.drift import compare, sealed
from gitops_ml.drift.measure import measure
from gitops_ml.errors import Fault

pytestmark = pytest.mark.xdist_group("evidently")  # which takes seconds to import


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(runs.ACTIONS))
        return drifting.make(tmp_path_factory.mktemp("watched"))


@pytest.fixture
def watched(released: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(runs.ACTIONS), "src"]))
    for name in ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    source = Path(shutil.copy(released.source, tmp_path / "source.csv"))
    root = Path(shutil.copytree(released.root, tmp_path / "churn", symlinks=True))
    pointer = root / f"{drifting.TABLE}.dvc"
    pointer.write_text(pointer.read_text().replace(str(released.source), str(source)), "utf-8")
    if git(root, "status", "--porcelain"):
        git(root, "commit", "-qam", "Another source")
    return Watched(root, released.store, source)


def moved(found: DriftFile) -> list[str]:
    return [column.name for column in found.moved]


# ---------------------------------------------------------------- verdicts


def test_a_planted_shift_is_found_and_said_in_figures(watched: Watched) -> None:
    watched.today(rows(500, seed=5, shift=1.0))
    before = git(watched.root, "status", "--porcelain")
    found, digest = watched.check()
    assert found.state == "drifted", found
    assert moved(found) == ["age", "spend", "visits", "prediction"]
    assert found.share == 0.6
    age = found.columns[0]
    assert (age.method, age.threshold) == ("wasserstein", 0.3) and 0.7 < (age.value or 0) < 1.3
    assert age.direction.startswith("mean 4") and "sd)" in age.direction
    said = found.columns[-1]
    assert said.role == "prediction" and said.kind == "number" and said.moved
    assert any("note (text)" in note for note in found.notes)
    assert {path.name for path in watched.out.iterdir()} == {
        "drift.json", "summary.md", "report.html", "reference.parquet", "current.parquet",
    }  # fmt: skip
    summary = (watched.out / "summary.md").read_text()
    assert summary.startswith("### 🔁 Drifted: 3 of 5 features moved, and what the model says")
    assert "beside the 400 rows that v1.0.0 was tested on" in summary
    assert "wasserstein" in (watched.out / "report.html").read_text("utf-8").lower()
    assert git(watched.root, "status", "--porcelain") == before, "nothing of the project changes"
    assert git(watched.root, "worktree", "list").count("\n") == 0
    assert sealed.opened(watched.out, digest) == found
    assert watched.check()[1] == digest, "the same rows, the same bytes"


def test_rows_of_the_same_kind_are_stable(watched: Watched) -> None:
    watched.today(rows(500, seed=6), "data/current/today.parquet")
    found, _ = watched.check()
    assert (found.state, moved(found), found.share) == ("stable", [], 0.0)
    assert (watched.out / "summary.md").read_text().startswith("### ✅ Stable: 0 of 5 features moved")


@pytest.mark.full
def test_one_column_of_five_is_below_the_share(watched: Watched) -> None:
    today = rows(500, seed=7)
    watched.today(today.assign(visits=today["visits"] + 3), "data/current/today.jsonl")
    found, _ = watched.check()
    assert (found.state, moved(found), found.share) == ("stable", ["visits"], 0.2)
    watched.policy(current="data/current", share=0.2)
    assert watched.check()[0].state == "drifted"


@pytest.mark.full
def test_without_labels_the_features_and_the_predictions_decide(watched: Watched) -> None:
    today = rows(500, seed=8)
    logged = today.drop(columns=["churned", "row", "refund", "secret"]).assign(prediction="no", score_no=0.5)
    watched.today(logged.assign(spend=np.clip(today["spend"] + 200, 0, 1000)))
    found, _ = watched.check()
    assert found.state == "drifted" and moved(found) == ["spend", "prediction"]
    assert any("no labels" in note for note in found.notes)
    watched.today(logged.assign(churned=["yes", *[None] * 499]))
    found, _ = watched.check()
    assert found.state == "stable" and "1 of 500 rows have a label." in found.notes
    target = next(one for one in found.columns if one.role == "target")
    assert target.value is None and "1 values; 100 are needed" in (target.reason or ""), (
        "shown, not folded away"
    )


@pytest.mark.parametrize(
    ("spoil", "column", "rule"),
    [
        (lambda t: t.drop(columns="spend"), "spend", "is in the table"),
        (lambda t: t.assign(colour="red"), "colour", "is in schema.yaml"),
        (lambda t: t.assign(spend=["twelve", *t["spend"][1:]]), "spend", "is a number"),
        (lambda t: t.assign(spend=[np.inf, *t["spend"][1:]]), "spend", "is finite"),
        (lambda t: t.assign(spend=[5000.0, *t["spend"][1:]]), "spend", "between 0 and 1000"),
        (lambda t: t.assign(plan=["gold", *t["plan"][1:]]), "plan", "one of basic, pro, team"),
        (lambda t: t.assign(spend=[None, *t["spend"][1:]]), "spend", "is never empty"),
        (lambda t: t.assign(visits=None), "visits", "has a value somewhere"),
        (lambda t: t.assign(age=[1.5, *t["age"][1:]]), "age", "is a whole number"),
        (lambda t: t.assign(active=["maybe", *t["active"][1:]]), "active", "is true or false"),
    ],
)  # fmt: skip
def test_rows_that_break_the_contract_are_broken_never_drifted(
    watched: Watched, spoil: Any, column: str, rule: str
) -> None:
    # Everything moved besides: quality is asked first.
    watched.today(spoil(rows(300, seed=9, shift=2.0)))
    found, _ = watched.check()
    assert found.state == "broken" and found.columns == [] and found.current is None
    assert [(one.column, one.rule) for one in found.problems] == [(column, rule)]
    summary = (watched.out / "summary.md").read_text()
    assert summary.startswith("### ⛔ Broken") and f"`{column}`" in summary
    assert not (watched.out / "report.html").exists()


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_text_in_a_number_is_broken_in_any_format(watched: Watched, suffix: str) -> None:
    today = rows(300, seed=9).astype({"spend": "object"})
    today.loc[7, "spend"] = "twelve"
    if suffix == "parquet":
        today["spend"] = today["spend"].astype(str)
    watched.today(today, f"data/current/today.{suffix}")
    found, _ = watched.check()
    assert found.state == "broken" and found.problems[0].rule == "is a number"


@pytest.mark.full
def test_a_file_that_is_no_table_is_broken(watched: Watched) -> None:
    watched.today(rows(300, seed=3))
    (watched.root / "data/current/more.parquet").write_bytes(b"PAR1 and nothing else")
    found, _ = watched.check()
    assert found.state == "broken" and found.problems[0].column == "(file)"


@pytest.mark.full
def test_what_policy_tolerates_is_not_broken(watched: Watched) -> None:
    today = rows(300, seed=9)
    spoilt = today.assign(spend=[np.inf, 5000.0, *today["spend"][2:]], plan=["gold", *today["plan"][1:]])
    watched.today(spoilt, tolerated=0.05)
    assert watched.check()[0].state == "stable"
    watched.today(spoilt, tolerated=0.001)
    assert watched.check()[0].state == "broken"


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("five rows", "has 5 rows; fewer than 100"),
        ("header only", "has 0 rows"),
        ("no bytes", "has 0 rows"),
        ("empty folder", "has no table in it"),
        ("nothing there", "is not there"),
    ],
)
def test_too_little_is_unknown_never_stable(watched: Watched, case: str, words: str) -> None:
    folder = watched.root / "data/current"
    watched.policy(current="data/current")
    if case != "nothing there":
        folder.mkdir(parents=True)
    if case == "five rows":
        watched.today(rows(5, seed=3, shift=3))
    elif case == "header only":
        watched.today(rows(0, seed=3))
    elif case == "no bytes":
        (folder / "today.csv").touch()
    found, _ = watched.check()
    assert found.state == "unknown" and words in found.reason
    assert found.columns == [] and found.share is None
    assert (watched.out / "summary.md").read_text().startswith("### ❔ Unknown")


def test_a_column_with_few_values_is_not_compared(watched: Watched) -> None:
    today = rows(300, seed=4)
    today.loc[5:, "visits"] = None
    watched.today(today)
    found, _ = watched.check()
    visits = next(one for one in found.columns if one.name == "visits")
    assert visits.value is None and visits.reason == "5 values; 100 are needed"
    assert visits.moved and visits.direction == "empty 0% → 98%", "that it is empty now is a move"


def test_a_model_that_cannot_predict_leaves_unknown(watched: Watched) -> None:
    watched.today(rows(500, seed=6))
    found, _ = watched.check(install=[sys.executable, "-c", "raise SystemExit('no network')"])
    assert found.state == "unknown" and "no network" in " ".join(found.notes)
    watched.today(rows(500, seed=6, shift=1.0))
    found, _ = watched.check(install=[sys.executable, "-c", "raise SystemExit('no network')"])
    assert found.state == "drifted", "what moved, moved"


@pytest.mark.full
def test_of_many_rows_a_sample_is_compared_and_said(watched: Watched) -> None:
    watched.today(rows(900, seed=6), max_rows=300)
    found, _ = watched.check()
    assert found.watched is not None and (found.watched.rows, found.watched.used) == (900, 300)
    assert found.notes[0] == (
        "data/current has 900 rows; a seeded sample of 300 was compared (policy.yaml, drift.max_rows)."
    )
    assert found.current is not None and found.current.rows == 300


@pytest.mark.full
def test_a_folder_is_all_its_tables(watched: Watched) -> None:
    watched.today(rows(60, seed=6), "data/current/a/one.csv")
    watched.today(rows(60, seed=7), "data/current/b/two.jsonl")
    (watched.root / "data/current/.hidden.csv").write_text("x\n1\n")
    (watched.root / "data/current/README.md").write_text("words")
    found, _ = watched.check()
    assert found.state == "stable" and found.watched is not None and found.watched.rows == 120


# ---------------------------------------------------------------- the imported table


def test_an_imported_table_that_has_not_moved_has_nothing_new(watched: Watched) -> None:
    found, _ = watched.check()
    assert found.state == "unknown" and "has not moved" in found.reason


def test_the_newest_version_of_the_imported_table_is_compared(watched: Watched) -> None:
    rows(800, seed=11, shift=1.0).to_csv(watched.source, index=False)
    before = git(watched.root, "status", "--porcelain")
    found, _ = watched.check()
    assert found.state == "drifted" and found.watched is not None
    assert (found.watched.kind, found.watched.path, found.watched.rows) == ("imported", drifting.TABLE, 800)
    assert git(watched.root, "status", "--porcelain") == before
    rows(800, seed=11).drop(columns="secret").to_csv(watched.source, index=False)
    found, _ = watched.check()
    assert found.state == "broken", "prepare would refuse it, whatever the column's role"


@pytest.mark.full
def test_a_source_that_does_not_answer_is_unknown(watched: Watched) -> None:
    watched.source.unlink()
    found, _ = watched.check()
    assert found.state == "unknown" and "could not be read" in found.reason


def test_without_an_import_there_is_nothing_to_watch_and_how_to_connect_one(watched: Watched) -> None:
    pointer = watched.root / f"{drifting.TABLE}.dvc"
    pointer.unlink()
    git(watched.root, "commit", "-qam", "A table of our own")
    found, _ = watched.check()
    assert found.state == "unknown" and found.watched is None
    assert "drift: {current: data/current}" in found.reason and "dvc import-url" in found.reason


def test_before_the_first_release_there_is_nothing_to_watch(watched: Watched) -> None:
    git(watched.root, "rm", "-q", "deploy/production/model.yaml")
    git(watched.root, "commit", "-qm", "Nothing serves")
    found, _ = watched.check()
    assert found.state == "unknown" and found.serving is None


def test_other_bytes_than_the_pointer_names_are_not_asked(watched: Watched, tmp_path: Path) -> None:
    store = Path(shutil.copytree(watched.store, tmp_path / "store"))
    (store / drifting.md5(b"model one")).write_bytes(b"model two")
    spoilt = Watched(watched.root, store, watched.source)
    with pytest.raises(Fault, match="are not in the storage"):
        spoilt.check()
    assert not spoilt.out.exists()


@pytest.mark.change
def test_the_verb_asks_the_projects_evidently_where_there_is_none_here(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.today(rows(300, seed=6, shift=1.0))
    monkeypatch.chdir(watched.root)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setattr(checking, "_spec", lambda name: None)
    monkeypatch.setattr("gitops_ml.build.run._storage_pull", watched.pull)
    monkeypatch.setattr("gitops_ml.build.predicting.INSTALL", (sys.executable, "-c", "pass"))
    from gitops_ml.drift.command import check_drift

    done = CliRunner().invoke(check_drift, [])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "drifted   3 of 5 features moved" in done.output
    assert "state" in (tmp_path / "out").read_text() and (watched.root / "drift/report.html").exists()


# ---------------------------------------------------------------- statistics


def verdict(reference: pd.DataFrame, current: pd.DataFrame, policy: Drift, page: Path) -> compare.Answer:
    wanted = [compare.Subject(name, "feature", kind) for name, kind in KINDS.items()]
    wanted.append(compare.Subject("spend", "prediction", "number"))
    found = compare.compare(reference, current, wanted[:-1], policy, lambda a, b, c: measure(a, b, c, page))
    said = next(one for one in found if one.name == "spend").model_copy(update={"role": "prediction"})
    return compare.decide([*found, said], policy)


KINDS: dict[str, Any] = {
    "age": "number",
    "spend": "number",
    "visits": "number",
    "plan": "category",
    "active": "category",
}


@pytest.mark.parametrize(("draws", "most"), [(6, 1), pytest.param(100, 10, marks=pytest.mark.full)])
def test_the_same_distribution_is_seldom_called_drift_and_a_shift_always(
    draws: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the least number of rows that is compared at all: at most one false alarm in ten, and no shift missed."""
    monkeypatch.setattr("evidently.core.report.Snapshot.save_html", lambda self, path: None)
    policy, alarms, missed = Drift(), 0, 0
    for seed in range(draws):
        reference, current = rows(policy.min_rows, seed=100 + seed), rows(policy.min_rows, seed=200 + seed)
        alarms += verdict(reference, current, policy, tmp_path / "p.html").state == "drifted"
        shifted = rows(policy.min_rows, seed=200 + seed, shift=0.75)
        missed += verdict(reference, shifted, policy, tmp_path / "p.html").state != "drifted"
    assert alarms <= most, alarms
    assert missed == 0


def test_rare_categories_are_counted_together() -> None:
    draw = np.random.default_rng(3)
    sides = [pd.DataFrame({"code": draw.integers(0, 400, 200).astype(str)}) for _ in range(2)]
    wanted = [compare.Subject("code", "feature", "category")]
    seen: dict[str, Any] = {}

    def asked(reference: pd.DataFrame, current: pd.DataFrame, columns: compare.Asked) -> dict[str, float]:
        seen["reference"], seen["current"] = reference, current
        return {"code": 0.0}

    compare.compare(sides[0], sides[1], wanted, Drift(), asked)
    assert set(seen["reference"]["code"]) == set(seen["current"]["code"]) == {compare.OTHER}


@pytest.mark.parametrize(("method", "value", "expected"), [("ks", 0.01, True), ("ks", 0.2, False), ("wasserstein", 0.01, False), ("wasserstein", 0.05, True)])  # fmt: skip
def test_a_p_value_and_a_distance_are_read_in_opposite_ways(
    method: str, value: float, expected: bool
) -> None:
    policy = Drift.parse({"numbers": {"method": method, "threshold": 0.05}}, "policy")
    side = pd.DataFrame({"x": np.arange(200.0)})
    (found,) = compare.compare(
        side, side, [compare.Subject("x", "feature", "number")], policy, lambda a, b, c: {"x": value}
    )
    assert found.moved is expected


def test_a_folder_that_was_swapped_is_refused(watched: Watched) -> None:
    watched.today(rows(300, seed=6))
    _, digest = watched.check()
    with pytest.raises(Fault, match="swapped"):
        sealed.opened(watched.out, "0" * 64)
    (watched.out / "current.parquet").write_bytes(b"others")
    with pytest.raises(Fault, match="is not what drift"):
        sealed.opened(watched.out, digest)
