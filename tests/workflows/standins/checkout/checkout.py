"""Stand-in for actions/checkout v7: a real fetch over HTTP, with the token in a header, into an emptied folder."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

SHA = re.compile(r"[0-9a-f]{40}")


def fail(text: str) -> None:
    print(f"::error::{text}")
    sys.exit(1)


def asked(name: str) -> str:
    return os.environ.get(f"WITH_{name}", "").strip()


def yes(name: str) -> bool:
    return asked(name).lower() == "true"


class Checkout:
    """One checkout; the steps in the order of the real one."""

    def __init__(self) -> None:
        self.workspace = Path(os.environ["GITHUB_WORKSPACE"]).resolve()
        self.folder = (self.workspace / asked("PATH")).resolve()
        if not self.folder.is_relative_to(self.workspace):
            fail(f"Repository path '{self.folder}' is not under '{self.workspace}'")
        self.slug = asked("REPOSITORY")
        if not re.fullmatch(r"[^/\s]+/[^/\s]+", self.slug):
            fail(f"Invalid repository '{self.slug}'. Expected format {{owner}}/{{repo}}.")
        self.server = os.environ["GITHUB_SERVER_URL"]
        self.url = f"{self.server}/{self.slug}.git"
        self.own = self.slug.lower() == os.environ["GITHUB_REPOSITORY"].lower()
        self.ref, self.commit = self.wanted()
        self.header = Path(os.environ["RUNNER_TEMP"]) / f"git-credentials-{uuid.uuid4()}.config"

    def wanted(self) -> tuple[str, str]:
        """Ref and commit: of the event where nothing is asked for and the repository is the workflow's."""
        ref = asked("REF")
        if not ref and self.own:
            return os.environ.get("GITHUB_REF", ""), os.environ.get("GITHUB_SHA", "")
        return ("", ref) if SHA.fullmatch(ref) else (ref, "")

    def git(self, *words: str) -> str:
        print("[command]git " + " ".join(words), flush=True)
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr.strip())
            fail(f"The process 'git' failed with exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout.strip()

    def guard(self) -> None:
        """v7 hands no code of a fork's pull request to a privileged workflow."""
        event = os.environ["GITHUB_EVENT_NAME"]
        if event not in ("pull_request_target", "workflow_run") or yes("UNSAFE"):
            return
        payload = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
        if event == "workflow_run":
            run = payload.get("workflow_run") or {}
            if not str(run.get("event", "")).startswith("pull_request"):
                return
            head = (run.get("head_repository") or {}).get("full_name", "")
            shas = {run.get("head_sha")}
        else:
            pull = payload.get("pull_request") or {}
            head = ((pull.get("head") or {}).get("repo") or {}).get("full_name", "")
            shas = {(pull.get("head") or {}).get("sha"), pull.get("merge_commit_sha")}
        if head.lower() == os.environ["GITHUB_REPOSITORY"].lower():
            return
        of_fork = self.slug.lower() == head.lower() or (head == "" and not self.own)
        of_pull = self.own and re.match(r"(refs/)?(remotes/)?pull/\d+/(head|merge)$", self.ref) is not None
        if of_fork or of_pull or (self.commit and self.commit in shas):
            fail(
                f"Refusing to check out fork pull request code from a {event} workflow: it would run with the"
                " permissions of this repository. Set allow-unsafe-pr-checkout: true only where that code never runs."
            )

    def prepare(self) -> None:
        """The folder is emptied: what an earlier step left there is gone, as after the real one's clean."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.iterdir():
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink()
        self.git("init", "--quiet", "--initial-branch", "main", ".")
        self.git("remote", "add", "origin", self.url)
        token = asked("TOKEN")
        if token:
            secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
            print(f"::add-mask::{secret}")
            self.header.touch(mode=0o600)
            header = f'[http "{self.server}/"]\n\textraheader = AUTHORIZATION: basic {secret}\n'
            self.header.write_text(header, "utf-8")
            self.git("config", f"includeIf.gitdir:{self.folder}/.git.path", str(self.header))

    def resolve(self) -> tuple[str, str]:
        """What to fetch and the local name to check out, after asking the server what the ref means."""
        if self.commit and self.ref.startswith("refs/heads/"):
            return self.commit, self.ref.replace("refs/heads/", "refs/remotes/origin/", 1)
        if self.commit:
            name = self.ref.replace("refs/", "refs/remotes/", 1) if self.ref.startswith("refs/pull/") else ""
            return self.commit, name
        if not self.ref:
            lines = self.git("ls-remote", "--symref", "origin", "HEAD").splitlines()
            found = re.match(r"ref: (refs/heads/\S+)", lines[0] if lines else "")
            if not found:
                fail(f"{self.slug} has no default branch")
                raise AssertionError
            self.ref = found[1]
        names = (
            [self.ref]
            if self.ref.startswith("refs/")
            else [f"refs/heads/{self.ref}", f"refs/tags/{self.ref}"]
        )
        there = {line.split("\t")[1] for line in self.git("ls-remote", "origin", *names).splitlines()}
        for name in names:
            if name in there:
                self.ref = name
                local = name.replace("refs/heads/", "refs/remotes/origin/", 1)
                return name, local.replace("refs/pull/", "refs/remotes/pull/", 1)
        fail(f"A branch or tag with the name '{self.ref}' could not be found")
        raise AssertionError

    def fetch(self, what: str, local: str) -> None:
        depth = int(asked("DEPTH") or 1)
        words = [
            "-c",
            "protocol.version=2",
            "fetch",
            "--quiet",
            "--no-tags",
            "--prune",
            "--no-recurse-submodules",
        ]
        if asked("FILTER"):
            words.append(f"--filter={asked('FILTER')}")
        specs = [f"+{what}:{local}" if local else what]
        if depth > 0:
            words.append(f"--depth={depth}")
        else:
            specs = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
            if not local.startswith(("refs/remotes/origin/", "refs/tags/")):
                specs.append(f"+{what}:{local}" if local else what)
        if yes("TAGS") and depth > 0:
            specs.append("+refs/tags/*:refs/tags/*")
        self.git(*words, "origin", *specs)

    def check_out(self, local: str) -> None:
        if asked("SPARSE"):
            self.git("sparse-checkout", "set", *asked("SPARSE").split())
        if local.startswith("refs/remotes/origin/"):
            branch = local.removeprefix("refs/remotes/origin/")
            self.git("checkout", "--quiet", "--force", "-B", branch, self.commit or local)
            self.git("branch", "--quiet", f"--set-upstream-to=origin/{branch}")
        else:
            self.git("checkout", "--quiet", "--force", "--detach", self.commit or local)

    def forget(self) -> None:
        """persist-credentials: false."""
        if self.header.exists():
            self.git("config", "--unset-all", f"includeIf.gitdir:{self.folder}/.git.path")
            self.header.unlink()

    def run(self) -> None:
        self.guard()
        self.prepare()
        try:
            what, local = self.resolve()
            self.fetch(what, local)
            self.check_out(local)
        except SystemExit:
            self.header.unlink(missing_ok=True)
            raise
        if not yes("PERSIST"):
            self.forget()
        commit = self.git("log", "-1", "--format=%H")
        with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as output:
            output.write(f"ref={self.ref or self.commit}\ncommit={commit}\n")


if __name__ == "__main__":
    Checkout().run()
