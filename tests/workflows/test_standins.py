"""The stand-ins do what the real actions do, where a workflow could tell: run as act runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.forge import Forge, Identity, Repo
from tests.workflows.rewrite import ACTIONS, STANDINS


@dataclass
class Job:
    """One job's machine: workspace, temporary folder, variables."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    def __post_init__(self) -> None:
        for name in ("workspace", "temp", "home"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        own = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.root / "temp"),
            "GITHUB_OUTPUT": str(self.root / "output"),
            "GITHUB_RUN_ID": "7",
            "GITHUB_SERVER_URL": "http://127.0.0.1:1",
            "GITHUB_REPOSITORY": "ada/tiny",
            "GITHUB_EVENT_NAME": "push",
            "STANDIN_ARTIFACTS": str(self.root.parent / "store"),
        }
        self.env = {**own, **self.env}

    def run(self, script: str, **given: str) -> tuple[int, str, dict[str, str]]:
        """Status, what was said, outputs."""
        (self.root / "output").write_text("", "utf-8")
        env = {**self.env, **{f"WITH_{name}": value for name, value in given.items()}}
        words = [sys.executable, str(STANDINS / script)]
        done = subprocess.run(words, cwd=self.workspace, env=env, capture_output=True, text=True, check=False)
        lines = (self.root / "output").read_text("utf-8").splitlines()
        outputs = dict(line.split("=", 1) for line in lines)
        return done.returncode, done.stdout + done.stderr, outputs

    def write(self, name: str, text: str = "x") -> None:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def tree(self, below: str = ".") -> list[str]:
        start = self.workspace / below
        found = (path.relative_to(start) for path in start.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.parts[0] != ".git")

    def upload(self, path: str, name: str = "artifact", **more: str) -> tuple[int, str, dict[str, str]]:
        given = {"NAME": name, "PATH": path, "MISSING": "warn", "OVERWRITE": "false", "HIDDEN": "false"}
        return self.run("upload-artifact/upload.py", **{**given, "ARCHIVE": "true", **more})

    def download(self, name: str, path: str = "", **more: str) -> tuple[int, str, dict[str, str]]:
        given = {"NAME": name, "PATH": path, "PATTERN": "", "MERGE": "false", "TOKEN": "", "RUN": "7"}
        return self.run("download-artifact/download.py", **{**given, **more})


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "one")


@pytest.fixture
def next_job(tmp_path: Path) -> Job:
    return Job(tmp_path / "two")


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("out", ["a.txt", "deep/b.txt"]),
        ("out/", ["a.txt", "deep/b.txt"]),
        ("out/a.txt", ["a.txt"]),
        ("out/**/*.txt", ["a.txt", "deep/b.txt"]),
        ("out/deep/*.txt", ["b.txt"]),
        ("out\nother", ["other/c.txt", "out/a.txt", "out/deep/b.txt"]),
        ("out\n!out/deep/**", ["a.txt"]),
        ("out/.hidden", [".hidden"]),
    ],
)
def test_what_an_artifact_holds(path: str, arrives: list[str], job: Job, next_job: Job) -> None:
    for name in ("out/a.txt", "out/deep/b.txt", "out/.hidden", "out/.git/config", "other/c.txt"):
        job.write(name, name)
    (job.workspace / "out" / "a.txt").chmod(0o755)
    assert job.upload(path)[0] == 0
    assert next_job.download("artifact", "in")[0] == 0
    assert next_job.tree("in") == arrives
    assert not os.access(next_job.workspace / "in" / "a.txt", os.X_OK)


def test_hidden_files_on_request_and_nothing_found(job: Job, next_job: Job) -> None:
    job.write("out/.hidden")
    status, said, _ = job.upload("out")
    assert status == 0 and "::warning::No files were found" in said
    assert next_job.download("artifact")[0] == 1
    status, said, _ = job.upload("out", MISSING="error")
    assert status == 1 and "::error::No files were found" in said
    assert job.upload("out", MISSING="ignore")[1] == ""
    assert job.upload("out", HIDDEN="true")[0] == 0
    assert next_job.download("artifact")[0] == 0 and next_job.tree() == [".hidden"]


