"""What a comment tells beyond the verdict. All of it by value, all of it optional: what is not given is not claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_ml.contracts.profile import ProfileFile

MARKER = "<!-- gitops-ml -->"


@dataclass(frozen=True)
class Context:
    """Facts around a verdict.

    ``web``: the repository's page, such as https://github.com/owner/name; without it there are no pictures.
    ``head``: the commit that holds the pictures. ``run_url``: the run that judged. ``version``: what a merge would
    release, ``why`` it is that one; None: nothing. ``old_*`` are the base's, ``new_*`` the pull request's; a missing
    old profile means that there was no data before, a missing new one that nothing is said of data. ``changed``:
    files of the pull request that people wrote (no derived ones). ``pictures``: title and path. ``stages`` ran in
    ``seconds``; ``price``: what that cost, in brackets. ``alone``: nobody but the author may write here, so nobody could
    approve. ``digest``: of the verdict, where it is told together with what clocks measured (see ``verdict.told``).
    ``artifact``: of the run, which holds report.json and the page.
    """

    web: str = ""
    head: str = ""
    run_url: str = ""
    version: str | None = None
    why: str = ""
    old_profile: ProfileFile | None = None
    new_profile: ProfileFile | None = None
    old_params: Mapping[str, Any] | None = None
    new_params: Mapping[str, Any] | None = None
    changed: tuple[str, ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()
    stages: tuple[str, ...] = ()
    seconds: float | None = None
    alone: bool = False
    price: str = ""
    digest: str = ""
    artifact: str = ""

    @property
    def elsewhere(self) -> str:
        """Where the rest of a comment stands that was too long. Markdown; empty where nobody keeps it."""
        if not self.run_url:
            return ""
        page = f", and on the page report.html of its artifact `{self.artifact}`" if self.artifact else ""
        return f"in the summary of the [run]({self.run_url}){page}"
