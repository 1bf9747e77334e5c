"""A second build in a clean folder: what is random is named, what is not passes, and nothing of the first one is reused."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.suite import judged, ruled
from tests.suite.pipelines import git
from tests.suite.test_build_run import filled, made
from tests.suite.test_build_world import World, commit, edit, head, paths, world  # noqa: F401 - fixtures

from gitops_ml.build import command, run
from gitops_ml.build.again import LABEL, by_chance, lay_inputs
from gitops_ml.build.lock import Entry
from gitops_ml.build.plan_command import asked_twice
from gitops_ml.build.sealed import opened
from gitops_ml.contracts.candidate import Again
from gitops_ml.delivery.standing import LABELS as OURS
from gitops_ml.forge.client import connect
from gitops_ml.gate.judge import judge
from gitops_ml.publish.host import LABELS
from gitops_ml.report import summary

SEEDED = 'model = b"model " + seed.encode()\n'
SCORED = 'if stage == "evaluate": model = Path("models/model.skops").read_bytes()\n'


def random_train(root: Path) -> dict[str, Any]:
    """A train stage that draws from the machine's entropy, as one without a seed does."""
    drawn = 'if stage == "train": model += os.urandom(4).hex().encode()\n'
    return edit(root, "make.py", SEEDED, SEEDED + drawn + SCORED)


def always(_: str) -> bool:
    """Whatever the lock."""
    return True


def test_a_deterministic_pipeline_gives_the_same_bytes_twice(
    world: World, head: Path, tmp_path: Path
) -> None:
    commit(head, edit(head, "params.yaml", "seed: 7", "seed: 8"))
    sealed = made(world, head, tmp_path / "c", stages=["train"], twice=always)
    assert sealed.candidate.stages == ["train", "evaluate", "card"]
    assert sealed.candidate.again == Again(stages={"train": [], "evaluate": [], "card": []})
    assert opened(tmp_path / "c", sealed.digest) == sealed.candidate
    assert made(world, head, tmp_path / "d", stages=["train"]).candidate.again is None, "nobody asked"


def test_a_stage_without_a_seed_is_named_with_what_it_made(world: World, head: Path, tmp_path: Path) -> None:
    commit(head, random_train(head))
    again = made(world, head, tmp_path / "c", stages=["train"], twice=always).candidate.again
    assert again is not None and again.failed is None
    assert list(again.stages) == ["train", "evaluate", "card"]
    assert again.stages["train"] == ["models/model.skops", "models/training.json"]
    assert again.stages["evaluate"] == ["reports/evaluation.json"], "metrics.json has the same figure"
    (check,) = [one for one in judge(judged.evidence(again=again)).checks if one.id == "reproduction"]
    assert (check.outcome, check.severity) == ("fail", "needs-human")
    assert "stage train gave other bytes: models/model.skops, models/training.json" in check.reason
    assert "(and so have evaluate, card)" in check.reason


def test_the_second_build_runs_its_own_copy_and_sees_nothing_of_the_first(
    world: World, head: Path, tmp_path: Path
) -> None:
    """A stage that keeps what it made beside the outs, or looks where it is, is found out."""
    log = tmp_path / "log"
    text = f'{SEEDED}with open({str(log)!r}, "a") as file: print(stage, Path.cwd(), Path("left").exists(), file=file)\n'
    text += 'Path("left").write_text("left behind")\n'
    commit(
        head,
        {
            **edit(head, "make.py", SEEDED, text),
            **edit(head, "params.yaml", "seed: 7", "seed: 8"),
            ".gitignore": (head / ".gitignore").read_text() + "/left\n",
        },
    )
    sealed = made(world, head, tmp_path / "c", stages=["train"], twice=always)
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [line[0] for line in lines] == ["train", "evaluate"] * 2
    assert lines[0][1] == lines[1][1] == str(head.resolve()) and lines[2][1] == lines[3][1] != lines[0][1]
    assert [line[2] for line in lines] == ["False", "True"] * 2
    assert sealed.candidate.again == Again(stages={"train": [], "evaluate": [], "card": []})
    assert git(head, "worktree", "list").count("\n") == 0


def test_what_ci_built_before_is_built_whole_when_somebody_asks(
    world: World, head: Path, tmp_path: Path
) -> None:
    asked: list[str] = []
    sealed = made(world, head, tmp_path / "c", stages=[], twice=lambda blob: not asked.append(blob))
    assert asked == [sealed.candidate.lock] and sealed.candidate.stages == []
    assert sealed.candidate.again == Again(stages={"prepare": [], "train": [], "evaluate": [], "card": []})
    assert not sealed.changed, "the second build leaves the first one's folder alone"


def test_a_lock_that_ci_cannot_make_again_is_caught_though_nothing_is_stale(
    world: World, head: Path, tmp_path: Path
) -> None:
    commit(head, random_train(head))
    made(world, head, tmp_path / "c", stages=["train"])
    git(head, "commit", "-qam", "built")
    sealed = made(world, head, tmp_path / "d", stages=[], twice=always, pull=filled(world, tmp_path / "c"))
    assert sealed.candidate.again is not None
    assert sealed.candidate.again.stages["train"] == ["models/model.skops", "models/training.json"]


