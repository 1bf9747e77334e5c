"""A newer template arrives, executed: as one issue, as one pull request, and with an App's token also its workflow files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.template.releases import NEXT, SECOND, VERSION, WORKFLOW, first_release, git, release
from tests.workflows.act import App, Run
from tests.workflows.world import APP, World

from gitops_ml.template.render import with_source

BRANCH = "template/update"


class Published:
    """The template on the same forge, readable by everyone; the project knows where it is."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = first_release(world.folder / "template")
        self.repo = world.forge.create("ada/cookiecutter-gitops-ml", world.ada)
        self.push()
        text = with_source(world.text("main", ".gitops-ml.yaml"), self.repo.git_url)
        world.repo.commit("main", {".gitops-ml.yaml": text}, world.ada, "Where the template is")
        world.repo.take_events()

    def push(self) -> None:
        git(self.folder, "push", "--quiet", "--tags", self.repo.address(self.world.ada), "main")


def ran(world: World, start: Callable[[], object]) -> Run:
    """Start it, and let everything run; the run of template-update."""
    start()
    runs = world.settle()
    run = world.ran("template-update", runs)
    assert run.ok, world.errors(runs)
    return run


@pytest.mark.change
def test_workflow_files_are_one_issue_with_the_command_for_a_laptop(world: World) -> None:
    template = Published(world)
    main = world.repo.head("main")
    run = ran(world, lambda: world.loop.schedule("template-update.yml"))
    assert f"up to date: {VERSION}" in "\n".join(run.summaries.values())
    assert world.repo.issues("all") == [] and world.repo.open_pulls() == []

    release(template.folder, NEXT, *SECOND, WORKFLOW)
    template.push()
    ran(world, lambda: world.loop.dispatch("template-update.yml"))
    (issue,) = world.repo.issues()
    assert issue["title"] == f"Update the template to {NEXT}: on a laptop"
    assert "- `.github/workflows/train.yml`" in issue["body"]
    assert world.repo.open_pulls() == [] and BRANCH not in world.repo.branches()
    assert world.repo.head("main") == main

    # What it says, done: the command, the push, the pull request; and the issue is over.
    command = issue["body"].split("```bash\n")[1].split("```")[0].splitlines()[0]
    assert command == f"uv run gitops-ml template update --to {NEXT}"
    world.fresh()
    done = world.gitops(*command.split()[3:])
    assert done.returncode == 0 and f"Template {VERSION} -> {NEXT}: merged" in done.stdout, (
        done.stdout + done.stderr
    )
    world.git("push", "--quiet", world.repo.address(world.ada), f"HEAD:refs/heads/{BRANCH}")
    changed = world.repo.changed_files("main", BRANCH)
    assert {".github/workflows/train.yml", "docs/questions.md", "uv.lock"} <= set(changed)
    assert not [
        path for path in changed if path.startswith(("data/", "reports/", "models/")) or path == "dvc.lock"
    ]
    world.repo.take_events()
    world.api("POST", "/pulls", {"title": "Newer template", "head": BRANCH, "base": "main"})
    world.repo.take_events()
    ran(world, lambda: world.loop.dispatch("template-update.yml"))
    assert world.repo.issues() == [] and len(world.repo.open_pulls()) == 1


@pytest.mark.full
def test_a_robot_s_pull_request_is_built_and_judged_by_the_same_run(world: World) -> None:
    template = Published(world)
    release(template.folder, NEXT, *SECOND)
    template.push()
    run = ran(world, lambda: world.loop.schedule("template-update.yml"))
    (pull,) = world.repo.open_pulls()
    assert pull["title"] == f"Template {VERSION} -> {NEXT}" and pull["head"]["ref"] == BRANCH
    state, line = world.status(pull["number"])
    assert state == "pending" and "Needs a human" in line, (state, line, "it edits .github/")
    assert world.comment(pull["number"]), run.log[-2000:]
    head = world.head(pull["number"])
    ran(world, lambda: world.loop.dispatch("template-update.yml"))
    assert world.head(pull["number"]) == head and len(world.repo.open_pulls()) == 1


@pytest.mark.full
def test_an_app_brings_workflow_files_if_it_may(make_world: Callable[..., World], tmp_path: Path) -> None:
    world = make_world("served", app=True)
    template = Published(world)
    release(template.folder, NEXT, *SECOND, WORKFLOW)
    template.push()
    world.loop.schedule("template-update.yml")
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    assert [one["title"] for one in world.repo.issues()] == [f"Update the template to {NEXT}: on a laptop"]
    world.loop.app = App(APP.slug, {**APP.permissions, "workflows": "write"})
    world.loop.dispatch("template-update.yml")
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    (pull,) = world.repo.open_pulls()
    assert ".github/workflows/train.yml" in world.repo.changed_files("main", BRANCH)
    assert world.repo.issues() == [] and pull["user"]["login"] == f"{APP.slug}[bot]"
    assert world.status(pull["number"])[0] == "pending", "judged by the run that its own push started"
    shown = subprocess.run(
        ["git", "log", "--format=%s", f"main..{BRANCH}"], cwd=world.repo.bare, capture_output=True
    )
    assert f"Template {VERSION} -> {NEXT}".encode() in shown.stdout
