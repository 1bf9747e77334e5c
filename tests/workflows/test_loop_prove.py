"""A pointer moved by hand is proven before it passes: to an earlier version, to bytes that are gone, to what must not be served."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.demo.serving import free_port
from tests.forge.access import Refused
from tests.template.conftest import clean_environment
from tests.workflows.edits import newer_rows
from tests.workflows.test_loop_docs import blocks, run
from tests.workflows.world import SLUG, World

POINTER, STAGING = "deploy/production/model.yaml", "deploy/staging/model.yaml"
STORE = "refs/dvc/store"


def point(path: str, content: dict[str, Any]) -> Callable[[Path], None]:
    """An edit: an environment serves this."""

    def edit(project: Path) -> None:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(json.dumps(content, indent=2) + "\n", "utf-8")

    return edit


def policy(world: World, old: str, new: str) -> None:
    """Ada changes policy.yaml on main, past the rule; what main's own workflows make of it is another story."""
    text = world.text("main", "policy.yaml")
    assert old in text, text
    world.repo.commit("main", {"policy.yaml": text.replace(old, new)}, world.ada, "Policy")
    world.repo.take_events()


def asked(world: World) -> int:
    """Somebody wants staging to serve what production serves."""
    policy(world, "[production]", "[production, staging]")
    pointer = world.yaml("main", POINTER)
    return world.pull_request("staging", point(STAGING, pointer), "Serve it in staging")


def again(world: World, number: int) -> list[Any]:
    """Close and open the pull request, which starts its workflow again."""
    for state in ("closed", "open"):
        world.api("PATCH", f"/pulls/{number}", {"state": state})
    return world.settle()


def passed(world: World, number: int, runs: list[Any], version: str, environment: str) -> None:
    run = world.ran("pull-request", runs)
    assert run.ok, world.errors(runs)
    assert any(name.endswith("prove") for name in run.ran()), run.ran()
    line = f"Pass: {version} in {environment}: 20 rows answered as judged"
    assert world.status(number) == ("success", line)
    assert "its service answered 20 rows as the model predicts" in world.comment(number)


def stopped(world: World, number: int, said: str) -> None:
    """It is blocked and says why, in the status and in the comment; it cannot be merged, and nothing moved."""
    before = (world.repo.head(), world.repo.tags(), world.refs())
    state, line = world.status(number)
    assert state == "failure" and line.startswith(f"Blocked: {STAGING}: "), line
    comment = world.comment(number)
    assert said in comment and "What is served stays as it is" in comment, comment
    with pytest.raises(Refused) as refused:
        world.merge(number)
    assert refused.value.status == 405
    assert world.repo.file("main", STAGING) is None
    assert (world.repo.head(), world.repo.tags(), world.refs()) == before
    assert not [one for one in world.repo.deployments() if one["environment"] == "staging"]


def stored(world: World, change: Callable[[bytes], bytes | None]) -> None:
    """Somebody with a shell on the server changes the bytes of the model in the store."""
    lock = world.text("main", "dvc.lock")
    found = re.search(r"path: models/model\.skops\n\s+hash: md5\n\s+md5: (\w+)", lock)
    assert found is not None
    path = f"files/md5/{found[1][:2]}/{found[1][2:]}"
    git = world.repo.git
    content = git.blob(STORE, path)
    assert content
    tree = git.tree_with(STORE, {path: change(content)})
    tip = git.ref(STORE) or ""
    git.update(STORE, git.commit(tree, [tip], "Tampered", ("Mallory", "m@example.org")))


@pytest.mark.change
def test_a_pointer_by_hand_is_proven_and_lost_bytes_stop_it(world: World) -> None:
    number = asked(world)
    passed(world, number, world.settle(), "v1.0.0", "staging")
    stored(world, lambda content: None)
    again(world, number)
    stopped(world, number, "is missing")


