"""A small project on the strict local forge, with what build and score hand over made by hand: for whoever carries rulings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.forge import Forge as Hub
from tests.forge import Repo
from tests.forge.calls import Call
from tests.forge.state import Identity
from tests.suite.judged import Folders, md5, sha256

from gitops_ml.forge import patience
from gitops_ml.forge.client import connect
from gitops_ml.forge.place import Place
from gitops_ml.ruling.flow import Desk
from gitops_ml.ruling.task import Task
from gitops_ml.storage import remote_git

GRANTED = dict.fromkeys(("contents", "issues", "pull-requests", "statuses"), "write")
RUN = "/actions/runs/7"
POINTER, ROWS = "data/raw/churn.csv.dvc", b"rows of yesterday"
PIPELINE = """\
stages:
  all:
    cmd: make
    deps: [schema.yaml]
    params: [train]
    outs:
      - data/prepared/test.parquet
      - data/prepared/train.parquet
      - models/model.skops
      - models/training.json
      - reports/data_profile.json: {cache: false}
      - reports/metrics.json: {cache: false}
      - reports/evaluation.json: {cache: false}
      - reports/model_card.json: {cache: false}
"""
FILES = {
    ".gitops-ml.yaml": "answers: {project_slug: churn}\n",
    "policy.yaml": "version: 1\nenvironments: [production]\n",
    "params.yaml": "train: {trees: 40}\n",
    "dvc.yaml": PIPELINE,
    "README.md": "# Churn\n",
    "reports/gone.md": "what the next build does not write\n",
    POINTER: f"outs:\n- md5: {md5(ROWS)}\n  hash: md5\n  path: churn.csv\n",
}


def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine is seen; nobody waits."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITHUB_", "GITOPS_ML_", "GH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(remote_git, "time", SimpleNamespace(sleep=lambda _: None))


@dataclass
class Built:
    """The folders of one candidate, and the digests that the jobs before would have said."""

    folder: Path
    head: str
    digests: dict[str, str]

    @property
    def candidate(self) -> Path:
        return self.folder / "candidate"

    @property
    def scores(self) -> Path:
        return self.folder / "scores"


@dataclass
class Bench:
    """A forge over a copy of the seed, with everything that a writing job needs. ``number``: the open pull request."""

    folder: Path
    hub: Hub
    repo: Repo
    patch: pytest.MonkeyPatch
    runs: int = 0

    @property
    def ada(self) -> Identity:
        return self.hub.user("ada")

    @property
    def will(self) -> Identity:
        return self.hub.user("will")

    @property
    def place(self) -> Place:
        return place_at(self.hub)

    def checkout(self) -> Path:
        """What actions/checkout gives a job: main as it is, with all history and tags; another clock than before."""
        self.runs += 1
        root = self.folder / f"root-{self.runs}"
        git(self.folder, "clone", "-q", str(self.repo.bare), str(root))
        git(root, "remote", "set-url", "origin", f"{self.hub.url}/ada/churn.git")
        for who in ("AUTHOR", "COMMITTER"):
            self.patch.setenv(f"GIT_{who}_DATE", f"2026-11-01T12:{self.runs:02}:00Z")
        return root

    def desk(self, permissions: Mapping[str, str] | None = None) -> Desk:
        """The desk of a new job."""
        token = self.repo.github_token("7", permissions or GRANTED, job="judge")
        self.patch.setenv("GITHUB_TOKEN", token)
        self.patch.setenv("GITHUB_SERVER_URL", self.hub.url)
        self.patch.setenv("GITHUB_API_URL", self.hub.api)
        self.patch.setenv("GITHUB_REPOSITORY", "ada/churn")
        root = self.checkout()
        return Desk(root, connect(self.place, token), token)

    def task(self, desk: Desk, built: Built | None = None, head: str = "", **more: Any) -> Task:
        """What the jobs before handed over, all of them green."""
        base = Task(
            root=desk.root,
            head=built.head if built else head,
            kind="model" if built else "none",
            results=dict.fromkeys(("plan", "build", "check", "score"), "success"),
            reason="",
            candidate=built.candidate if built else self.folder / "nothing",
            candidate_digest=built.digests["candidate_digest"] if built else "",
            scores=built.scores if built else self.folder / "nothing",
            scores_digest=built.digests["scores_digest"] if built else "",
            run_url=f"{self.place.web}{RUN}",
        )
        return replace(base, **more)

    def pull_request(self, branch: str, files: Mapping[str, str | None], by: Identity | None = None) -> int:
        """Somebody's commit, and the pull request of its branch; Will's unless said otherwise."""
        self.repo.commit(branch, dict(files), by or self.will)
        api = connect(self.place, (by or self.will).token).api
        content = {"title": f"About {branch}", "body": "", "head": branch, "base": "main"}
        return int(api.request("POST", "pulls", content)[1]["number"])

    def head(self, branch: str) -> str:
        return self.repo.head(branch) or ""

    def status(self, sha: str) -> tuple[str, str]:
        """The newest of the required context: state and description."""
        for one in self.repo.statuses(sha):
            if one["context"] == "gitops-ml":
                return one["state"], one["description"]
        return "", ""

    def build(
        self, name: str, head: str, model: bytes, extra: Mapping[str, bytes] = {}, **more: Any
    ) -> Built:
        """The candidate of a commit, and its scores. ``extra``: further files that it commits."""
        return make(self.folder / "jobs" / name, head, model, extra, **more)

    # ---- what everybody can see

    def state(self) -> dict[str, Any]:
        """All of it, without what a clock decides: two runs that end alike have equal states."""
        git_, data = self.repo.git, self.repo.data
        heads = self.repo.branches()
        # A commit is known by the branch that it is on, and its place there.
        names: dict[str, str] = {}
        for branch, sha in sorted(heads.items()):
            line = git_.text("rev-list", "--topo-order", sha).split()
            names |= {one: f"<{branch}~{place}>" for place, one in enumerate(line) if one not in names}
        names |= {sha[:12]: name for sha, name in names.items()} | {sha[:8]: n for sha, n in names.items()}

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {plain(key): plain(one) for key, one in value.items()}
            if isinstance(value, list | tuple):
                return [plain(one) for one in value]
            if not isinstance(value, str):
                return value
            text = value.replace(self.hub.url, "")
            return re.sub(
                r"\b(?:[0-9a-f]{40}|[0-9a-f]{12}|[0-9a-f]{8})\b", lambda m: names.get(m[0], m[0]), text
            )

        refs = {ref: sha for ref, sha in git_.refs().items() if ref.startswith("refs/dvc/")}
        seen = {
            "trees": {name: git_.text("rev-parse", f"{sha}^{{tree}}") for name, sha in heads.items()},
            "shape": {
                name: git_.text("rev-list", "--topo-order", "--parents", sha) for name, sha in heads.items()
            },
            "words": {
                name: git_.text("log", "--topo-order", "--format=%an %s", sha) for name, sha in heads.items()
            },
            "bytes": {ref: git_.text("ls-tree", "-r", sha) for ref, sha in refs.items()},
            "pushes": {ref: git_.text("rev-list", "--count", sha) for ref, sha in refs.items()},
            "tags": {name: sha for name, sha in self.repo.tags().items()},
            "messages": {
                name: git_.text("for-each-ref", "--format=%(contents)", f"refs/tags/{name}")
                for name in self.repo.tags()
            },
            "deployments": [
                (
                    *(d[key] for key in ("environment", "sha", "payload", "production_environment")),
                    *((one["state"], one["description"]) for one in d["statuses"]),
                )
                for d in data["deployments"]
            ],
            "statuses": {
                sha: [
                    (s["context"], s["state"], s["description"], s["target_url"])
                    for s in self.repo.statuses(sha)
                ]
                for sha in data["statuses"]
            },
            "pulls": [
                (p["number"], p["title"], p["body"], p["state"], sorted(one["name"] for one in p["labels"]))
                for p in self.repo.pulls
            ],
            "comments": {
                p["number"]: [one["body"] for one in self.repo.comments(p["number"])] for p in self.repo.pulls
            },
            "issues": [(i["title"], i["body"], i["state"], i["comments"]) for i in self.repo.issues("all")],
            "releases": [
                (r["tag_name"], r["name"], r["body"], r["draft"], sorted(a["name"] for a in r["assets"]))
                for r in self.repo.releases()
            ],
            "labels": sorted(one["name"] for one in data["labels"]),
        }
        return {key: plain(value) for key, value in seen.items()}

    def effects(self) -> list[Call]:
        return [call for call in self.hub.calls if call.effect]


def place_at(hub: Hub) -> Place:
    """Where the repository is."""
    return Place(hub.url, hub.api, "ada", "churn")


def place_of(call: Call) -> str:
    """A call as a pattern: commits that a clock named are any commit."""
    return "^" + re.sub(r"[0-9a-f]{40}", "[0-9a-f]{40}", re.escape(call.path)) + "$"


def make(
    folder: Path,
    head: str,
    model: bytes,
    extra: Mapping[str, bytes] = {},
    timings: dict[str, Any] | None = None,
    **manifest: Any,
) -> Built:
    """A candidate of a commit and its scores, sealed. ``timings``: what the score job's clock said."""
    folder.mkdir(parents=True)
    made = Folders(folder, model=model)
    made.timings = timings
    files = {"dvc.lock": json.dumps(made.lock()).encode(), **made.reports, **extra}
    for path, content in extra.items():
        (folder / "candidate/files" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "candidate/files" / path).write_bytes(content)
    sealed = {path: sha256(content) for path, content in files.items()}
    made.write(**{"head": head, "files": sealed, "removed": ["reports/gone.md"], **manifest})
    return Built(folder, head, made.digests)


