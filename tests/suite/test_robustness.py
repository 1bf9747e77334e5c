"""A bad day: how rows are disturbed, who is asked for them, what the checks say, and that the order of rows is nobody's."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.suite import judged, runs
from tests.suite.judged import Folders, evidence, sha256
from tests.suite.pipelines import git
from tests.suite.test_build_run import made as built
from tests.suite.test_build_score import OLD, Named
from tests.suite.test_build_world import World, commit, edit, paths, world  # noqa: F401 - fixtures
from tests.suite.test_prove import Story

from gitops_ml.build.disturbing import important
from gitops_ml.build.score import score
from gitops_ml.contracts.schema import SchemaFile
from gitops_ml.contracts.scores import Scores
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.delivery import verify as verifying
from gitops_ml.delivery.judgement import Case, by_the_gate
from gitops_ml.errors import Fault
from gitops_ml.gate.bad_day import BadDay, Block
from gitops_ml.gate.evidence import Evidence, Forged
from gitops_ml.gate.judge import judge
from gitops_ml.gate.read import gather
from gitops_ml.report import summary
from gitops_ml.report.comment import comment
from gitops_ml.report.context import Context
from gitops_ml.rows import disturbed as rows
from gitops_ml.rows.disturbed import chosen, disturbed, keys

DAY = date(2026, 11, 1)
BOTH = {"noise": 0.1, "missing": 2}


# ---------------------------------------------------------------- the rows


def schema(**changes: Any) -> SchemaFile:
    columns: dict[str, Any] = {
        "size": {"role": "feature", "type": "number", "nullable": False, "minimum": -3, "maximum": 3},
        "count": {"role": "feature", "type": "integer", "nullable": True},
        "plan": {"role": "feature", "type": "category", "nullable": False, "categories": ["a", "b"]},
        "seen": {"role": "feature", "type": "boolean", "nullable": True},
    }
    for name, change in changes.items():
        columns[name] = {**columns[name], **change}
    return judged.schema(columns=columns)


def table(n: int = 500, seed: int = 0) -> pa.Table:
    draw = np.random.default_rng(seed)
    return pa.table(
        {
            "size": np.clip(draw.normal(size=n), -3, 3),
            "count": pa.array([None if k % 9 == 0 else int(k % 50) for k in range(n)], pa.int64()),
            "plan": draw.choice(["a", "b"], n, p=[0.7, 0.3]).tolist(),
            "seen": (draw.random(n) < 0.5).tolist(),
        }
    )


def made(given: pa.Table, like: SchemaFile | None = None, **more: Any) -> pa.Table:
    like = like or schema()
    asked: dict[str, Any] = {"noise": 0.1, "seed": 0, "emptied": [], **more}
    return disturbed(given, keys(given.column, like), like, **asked)


def test_noise_is_as_large_as_asked_and_falls_on_numbers_alone() -> None:
    given = table(20_000)
    wide = schema(size={"minimum": None, "maximum": None})
    found = made(given, wide)
    moved = found["size"].to_numpy() - given["size"].to_numpy()
    assert moved.std() == pytest.approx(0.1 * given["size"].to_numpy().std(), rel=0.03)
    assert abs(moved.mean()) < 0.003 and abs(np.mean(moved**3)) < 1e-4, "no side is preferred"
    again = made(given, wide, seed=1)["size"].to_numpy() - given["size"].to_numpy()
    assert abs(np.corrcoef(moved, again)[0, 1]) < 0.03, "another seed, other noise"
    other = found["count"].to_pandas() - given["count"].to_pandas()
    assert abs(other.corr(pd.Series(moved))) < 0.03, "each column its own"
    for name in ("plan", "seen"):
        assert found[name].equals(given[name])


def test_bounds_types_and_gaps_stay() -> None:
    given = table()
    found = made(given, noise=1.0)
    assert found.schema.types == given.schema.types
    assert found["size"].to_numpy().min() >= -3 and found["size"].to_numpy().max() <= 3
    assert found["count"].is_null().equals(given["count"].is_null()) and found["count"].null_count
    assert found["count"].to_pylist() != given["count"].to_pylist()


def test_a_column_is_empty_where_it_may_be_and_usual_where_not() -> None:
    given = table()
    found = made(given, noise=None, emptied=["count", "size", "plan", "seen"])
    blocks = [found.slice(at * 500, 500) for at in range(4)]
    assert blocks[0]["count"].null_count == 500 and blocks[3]["seen"].null_count == 500
    assert set(blocks[2]["plan"].to_pylist()) == {"a"}, "the most frequent one"
    middle = set(blocks[1]["size"].to_pylist())
    assert len(middle) == 1 and abs(middle.pop() - np.median(given["size"].to_numpy())) < 0.02
    for at, name in enumerate(["count", "size", "plan", "seen"]):
        rest = [other for other in given.column_names if other != name]
        assert blocks[at].select(rest).equals(given.select(rest)), "nothing else is touched"


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int32(), pa.string()), pa.large_string()])
def test_a_category_keeps_its_type(kind: pa.DataType) -> None:
    given = table().set_column(2, "plan", table()["plan"].combine_chunks().cast(kind))
    found = made(given, noise=0.1, emptied=["plan"])
    assert found["plan"].type == kind and set(found["plan"].slice(500).to_pylist()) == {"a"}


def test_a_row_gets_its_own_noise_wherever_it_stands() -> None:
    given = table()
    order = pa.array(np.random.default_rng(1).permutation(500))
    there, here = made(given.take(order)), made(given).take(order)
    assert there["size"].to_pylist() == here["size"].to_pylist()
    assert there["count"].to_pylist() == here["count"].to_pylist()


def test_of_many_rows_as_many_are_chosen_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST", 100)
    given = table()
    order = np.random.default_rng(1).permutation(500)
    first = given.take(pa.array(chosen(keys(given.column, schema()))))
    turned = given.take(pa.array(order))
    second = turned.take(pa.array(chosen(keys(turned.column, schema()))))
    assert first.num_rows == 100 and first.to_pylist() == second.to_pylist()


def test_the_most_important_come_first_and_no_report_is_needed() -> None:
    report = {"importance": [{"feature": "b"}, {"feature": "gone"}, {"feature": "b"}, "odd"]}
    assert important(report, ["a", "b", "c"]) == ["b", "a", "c"]
    assert important(None, ["a", "b"]) == important({"importance": None}, ["a", "b"]) == ["a", "b"]


# ---------------------------------------------------------------- what the checks say


def day(kind: str = "binary", n: int = 2000, loss: float = 0.0, hurt: float = 0.0, **policy: Any) -> Evidence:
    """Two equal models on the test rows; under noise the challenger loses ``loss`` of its signal, without "tenure" ``hurt``."""
    given = evidence(kind, n, policy={"robustness": {**BOTH, **policy}}, apart=0.1)
    order = np.random.default_rng(3).permutation(n)
    blocks = []
    for seed, (column, lost) in enumerate(((None, loss), ("tenure", hurt), ("contract", 0.0))):
        _, old, new = judged.pair(kind, n, 0, lost, apart=0.1 + 0.01 * seed)
        said = {"champion": old, "challenger": new}
        blocks.append(
            Block(column, {who: one.iloc[order].reset_index(drop=True) for who, one in said.items()})
        )  # type: ignore[misc]
    bad = BadDay(order, 0.1, tuple(blocks), {"champion": "1a" * 32, "challenger": "1b" * 32})
    return replace(given, disturbed=bad)


def the(verdict: Verdict, name: str = "noise") -> Check:
    (found,) = [one for one in verdict.checks if one.id == f"robustness/{name}"]
    return found


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_model_that_suffers_more_is_told_and_one_that_suffers_alike_is_not(kind: str) -> None:
    verdict = judge(day(kind))
    assert [the(verdict, name).outcome for name in ("noise", "missing")] == ["pass", "pass"]
    verdict = judge(day(kind, loss=0.6))
    check = the(verdict)
    assert (check.outcome, check.severity, verdict.overall) == ("fail", "note", "pass")
    assert check.reason.startswith("With numbers off by 0.1 standard deviations, ")
    assert check.evidence["undisturbed"] > (check.challenger or 1) and "Undisturbed it is" in check.reason
    assert the(verdict, "missing").outcome == "pass"


def test_of_emptied_columns_the_worst_is_told_at_a_level_for_all_of_them() -> None:
    verdict = judge(day(hurt=0.7, severity="block"))
    check = the(verdict, "missing")
    assert (check.outcome, check.severity, verdict.overall) == ("fail", "block", "block")
    assert check.reason.startswith("Without tenure, ") and check.level == pytest.approx(0.975)
    assert the(verdict).level == pytest.approx(0.95) and the(verdict).outcome == "pass"
    said = summary.status_line(verdict)[1]
    assert said.startswith("Blocked: without tenure, ROC AUC is 0.") and "below the champion's" in said
    assert "lean on more than one column" in summary.step(check)
    told = comment(verdict, Context())
    assert "| ROC AUC without tenure | 0." in told and "| ROC AUC with noisy numbers | 0." in told


def test_that_few_rows_cannot_tell_stands_in_the_table_and_is_no_news() -> None:
    """A fresh project has a hundred test rows: its first good pull request should not begin with what they cannot tell."""
    verdict = judge(day(n=80, margin=0.0001))
    assert [the(verdict, name).outcome for name in ("noise", "missing")] == ["unknown", "unknown"]
    told = comment(verdict, Context())
    assert "📝 cannot tell" in told and "**Note:** With" not in told and "`robustness/missing`" in told
    told = comment(judge(day(loss=0.6)), Context())
    assert "**Note:** With numbers off by" in told
    assert "97.5% interval" in the(judge(day(hurt=0.7)), "missing").reason


def test_its_margin_is_the_policys() -> None:
    assert the(judge(day(loss=0.6, margin=0.5))).outcome == "pass"


def test_off_until_asked_for() -> None:
    verdict = judge(evidence())
    assert verdict.inputs.disturbed is None
    assert not [one for one in verdict.checks if one.id.startswith("robustness")]
    only = replace(day(), policy=evidence(policy={"robustness": {"noise": 0.1}}).policy)
    assert [one.id for one in judge(only).checks if one.id.startswith("robustness")] == ["robustness/noise"]


def test_a_first_model_has_its_figure() -> None:
    given = day(loss=0.6)
    assert given.disturbed is not None
    blocks = tuple(
        replace(one, predictions={"challenger": one.predictions["challenger"]})
        for one in given.disturbed.blocks
    )
    check = the(judge(replace(given, champion=None, disturbed=replace(given.disturbed, blocks=blocks))))
    assert (check.outcome, check.severity) == ("pass", "note")
    assert "roc_auc is 0." in check.reason and "undisturbed it is 0." in check.reason


@pytest.mark.parametrize(("fault", "severity"), [(True, "block"), (False, "needs-human")])
def test_what_is_missing_is_unknown_and_only_the_challengers_own_fault_counts_in_full(
    fault: bool, severity: str
) -> None:
    given = replace(day(severity="block"), disturbed=BadDay(error="KeyError: tenure", fault=fault))
    for name in ("noise", "missing"):
        check = the(judge(given), name)
        assert (check.outcome, check.severity) == ("unknown", severity)
        assert check.reason.endswith("KeyError: tenure")
    assert summary.short(the(judge(given))) == "it is unknown what becomes of ROC AUC with noisy numbers"
    nobody = the(judge(replace(given, disturbed=None)))
    assert nobody.outcome == "unknown" and "nobody disturbed" in nobody.reason


def test_rows_without_numbers_have_no_noise() -> None:
    given = day()
    assert given.disturbed is not None
    bad = replace(given.disturbed, noise=None, blocks=given.disturbed.blocks[1:])
    found = [one.id for one in judge(replace(given, disturbed=bad)).checks if one.id.startswith("robustness")]
    assert found == ["robustness/missing"]


def test_that_only_some_rows_were_disturbed_is_said() -> None:
    given = day(n=3000)
    assert given.disturbed is not None and given.disturbed.rows is not None
    some = replace(
        given.disturbed,
        rows=given.disturbed.rows[:2000],
        blocks=tuple(
            replace(one, predictions={who: said.head(2000) for who, said in one.predictions.items()})
            for one in given.disturbed.blocks
        ),
    )
    check = the(judge(replace(given, disturbed=some)))
    assert check.n == 2000 and "(on 2,000 of 3,000 test rows)" in check.reason


# ---------------------------------------------------------------- by digest


class Disturbed(Folders):
    """Folders whose base asks for both; every disturbance gave the models' usual answers."""

    def score(self, **manifest: Any) -> Folders:
        (self.base / "policy.yaml").write_text(
            f"version: 1\nenvironments: [production]\nrobustness: {json.dumps(BOTH)}\n"
        )
        super().score()
        read = pq.read_table(pa.BufferReader(self.objects["data/prepared/test.parquet"]))
        order = chosen(keys(read.column, judged.schema()))
        also: dict[str, Any] = {
            "name": "disturbed", "source": "0" * 64, "rows": 3 * len(order), "left_out": 0, "error": None,
        }  # fmt: skip
        for who, said in self.tables.items():
            taken = pd.concat([said.iloc[order]] * 3, ignore_index=True)
            file = self.scores / f"also-disturbed-{who}.parquet"
            taken.to_parquet(file, index=False)
            also[who] = {
                "file": file.name, "sha256": sha256(file.read_bytes()), "revision": judged.COMMIT,
                "model_sha256": judged.OLD if who == "champion" else sha256(self.model),
                "rows": len(taken), "seconds": 0.1,
            }  # fmt: skip
            also[who] |= manifest.pop(who, {})
        told = {"rows": len(order), "noise": 0.1, "seed": 0, "columns": ["tenure", "contract"], "error": None}
        also |= manifest.pop("also", {})
        return super().score(also=[also], disturbed={**told, **manifest.pop("told", {})}, **manifest)

    def verdict(self) -> Verdict:
        found = gather(self.candidate, self.scores, base=self.base, head=self.head, today=DAY, **self.digests)
        return judge(found)


