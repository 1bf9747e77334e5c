"""How many models a set of test rows has judged: counted from the locks in git's history, a function of the commit alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from gitops_ml import shell
from gitops_ml.build import lock as locks
from gitops_ml.contracts.candidate import Candidate
from gitops_ml.errors import Fault


def reused(root: Path, candidate: Candidate) -> int | None:
    """Different models in the locks of HEAD's history beside whose test rows the candidate's stand; it counts itself.

    ``root``: a checkout of the commit that was built. None where the history is not whole.
    Every line of the history counts, also what a merge left behind; a model that came back counts once.
    """
    if shell.git(root, "rev-parse", "--is-shallow-repository") == "true":
        return None
    model, rows = candidate.model.path, candidate.test_rows.path
    found = {entry.md5 for entry in candidate.objects if entry.path == model}
    for text in _versions(root):
        made = _outs(text, (model, rows))
        if made.get(rows) == candidate.test_rows.md5 and model in made:
            found.add(made[model])
    return len(found)


def _versions(root: Path) -> list[bytes]:
    """Every version of dvc.lock that a commit of HEAD's history brought."""
    # -m: a merge may bring a lock that neither side had. --full-history: also of lines that a merge did not follow.
    listing = shell.git(
        root, "log", "--full-history", "-m", "--raw", "--no-abbrev", "--no-renames", "--format=", "HEAD", "--", locks.FILE
    )  # fmt: skip
    ids = dict.fromkeys(line.split()[3] for line in listing.splitlines() if line.startswith(":"))
    wanted = [oid for oid in ids if set(oid) != {"0"}]
    return _blobs(root, wanted) if wanted else []


def _blobs(root: Path, ids: list[str]) -> list[bytes]:
    """Contents of objects, in one process."""
    done = subprocess.run(
        ["git", "cat-file", "--batch"],
        cwd=root,
        env=shell.environment(),
        input="\n".join(ids).encode() + b"\n",
        capture_output=True,
        check=False,
    )
    found, place = [], 0
    for oid in ids:
        end = done.stdout.find(b"\n", place)
        header = done.stdout[place:end].split()
        if done.returncode or end < 0 or len(header) != 3:
            raise Fault(
                f"git has not the version {oid[:12]} of dvc.lock. Fetch it: git fetch --refetch origin"
            )
        start, size = end + 1, int(header[2])
        found.append(done.stdout[start : start + size])
        place = start + size + 1
    return found


def _outs(text: bytes, paths: tuple[str, ...]) -> dict[str, str]:
    """Path -> md5 of these outs. As DVC writes a lock, by its lines (thousands a second); else as YAML."""
    found = {}
    for path in paths:
        # An out's entry reads the same where another stage has it as a dep.
        line = re.search(
            rb"^ *- path: %s\n(?: +hash: md5\n)? +md5: ([0-9a-f]{32})$" % re.escape(path.encode()), text, re.M
        )
        if line is not None:
            found[path] = line[1].decode()
    if len(found) == len(paths) or re.search(rb"^ *- path: ", text, re.M):
        return found
    try:
        made = locks.producers(locks.parse(text.decode("utf-8", "replace")))
    except Fault:  # a conflict that somebody committed: it judged nothing
        return {}
    return {path: made[path] for path in paths if path in made}
