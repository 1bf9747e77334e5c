"""What somebody with write access could forge: bytes, locks, metrics, caches, quarantines, artifacts. CI believes none of it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.forge.state import Identity
from tests.template.conftest import clean_environment
from tests.workflows.edits import params, text
from tests.workflows.world import World

from gitops_ml.storage.pulling import groups_of

pytestmark = pytest.mark.change
LIE = '"value": 0.99999'
WRONG = b"not these bytes\n"


# ---------------------------------------------------------------- what Bob can do with git alone


def plumbing(world: World, *arguments: str, given: bytes = b"") -> str:
    """git in the clone: makes objects, as whoever may push can; moves no ref, and leaves the clone's index alone."""
    environment = clean_environment(world.folder / "home")
    environment["GIT_INDEX_FILE"] = str(world.folder / "poisoned-index")
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "Bob", f"GIT_{role}_EMAIL": "bob@example.org"}
    command = ["git", "-C", str(world.clone), *arguments]
    done = subprocess.run(command, input=given, env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def poison(world: World, ref: str, objects: Mapping[str, bytes], by: Identity) -> None:
    """Push a ref of the storage that holds these bytes under these names, over whatever it held."""
    (world.folder / "poisoned-index").unlink(missing_ok=True)
    lines = []
    for name, content in objects.items():
        blob = plumbing(world, "hash-object", "-w", "--stdin", given=content)
        lines.append(f"100644 {blob} 0\tfiles/md5/{name[:2]}/{name[2:]}\n")
    plumbing(world, "update-index", "--index-info", given="".join(lines).encode())
    commit = plumbing(world, "commit-tree", plumbing(world, "write-tree"), "-m", "Bytes")
    world.git("push", "--quiet", "--force", world.repo.address(by), f"{commit}:{ref}")


def stored(world: World, ref: str) -> dict[str, bytes]:
    """md5 -> the bytes that a ref of the storage holds under it."""
    if ref not in world.refs():
        return {}
    paths = [path for path in world.repo.files(ref) if path.startswith("files/md5/")]
    return {"".join(path.split("/")[2:]): world.repo.file(ref, path) or b"" for path in paths}


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def kept(world: World, revision: str) -> dict[str, str]:
    """Path -> md5 of what DVC keeps, by the lock of a revision."""
    stages = world.yaml(revision, "dvc.lock")["stages"].values()
    outs = [(out["path"], out["md5"]) for stage in stages for out in stage["outs"]]
    return {path: name for path, name in outs if path.startswith(("models/", "data/prepared/"))}


# ---------------------------------------------------------------- bytes, lock, metrics, caches, quarantine


def test_hand_made_bytes_metrics_caches_and_poisoned_quarantines_do_not_count(world: World) -> None:
    """All of it at once in one pull request of a writer; and again when CI has nothing to build."""
    found: dict[str, str] = {}
    honest: dict[str, bytes] = {}
    marker = world.folder / "imported-from-the-pull-request"

    def forge(project: Path) -> None:
        params(("max_iter: 40", "max_iter: 30"))(project)
        world.reproduce(project)
        for path in ("models/model.skops", "models/training.json", "reports/metrics.json"):
            honest[path] = (project / path).read_bytes()
        # A loadable model of other params; then the lock is told that the committed ones made it.
        params(("max_iter: 30", "max_iter: 3"))(project)
        world.reproduce(project)
        params(("max_iter: 3\\b", "max_iter: 30"))(project)
        metrics = project / "reports/metrics.json"
        metrics.write_text(re.sub(r'"value": [^,\n]+', LIE, metrics.read_text("utf-8"), count=1), "utf-8")
        world.reproduce(project, "commit", "--force", "--quiet")
        assert "up to date" in world.reproduce(project, "status"), "the forged lock is a valid one"
        found["model"] = md5((project / "models/model.skops").read_bytes())
        assert found["model"] in (project / "dvc.lock").read_text("utf-8")
        assert found["model"] != md5(honest["models/model.skops"])
        pushed = world.gitops("storage", "push", by=world.bob)
        assert pushed.returncode == 0, pushed.stderr
        runs = list((project / ".dvc/cache/runs").rglob("*"))
        assert any(file.is_file() for file in runs), "there is a run-cache to plant"
        world.git("add", "--force", ".dvc/cache")
        text(".pre-commit-config.yaml", (r"exclude: \^\(", r"exclude: ^(\\.dvc/|"))(project)
        (project / "dvc.py").write_text(
            f'"""Not the DVC that builds."""\n\nfrom pathlib import Path\n\nPath("{marker}").touch()  # fmt: skip\n',
            "utf-8",
        )

    number = world.pull_request("forged", forge, "A better model, promise", by=world.bob)
    forged, store = world.head(number), stored(world, "refs/dvc/store")
    model = md5(honest["models/model.skops"])
    branch = stored(world, "refs/dvc/branch/forged")
    assert found["model"] in branch and LIE in world.text(forged, "reports/metrics.json")
    # The quarantine has wrong bytes under the names of the model of main, of the honest one, and of the rows.
    names = {*kept(world, "main").values(), *kept(world, forged).values(), model}
    poison(world, f"refs/dvc/pr/{number}", dict.fromkeys(names, WRONG), world.bob)
    poison(
        world,
        "refs/dvc/branch/forged",
        {**dict.fromkeys(names, WRONG), found["model"]: branch[found["model"]]},
        world.bob,
    )

    run = world.ran("pull-request", world.settle())
    assert run.ok, world.errors([run])
    head = world.head(number)
    assert head != forged and not marker.exists()
    assert world.status(number)[0] == "success"
    assert [one["context"] for one in world.repo.statuses(forged)] == [], "the status is on the new head only"
    # What stands on the branch is what the committed params give on anybody's machine.
    assert world.lock_md5(head, "train", "models/model.skops") == model
    assert world.repo.file(head, "reports/metrics.json") == honest["reports/metrics.json"]
    changed = set(world.repo.changed_files(forged, head))
    assert {"dvc.lock", "reports/metrics.json"} <= changed
    assert all(path in ("dvc.lock", "MODEL_CARD.md") or path.startswith("reports/") for path in changed)
    quarantine = stored(world, f"refs/dvc/pr/{number}")
    for path, name in kept(world, head).items():
        assert md5(quarantine[name]) == name, f"{path} is still poisoned"
    assert quarantine[model] == honest["models/model.skops"]
    assert branch[found["model"]] not in quarantine.values()
    assert stored(world, "refs/dvc/store") == store, "only a release writes the store"

    # Now CI has a record of this lock, and wants only to read its bytes: they are no longer what they were.
    poison(world, f"refs/dvc/pr/{number}", dict.fromkeys(names, WRONG), world.bob)
    world.push(
        "forged", lambda project: (project / "README.md").write_text("# Better\n", "utf-8"), by=world.bob
    )
    run = world.ran("pull-request", world.settle())
    assert run.result == "failure" and world.status(number)[0] == "failure"
    comment = world.comment(number)
    assert re.search(r"models/model\.skops \(md5 \w+\) is (truncated|corrupted)", comment), comment
    assert "gitops-ml storage push" in comment, "the way out"
    assert world.lock_md5(world.head(number), "train", "models/model.skops") == model
    assert stored(world, "refs/dvc/store") == store


@pytest.mark.full
def test_a_commit_that_is_checked_out_finds_what_its_branchs_people_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workflow has no branch checked out: GitHub names it. Every read is checked, so the order is only a matter of cost."""
    refs = (
        "refs/dvc/branch/other",
        "refs/dvc/branch/topic",
        "refs/dvc/pr/2",
        "refs/dvc/pr/10",
        "refs/dvc/store",
    )
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".git/HEAD").write_text(f"{'1' * 40}\n", "utf-8")
    pulls = ["refs/dvc/pr/10", "refs/dvc/pr/2"]
    monkeypatch.setenv("GITHUB_HEAD_REF", "topic")
    there = dict.fromkeys(refs, "")
    found = groups_of(tmp_path, there)
    assert [sorted(found[0]), *found[1:]] == [
        ["refs/dvc/branch/topic", "refs/dvc/store"],
        pulls,
        ["refs/dvc/branch/other"],
    ]
    monkeypatch.delenv("GITHUB_HEAD_REF")
    assert groups_of(tmp_path, there) == [
        ["refs/dvc/store"],
        pulls,
        ["refs/dvc/branch/other", "refs/dvc/branch/topic"],
    ]


# ---------------------------------------------------------------- artifacts


@pytest.mark.full
def test_an_artifact_that_was_swapped_between_jobs_is_refused(world: World) -> None:
    """The other artifacts are sound ones, of the release that serves: only the digest in the job output tells."""
    artifacts = world.forge.folder / "artifacts"
    (released,) = [run for run in artifacts.iterdir() if (run / "candidate").is_dir()]
    number = world.pull_request("swapped", params(("max_iter: 40", "max_iter: 20")), by=world.bob)
    before = world.head(number)
    (artifacts / "swap").mkdir()

    shutil.copytree(released / "scores", artifacts / "swap" / f"scores-{number}")
    run = world.ran("pull-request", world.settle())
    assert run.result == "failure" and run.jobs["candidate/score"].result == "success"
    state, line = world.status(number)
    assert state == "failure" and line.startswith("Blocked: judge stopped"), line
    comment = world.comment(number)
    assert "the evidence was refused" in comment and "swapped" in comment, comment
    assert world.head(number) == before, "nothing is committed"
    assert f"refs/dvc/pr/{number}" not in world.refs(), "nothing is kept"

    shutil.rmtree(artifacts / "swap" / f"scores-{number}")
    shutil.copytree(released / "candidate", artifacts / "swap" / f"candidate-{number}")
    for state in ("closed", "open"):
        world.api("PATCH", f"/pulls/{number}", {"state": state})
    run = world.ran("pull-request", world.settle())
    assert run.result == "failure"
    assert run.jobs["candidate/build"].result == "success"
    assert run.jobs["candidate/score"].result == run.jobs["candidate/check"].result == "failure"
    state, line = world.status(number)
    assert state == "failure" and line.startswith("Blocked: score stopped"), line
    assert "the artifact was swapped between two jobs" in world.comment(number)
    assert world.head(number) == before
    assert f"refs/dvc/pr/{number}" not in world.refs()
    with pytest.raises(Exception, match="gitops-ml"):
        world.merge(number)
