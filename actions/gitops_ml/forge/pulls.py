"""Answers for pull requests: found, opened or updated in place, commented in one place, reviewed, closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from gitops_ml.forge import text
from gitops_ml.forge.errors import SETTING, NotAllowed, Refused, forbids_pull_requests
from gitops_ml.forge.records import Pull, Review
from gitops_ml.forge.room import Room

STICKY = "<!-- gitops-ml -->"


class Pulls(Room):
    """The pull requests of the repository."""

    def pull(self, number: int) -> Pull:
        return Pull.of(self.api.get(f"pulls/{number}"))

    def pulls(self, state: str = "open", head: str | None = None, base: str | None = None) -> list[Pull]:
        """Pull requests, newest first. ``head``: a branch of this repository, or ``owner:branch`` of a fork."""
        parameters = {"state": state}
        if head is not None:
            # GitHub ignores a head without an owner, and answers with every pull request there is.
            head = head if ":" in head else f"{self.place.owner}:{head}"
            parameters["head"] = head
        if base is not None:
            parameters["base"] = base
        found = [Pull.of(entry) for entry in self.api.pages("pulls", **parameters)]
        wanted = None if head is None else head.partition(":")[2]
        return [
            pull
            for pull in found
            if (wanted is None or pull.head_ref == wanted) and (base is None or pull.base_ref == base)
        ]

    def pulls_of(self, sha: str) -> list[Pull]:
        """The pull requests that a commit belongs to, or came to its branch by."""
        return [Pull.of(entry) for entry in self.api.pages(f"commits/{sha}/pulls")]

    def open_or_update(
        self, *, branch: str, base: str, title: str, body: str, labels: Sequence[str] = ()
    ) -> Pull:
        """The one open pull request of a pushed branch, with this title and text.

        It is looked for before it is opened; nothing is sent that already stands there. Raises :class:`NotAllowed`
        where the repository's setting forbids it.
        """
        body = text.body(body)
        pull = self._standing(branch, base)
        if pull is None:
            pull = self._opened(branch, base, title, body)
        changes = {}
        if pull.title != title:
            changes["title"] = title
        if not text.same(pull.body, body):
            changes["body"] = body
        if changes:
            pull = Pull.of(self.api.patch(f"pulls/{pull.number}", **changes))
        missing = [name for name in labels if name not in pull.labels]
        if missing:
            self.add_labels(pull.number, missing)
        return pull

    def compare_url(self, branch: str, base: str) -> str:
        """The page on which a person opens the pull request of a branch."""
        return f"{self.place.web}/compare/{quote(base, safe='/')}...{quote(branch, safe='/')}?expand=1"

    def close_pull(self, number: int, comment: str) -> None:
        """Close it with a comment that says why; nothing if it is closed already."""
        if self.api.get(f"pulls/{number}")["state"] != "open":
            return
        self._say_once(number, comment)
        self.api.patch(f"pulls/{number}", state="closed")

    def comment(self, number: int, body: str, marker: str = STICKY) -> str:
        """The one comment that begins with the marker: made, or updated where its text differs; its address."""
        wanted = text.body(body if body.startswith(marker) else f"{marker}\n{body}")

        def standing() -> dict[str, Any] | None:
            entries = self.api.pages(f"issues/{number}/comments")
            return next((one for one in entries if _begins(one, marker) and self._ours(one)), None)

        there = standing()
        if there is None:
            there = self.api.post(f"issues/{number}/comments", {"body": wanted}, standing)
        if not text.same(there.get("body") or "", wanted):
            there = self.api.patch(f"issues/comments/{there['id']}", body=wanted)
        return str(there["html_url"])

    def reviews(self, number: int) -> list[Review]:
        """The reviews, oldest first."""
        return [Review.of(entry) for entry in self.api.pages(f"pulls/{number}/reviews")]

    def add_labels(self, number: int, names: Sequence[str]) -> None:
        """Add labels to a pull request or an issue; those it carries stay."""
        # Adding twice is adding once: safe to repeat without a look.
        self.api.request("POST", f"issues/{number}/labels", {"labels": list(names)}, repeat=True)

    def _standing(self, branch: str, base: str) -> Pull | None:
        return next((pull for pull in self.pulls(head=branch, base=base) if not pull.fork), None)

    def _opened(self, branch: str, base: str, title: str, body: str) -> Pull:
        content = {"title": title, "body": body, "head": branch, "base": base}
        try:
            return self.api.ensure(
                lambda: Pull.of(self.api.request("POST", "pulls", content)[1]),
                lambda: self._standing(branch, base),
            )
        except Refused as refused:
            if not forbids_pull_requests(refused):
                raise
            link = self.compare_url(branch, base)
            raise NotAllowed(
                f"{self.place.slug} forbids GitHub Actions to open pull requests; the branch {branch} is pushed.\n"
                f"  Open it yourself: {link}\n  or allow it: {self.place.web}/settings/actions\n  {SETTING}",
                refused.status,
                refused.said,
                link,
            ) from None

    def _say_once(self, number: int, comment: str) -> None:
        """Comment, unless we said exactly this already: a run that was killed half-way does not repeat itself."""
        wanted = text.body(comment)
        if not wanted.strip():
            return

        def said() -> dict[str, Any] | None:
            entries = self.api.pages(f"issues/{number}/comments")
            return next(
                (one for one in entries if text.same(one.get("body") or "", wanted) and self._ours(one)), None
            )

        if said() is None:
            self.api.post(f"issues/{number}/comments", {"body": wanted}, said)


def _begins(entry: dict[str, Any], marker: str) -> bool:
    return str(entry.get("body") or "").lstrip().startswith(marker)
