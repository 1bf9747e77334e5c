"""The throw-away clone: a project, a remote and a store of its own, with today's model as the one that serves."""

from __future__ import annotations

import configparser
import contextlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import trees
from gitops_ml.build.workshop import fresh, settings
from gitops_ml.contracts.base import write_text
from gitops_ml.contracts.pointer import Pointer
from gitops_ml.delivery import tree
from gitops_ml.delivery.champion import environments, pointer_of, pointer_path
from gitops_ml.delivery.handed_over import handed_over
from gitops_ml.delivery.offer import pointer_text
from gitops_ml.delivery.release import artifact_of
from gitops_ml.delivery.releases import Release, newest
from gitops_ml.errors import Fault
from gitops_ml.forge.commits import commit_files
from gitops_ml.ruling.laptop import checked_out, lent
from gitops_ml.selftest.site import Site
from gitops_ml.storage.cache import Cache
from gitops_ml.storage.refs import STORE

WHO = (
    "-c", "user.name=gates selftest", "-c", "user.email=selftest@invalid", "-c", "commit.gpgsign=false",
    "-c", "core.hooksPath=/dev/null",
)  # fmt: skip
BRANCH = "planted"


@dataclass(frozen=True)
class Clone:
    """``root``: the project's folder; ``commit``: the user's, which was cloned; ``base``: the one that plays main."""

    root: Path
    commit: str
    base: str
    origin: Path

    def site(self) -> Site:
        """A checkout of the base, with nothing of an earlier plant in it."""
        shell.git(self.root, *WHO, "checkout", "--quiet", "--force", "-B", BRANCH, self.base)
        shell.git(self.root, "clean", "--quiet", "-fd")
        return Site(self.root)

    def commit_all(self, message: str) -> str:
        """Commit what a plant changed; the head of its pull request."""
        shell.git(self.root, "add", "--all")
        shell.git(self.root, *WHO, "commit", "--quiet", "--message", message)
        return shell.git(self.root, "rev-parse", "HEAD")

    def policy(self, content: bytes, *, handed_over: bool = False) -> str:
        """The base with another policy.yaml; and with a production that has served another model before."""
        commit = self.base
        if handed_over:
            for files in _pointers(self.root, self.base, "0" * 64), _pointers(self.root, self.base):
                commit = commit_files(self.root, [commit], files, "Serve")
        return commit_files(
            self.root, [commit], {f"{_prefix(self.root)}policy.yaml": content}, "Another policy"
        )

    @contextlib.contextmanager
    def poisoned(self, md5: str, content: bytes) -> Iterator[None]:
        """Meanwhile the store holds these bytes under that name, and no cache has the right ones."""
        own = Cache(self.root)
        aside = self.origin.with_name("aside")
        if own.has(md5):
            shutil.move(own.path(md5), aside)
        made = commit_files(self.origin, [], {f"files/md5/{md5[:2]}/{md5[2:]}": content}, "Bytes")
        shell.git(self.origin, "update-ref", STORE, made)
        try:
            yield
        finally:
            shell.git(self.origin, "update-ref", "-d", STORE)
            if aside.exists():
                own.keep(aside, md5)


@contextlib.contextmanager
def cloned(root: Path, revision: str = "HEAD") -> Iterator[Clone]:
    """A clone of the project at a revision, with its bytes; removed at the end. Nothing of ``root`` is written but bytes
    that its storage had to give.

    Its remote is a bare clone beside it, so that nothing can be pushed to the user's. Its base is the revision, served: a
    pointer names the model that the revision's lock names. Raises :class:`Fault` where that model, or its bytes, are not
    to be had.
    """
    commit = trees.commit_of(root, revision)
    if tree.content(root, commit, "dvc.lock") is None:
        raise Fault(
            f"{commit[:12]} has no dvc.lock, so there is no model to judge against. Make one: {shell.prefix(root)}gitops-ml reproduce"
        )
    with fresh("gitops-ml-selftest-") as desk:
        top, origin = shell.git(root, "rev-parse", "--show-toplevel"), desk / "origin.git"
        shell.git(root, "clone", "--quiet", "--bare", "--shared", top, str(origin))
        project = checked_out(root, commit, desk / "project")
        shell.git(project, "remote", "set-url", "origin", str(origin))
        _private(root, project)
        lent(root)(project, None, checkout=False)
        made = Clone(project, commit, _served(project, commit), origin)
        made.site()
        yield made


def _private(root: Path, project: Path) -> None:
    """A cache of its own, whatever the settings say, and the environment that is here."""
    write_text(project / ".dvc/config.local", settings(None, (project / ".dvc/cache").absolute()))
    environment = root / ".venv"
    if environment.exists():
        (project / ".venv").symlink_to(environment.absolute())
    exclude = Path(shell.git(project, "rev-parse", "--absolute-git-dir")) / "info" / "exclude"
    # `/.venv/` of .gitignore is a folder's, and this is a link.
    write_text(exclude, ".venv\n.dvc/config.local\n.dvc/cache/\n.dvc/tmp/\n")


def _served(project: Path, commit: str) -> str:
    """Commit what main would look like if the commit's model served, and a bare clone beside it were its remote.

    Without the commit's history: whether production has changed hands is to be as it was, whatever is served now.
    """
    prefix, model = _prefix(project), tree.model_name(project, commit)
    last = newest(project, model, commit)
    numbers = (0, 0, 0) if last is None else last.numbers
    artifact = artifact_of(project, Release("", commit[:12], commit))
    pointer = Pointer(
        model=model,
        version=f"v{numbers[0]}.{numbers[1]}.{numbers[2] + 1}",
        revision=commit,
        path=artifact.path,
        sha256=artifact.sha256,
        size=artifact.size,
        image=None,
        verdict="pass",
        promoted_from=None,
    )
    files: dict[str, bytes | None] = {
        f"{prefix}{pointer_path(name)}": pointer_text(pointer, name).encode()
        for name in environments(project, commit)
    }
    files |= {f"{prefix}{path}": content for path, content in _git_storage(project, commit).items()}
    base = commit_files(project, [], files, f"Serve {pointer.version}", tree=f"{commit}^{{tree}}")
    if not handed_over(project, commit):
        return base
    before = commit_files(project, [], _pointers(project, base, "0" * 64), "Serve", tree=f"{base}^{{tree}}")
    return commit_files(project, [before], files, f"Serve {pointer.version}")


def _pointers(root: Path, base: str, sha256: str | None = None) -> dict[str, bytes | None]:
    """The pointers of a base; with a ``sha256`` they name another model."""
    found: dict[str, bytes | None] = {}
    for name in environments(root, base):
        pointer = pointer_of(root, base, name)
        assert pointer is not None  # every environment of a base serves
        other = pointer if sha256 is None else pointer.model_copy(update={"sha256": sha256})
        found[f"{_prefix(root)}{pointer_path(name)}"] = pointer_text(other, name).encode()
    return found


def _git_storage(project: Path, commit: str) -> dict[str, bytes]:
    """Settings by which bytes of the clone never come from, or go to, an object store; nothing where they are in git."""
    path = ".dvc/config"
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string((tree.content(project, commit, path) or b"").decode("utf-8"))
    if not (parser.has_section("core") and parser.remove_option("core", "remote")):
        return {}
    text = io.StringIO()
    parser.write(text)
    return {path: text.getvalue().encode()}


def _prefix(project: Path) -> str:
    return shell.git(project, "rev-parse", "--show-prefix")
