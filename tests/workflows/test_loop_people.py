"""Who may what: changes of the rules and their approval, a maintainer who is alone, strangers with a fork, tokens that do not do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.forge.access import Refused
from tests.workflows.act import App, Run
from tests.workflows.edits import params
from tests.workflows.world import APP, World

pytestmark = pytest.mark.change
MakeWorld = Callable[..., World]


def replace(project: Path, path: str, old: str, new: str) -> None:
    file = project / path
    text = file.read_text("utf-8")
    assert old in text, f"{old!r} is not in {path}"
    file.write_text(text.replace(old, new, 1), "utf-8")


def append(path: str, text: str) -> Callable[[Path], None]:
    """An edit that adds to a file."""

    def edit(project: Path) -> None:
        with (project / path).open("a", encoding="utf-8") as file:
            file.write(text)

    return edit


def again(world: World, number: int) -> Run:
    """Close and open a pull request, which starts its workflow again; the run."""
    for state in ("closed", "open"):
        world.api("PATCH", f"/pulls/{number}", {"state": state})
    return world.ran("pull-request", world.settle())


# ---------------------------------------------------------------- a change of the rules


def test_a_change_of_the_rules_is_judged_by_mains_and_waits_for_another_person(world: World) -> None:
    marker = world.folder / "ran"
    write = f"from pathlib import Path; Path({str(marker)!r}).touch()"
    rita = world.forge.user("rita")
    world.repo.collaborator(rita, "read")
    policy = hashlib.sha256(world.text("main", "policy.yaml").encode()).hexdigest()

    def loosen(project: Path) -> None:
        params(("max_iter: 40", "max_iter: 30"))(project)
        replace(project, "policy.yaml", "margin: 0.02", "margin: 0.9")
        # A judge that runs the author's words instead of main's suite, and posts what the author likes.
        replace(
            project,
            ".github/workflows/candidate.yml",
            "      - name: Judge\n",
            f'      - name: My own judge\n        run: python3 -c "{write}"\n      - name: Judge\n',
        )
        append(".github/workflows/release.yml", "# faster\n")(project)
        suite = ".github/actions/gitops_ml/gate/judge.py"
        replace(
            project,
            suite,
            "from __future__ import annotations\n",
            f"from __future__ import annotations\n\n{write}\n",
        )
        replace(project, suite, 'return "block" if', 'return "pass" if')
        replace(
            project,
            ".github/actions/judge/action.yml",
            "  steps:\n",
            f"  steps:\n    - shell: bash\n      run: touch {marker}\n",
        )

    number = world.pull_request("rules", loosen, "Faster", by=world.bob)
    run = world.ran("pull-request", world.settle())
    assert run.ok, world.errors([run])
    assert not marker.exists(), "a pull request's own judge ran"
    state, line = world.status(number)
    assert state == "pending" and line.startswith("Needs a human"), line
    comment = world.comment(number)
    first = comment[: comment.index("|")]
    assert (
        "changes the rules it is judged by" in first and "It was judged by the base branch's copies" in first
    )
    for path in ("policy.yaml", ".github/workflows/candidate.yml", ".github/workflows/release.yml",
                 ".github/actions/gitops_ml/gate/judge.py", ".github/actions/judge/action.yml"):  # fmt: skip
        assert path in first, f"{path} is not shown first"
    assert f"policy.yaml `{policy[:8]}`" in comment, "judged by another policy than main's"
    with pytest.raises(Refused, match="gitops-ml"):
        world.merge(number)

    # Neither the author's word nor that of somebody who may not write here.
    with pytest.raises(Refused, match="Unprocessable"):
        world.repo.approve(number, by=world.bob)
    world.repo.approve(number, by=rita)
    (run,) = world.settle()
    assert run.name == "approval" and run.ok, world.errors([run])
    assert world.status(number)[0] == "pending"

    world.repo.approve(number, by=world.ada)
    (run,) = world.settle()
    assert run.name == "approval" and run.ok, world.errors([run])
    state, line = world.status(number)
    assert state == "success" and "Approved by ada" in line, line

    # The approval was of that commit.
    world.push("rules", append("README.md", "\nMore.\n"), by=world.bob)
    run = world.ran("pull-request", world.settle())
    assert run.ok and world.status(number)[0] == "pending", world.errors([run])
    with pytest.raises(Refused, match="gitops-ml"):
        world.merge(number)
    world.repo.approve(number, by=world.ada)
    world.settle()
    assert world.status(number)[0] == "success"
    assert not marker.exists()
    world.merge(number)
    assert "margin: 0.9" in world.text("main", "policy.yaml")


@pytest.mark.full
def test_a_maintainer_who_is_alone_is_told_how_to_answer_for_a_change_of_the_rules(world: World) -> None:
    """The comment suffices: what it says is copied, filled in, and pushed."""
    with world.forge.lock:
        del world.repo.data["collaborators"]["bob"]
    number = world.pull_request(
        "floor", lambda project: replace(project, "policy.yaml", "floors: {}", "floors: {roc_auc: 0.5}")
    )
    run = world.ran("pull-request", world.settle())
    assert run.ok and "candidate/build" not in run.ran(), world.errors([run])
    state, line = world.status(number)
    assert (state, line) == ("pending", "Needs a human: it changes policy.yaml")
    comment = world.comment(number)
    assert "nobody else can write here" in comment and "overrides.yaml" in comment
    model = YAML(typ="safe").load(world.text("main", "reports/evaluation.json"))["model_sha256"]
    assert model in comment
    with pytest.raises(Refused, match="gitops-ml"):
        world.merge(number)

    found = re.search(r"```yaml\n(.*?)```", comment, re.DOTALL)
    assert found is not None
    day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    text = (
        found[1]
        .replace("YOU", "Ada")
        .replace("WHY", "Guessing was never good enough")
        .replace("YYYY-MM-DD", day)
    )
    world.push("floor", lambda project: (project / "overrides.yaml").write_text(text, "utf-8"))
    run = world.ran("pull-request", world.settle())
    assert run.ok, world.errors([run])
    state, line = world.status(number)
    assert state == "success" and "Override: Guessing was never good enough (Ada)" in line, line
    comment = world.comment(number)
    assert "**Overridden:** Guessing was never good enough" in comment and "policy.yaml" in comment
    world.merge(number)


# ---------------------------------------------------------------- strangers


SPY = """

