"""What plan, build, score and judge do for a pull request, on a laptop: no forge, scratch folders, the very same rooms."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import plan as planning
from gitops_ml.build import run as building
from gitops_ml.build import score as scoring
from gitops_ml.build import trees
from gitops_ml.build.environment import dvc_of, python_of
from gitops_ml.build.predicting import SECONDS, install_for
from gitops_ml.build.workshop import fresh
from gitops_ml.contracts.plan import Plan
from gitops_ml.errors import Fault
from gitops_ml.ruling import carry
from gitops_ml.ruling.rule import rule
from gitops_ml.ruling.task import Ruling, Task
from gitops_ml.storage import needed
from gitops_ml.storage import pull as storage_pull
from gitops_ml.storage.cache import Cache
from gitops_ml.storage.scratch import scratch

Pull = Callable[..., object]
Say = Callable[[str], None]
SYNC = ("uv", "sync", "--quiet", "--no-default-groups")
QUIET = ("-c", "advice.detachedHead=false", "-c", "core.hooksPath=/dev/null")


def judged_here(
    root: Path,
    base: str,
    *,
    head: str = "HEAD",
    rebuild: bool = True,
    sync: bool = False,
    alone: bool = False,
    pull: Pull | None = None,
    say: Say = lambda _: None,
) -> Ruling:
    """The ruling on a pull request from ``head`` to ``base``, both commits of the repository of ``root``.

    Policy and schema are the base's, the suite is the one that runs this. ``rebuild``: stages that CI would not believe
    are run again, with nothing but the storage's bytes at hand; else what `dvc repro` left in ``root`` is sealed.
    ``sync``: each model gets an environment of its own by uv, as in CI; else both use ``root``'s, and their own sources.
    ``alone``: nobody but the author could approve it. ``pull``: where bytes come from (default: ``root``'s cache, then its
    storage). Lint and tests are not part of it. Nothing is written into ``root`` but bytes that its storage had to give.

    A job that stops is a ruling that blocks, as in CI. Raises :class:`Fault` where nothing can be ruled on: an unknown
    commit, or with ``rebuild=False`` a head whose results are stale or not here.
    """
    with rehearsed(root, base, head=head, rebuild=rebuild, sync=sync, pull=pull, say=say) as rehearsal:
        return rehearsal.ruling(alone=alone)


@dataclasses.dataclass(frozen=True)
class Rehearsal:
    """A pull request whose jobs have run, waiting for its judge. Its folders are there for as long as the block is."""

    task: Task

    def ruling(self, base: str | None = None, *, alone: bool = False) -> Ruling:
        """The ruling by the base's policy; or by that of another commit, ``base``, in its place."""
        main, head = self.task.root, self.task.head
        if base is not None:
            shell.git(main, *QUIET, "checkout", "--quiet", "--detach", base)
        ruling = rule(self.task, lambda: alone)
        left = carry.left_behind(main, carry.Target("", head, head), ruling.candidate, self.task.candidate)
        return ruling.settled(left)  # while the folders are there


@contextlib.contextmanager
def rehearsed(
    root: Path,
    base: str,
    *,
    head: str = "HEAD",
    rebuild: bool = True,
    sync: bool = False,
    pull: Pull | None = None,
    say: Say = lambda _: None,
) -> Iterator[Rehearsal]:
    """The jobs of :func:`judged_here`, for whoever wants to judge their results more than once."""
    there, here = trees.commit_of(root, base), trees.commit_of(root, head)
    with fresh("gitops-ml-laptop-") as desk, _sources(not sync):
        main = checked_out(root, there, desk / "main")
        project = checked_out(root, here, desk / "head")
        run = _Run(root, main, project, desk, pull or lent(root), sync, say)
        yield Rehearsal(run.task(there, here, rebuild))


