"""The team this is for: a table of their own, kept under DVC, whose bytes only their laptop has."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.forge import Forge
from tests.template.tables import mixed
from tests.workflows.loop import Loop
from tests.workflows.world import World, quick_project

pytestmark = pytest.mark.full


def test_a_table_under_dvc_is_published_released_and_renewed(tmp_path: Path) -> None:
    mixed(3000).to_csv(tmp_path / "churn.csv", index=False)
    baked = quick_project(tmp_path, tmp_path, project_name="Churn", table="churn.csv", target="churned")
    with Forge.start(tmp_path / "forge") as forge:
        ada = forge.user("ada")
        servers = {"GITHUB_API_URL": forge.api, "GITHUB_SERVER_URL": forge.url, "GITOPS_ML_TOKEN": ada.token}
        baked.run("gitops-ml", "publish", "--yes", **servers)
        repo = forge.repo("ada/churn")
        assert repo is not None and repo.data["private"]
        world = World(tmp_path, forge, repo, Loop(forge, repo), ada, forge.user("bob"))
        runs = world.settle()
        assert all(run.ok for run in runs), world.errors(runs)
        assert list(repo.tags()) == ["churn@v1.0.0"]
        assert held(world, "main"), "the released table lies in the store"
        plain = world.git("clone", "--quiet", repo.address(ada), str(tmp_path / "plain"), cwd=tmp_path)
        assert not plain and not list((tmp_path / "plain/data/raw").glob("*.csv"))

        newer = baked.path / "data/raw/churn.csv"
        pd.concat([mixed(3000), mixed(3060).tail(60)]).to_csv(newer, index=False)
        baked.run("dvc", "add", "--quiet", "data/raw/churn.csv")
        baked.git("switch", "--quiet", "--create", "newer")
        baked.git("commit", "--quiet", "--all", "--message", "Sixty newer customers")
        baked.run("gitops-ml", "storage", "push", **servers)
        baked.git("push", "--quiet", repo.address(ada), "HEAD:refs/heads/newer")
        number = world.api("POST", "/pulls", {"title": "Newer", "head": "newer", "base": "main"})["number"]
        runs = world.settle()
        assert world.ran("pull-request", runs).ok, world.errors(runs) + world.comment(number)
        assert world.status(number)[0] == "success", world.comment(number)
        assert "60 more rows" in world.comment(number) and "v1.0.1" in world.comment(number)
        world.merge(number)
        runs = world.settle()
        assert all(run.ok for run in runs), world.errors(runs)
        assert "churn@v1.0.1" in repo.tags() and held(world, "main")


def held(world: World, revision: str) -> bool:
    """Whether the store holds the table that a revision names."""
    md5 = world.yaml(revision, "data/raw/churn.csv.dvc")["outs"][0]["md5"]
    listed = world.git(
        "--git-dir", str(world.repo.bare), "ls-tree", "-r", "--name-only", "refs/dvc/store", cwd=world.folder
    )
    return f"files/md5/{md5[:2]}/{md5[2:]}" in listed.splitlines()
