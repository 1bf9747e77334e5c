"""Where the template is, which versions of it there are, and one of them as a folder."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.contracts.answers import AnswersFile
from gitops_ml.errors import Fault

ADDRESS = re.compile(r"https?://|ssh://|git@")
# As cookiecutter reads them.
SHORT = {
    "gh:": "https://github.com/{}.git",
    "gl:": "https://gitlab.com/{}.git",
    "bb:": "https://bitbucket.org/{}.git",
}
TAG = re.compile(r"refs/tags/(v(\d+)\.(\d+)\.(\d+))$")


class Unknown(Fault):
    """Nobody wrote down where the template is."""


@dataclass(frozen=True)
class Source:
    """A template's git repository; ``name`` is what a project may write down: an address, never a path."""

    where: str
    name: str | None


def source_of(answers: AnswersFile, given: str | None) -> Source:
    """The repository to ask: the one given, else the recorded one. Raises :class:`Unknown` where neither is there."""
    named = given or answers.source
    if not named:
        raise Unknown(
            "where the template comes from is not written down: this project was generated from a folder.\n"
            "Name it once, and it is recorded: gitops-ml template update --source https://HOST/OWNER/NAME.git (or a folder)"
        )
    for short, address in SHORT.items():
        if named.startswith(short):
            return Source(address.format(named.removeprefix(short).removesuffix(".git")), named)
    if not ADDRESS.match(named):
        return Source(str(Path(named.removeprefix("file://")).expanduser().resolve()), answers.source)
    if re.match(r"https?://[^/]*@", named):
        raise Fault(
            "the template's address holds a user or a password, which would be written into git. Leave it out; git asks "
            "the machine."
        )
    return Source(named, named)


def number(version: str) -> tuple[int, int, int]:
    """A version as it compares. Raises :class:`Fault` for what is no version."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if not found:
        raise Fault(f"{version!r} is no version of the template. Such as: 0.2.0")
    return int(found[1]), int(found[2]), int(found[3])


def versions(source: Source) -> list[str]:
    """The released versions, oldest first, without the v. Raises :class:`Fault` where it cannot be asked, or has none."""
    listed = shell.git(
        Path(tempfile.gettempdir()), "ls-remote", "--tags", "--refs", "--", source.where
    ).splitlines()
    found = [match for line in listed if (match := TAG.search(line))]
    if not found:
        raise Fault(f"{source.where} has no tag such as v0.2.0: no version of the template is there.")
    ordered = sorted(found, key=lambda match: tuple(map(int, match.groups()[1:])))
    return [match[1].removeprefix("v") for match in ordered]


def fetch(source: Source, version: str, into: Path) -> Path:
    """The template at a version, in a folder of its own below ``into``. Raises :class:`Fault`."""
    folder = into / f"template-{version}"
    quiet = ["-c", "advice.detachedHead=false", "-c", "core.hooksPath=/dev/null"]
    command = ["clone", "--quiet", "--depth=1", f"--branch=v{version}", "--", source.where, str(folder)]
    shell.git(into, *quiet, *command)
    return folder
