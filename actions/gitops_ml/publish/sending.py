"""The steps that make the repository and send it what it must have: remote, bytes, main. Without them nothing works."""

from __future__ import annotations

from pathlib import Path

from gitops_ml import shell
from gitops_ml.errors import Fault
from gitops_ml.forge.errors import Refused
from gitops_ml.publish import where
from gitops_ml.publish.check import BRANCH
from gitops_ml.publish.host import Host, Repository, rights
from gitops_ml.publish.step import State, Step, Work
from gitops_ml.publish.stock import Missing, refuse


class MakeRepository(Step):
    title = "repository"

    def state(self) -> State:
        place, there = self.host.place, self.work.repository()
        if there is None:
            kind = "private" if self.work.visibility() == "private" else "public: everyone can read it"
            return State("todo", f"create {place.slug}, empty, {kind}")
        _usable(self.work, there)
        stays = " and stays so" if self.work.private is False and there.visibility != "public" else ""
        return State("done", f"{place.web} is there, {there.visibility}{stays}")

    def do(self) -> str:
        wanted = self.work.visibility()
        try:
            made = self.host.create(private=wanted == "private")
        except Refused as refused:
            raise _cannot_create(self.host, refused) from None
        if wanted == "private" and made.visibility == "public":
            raise Fault(
                f"{self.host.place.slug} was made public, although private was asked for: its owner's rules may say so. "
                f"Nothing was pushed.\n  Make it private: {self.host.place.web}/settings, then run this again."
            )
        return f"{self.host.place.web} is there, {made.visibility}, and empty"


class SetOrigin(Step):
    title = "remote"

    def state(self) -> State:
        root, place = self.work.root, self.host.place
        url = shell.ask_git(root, "remote", "get-url", "origin")
        if not url:
            return State("todo", f"git remote add origin {place.git_url}")
        there = where.origin(root)
        if there is None or not where.same(there, place):
            raise Fault(
                f"the remote origin is not {place.web}.\n  Put it aside first: git remote rename origin old"
            )
        if "://" in url and "@" in url.split("://", 1)[1].split("/", 1)[0] and url.startswith("http"):
            return State("todo", "take the password out of origin's address")
        return State("done", f"origin is {url}")

    def do(self) -> str:
        place = self.host.place
        verb = "set-url" if shell.ask_git(self.work.root, "remote", "get-url", "origin") else "add"
        shell.git(self.work.root, "remote", verb, "origin", place.git_url)
        return f"origin is {place.git_url}"


class PushBytes(Step):
    title = "bytes"

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self.shows = not work.stock.remote  # who reads an object store is decided there

    def state(self) -> State:
        asked = self.work.repository() is not None and bool(
            shell.ask_git(self.work.root, "remote", "get-url", "origin")
        )
        missing = self.work.stock.missing(asked)
        if missing is None:
            return State("todo", "send what the DVC remote does not have yet")
        refuse(self.work.root, missing)
        if missing.here:
            return State("todo", f"send {_files(missing.here)} kept by DVC: {_some(missing.here)}")
        return State("done", "the storage has all that the lock names" + _built_again(missing))

    def do(self) -> str:
        return self.work.stock.push()


