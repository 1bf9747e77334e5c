"""dvc.yaml, as far as CI must know it: its stages, which of their outputs git keeps, and the tables that `.dvc` files name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_ml.build.derived import inside
from gitops_ml.errors import Fault


@dataclass(frozen=True)
class Stage:
    """A stage (or the family of a foreach or matrix), as it is written: templates are not filled in."""

    name: str
    written: Any
    family: bool

    @property
    def frozen(self) -> bool:
        """Whether DVC is told not to look at its inputs."""
        return isinstance(self.written, dict) and self.written.get("frozen") is True

    def in_git(self, path: str) -> bool:
        """Whether git keeps this output: it is declared with ``cache: false``."""
        for declared, options in self._outs():
            pattern = "".join(
                ".+" if part.startswith("${") else re.escape(part) for part in _TEMPLATE.split(declared)
            )
            if re.fullmatch(pattern.rstrip("/"), path):
                return isinstance(options, dict) and options.get("cache") is False
        return False

    def _outs(self) -> list[tuple[str, Any]]:
        body = self.written.get("do", self.written) if self.family else self.written
        found: list[tuple[str, Any]] = []
        for key in ("outs", "metrics", "plots"):
            for out in body.get(key) or []:
                found += (
                    [(str(k), v) for k, v in out.items()] if isinstance(out, dict) else [(str(out), None)]
                )
        return found


_TEMPLATE = re.compile(r"(\$\{[^}]*\})")
Pipeline = Mapping[str, Stage]


def parse(text: str, origin: str = "dvc.yaml") -> Pipeline:
    """The stages of dvc.yaml, in order. Raises :class:`Fault`: merge markers, not YAML, no stages, a ``wdir``."""
    content = _plain(text, origin)
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict) or not stages:
        raise Fault(f"{origin} has no stages. Bring them back: git checkout origin/main -- dvc.yaml")
    for name, written in stages.items():
        if not isinstance(written, dict):
            raise Fault(f"{origin}: stage {name} is not a mapping with cmd, deps and outs.")
        if "wdir" in written:
            raise Fault(
                f"{origin}: stage {name} has a wdir, which CI does not follow. Write its paths from the root."
            )
    return {str(n): Stage(str(n), w, "foreach" in w or "matrix" in w) for n, w in stages.items()}


def stage_of(pipeline: Pipeline, name: str) -> Stage | None:
    """The stage of a lock's entry; ``train@a`` belongs to the family ``train``."""
    return pipeline.get(name) or pipeline.get(name.partition("@")[0])


def table(text: str, origin: str) -> dict[str, str]:
    """Path -> md5 of what one ``.dvc`` file names, from the project's folder. Raises :class:`Fault`."""
    content = _plain(text, origin)
    folder = origin.rpartition("/")[0]
    found = {}
    for out in (content.get("outs") or []) if isinstance(content, dict) else []:
        path = f"{folder}/{out.get('path')}".lstrip("/")
        if out.get("md5") and inside(path):
            found[path] = str(out["md5"])
    return found


def _plain(text: str, origin: str) -> Any:
    if re.search(r"^(<<<<<<<|>>>>>>>)", text, re.M):
        raise Fault(
            f"{origin} holds a merge conflict. Decide each place between the markers, then commit it."
        )
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as wrong:
        raise Fault(f"{origin} cannot be read: {wrong}") from None
