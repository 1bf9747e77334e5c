"""REST: releases with their assets; a draft has no tag, publishing makes it."""

from __future__ import annotations

import hashlib
import mimetypes
import re

from tests.forge import events, pulls, rules, shapes
from tests.forge.access import Refused, can_push, invalid
from tests.forge.calls import REPO, TOP, Reply, Request
from tests.forge.plumbing import ZERO, now
from tests.forge.repo import Repo
from tests.forge.rules import Update
from tests.forge.state import Json


def asset_shape(repo: Repo, record: Json, tag: str) -> Json:
    """An asset; its API address gives the bytes for Accept: application/octet-stream."""
    return {
        "url": f"{repo.api}/releases/assets/{record['id']}",
        "browser_download_url": f"{repo.url}/releases/download/{tag}/{record['name']}",
        "id": record["id"],
        "node_id": f"RA_{record['id']}",
        "name": record["name"],
        "label": record["label"],
        "state": record["state"],
        "content_type": record["content_type"],
        "size": record["size"],
        "digest": f"sha256:{record['sha256']}" if record["state"] == "uploaded" else None,
        "download_count": record["downloads"],
        "created_at": record["created_at"],
        "updated_at": record["created_at"],
        "uploader": shapes.user(repo.forge, record["uploader"]),
    }


def shape(repo: Repo, record: Json) -> Json:
    """A release; where its assets go is this server's own address."""
    api, tag = f"{repo.api}/releases/{record['id']}", record["tag_name"]
    upload = api.replace("/api/v3/", "/api/uploads/", 1)
    page = f"untagged-{record['id']}" if record["draft"] else tag
    return {
        "url": api,
        "html_url": f"{repo.url}/releases/tag/{page}",
        "assets_url": f"{api}/assets",
        "upload_url": f"{upload}/assets{{?name,label}}",
        "tarball_url": None if record["draft"] else f"{repo.api}/tarball/{tag}",
        "zipball_url": None if record["draft"] else f"{repo.api}/zipball/{tag}",
        "id": record["id"],
        "node_id": f"RE_{record['id']}",
        "tag_name": tag,
        "target_commitish": record["target_commitish"],
        "name": record["name"],
        "body": record["body"],
        "draft": record["draft"],
        "prerelease": record["prerelease"],
        "immutable": False,
        "created_at": record["created_at"],
        "published_at": record["published_at"],
        "author": shapes.user(repo.forge, record["author"]),
        "assets": [asset_shape(repo, asset, tag) for asset in record["assets"]],
    }


def _find(request: Request, repo: Repo, number: str) -> Json:
    found: Json | None = next((r for r in repo.data["releases"] if str(r["id"]) == number), None)
    if found is None or (found["draft"] and not can_push(request.forge.state, request.caller, repo.data)):
        raise Refused(404, "Not Found")
    return found


def _taken(repo: Repo, tag: str, but: int = 0) -> bool:
    return any(r["tag_name"] == tag and not r["draft"] and r["id"] != but for r in repo.data["releases"])


def _publish(request: Request, repo: Repo, record: Json, actions: list[str]) -> None:
    """Make the tag if there is none, and tell."""
    tag = f"refs/tags/{record['tag_name']}"
    if not repo.git.ok("check-ref-format", tag):
        raise invalid("Release", field="tag_name", message="tag_name is not a valid tag")
    if repo.git.ref(tag) is None:
        target = record["target_commitish"]
        sha = repo.git.resolve(f"refs/heads/{target}") or repo.git.resolve(target)
        if sha is None or (sha != target and repo.head(target) is None):
            raise invalid("Release", field="target_commitish", code="invalid")
        update = Update(ZERO, sha, tag)
        if rules.judge(repo, request.caller, [update], repo.git):
            raise invalid(
                "Release", field="pre_receive", message="pre_receive Repository rule violations found"
            )
        repo.git.update(tag, sha, ZERO)
        pulls.moved(repo, request.caller, [update])
    record |= {"draft": False, "published_at": now()}
    for action in actions:
        payload = {"release": shape(repo, record)}
        sha = repo.git.resolve(tag) or ""
        events.emit(repo, request.caller, "release", payload, action=action, ref=tag, sha=sha)