class PushMain(Step):
    title = BRANCH
    shows = True

    def state(self) -> State:
        head = self.work.head()
        if self.work.repository() is None:
            return State("todo", self._plan())
        refs = self.host.refs()
        there = refs.get(f"refs/heads/{BRANCH}")
        if there is None:
            branches = [name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/")]
            if branches and not self.host.has_commit(self._first()):
                raise self._unrelated(branches[0])
            return State("todo", self._plan())
        if there == head:
            return self._tracked(f"{self.host.place.slug} has {head[:7]}")
        if shell.ask_git(self.work.root, "cat-file", "-e", f"{there}^{{commit}}") is None:
            return self._not_here(head)
        if _ancestor(self.work.root, there, head):
            if shell.ask(["git", "cat-file", "-e", f"{there}:dvc.lock"], self.work.root) is None:
                return State("todo", self._plan())
            count = shell.git(self.work.root, "rev-list", "--count", f"{there}..{head}")
            return State(
                "impossible",
                f"your {BRANCH} is {count} ahead, and {BRANCH} changes by pull request: "
                f"git switch -c NAME && {shell.prefix(self.work.root)}gitops-ml storage push && git push -u origin NAME",
            )
        if _ancestor(self.work.root, head, there):
            return self._tracked(f"{self.host.place.slug} is ahead of you: git pull")
        raise self._parted()

    def _not_here(self, head: str) -> State:
        """The server's main is a commit that this clone does not have."""
        if self.host.has_commit(head):
            return self._tracked(f"{self.host.place.slug} is ahead of you: git pull")
        if self.host.has_commit(self._first()):
            raise self._parted()
        raise self._unrelated(BRANCH)

    def do(self) -> str:
        head = self.work.head()
        before = self.host.refs().get(f"refs/heads/{BRANCH}")
        if before is None or (before != head and _ancestor(self.work.root, before, head)):
            self.host.push(self.work.root, head, f"refs/heads/{BRANCH}")
        self.work.forget()
        there = self.work.repository()
        if there is not None and there.default_branch != BRANCH:
            self.host.edit(default_branch=BRANCH)
            self.work.forget()
        self._track(head)
        return f"{self.host.place.slug} has {head[:7]}"

    def _plan(self) -> str:
        count = shell.git(self.work.root, "rev-list", "--count", f"refs/heads/{BRANCH}")
        return f"push {BRANCH}, {count} commit{'' if count == '1' else 's'}; this starts the first release"

    def _tracked(self, says: str) -> State:
        there = self.work.repository()
        tracks = shell.ask_git(self.work.root, "config", "--get", f"branch.{BRANCH}.merge") and shell.ask_git(
            self.work.root, "rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{BRANCH}"
        )
        if tracks and there is not None and there.default_branch == BRANCH:
            return State("done", says)
        if there is not None and there.default_branch != BRANCH and not there.admin:
            return State(
                "impossible",
                f"{says}, but its default branch is {there.default_branch}: an admin changes that",
            )
        return State("todo", f"{says}; make {BRANCH} the default, and what your {BRANCH} follows")

    def _track(self, head: str) -> None:
        """What `git push -u` would leave behind: git status and preview compare with it."""
        root = self.work.root
        shell.git(root, "update-ref", f"refs/remotes/origin/{BRANCH}", head)
        shell.git(root, "config", f"branch.{BRANCH}.remote", "origin")
        shell.git(root, "config", f"branch.{BRANCH}.merge", f"refs/heads/{BRANCH}")

    def _first(self) -> str:
        return shell.git(self.work.root, "rev-list", "--max-parents=0", f"refs/heads/{BRANCH}").split()[-1]

    def _unrelated(self, branch: str) -> Fault:
        place = self.host.place
        return Fault(
            f"{place.web} is not empty, and its {branch} has nothing in common with this project. "
            "Nothing of it was overwritten, and nothing was pushed.\n"
            f"  Take another name: gitops-ml publish --repository {place.owner}/OTHER-NAME\n"
            f"  Or, if it only holds a README that GitHub made: delete it ({place.web}/settings), and run this again."
        )

    def _parted(self) -> Fault:
        return Fault(
            f"{BRANCH} of {self.host.place.slug} and yours have parted: each has commits that the other lacks.\n"
            "  Put yours on a branch of their own, and open a pull request:\n"
            f"  git switch -c NAME && git fetch origin && git rebase origin/{BRANCH} && git push -u origin NAME"
        )


def _usable(work: Work, there: Repository) -> None:
    """Refuse a repository that this cannot be published to, or that is not what was asked for."""
    place = work.host.place
    if there.slug.lower() != place.slug.lower():
        raise Fault(
            f"{place.slug} is called {there.slug} now.\n  Name it so: gitops-ml publish --repository {there.slug}"
        )
    if there.archived:
        raise Fault(
            f"{place.web} is archived: nothing can be pushed to it.\n  Open it again: {place.web}/settings"
        )
    if not there.push:
        raise Fault(
            f"you may read {place.slug}, and not write to it.\n  Ask for write access (better: admin, for its settings), or "
            f"publish to one of your own: gitops-ml publish --repository YOU/{place.name}"
        )
    if work.private is True and there.visibility != "private":
        raise Fault(
            f"{place.slug} is {there.visibility}, and you said --private. Nothing was pushed.\n"
            f"  Make it private: {place.web}/settings, or take another name: --repository {place.owner}/OTHER-NAME"
        )


def _cannot_create(host: Host, refused: Refused) -> Fault:
    place = host.place
    if refused.status == 422:
        return Fault(
            f"{place.slug} cannot be created: {refused.said or refused}\n"
            f"  If it exists, the token cannot see it: give the token access to it.\n  {rights(place)}"
        )
    if refused.status in (403, 404):
        return Fault(
            f"the token may not create {place.slug}"
            f"{': ' + refused.said if refused.said else ''}.\n"
            f"  Create it by hand, empty, and run this again: {place.server}/new\n  {rights(place)}"
        )
    return refused


def _ancestor(root: Path, older: str, newer: str) -> bool:
    return shell.ask(["git", "merge-base", "--is-ancestor", older, newer], root) is not None


def _files(paths: tuple[str, ...]) -> str:
    return f"{len(paths)} file{'' if len(paths) == 1 else 's'}"


def _some(paths: tuple[str, ...]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _built_again(missing: Missing) -> str:
    return f"; CI makes {_some(missing.nowhere)} again" if missing.nowhere else ""
