"""REST over git: refs, tags, branches, comparisons, contents."""

from __future__ import annotations

import base64

from tests.forge import pulls, rules, shapes
from tests.forge.access import Refused, invalid
from tests.forge.calls import REPO, Reply, Request
from tests.forge.plumbing import EMPTY_TREE, ZERO, GitError, now
from tests.forge.repo import Repo
from tests.forge.rest_commits import resolve
from tests.forge.rules import Update
from tests.forge.state import Json

# --- refs and tags -------------------------------------------------------------------------------------


def _ref(repo: Repo, name: str, sha: str) -> Json:
    kind = repo.git.kind(sha)
    target = {"type": kind, "sha": sha, "url": f"{repo.api}/git/{kind}s/{sha}"}
    return {"ref": name, "node_id": f"REF_{name}", "url": f"{repo.api}/git/{name}", "object": target}


def change_ref(request: Request, repo: Repo, update: Update) -> None:
    """Move a ref by REST: the same rules as for a push, the same events."""
    said = rules.judge(repo, request.caller, [update], repo.git)
    if said:
        raise Refused(422, "Repository rule violations found\n\n" + "\n".join(said))
    repo.git.update(update.ref, None if update.new == ZERO else update.new, update.old)
    pulls.moved(repo, request.caller, [update])


@REPO.on("GET", "/git/refs")
def refs(request: Request, repo: Repo) -> Reply:
    request.need(repo, "contents: read")
    return request.pages(list(repo.git.refs().items()), lambda pair: _ref(repo, *pair))


@REPO.on("GET", "/git/matching-refs/{name*}")
def matching(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "contents: read")
    found = [pair for pair in repo.git.refs().items() if pair[0].startswith(f"refs/{name}")]
    return request.pages(found, lambda pair: _ref(repo, *pair))


@REPO.on("GET", "/git/refs/{name*}")
def old_ref(request: Request, repo: Repo, name: str) -> Reply:
    return ref(request, repo, name)


@REPO.on("GET", "/git/ref/{name*}")
def ref(request: Request, repo: Repo, name: str) -> Reply:
    """One ref by its full name."""
    request.need(repo, "contents: read")
    found = repo.git.refs(f"refs/{name}").get(f"refs/{name}")
    if found is None:
        raise Refused(404, "Not Found")
    return Reply(200, _ref(repo, f"refs/{name}", found))


@REPO.on("POST", "/git/refs")
def create_ref(request: Request, repo: Repo) -> Reply:
    request.need(repo, "contents: write")
    asked = request.json()
    name, sha = asked.get("ref", ""), asked.get("sha", "")
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refused(422, "Reference name must start with 'refs/' and have at least two slashes.")
    if not repo.git.ok("check-ref-format", name):
        raise Refused(422, f"{name} is not a valid ref name.")
    if repo.git.ref(name):
        raise Refused(422, "Reference already exists")
    if len(sha) != 40 or repo.git.kind(sha) is None:
        raise Refused(422, "Object does not exist")
    change_ref(request, repo, Update(ZERO, sha, name))
    return Reply(201, _ref(repo, name, sha))


@REPO.on("PATCH", "/git/refs/{name*}")
def update_ref(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "contents: write")
    full, asked = f"refs/{name}", request.json()
    old, new = repo.git.ref(full), asked.get("sha", "")
    if old is None:
        raise Refused(422, "Reference does not exist")
    if len(new) != 40 or repo.git.kind(new) is None:
        raise Refused(422, "Object does not exist")
    if not asked.get("force") and not repo.git.is_ancestor(old, new):
        raise Refused(422, "Update is not a fast forward")
    if old != new:
        change_ref(request, repo, Update(old, new, full))
    return Reply(200, _ref(repo, full, new))


@REPO.on("DELETE", "/git/refs/{name*}")
def delete_ref(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "contents: write")
    old = repo.git.ref(f"refs/{name}")
    if old is None:
        raise Refused(422, "Reference does not exist")
    change_ref(request, repo, Update(old, ZERO, f"refs/{name}"))
    return Reply(204)


@REPO.on("GET", "/git/commits/{sha}")
def git_commit(request: Request, repo: Repo, sha: str) -> Reply:
    request.need(repo, "contents: read")
    if repo.git.kind(sha) != "commit":
        raise Refused(404, "Not Found")
    return Reply(200, shapes.git_commit(repo, sha))


def _tag(repo: Repo, sha: str) -> Json:
    head, _, message = repo.git.run("cat-file", "tag", sha).decode("utf-8", "replace").partition("\n\n")
    fields = dict(line.split(" ", 1) for line in head.splitlines())
    who, _, rest = fields["tagger"].rpartition(" <")
    email = rest.partition(">")[0]
    kind = fields["type"]
    return {
        "node_id": f"TA_{sha}",
        "sha": sha,
        "tag": fields["tag"],
        "url": f"{repo.api}/git/tags/{sha}",
        "message": message.rstrip("\n"),
        "tagger": {"name": who, "email": email, "date": now()},
        "object": {
            "type": kind,
            "sha": fields["object"],
            "url": f"{repo.api}/git/{kind}s/{fields['object']}",
        },
        "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None},
    }


