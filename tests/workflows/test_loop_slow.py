"""A model that is as good, and slow: handed to a human by the executed workflow, until a person answers for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.forge.access import Refused
from tests.workflows.edits import params, text
from tests.workflows.world import PACKAGE, World


@pytest.mark.full
def test_a_slow_model_waits_for_a_human_and_is_released_when_one_approves(world: World) -> None:
    def slow(project: Path) -> None:
        params(("max_iter: 40", "max_iter: 35"))(project)
        slower = r"    time.sleep(0.05)\n    classes = getattr(model"
        text(
            f"src/{PACKAGE}/score.py",
            ("import tempfile\n", "import tempfile\nimport time\n"),
            (r"    classes = getattr\(model", slower),
        )(project)

    number = world.pull_request("slow", slow, "Wait before each answer")
    runs = world.settle()
    assert world.ran("pull-request", runs).ok, world.errors(runs)
    state, line = world.status(number)
    assert state == "pending" and line.startswith("Needs a human: one row takes "), line
    comment = world.comment(number)
    assert "latency, one row | 1.00x | " in comment and "✋ limit 2x" in comment, comment
    assert "check: budget/latency, sha256:" in comment
    with pytest.raises(Refused) as refused:
        world.merge(number)
    assert refused.value.status == 405
    world.repo.approve(number, by=world.bob)
    runs = world.settle()
    assert world.status(number)[0] == "success", world.errors(runs)
    world.merge(number)
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert world.versions[-1].endswith("v1.1.0"), "a release judges no clock: the merge was the approval"
