"""A seeded forge for the forge's own tests, copied for each; git and REST as a stranger would use them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.forge import Forge, Identity, Repo

WORKFLOW = "on:\n  push:\n  workflow_dispatch:\njobs: {}\n"
SEED = {"README.md": "# Churn\n", "data.csv": "a\n1\n", ".github/workflows/ci.yml": WORKFLOW}


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def message(self) -> str:
        return str(self.body.get("message")) if isinstance(self.body, dict) else ""

    @property
    def text(self) -> str:
        return json.dumps(self.body)


@dataclass
class World:
    """A forge with one repository of ``owner``, a writer, a reader, a stranger."""

    forge: Forge
    repo: Repo
    owner: Identity
    writer: Identity
    reader: Identity
    stranger: Identity
    folder: Path

    def api(self, method: str, path: str, who: Identity | str | None = None, **body: Any) -> Answer:
        """A call below the repository; a path with /api is taken as it is."""
        url = f"{self.forge.url}{path}" if path.startswith("/api") else f"{self.repo.api}{path}"
        token = who.token if isinstance(who, Identity) else who
        asked = urllib.request.Request(url, json.dumps(body).encode() if body else None, method=method)
        if token:
            asked.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(asked, timeout=10) as got:
                status, raw, headers = got.status, got.read(), dict(got.headers)
        except urllib.error.HTTPError as error:
            status, raw, headers = error.code, error.read(), dict(error.headers)
        return Answer(status, json.loads(raw) if raw else None, headers)

    def git(self, *words: str, cwd: Path | None = None, ok: bool = True) -> str:
        """The output of git, both streams; with ok=False it must fail."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        for name in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{name}_NAME": "Ada", f"GIT_{name}_EMAIL": "ada@example.org"}
        done = subprocess.run(
            ["git", *words], cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert (done.returncode == 0) is ok, done.stdout
        return done.stdout

    def clone(self, who: Identity | str | None = None, name: str = "clone", repo: Repo | None = None) -> Path:
        folder = self.folder / name
        self.git("clone", "-q", (repo or self.repo).address(who), str(folder))
        return folder

    def write(self, clone: Path, path: str, text: str | bytes, message: str = "Change") -> None:
        place = clone / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode() if isinstance(text, str) else text)
        self.git("add", "-A", cwd=clone)
        self.git("commit", "-qm", message, cwd=clone)

    def pull(self, branch: str = "topic", files: dict[str, str] | None = None) -> int:
        """A pull request of the writer's."""
        self.repo.commit(branch, files or {"topic.txt": "1\n"}, self.writer)
        made = self.api("POST", "/pulls", self.writer, title=f"Add {branch}", head=branch, base="main")
        assert made.status == 201, made.body
        return int(made.body["number"])

    def ruleset(self, strict: bool = False, reviews: int = 0, **more: Any) -> Answer:
        """The ruleset that a project would ask for on its default branch."""
        parameters = {
            "strict_required_status_checks_policy": strict,
            "required_status_checks": [{"context": "gitops-ml"}],
        }
        review: dict[str, bool | int] = dict.fromkeys(
            ("dismiss_stale_reviews_on_push", "require_code_owner_review", "require_last_push_approval"),
            False,
        )
        review |= {"required_approving_review_count": reviews, "required_review_thread_resolution": False}
        rules = [
            {"type": "required_status_checks", "parameters": parameters},
            {"type": "pull_request", "parameters": review},
            {"type": "non_fast_forward"},
            {"type": "deletion"},
        ]
        names = {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}}
        wanted = {
            "name": "main",
            "target": "branch",
            "enforcement": "active",
            "conditions": names,
            "rules": rules,
        }
        return self.api("POST", "/rulesets", self.owner, **{**wanted, **more})

    def status(self, sha: str | None, state: str = "success", who: Identity | str | None = None) -> Answer:
        return self.api("POST", f"/statuses/{sha}", who or self.writer, state=state, context="gitops-ml")


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed") / "forge"
    with Forge.start(folder) as forge:
        owner = forge.user("ada")
        repo = forge.create("ada/churn", owner)
        repo.collaborator(forge.user("will"), "write")
        repo.collaborator(forge.user("rita"), "read")
        forge.user("stan")
        repo.commit("main", SEED, owner, "First")
        repo.take_events()
    return folder


@pytest.fixture
def world(seeded: Path, tmp_path: Path) -> Iterator[World]:
    shutil.copytree(seeded, tmp_path / "forge")
    with Forge.start(tmp_path / "forge") as forge:
        repo = forge.repo("ada/churn")
        assert repo is not None
        people = [forge.user(name) for name in ("ada", "will", "rita", "stan")]
        yield World(forge, repo, people[0], people[1], people[2], people[3], tmp_path)
