"""Answers for issues and labels: one open issue per reason, updated in place, closed when the reason is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitops_ml.forge import text
from gitops_ml.forge.pulls import Pulls
from gitops_ml.forge.records import names


def marker(reason: str) -> str:
    """What tells the issue of a reason, invisible in the rendered text."""
    return f"<!-- gitops-ml: {reason.replace('--', '-')} -->"


class Issues(Pulls):
    """The issues and the labels of the repository."""

    def issue(self, reason: str, title: str, body: str, labels: Sequence[str] = ()) -> str:
        """The one open issue of a reason, with this title and text: opened or updated; its address."""
        wanted = text.body(body if marker(reason) in body else f"{marker(reason)}\n{body}")
        there = self._standing_issue(reason)
        if there is None:
            content = {"title": title, "body": wanted, "labels": list(labels)}
            there = self.api.post("issues", content, lambda: self._standing_issue(reason))
        changes = {}
        if there["title"] != title:
            changes["title"] = title
        if not text.same(there.get("body") or "", wanted):
            changes["body"] = wanted
        if changes:
            there = self.api.patch(f"issues/{there['number']}", **changes)
        missing = [name for name in labels if name not in names(there)]
        if missing:
            self.add_labels(there["number"], missing)
        return str(there["html_url"])

    def close_issue(self, reason: str, comment: str = "") -> None:
        """Close the issue of a reason, with a comment that says why; nothing if none is open."""
        there = self._standing_issue(reason)
        if there is None:
            return
        self._say_once(there["number"], comment)
        self.api.patch(f"issues/{there['number']}", state="closed", state_reason="completed")

    def labels(self, wanted: Mapping[str, tuple[str, str]]) -> None:
        """Make the labels that are missing: name -> (colour as six hex digits, description). Others' colours stay."""
        there = self._labels()
        for name, (colour, description) in wanted.items():
            if name.lower() not in there:
                content = {"name": name, "color": colour.lstrip("#"), "description": description[:100]}
                self.api.post("labels", content, lambda name=name: self._labels().get(name.lower()))  # type: ignore[misc]

    def _labels(self) -> dict[str, dict[str, Any]]:
        # GitHub tells labels apart without regard to case.
        return {entry["name"].lower(): entry for entry in self.api.pages("labels")}

    def _standing_issue(self, reason: str) -> dict[str, Any] | None:
        """The oldest open one that we wrote. Every open issue is read: GitHub's search lags behind."""
        found = [
            entry
            for entry in self.api.pages("issues", state="open", sort="created", direction="asc")
            if "pull_request" not in entry
            and marker(reason) in (entry.get("body") or "")
            and self._ours(entry)
        ]
        return found[0] if found else None