def folders(tmp_path: Path) -> Disturbed:
    laid = Disturbed(tmp_path)
    laid.write()
    return laid


def test_the_predictions_are_read_block_by_block_and_named_in_the_verdict(tmp_path: Path) -> None:
    verdict = folders(tmp_path).verdict()
    plain = next(one for one in verdict.checks if one.id == "quality/roc_auc")
    for name in ("noise", "missing"):  # as on the test rows, for that is what was answered
        assert (the(verdict, name).champion, the(verdict, name).challenger) == (
            plain.champion,
            plain.challenger,
        )
    assert verdict.inputs.disturbed is not None
    assert set(verdict.inputs.disturbed.predictions) == {"champion", "challenger"}


@pytest.mark.parametrize(
    "spoilt",
    [
        {"told": {"noise": 0.001}},
        {"told": {"seed": 7}},
        {"told": {"columns": ["tenure", "secret"]}},
        {"told": {"columns": ["tenure"]}},
        {"told": {"rows": 100}},
        {"also": {"rows": 100}},
        {"also": {"name": "other"}},
        {"challenger": {"model_sha256": "0" * 64}},
        {"champion": {"sha256": "0" * 64}},
    ],
    ids=lambda one: json.dumps(one),
)
def test_scores_that_disagree_are_refused(tmp_path: Path, spoilt: dict[str, Any]) -> None:
    laid = folders(tmp_path)
    laid.score(**spoilt)
    with pytest.raises(Forged):
        laid.verdict()