@dataclasses.dataclass(frozen=True)
class _Run:
    root: Path
    main: Path
    project: Path
    desk: Path
    pull: Pull
    sync: bool
    say: Say

    def task(self, base: str, head: str, rebuild: bool) -> Task:
        """Each job in turn; the first that stops leaves its words, and those behind it are skipped."""
        results = dict.fromkeys(("plan", "build", "check", "score", "prove"), "skipped")
        folders = {name: self.desk / name for name in ("candidate", "scores")}
        digests, kind, reason = dict.fromkeys(folders, ""), "model", ""
        job = "plan"
        try:
            plan = self._plan(base)
            kind, reason = plan.kind, plan.reason or ""
            results[job] = "failure" if kind == "invalid" else "success"
            if kind == "model":
                job = "build"
                digests["candidate"] = self._build(folders["candidate"], plan, rebuild)
                results[job] = "success"
                job = "score"
                digests["scores"] = self._score(folders["candidate"], digests["candidate"], folders["scores"])
                results[job] = "success"
        except Stale:
            raise
        except Fault as fault:
            results[job], reason = "failure", str(fault)
        return Task(
            root=self.main,
            head=head,
            kind=kind,
            results=results,
            reason=reason,
            candidate=folders["candidate"],
            candidate_digest=digests["candidate"],
            scores=folders["scores"],
            scores_digest=digests["scores"],
            run_url="",
        )

    def _plan(self, base: str) -> Plan:
        dvc = dvc_of(self.root)
        env = {"DVC_SITE_CACHE_DIR": str(self.desk / "site")}
        return planning.plan(self.project, base, dvc=dvc, env=env)

    def _build(self, out: Path, plan: Plan, rebuild: bool) -> str:
        if not rebuild:
            self._current(plan)
        sealed = building.build(
            self.project,
            out,
            stages=plan.names if rebuild else [],
            isolated=rebuild,
            python=self._python(),
            pull=self.pull,
            say=self.say,
        )
        assert sealed is not None  # only an update may find nothing to do
        if not rebuild and sealed.changed:
            raise Stale(
                f"its lock names other files than it has: {', '.join(sealed.candidate.files)}", self.root
            )
        return sealed.digest

    def _current(self, plan: Plan) -> None:
        """Whether the head's results are of its inputs; whom to believe is not asked, for here nobody is doubted."""
        env = {"DVC_SITE_CACHE_DIR": str(self.desk / "site")}
        own = planning.plan(self.project, plan.head, dvc=dvc_of(self.root), look=True, env=env)
        if own.stages:
            first = own.stages[0]
            raise Stale(f"stage {first.name} is stale: {', '.join(first.reasons[:3])}", self.root)

    def _score(self, candidate: Path, digest: str, out: Path) -> str:
        found = scoring.score(
            candidate,
            self.project,
            self.main,
            out,
            digest=digest,
            pull=self.pull,
            install=None if self.sync else self._lend_environment(),
            python=self._python(),
            measure=True,
            say=self.say,
        )
        return found.digest

    def _python(self) -> str:
        if not self.sync:
            return python_of(self.root)
        if not (self.project / ".venv").exists():
            install_for(self.project, SYNC, SECONDS)
        return python_of(self.project)

    def _lend_environment(self) -> Sequence[str]:
        """The command that gives the champion's checkout the environment that is here; none where there is none."""
        own = self.root / ".venv"
        return ("ln", "-s", str(own.absolute()), ".venv") if own.exists() else ()


class Stale(Fault):
    """What is in the project is not what its commit would give."""

    def __init__(self, why: str, root: Path) -> None:
        super().__init__(
            f"{why}. It is not the model that CI would judge.\n"
            f"  Build it here first, and commit: {shell.prefix(root)}gitops-ml reproduce"
        )


def checked_out(root: Path, commit: str, folder: Path) -> Path:
    """The project at a commit, with its tags, in a clone that shares this repository's objects; its folder there."""
    top = shell.git(root, "rev-parse", "--show-toplevel")
    shell.git(root, "clone", "--quiet", "--shared", "--no-checkout", top, str(folder))
    shell.git(folder, *QUIET, "checkout", "--quiet", "--detach", commit)
    return folder / shell.git(root, "rev-parse", "--show-prefix")


def lent(root: Path) -> Pull:
    """Bytes for scratch checkouts of ``root``'s commits: copied from its cache, which asks the storage for what it lacks.

    Copied, never linked: what a stage does to its inputs must not reach the person's cache.
    """

    def pull(project: Path, wanted: Iterable[str] | None = None, *, checkout: bool = True) -> None:
        commit = shell.git(project, "rev-parse", "HEAD")
        paths = None if wanted is None else list(wanted)
        storage_pull(root, paths, revision=commit, checkout=False)
        source, own = Cache(root), Cache(project)
        own.folder.mkdir(parents=True, exist_ok=True)
        with scratch(own.base / "gitops-ml-tmp") as folder:
            for entry in needed(root, commit):
                if source.has(entry.md5) and not own.has(entry.md5):
                    own.keep(Path(shutil.copyfile(source.path(entry.md5), folder / entry.md5)), entry.md5)
        if checkout:
            storage_pull(project, paths)

    return pull


@contextlib.contextmanager
def _sources(own: bool) -> Iterator[None]:
    """Let whoever starts in a checkout import that checkout's sources: the shared environment knows the project's only.

    Python makes the relative path absolute as it starts. A synced environment has its own and needs none of it.
    """
    before: Mapping[str, str] = dict(os.environ)
    if own:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, ("src", before.get("PYTHONPATH"))))
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH", None)
        if "PYTHONPATH" in before:
            os.environ["PYTHONPATH"] = before["PYTHONPATH"]