def test_a_second_build_that_fails_is_an_answer(world: World, head: Path, tmp_path: Path) -> None:
    """A stage that leaves something behind on the machine, and stumbles over it."""
    flag = tmp_path / "ran before"
    text = f'{SEEDED}if Path({str(flag)!r}).exists() and stage == "train": sys.exit("the port is taken")\n'
    text += f'Path({str(flag)!r}).touch() if stage == "train" else None\n'
    commit(head, edit(head, "make.py", SEEDED, text))
    again = made(world, head, tmp_path / "c", stages=["train"], twice=always).candidate.again
    assert again is not None and again.stages == {} and "the port is taken" in (again.failed or "")
    verdict = judge(judged.evidence(again=again))
    assert verdict.overall == "needs-human"
    assert summary.status_line(verdict)[1] == "Needs a human: a second build failed"


def test_chance_decides_by_the_lock_and_always_alike() -> None:
    blobs = [f"{number:040x}" for number in range(0, 16**40, 16**40 // 997)]
    chosen = [blob for blob in blobs if by_chance(0.25)(blob)]
    assert chosen == [blob for blob in blobs if by_chance(0.25)(blob)]
    assert abs(len(chosen) / len(blobs) - 0.25) < 0.01
    assert not any(by_chance(0.0)(blob) for blob in blobs) and all(by_chance(1.0)(blob) for blob in blobs)


@pytest.mark.parametrize(
    ("wish", "share", "twice"), [("no", 1.0, False), ("chance", 0.0, False), ("chance", 1.0, True), ("yes", 0.0, True)]
)  # fmt: skip
def test_the_verb_asks_by_wish_or_by_the_policy_of_main(
    world: World, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: str, share: float, twice: bool
) -> None:  # fmt: skip
    policy = f"version: 1\nenvironments: [production]\nreproduction: {{share: {share}}}\n"
    main = commit(head, {"policy.yaml": policy})
    # The branch's own policy does not decide.
    commit(head, {"policy.yaml": policy.replace(str(share), str(1.0 - share))})
    monkeypatch.setattr(run, "_storage_pull", world.pull)
    arguments = ["--head", str(head), "--out", str(tmp_path / "c"), "--mode", "stages", "--main", main]
    answer = CliRunner().invoke(command.build, [*arguments, "--again", wish])
    assert answer.exit_code == 0, answer.output
    assert ("twice     same bytes" in answer.output) is twice
    assert (opened(tmp_path / "c").again is not None) is twice


@pytest.mark.parametrize("again", [None, Again(stages={"train": [], "card": []})])
def test_the_same_bytes_pass_and_say_so(again: Again | None) -> None:
    verdict = judge(judged.evidence(again=again))
    found = [one for one in verdict.checks if one.id == "reproduction"]
    assert verdict.overall == "pass" and bool(found) is (again is not None)
    if again is not None:
        assert (
            found[0].outcome == "pass"
            and found[0].reason == "Built twice here, 2 stages gave the same bytes."
        )


def test_a_label_of_the_pull_request_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert LABEL in LABELS and LABEL not in OURS, "publish makes it, people put it on"
    ruled.people(monkeypatch)
    ruled.plant(tmp_path / "seed")
    with ruled.bench(tmp_path / "seed", tmp_path / "bench", monkeypatch) as at:
        number = at.pull_request("topic", {"params.yaml": "train: {trees: 30}\n"})
        desk = at.desk({"contents": "read", "pull-requests": "read", "statuses": "read"})
        assert not asked_twice(desk.root, number)
        connect(at.place, at.will.token).add_labels(number, [LABEL])
        assert asked_twice(desk.root, number)
        assert f"#{number} asks for a second build" in capsys.readouterr().out
        assert not asked_twice(desk.root, 99), "a forge that does not answer stops no plan"
        assert "the labels of #99 could not be read" in capsys.readouterr().err


def test_inputs_that_lead_elsewhere_are_not_laid(tmp_path: Path) -> None:
    """What a lock or the listing of a folder names is written by strangers."""
    cache, project = tmp_path / "cache", tmp_path / "a/project"
    project.mkdir(parents=True)
    listing = b'[{"md5": "%s", "relpath": "../../stolen"}]' % judged.md5(b"rows").encode()
    for name, content in ((judged.md5(b"rows"), b"rows"), (f"{judged.md5(listing)}.dir", listing)):
        stored = cache / "files/md5" / name[:2] / name[2:]
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(content)
    deps = {
        "../stolen": judged.md5(b"rows"),
        "data": f"{judged.md5(listing)}.dir",
        "well": judged.md5(b"rows"),
    }
    assert lay_inputs(project, {"all": Entry("make", deps)}, ["all"], cache) == ["data"]
    assert (project / "well").read_bytes() == b"rows" and not list(tmp_path.rglob("stolen"))