def test_what_can_be_reached() -> None:
    import os
    import subprocess

    settings = subprocess.run(["git", "config", "--list"], capture_output=True, text=True, check=False).stdout
    place = "{file}"
    with open(place, "w", encoding="utf-8") as file:
        file.write(repr(dict(os.environ)) + settings)
"""


@pytest.mark.parametrize("table", ["in git", pytest.param("under DVC, unreachable", marks=pytest.mark.full)])
def test_a_forks_pull_request_is_tested_and_reaches_no_secret_and_writes_nothing(
    make_world: MakeWorld, table: str
) -> None:
    world = make_world()
    eve = world.forge.user("eve")
    fork = world.forge.fork(world.repo, eve)
    world.loop.secrets = {"GITOPS_ML_APP_KEY": "planted-secret", "GITOPS_ML_APP_SLUG": "planted-secret"}
    seen = world.folder / "seen"
    clone = world.fresh()
    test = clone / "tests/code/test_config.py"
    test.write_text(test.read_text("utf-8").rstrip("\n") + "\n" + SPY.format(file=seen), "utf-8")
    # A fork brings its own workflow file: what it asks for there, it does not get.
    replace(clone, ".github/workflows/fork.yml", "      contents: read # check out\n",
            "      contents: write # mine\n      statuses: write # mine\n    env:\n"
            "      APP_KEY: ${{ secrets.GITOPS_ML_APP_KEY }}\n      JOB_KEY: ${{ github.token }}\n")  # fmt: skip
    if table != "in git":
        (csv,) = (clone / "data/raw").glob("*.csv")
        csv.unlink()
        pointer = f"outs:\n- md5: {'ab' * 16}\n  size: 1\n  hash: md5\n  path: {csv.name}\n"
        csv.with_name(f"{csv.name}.dvc").write_text(pointer, "utf-8")
        append(".gitignore", f"/data/raw/{csv.name}\n")(clone)
    world.git("checkout", "--quiet", "-B", "gift")
    world.git("add", "--all")
    world.git("commit", "--quiet", "--message", "A gift")
    world.git("push", "--quiet", fork.address(eve), "HEAD:refs/heads/gift")
    made = world.api("POST", "/pulls", {"title": "A gift", "head": "eve:gift", "base": "main"}, by=eve)
    number, refs = int(made["number"]), world.repo.git.refs()

    with world.forge.recording() as calls:
        runs = world.settle()
    run = world.ran("fork", runs)
    assert run.ok, world.errors([run])
    assert run.ran() == ["check"]
    assert [each.name for each in runs if each.ran()] == ["fork"], (
        "the workflow that may write ran for a fork"
    )
    jobs = [call for call in calls if call.kind in ("job", "app")]
    assert jobs and not [call for call in jobs if call.effect], "a fork's run wrote"
    assert (
        world.repo.git.refs() == refs
        and not world.repo.statuses(world.head(number))
        and not world.comment(number)
    )
    reached = seen.read_text("utf-8")
    assert "planted-secret" not in reached and "planted-secret" not in run.log
    tokens = [token for token in world.forge.state.data["tokens"] if token in reached]
    for token in tokens:  # Eve's own workflow handed it out: it can read what everybody can, and nothing else
        assert set(world.forge.state.data["tokens"][token]["permissions"].values()) <= {"read"}
    said = "synthetic rows: numbers mean nothing" in run.log
    assert said is (table != "in git")
    with pytest.raises(Refused, match="gitops-ml"):
        world.merge(number)


# ---------------------------------------------------------------- tokens


def test_a_token_that_does_not_do_makes_the_run_red_and_names_the_fix(make_world: MakeWorld) -> None:
    """Expired, too weak, an App that lacks a permission, an App without its key; then all is well again."""
    world = make_world()
    judge = "pull-request/candidate/judge"
    number = world.pull_request("words", append("README.md", "\nMore.\n"))
    api = r"/api/v3/repos/"
    world.forge.faults.add(401, path=api, times=1000, job=judge)
    run = world.ran("pull-request", world.settle())
    said = "\n".join(run.errors())
    assert run.result == "failure" and run.jobs["candidate/judge"].result == "failure"
    assert "wrong, expired or was revoked" in said and "GITHUB_TOKEN: ${{ github.token }}" in said, said
    assert world.status(number) == ("", "")

    world.forge.faults.clear()
    world.forge.faults.add(403, method="POST", path=r"/statuses/", times=1000, job=judge)
    run = again(world, number)
    said = "\n".join(run.errors())
    assert run.result == "failure"
    assert "lacks the permission statuses: write" in said and "under `permissions:` of the job" in said, said
    assert world.status(number) == ("", "")
    world.forge.faults.clear()

    weak = App(APP.slug, {**APP.permissions, "pull-requests": "read"})
    world.loop.vars = {"GITOPS_ML_APP_ID": weak.client_id, "GITOPS_ML_APP_SLUG": weak.slug}
    for app, secrets, words in (
        (weak, {"GITOPS_ML_APP_KEY": weak.private_key}, "pull-requests: write"),
        (APP, {}, "'private-key' input must be set"),
    ):
        world.loop.app, world.loop.secrets = app, secrets
        run = again(world, number)
        assert run.result == "failure" and any(words in each for each in run.errors()), run.errors()
        assert world.status(number) == ("", "")

    world.loop.app, world.loop.secrets, world.loop.vars = None, {}, {}
    run = again(world, number)
    assert run.ok and world.status(number)[0] == "success", world.errors([run])
    assert len([one for one in world.repo.comments(number) if "gitops-ml" in one["body"]]) == 1
