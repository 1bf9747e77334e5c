"""The baseline: which release it is, who asks it, what the check says, and that small steps cannot lead below it."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import hashlib
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.suite import judged, runs
from tests.suite.judged import Folders, evidence, sha256
from tests.suite.pipelines import git
from tests.suite.test_build_run import made as built
from tests.suite.test_build_score import OLD, Named
from tests.suite.test_build_world import World, commit, edit, paths, world  # noqa: F401 - fixtures
from tests.suite.test_prove import Story

from gitops_ml.build.score import score
from gitops_ml.contracts.policy import PolicyFile
from gitops_ml.contracts.scores import Scores
from gitops_ml.contracts.verdict import Check, Side, Verdict
from gitops_ml.delivery import verify as verifying
from gitops_ml.delivery.judgement import Case, by_the_gate
from gitops_ml.errors import Fault
from gitops_ml.gate.evidence import Forged, Player
from gitops_ml.gate.judge import judge
from gitops_ml.gate.read import gather
from gitops_ml.policy import screen
from gitops_ml.report import summary
from gitops_ml.report.comment import comment
from gitops_ml.report.context import Context

BASELINE = "5ba5e11e" * 8
DAY = date(2026, 11, 1)
ID = {"binary": "baseline/roc_auc", "multiclass": "baseline/roc_auc_ovr", "regression": "baseline/r2"}


def stepped(steps: int, kind: str = "binary", loss: float = 0.02, n: int = 3000, **policy: Any) -> Verdict:
    """The verdict on a model ``steps`` small losses below v1.0.0, judged beside the model one step before it."""
    target, signal = judged.rows(kind, n, 5)
    draw = judged.np.random.default_rng(6)
    common = draw.normal(size=signal.shape)
    models = [
        judged.predictions(
            kind, signal * (1 - loss * step), 0.95 * common + 0.3 * draw.normal(size=signal.shape)
        )
        for step in (0, steps - 1, steps)
    ]
    labels = judged.TARGETS[kind].get("categories")
    truth = pd.Series(target if labels is None else [labels[k] for k in target], name="churned")
    values = judged.metrics(judged.numbers(kind, truth, models[2]), n)
    old = Side(version="v1.0.0", revision=judged.COMMIT, sha256=BASELINE, predictions="f" * 64)
    made = evidence(kind, n, policy={"baseline": {"version": "v1.0.0", **policy}})
    return judge(
        judged.replace(
            made,
            truth=truth,
            champion=Player(made.champion.side, models[1]) if made.champion else None,
            challenger=Player(made.challenger.side, models[2]),
            baseline=Player(old, models[0]),
            metrics=values,
            card=judged.card(values),
        )
    )


def the(verdict: Verdict, kind: str = "binary") -> Check:
    (found,) = [one for one in verdict.checks if one.id == ID[kind]]
    return found


# ---------------------------------------------------------------- what the check says


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_many_steps_that_are_each_within_the_margin_end_at_the_baseline(kind: str) -> None:
    first, late = stepped(1, kind), stepped(12, kind)
    quality = [one for verdict in (first, late) for one in verdict.checks if one.id.startswith("quality/")]
    assert [one.outcome for one in quality] == ["pass", "pass"], "by the last model alone both may be merged"
    assert the(first, kind).outcome == "pass" and first.overall == "pass"
    check = the(late, kind)
    assert (check.outcome, check.severity, late.overall) == ("fail", "block", "block")
    assert check.low is not None and check.high is not None and check.high < 0 and check.n == 3000
    assert check.reason.startswith("Against the baseline v1.0.0, ") and check.threshold == -0.02
    assert "below the baseline v1.0.0" in summary.status_line(late)[1]
    assert "since that release" in summary.step(check)


def test_its_margin_and_severity_are_the_policys() -> None:
    assert the(stepped(12, margin=0.2)).outcome == "pass"
    assert stepped(12, severity="note").overall == "pass"
    assert stepped(12, severity="needs-human").overall == "needs-human"


def test_off_until_a_version_is_named_and_said_to_be_unprotected() -> None:
    verdict = judge(evidence())
    assert verdict.inputs.baseline is None
    assert not [one for one in verdict.checks if one.id.startswith("baseline")]
    said = verdict.model_dump(mode="json")
    for name in ("baseline", "gold", "disturbed"):  # as verdicts of before there was one
        del said["inputs"][name]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert verdict.digest() == sha256(text.encode()) == Verdict.parse(said, "old").digest()
    policy = PolicyFile.parse({"version": 1, "environments": ["production"]}, "policy.yaml")
    assert "baseline: {version: v1.0.0}" in screen.text(policy, judged.schema(), 200)


@pytest.mark.parametrize(
    ("player", "words"),
    [
        (None, "main has no such release"),
        (Player(Side(version="v1.0.0", revision=judged.COMMIT, sha256=BASELINE, predictions=None), None, "KeyError"), "KeyError"),
    ],
    ids=["no release", "not scored"],
)  # fmt: skip
def test_one_that_cannot_be_compared_asks_a_person(player: Player | None, words: str) -> None:
    policy = {"baseline": {"version": "v1.0.0"}}
    verdict = judge(evidence(policy=policy, baseline=player, no_baseline="main has no such release"))
    check = the(verdict)
    assert (check.outcome, check.severity, verdict.overall) == ("unknown", "needs-human", "needs-human")
    assert check.reason == f"Not compared with the baseline v1.0.0: {words}"
    assert summary.short(check) == "it could not be compared with the baseline"


def test_few_rows_cannot_tell() -> None:
    check = the(stepped(2, n=60, margin=0.0001))
    assert (check.outcome, check.severity) == ("unknown", "needs-human")
    assert summary.short(check) == "the test rows cannot tell whether ROC AUC is below the baseline v1.0.0"


def test_the_baselines_own_bytes_are_as_good_as_itself() -> None:
    made = evidence(policy={"baseline": {"version": "v1.0.0"}})
    same = Player(made.challenger.side.model_copy(update={"version": "v1.0.0"}), made.challenger.predictions)
    check = the(judge(judged.replace(made, baseline=same)))
    assert (check.outcome, check.estimate) == ("pass", 0.0)


def test_the_comment_shows_it_in_the_table() -> None:
    told = comment(stepped(12), Context())
    assert "| ROC AUC against the baseline v1.0.0 | 0." in told and "⛔ worse |" in told


# ---------------------------------------------------------------- by digest


class Based(Folders):
    """Folders whose base names v0.9.0 as baseline; ``said`` replaces keys of what the score job wrote of it."""

    def score(self, **manifest: Any) -> Folders:
        (self.base / "policy.yaml").write_text(
            "version: 1\nenvironments: [production]\nbaseline: {version: v0.9.0}\n"
        )
        super().score()
        table = self.tables["champion"]
        table.to_parquet(self.scores / "baseline.parquet", index=False)
        release: dict[str, Any] = {
            "version": "v0.9.0", "revision": judged.COMMIT, "sha256": BASELINE, "error": None,
            "scored": {
                "file": "baseline.parquet", "sha256": sha256((self.scores / "baseline.parquet").read_bytes()),
                "model_sha256": BASELINE, "revision": judged.COMMIT, "rows": len(table), "seconds": 0.1,
            },
        }  # fmt: skip
        release["scored"] |= manifest.pop("scored", {})
        release |= manifest.pop("release", {})
        told = {"version": "v0.9.0", "release": release, "error": None, **manifest.pop("baseline", {})}
        return super().score(baseline=told, **manifest)

    def verdict(self) -> Verdict:
        found = gather(self.candidate, self.scores, base=self.base, head=self.head, today=DAY, **self.digests)
        return judge(found)


def folders(tmp_path: Path) -> Based:
    made = Based(tmp_path)
    made.write()
    return made


def test_it_is_named_in_the_verdicts_inputs(tmp_path: Path) -> None:
    verdict = folders(tmp_path).verdict()
    inputs = verdict.inputs.baseline
    assert inputs is not None and (inputs.version, inputs.sha256) == ("v0.9.0", BASELINE)
    assert inputs.predictions is not None and the(verdict).outcome == "pass"
    other = verdict.model_copy(update={"inputs": verdict.inputs.model_copy(update={"baseline": None})})
    assert other.digest() != verdict.digest()


@pytest.mark.parametrize(
    "spoilt",
    [
        {"baseline": {"version": "v0.8.0"}},
        {"release": {"version": "v0.8.0"}},
        {"scored": {"model_sha256": "0" * 64}},
        {"scored": {"revision": "0" * 40}},
        {"scored": {"sha256": "0" * 64}},
        {"scored": {"rows": 3}},
    ],
    ids=["another one", "another release", "another model", "other code", "other predictions", "other rows"],
)
def test_scores_that_disagree_are_refused(tmp_path: Path, spoilt: dict[str, Any]) -> None:
    made = folders(tmp_path)
    made.score(**spoilt)
    with pytest.raises(Forged):
        made.verdict()


def test_scores_that_say_nothing_of_it_are_unknown(tmp_path: Path) -> None:
    made = folders(tmp_path)
    Folders.score(made)
    assert the(made.verdict()).reason.endswith("nobody scored it")


@pytest.mark.parametrize("version", ["1", "latest", "v1.0", "main", ""])
def test_only_a_version_can_be_named(version: str) -> None:
    with pytest.raises(Fault, match=r"baseline\.version"):
        PolicyFile.parse(
            {"version": 1, "environments": ["production"], "baseline": {"version": version}}, "policy.yaml"
        )


# ---------------------------------------------------------------- how it is asked


@pytest.fixture(scope="module")
def ready(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1.0.0 of "model 7" is released, and is the baseline on main; a branch has "model 8", and another baseline."""
    folder = tmp_path_factory.mktemp("baseline")
    base = world.clone(folder / "base")
    evaluation = {"model_sha256": OLD}
    commit(base, {"reports/evaluation.json": json.dumps(evaluation)}, "Its report")
    git(base, "tag", "churn@v1.0.0")
    policy = "version: 1\nenvironments: [production]\nbaseline: {version: v%s}\n"
    commit(base, {"policy.yaml": policy % "1.0.0"}, "A baseline")
    git(base, "clone", "-q", str(base), str(folder / "head"))
    head = folder / "head"
    easier = {"policy.yaml": policy % "0.1.0", **edit(head, "params.yaml", "seed: 7", "seed: 8")}
    code = edit(head, "src/churn/score.py", "model.decode()", "'new ' + model.decode()")
    commit(head, {**easier, **code})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(runs.ACTIONS))
        built(world, head, folder / "candidate", stages=["train"])
    return folder