def flipped(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def forged(world: World) -> None:
    """The tag says that another verdict let v1.0.0 pass."""
    git, tag = world.repo.git, f"{SLUG}@v1.0.0"
    text = git.text("for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")
    other = re.sub(r"verdict-digest: \w+", f"verdict-digest: {'1' * 64}", text)
    assert other != text
    commit = git.text("rev-parse", f"{tag}^{{commit}}")
    git.run(
        "-c", "user.name=M", "-c", "user.email=m@example.org", "tag", "-f", "-a", tag, "-m", other, commit
    )


@pytest.mark.full
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda world: stored(world, flipped), "is corrupted"),
        (lambda world: stored(world, lambda content: content[:-1]), "is truncated"),
        (
            lambda world: policy(world, "retired: {}", 'retired: {v1.0.0: "it saw the answer"}'),
            "v1.0.0 is retired: it saw the answer",
        ),
        (forged, "the verdict of v1.0.0 does not come out again"),
    ],
    ids=["tampered", "truncated", "retired", "forged-verdict"],
)
def test_what_must_not_be_served_is_stopped(world: World, spoil: Callable[[World], None], said: str) -> None:
    spoil(world)
    number = asked(world)
    runs = world.settle()
    assert world.ran("pull-request", runs).result == "failure", "judged, and red"
    stopped(world, number, said)


@pytest.mark.full
def test_back_to_an_earlier_version_by_hand_and_served_on_a_laptop(world: World, tmp_path: Path) -> None:
    first = world.yaml("main", POINTER)
    number = world.pull_request("rows", newer_rows, "Newer rows")
    world.settle()
    world.merge(number)
    runs = world.settle()
    assert all(run.ok for run in runs), world.errors(runs)
    (offered,) = world.repo.open_pulls()
    assert world.status(offered["number"])[0] == "success", "release vouches for what it made itself"
    world.merge(offered["number"])
    world.settle()
    assert world.yaml("main", POINTER)["version"] == "v1.0.1"

    world.fresh()
    world.git("remote", "set-url", "origin", world.repo.address(world.ada))
    run(world, *blocks("incident.md", "roll-back"))
    (opened,) = world.repo.open_pulls()
    assert opened["title"] == "Roll production back to v1.0.0", "docs/how-to/incident.md, as written"
    world.api("PATCH", f"/pulls/{opened['number']}", {"state": "closed"})
    world.repo.take_events()

    number = world.pull_request("back", point(POINTER, first), "Back to v1.0.0")
    passed(world, number, world.settle(), "v1.0.0", "production")
    assert "Roll back: v1.0.0" in world.comment(number)
    world.merge(number)
    world.settle()
    started = time.monotonic()
    world.git("clone", "--quiet", world.repo.address(world.ada), "laptop", cwd=tmp_path)
    laptop = tmp_path / "laptop"
    with serves(world, laptop) as facts:
        assert (facts["version"], facts["sha256"]) == ("v1.0.0", first["sha256"])
        print(f"merge to serving on a laptop: {time.monotonic() - started:.1f} s")
    for version in ("v1.0.0", "v1.0.1"):
        done = world.gitops("verify-verdict", version, cwd=laptop)
        assert done.returncode == 0 and "same: git and bytes" in done.stdout, done.stdout + done.stderr


@contextmanager
def serves(world: World, clone: Path) -> Iterator[Any]:
    """`gitops-ml deploy --local` in a clone; what its service says of itself. Ended by Ctrl-C, and nothing is left."""
    port = free_port()
    environment = clean_environment(world.folder / "home")
    process = subprocess.Popen(
        [str(world.project_python()), "-m", "gitops_ml", "deploy", "--local", "--port", str(port)],
        cwd=clone,
        env=environment | {"PATH": f"{world.seed_environment}/bin:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        assert process.poll() is None, "".join(said)
        with opener.open(f"http://127.0.0.1:{port}/metadata", timeout=10) as answer:
            yield json.load(answer)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "ended" in rest, rest
    with pytest.raises(OSError):
        opener.open(f"http://127.0.0.1:{port}/readyz", timeout=2)