@REPO.on("GET", "/releases")
def listed(request: Request, repo: Repo) -> Reply:
    """Newest first; drafts only for those who may push."""
    request.need(repo, "contents: read")
    pushes = can_push(request.forge.state, request.caller, repo.data)
    found = [r for r in reversed(repo.data["releases"]) if pushes or not r["draft"]]
    return request.pages(found, lambda record: shape(repo, record))


@REPO.on("POST", "/releases")
def create(request: Request, repo: Repo) -> Reply:
    request.need(repo, "contents: write")
    asked = request.json()
    tag = asked.get("tag_name", "")
    if not tag:
        raise invalid("Release", field="tag_name", code="missing_field")
    draft = bool(asked.get("draft"))
    # Two drafts of one tag are no error on GitHub: whoever makes drafts must look first.
    if not draft and _taken(repo, tag):
        raise invalid("Release", field="tag_name", code="already_exists")
    pulls.check_body("Release", None)
    if len(asked.get("body") or "") > 125000:
        said = "body is too long (maximum is 125000 characters)"
        raise invalid("Release", field="body", message=said)
    record: Json = {
        "id": request.forge.state.number(),
        "tag_name": tag,
        "target_commitish": asked.get("target_commitish") or repo.data["default_branch"],
        "name": asked.get("name"),
        "body": asked.get("body"),
        "draft": draft,
        "prerelease": bool(asked.get("prerelease")),
        "author": request.caller.login,
        "created_at": now(),
        "published_at": None,
        "assets": [],
    }
    if not draft:
        _publish(request, repo, record, [])
    repo.data["releases"].append(record)
    if not draft:
        _publish(request, repo, record, ["created", "published", "released"])
    return Reply(201, shape(repo, record))


@REPO.on("GET", "/releases/latest")
def latest(request: Request, repo: Repo) -> Reply:
    request.need(repo, "contents: read")
    found = [r for r in repo.data["releases"] if not r["draft"] and not r["prerelease"]]
    if not found:
        raise Refused(404, "Not Found")
    return Reply(200, shape(repo, max(found, key=lambda r: (r["published_at"], r["id"]))))


@REPO.on("GET", "/releases/tags/{tag*}")
def by_tag(request: Request, repo: Repo, tag: str) -> Reply:
    """A published release: drafts have no tag, and are not found by it."""
    request.need(repo, "contents: read")
    found = next((r for r in repo.data["releases"] if r["tag_name"] == tag and not r["draft"]), None)
    if found is None:
        raise Refused(404, "Not Found")
    return Reply(200, shape(repo, found))


@REPO.on("GET", "/releases/{number}")
def get(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "contents: read")
    return Reply(200, shape(repo, _find(request, repo, number)))


@REPO.on("PATCH", "/releases/{number}")
def edit(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "contents: write")
    record, asked = _find(request, repo, number), request.json()
    tag = str(asked.get("tag_name") or record["tag_name"])
    published = not record["draft"] or asked.get("draft") is False
    if published and _taken(repo, tag, record["id"]):
        raise invalid("Release", field="tag_name", code="already_exists")
    known = ("tag_name", "target_commitish", "name", "body", "prerelease")
    record |= {key: asked[key] for key in known if key in asked}
    if asked.get("draft") is False and record["draft"]:
        _publish(request, repo, record, ["published", "released"])
    elif not record["draft"]:
        payload = {"release": shape(repo, record)}
        events.emit(repo, request.caller, "release", payload, action="edited", ref=f"refs/tags/{tag}")
    return Reply(200, shape(repo, record))