def test_what_the_score_job_could_not_do_is_unknown(tmp_path: Path) -> None:
    laid = folders(tmp_path)
    laid.score(told={"error": "the test rows cannot be disturbed: no memory"})
    assert the(laid.verdict()).reason.endswith("no memory")
    laid.score(also={"challenger": None, "error": "the challenger: Traceback\nValueError: NaN"})
    assert the(laid.verdict()).reason.endswith("ValueError: NaN")
    Folders.score(laid)
    assert the(laid.verdict()).reason.endswith("did not disturb them. Run it again.")


# ---------------------------------------------------------------- who is asked


@pytest.fixture(scope="module")
def ready(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Main asks for a bad day, a branch that brings a new model does not."""
    folder = tmp_path_factory.mktemp("bad-day")
    base = world.clone(folder / "base")
    policy = "version: 1\nenvironments: [production]\n"
    commit(base, {"policy.yaml": f"{policy}robustness: {{noise: 0.2, missing: 1}}\n"}, "Bad days")
    git(base, "clone", "-q", str(base), str(folder / "head"))
    commit(
        folder / "head", {**edit(folder / "head", "params.yaml", "seed: 7", "seed: 8"), "policy.yaml": policy}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(runs.ACTIONS))
        built(world, folder / "head", folder / "candidate", stages=["train"])
    return folder


def scored(world: World, ready: Path, out: Path, head: Path | None = None) -> Scores:
    named = Named("v1.0.0", git(world.origin, "rev-parse", "HEAD"), OLD)
    return score(
        ready / "candidate", head or ready / "head", ready / "base", out, find=lambda *_: named, pull=world.pull,
        install=(), python=sys.executable, say=lambda text: None,
    ).scores  # fmt: skip


def test_both_models_are_asked_as_the_base_branch_wants(world: World, ready: Path, tmp_path: Path) -> None:
    scores = scored(world, ready, tmp_path / "scores")
    told = scores.disturbed
    assert told is not None and (told.noise, told.seed, told.error, told.rows) == (0.2, 0, None, 3)
    assert len(told.columns) == 1
    (also,) = scores.also
    assert (also.name, also.rows, also.error) == ("disturbed", 6, None)
    assert also.challenger is not None and also.champion is not None
    said = [
        pq.read_table(tmp_path / "scores" / who.file)["prediction"].to_pylist()
        for who in (also.challenger, also.champion)
    ]
    assert said == [["model 8"] * 6, ["model 7"] * 6]


def test_a_model_that_cannot_bear_it_is_written_down(world: World, ready: Path, tmp_path: Path) -> None:
    head = tmp_path / "head"
    git(tmp_path, "clone", "-q", str(ready / "head"), str(head))
    text = "if len(table) == 6: sys.exit('an empty column')\nif \"churned\" in"
    commit(head, edit(head, "src/churn/score.py", 'if "churned" in', text))
    (also,) = scored(world, ready, tmp_path / "scores", head).also
    assert also.challenger is None and "an empty column" in (also.error or "")


@pytest.mark.parametrize("rules", [{"noise": 0}, {"noise": 2}, {"missing": 0}, {"missing": 21}, {"often": 1}])
def test_only_sensible_days_can_be_asked_for(rules: dict[str, Any]) -> None:
    from gitops_ml.contracts.policy import PolicyFile

    with pytest.raises(Fault, match="robustness"):
        PolicyFile.parse({"version": 1, "environments": ["production"], "robustness": rules}, "policy.yaml")


def test_a_release_is_disturbed_alike_and_comes_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "src")
    story = Story(tmp_path / "story")
    story.serve(story.release("v1.0.0", "old"))
    policy = "version: 1\nenvironments: [production, staging]\nrobustness: {noise: 0.1}\n"
    story.commit({"policy.yaml": policy}, "Bad days")
    story.release("v1.1.0", "new")
    found: list[Verdict] = []

    def keep(case: Case, today: date) -> Verdict:
        found.append(by_the_gate(case, today))
        return found[-1]

    monkeypatch.setattr(verifying, "by_the_gate", keep)
    assert story.verify("v1.1.0").word in ("differs", "unknown"), "the tag was made by hand"
    verdict = found[0]
    the(verdict)
    text = (
        f"churn v1.1.0\n\nverdict: pass\nverdict-digest: {verdict.digest()}\nsuite: {verdict.inputs.suite}\n"
    )
    at = git(story.root, "rev-parse", "churn@v1.1.0^{commit}")
    git(story.root, "tag", "-f", "-a", "churn@v1.1.0", "-m", text, at)
    answer = story.verify("v1.1.0")
    assert answer.word == "same" and answer.found == verdict.digest(), answer
