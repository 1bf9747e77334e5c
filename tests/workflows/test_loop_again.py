"""What is off until asked for, asked for: a second build names the stage without a seed; a gold set and a baseline judge, too."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from tests.forge.access import Refused
from tests.workflows.edits import params, text
from tests.workflows.world import PACKAGE, World

pytestmark = pytest.mark.full
GOLD = "data/gold.parquet"
TRAIN = f"src/{PACKAGE}/train.py"


def test_a_stage_without_a_seed_waits_for_a_person_and_a_mended_one_is_released_on_the_gold_set_too(
    world: World,
) -> None:
    clone = world.fresh()
    world.reproduce(clone)
    rows = io.BytesIO()
    pd.read_parquet(clone / "data/prepared/test.parquet").iloc[::-1].to_parquet(rows, index=False)
    policy = world.text("main", "policy.yaml") + f"gold: {{table: {GOLD}}}\nreuse: {{limit: 50}}\n"
    policy += "baseline: {version: v1.0.0}\n"
    files = {GOLD: rows.getvalue(), "policy.yaml": policy.encode()}
    world.repo.commit("main", files, world.ada, "A gold set")
    world.settle()

    def forget_the_seed(project: Path) -> None:
        text(TRAIN, (r"\nimport json\n", "\nimport json\nimport os\n"))(project)
        text(TRAIN, (r'"seed": train\.seed', '"seed": int.from_bytes(os.urandom(3), "big")'))(project)

    number = world.pull_request("seed", forget_the_seed)
    world.api("POST", f"/issues/{number}/labels", {"labels": ["gitops-ml: reproduce"]})
    runs = world.settle()
    state, line = world.status(number)
    assert (state, line) == ("pending", "Needs a human: a second build gave other bytes"), world.errors(runs)
    comment = world.comment(number)
    assert "stage train gave other bytes: models/training.json" in comment.replace("\\", ""), comment
    with pytest.raises(Refused):
        world.merge(number)

    def mend(project: Path) -> None:
        text(TRAIN, (r'"seed": int\.from_bytes\(os\.urandom\(3\), "big"\)', '"seed": train.seed'))(project)
        text(TRAIN, (r"\nimport os\n", "\n"))(project)
        params(("max_iter: 40", "max_iter: 41"))(project)

    world.push("seed", mend, "A seed again")
    runs = world.settle()
    state, line = world.status(number)
    assert state == "success", (line, world.comment(number), world.errors(runs))
    comment = world.comment(number)
    assert "Built here twice from `dvc.lock`" in comment and "same bytes" in comment
    assert "on the gold set, n = " in comment and "✅" in comment
    assert "ROC AUC against the baseline v1.0.0" in comment, comment
    world.merge(number)
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert len(world.versions) == 2
    (pointer,) = world.repo.open_pulls()
    assert world.status(pointer["number"])[0] == "success", world.status(pointer["number"])

    # The release that serves is not the baseline any more: three models predict the same rows, each in its own environment.
    world.merge(pointer["number"])
    world.settle()
    number = world.pull_request("third", params(("max_iter: 41", "max_iter: 42")))
    runs = world.settle()
    comment = world.comment(number)
    assert world.status(number)[0] == "success", (world.status(number), comment, world.errors(runs))
    served = world.versions[-1].rpartition("@")[2]
    (row,) = [
        line for line in comment.splitlines() if line.startswith("| ROC AUC against the baseline v1.0.0 |")
    ]
    assert served != "v1.0.0" and served in comment and "✅" in row, comment
