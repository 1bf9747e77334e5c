"""The how-tos of publishing, storage and incidents work as written: their commands, in their order, on a published project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.template.conftest import clean_environment
from tests.workflows.world import ROOT, SLUG, World

pytestmark = pytest.mark.change
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(world: World, script: str) -> str:
    """A page's commands in one shell, in the clone; what they print. `uv run X` finds X in the seed's environment."""
    tools = world.folder / "tools"
    tools.mkdir(exist_ok=True)
    uv = tools / "uv"
    real = shutil.which("uv")
    assert real is not None
    uv.write_text(
        f'#!/bin/sh\n[ "$1" = run ] || exec "{real}" "$@"\n'
        f'shift\nname="$1"\nshift\nexec "{world.seed_environment}/bin/$name" "$@"\n'
    )
    uv.chmod(0o755)
    environment = clean_environment(world.folder / "home") | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "GITOPS_ML_TOKEN": world.ada.token,
        "GITHUB_SERVER_URL": world.forge.url,
        "GITHUB_API_URL": world.forge.api,
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=world.clone,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def blocks(page: str, *wanted: str) -> list[str]:
    """The blocks of a page that hold these words."""
    found = BLOCK.findall(Path(ROOT, "docs", "how-to", page).read_text("utf-8"))
    chosen = [block for block in found if any(word in block for word in wanted)]
    assert len(chosen) == len(wanted), (wanted, found)
    return chosen


def test_the_pages_work_as_written(world: World) -> None:
    clone = world.fresh()
    world.git("remote", "set-url", "origin", world.repo.address(world.ada))
    dry, afterwards = blocks("publish.md", "publish --dry-run", "git switch -c my-change")
    pushed, pruned = blocks("storage.md", "storage verify", "storage prune")
    look, why = blocks("incident.md", "gitops-ml status", "verify-verdict")
    printed = run(world, pushed)
    assert "nothing is lost" in printed or "object" in printed
    assert (clone / "models/model.skops").exists(), "storage pull brings the bytes that CI built"
    assert run(world, dry.splitlines()[0])
    assert "v1.0.0" in run(world, look), "status and audit agree that all is well"
    told = run(world, why)
    assert "same" in told and f"{SLUG}#production#1" in told, told
    before = set(world.repo.branches())
    change, rest = afterwards.split("\n", 1)
    printed = run(
        world, f"{change}\nsed -i 's/max_iter: 40/max_iter: 30/' params.yaml\ngit commit -qam 'Fewer'\n{rest}"
    )
    assert set(world.repo.branches()) - before == {"my-change"}
    assert "pull-request.yml" in printed or "pull-request" in printed, "preview names what would start"
    assert "nothing" in run(world, pruned), "every branch with bytes is still there"
    world.repo.take_events()
