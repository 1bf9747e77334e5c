"""The commits that the first run makes: only what it made or read, under the author's name, nobody's hooks or keys."""

from __future__ import annotations

from pathlib import Path

from gitops_ml import shell
from gitops_ml.track.sync import answers

SUBJECT = "First run"
FOLDERS = ("data/", "models/", "reports/", "src/", "tests/model/")
FILES = frozenset(
    [
        "dvc.lock",
        "dvc.yaml",
        "params.yaml",
        "schema.yaml",
        "policy.yaml",
        "model_card.yaml",
        "MODEL_CARD.md",
        "uv.lock",
        ".dvc/config",
    ]
)

# A person's own list of files to ignore ("*.csv", "*.lock") is about other projects.
NEUTRAL = ("-c", "core.excludesFile=/dev/null")


def done(root: Path) -> bool:
    """Whether a first run was committed: dvc.lock is in HEAD."""
    return shell.ask(["git", "cat-file", "-e", "HEAD:./dvc.lock"], root) is not None


def changed(root: Path) -> list[str]:
    """Changed and new paths, relative to the project; a renamed file counts under both names."""
    listed = shell.git(
        root, *NEUTRAL, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", "."
    )
    below = shell.git(root, "rev-parse", "--show-prefix")
    return [entry[3:].removeprefix(below) for entry in listed.split("\0") if entry]


def ours(path: str) -> bool:
    """Whether the first run reads or makes it, so that it belongs to its commit."""
    return path in FILES or path.startswith(FOLDERS)


def begin(root: Path) -> None:
    """Make the repository and its first commit where generation could not: without them nothing is reproducible."""
    if shell.ask_git(root, "rev-parse", "--git-dir") is None:
        shell.git(root, "init", "--quiet", "--initial-branch=main")
    if shell.ask_git(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        from gitops_ml.contracts.base import read_plain

        content = read_plain(root / ".gitops-ml.yaml") if (root / ".gitops-ml.yaml").exists() else {}
        version = content.get("version", "") if isinstance(content, dict) else ""
        shell.git(root, *NEUTRAL, "add", "--all", "--", ".")
        _commit(root, f"Generated from cookiecutter-gitops-ml {version}".strip())


def finish(root: Path) -> list[str]:
    """Commit "First run" if there is none; the paths that were left alone because they are not of this run."""
    paths = changed(root)
    mine = [path for path in paths if ours(path)]
    if mine and not done(root):
        shell.git(root, *NEUTRAL, "add", "--all", "--", *mine)
        _commit(root, SUBJECT, mine)
        return [path for path in paths if not ours(path)]
    return paths


def subjects(root: Path) -> list[str]:
    """Subjects of the newest commits, oldest first, at most two."""
    listed = shell.ask_git(root, "log", "--format=%s", "-2", "--reverse") or ""
    return listed.splitlines()


def _commit(root: Path, subject: str, only: list[str] | None = None) -> None:
    # Signing would ask for a passphrase, hooks are not installed yet or need tools that are not: neither may stop this.
    command = [*NEUTRAL, "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", *identity(root)]
    command += ["commit", "--quiet", "--no-verify", "-m", subject]
    # --only leaves what somebody else has staged as it is.
    shell.git(root, *command, *(["--only", "--", *only] if only else []))


def identity(root: Path) -> list[str]:
    """Settings for a commit where git has no identity: the author's answers, for this commit only."""
    if shell.ask_git(root, "var", "GIT_COMMITTER_IDENT") is not None and shell.ask_git(
        root, "config", "user.name"
    ):
        return []
    given = answers(root)
    # git takes these off a name's ends, and refuses a name of nothing else.
    crud = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
    name = " ".join(given.get("author_name", "").split()).strip(crud) or "unknown"
    email = given.get("author_email", "").strip(crud) or "nobody@example.invalid"
    return ["-c", f"user.name={name}", "-c", f"user.email={email}"]
