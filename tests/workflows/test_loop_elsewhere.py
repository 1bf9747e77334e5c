"""The actions, used by a repository that does not carry them: `owner/repository/actions/x@SHA`."""

from __future__ import annotations

import pytest
from tests.workflows.world import ROOT, World

pytestmark = pytest.mark.change

WORKFLOW = """\
name: elsewhere
on: workflow_dispatch
permissions: {{}}
jobs:
  look:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read # check out
      statuses: read # which locks were built
    outputs:
      kind: ${{{{ steps.plan.outputs.kind }}}}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          fetch-depth: 0
          persist-credentials: false
      - uses: acme/gitops/actions/setup@{sha}
        with:
          project: .
      - uses: acme/gitops/actions/plan@{sha}
        id: plan
        with:
          head: .
          base: ${{{{ github.sha }}}}
"""


def test_an_action_of_another_repository_does_the_same(world: World) -> None:
    acme = world.forge.user("acme")
    suite = world.forge.create("acme/gitops", owner=acme)
    listed = [
        path for path in (ROOT / "actions").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    files = {f"actions/{path.relative_to(ROOT / 'actions').as_posix()}": path.read_bytes() for path in listed}
    sha = suite.commit("main", files, acme, "The suite")
    world.repo.commit("main", {".github/workflows/elsewhere.yml": WORKFLOW.format(sha=sha)}, world.ada)
    world.repo.take_events()
    world.loop.dispatch("elsewhere.yml")
    runs = world.settle()
    run = world.ran("elsewhere", runs)
    assert run.ok, world.errors(runs)
    assert run.jobs["look"].outputs["kind"] == "none"
