"""git over HTTP: `git http-backend` behind the forge's identities, each push judged before a ref moves."""

from __future__ import annotations

import gzip
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from tests.forge import pulls
from tests.forge.access import Caller, Refused, require
from tests.forge.calls import Call
from tests.forge.faults import Fault
from tests.forge.plumbing import ZERO, Git, environment
from tests.forge.rules import Update, judge

if TYPE_CHECKING:
    from tests.forge.forge import Forge
    from tests.forge.repo import Repo

READ, WRITE = "git-upload-pack", "git-receive-pack"
QUARANTINE = ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
# Runs inside receive-pack, where the pushed objects are still in quarantine; the forge decides, not the hook.
HOOK = f"""
import os, socket, sys
asked = "".join(f"{{n}}={{os.environ.get(n, '')}}\\n" for n in {QUARANTINE!r}) + "\\n" + sys.stdin.read()
port, name = os.environ["FORGE_HOOK"].split()
body = asked.encode()
with socket.create_connection(("127.0.0.1", int(port))) as line:
    line.sendall(b"POST /_hook/%s HTTP/1.0\\r\\nContent-Length: %d\\r\\n\\r\\n" % (name.encode(), len(body)) + body)
    answer = b"".join(iter(lambda: line.recv(65536), b""))
head, _, text = answer.partition(b"\\r\\n\\r\\n")
sys.stderr.write(text.decode())
sys.exit(0 if b" 200 " in head.split(b"\\r\\n")[0] else 1)
"""


@dataclass
class Push:
    """A push while git works on it."""

    repo: Repo
    caller: Caller
    call: Call
    updates: list[Update] = field(default_factory=list)


def install_hook(forge: Forge) -> None:
    """The pre-receive hook, outside the repositories: nothing of this machine stands in them."""
    script = forge.hooks / "ask.py"
    script.write_text(HOOK, "utf-8")
    hook = forge.hooks / "pre-receive"
    hook.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, '-IS', str(script)])}\n", "utf-8")
    hook.chmod(0o755)


def judge_push(forge: Forge, push: Push, asked: str) -> str:
    """What the hook asks: empty if the push may go on, else what the person is told."""
    head, _, lines = asked.partition("\n\n")
    extra = {name: value for name, _, value in (line.partition("=") for line in head.splitlines()) if value}
    updates = [Update(*line.split(" ", 2)) for line in lines.splitlines() if line]
    said = judge(push.repo, push.caller, updates, Git(push.repo.bare, extra))
    if said:
        push.call.message = "\n".join(said)
        return "\n".join(said) + "\n"
    push.updates = updates
    race = forge.faults.race("receive", push.call.path, [update.ref for update in updates], push.caller.job)
    if race:
        push.call.fault = "lost-race"
        land(push.repo, *race)
    return ""


def land(repo: Repo, fault: Fault, ref: str) -> None:
    """Somebody else is faster: another commit stands on the ref before this push does."""
    forge = repo.forge
    old = repo.git.ref(ref)
    base = old or repo.git.ref(f"refs/heads/{repo.data['default_branch']}")
    tree = repo.git.tree_with(base if old or ref.startswith("refs/heads/") else None, dict(fault.files))
    parents = [base] if base and (old or ref.startswith("refs/heads/")) else []
    user = forge.state.user("somebody-else")
    who = (user["login"], user["email"])
    made = repo.git.commit(tree, parents, "Landed first", who, who)
    repo.git.update(ref, made, old or ZERO)
    caller = Caller(login=user["login"], kind="pat", generation=0)
    pulls.moved(repo, caller, [Update(old or ZERO, made, ref)])


def check(forge: Forge, caller: Caller, repo: Repo, service: str) -> None:
    """Whether this identity may fetch from, or push to, the repository; in the words that git shows."""
    try:
        require(forge.state, caller, repo.data, "contents: write" if service == WRITE else "contents: read")
    except Refused as refused:
        if refused.status == 403:
            text = f"Permission to {repo.slug}.git denied to {caller.login}."
            if caller.bot:
                text = "Write access to repository not granted."
            raise Refused(403, text) from None
        if caller.kind == "anonymous":
            raise Refused(401, "Authentication required") from None
        raise Refused(404, "Repository not found.") from None


@contextmanager
def plain_body(body: IO[bytes], encoding: str) -> Iterator[tuple[IO[bytes], int]]:
    """The request's body unpacked, and its length."""
    if encoding == "gzip":
        with tempfile.TemporaryFile() as unpacked, gzip.open(body) as packed:
            shutil.copyfileobj(packed, unpacked)
            length = unpacked.tell()
            unpacked.seek(0)
            yield unpacked, length
    else:
        length = body.seek(0, 2)
        body.seek(0)
        yield body, length


@dataclass
class Answer:
    """What http-backend says: headers, then a stream."""

    status: int
    headers: list[tuple[str, str]]
    stream: IO[bytes]
    process: subprocess.Popen[bytes]


def backend(
    forge: Forge,
    repo: Repo,
    caller: Caller,
    method: str,
    rest: str,
    query: str,
    headers: Mapping[str, str],
    body: IO[bytes],
    length: int,
    hook: str,
) -> Answer:
    """Start `git http-backend` on one request; the caller reads the stream and waits."""
    env = environment({"core.hooksPath": str(forge.hooks)})
    env |= {
        "GIT_PROJECT_ROOT": str(repo.bare.parent),
        "PATH_INFO": f"/{repo.bare.name}{rest}",
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_HTTP_MAX_REQUEST_BUFFER": "100M",
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(length),
        "REMOTE_USER": caller.login,
        "REMOTE_ADDR": "127.0.0.1",
        "GIT_COMMITTER_NAME": caller.login or "anonymous",
        "GIT_COMMITTER_EMAIL": f"{caller.login or 'anonymous'}@forge",
        "FORGE_HOOK": hook,
    }
    if headers.get("Git-Protocol"):
        env["GIT_PROTOCOL"] = headers.get("Git-Protocol", "")
    process = subprocess.Popen(
        ["git", "http-backend"], stdin=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    )
    assert process.stdout is not None
    status, found = 200, []
    while (line := process.stdout.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            found.append((name, value.strip()))
    return Answer(status, found, process.stdout, process)


def new_hook_name() -> str:
    return secrets.token_hex(12)


def received(forge: Forge, push: Push) -> None:
    """After a push: which refs really moved, and what follows from that. The forge is locked."""
    moved = []
    for update in push.updates:
        now = push.repo.git.ref(update.ref) or ZERO
        if now == update.new and update.new != update.old:
            moved.append(update)
    if not moved:
        return
    repo, branches = (
        push.repo,
        [u.ref.removeprefix("refs/heads/") for u in moved if u.ref.startswith("refs/heads/")],
    )
    default = repo.data["default_branch"]
    if branches and not repo.git.ref(f"refs/heads/{default}") and default not in branches:
        # The first branch that ever arrives becomes the default one.
        repo.data["default_branch"] = branches[0]
        repo.git.run("symbolic-ref", "HEAD", f"refs/heads/{branches[0]}")
    pulls.moved(repo, push.caller, moved)
    push.call.refs = [update.ref for update in moved]
    push.call.effect = True
    forge.save()