@REPO.on("POST", "/git/tags")
def create_tag(request: Request, repo: Repo) -> Reply:
    """An annotated tag's object; the ref is made by a second call."""
    request.need(repo, "contents: write")
    asked = request.json()
    sha, kind = asked.get("object", ""), asked.get("type", "commit")
    if repo.git.kind(sha) != kind:
        raise Refused(422, "Validation Failed", ["Could not resolve to a node with the SHA given."])
    user = request.forge.state.user(request.caller.login)
    tagger = asked.get("tagger") or {"name": user["login"], "email": user["email"]}
    text = f"object {sha}\ntype {kind}\ntag {asked.get('tag', '')}\n"
    text += f"tagger {tagger['name']} <{tagger['email']}> {_stamp(repo)}\n\n{asked.get('message', '')}\n"
    try:
        made = repo.git.text("mktag", data=text.encode())
    except GitError:
        raise invalid("Tag", field="tag", code="invalid") from None
    return Reply(201, _tag(repo, made))


def _stamp(repo: Repo) -> str:
    return repo.git.text("var", "GIT_COMMITTER_IDENT", env=_NOBODY).rpartition("> ")[2]


_NOBODY = {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@x"}


@REPO.on("GET", "/git/tags/{sha}")
def tag(request: Request, repo: Repo, sha: str) -> Reply:
    request.need(repo, "contents: read")
    if repo.git.kind(sha) != "tag":
        raise Refused(404, "Not Found")
    return Reply(200, _tag(repo, sha))


@REPO.on("GET", "/tags")
def tags(request: Request, repo: Repo) -> Reply:
    request.need(repo, "contents: read")

    def shape(pair: tuple[str, str]) -> Json:
        target = {"sha": pair[1], "url": f"{repo.api}/commits/{pair[1]}"}
        return {"name": pair[0], "commit": target, "zipball_url": "", "tarball_url": "", "node_id": pair[0]}

    return request.pages(sorted(repo.tags().items(), reverse=True), shape)


# --- branches, comparisons, contents -------------------------------------------------------------------


def _branch(repo: Repo, name: str, sha: str, full: bool) -> Json:
    shown = shapes.commit(repo, sha) if full else {"sha": sha, "url": f"{repo.api}/commits/{sha}"}
    protected = bool(rules.active(repo, f"refs/heads/{name}"))
    return {
        "name": name,
        "commit": shown,
        "protected": protected,
        "protection_url": f"{repo.api}/branches/{name}/protection",
    }


@REPO.on("GET", "/branches")
def branches(request: Request, repo: Repo) -> Reply:
    request.need(repo, "contents: read")
    return request.pages(sorted(repo.branches().items()), lambda pair: _branch(repo, pair[0], pair[1], False))


@REPO.on("GET", "/branches/{name*}")
def branch(request: Request, repo: Repo, name: str) -> Reply:
    request.need(repo, "contents: read")
    tip = repo.head(name)
    if tip is None:
        raise Refused(404, "Branch not found")
    return Reply(200, _branch(repo, name, tip, True))


@REPO.on("GET", "/compare/{base*}...{head*}")
def compare(request: Request, repo: Repo, base: str, head: str) -> Reply:
    request.need(repo, "contents: read")
    try:
        one, two = resolve(repo, base), resolve(repo, head.rpartition(":")[2])
    except Refused:
        raise Refused(404, "Not Found") from None
    start = repo.git.merge_base(one, two)
    if start is None:
        raise Refused(404, f"No common ancestor between {base} and {head}.")
    ahead, behind = repo.git.count(f"{one}..{two}"), repo.git.count(f"{two}..{one}")
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    place = f"{repo.url}/compare/{base}...{head}"
    body = {
        "url": f"{repo.api}/compare/{base}...{head}",
        "html_url": place,
        "permalink_url": place,
        "diff_url": f"{place}.diff",
        "patch_url": f"{place}.patch",
        "base_commit": shapes.commit(repo, one),
        "merge_base_commit": shapes.commit(repo, start),
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": [shapes.commit(repo, sha) for sha in repo.git.commits(two, f"^{one}")],
        "files": shapes.files(repo, start or EMPTY_TREE, two),
    }
    return Reply(200, body)


@REPO.on("GET", "/contents")
def top(request: Request, repo: Repo) -> Reply:
    return contents(request, repo, "")


@REPO.on("GET", "/contents/{path*}")
def contents(request: Request, repo: Repo, path: str) -> Reply:
    """A file or a folder at a revision."""
    request.need(repo, "contents: read")
    name = request.query.get("ref") or repo.data["default_branch"]
    try:
        revision = resolve(repo, name)
    except Refused:
        raise Refused(404, f"No commit found for the ref {name}") from None

    def shape(entry: str, kind: str, sha: str, size: int) -> Json:
        return {
            "type": {"blob": "file", "tree": "dir"}.get(kind, kind),
            "name": entry.rpartition("/")[2],
            "path": entry,
            "sha": sha,
            "size": size,
            "url": f"{repo.api}/contents/{entry}?ref={name}",
            "git_url": f"{repo.api}/git/{kind}s/{sha}",
            "html_url": f"{repo.url}/blob/{name}/{entry}",
            "download_url": f"{repo.url}/raw/{revision}/{entry}" if kind == "blob" else None,
        }

    data = repo.git.blob(revision, path) if path else None
    if data is None:
        found = repo.git.entries(revision, path)
        if not found:
            raise Refused(404, "Not Found")
        above = f"{path}/" if path else ""
        return Reply(200, [shape(above + entry, kind, sha, size) for entry, kind, sha, size in found])
    if "raw" in request.headers.get("Accept", ""):
        return Reply(200, data, kind="application/vnd.github.raw; charset=utf-8")
    sha = repo.git.resolve(f"{revision}:{path}", kind="") or ""
    small = len(data) <= 1 << 20
    encoded = base64.encodebytes(data).decode() if small else ""
    return Reply(
        200,
        {
            **shape(path, "blob", sha, len(data)),
            "content": encoded,
            "encoding": "base64" if small else "none",
        },
    )
