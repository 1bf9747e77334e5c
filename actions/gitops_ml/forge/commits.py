"""Answers for commits without a worktree: read a file of one, make one, put one on the server's branch first or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitops_ml.errors import Fault
from gitops_ml.forge.errors import Lost, Refused
from gitops_ml.forge.patience import Patience
from gitops_ml.forge.place import Place
from gitops_ml.forge.transport import PASSING, auth_env, explained, fetch, line, ls_remote, run, words

__all__ = ["Lost", "auth_env", "blob", "commit_files", "fetch", "ls_remote", "push"]

NAME = "gitops-ml[bot]"
EMAIL = "gitops-ml[bot]@users.noreply.github.com"
NOTHING = "0" * 40

MOVED = re.compile(
    r"stale info|fetch first|non-fast-forward|cannot lock ref|already exists|failed to update ref|"
    r"failed to lock|incorrect old value|remote ref updated since checkout",
    re.IGNORECASE,
)
WORKFLOW = re.compile(r"refusing to allow .* (?:create or )?update workflow", re.IGNORECASE)
PROTECTED = re.compile(r"GH006|GH013|protected branch|rule violations|protected ref", re.IGNORECASE)
TOO_LARGE = re.compile(r"GH001|file size limit|exceeds GitHub's", re.IGNORECASE)


def blob(root: Path, revision: str, path: str) -> bytes | None:
    """A file's bytes as a revision has them, ``path`` counted from the repository's top; None if it has no such file.

    Raises :class:`Fault` for a revision that is not here: "unknown" is not "has no such file".
    """
    listed = run(root, ["ls-tree", "-z", "--full-tree", revision, "--", f":(literal){path}"])
    if listed.returncode:
        raise Fault(
            f"git knows no revision {revision} in {root}, so what {path} was in it is unknown.\n"
            f"  Fetch it: git fetch origin\n  {line(words(listed))}"
        )
    about, _, found = listed.stdout.decode("utf-8", "surrogateescape").rstrip("\0").partition("\t")
    entry = about.split()
    if found != path or entry[1] != "blob":  # nothing there, or a folder
        return None
    read = run(root, ["cat-file", "blob", entry[2]])
    if read.returncode:
        raise Fault(f"the bytes of {path} in {revision} could not be read:\n  {line(words(read))}")
    return read.stdout


def commit_files(
    root: Path,
    parents: Sequence[str],
    files: Mapping[str, bytes | None],
    message: str,
    *,
    tree: str | None = None,
) -> str:
    """The id of a new commit: the tree of ``tree``, or of the first parent, with files written (None: removed).

    Neither worktree nor index are touched, and no ref points at it yet; nothing that a partial clone lacks is fetched.
    Paths count from the repository's top. A file that was executable stays so.
    """
    start = tree or (parents[0] if parents else None)
    with tempfile.TemporaryDirectory(prefix="gitops-ml-") as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _ok(root, ["read-tree", start] if start else ["read-tree", "--empty"], env)
        modes = _modes(root, start, list(files)) if start else {}
        ids = _written(root, [content for content in files.values() if content is not None], Path(folder))
        lines = []
        for path, content in files.items():
            if content is None:
                lines.append(f"0 {NOTHING}\t{path}")
            else:
                lines.append(f"{modes.get(path, '100644')} {ids.pop(0)}\t{path}")
        stdin = "".join(f"{entry}\0" for entry in lines).encode("utf-8", "surrogateescape")
        # --replace: "reports" may turn from a file into a folder.
        _replace(root, env, stdin)
        made = _ok(root, ["write-tree", "--missing-ok"], env)
    names = [argument for parent in parents for argument in ("-p", parent)]
    # The settings of a person (signing asks for a passphrase) are about their own commits.
    command = ["-c", "commit.gpgSign=false", "-c", "i18n.commitEncoding=utf-8", "commit-tree", made, *names]
    return _ok(root, [*command, "-F", "-"], _identity(), f"{message.rstrip()}\n".encode())


def push(root: Path, place: Place, token: str, sha: str, ref: str, expect: str | None = None) -> None:
    """Put a commit on a branch or ref of the server: only forward, and only if nobody else was faster.

    ``expect``: what the ref must name now; "" that it must not exist; None whatever it names, if ``sha`` builds on it.
    Repeating is safe, so a lost connection is tried again. Raises :class:`Lost` if somebody else moved the ref, and
    :class:`Fault` with the server's words if it refuses.
    """
    ref = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    patience = Patience()
    attempt = 0
    while True:
        attempt += 1
        now = ls_remote(root, place, token, ref).get(ref, "")
        if now == sha:
            return
        if expect is not None and now != expect:
            raise _lost(place, ref, expect, now)
        if now:
            _must_build_on(root, place, sha, ref, now, expect)
        command = ["push", "--porcelain", "--no-verify", f"--force-with-lease={ref}:{now}"]
        done = run(root, [*command, place.git_url, f"{sha}:{ref}"], auth_env(place, token))
        if done.returncode == 0:
            return
        said = words(done)
        refusal = _refusal(place, ref, said)
        if refusal is not None:
            raise refusal
        if MOVED.search(said):
            then = ls_remote(root, place, token, ref).get(ref, "")
            if then not in (now, sha):
                raise _lost(place, ref, now, then)
        elif not PASSING.search(said):
            raise explained(place, f"git push to {_short(ref)}", said, token)
        if not patience.wait(f"git push to {_short(ref)}: {line(said)}", attempt):
            # The answer may be all that was lost.
            if ls_remote(root, place, token, ref).get(ref) == sha:
                return
            raise explained(place, f"git push to {_short(ref)}", said, token)


def _must_build_on(root: Path, place: Place, sha: str, ref: str, now: str, expect: str | None) -> None:
    """Refuse what would take commits off the server's ref."""
    answer = run(root, ["merge-base", "--is-ancestor", now, sha])
    if answer.returncode == 0:
        return
    if expect is None:
        raise _lost(place, ref, "", now)
    raise Fault(
        f"{sha[:12]} does not build on {now[:12]}, which {_short(ref)} names: pushing it would take commits off "
        f"{place.slug}.\n  Fetch it, and commit on top of it: git fetch origin {_short(ref)}"
    )


