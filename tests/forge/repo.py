"""One repository of the forge, as tests use it: tokens for jobs and Apps, events, and short questions for assertions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.forge import events, pulls, shapes
from tests.forge.access import Caller, Refused, caller_of, plain
from tests.forge.events import Event, Loop
from tests.forge.plumbing import EMPTY_TREE, ZERO, Git, now
from tests.forge.rules import Update
from tests.forge.state import ACTIONS_BOT, Identity, Json

if TYPE_CHECKING:
    from tests.forge.forge import Forge


class Repo:
    """A repository: its record, its bare git, its events."""

    def __init__(self, forge: Forge, data: Json) -> None:
        self.forge = forge
        self.data = data
        self.bare: Path = forge.state.bare(data)
        self.git = Git(self.bare)
        self.log: list[Event] = [Event(**event) for event in data["events"]]

    @property
    def slug(self) -> str:
        return f"{self.data['owner']}/{self.data['name']}"

    @property
    def url(self) -> str:
        """The page of the repository; with ".git" behind it, the address for git."""
        return f"{self.forge.url}/{self.slug}"

    @property
    def git_url(self) -> str:
        return f"{self.url}.git"

    @property
    def api(self) -> str:
        return f"{self.forge.api}/repos/{self.slug}"

    @property
    def has_rulesets(self) -> bool:
        """Private repositories on the free plan have none."""
        return not self.data["private"] or self.data["plan"] != "free"

    def address(self, who: Identity | str | None) -> str:
        """The address for git with a token in it: for tests only."""
        token = who.token if isinstance(who, Identity) else who
        if not token:
            return self.git_url
        return self.git_url.replace("://", f"://x-access-token:{token}@", 1)

    # --- identities --------------------------------------------------------------------------------------

    def _permissions(self, wanted: Mapping[str, str] | None) -> dict[str, str]:
        if wanted is not None:
            return plain(wanted) or {}
        if self.data["actions"]["default_workflow_permissions"] == "write":
            names = "actions checks contents deployments issues packages pages pull-requests statuses"
            return dict.fromkeys(names.split(), "write")
        return {"contents": "read", "packages": "read"}

    def github_token(
        self,
        run: str = "",
        permissions: Mapping[str, str] | None = None,
        event: Event | None = None,
        job: str | None = None,
        fork: bool = False,
        expired: bool = False,
    ) -> str:
        """A GITHUB_TOKEN for one job with exactly these permissions (None: the repository's default).

        ``event``: what started the run, so that loops are counted; ``fork``: nothing above read is granted.
        """
        granted = self._permissions(permissions)
        if fork:
            granted = {name: "read" for name in granted if granted[name] != "none"}
        return self._token("ghs", ACTIONS_BOT, "job", granted, run, job or run or None, event, expired)

    def app(
        self,
        slug: str,
        permissions: Mapping[str, str] | None = None,
        event: Event | None = None,
        run: str = "",
        job: str | None = None,
        expired: bool = False,
    ) -> Identity:
        """A token of an App installed here; what it does starts workflows, of the generation after ``event``."""
        login = f"{slug}[bot]"
        self.forge.state.user(login, "Bot")
        granted = plain(permissions) or {}
        token = self._token("ghs", login, "app", granted, run, job, event, expired)
        return Identity(login, "Bot", token)

    def _token(
        self,
        prefix: str,
        login: str,
        kind: str,
        permissions: dict[str, str],
        run: str,
        job: str | None,
        event: Event | None,
        expired: bool,
    ) -> str:
        with self.forge.lock:
            token = self.forge.state.token(
                prefix,
                login,
                kind,
                repo=self.slug,
                permissions=permissions,
                run=run,
                job=job,
                expired=expired,
                generation=event.generation + 1 if event else None,
            )
            self.forge.save()
        return token

    def collaborator(self, who: Identity, role: str) -> None:
        """Give somebody a role: read, triage, write, maintain, admin."""
        with self.forge.lock:
            self.data["collaborators"][who.login] = role
            self.forge.save()

    def allow_pull_requests(self, allowed: bool = True) -> None:
        """The setting "Allow GitHub Actions to create and approve pull requests"."""
        with self.forge.lock:
            self.data["actions"]["can_approve_pull_request_reviews"] = allowed
            self.forge.save()

    def caller(self, by: Identity | str) -> Caller:
        return caller_of(self.forge.state, by.token if isinstance(by, Identity) else by)

    def relative(self, owner: str) -> Repo | None:
        """The repository of the same network that belongs to an owner."""
        if owner.lower() == self.data["owner"].lower():
            return self
        family = {self.slug, self.data["fork_of"]} - {None}
        for other in self.forge.repos():
            if other.data["owner"].lower() == owner.lower() and {other.slug, other.data["fork_of"]} & family:
                return other
        return None

    def forks(self) -> list[str]:
        known = self.forge.state.data["repos"]
        return [slug for slug, data in known.items() if data["fork_of"] == self.slug]

    # --- events ------------------------------------------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        """All events since the forge was started; those that nobody took survive a restart."""
        return list(self.log)

    def take_events(self) -> list[Event]:
        """The events that nobody took yet, oldest first; Loop if workflows cause each other without end."""
        with self.forge.lock:
            waiting = [Event(**event) for event in self.data["events"]]
            self.data["events"] = []
            if waiting:
                self.data["generation"] = max(event.generation for event in waiting)
                self.forge.save()
        broken = next((event.error for event in waiting if event.error), "")
        if broken:
            raise Loop(broken)
        return waiting

    def schedule(self) -> Event:
        """The clock strikes: a schedule event on the default branch."""
        with self.forge.lock:
            owner = Caller(login=self.data["owner"], kind="pat", generation=0)
            event = events.emit(self, owner, "schedule", {"schedule": "0 6 * * 1"})
            self.forge.save()
        return event

    def add_run(
        self, name: str, event: str, jobs: Mapping[str, str], result: str, summary: str = "", **more: Any
    ) -> Json:
        """Record a run for the pages: jobs by name with their results, the summary as Markdown."""
        with self.forge.lock:
            run = {
                "id": self.forge.state.number(),
                "name": name,
                "event": event,
                "jobs": dict(jobs),
                "result": result,
                "summary": summary,
                "at": now(),
                **more,
            }
            self.data["runs"].append(run)
            self.forge.save()
        return run

    # --- what people do ----------------------------------------------------------------------------------

    def record(self, number: int) -> Json:
        """The record of an issue or pull request; Refused 404 if there is none."""
        found: Json | None = self.data["issues"].get(str(number))
        if found is None:
            raise Refused(404, "Not Found")
        return found

    def open_records(self) -> list[Json]:
        listed = self.data["issues"].values()
        return [record for record in listed if record["pull"] and record["state"] == "open"]

    def merge(self, number: int, by: Identity | str, method: str = "squash") -> str:
        """Press the button; the new commit on the base branch, or Refused as GitHub refuses."""
        from tests.forge.access import require

        with self.forge.lock:
            caller = self.caller(by)
            require(self.forge.state, caller, self.data, "contents: write")
            sha = pulls.merge(self, caller, self.record(number), method=method)
            self.forge.save()
        return sha

    def approve(self, number: int, by: Identity | str, state: str = "APPROVED", body: str = "") -> None:
        """Review the head as it is now."""
        from tests.forge.rest_pulls import add_review

        with self.forge.lock:
            add_review(self, self.caller(by), self.record(number), state, body, None)
            self.forge.save()

    def commit(
        self,
        branch: str,
        files: Mapping[str, bytes | str | None],
        by: Identity | str,
        message: str = "Change",
        start: str | None = None,
    ) -> str:
        """Commit to a branch as its author's push would, without asking rules; a new branch leaves ``start``."""
        with self.forge.lock:
            ref = f"refs/heads/{branch}"
            old = self.git.ref(ref)
            base = old or self.git.resolve(start or self.data["default_branch"])
            caller = self.caller(by)
            user = self.forge.state.user(caller.login)
            tree = self.git.tree_with(
                base, {p: c.encode() if isinstance(c, str) else c for p, c in files.items()}
            )
            who = (user["login"], user["email"])
            made = self.git.commit(tree, [base] if base else [], message, who, who)
            self.git.update(ref, made)
            pulls.moved(self, caller, [Update(old or ZERO, made, ref)])
            self.forge.save()
        return made

    # --- questions ---------------------------------------------------------------------------------------

    def head(self, branch: str = "main") -> str | None:
        return self.git.ref(f"refs/heads/{branch}")

    def file(self, revision: str, path: str) -> bytes | None:
        return self.git.blob(revision, path)

    def files(self, revision: str) -> list[str]:
        return self.git.text("ls-tree", "-r", "--name-only", revision).splitlines()

    def tags(self) -> dict[str, str]:
        """Tag -> the commit it names, peeled."""
        return {
            name.removeprefix("refs/tags/"): self.git.resolve(name) or sha
            for name, sha in self.git.refs("refs/tags").items()
        }

    def branches(self) -> dict[str, str]:
        return {n.removeprefix("refs/heads/"): sha for n, sha in self.git.refs("refs/heads").items()}

    def statuses(self, sha: str) -> list[Json]:
        """Statuses of a commit, newest first."""
        return [shapes.status(self, status) for status in reversed(self.data["statuses"].get(sha, []))]

    def status(self, sha: str, context: str) -> str | None:
        """The newest state of a context on a commit."""
        return next((s["state"] for s in self.statuses(sha) if s["context"] == context), None)

    def comments(self, number: int) -> list[Json]:
        return [shapes.comment(self, c) for c in self.data["comments"] if c["issue"] == number]

    @property
    def pulls(self) -> list[Json]:
        """All pull requests as GitHub's JSON, oldest first."""
        listed = self.data["issues"].values()
        return [shapes.pull(self, record, full=True) for record in listed if record["pull"]]

    def pull(self, number: int) -> Json:
        return shapes.pull(self, self.record(number), full=True)

    def open_pulls(self) -> list[Json]:
        return [pull for pull in self.pulls if pull["state"] == "open"]

    def issues(self, state: str = "open") -> list[Json]:
        """Issues that are no pull requests."""
        listed = [record for record in self.data["issues"].values() if not record["pull"]]
        return [shapes.issue(self, r) for r in listed if state in ("all", r["state"])]

    def releases(self) -> list[Json]:
        """Releases and drafts as GitHub's JSON, newest first."""
        from tests.forge.rest_releases import shape

        return [shape(self, release) for release in reversed(self.data["releases"])]

    def asset(self, tag: str, name: str) -> bytes | None:
        """The bytes of a release's asset."""
        for release in self.data["releases"]:
            for asset in release["assets"]:
                if release["tag_name"] == tag and asset["name"] == name:
                    return self.forge.state.asset(asset["id"]).read_bytes()
        return None

    def deployments(self) -> list[Json]:
        return list(self.data["deployments"])

    def changed_files(self, old: str, new: str) -> Sequence[str]:
        return [change.path for change in self.git.changes(old or EMPTY_TREE, new)]


def slug_of(text: str) -> tuple[str, str]:
    """Owner and name; ValueError for what GitHub would not take."""
    found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+)", text)
    if not found or text.endswith(".git"):
        raise ValueError(f"{text!r} is no owner/name")
    return found[1], found[2]
