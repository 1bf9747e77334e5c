"""A generated project on the local forge, as its first users have it: published, released, served; and what people do to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from tests.forge import Forge
from tests.forge.repo import Repo
from tests.forge.state import Identity
from tests.template.conftest import ROOT, Project, clean_environment, generate
from tests.workflows.act import App, Run
from tests.workflows.loop import Loop

SLUG = "tumour-demo"
PACKAGE = "tumour_demo"
APP = App(
    "gitops-bot", dict.fromkeys(("contents", "issues", "pull-requests", "statuses", "metadata"), "write")
)
AUTHORS = {"ada": "Ada", "bob": "Bob"}


def slim(project: Path) -> None:
    """What a team with little patience would do: few trees, and of the tests the quickest. Nothing of the loop is left out."""
    params = project / "params.yaml"
    params.write_text(re.sub(r"max_iter: \d+", "max_iter: 40", params.read_text("utf-8")), "utf-8")
    for test in {*project.glob("tests/service/*.py"), *project.glob("tests/*/test_*.py")}:
        if test.name != "test_config.py":
            test.unlink()


@dataclass
class World:
    """One repository of Ada's on a forge of its own, with Bob as its other writer, and a clone to work in."""

    folder: Path
    forge: Forge
    repo: Repo
    loop: Loop
    ada: Identity
    bob: Identity
    runs: list[Run] = field(default_factory=list)

    # --- people ---------------------------------------------------------------------------------------------

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """git as Ada, without settings of this machine."""
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=cwd or self.clone,
            env=clean_environment(self.folder / "home"),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout.strip()

    def fresh(self) -> Path:
        """The clone, at main as it is now, with nothing else in it."""
        if not self.clone.exists():
            self.git("clone", "--quiet", self.repo.address(self.ada), str(self.clone), cwd=self.folder)
        self.git("fetch", "--quiet", "--prune", "--tags", "origin")
        self.git("checkout", "--quiet", "--force", "-B", "main", "origin/main")
        self.git("clean", "-fdxq", "--exclude=.venv")
        return self.clone

    def push(
        self, branch: str, edit: Callable[[Path], object], message: str = "Change", by: Identity | None = None
    ) -> str:
        """Commit an edit of the branch (new: of main) and push it; the new head."""
        clone = self.fresh()
        if branch in self.repo.branches():
            self.git("checkout", "--quiet", "-B", branch, f"origin/{branch}")
        else:
            self.git("checkout", "--quiet", "-B", branch)
        edit(clone)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", self.repo.address(by or self.ada), f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def pull_request(
        self, branch: str, edit: Callable[[Path], object], title: str = "Change", by: Identity | None = None
    ) -> int:
        """Push an edit and open its pull request; its number. Nothing has run yet."""
        self.push(branch, edit, title, by)
        made = self.api("POST", "/pulls", {"title": title, "head": branch, "base": "main"}, by=by)
        return int(made["number"])

    def api(self, method: str, path: str, body: Any = None, by: Identity | None = None) -> Any:
        """A REST call on the repository."""
        request = urllib.request.Request(
            f"{self.repo.api}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {(by or self.ada).token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def merge(self, number: int, by: Identity | None = None) -> str:
        """Press the button; the new commit on main."""
        return self.repo.merge(number, by=by or self.ada)

    def project_python(self) -> Path:
        """The Python of the seed's environment, with DVC and the project's libraries; its package is not the clone's."""
        return Path(self.seed_environment, "bin", "python")

    @property
    def seed_environment(self) -> str:
        return (self.folder / "environment").read_text("utf-8")

    def reproduce(self, project: Path, *arguments: str) -> str:
        """`dvc repro` in a checkout as its owner would on a laptop, with the seed's environment."""
        environment = clean_environment(self.folder / "home") | {
            "PATH": f"{self.seed_environment}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(project / "src"),
        }
        done = subprocess.run(
            [self.project_python(), "-m", "dvc", *(arguments or ("repro",))],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"dvc {arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def gitops(
        self, *arguments: str, cwd: Path | None = None, by: Identity | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The suite's command on Ada's laptop, in the clone."""
        environment = clean_environment(self.folder / "home") | {
            "GITOPS_ML_TOKEN": (by or self.ada).token,
            "GITHUB_SERVER_URL": self.forge.url,
            "GITHUB_API_URL": self.forge.api,
            "PATH": f"{self.seed_environment}/bin:{os.environ['PATH']}",
        }
        command = [str(self.project_python()), "-m", "gitops_ml", *arguments]
        return subprocess.run(command, cwd=cwd or self.clone, env=environment, capture_output=True, text=True)

    # --- machines ---------------------------------------------------------------------------------------------

    def settle(self, **more: Any) -> list[Run]:
        """Run what the forge's events start, until nothing more starts."""
        found = self.loop.settle(**more)
        self.runs += found
        return found

    def ran(self, name: str, runs: list[Run]) -> Run:
        """The one run of a workflow among these that did something."""
        done = [run for run in runs if run.name == name and run.result != "cancelled" and run.ran()]
        assert len(done) == 1, [(run.name, run.result, run.ran()) for run in runs]
        return done[0]

    # --- what is there ----------------------------------------------------------------------------------------

    def head(self, number: int) -> str:
        return str(self.repo.pull(number)["head"]["sha"])

    def status(self, number: int) -> tuple[str, str]:
        """State and description of the required status on the head; ("", "") if there is none."""
        listed = [one for one in self.repo.statuses(self.head(number)) if one["context"] == "gitops-ml"]
        return (listed[0]["state"], listed[0]["description"]) if listed else ("", "")

    def comment(self, number: int) -> str:
        """The one comment of the suite; an assertion fails if there are several."""
        ours = [one["body"] for one in self.repo.comments(number) if "<!-- gitops-ml -->" in one["body"]]
        assert len(ours) <= 1, ours
        return ours[0] if ours else ""

    def text(self, revision: str, path: str) -> str:
        content = self.repo.file(revision, path)
        assert content is not None, f"{path} is not in {revision}"
        return content.decode()

    def yaml(self, revision: str, path: str) -> Any:
        return YAML(typ="safe", pure=True).load(self.text(revision, path))

    def lock_md5(self, revision: str, stage: str, path: str) -> str:
        """The md5 that the lock of a revision gives to an out."""
        outs = self.yaml(revision, "dvc.lock")["stages"][stage]["outs"]
        return str(next(out["md5"] for out in outs if out["path"] == path))

    def refs(self, prefix: str = "refs/dvc/") -> dict[str, str]:
        return {ref: sha for ref, sha in self.repo.git.refs().items() if ref.startswith(prefix)}

    @property
    def versions(self) -> list[str]:
        """The tags of released versions; stage tags are left out."""
        return [name for name in self.repo.tags() if "#" not in name]

    def stages(self, environment: str) -> list[str]:
        """The versions that the stage tags of an environment say, oldest first."""
        tags, start = self.repo.tags(), f"{SLUG}#{environment}#"
        numbers = sorted(int(name.removeprefix(start)) for name in tags if name.startswith(start))
        assert numbers == list(range(1, len(numbers) + 1)), numbers
        by_commit = {tags[name]: name.partition("@")[2] for name in self.versions}
        return [by_commit[tags[f"{start}{number}"]] for number in numbers]

    def deployment(self, environment: str) -> tuple[str, str, str]:
        """Version, state and description of the newest deployment; "" where there is none."""
        found = [one for one in self.repo.data["deployments"] if one["environment"] == environment]
        if not found:
            return "", "", ""
        newest = found[-1]["statuses"][-1]
        return found[-1]["payload"]["version"], newest["state"], newest["description"]

    def errors(self, runs: list[Run]) -> str:
        """Why runs are not green, for a failing assertion."""
        lines = []
        for run in runs:
            if not run.ok:
                failed = [name for name, job in run.jobs.items() if job.result == "failure"]
                lines += [f"{run.name}: {run.result} in {', '.join(failed)}", *run.errors(), run.log[-3000:]]
        return "\n".join(lines)

    def healthy(self) -> None:
        """What holds after everything that can happen: see issue "the pull request loop", items 1 to 4."""
        for event in self.repo.events:
            if event.name == "push" and event.ref == "refs/heads/main" and event.payload["before"].strip("0"):
                assert not event.actor.endswith("[bot]"), f"main was pushed by {event.actor}"
        open_heads = [pull["head"]["ref"] for pull in self.repo.open_pulls()]
        assert len(open_heads) == len(set(open_heads)), open_heads
        tags = self.repo.tags()
        named = [tags[name] for name in self.versions]
        assert len(set(named)) == len(named), f"a commit has two versions: {tags}"
        for release in self.repo.releases():
            assert release["tag_name"] in tags and not release["draft"]
        for path in self.repo.files("main"):
            if path.startswith("deploy/") and path.endswith("/model.yaml"):
                pointer = self.yaml("main", path)
                assert tags[f"{SLUG}@{pointer['version']}"] == pointer["revision"]
                self._shown(path, pointer)
        refused = [call for call in self.forge.calls if call.status == 403 and call.kind in ("job", "app")]
        assert not refused, f"a job used a permission that it does not declare: {refused}"

    def _shown(self, path: str, pointer: Any) -> None:
        """Where deploy has run for a pointer, what shows what is served says the same."""
        environment = path.split("/")[1]
        brought = self.repo.git.text("log", "-1", "--format=%H", "main", "--", path).strip()
        made = [one for one in self.repo.data["deployments"] if one["environment"] == environment]
        for one in made:
            assert len(one["statuses"]) > 0, f"a deployment to {environment} says nothing"
        if made and made[-1]["sha"] == brought:
            assert made[-1]["payload"] == {"version": pointer["version"], "sha256": pointer["sha256"]}
            if made[-1]["statuses"][-1]["state"] == "success":
                assert self.stages(environment)[-1] == pointer["version"], (environment, pointer["version"])


def quick_project(folder: Path, where: Path, **answers: str) -> Project:
    """Generate Ada's project into ``where``, slim and committed; ``folder`` keeps the path of its environment."""
    baked = generate(where, **answers, author_name="Ada", author_email="ada@example.org")
    assert (baked.path / "models/model.skops").exists(), baked.printed[-3000:]
    slim(baked.path)
    baked.git("config", "user.name", "Ada")
    baked.git("config", "user.email", "ada@example.org")
    baked.run("dvc", "repro", "--quiet")
    baked.git("add", "--all")
    baked.git("commit", "--quiet", "--message", "Fewer trees, fewer tests")
    (folder / "environment").write_text(str(baked.path / ".venv"), "utf-8")
    return baked


def plant(folder: Path) -> None:
    """Make the seed: a project is generated, published with one command, released by its workflows, and served.

    Every effect on the forge is by ``gitops-ml publish`` or by a workflow; the one merge is a person's.
    """
    baked = quick_project(folder, folder / "bake", project_name="Tumour demo")
    with Forge.start(folder / "forge") as forge:
        ada, bob = forge.user("ada"), forge.user("bob")
        done = baked.run(
            "gitops-ml", "publish", "--yes", "--server", forge.url, "--public",
            "--i-understand-everyone-can-read-the-rows",
            GITHUB_API_URL=forge.api, GITHUB_SERVER_URL=forge.url, GITHUB_TOKEN=ada.token,
        )  # fmt: skip
        (folder / "published.txt").write_text(done.stdout, "utf-8")
        repo = forge.repo(f"ada/{SLUG}")
        assert repo is not None
        repo.collaborator(bob, "write")
        forge.save(folder / "before-release")
        world = World(folder, forge, repo, Loop(forge, repo), ada, bob)
        runs = world.settle()
        assert all(run.ok for run in runs), world.errors(runs)
        assert list(repo.tags()) == [f"{SLUG}@v1.0.0"]
        (pointer,) = repo.open_pulls()
        forge.save(folder / "before-merge")
        world.merge(pointer["number"])
        runs = world.settle()
        assert all(run.ok for run in runs), world.errors(runs)
        assert world.stages("production") == ["v1.0.0"] and world.deployment("production")[1] == "success"
        world.healthy()
        forge.save(folder / "served")


def enter(
    seed: Path,
    folder: Path,
    state: str = "served",
    variables: Mapping[str, str] | None = None,
    app: App | None = None,
) -> World:
    """A copy of the seed of one's own, its forge started."""
    shutil.copytree(seed / state, folder / "forge")
    shutil.copy(seed / "environment", folder / "environment")
    (folder / "home").mkdir()
    forge = Forge.start(folder / "forge")
    repo = forge.repo(f"ada/{SLUG}")
    assert repo is not None
    secrets, names = {}, dict(variables or {})
    if app is not None:
        secrets = {"GITOPS_ML_APP_KEY": app.private_key}
        names |= {"GITOPS_ML_APP_ID": app.client_id, "GITOPS_ML_APP_SLUG": app.slug}
    loop = Loop(forge, repo, secrets=secrets, vars=names, app=app)
    return World(folder, forge, repo, loop, forge.user("ada"), forge.user("bob"))


__all__ = ["APP", "PACKAGE", "ROOT", "SLUG", "World", "enter", "plant", "quick_project", "slim"]