def _lost(place: Place, ref: str, before: str, now: str) -> Lost:
    moved = f"now names {now[:12]}" if now else "is gone"
    was = f" (it named {before[:12]})" if before else ""
    return Lost(
        f"somebody else was faster: {_short(ref)} of {place.slug} {moved}{was}. Nothing was pushed.\n"
        "  Run this again: it starts from what is there now."
    )


def _refusal(place: Place, ref: str, said: str) -> Refused | None:
    """A clear no of the server that trying again does not change."""
    host = "\n  ".join(one.removeprefix("remote: ") for one in said.splitlines() if one.startswith("remote:"))
    host = host or line(said)
    if WORKFLOW.search(said):
        return Refused(
            f"{place.host} lets no workflow's own token change .github/workflows/: {_short(ref)} was not pushed. "
            f"No permission in the workflow allows it.\n"
            f"  Push that change from your laptop: git push origin HEAD:{_short(ref)}\n"
            f"  or use the token of a GitHub App (or a person) with the permission workflows: write.\n  {host}",
            403,
            said,
        )
    if PROTECTED.search(said):
        return Refused(
            f"{_short(ref)} of {place.slug} is protected and refuses the push: it changes by pull request only.\n"
            f"  Push another branch and open one: gitops-ml open-pull-request --branch BRANCH\n  {host}",
            403,
            said,
        )
    if TOO_LARGE.search(said):
        return Refused(
            f"{place.host} takes no file as large as one of these: {_short(ref)} was not pushed.\n"
            f"  Keep the bytes elsewhere: gitops-ml storage move\n  {host}",
            413,
            said,
        )
    if "pre-receive hook declined" in said or "hook declined" in said:
        return Refused(
            f"a rule of {place.host} refuses the push to {_short(ref)}. Its words:\n  {host}", 403, said
        )
    return None


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


def _identity() -> dict[str, str]:
    """Author and committer: the bot, where nobody was named in the environment."""
    wanted = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _BOT}
    return {name: os.environ.get(name) or value for name, value in wanted.items()}


_BOT = (("NAME", NAME), ("EMAIL", EMAIL))


def _modes(root: Path, tree: str, paths: Sequence[str]) -> dict[str, str]:
    """The modes of the plain files among the paths: a link is replaced by a file, and never written through."""
    if not paths:
        return {}
    listed = _ok(root, ["ls-tree", "-r", "-z", "--full-tree", tree])
    wanted, found = set(paths), {}
    for entry in listed.split("\0"):
        about, _, path = entry.partition("\t")
        if path in wanted and about[:6] in ("100644", "100755"):
            found[path] = about[:6]
    return found


def _written(root: Path, contents: Sequence[bytes], folder: Path) -> list[str]:
    """The ids of blobs that now hold the contents, as they are: no filter, no line ends changed."""
    if not contents:
        return []
    paths = []
    for number, content in enumerate(contents):
        path = folder / str(number)
        path.write_bytes(content)
        paths.append(str(path))
    stdin = "".join(f"{path}\n" for path in paths).encode()
    return _ok(root, ["hash-object", "-w", "--no-filters", "--stdin-paths"], {}, stdin).split()


def _replace(root: Path, env: Mapping[str, str], entries: bytes) -> None:
    done = run(root, ["update-index", "--add", "--replace", "-z", "--index-info"], env, entries)
    # A path such as ../x or .git/x git leaves out with a remark, and says that all went well.
    if done.returncode or done.stderr.strip():
        raise Fault(f"git update-index failed in {root}:\n  " + "\n  ".join(words(done).splitlines()))


def _ok(
    root: Path, arguments: Sequence[str], env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> str:
    done = run(root, arguments, env, stdin)
    if done.returncode:
        verb = next(word for word in arguments if word[0] != "-" and "=" not in word)
        raise Fault(f"git {verb} failed in {root}:\n  " + "\n  ".join(words(done).splitlines()))
    return done.stdout.decode("utf-8", "surrogateescape").strip()
