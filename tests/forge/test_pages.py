"""Pages: a person sees what happened, pictures and tables included, and no script runs."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.forge.conftest import World

ROOT = Path(__file__).parents[2]
COMMENT = """<!-- gitops-ml -->
### Pass
| check | v1 |
|---|--:|
| AUC | 0.9 |

![ROC](reports/roc.svg)

<details><summary>More</summary>

text

</details><script>alert(1)</script>
"""


def page(world: World, path: str) -> str:
    with urllib.request.urlopen(f"{world.repo.url}{path}", timeout=10) as got:
        return str(got.read().decode())


def test_a_pull_request_is_shown(world: World) -> None:
    number = world.pull(files={"reports/roc.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>"})
    sha = world.repo.head("topic")
    world.api("POST", f"/issues/{number}/comments", world.writer, body=COMMENT)
    world.status(sha, "pending")
    shown = page(world, f"/pull/{number}")
    assert '<td style="text-align:right">0.9</td>' in shown and "<details><summary>More" in shown
    assert f'src="/ada/churn/raw/{sha}/reports/roc.svg"' in shown
    assert "gitops-ml</b>" in shown and "pending" in shown and "reports/roc.svg</a> +1" in shown
    assert "<script" not in shown and "<!-- gitops-ml -->" in shown
    assert page(world, f"/raw/{sha}/reports/roc.svg").startswith("<svg")
    assert "<svg" not in page(world, "/blob/topic/README.md") and "Churn" in page(
        world, "/blob/topic/README.md"
    )


def test_repository_release_and_runs_are_shown(world: World) -> None:
    made = world.api("POST", "/releases", world.writer, tag_name="v1", name="First", body="**bold**").body
    world.api(
        "POST", f"/api/uploads/repos/ada/churn/releases/{made['id']}/assets?name=a.bin", world.writer, x="1"
    )
    world.repo.add_run("release", "push", {"judge": "success"}, "success", "| a |\n|---|\n| 1 |\n")
    home = page(world, "")
    assert "<h1>Churn</h1>" in home and "v1" in home and "git clone" in home
    shown = page(world, "/releases/tag/v1")
    assert "<strong>bold</strong>" in shown and "a.bin" in shown
    assert page(world, "/releases/download/v1/a.bin") == '{"x": "1"}'
    runs = page(world, "/actions")
    assert "judge" in runs and "<table>" in runs
    with pytest.raises(urllib.error.HTTPError):
        page(world, "/releases/tag/v2")


def test_what_people_write_is_escaped(world: World) -> None:
    world.repo.commit("topic", {"a": "a"}, world.writer)
    world.api("POST", "/pulls", world.writer, title="<b>&", head="topic", base="main")
    assert "&lt;b&gt;&amp;" in page(world, "/pull/1")


def test_a_folder_served_by_hand(world: World) -> None:
    world.forge.save(world.folder / "copy")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.forge", str(world.folder / "copy"), "--port", str(port)]
    served = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        assert f"http://127.0.0.1:{port}" in served.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ada/churn", timeout=10) as got:
            assert b"Churn" in got.read()
    finally:
        served.terminate()
        served.wait()
