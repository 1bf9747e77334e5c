"""The steps that set what the loop needs of the repository; each says what is missing where it is not possible."""

from __future__ import annotations

from typing import Any, ClassVar

from gitops_ml import shell
from gitops_ml.forge.errors import SETTING, Refused
from gitops_ml.publish import ruleset
from gitops_ml.publish.check import BRANCH
from gitops_ml.publish.host import LABELS
from gitops_ml.publish.step import Settle, State

PULL_REQUEST = ".github/workflows/pull-request.yml"
WORKFLOW_TOKEN = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": True}
PLAN = "upgrade to github"


class AllowActions(Settle):
    title = "workflows"
    page = "settings/actions"
    without = "No workflow runs"

    def state(self) -> State:
        if self.work.repository() is None:
            return State("done", "GitHub Actions are on in a new repository")
        found = self.host.actions()
        if not found.get("enabled", True):
            return State("todo", "switch GitHub Actions on")
        if found.get("allowed_actions") == "local_only":
            return State(
                "impossible",
                f"only this repository's own actions are allowed, and the workflows use some of GitHub's (actions/*). "
                f"Allow those: {self.host.place.web}/{self.page}",
            )
        return State("done", "GitHub Actions are on")

    def do(self) -> str:
        self.host.allow_actions()
        return "GitHub Actions are on"


class AllowPullRequests(Settle):
    title = "robots"
    page = "settings/actions"
    without = "Workflows push their branches, and you open the pull requests: the address stands in one issue"
    says = "workflows read by default, and may open pull requests"

    def state(self) -> State:
        if self.work.repository() is None:
            return State("todo", f"let {self.says}")
        found = self.host.workflow_token()
        if all(found.get(key) == value for key, value in WORKFLOW_TOKEN.items()):
            return State("done", self.says)
        return State("todo", f"let {self.says}")

    def do(self) -> str:
        self.host.set_workflow_token(WORKFLOW_TOKEN)
        return self.says

    def refused(self, refused: Refused) -> State | None:
        answer = super().refused(refused)
        if answer is None or refused.status != 409:
            return answer
        return State(
            "impossible",
            f"the organisation {self.host.place.owner} forbids it. {self.without}. An owner allows it: {SETTING}, at "
            f"{self.host.place.server}/organizations/{self.host.place.owner}/settings/actions. Or use an App: docs/how-to/github-app.md",
        )


class MakeLabels(Settle):
    title = "labels"
    page = "labels"
    without = "Pull requests by robots carry no label until then"

    def state(self) -> State:
        missing = sorted(LABELS)
        if self.work.repository() is not None:
            there = self.host.labels()
            missing = [name for name in missing if name.lower() not in there]
        return (
            State("todo", f"make {', '.join(missing)}")
            if missing
            else State("done", ", ".join(sorted(LABELS)))
        )

    def do(self) -> str:
        self.host.make_labels()
        return ", ".join(sorted(LABELS))


class ProtectMain(Settle):
    title = "rule"
    page = "settings/rules"
    without = "Merge is not blocked here; release is"
    says = f"{BRANCH} changes by pull request, up to date, with the status gitops-ml; no force-push"

    def state(self) -> State:
        if shell.ask(["git", "cat-file", "-e", f"HEAD:{PULL_REQUEST}"], self.work.root) is None:
            return State(
                "impossible",
                f"{PULL_REQUEST} is missing: nothing would ever set the status, so nothing could be merged",
            )
        if self.work.repository() is None:
            return State("todo", self.says)
        there = self.host.ruleset(ruleset.NAME)
        lacking = None if there is None else ruleset.lacking(there)
        if lacking == []:
            return State("done", self.says)
        return State("todo", self.says + (f" (now: {'; '.join(lacking)})" if lacking else ""))

    def do(self) -> str:
        there = self.host.ruleset(ruleset.NAME)
        if there is None:
            self.host.set_ruleset(ruleset.wanted(), None)
        elif ruleset.lacking(there):
            self.host.set_ruleset(ruleset.mended(there), int(there["id"]))
        return self.says

    def refused(self, refused: Refused) -> State | None:
        if PLAN in refused.said.lower():
            return State(
                "impossible",
                f"merge is not blocked here; release is. {self.host.place.host} has rules for private repositories on paid "
                f"plans only. A merge without the green status is possible, and gets no version",
            )
        return super().refused(refused)


class MergeSettings(Settle):
    title = "merges"
    without = "Branches stay behind after a merge"
    settings: ClassVar[dict[str, Any]] = {
        "allow_squash_merge": True,
        "allow_update_branch": True,
        "delete_branch_on_merge": True,
        "has_issues": True,
    }
    says = "squash merges; branches updated by a button and removed after a merge; issues on"

    def state(self) -> State:
        there = self.work.repository()
        if there is None or any(there.settings.get(key) is not value for key, value in self.settings.items()):
            return State("todo", self.says)
        return State("done", self.says)

    def do(self) -> str:
        self.host.edit(**self.settings)
        self.work.forget()
        return self.says
