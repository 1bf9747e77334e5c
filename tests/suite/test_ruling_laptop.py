"""A pull request ruled on a laptop: which job stops, in whose words, and that nothing of the repository is touched."""
# ruff: noqa: F811 - fixtures are imported

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.suite.pipelines import dvc, git
from tests.suite.test_build_world import World, commit, edit, paths, world  # noqa: F401 - fixtures

from gitops_ml.errors import Fault
from gitops_ml.ruling.laptop import Stale, checked_out, judged_here
from gitops_ml.storage.cache import Cache


@pytest.fixture
def root(world: World, tmp_path: Path) -> Path:
    """A person's repository with all its bytes, on a branch; main is what was built."""
    copy = Path(shutil.copytree(world.origin, tmp_path / "churn", symlinks=True))
    git(copy, "switch", "-qc", "change")
    return copy


def looks(root: Path) -> tuple[str, str, list[str]]:
    """Refs, what git finds changed, and the objects of DVC's cache."""
    objects = sorted(path.as_posix() for path in Cache(root).folder.rglob("*"))
    return git(root, "for-each-ref") + git(root, "worktree", "list"), git(root, "status", "--short"), objects


def test_a_change_of_words_asks_for_no_model(root: Path) -> None:
    commit(root, {"README.md": "# Words\n"})
    ruling = judged_here(root, "main")
    assert (ruling.overall, ruling.verdict) == ("pass", None)
    assert "Nothing to build" in ruling.description


def test_the_pipeline_runs_apart_and_what_it_hands_over_reaches_the_judge(root: Path) -> None:
    """The invented reports of this pipeline do not bear out its predictions: that is the judge's own refusal."""
    commit(root, edit(root, "params.yaml", "seed: 7", "seed: 8"))
    before, environment = looks(root), dict(os.environ)
    said: list[str] = []
    ruling = judged_here(root, "main", say=said.append)
    assert any("Running stage 'train'" in line for line in said)
    assert any(line.startswith("challenger: ") for line in said), "it was scored"
    assert ruling.overall == "block" and ruling.description.startswith("Blocked: judge stopped"), (
        ruling.description
    )
    assert ruling.render("any head").startswith("<!-- gitops-ml -->"), (
        "the comment outlives the scratch folders"
    )
    assert looks(root) == before and dict(os.environ) == environment


def test_a_build_that_breaks_is_a_block_in_its_own_words(root: Path) -> None:
    commit(root, edit(root, "params.yaml", "seed: 7", "seed: seven"))
    ruling = judged_here(root, "main")
    assert ruling.overall == "block" and "build stopped" in ruling.description, ruling.description
    assert "stage train failed" in ruling.render("")


def test_bytes_that_nobody_has_stop_the_build(root: Path) -> None:
    (pointer,) = (root / "data/raw").glob("*.dvc")
    text = pointer.read_text("utf-8")
    md5 = text.partition("path: churn.csv")[0].rpartition("md5: ")[2].split()[0]
    commit(root, {pointer.relative_to(root).as_posix(): text.replace(md5, "ab" * 16)})
    ruling = judged_here(root, "main")
    assert ruling.overall == "block" and "build stopped" in ruling.description, ruling.description


def test_without_building_again_only_what_is_current_is_ruled_on(root: Path) -> None:
    commit(root, edit(root, "params.yaml", "seed: 7", "seed: 8"))
    with pytest.raises(Stale, match=r"(?s)train is stale.*gitops-ml reproduce"):
        judged_here(root, "main", rebuild=False)
    dvc(root, "repro", "-q")
    git(root, "commit", "-qam", "Reproduced")
    said: list[str] = []
    ruling = judged_here(root, "main", rebuild=False, say=said.append)
    assert not any("Running stage" in line for line in said)
    assert ruling.description.startswith("Blocked: judge stopped"), "scored and handed over"


def test_a_head_by_name_and_an_unknown_one(root: Path) -> None:
    commit(root, {"README.md": "# Words\n"})
    git(root, "switch", "-q", "main")
    assert judged_here(root, "main", head="change").overall == "pass"
    with pytest.raises(Fault, match="nowhere"):
        judged_here(root, "main", head="nowhere")


def test_a_project_in_a_folder_of_its_repository(tmp_path: Path) -> None:
    top = tmp_path / "mono"
    (top / "churn").mkdir(parents=True)
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    commit(top, {"churn/dvc.yaml": "stages: {}\n"})
    folder = checked_out(top / "churn", git(top, "rev-parse", "HEAD"), tmp_path / "scratch")
    assert folder == tmp_path / "scratch/churn" and (folder / "dvc.yaml").is_file()


def test_the_environment_is_restored_after_a_failure(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(Fault):
        judged_here(root, "main", head="nowhere")
    commit(root, edit(root, "params.yaml", "seed: 7", "seed: seven"))
    judged_here(root, "main")
    assert "PYTHONPATH" not in os.environ