def derived(folder: Path, model: bytes) -> dict[str, bytes]:
    """The files that a build of this model commits."""
    folder.mkdir(parents=True)
    made = Folders(folder, model=model)
    return {"dvc.lock": json.dumps(made.lock()).encode(), **made.reports}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def plant(folder: Path) -> None:
    """The seed: a forge with main, built once; nothing is open."""
    with Hub.start(folder / "hub") as hub:
        ada = hub.user("ada")
        repo = hub.create("ada/churn", ada)
        repo.collaborator(hub.user("will"), "write")
        repo.allow_pull_requests()
        made = Folders(_empty(folder / "old"), model=b"old")
        files: dict[str, bytes | str | None] = {**FILES, **made.people, **made.reports}
        repo.commit("main", files | {"dvc.lock": json.dumps(made.lock())}, ada, "Built")
        repo.take_events()


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@contextmanager
def bench(seed: Path, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A copy of a seed, or of what stands in a bench's folder, its forge started."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(seed / "hub", folder / "hub")
    if (seed / "jobs").exists():
        shutil.copytree(seed / "jobs", folder / "jobs")
    with Hub.start(folder / "hub") as hub:
        repo = hub.repo("ada/churn")
        assert repo is not None
        yield Bench(folder, hub, repo, patch)