def test_a_name_is_taken_once(job: Job, next_job: Job) -> None:
    job.write("a.txt", "1")
    status, _, first = job.upload("a.txt")
    assert status == 0 and first["artifact-url"].endswith("/ada/tiny/actions/runs/7/artifacts/1")
    job.write("a.txt", "2")
    status, said, _ = job.upload("a.txt")
    assert status == 1 and "409" in said
    status, _, second = job.upload("a.txt", OVERWRITE="true")
    assert status == 0 and second["artifact-digest"] != first["artifact-digest"]
    next_job.download("artifact")
    assert (next_job.workspace / "a.txt").read_text() == "2"
    assert job.upload("a.txt", name="a/b")[0] == 1


def test_a_single_file_without_archive_has_its_own_name(job: Job, next_job: Job) -> None:
    job.write("report.html")
    job.write("b.html")
    assert job.upload("*.html", ARCHIVE="false")[0] == 1
    assert job.upload("report.html", ARCHIVE="false")[0] == 0
    assert next_job.download("report.html")[0] == 0 and next_job.tree() == ["report.html"]


def test_all_artifacts_of_a_pattern_and_other_runs(job: Job, next_job: Job) -> None:
    job.write("x.txt")
    for name in ("score-a", "score-b", "other"):
        job.upload("x.txt", name=name)
    next_job.download("", "in", PATTERN="score-*")
    assert next_job.tree("in") == ["score-a/x.txt", "score-b/x.txt"]
    next_job.download("", "merged", PATTERN="score-*", MERGE="true")
    assert next_job.tree("merged") == ["x.txt"]
    next_job.env["GITHUB_RUN_ID"] = "8"
    assert "need github-token" in next_job.download("other", "other")[1]
    assert next_job.download("other", "other", TOKEN="t")[0] == 0


def test_a_swapped_artifact_arrives(job: Job, next_job: Job) -> None:
    job.write("candidate/manifest.json", "true")
    job.upload("candidate", name="candidate")
    swap = job.root.parent / "store" / "swap"
    swap.mkdir()
    (swap / "candidate").write_text("false", "utf-8")
    assert next_job.download("candidate", "in")[0] == 0
    assert (next_job.workspace / "in" / "manifest.json").read_text() == "false"
    (swap / "candidate").unlink()
    (swap / "candidate").mkdir()
    (swap / "candidate" / "more.json").write_text("1", "utf-8")
    assert next_job.download("candidate", "again")[0] == 0
    assert next_job.tree("again") == ["more.json"]


# --- checkout ----------------------------------------------------------------------------------------------


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    with Forge.start(tmp_path / "forge") as started:
        yield started


@pytest.fixture
def ada(forge: Forge) -> Identity:
    return forge.user("ada")


@pytest.fixture
def repo(forge: Forge, ada: Identity) -> Repo:
    made = forge.create("ada/tiny", ada, private=True)
    made.commit("main", {"a.txt": "1\n"}, ada, "One")
    made.commit("main", {"a.txt": "2\n"}, ada, "Two")
    made.commit("topic", {"b.txt": "b\n"}, ada, "Topic")
    made.git.update("refs/tags/v1", made.head("main") or "")
    return made


def checkout(job: Job, repo: Repo, token: str, **given: str) -> tuple[int, str, dict[str, str]]:
    job.env |= {
        "GITHUB_SERVER_URL": repo.forge.url,
        "GITHUB_REF": job.env.get("GITHUB_REF", "refs/heads/main"),
        "GITHUB_SHA": job.env.get("GITHUB_SHA", repo.head("main") or ""),
    }
    words = {"REPOSITORY": repo.slug, "TOKEN": token, "PERSIST": "false", "DEPTH": "1", **given}
    return job.run("checkout/checkout.py", **words)


