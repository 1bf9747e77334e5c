"""From a project on a laptop to a merged, released and served change, with nothing but one command and merges."""

from __future__ import annotations

import re
from pathlib import Path

from tests.workflows.world import SLUG, World


def edit_params(old: str, new: str):  # type: ignore[no-untyped-def]
    """An edit of params.yaml."""

    def edit(project: Path) -> None:
        path = project / "params.yaml"
        text = path.read_text("utf-8")
        assert re.search(old, text), f"{old} is not in params.yaml"
        path.write_text(re.sub(old, new, text), "utf-8")

    return edit


def test_a_change_of_params_is_built_judged_committed_merged_and_released(world: World) -> None:
    number = world.pull_request("params", edit_params("max_iter: 40", "max_iter: 30"), "Fewer trees")
    before = world.head(number)
    runs = world.settle()
    run = world.ran("pull-request", runs)
    assert run.ok, world.errors(runs)
    after = world.head(number)
    assert after != before, "CI commits what it built"
    changed = set(world.repo.changed_files(before, after))
    assert {"dvc.lock", "MODEL_CARD.md", "reports/metrics.json", "reports/pictures/roc.svg"} <= changed
    assert all(path in ("dvc.lock", "MODEL_CARD.md") or path.startswith("reports/") for path in changed)
    assert world.status(number)[0] == "success"
    comment = world.comment(number)
    assert "Pass" in comment and "`train.params.max_iter` `40` → `30`" in comment and "v1.1.0" in comment
    assert f"/raw/{after}/reports/pictures/roc.svg" in comment, "pictures are linked at the new head"
    main = world.merge(number)
    runs = world.settle()
    assert all(each.ok for each in runs), world.errors(runs)
    assert world.repo.tags()[f"{SLUG}@v1.1.0"] == main
    (pointer,) = world.repo.open_pulls()
    assert pointer["head"]["ref"] == "deploy/production"
    assert world.repo.changed_files("main", pointer["head"]["sha"]) == ["deploy/production/model.yaml"]
    assert world.status(pointer["number"])[0] == "success"
