"""The gold set: whose bytes count, which stages may not read it, what the check says, and that it binds the verdict."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.suite import judged, ruled, runs
from tests.suite.judged import Folders, md5, sha256
from tests.suite.pipelines import git
from tests.suite.test_build_run import made as built
from tests.suite.test_build_score import OLD, Named
from tests.suite.test_build_world import World, commit, edit, paths, world  # noqa: F401 - fixtures
from tests.suite.test_prove import Story

from gitops_ml.build import gold as build_gold
from gitops_ml.build.held_out import TRAIN
from gitops_ml.build.score import score
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.scores import Scores
from gitops_ml.contracts.verdict import Check, Verdict
from gitops_ml.delivery import verify as verifying
from gitops_ml.delivery.judgement import Case, by_the_gate
from gitops_ml.errors import Fault
from gitops_ml.gate.evidence import Forged
from gitops_ml.gate.judge import judge
from gitops_ml.gate.read import gather
from gitops_ml.report import summary
from gitops_ml.report.comment import comment
from gitops_ml.report.context import Context
from gitops_ml.ruling.rule import rule

TABLE = "data/gold.parquet"
DAY = date(2026, 11, 1)


class Golden(Folders):
    """Folders whose base names a gold set of ``rows`` rows, on which the challenger loses ``loss`` of its signal."""

    def __init__(self, root: Path, loss: float = 0.0, rows: int = 400, rules: str = "", **more: Any) -> None:
        super().__init__(root, **more)
        target, old, new = judged.pair("binary", rows, 8, loss)
        self.gold = pd.DataFrame(
            {"tenure": range(1000, 1000 + rows), "contract": "monthly", "churned": target}
        )
        self.says = {"champion": old, "challenger": new}
        self.policy(f"gold: {{table: {TABLE}{rules}}}")
        self.gold.to_parquet(root / "gold.parquet", index=False)
        self.content = (root / "gold.parquet").read_bytes()
        self._put(self.base / TABLE, self.content)

    def policy(self, more: str) -> None:
        (self.base / "policy.yaml").write_text(f"version: 1\nenvironments: [production]\n{more}\n")

    def score(self, **manifest: Any) -> Folders:
        """What the score job hands over; ``also`` and ``gold`` in ``manifest`` replace keys of those entries."""
        source = sha256(self.content)
        also: dict[str, Any] = {
            "name": "gold",
            "source": source,
            "rows": len(self.gold),
            "left_out": 0,
            "error": None,
        }
        for who, said in self.says.items():
            file = self.scores_folder() / f"also-gold-{who}.parquet"
            said.to_parquet(file, index=False)
            also[who] = {
                "file": file.name,
                "sha256": sha256(file.read_bytes()),
                "model_sha256": judged.OLD if who == "champion" else sha256(self.model),
                "revision": judged.COMMIT,
                "rows": len(said),
                "seconds": 0.1,
            }
        self._put(self.scores_folder() / build_gold.FILE, self.content)
        gold = {"table": TABLE, "sha256": source, "error": None, **manifest.pop("gold", {})}
        return super().score(also=[{**also, **manifest.pop("also", {})}], gold=gold, **manifest)

    def verdict(self) -> Verdict:
        evidence = gather(
            self.candidate, self.scores, base=self.base, head=self.head, today=DAY, **self.digests
        )
        return judge(evidence)

    def check(self, name: str = "gold/roc_auc") -> Check:
        (found,) = [one for one in self.verdict().checks if one.id == name]
        return found


def made(tmp_path: Path, **more: Any) -> Golden:
    folders = Golden(tmp_path, **more)
    folders.write()
    return folders


def reads(folders: Golden, **deps: bytes) -> dict[str, Any]:
    """A lock in which a stage ``peek`` reads these, by path."""
    lock = folders.lock()
    listed = [{"path": path, "hash": "md5", "md5": md5(content)} for path, content in deps.items()]
    lock["stages"]["peek"] = {"cmd": "peek", "deps": listed, "outs": []}
    return lock


# ---------------------------------------------------------------- what the check says


def test_off_until_asked_for(tmp_path: Path) -> None:
    folders = Golden(tmp_path)
    folders.policy("")
    folders.write()
    verdict = folders.verdict()
    assert verdict.inputs.gold is None and not [one for one in verdict.checks if one.id.startswith("gold/")]


@pytest.mark.parametrize(
    ("loss", "outcome", "word", "overall"),
    [(0.0, "pass", "no measurable change", "pass"), (0.9, "fail", "regression", "block")],
)
def test_both_models_are_compared_as_on_the_test_rows(
    tmp_path: Path, loss: float, outcome: str, word: str, overall: str
) -> None:
    """The test rows see no difference; only the gold set does."""
    folders = made(tmp_path, loss=loss, rules=", margin: 0.03")
    verdict, check = folders.verdict(), folders.check()
    assert (check.outcome, check.severity, verdict.overall) == (outcome, "block", overall)
    assert check.evidence["outcome"] == word and check.n == 400 and check.threshold == -0.03
    assert check.low is not None and check.high is not None and check.estimate is not None
    assert check.low <= check.estimate <= check.high
    old, new = (
        judged.numbers("binary", folders.gold["churned"], one)["roc_auc"] for one in folders.says.values()
    )
    assert (check.champion, check.challenger) == (pytest.approx(old, rel=1e-5), pytest.approx(new, rel=1e-5))
    assert verdict.inputs.gold is not None and verdict.inputs.gold.rows == sha256(folders.content)
    assert set(verdict.inputs.gold.predictions) == {"champion", "challenger"}
    if outcome == "fail":
        assert summary.short(check).startswith("ROC AUC falls by ") and "on the gold set" in summary.short(
            check
        )
        assert "nothing was tuned to" in summary.step(check)


def test_the_comment_shows_both_figures_in_the_table(tmp_path: Path) -> None:
    told = comment(made(tmp_path).verdict(), Context())
    assert "| ROC AUC on the gold set, n = 400 | 0." in told and "✅ not worse" in told


def test_few_rows_cannot_tell_and_ask_a_person(tmp_path: Path) -> None:
    folders = made(tmp_path, rows=30, rules=", margin: 0.0001")
    check = folders.check()
    assert (check.outcome, check.severity) == ("unknown", "needs-human")
    assert summary.short(check) == "the gold set cannot tell" and "Cannot tell" in check.reason


def test_a_first_model_has_a_figure_and_its_floor(tmp_path: Path) -> None:
    folders = Golden(tmp_path, rules=", floor: 0.99")
    folders.champion = None
    del folders.tables["champion"], folders.says["champion"]
    folders.write()
    folders.score(also={"champion": None})
    check, floor = folders.check(), folders.check("gold/floor")
    assert (check.outcome, check.severity) == ("pass", "note") and "the first model" in check.reason
    assert (floor.outcome, floor.severity, floor.threshold) == ("fail", "block", 0.99)
    assert summary.short(floor) == "ROC AUC misses its limit on the gold set"


def test_the_severity_is_the_policys(tmp_path: Path) -> None:
    folders = made(tmp_path, loss=0.9, rules=", severity: note")
    assert folders.check().outcome == "fail" and folders.verdict().overall == "pass"


# ---------------------------------------------------------------- what cannot tell


def test_bytes_that_are_missing_are_unknown_with_the_command_that_brings_them(tmp_path: Path) -> None:
    folders = made(tmp_path)
    folders.score(gold={"sha256": None, "error": "it is not in the store. Run gitops-ml storage push"})
    check = folders.check()
    assert (check.outcome, check.severity) == ("unknown", "needs-human")
    assert "gitops-ml storage push" in check.reason and folders.verdict().inputs.gold is None
    (folders.base / TABLE).unlink()
    assert f"dvc add {TABLE}" in folders.check().reason


def test_a_challenger_that_cannot_predict_it_is_stopped_a_champion_is_not(tmp_path: Path) -> None:
    folders = made(tmp_path)
    folders.score(also={"challenger": None, "error": "the challenger: Traceback\nKeyError: tenure"})
    check = folders.check()
    assert (check.outcome, check.severity) == ("unknown", "block") and "KeyError: tenure" in check.reason
    folders.score(also={"champion": None, "error": "the champion: gone"})
    check = folders.check()
    assert (check.outcome, check.severity) == ("unknown", "needs-human")
    assert "compared with no other model: the champion: gone" in check.reason


def test_a_table_that_lacks_a_column_of_the_new_schema_asks_a_person(tmp_path: Path) -> None:
    folders = Golden(tmp_path)
    columns = {**judged.COLUMNS, "plan": {"role": "feature", "type": "text"}}
    folders.people["schema.yaml"] = json.dumps(judged.schema_text("binary", columns)).encode()
    folders.write()
    folders.score(also={"challenger": None, "error": "the challenger: KeyError: plan"})
    check = folders.check()
    assert (check.outcome, check.severity) == ("unknown", "needs-human")
    assert "it has no column plan" in check.reason and "pull request of its own" in check.reason


def test_rows_that_trained_the_candidate_do_not_count(tmp_path: Path) -> None:
    folders = Golden(tmp_path)
    folders.people["schema.yaml"] = json.dumps(
        judged.schema_text("binary", {"tenure": judged.COLUMNS["tenure"]})
    ).encode()
    (folders.base / "schema.yaml").write_bytes(folders.people["schema.yaml"])
    path = tmp_path / "train.parquet"
    folders.gold.iloc[:100].to_parquet(path, index=False)
    folders.objects[TRAIN] = path.read_bytes()
    folders.says = {who: said.iloc[100:].reset_index(drop=True) for who, said in folders.says.items()}
    folders.write()
    folders.score(also={"rows": 300, "left_out": 100})
    check = folders.check()
    assert check.n == 300 and "100 rows were left out: the candidate was trained on them" in check.reason
    folders.score(also={"rows": 400, "left_out": 0})
    with pytest.raises(Forged, match="of 400 rows, not of 300"):
        folders.verdict()


# ---------------------------------------------------------------- who may not read it


@pytest.mark.parametrize(
    "deps",
    [
        {TABLE: b"whatever stood there"},
        {"data": b"a folder around it"},
        {"data/raw/copy.parquet": ...},
    ],
    ids=["itself", "its folder", "a copy"],
)
def test_a_stage_that_reads_it_fails_the_check(tmp_path: Path, deps: Mapping[str, Any]) -> None:
    folders = Golden(tmp_path)
    folders.write(
        reads(folders, **{path: folders.content if one is ... else one for path, one in deps.items()})
    )
    check = folders.check()
    assert (check.outcome, check.severity, check.evidence) == ("fail", "block", {"readers": ["peek"]})
    assert "by stage peek" in check.reason and summary.short(check) == "a stage reads the gold set"
    assert "dvc.yaml" in summary.step(check)


def test_neighbours_of_it_may_be_read(tmp_path: Path) -> None:
    folders = Golden(tmp_path)
    folders.write(reads(folders, **{"data/gold.parquet.md": b"about it", "data/gold": b"another folder"}))
    assert folders.check().outcome == "pass"


def test_a_stage_that_makes_it_fails_the_check(tmp_path: Path) -> None:
    """The test set under another name is no gold set."""
    folders = Golden(tmp_path)
    folders.content = folders.objects["data/prepared/test.parquet"]
    folders._put(folders.base / TABLE, folders.content)
    folders.write()
    assert folders.check().evidence == {"readers": ["all"]}


def test_dvc_yaml_counts_where_the_lock_is_of_another_time(tmp_path: Path) -> None:
    folders = Golden(tmp_path)
    text = f"stages:\n  each:\n    foreach: [a]\n    do:\n      cmd: peek\n      deps: [{TABLE}: {{}}]\n"
    folders._put(folders.head / "dvc.yaml", text.encode())
    folders.write()
    assert folders.check().evidence == {"readers": ["each"]}


# ---------------------------------------------------------------- by digest


def test_another_table_than_the_base_branchs_is_refused(tmp_path: Path) -> None:
    folders = made(tmp_path)
    easier = folders.gold.iloc[:200]
    easier.to_parquet(tmp_path / "easier.parquet", index=False)
    folders.content = (tmp_path / "easier.parquet").read_bytes()
    folders.score(also={"rows": 200})
    with pytest.raises(Forged, match=r"is not data/gold\.parquet of the base branch"):
        folders.verdict()


@pytest.mark.parametrize("case", ["manifest", "table", "model", "predictions"])
def test_scores_that_disagree_are_refused(tmp_path: Path, case: str) -> None:
    folders = made(tmp_path)
    if case == "manifest":
        folders.score(gold={"sha256": "0" * 64}, also={"source": "0" * 64})
    elif case == "table":
        folders.score(also={"source": "0" * 64})
    elif case == "model":
        scored = {"file": "also-gold-challenger.parquet", "model_sha256": "0" * 64, "revision": judged.COMMIT}
        digest = sha256((folders.scores / scored["file"]).read_bytes())
        folders.score(also={"challenger": {**scored, "sha256": digest, "rows": 400, "seconds": 0.1}})
    else:
        (folders.scores / "also-gold-challenger.parquet").write_bytes(b"better ones")
    with pytest.raises(Forged):
        folders.verdict()


def test_a_dvc_pointer_of_the_base_names_the_bytes(tmp_path: Path) -> None:
    folders = made(tmp_path)
    (folders.base / TABLE).write_bytes(b"not checked out")
    pointer = f"outs:\n- md5: {md5(folders.content)}\n  hash: md5\n  path: gold.parquet\n"
    folders._put(folders.base / f"{TABLE}.dvc", pointer.encode())
    assert folders.check().outcome == "pass"


def test_verdicts_of_before_there_was_a_gold_set_keep_their_digest(tmp_path: Path) -> None:
    folders = Golden(tmp_path)
    folders.policy("")
    folders.write()
    new = folders.verdict()
    said = new.model_dump(mode="json")
    for name in ("gold", "baseline", "disturbed"):
        del said["inputs"][name]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert new.digest() == sha256(text.encode()) == Verdict.parse(said, "old").digest()


@pytest.mark.parametrize(
    "path", ["/data/gold.parquet", "../gold.parquet", "data//gold.parquet", "data/gold.csv", ""]
)
def test_only_a_parquet_file_of_the_project_can_be_named(path: str) -> None:
    with pytest.raises(Fault, match=r"data/gold\.parquet"):
        PolicyFile.parse(
            {"version": 1, "environments": ["production"], "gold": {"table": path}}, "policy.yaml"
        )


# ---------------------------------------------------------------- how it gets to the models


@pytest.fixture(scope="module")
def ready(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new model, built; the base branch has a gold set in git, the branch another under the same name."""
    folder = tmp_path_factory.mktemp("gold")
    base = world.clone(folder / "base")
    rows = pd.DataFrame({"tenure": [5, 6], "contract": ["monthly"] * 2, "churned": ["yes", "no"]})
    (base / "data").mkdir(exist_ok=True)
    rows.to_parquet(base / TABLE, index=False)
    git(base, "add", "-f", TABLE)
    policy = f"version: 1\nenvironments: [production]\ngold: {{table: {TABLE}}}\n"
    commit(base, {"policy.yaml": policy}, "A gold set")
    git(base, "clone", "-q", str(base), str(folder / "head"))
    head = folder / "head"
    commit(head, {**edit(head, "params.yaml", "seed: 7", "seed: 8"), TABLE: "easier rows"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(runs.ACTIONS))
        built(world, head, folder / "candidate", stages=["train"])
    return folder


def scored(world: World, ready: Path, out: Path, **more: Any) -> tuple[Scores, Path]:
    given = {"find": lambda *_: Named("v1.0.0", git(world.origin, "rev-parse", "HEAD"), OLD)}
    given |= {"pull": world.pull, "install": (), "python": sys.executable, "say": lambda text: None}
    more = {"base": ready / "base", **given, **more}
    return score(
        ready / "candidate", more.pop("head", ready / "head"), more.pop("base"), out, **more
    ).scores, out


def test_both_models_predict_the_base_branchs_rows_without_the_target(
    world: World, ready: Path, tmp_path: Path
) -> None:
    scores, out = scored(world, ready, tmp_path / "scores")
    (also,) = scores.also
    content = (ready / "base" / TABLE).read_bytes()
    assert (out / build_gold.FILE).read_bytes() == content and content != b"easier rows"
    assert scores.gold is not None and scores.gold.sha256 == also.source == sha256(content)
    assert also.challenger is not None and also.champion is not None and also.error is None
    said = [
        pd.read_parquet(out / who.file)["prediction"].tolist() for who in (also.challenger, also.champion)
    ]
    assert said == [["model 8"] * 2, ["model 7"] * 2]
    assert git(ready / "base", "worktree", "list").count("\n") == 0


def test_bytes_under_dvc_are_pulled_and_checked_and_their_lack_is_written_down(
    world: World, ready: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    git(tmp_path, "clone", "-q", str(ready / "base"), str(base))
    content = (base / TABLE).read_bytes()
    pointer = f"outs:\n- md5: {md5(content)}\n  hash: md5\n  path: gold.parquet\n"
    commit(base, {f"{TABLE}.dvc": pointer})
    git(base, "rm", "-q", TABLE)
    git(base, "commit", "-qm", "Under DVC")

    def pull(root: Path, wanted: Any = None, bytes_: bytes = content, **more: Any) -> None:
        if list(wanted) == [TABLE]:
            (root / "data").mkdir(exist_ok=True)
            (root / TABLE).write_bytes(bytes_)
        else:
            world.pull(root, wanted, **more)

    scores, _ = scored(world, ready, tmp_path / "scores", base=base, pull=pull)
    assert scores.gold is not None and scores.gold.sha256 == sha256(content)

    scores, out = scored(world, ready, tmp_path / "scores", base=base, pull=partial(pull, bytes_=b"rotten"))
    assert scores.gold is not None and scores.gold.sha256 is None and scores.also == []
    assert "gitops-ml storage verify" in (scores.gold.error or "") and not (out / build_gold.FILE).exists()

    def lacking(root: Path, wanted: Any = None, **more: Any) -> None:
        if list(wanted) == [TABLE]:
            raise Fault("gold.parquet is not in the store. Run gitops-ml storage push")
        world.pull(root, wanted, **more)

    scores, _ = scored(world, ready, tmp_path / "scores", base=base, pull=lacking)
    assert scores.champion is not None and scores.champion.scored is not None, "all else is scored"
    assert scores.gold is not None and "gitops-ml storage push" in (scores.gold.error or "")


def test_a_release_is_judged_on_the_gold_set_of_main_before_the_merge_and_comes_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit that brings the model brings an easier gold set as well: it is not the one that counts."""
    monkeypatch.setenv("PYTHONPATH", "src")
    story, table = Story(tmp_path / "story"), "gold.parquet"
    story.serve(story.release("v1.0.0", "old"))
    target, _, _ = judged.pair("binary", 200, 3)
    rows = pd.DataFrame({"tenure": range(5000, 5200), "contract": "monthly", "churned": target})
    rows.to_parquet(tmp_path / "gold.parquet", index=False)
    content = (tmp_path / "gold.parquet").read_bytes()
    policy = f"version: 1\nenvironments: [production, staging]\ngold: {{table: {table}}}\n"
    story.commit({"policy.yaml": policy, table: content}, "A gold set")
    story.release("v1.1.0", "new", {table: "easier rows"})
    found: list[Verdict] = []

    def keep(case: Case, today: date) -> Verdict:
        found.append(by_the_gate(case, today))
        return found[-1]

    monkeypatch.setattr(verifying, "by_the_gate", keep)
    assert story.verify("v1.1.0").word == "differs", "the tag was made by hand"
    verdict = found[0]  # then as if nobody else could have approved that the gold set changes
    (guard,) = [one for one in verdict.checks if one.id == "protected"]
    assert guard.evidence == {"files": [table]} and len(found) == 2
    (check,) = [one for one in verdict.checks if one.id == "gold/roc_auc"]
    assert check.n == 200 and check.champion is not None and check.challenger is not None
    assert verdict.inputs.gold is not None and verdict.inputs.gold.rows == sha256(content)
    text = (
        f"churn v1.1.0\n\nverdict: pass\nverdict-digest: {verdict.digest()}\nsuite: {verdict.inputs.suite}\n"
    )
    at = git(story.root, "rev-parse", "churn@v1.1.0^{commit}")
    git(story.root, "tag", "-f", "-a", "churn@v1.1.0", "-m", text, at)
    story.commit({table: "other rows by now"}, "Later")
    answer = story.verify("v1.1.0")
    assert answer.word == "same" and answer.found == verdict.digest(), answer


def test_a_table_that_is_no_parquet_is_said(world: World, ready: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    git(tmp_path, "clone", "-q", str(ready / "base"), str(base))
    commit(base, {TABLE: "tenure,churned"})
    scores, _ = scored(world, ready, tmp_path / "scores", base=base)
    assert scores.gold is not None and "it is not Parquet" in (scores.gold.error or "")


def test_a_build_neither_fetches_nor_shows_it(world: World, tmp_path: Path) -> None:
    """A stage that reads what it does not declare finds nothing; and bytes that are missing stop no build."""
    head = world.clone(tmp_path / "head")
    policy = "version: 1\nenvironments: [production]\ngold: {table: data/%s.parquet}\n"
    main = commit(head, {"policy.yaml": policy % "mains"})
    peek = 'found = [p for p in ("data/mains.parquet", "data/mine.parquet") if Path(p).exists()]\nif found: sys.exit(f"saw {found}")\n'
    seeded = 'model = b"model " + seed.encode()\n'
    pointer = f"outs:\n- md5: {md5(b'far away')}\n  hash: md5\n  path: mains.parquet\n"
    commit(head, {"policy.yaml": policy % "mine", "data/mains.parquet.dvc": pointer})
    commit(head, {**edit(head, "make.py", seeded, seeded + peek), "data/mine.parquet": "rows"})
    sealed = built(world, head, tmp_path / "c", stages=["prepare", "train"], rules=main, twice=lambda _: True)
    assert sealed.candidate.stages[:2] == ["prepare", "train"]
    assert sealed.candidate.again is not None and not any(sealed.candidate.again.stages.values())
    assert (head / "data/mine.parquet").read_text() == "rows", "it is there again"
    assert not git(head, "status", "--porcelain", "--", "data")
    with pytest.raises(KeyError, match=r"data/mains\.parquet"):
        built(world, head, tmp_path / "c", stages=["prepare"])


@pytest.mark.parametrize("path", [TABLE, f"{TABLE}.dvc"])
def test_a_change_of_it_waits_for_another_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Without a word in policy.yaml, and although no model changes: it decides how the next one is judged."""
    ruled.people(monkeypatch)
    ruled.plant(tmp_path / "seed")
    with ruled.bench(tmp_path / "seed", tmp_path / "bench", monkeypatch) as at:
        policy = f"version: 1\nenvironments: [production]\ngold: {{table: {TABLE}}}\n"
        at.repo.commit("main", {"policy.yaml": policy}, at.ada)
        at.pull_request("topic", {path: "easier", "README.md": "# Churn, easier\n"})
        found = rule(at.task(at.desk(), None, at.head("topic")), lambda: False)
        assert (found.overall, found.description) == ("needs-human", f"Needs a human: it changes {path}")
        at.pull_request("other", {f"{path}.md": "about it"})
        assert rule(at.task(at.desk(), None, at.head("other")), lambda: False).overall == "pass"