def scored(world: World, ready: Path, out: Path, champion: Named | None, **more: Any) -> Scores:
    given = {"find": lambda *_: champion, "pull": world.pull, "install": (), "python": sys.executable}
    more = {"base": ready / "base", **given, "say": lambda text: None, **more}
    base = more.pop("base")
    return score(ready / "candidate", ready / "head", base, out, **more).scores


def test_the_base_branchs_baseline_predicts_with_its_own_code(
    world: World, ready: Path, tmp_path: Path
) -> None:
    other = Named("v1.3.0", git(ready / "base", "rev-parse", "HEAD"), "0" * 64)
    scores = scored(world, ready, tmp_path / "scores", other)
    assert scores.champion is not None and scores.champion.scored is None, "its bytes are nowhere"
    found = scores.baseline
    assert found is not None and found.version == "v1.0.0" and found.error is None
    assert found.release is not None and found.release.scored is not None and found.release.sha256 == OLD
    assert found.release.revision == git(ready / "base", "rev-parse", "churn@v1.0.0^{commit}")
    path = tmp_path / "scores" / found.release.scored.file
    assert pq.read_table(path).to_pydict() == {"prediction": ["model 7"] * 3}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == found.release.scored.sha256
    assert git(ready / "base", "worktree", "list").count("\n") == 0


