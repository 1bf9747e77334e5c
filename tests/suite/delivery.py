"""A small project on a bare repository, candidates of it, and a forge in memory that can be killed after any effect."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.suite import runs

from gitops_ml import storage
from gitops_ml.contracts.verdict import Verdict
from gitops_ml.delivery.judgement import Built, Case
from gitops_ml.delivery.release import Desk
from gitops_ml.errors import Fault
from gitops_ml.forge import commits
from gitops_ml.forge.errors import NotAllowed
from gitops_ml.forge.place import Place
from gitops_ml.forge.records import Pull, Review, Status

PYPROJECT = """\
[project]
name = "churn"
dependencies = ["numpy==2.4.6"]
[dependency-groups]
serve = ["bentoml>=1.4"]
dev = ["pytest>=8"]
[tool.uv]
constraint-dependencies = ["bentoml==1.4.1", "starlette==1.0"]
[tool.bentoml.build]
service = "churn.service:Service"
include = ["src/churn/*.py", "models/model.skops", "schema.yaml", "deploy/*/model.yaml"]
"""
CARD = "---\nlicense: mit\n---\n\n# Churn\n\nWho leaves.\n\nPredicts `churned`. **ROC AUC 0.846**.\n\n## Model details\n\nx\n"
BOT = "github-actions[bot]"
FACTS = {"data": 1, "params": 1, "code": 1, "schema": 1}


class Killed(BaseException):
    """The run was cut off behind an effect."""


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass
class World:
    """One repository, ``root`` cloned from the bare one that the forge serves; ``facts`` decide the model's bytes."""

    folder: Path
    facts: dict[str, int] = field(default_factory=lambda: dict(FACTS))

    @classmethod
    def make(cls, folder: Path) -> World:
        """A fresh one: a copy of the first that was made."""
        shutil.copytree(_first(), folder, dirs_exist_ok=True)
        return cls(folder)

    @classmethod
    def first(cls, folder: Path) -> World:
        world = cls(folder)
        world.bare.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main"], cwd=world.bare, check=True)
        world.root.mkdir()
        world.git("init", "-q", "-b", "main")
        world.git("remote", "add", "origin", "../server/demo/churn.git")  # also right in a copy
        files = {
            name: text
            for name, text in runs.binary().items()
            if name.split("/")[0] not in ("models", "reports")
        }
        files |= {
            "pyproject.toml": PYPROJECT,
            "policy.yaml": "version: 1\nenvironments: [production]\n",
            "src/churn/__init__.py": "",
            "src/churn/service.py": "served = 1\n",
            "MODEL_CARD.md": CARD,
        }
        world.commit(files)
        return world

    @property
    def root(self) -> Path:
        return self.folder / "clone"

    @property
    def bare(self) -> Path:
        return self.folder / "server" / "demo" / "churn.git"

    @property
    def place(self) -> Place:
        return Place(f"file://{self.folder}/server", "http://nowhere", "demo", "churn")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        # Fixed dates: two worlds of the same story have the same commits.
        env = os.environ | dict.fromkeys(["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"], "2026-11-01T12:00:00Z")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.root, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files: Mapping[str, Any], message: str = "Change", **facts: int) -> str:
        """Write files (a pair replaces a text), build by ``facts``, commit and push main; the commit."""
        self.facts |= facts
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                assert content[0] in path.read_text()
                content = path.read_text().replace(*content)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        self.build()
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        branch = self.git("branch", "--show-current")
        self.git("push", "-q", "origin", branch)
        return self.git("rev-parse", "HEAD")

    @property
    def model(self) -> bytes:
        return b"model " + json.dumps(self.facts).encode()

    def objects(self) -> dict[str, bytes]:
        facts = self.facts
        rows = b"rows %d %d" % (facts["data"], facts["schema"])
        return {"data/prepared/test.parquet": rows, "models/model.skops": self.model}

    def build(self) -> None:
        """What a pipeline would leave behind: lock (JSON is YAML), evaluation and card."""
        outs = {
            path: {"path": path, "hash": "md5", "md5": md5(b), "size": len(b)}
            for path, b in self.objects().items()
        }

        def dep(path: str, what: str) -> dict[str, Any]:
            return {"path": path, "hash": "md5", "md5": md5(f"{what} {self.facts[what]}".encode()), "size": 1}

        rows = outs["data/prepared/test.parquet"]
        stages = {
            "prepare": {
                "cmd": "python -m churn.data",
                "deps": [dep("data/raw/churn.csv", "data"), dep("schema.yaml", "schema")],
                "outs": [rows],
            },
            "train": {
                "cmd": "python -m churn.train",
                "deps": [rows, dep("src/churn/train.py", "code")],
                "params": {"params.yaml": {"train.seed": self.facts["params"]}},
                "outs": [outs["models/model.skops"]],
            },
        }
        sha256 = hashlib.sha256(self.model).hexdigest()
        part = {"file": {"path": "models/model.skops", "sha256": sha256, "size": len(self.model)}}
        for name, content in (
            ("dvc.lock", {"schema": "2.0", "stages": stages}),
            ("reports/evaluation.json", {"model_sha256": sha256}),
            ("reports/model_card.json", {"model": part}),
        ):
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(json.dumps(content, indent=1))

    def built(self, files: Mapping[str, str] | None = None) -> Built:
        """Candidate and scores of the checkout, sealed; ``files``: derived files that the build made otherwise."""
        head = self.git("rev-parse", "HEAD")
        where = self.folder / "jobs" / head[:12] / md5(json.dumps(files).encode())[:6]
        candidate, scores = where / "candidate", where / "scores"
        listed, digests = [], {}
        for path, content in self.objects().items():
            name = md5(content)
            target = candidate / "objects" / name[:2] / name[2:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            listed.append({"md5": name, "size": len(content), "path": path})
        for path, text in (files or {}).items():
            target = candidate / "files" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            digests[path] = hashlib.sha256(text.encode()).hexdigest()
        lock = self.git("rev-parse", "HEAD:dvc.lock")
        if files and "dvc.lock" in files:
            lock = self.git("hash-object", str(candidate / "files" / "dvc.lock"))
        sha256 = hashlib.sha256(self.model).hexdigest()
        manifest = {
            "version": 1,
            "head": head,
            "merged": None,
            "lock": lock,
            "stages": [],
            "files": digests,
            "removed": [],
            "objects": listed,
            "model": {"path": "models/model.skops", "sha256": sha256, "size": len(self.model)},
            "test_rows": listed[0],
            "suite": "0.1.0",
            "platform": "Linux",
            "seconds": {"train": 1.5},
        }
        (candidate / "manifest.json").write_text(json.dumps(manifest))
        digest = hashlib.sha256((candidate / "manifest.json").read_bytes()).hexdigest()
        scored = {
            "file": "challenger.parquet",
            "sha256": "1" * 64,
            "model_sha256": sha256,
            "revision": head,
            "rows": 9,
            "seconds": 0.5,
        }
        scores.mkdir(exist_ok=True)
        given = {
            "version": 1,
            "candidate": digest,
            "test_rows": "2" * 64,
            "challenger": scored,
            "champion": None,
        }
        (scores / "manifest.json").write_text(json.dumps(given))
        return Built(
            candidate, digest, scores, hashlib.sha256((scores / "manifest.json").read_bytes()).hexdigest()
        )


@functools.cache
def _first() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gitops-ml-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    World.first(folder)
    return folder


def verdict(overall: str = "pass", override: str | None = None) -> Verdict:
    check = {
        "id": "quality/roc_auc",
        "severity": "block",
        "outcome": "pass" if overall == "pass" and not override else "fail",
        "title": "ROC AUC",
        "reason": "0.846 to 0.851",
        "override": override,
    }
    side = {"version": None, "revision": None, "sha256": "3" * 64, "predictions": None}
    inputs = {
        "challenger": side,
        "champion": None,
        "test_rows": "2" * 64,
        "policy": "4" * 64,
        "lock": "5" * 40,
    }
    return Verdict.model_validate(
        {
            "version": 1,
            "overall": overall,
            "first_model": True,
            "inputs": {**inputs, "suite": "0.1.0"},
            "checks": [check],
        }
    )


class FakeStorage:
    """refs/dvc/*: ref -> md5 -> bytes."""

    def __init__(self, effect: Callable[[str], None]) -> None:
        self.refs: dict[str, dict[str, bytes]] = {}
        self.effect = effect

    def push(self, root: Path, ref: str, objects: Sequence[str], *, source: Path) -> None:
        held = self.refs.setdefault(ref, {})
        for name in objects:
            content = (source / name[:2] / name[2:]).read_bytes()
            assert md5(content) == name
            if held.get(name) != content:
                held[name] = content
                self.effect("push object")

    def needed(self, root: Path, revision: str) -> list[storage.Named]:
        return storage.needed(root, revision)

    def kind(self, root: Path) -> str:
        return "git"

    def list_refs(self, root: Path) -> dict[str, str]:
        return dict.fromkeys(self.refs, "0" * 40)

    def copy(self, root: Path, wanted: Sequence[str], *, sources: Sequence[str], destination: str) -> None:
        found = {
            name: held[name]
            for ref in sources
            for name, held in [(n, self.refs[ref]) for n in self.refs[ref]]
        }
        self.refs.setdefault(destination, {}).update({name: found[name] for name in wanted})
        self.effect("copy")

    def verify(self, root: Path, revisions: Sequence[str], ref: str = "refs/dvc/store") -> list[str]:
        from gitops_ml.build import lock as locks

        held = self.refs.get(ref, {})
        outs = {md5_ for rev in revisions for md5_ in locks.producers(locks.read(root, rev)).values()}
        return [f"{one} is missing" for one in sorted(outs) if md5(held.get(one, b"")) != one]


class FakeForge:
    """As strict as the client's contract: finds before it creates, and counts what it changes."""

    def __init__(self, world: World) -> None:
        self.world, self.place = world, world.place
        self.listed: list[Pull] = []
        self.statuses_of: dict[str, list[Status]] = {}
        self.releases: dict[str, dict[str, Any]] = {}
        self.issues: dict[str, dict[str, Any]] = {}
        self.reviews_of: dict[int, list[Review]] = {}
        self.came_by: dict[str, int] = {}
        self.writers = {"ada", "grace"}
        self.may_open = True
        self.said: list[tuple[int, str]] = []
        self.known_labels: set[str] = set()
        self.effects: list[str] = []
        self.left: int | None = None
        self.before_tag: Callable[[], None] | None = None
        self.storage = FakeStorage(self.effect)

    def effect(self, name: str) -> None:
        """Something has changed now; here the run may end."""
        self.effects.append(name)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed(name)

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=web", "-c", "user.email=web@example.org"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.world.bare, capture_output=True, text=True
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def me(self) -> str:
        return BOT

    def default_branch(self) -> str:
        return "main"

    # ---- pull requests

    def pulls(self, state: str = "open", head: str | None = None, base: str | None = None) -> list[Pull]:
        return [
            self.fresh(pull)
            for pull in reversed(self.listed)
            if pull.state == state and head in (None, pull.head_ref) and base in (None, pull.base_ref)
        ]

    def fresh(self, pull: Pull) -> Pull:
        tip = self.git("rev-parse", f"refs/heads/{pull.head_ref}")
        return replace(pull, head_sha=tip) if tip and pull.state == "open" and not pull.fork else pull

    def pulls_of(self, sha: str) -> list[Pull]:
        return [pull for pull in self.listed if self.came_by.get(sha) == pull.number]

    def add(self, branch: str, author: str = "ada", title: str = "T", **more: Any) -> Pull:
        number = len(self.listed) + 1
        facts = {"fork": False, "state": "open", "merged": False, "merge_commit": None, **more}
        pull = Pull(
            number=number,
            head_ref=branch,
            head_sha=facts.pop("head_sha", self.git("rev-parse", f"refs/heads/{branch}")),
            base_ref="main",
            base_sha="",
            author=author,
            title=title,
            body=facts.pop("body", ""),
            url=f"{self.place.web}/pull/{number}",
            mergeable=None,
            **facts,
        )
        self.listed.append(pull)
        return pull

    def update(self, number: int, **change: Any) -> Pull:
        self.listed[number - 1] = replace(self.fresh(self.listed[number - 1]), **change)
        return self.listed[number - 1]

    def open_or_update(
        self, *, branch: str, base: str, title: str, body: str, labels: Sequence[str] = ()
    ) -> Pull:
        found = self.pulls(head=branch, base=base)
        if not found:
            if not self.may_open:
                raise NotAllowed("forbidden", compare_url=f"{self.place.web}/compare/{base}...{branch}")
            assert self.git("rev-parse", f"refs/heads/{branch}"), "the branch was never pushed"
            assert self.git("rev-list", f"main..{branch}"), "no commits between"
            found = [self.add(branch, BOT, title, body=body)]
            self.effect("open pull")
        pull = found[0]
        if (pull.title, pull.body) != (title, body):
            pull = self.update(pull.number, title=title, body=body)
            self.effect("update pull")
        if set(labels) - set(pull.labels):
            pull = self.update(pull.number, labels=tuple(labels))
            self.effect("label pull")
        return pull

    def close_pull(self, number: int, comment: str) -> None:
        if self.listed[number - 1].state == "open":
            if (number, comment) not in self.said:
                self.said.append((number, comment))
                self.effect("comment")
            self.update(number, state="closed")
            self.effect("close pull")

    def labels(self, wanted: Mapping[str, tuple[str, str]]) -> None:
        for name in wanted:
            if name not in self.known_labels:
                self.known_labels.add(name)
                self.effect("label")

    def reviews(self, number: int) -> list[Review]:
        return self.reviews_of.get(number, [])

    def can_write(self, user: str) -> bool:
        return user in self.writers

    # ---- statuses, issues

    def statuses(self, sha: str) -> list[Status]:
        return self.statuses_of.get(sha, [])

    def set_status(
        self, sha: str, state: str, description: str, context: str = "gitops-ml", url: str = ""
    ) -> None:
        assert self.git("cat-file", "-t", sha) == "commit", "GitHub knows no such commit"
        there = self.statuses_of.setdefault(sha, [])
        newest = next((one for one in there if one.context == context), None)
        made = Status(context, state, description[:140], BOT, "Bot", url)
        if newest != made:
            there.insert(0, made)
            self.effect("status")

    def issue(self, reason: str, title: str, body: str, labels: Sequence[str] = ()) -> str:
        wanted = {"title": title, "body": body, "state": "open"}
        if self.issues.get(reason) != wanted:
            self.issues[reason] = wanted
            self.effect("issue")
        return f"{self.place.web}/issues/{reason}"

    def close_issue(self, reason: str, comment: str = "") -> None:
        if reason in self.issues and self.issues[reason]["state"] == "open":
            self.issues[reason]["state"] = "closed"
            self.effect("close issue")

    # ---- tags, releases

    def tag_sha(self, name: str) -> str | None:
        return self.git("rev-parse", "-q", "--verify", f"refs/tags/{name}^{{commit}}") or None

    def create_tag(self, name: str, sha: str, message: str = "") -> None:
        if self.before_tag is not None:
            first, self.before_tag = self.before_tag, None
            first()
        there = self.tag_sha(name)
        if there is not None and there != sha:
            raise Fault(f"the tag {name} names {there[:12]}")
        if there is None:
            self.git("tag", "-a", name, sha, "-m", message)
            assert self.tag_sha(name) == sha
            self.effect("tag")

    def release(
        self, tag: str, *, name: str, body: str, target: str, assets: Mapping[str, Path], rewrite: bool = True
    ) -> str:
        assert self.tag_sha(tag) == target
        if tag not in self.releases:
            self.releases[tag] = {"draft": True, "assets": {}}
            self.effect("draft")
        there = self.releases[tag]
        for asset, path in assets.items():
            content = path.read_bytes()
            if asset not in there["assets"] or (there["draft"] and there["assets"][asset] != content):
                there["assets"][asset] = content
                self.effect("asset")
        body = body if rewrite else there.get("body", body)
        if there["draft"] or (there["name"], there["body"]) != (name, body):
            there |= {"draft": False, "name": name, "body": body}
            self.effect("publish")
        return f"{self.place.web}/releases/tag/{tag}"

    def release_assets(self, tag: str) -> dict[str, str]:
        there = self.releases.get(tag, {"draft": True})
        return {} if there["draft"] else dict.fromkeys(there["assets"], "url")

    # ---- for the tests

    def merge(self, number: int) -> str:
        """Squash it onto main, as the button does."""
        pull = self.fresh(self.listed[number - 1])
        self.world.git("fetch", "-q", "origin")
        self.world.git("checkout", "-q", "main")
        self.world.git("reset", "-q", "--hard", "origin/main")
        self.world.git("merge", "-q", "--squash", pull.head_sha)
        self.world.git("commit", "-q", "-m", f"{pull.title} (#{number})")
        self.world.git("push", "-q", "origin", "main")
        commit = self.world.git("rev-parse", "HEAD")
        self.update(number, state="closed", merged=True, merge_commit=commit)
        self.came_by[commit] = number
        return commit

    def state(self) -> str:
        """All that a person could see, without ids that a clock decides."""
        branches = self.git("for-each-ref", "--format=%(refname:short) %(tree)", "refs/heads").splitlines()
        tips = {self.git("rev-parse", name.split()[0]): name.split()[0] for name in branches}
        known = {sha: tips.get(sha, sha) for sha in self.statuses_of}
        seen = {
            "tags": self.git("for-each-ref", "--format=%(refname) %(*objectname) %(contents)", "refs/tags"),
            "branches": branches,
            "commits": {n.split()[0]: self.git("rev-list", "--count", n.split()[0]) for n in branches},
            "pulls": [replace(pull, head_sha="") for pull in self.listed],
            "statuses": {known[sha]: listed for sha, listed in self.statuses_of.items() if sha in tips},
            "releases": self.releases,
            "issues": self.issues,
            "store": self.storage.refs,
            "said": self.said,
        }
        return repr(seen).replace(str(self.world.folder), "")


def desk(forge: FakeForge, overall: str = "pass", override: str | None = None) -> Desk:
    seen: list[Case] = []

    def judge(case: Case) -> Verdict:
        seen.append(case)
        return verdict(overall, override)

    made = Desk(forge.world.root, forge, "", judge, forge.storage, lambda v: f"Verdict: {v.overall}")  # type: ignore[arg-type]
    object.__setattr__(made, "cases", seen)
    return made


def count_pushes(forge: FakeForge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git push is an effect as well."""
    push = commits.push

    def counted(root: Path, place: Place, token: str, sha: str, ref: str, expect: str | None = None) -> None:
        before = forge.git("rev-parse", ref if ref.startswith("refs/") else f"refs/heads/{ref}")
        push(root, place, token, sha, ref, expect)
        if before != sha:
            forge.effect(f"push {ref}")

    monkeypatch.setattr(commits, "push", counted)
