"""Machines that die in the middle, executed: for each workflow that writes, the next run ends where an undisturbed one does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.forge.repo import Repo
from tests.workflows.act import Run
from tests.workflows.world import SLUG, World, enter

pytestmark = pytest.mark.change

CARD = "MODEL_CARD.md"


def param(old: str, new: str) -> Callable[[Path], None]:
    """An edit of params.yaml."""

    def edit(project: Path) -> None:
        path = project / "params.yaml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    return edit


def killed(world: World, workflow: str, effects: int) -> Run:
    """Let the next run of a workflow die behind its n-th effect; the run."""
    world.loop.kill_after(effects, workflow)
    before = len([call for call in world.forge.calls if call.effect and call.kind in ("job", "app")])
    runs = world.settle()
    (run,) = [one for one in runs if one.name == workflow]
    assert run.result == "killed", world.errors(runs)
    after = len([call for call in world.forge.calls if call.effect and call.kind in ("job", "app")])
    assert after - before >= effects
    return run


def again(world: World, run: Run) -> Run:
    """Press "Re-run all jobs"; the run."""
    world.loop.rerun(run)
    runs = world.settle()
    (repeated,) = [one for one in runs if one.name == run.name]
    assert repeated.ok, world.errors(runs)
    return repeated


def plain(text: str, repo: Repo) -> str:
    """A text of ours without what only a clock, a number or an address decides."""
    text = text.replace(repo.forge.url, "")
    text = re.sub(r"/actions/runs/\d+", "/actions/runs/N", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "<commit>", text)
    text = re.sub(r"(?m)^\| `(\S+\.bento|measurements\.json)` .*$", r"| `\1` | <holds a time> |", text)
    for measured in (  # by a clock in the score job: see docs/gate.md
        r"(?m)^\| [\w' ]+ latency, one row \|.*\n",
        r"(?m)^\| \S+ \| `budget/(?:latency|latency-batch|memory|training)` \|.*\n",
        r"(?s)<details><summary>Time and memory .*?</details>\n+",
        r"(?m)^- \*\*Note:\*\* [^\n]* \((?:p95|median|quickest)\): [^\n]*\n",
    ):
        text = re.sub(measured, "", text)
    text = re.sub(r"\n{3,}", "\n\n", text)
    text = re.sub(r"\bAll \d+ checks pass\b", "All checks pass", text)
    return re.sub(r" in \d+ s\b", " in some s", text)


def pull_as_seen(world: World, number: int) -> dict[str, Any]:
    """All that a pull request shows, but for its number."""
    head = world.head(number)
    return {
        "tree": world.repo.git.text("rev-parse", f"{head}^{{tree}}"),
        "commits": len(world.repo.git.text("rev-list", f"main..{head}").splitlines()),
        "statuses": [(s["context"], s["state"], s["description"]) for s in world.repo.statuses(head)],
        "comment": plain(world.comment(number), world.repo),
        "bytes": world.repo.git.text("ls-tree", "-r", f"refs/dvc/pr/{number}"),
    }


def test_a_pull_request_ends_as_its_undisturbed_twin(world: World) -> None:
    edit = param("max_iter: 40", "max_iter: 30")
    first = world.pull_request("undisturbed", edit, "Fewer trees")
    assert world.ran("pull-request", world.settle()).ok
    second = world.pull_request("killed", edit, "Fewer trees")
    run = killed(world, "pull-request", 2)
    assert world.status(second) == ("", ""), "the commit is there, and nothing says that it may be merged"
    assert world.head(second) != world.head(first)
    again(world, run)
    assert pull_as_seen(world, second) == pull_as_seen(world, first)


def release_as_seen(world: World) -> dict[str, Any]:
    repo = world.repo
    (pull,) = repo.open_pulls()
    head = pull["head"]["sha"]
    releases = [
        (r["tag_name"], r["name"], plain(r["body"], repo), r["draft"], sorted(a["name"] for a in r["assets"]))
        for r in repo.releases()
    ]
    main = repo.head("main") or ""
    return {
        "tags": repo.tags(),
        "releases": releases,
        "sums": repo.asset(f"{SLUG}@v1.0.0", "SHA256SUMS") is not None,
        "store": repo.git.text("ls-tree", "-r", "refs/dvc/store"),
        "main": [(s["context"], s["state"], s["description"]) for s in repo.statuses(main)],
        "pointer": (pull["title"], plain(pull["body"], repo), [one["name"] for one in pull["labels"]]),
        "tree": repo.git.text("rev-parse", f"{head}^{{tree}}"),
        "commits": len(repo.git.text("rev-list", f"main..{head}").splitlines()),
        "statuses": [(s["context"], s["state"], s["description"]) for s in repo.statuses(head)],
        "issues": repo.issues("all"),
    }


@pytest.mark.full
@pytest.mark.parametrize("effects", [6, 2])
def test_a_release_ends_as_the_one_of_the_seed(
    effects: int, seed: Path, tmp_path: Path, make_world: Callable[..., World]
) -> None:
    (tmp_path / "whole").mkdir()
    whole = enter(seed, tmp_path / "whole", "before-merge")
    with whole.forge:
        wanted = release_as_seen(whole)
    world = make_world("before-release")
    run = killed(world, "release", effects)
    assert not [one for one in world.repo.releases() if not one["draft"]], "nobody sees half of a release"
    again(world, run)
    assert release_as_seen(world) == wanted
    world.healthy()


@pytest.mark.full
def test_a_refresh_is_pushed_once_and_judged(world: World) -> None:
    """Main and branch changed the same line of the card, which is CI's to write."""
    number = world.pull_request("late", param("seed: 11", "seed: 12"), "Another seed")
    card = world.text("main", CARD)
    title = card.splitlines()[next(n for n, line in enumerate(card.splitlines()) if line.startswith("# "))]
    for branch in ("main", "late"):
        world.repo.commit(branch, {CARD: card.replace(title, f"{title}, as {branch} has it", 1)}, world.ada)
    world.repo.take_events()
    before, main = world.head(number), world.repo.head("main")
    world.loop.dispatch("refresh.yml")
    killed(world, "refresh", 2)
    merged = world.head(number)
    assert merged != before and world.status(number) == ("", "")
    # Nothing conflicts any more, and no event tells of what a robot pushed: the next refresh finds it by its silence.
    world.loop.dispatch("refresh.yml")
    assert world.ran("refresh", world.settle()).ok
    assert world.head(number) == merged, "what was pushed is found, and nothing is pushed twice"
    assert world.repo.git.text("show", "-s", "--format=%P", merged).split() == [before, main]
    assert world.text(merged, CARD) == card or f"{title}\n" in world.text(merged, CARD), (
        "as the build wrote it"
    )
    assert world.status(number)[0] == "success"
    contexts = sorted(one["context"] for one in world.repo.statuses(merged))
    assert contexts == ["gitops-ml", "gitops-ml/built"]
    assert world.comment(number)


@pytest.mark.full
def test_a_cancelled_run_is_resumed_by_the_next(world: World) -> None:
    """Killed behind its commit; the author then pushes on top of it."""
    number = world.pull_request("topic", param("max_iter: 40", "max_iter: 30"), "Fewer trees")
    killed(world, "pull-request", 2)
    left = world.head(number)

    def words(project: Path) -> None:
        (project / "README.md").write_text("more words\n", "utf-8")

    world.push("topic", words, "Words")
    assert world.ran("pull-request", world.settle()).ok
    head = world.head(number)
    assert world.repo.git.text("rev-parse", f"{head}^").strip() == left, (
        "built again, and the same: no new commit"
    )
    assert world.status(number)[0] == "success" and world.comment(number)
    assert {one["context"] for one in world.repo.statuses(head)} == {"gitops-ml", "gitops-ml/built"}