def test_a_baseline_that_is_the_champion_is_asked_once(world: World, ready: Path, tmp_path: Path) -> None:
    named = Named("v1.0.0", git(ready / "base", "rev-parse", "churn@v1.0.0^{commit}"), OLD)
    scores = scored(world, ready, tmp_path / "scores", named)
    assert scores.baseline is not None and scores.baseline.release == scores.champion
    assert not (tmp_path / "scores" / "baseline.parquet").exists()


def test_a_release_that_is_gone_is_written_down_with_those_there_are(
    world: World, ready: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    git(tmp_path, "clone", "-q", str(ready / "base"), str(base))
    commit(base, edit(base, "policy.yaml", "v1.0.0", "v2.0.0"))
    scores = scored(world, ready, tmp_path / "scores", None, base=base)
    assert scores.baseline is not None and scores.baseline.release is None
    assert "names v2.0.0 as baseline" in (scores.baseline.error or "")
    assert "Released: v1.0.0" in (scores.baseline.error or "")


def test_code_of_the_pull_request_cannot_write_the_baselines_answers(
    world: World, ready: Path, tmp_path: Path
) -> None:
    spoil = (
        "from pathlib import Path\n"
        "for path in Path(given.output).parent.glob('baseline.parquet'):\n    path.write_bytes(b'worse')\n"
    )
    head = tmp_path / "head"
    git(tmp_path, "clone", "-q", str(ready / "head"), str(head))
    text = (head / "src/churn/score.py").read_text()
    commit(head, {"src/churn/score.py": text + spoil})
    with pytest.raises(Fault, match="changed while the challenger's code ran"):
        score(
            ready / "candidate", head, ready / "base", tmp_path / "scores", find=lambda *_: None,
            pull=world.pull, install=(), python=sys.executable, say=lambda text: None,
        )  # fmt: skip


def test_a_release_is_judged_against_the_baseline_of_main_before_it_and_comes_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit that brings the model names another baseline as well: it is not the one that counts."""
    monkeypatch.setenv("PYTHONPATH", "src")
    story = Story(tmp_path / "story")
    story.serve(story.release("v1.0.0", "old"))
    policy = "version: 1\nenvironments: [production, staging]\nbaseline: {version: %s}\n"
    story.commit({"policy.yaml": policy % "v1.0.0"}, "A baseline")
    story.release("v1.1.0", "new", {"policy.yaml": policy % "v0.1.0"})
    found: list[Verdict] = []

    def keep(case: Case, today: date) -> Verdict:
        found.append(by_the_gate(case, today))
        return found[-1]

    monkeypatch.setattr(verifying, "by_the_gate", keep)
    assert story.verify("v1.1.0").word == "differs", "the tag was made by hand"
    verdict = found[0]
    assert verdict.inputs.baseline is not None and verdict.inputs.baseline.version == "v1.0.0"
    assert the(verdict).champion is not None
    text = f"churn v1.1.0\n\nverdict: accepted\nverdict-digest: {verdict.digest()}\nsuite: {verdict.inputs.suite}\n"
    at = git(story.root, "rev-parse", "churn@v1.1.0^{commit}")
    git(story.root, "tag", "-f", "-a", "churn@v1.1.0", "-m", text, at)
    answer = story.verify("v1.1.0")
    assert answer.word == "same" and answer.found == verdict.digest(), answer

    # The baseline's tag goes: the verdict of then can no longer be computed, and nobody calls it false.
    git(story.root, "tag", "-d", "churn@v1.0.0")
    answer = story.verify("v1.1.0", json.dumps(verdict.model_dump(mode="json")).encode())
    assert (answer.word, answer.rival_lost) == ("unknown", True)
    assert "its baseline of then, v1.0.0, cannot be scored any more" in answer.why
    assert "main has no such release" in answer.why
