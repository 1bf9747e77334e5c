"""Git plumbing in a bare repository of the forge: refs, commits, merges, diffs; never a worktree of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ZERO = "0" * 40
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
# Given by environment, never written into a repository: a copied folder must not carry settings of a machine.
SETTINGS = {
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.autogc": "false",
    "gc.auto": "0",
    "safe.directory": "*",
    "core.logAllRefUpdates": "false",
    "http.receivepack": "true",
    "receive.hideRefs": "refs/pull",
    "receive.denyDeletes": "false",
}
WEB = ("GitHub", "noreply@github.com")


class GitError(RuntimeError):
    """A git command failed; the text is what it said."""


def now() -> str:
    """The time as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without the machine's git settings, with the forge's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    wanted = {**SETTINGS, **(settings or {})}
    kept |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    kept["GIT_CONFIG_COUNT"] = str(len(wanted))
    for place, (key, value) in enumerate(wanted.items()):
        kept[f"GIT_CONFIG_KEY_{place}"] = key
        kept[f"GIT_CONFIG_VALUE_{place}"] = value
    return kept


@dataclass(frozen=True)
class Change:
    """One file between two trees, as GitHub's "files" lists it."""

    path: str
    status: str
    sha: str
    additions: int
    deletions: int


class Git:
    """Commands in one bare repository; ``extra`` environment reaches the objects a push holds in quarantine."""

    def __init__(self, path: Path, extra: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.extra = dict(extra or {})

    def run(self, *words: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """The output of a git command; GitError with its complaint if it fails."""
        done = subprocess.run(
            ["git", "-C", str(self.path), *words],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env={**environment(), "GIT_DIR": str(self.path), **self.extra, **(env or {})},
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            raise GitError(f"git {words[0]}: {said}")
        return done.stdout

    def text(self, *words: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
        return self.run(*words, data=data, env=env).decode("utf-8", "replace").strip()

    def ok(self, *words: str) -> bool:
        try:
            self.run(*words)
        except GitError:
            return False
        return True

    # --- names and objects -------------------------------------------------------------------------------

    def resolve(self, name: str, kind: str = "commit") -> str | None:
        """The id that a revision names, peeled to ``kind`` (empty: as it is); None if there is none."""
        if not name or name.startswith("-") or name == ZERO:
            return None
        peeled = f"{name}^{{{kind}}}" if kind else name
        try:
            return self.text("rev-parse", "--verify", "--quiet", "--end-of-options", peeled).split("\n")[0]
        except GitError:
            return None

    def kind(self, sha: str) -> str | None:
        try:
            return self.text("cat-file", "-t", sha)
        except GitError:
            return None

    def refs(self, *patterns: str) -> dict[str, str]:
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)", *patterns).splitlines()
        return {name: sha for name, _, sha in (line.partition(" ") for line in lines)}

    def ref(self, name: str) -> str | None:
        return self.resolve(name, kind="")

    def update(self, ref: str, new: str | None, old: str | None = None) -> None:
        """Set or delete a ref; with ``old``, only if it still is that (ZERO: only if absent)."""
        if new is None:
            self.run("update-ref", "-d", ref, *([old] if old else []))
        else:
            self.run("update-ref", ref, new, *([old] if old is not None else []))

    def blob(self, revision: str, path: str) -> bytes | None:
        try:
            return self.run("cat-file", "blob", f"{revision}:{path}")
        except GitError:
            return None

    def entries(self, revision: str, path: str = "") -> list[tuple[str, str, str, int]]:
        """(name, kind, id, size) of a folder, or of the one file at the path; empty if it does not exist."""
        place = f"{revision}:{path}" if path else f"{revision}^{{tree}}"
        try:
            raw = self.run("ls-tree", "-l", "-z", place)
        except GitError:
            return []
        found = []
        for line in raw.decode("utf-8", "replace").split("\0"):
            if line:
                meta, _, name = line.partition("\t")
                _, kind, sha, size = meta.split()
                found.append((name, kind, sha, int(size) if size != "-" else 0))
        return found

    # --- history -----------------------------------------------------------------------------------------

    def is_ancestor(self, old: str, new: str) -> bool:
        return self.ok("merge-base", "--is-ancestor", old, new)

    def merge_base(self, one: str, two: str) -> str | None:
        try:
            return self.text("merge-base", one, two) or None
        except GitError:
            return None

    def commits(self, *revisions: str, limit: int = 250) -> list[str]:
        """Ids, oldest first."""
        return self.text("rev-list", "--reverse", f"--max-count={limit}", *revisions, "--").split()

    def count(self, *revisions: str) -> int:
        return int(self.text("rev-list", "--count", *revisions, "--"))

    def changes(self, old: str, new: str) -> list[Change]:
        """What differs between two trees; renames count as a removal and an addition."""
        flags = ["-r", "-z", "--no-renames", "--no-ext-diff"]
        raw = self.text("diff-tree", "--raw", "--no-abbrev", *flags, old, new).strip("\0").split("\0")
        numbers = self.text("diff-tree", "--numstat", *flags, old, new).strip("\0").split("\0")
        lines = {}
        for line in filter(None, numbers):
            added, removed, path = line.split("\t", 2)
            lines[path] = tuple(int(n) if n != "-" else 0 for n in (added, removed))
        found = []
        for meta, path in zip(raw[::2], raw[1::2], strict=False):
            _, _, before, after, letter = meta.lstrip(":").split()
            status = {"A": "added", "D": "removed"}.get(letter[0], "modified")
            sha = before if status == "removed" else after
            found.append(Change(path, status, sha, *lines.get(path, (0, 0))))
        return found

    def patch(self, old: str, new: str, path: str) -> str:
        text = self.text("diff-tree", "-p", "--no-renames", "--no-ext-diff", old, new, "--", path)
        return text[text.find("@@") :] if "@@" in text else ""

    # --- writing -----------------------------------------------------------------------------------------

    def merge_tree(self, ours: str, theirs: str) -> str | None:
        """The tree of a merge; None if it conflicts."""
        try:
            return self.text("merge-tree", "--write-tree", "--no-messages", ours, theirs).split("\n")[0]
        except GitError:
            return None

    def commit(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        author: tuple[str, str],
        committer: tuple[str, str] = WEB,
    ) -> str:
        who = {
            "GIT_AUTHOR_NAME": author[0],
            "GIT_AUTHOR_EMAIL": author[1],
            "GIT_COMMITTER_NAME": committer[0],
            "GIT_COMMITTER_EMAIL": committer[1],
        }
        above = [word for parent in parents for word in ("-p", parent)]
        return self.text("commit-tree", tree, *above, data=message.encode(), env=who)

    def tree_with(self, base: str | None, files: Mapping[str, bytes | None]) -> str:
        """A tree: that of ``base`` with files replaced, or removed (None)."""
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self.run("read-tree", base or EMPTY_TREE if base else "--empty", env=index)
            lines = []
            for path, content in files.items():
                if content is None:
                    lines.append(f"0 {ZERO}\t{path}")
                else:
                    sha = self.text("hash-object", "-w", "--stdin", data=content)
                    lines.append(f"100644 {sha}\t{path}")
            self.run("update-index", "--index-info", data=("\n".join(lines) + "\n").encode(), env=index)
            return self.text("write-tree", env=index)

    def rebase(self, base: str, head: str) -> str | None:
        """The head's own commits again on top of base; None if they conflict."""
        folder = Path(tempfile.mkdtemp(prefix="forge-rebase-"))
        try:
            self.run("worktree", "add", "--detach", "--force", str(folder / "w"), head)
            who = {"GIT_COMMITTER_NAME": WEB[0], "GIT_COMMITTER_EMAIL": WEB[1]}
            inside = {**environment(), **who}
            command = ["git", "-C", str(folder / "w"), "rebase", "--quiet", base]
            done = subprocess.run(command, env=inside, capture_output=True, check=False)
            if done.returncode:
                return None
            seen = subprocess.run(
                [*command[:3], "rev-parse", "HEAD"], env=inside, capture_output=True, check=True
            )
            return seen.stdout.decode().strip()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self.run("worktree", "prune")
