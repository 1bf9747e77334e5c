"""Pages for a person to look: repository, pull request, release, statuses, runs, files."""

from __future__ import annotations

import html
import mimetypes
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.forge import access, rules
from tests.forge.access import Caller, Refused, readable
from tests.forge.calls import Reply
from tests.forge.state import Json

if TYPE_CHECKING:
    from tests.forge.forge import Forge
    from tests.forge.repo import Repo

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328}
a{color:#0969da;text-decoration:none}a:hover{text-decoration:underline}
h1,h2,h3{line-height:1.25;font-weight:600}h2{border-bottom:1px solid #d1d9e0;padding-bottom:.3rem;margin-top:2rem}
table{border-collapse:collapse;margin:.5rem 0}td,th{border:1px solid #d1d9e0;padding:.25rem .75rem;text-align:left}
pre,code{background:#f6f8fa;border-radius:6px;font:14px/1.45 ui-monospace,monospace}pre{padding:1rem;overflow:auto}
code{padding:.1rem .3rem}pre code{padding:0}img{max-width:100%}
.box{border:1px solid #d1d9e0;border-radius:6px;margin:1rem 0;padding:.5rem 1rem}.by{color:#59636e;font-size:14px}
.pill{border-radius:1rem;color:#fff;font-size:14px;padding:.1rem .7rem;background:#59636e}
.open,.success{background:#1a7f37}.merged{background:#8250df}.closed,.failure,.error{background:#cf222e}
.pending{background:#9a6700}
.mark{display:inline-block;min-width:1.25em;padding:0 .1em;border-radius:.25em;color:#fff;background:#59636e;
font-size:.85em;font-weight:700;line-height:1.35;text-align:center}
.yes{background:#1a7f37}.no{background:#cf222e;border-radius:1em}.ask{background:#9a6700}
"""
# GitHub draws these as pictures of its own; here they must not hang on a font with emoji in it.
MARKS = {
    "✅": "yes ✓",
    "⛔": "no \N{MINUS SIGN}",
    "✋": "ask !",
    "⚠": "ask !",
    "❔": "ask ?",
    "💤": " z",
    "☕": " …",
    "📝": " ✎",
    "🚀": "yes ↑",
    "🔁": " ↻",
    "☑": "yes ✓",
}


def esc(text: object) -> str:
    return html.escape(str(text if text is not None else ""))


def markdown(text: str | None) -> str:
    """Markdown as GitHub shows it: tables, <details>, pictures; the plain text without the library."""
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        return f"<pre>{esc(text)}</pre>"
    made = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text or "")
    for mark, shown in MARKS.items():
        kind, _, sign = shown.partition(" ")
        made = re.sub(f"{mark}\ufe0f?", f'<span class="mark {kind}">{sign}</span>', made)
    # GitHub runs no script of a comment.
    return re.sub(r"(?is)<script.*?</script\s*>|\son\w+\s*=\s*(\"[^\"]*\"|'[^']*')", "", made)


def pictures(repo: Repo, sha: str, rendered: str) -> str:
    """Relative pictures and links, as they stand in the repository at a revision."""

    def absolute(found: re.Match[str]) -> str:
        kind = "raw" if found[1] == "src" else "blob"
        return f'{found[1]}="/{repo.slug}/{kind}/{sha}/{found[2]}"'

    return re.sub(r'(src|href)="(?!https?:|data:|mailto:|/|#)([^"]+)"', absolute, rendered)


def _show(title: str, repo: Repo | None, body: Iterable[str]) -> Reply:
    home = f'<p><a href="/">forge</a> / <a href="/{repo.slug}">{esc(repo.slug)}</a></p>' if repo else ""
    head = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{esc(title)}</title><style>{STYLE}</style>"
    )
    text = f"{head}{home}<h1>{esc(title)}</h1>{''.join(body)}</html>"
    return Reply(200, text.encode(), kind="text/html; charset=utf-8")


def _list(title: str, items: Iterable[str]) -> str:
    found = "".join(f"<li>{item}</li>" for item in items)
    return f"<h2>{esc(title)}</h2>" + (f"<ul>{found}</ul>" if found else "<p class=by>none</p>")


def _pill(state: str) -> str:
    return f'<span class="pill {esc(state)}">{esc(state)}</span>'


def _state(record: Json) -> str:
    return "merged" if record["pull"] and record["pull"]["merged"] else str(record["state"])


def page(forge: Forge, caller: Caller, path: str) -> Reply:
    """The page at a path. Pages are for whoever sits at this machine: private repositories are shown too."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return _show("Repositories", None, [_list("All", (_link(r) for r in forge.repos()))])
    repo = forge.repo("/".join(parts[:2])) if len(parts) > 1 else None
    if repo is None:
        raise Refused(404, "Not Found")
    rest = parts[2:]
    match rest:
        case []:
            return _repository(repo)
        case ["pull" | "issues", number] if number.isdigit():
            return _issue(repo, repo.record(int(number)))
        case ["commit", sha]:
            return _commit(repo, sha)
        case ["actions"] | ["actions", "runs"]:
            return _runs(repo, repo.data["runs"])
        case ["actions", "runs", number]:
            return _runs(repo, [run for run in repo.data["runs"] if str(run["id"]) == number])
        case ["raw", *place]:
            return _file(repo, place, raw=True)
        case ["blob", *place]:
            return _file(repo, place, raw=False)
        case ["compare", *place]:
            return _compare(repo, "/".join(place))
        case ["releases", "download", *place]:
            return _download(forge, caller, repo, "/".join(place[:-1]), place[-1])
        case ["releases"] | ["releases", "tag", *_]:
            return _releases(repo, "/".join(rest[2:]))
    raise Refused(404, "Not Found")


def _link(repo: Repo) -> str:
    return f'<a href="/{repo.slug}">{esc(repo.slug)}</a>{" (private)" if repo.data["private"] else ""}'


def _repository(repo: Repo) -> Reply:
    branch = repo.data["default_branch"]
    tip = repo.head(branch)
    readme = repo.file(tip, "README.md") if tip else None
    issues = list(reversed(repo.data["issues"].values()))

    def numbered(record: Json) -> str:
        kind = "pull" if record["pull"] else "issues"
        address = f"/{repo.slug}/{kind}/{record['number']}"
        return f'{_pill(_state(record))} <a href="{address}">#{record["number"]} {esc(record["title"])}</a>'

    body = [
        f"<p class=by>{'private' if repo.data['private'] else 'public'} · <code>git clone {esc(repo.git_url)}</code>"
        f' · <a href="/{repo.slug}/actions">runs</a> · <a href="/{repo.slug}/releases">releases</a></p>',
        _list("Pull requests", (numbered(r) for r in issues if r["pull"])),
        _list("Issues", (numbered(r) for r in issues if not r["pull"])),
        _list("Branches", (_revision(repo, n, sha) for n, sha in repo.branches().items())),
        _list("Tags", (_revision(repo, n, sha) for n, sha in repo.tags().items())),
    ]
    if readme and tip:
        shown = pictures(repo, tip, markdown(readme.decode("utf-8", "replace")))
        body.append(f"<div class=box>{shown}</div>")
    return _show(repo.slug, repo, body)


def _revision(repo: Repo, name: str, sha: str) -> str:
    return f'{esc(name)} <a href="/{repo.slug}/commit/{sha}"><code>{sha[:8]}</code></a>'


def _statuses(repo: Repo, sha: str) -> str:
    rows, seen = [], set()
    for status in repo.statuses(sha):
        if status["context"] not in seen:
            seen.add(status["context"])
            rows.append(
                f"<tr><td>{_pill(status['state'])}<td><b>{esc(status['context'])}</b><td>{esc(status['description'])}"
                f"<td class=by>{esc(status['creator']['login'])}"
            )
    return f"<table>{''.join(rows)}</table>" if rows else "<p class=by>No statuses.</p>"


def _box(repo: Repo, sha: str, who: str, at: str, text: str | None) -> str:
    shown = pictures(repo, sha, markdown(text))
    return f"<div class=box><p class=by><b>{esc(who)}</b> {_time(at)}</p>{shown}</div>"


def _time(at: str) -> str:
    """2026-11-21T06:32:41Z, for people."""
    return esc(at.replace("T", " ").replace("Z", " UTC"))


def _issue(repo: Repo, record: Json) -> Reply:
    data = record["pull"]
    sha = data["head"]["sha"] if data else repo.head(repo.data["default_branch"]) or ""
    body = [f"<p>{_pill(_state(record))} opened by <b>{esc(record['user'])}</b>"]
    body.append(" ".join(f"<code>{esc(name)}</code>" for name in record["labels"]))
    if data:
        body.append(
            f" · {esc(data['head']['ref'])} into {esc(data['base']['ref'])} · {_revision(repo, '', sha)}</p>"
        )
    body.append(_box(repo, sha, record["user"], record["created_at"], record["body"]))
    body += [
        _box(repo, sha, c["user"]["login"], c["updated_at"], c["body"])
        for c in repo.comments(record["number"])
    ]
    if data:
        for review in data["reviews"]:
            said = f"**{review['state']}** {review['body']}"
            body.append(_box(repo, sha, review["user"], review["submitted_at"], said))
        body.append(f"<h2>Statuses</h2>{_statuses(repo, sha)}")
        if record["state"] == "open":
            against = (
                ["This branch has conflicts"] if data["conflict"] else rules.merge_refusals(repo, record)
            )
            body.append(_list("Against merging", map(esc, against)))
        start = repo.git.merge_base(data["base"]["sha"], sha)
        changed = repo.git.changes(start, sha) if start else []
        address = f"/{repo.slug}/blob/{sha}"
        listed = (
            f'{c.status} <a href="{address}/{esc(c.path)}">{esc(c.path)}</a> +{c.additions} -{c.deletions}'
            for c in changed
        )
        body.append(_list("Files changed", listed))
    return _show(f"{record['title']} #{record['number']}", repo, body)


def _commit(repo: Repo, name: str) -> Reply:
    sha = repo.git.resolve(name)
    if sha is None:
        raise Refused(404, "Not Found")
    patch = repo.git.text("show", "--stat", "--patch", "--format=%an%n%aI%n%n%B", sha)
    return _show(f"Commit {sha[:8]}", repo, [_statuses(repo, sha), f"<pre>{esc(patch[:200_000])}</pre>"])


def _compare(repo: Repo, place: str) -> Reply:
    base, _, head = place.rpartition("...")
    if not base or not all(repo.git.resolve(name) for name in (base, head)):
        raise Refused(404, "Not Found")
    patch = repo.git.text("diff", f"{base}...{head}")
    asked = f"<p>Open a pull request from <b>{esc(head)}</b> into <b>{esc(base)}</b> with the REST API.</p>"
    return _show(f"Comparing {base} and {head}", repo, [asked, f"<pre>{esc(patch[:200_000])}</pre>"])


def _runs(repo: Repo, runs: list[Json]) -> Reply:
    body = []
    for run in reversed(runs):
        jobs = "".join(f"<tr><td>{esc(name)}<td>{_pill(result)}" for name, result in run["jobs"].items())
        title = f'<a href="/{repo.slug}/actions/runs/{run["id"]}">{esc(run["name"])}</a>'
        about = f"<p class=by>{esc(run['event'])} · {_time(run['at'])}</p>"
        shown = markdown(run["summary"])
        body.append(
            f"<div class=box id=run-{run['id']}><h3>{title} {_pill(run['result'])}</h3>{about}<table>{jobs}</table>{shown}</div>"
        )
    return _show("Runs", repo, body or ["<p class=by>none</p>"])


def _releases(repo: Repo, tag: str) -> Reply:
    body = []
    for release in repo.releases():
        if tag and release["tag_name"] != tag:
            continue
        where = (
            f'<a href="/{repo.slug}/releases/tag/{esc(release["tag_name"])}">{esc(release["tag_name"])}</a>'
        )
        draft = " (draft)" if release["draft"] else ""
        files = (
            f'<a href="{esc(a["browser_download_url"])}">{esc(a["name"])}</a> {a["size"]:,} bytes'
            for a in release["assets"]
        )
        shown = pictures(repo, release["target_commitish"], markdown(release["body"]))
        body.append(f"<h2>{esc(release['name'] or '')} {where}{draft}</h2>{shown}{_list('Assets', files)}")
    if tag and not body:
        raise Refused(404, "Not Found")
    return _show("Releases", repo, body or ["<p class=by>none</p>"])


def _download(forge: Forge, caller: Caller, repo: Repo, tag: str, name: str) -> Reply:
    """An asset by its tag and name; of a private repository only with a token that may read."""
    if not readable(forge.state, caller, repo.data) and caller.kind != "anonymous":
        raise Refused(404, "Not Found")
    if repo.data["private"] and (
        caller.kind == "anonymous" or access.role(forge.state, repo.data, caller.login) == "none"
    ):
        raise Refused(404, "Not Found")
    published = any(r["tag_name"] == tag and not r["draft"] for r in repo.data["releases"])
    data = repo.asset(tag, name) if published else None
    if data is None:
        raise Refused(404, "Not Found")
    return Reply(
        200, data, {"Content-Disposition": f'attachment; filename="{name}"'}, "application/octet-stream"
    )


def _file(repo: Repo, place: list[str], raw: bool) -> Reply:
    """A file at a revision; a branch's name may hold slashes."""
    for cut in range(1, len(place)):
        revision, path = "/".join(place[:cut]), "/".join(place[cut:])
        data = repo.file(revision, path) if repo.git.resolve(revision) else None
        if data is None:
            continue
        kind = mimetypes.guess_type(path)[0] or "text/plain; charset=utf-8"
        if raw:
            return Reply(200, data, kind=kind)
        if kind.startswith("image/"):
            shown = f'<img src="/{repo.slug}/raw/{revision}/{esc(path)}" alt="{esc(path)}">'
        elif path.endswith(".md"):
            folder = path.rpartition("/")[0]
            text = pictures(
                repo, f"{revision}/{folder}".rstrip("/"), markdown(data.decode("utf-8", "replace"))
            )
            shown = f"<div class=box>{text}</div>"
        else:
            shown = f"<pre>{esc(data[:500_000].decode('utf-8', 'replace'))}</pre>"
        return _show(path, repo, [shown])
    raise Refused(404, "Not Found")