@REPO.on("DELETE", "/releases/{number}")
def delete(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "contents: write")
    record = _find(request, repo, number)
    repo.data["releases"].remove(record)
    if not record["draft"]:
        events.emit(repo, request.caller, "release", {"release": shape(repo, record)}, action="deleted")
    return Reply(204)


# --- assets --------------------------------------------------------------------------------------------


@REPO.on("GET", "/releases/{number}/assets")
def assets(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "contents: read")
    record = _find(request, repo, number)
    return request.pages(record["assets"], lambda asset: asset_shape(repo, asset, record["tag_name"]))


@REPO.on("POST", "/releases/{number}/assets")
def upload(request: Request, repo: Repo, number: str) -> Reply:
    """Store the body as an asset; the fault "starter" leaves GitHub's half-made one behind."""
    request.need(repo, "contents: write")
    if not request.path.startswith("/api/uploads/"):
        raise Refused(404, "Not Found")
    record = _find(request, repo, number)
    # GitHub renames what it does not like in a file's name.
    name = re.sub(r"[^A-Za-z0-9._@+~-]+", ".", request.query.get("name", ""))
    if not name.strip("."):
        raise invalid("ReleaseAsset", field="name", code="missing_field")
    if any(asset["name"] == name for asset in record["assets"]):
        raise invalid("ReleaseAsset", field="name", code="already_exists")
    if not request.raw:
        raise Refused(400, "Bad Content-Length: ")
    broken = request.call.fault == "starter"
    data = b"" if broken else request.raw
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    asset: Json = {
        "id": request.forge.state.number(),
        "name": name,
        "label": request.query.get("label") or None,
        "state": "starter" if broken else "uploaded",
        "content_type": request.headers.get("Content-Type") or guessed,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "downloads": 0,
        "created_at": now(),
        "uploader": request.caller.login,
    }
    path = request.forge.state.asset(asset["id"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    record["assets"].append(asset)
    if broken:
        request.forge.save()
        raise Refused(502, "Server Error")
    return Reply(201, asset_shape(repo, asset, record["tag_name"]))


def _asset(request: Request, repo: Repo, number: str) -> tuple[Json, Json]:
    for record in repo.data["releases"]:
        for asset in record["assets"]:
            if str(asset["id"]) == number:
                return _find(request, repo, str(record["id"])), asset
    raise Refused(404, "Not Found")


@REPO.on("GET", "/releases/assets/{number}")
def get_asset(request: Request, repo: Repo, number: str) -> Reply:
    """What the asset is; or, asked for octets, where its bytes are: elsewhere, without the token, as on GitHub."""
    request.need(repo, "contents: read")
    record, asset = _asset(request, repo, number)
    if "octet-stream" not in request.headers.get("Accept", ""):
        return Reply(200, asset_shape(repo, asset, record["tag_name"]))
    if asset["state"] != "uploaded":
        raise Refused(404, "Not Found")
    asset["downloads"] += 1
    place = f"{request.forge.api}/storage/{asset['id']}/{asset['sha256']}"
    return Reply(302, None, {"Location": place})


@TOP.on("GET", "/storage/{number}/{sha}")
def storage(request: Request, number: str, sha: str) -> Reply:
    """The bytes behind a signed address: the digest is the signature, no token is asked for."""
    path = request.forge.state.asset(int(number))
    data = path.read_bytes() if path.exists() else b""
    if not path.exists() or hashlib.sha256(data).hexdigest() != sha:
        raise Refused(404, "Not Found")
    return Reply(200, data, kind="application/octet-stream")


@REPO.on("DELETE", "/releases/assets/{number}")
def delete_asset(request: Request, repo: Repo, number: str) -> Reply:
    request.need(repo, "contents: write")
    record, asset = _asset(request, repo, number)
    record["assets"].remove(asset)
    request.forge.state.asset(asset["id"]).unlink(missing_ok=True)
    return Reply(204)
