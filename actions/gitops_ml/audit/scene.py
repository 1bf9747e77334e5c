"""What an audit looks at: main as the server has it now, its tags, pointers and policy; and the forge, if there is a token."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from gitops_ml import shell
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery import tree
from gitops_ml.delivery.champion import pointer_path
from gitops_ml.delivery.releases import Release, numbers
from gitops_ml.errors import Fault
from gitops_ml.forge import transport
from gitops_ml.forge.client import Forge

MAIN = "refs/heads/main"
DRIFT = "refs/gitops-ml/drift"
KEPT = "refs/gitops-ml/audit"
"""Where a clone keeps the commits that an audit fetched. Nobody reads these names; they keep git from tidying up."""
GRACE = timedelta(hours=1)
"""So long after a pointer was merged, its deployment may be under way."""


@dataclass(frozen=True)
class Scene:
    """``refs``: the server's, annotated tags as the commit that they name. ``forge`` None: why says ``no_forge``."""

    root: Path
    refs: dict[str, str]
    forge: Forge | None
    now: datetime
    no_forge: str = ""
    stale: str = ""
    storage: Any = field(default=None)  # the module gitops_ml.storage, or what stands in for it

    @property
    def main(self) -> str:
        """The commit of main."""
        return self.refs[MAIN]

    @property
    def hub(self) -> Forge:
        """The forge. Only checks that need one ask for it, and those are passed by without one."""
        assert self.forge is not None
        return self.forge

    @cached_property
    def model(self) -> str:
        return tree.model_name(self.root, self.main)

    @cached_property
    def policy(self) -> dict[str, Any]:
        """policy.yaml of main as it is; {} if there is none. Raises :class:`Fault`."""
        said = tree.plain(self.root, self.main, "policy.yaml")
        return said if isinstance(said, dict) else {}

    @property
    def environments(self) -> list[str]:
        """Those of policy.yaml, in the order of promotion."""
        named = self.policy.get("environments")
        return [str(one) for one in named] if isinstance(named, list) else ["production"]

    @property
    def retired(self) -> dict[str, str]:
        """Version -> why nobody may serve it any more."""
        said = self.policy.get("retired")
        return {str(key): str(why) for key, why in said.items()} if isinstance(said, dict) else {}

    @cached_property
    def pointed(self) -> list[str]:
        """Environments with a pointer on main, whether policy.yaml names them or not."""
        listed = shell.git(self.root, "ls-tree", "-r", "--name-only", self.main, "--", "deploy/")
        found = (re.fullmatch(r"deploy/([^/]+)/model\.yaml", path) for path in listed.splitlines())
        return sorted(one[1] for one in found if one)

    def pointer(self, environment: str) -> Pointer | None:
        """The pointer as main has it; None where there is none, or none that can be read: its own check says so."""
        try:
            said = tree.plain(self.root, self.main, pointer_path(environment))
            return None if said is None else Pointer.parse(said, pointer_path(environment))
        except Fault:
            return None

    def served(self) -> list[tuple[str, Pointer]]:
        """Environments whose pointer can be read, each with it."""
        found = ((environment, self.pointer(environment)) for environment in self.pointed)
        return [(environment, pointer) for environment, pointer in found if pointer is not None]

    def settling(self, environment: str) -> bool:
        """Whether the pointer was merged so lately that its deployment may be under way."""
        said = shell.git(
            self.root,
            "log",
            "--first-parent",
            "--format=%cI",
            "-1",
            self.main,
            "--",
            pointer_path(environment),
        )
        return bool(said) and self.now - datetime.fromisoformat(said) < GRACE

    @cached_property
    def versions(self) -> list[Release]:
        """The model's version tags on the server, newest version first."""
        found = []
        for name, commit in self.tags.items():
            version = name.removeprefix(f"{self.model}@")
            if version != name and re.fullmatch(r"v(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
                found.append(Release(version, name, commit))
        return sorted(found, key=lambda one: numbers(one.version), reverse=True)

    @cached_property
    def tags(self) -> dict[str, str]:
        return {
            ref.removeprefix("refs/tags/"): sha
            for ref, sha in self.refs.items()
            if ref.startswith("refs/tags/")
        }

    def workflow(self, name: str) -> Any:
        """A workflow of main as data; None if main has none of this name. Raises :class:`Fault`."""
        return tree.plain(self.root, self.main, f".github/workflows/{name}.yml")


def scene(
    root: Path, forge: Forge | None, token: str, no_forge: str = "", now: datetime | None = None
) -> Scene:
    """Read the server's refs, and fetch what they name and this clone lacks.

    Without a token git goes to ``origin`` in the clone's own way; where that fails, the clone's own refs are read, and
    ``stale`` says so. Raises :class:`Fault` where main cannot be had at all.
    """
    from gitops_ml import storage

    if shell.ask_git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise Fault(
            "this clone is shallow: what main's history holds cannot be seen.\n  Get it: git fetch --unshallow"
        )
    stale = ""
    if forge is not None:
        refs = _peeled(transport.ls_remote(root, forge.place, token))
        missing = _missing(root, refs)
        if missing:
            names = [f"+{ref}:{KEPT}/{ref.removeprefix('refs/')}" for ref in missing]
            transport.fetch(root, forge.place, token, *names)
    else:
        refs, stale = _by_git(root)
    if MAIN not in refs:
        raise Fault(
            "there is no branch main on the server, so there is nothing to compare with.\n"
            f"  Publish the project: {shell.prefix(root)}gitops-ml publish"
        )
    return Scene(root, refs, forge, now or datetime.now(UTC), no_forge, stale, storage)


def _by_git(root: Path) -> tuple[dict[str, str], str]:
    """Refs in git's own way, fetched; else the clone's, and why."""
    answer = shell.ask_git(root, "ls-remote", "--quiet", "origin")
    if answer is not None:
        pairs = (line.partition("\t") for line in answer.splitlines())
        refs = _peeled({name: sha for sha, _, name in pairs})
        names = [f"+{ref}:{KEPT}/{ref.removeprefix('refs/')}" for ref in _missing(root, refs)]
        if not names or shell.ask_git(root, "fetch", "--quiet", "--no-tags", "origin", *names) is not None:
            return refs, ""
    fields = "--format=%(refname)%00%(objectname)%00%(*objectname)"
    here = {}
    for line in shell.git(root, "for-each-ref", fields).splitlines():
        name, sha, inner = line.split("\0")
        here[name] = inner or sha
    if "refs/remotes/origin/main" in here:
        here[MAIN] = here["refs/remotes/origin/main"]
    return here, "origin did not answer: tags and main are those that this clone last saw"


def _peeled(refs: dict[str, str]) -> dict[str, str]:
    """Annotated tags by the commit that they name."""
    return {name: refs.get(f"{name}^{{}}", sha) for name, sha in refs.items() if not name.endswith("^{}")}


def _missing(root: Path, refs: dict[str, str]) -> list[str]:
    """Main, tags and drift's record, where this clone lacks what they name."""
    wanted = {ref: sha for ref, sha in refs.items() if ref in (MAIN, DRIFT) or ref.startswith("refs/tags/")}
    return [ref for ref, sha in wanted.items() if shell.ask_git(root, "cat-file", "-e", sha) is None]