def git(job: Job, *words: str, folder: str = ".") -> str:
    where = job.workspace / folder
    env = {**job.env, "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(["git", *words], cwd=where, env=env, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else f"failed: {done.stderr}"


def test_checkout_takes_the_events_commit_shallow_on_its_branch(job: Job, repo: Repo, ada: Identity) -> None:
    job.write("leftover/x")
    job.env["GITHUB_SHA"] = repo.git.resolve("main~1") or ""
    status, said, outputs = checkout(job, repo, ada.token)
    assert status == 0, said
    assert outputs == {"ref": "refs/heads/main", "commit": job.env["GITHUB_SHA"]}
    assert job.tree() == ["a.txt"] and (job.workspace / "a.txt").read_text() == "1\n"
    assert git(job, "branch", "--show-current") == "main"
    assert git(job, "rev-parse", "--is-shallow-repository") == "true"
    assert ada.token not in said


@pytest.mark.parametrize(
    ("ref", "branch", "text"),
    [
        ("topic", "topic", "b.txt"),
        ("refs/heads/topic", "topic", "b.txt"),
        ("v1", "", "a.txt"),
        ("", "main", "a.txt"),
    ],
)
def test_checkout_of_a_ref_into_a_folder(
    ref: str, branch: str, text: str, job: Job, repo: Repo, ada: Identity
) -> None:
    job.write("kept.txt")
    status, said, outputs = checkout(job, repo, ada.token, REF=ref, PATH="head", DEPTH="0")
    assert status == 0, said
    assert text in job.tree("head") and "kept.txt" in job.tree()
    assert git(job, "branch", "--show-current", folder="head") == branch
    assert git(job, "rev-parse", "--is-shallow-repository", folder="head") == "false"
    assert git(job, "tag", folder="head") == "v1"
    assert outputs["commit"] == repo.git.resolve(ref or "main")


def test_checkout_of_a_commit_with_tags_and_a_filter(job: Job, repo: Repo, ada: Identity) -> None:
    topic = repo.head("topic") or ""
    status, said, _ = checkout(
        job, repo, ada.token, REF=topic, TAGS="true", FILTER="blob:none", PERSIST="true"
    )
    assert status == 0, said
    assert git(job, "rev-parse", "HEAD") == topic and git(job, "branch", "--show-current") == ""
    assert git(job, "tag") == "v1"


def test_credentials_stay_only_when_asked_for(job: Job, repo: Repo, ada: Identity) -> None:
    assert checkout(job, repo, ada.token)[0] == 0
    assert git(job, "ls-remote", "origin").startswith("failed")
    assert list((job.root / "temp").iterdir()) == []
    assert checkout(job, repo, ada.token, PERSIST="true")[0] == 0
    assert "refs/heads/main" in git(job, "ls-remote", "origin")
    assert ada.token not in (job.workspace / ".git" / "config").read_text()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TOKEN": ""}, "exit code 128"),
        ({"TOKEN": "ghs_nobody"}, "exit code 128"),
        ({"REF": "none"}, "A branch or tag with the name 'none' could not be found"),
        ({"PATH": "../out"}, "is not under"),
        ({"REPOSITORY": "tiny"}, "Invalid repository"),
    ],
)
def test_checkout_fails_as_the_real_one(
    given: dict[str, str], words: str, job: Job, repo: Repo, ada: Identity
) -> None:
    token = given.pop("TOKEN", ada.token)
    status, said, _ = checkout(job, repo, token, **given)
    assert status == 1 and words in said
    assert list((job.root / "temp").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "of_fork", "refused"),
    [
        ({"REF": "HEAD_SHA"}, True, True),
        ({"REF": "refs/pull/1/merge"}, True, True),
        ({"REF": "pull/1/head"}, True, True),
        ({"REPOSITORY": "eve/tiny", "REF": "main"}, True, True),
        ({}, True, False),
        ({"REF": "topic"}, True, False),
        ({"REF": "HEAD_SHA", "UNSAFE": "true"}, True, False),
        ({"REF": "HEAD_SHA"}, False, False),
    ],
)
def test_checkout_refuses_a_forks_code_to_privileged_workflows(
    given: dict[str, str], of_fork: bool, refused: bool, job: Job, repo: Repo, ada: Identity
) -> None:
    head = repo.head("topic") or ""
    owner = "eve/tiny" if of_fork else "ada/tiny"
    pull = {"head": {"sha": head, "repo": {"full_name": owner}}, "merge_commit_sha": "1" * 40}
    (job.root / "event.json").write_text(json.dumps({"pull_request": pull}), "utf-8")
    job.env |= {"GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_EVENT_PATH": str(job.root / "event.json")}
    words = {name: value.replace("HEAD_SHA", head) for name, value in given.items()}
    status, said, _ = checkout(job, repo, ada.token, **words)
    assert ("Refusing to check out fork pull request code" in said) is refused
    assert status == int(refused), said
    # In a workflow of the pull request itself there is nothing to refuse.
    job.env["GITHUB_EVENT_NAME"] = "pull_request"
    assert "Refusing" not in checkout(job, repo, ada.token, **words)[1]


def test_every_stand_in_is_there() -> None:
    for name in ACTIONS.values():
        assert (STANDINS / name / "action.yml").is_file()
    assert sorted({path.parent.name for path in STANDINS.glob("*/action.yml")}) == sorted(ACTIONS.values())
