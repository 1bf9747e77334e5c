"""Everything is found before it is made, updated in place, left alone where it is right, and made once when an answer is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.suite.forge_script import ADA, API, BOT, Answer, Asked, Script, pull, scripted

from gitops_ml.errors import Fault
from gitops_ml.forge import patience, text
from gitops_ml.forge.client import Forge, connect
from gitops_ml.forge.errors import NotAllowed, Refused, Unsure
from gitops_ml.forge.issues import marker
from gitops_ml.forge.opening import Opened, open_or_explain

FORBIDDEN = Answer(403, {"message": "GitHub Actions is not permitted to create or approve pull requests."})
EXISTS = Answer(
    422, {"message": "Validation Failed", "errors": [{"code": "already_exists", "resource": "X"}]}
)


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted() as server:
        yield server


@pytest.fixture
def forge(script: Script) -> Forge:
    return connect(script.place, "ghs_token")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITOPS_ML_APP_SLUG", "GITOPS_ML_RETRY_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=lambda _: None))


def shelf(
    script: Script, listing: str, creating: str, made: Callable[[Asked], dict[str, Any]], *failures: Answer
) -> list[dict[str, Any]]:
    """A list on the server to which a POST adds; ``failures`` come first, and add too if they say so."""
    kept: list[dict[str, Any]] = []

    def add(asked: Asked) -> None:
        kept.append(made(asked))

    def create(asked: Asked) -> Answer:
        add(asked)
        return Answer(201, kept[-1])

    script.on(listing, lambda _: Answer(200, list(kept)))
    for failure in failures:
        if failure.effect:
            failure.effect = add
    script.on(creating, *failures, create)
    return kept


def lost(status: int = 0) -> Answer:
    """The server does it, and the answer never comes (or is a 5xx)."""
    return Answer(status or 200, {"message": "oops"}, drop=not status, effect=print)


NEVER = [Answer(drop=True), Answer(502, b"<html>")]  # it did nothing, and gave no answer
DONE = [lost(), lost(502)]


# Pull requests


def made_pull(asked: Asked) -> dict[str, Any]:
    head = {"ref": asked.body["head"], "sha": "a" * 40, "repo": {"full_name": "demo/churn"}}
    return pull(7, title=asked.body["title"], body=asked.body["body"], head=head)


def opened(forge: Forge, **changes: Any) -> Any:
    given = {"branch": "retrain/data", "base": "main", "title": "T", "body": "B", **changes}
    return forge.open_or_update(**given)


@pytest.mark.parametrize("failures", [[], [NEVER[0]], [NEVER[1]], [DONE[0]], [DONE[1]]])
def test_a_pull_request_is_opened_once(forge: Forge, script: Script, failures: list[Answer]) -> None:
    kept = shelf(script, "GET pulls", "POST pulls", made_pull, *(Answer(**vars(one)) for one in failures))
    assert opened(forge).number == 7
    assert len(kept) == 1
    assert script.asked[0].query["head"] == "demo:retrain/data"


def test_a_pull_request_that_another_run_opened_meanwhile_is_taken(forge: Forge, script: Script) -> None:
    script.on("GET pulls", [], [pull(3)])
    script.on("POST pulls", EXISTS)
    assert opened(forge).number == 3


def test_a_pull_request_stays_as_it_is(forge: Forge, script: Script) -> None:
    script.on("GET pulls", [pull(3, body="B\r\n", labels=[{"name": "a"}])])
    assert opened(forge, labels=["a"]).number == 3
    assert script.writes == []


def test_a_pull_request_is_updated_where_it_differs(forge: Forge, script: Script) -> None:
    script.on("GET pulls", [pull(3, labels=[{"name": "a"}])])
    script.on("PATCH pulls/3", lambda asked: Answer(200, pull(3, labels=[{"name": "a"}], **asked.body)))
    script.on("POST issues/3/labels", [])
    assert opened(forge, body="new", labels=["a", "b"]).body == "new"
    assert [asked.body for asked in script.asked[1:]] == [{"body": "new"}, {"labels": ["b"]}]


def test_a_fork_with_the_same_branch_is_not_ours(forge: Forge, script: Script) -> None:
    fork = pull(2, head={"ref": "retrain/data", "sha": "f" * 40, "repo": {"full_name": "eve/churn"}})
    gone = pull(4, head={"ref": "retrain/data", "sha": "f" * 40, "repo": None})
    other = pull(5, head={"ref": "else", "sha": "f" * 40, "repo": {"full_name": "demo/churn"}})
    script.on("GET pulls", [other, gone, fork])
    script.on("POST pulls", Answer(201, pull(9)))
    assert opened(forge).number == 9


def test_nothing_to_open_and_a_branch_never_pushed(forge: Forge, script: Script) -> None:
    script.on("GET pulls", [])
    for words, fix in (
        ({"message": "No commits between main and x", "code": "custom"}, "nothing to open"),
        ({"resource": "PullRequest", "field": "head", "code": "invalid"}, "git push origin"),
        ({"resource": "PullRequest", "field": "base", "code": "invalid"}, "base branch does not exist"),
    ):
        script.on("POST pulls", Answer(422, {"message": "Validation Failed", "errors": [words]}))
        with pytest.raises(Refused, match=fix):
            opened(forge)


def test_the_setting_that_forbids_it(forge: Forge, script: Script) -> None:
    script.on("GET pulls", [])
    script.on("POST pulls", FORBIDDEN)
    with pytest.raises(
        NotAllowed, match="Allow GitHub Actions to create and approve pull requests"
    ) as caught:
        opened(forge, branch="a#b/c")
    assert caught.value.compare_url == f"{script.url}/demo/churn/compare/main...a%23b/c?expand=1"


def test_a_missing_permission_is_not_taken_for_the_setting(forge: Forge, script: Script) -> None:
    script.on("GET pulls", [])
    script.on("POST pulls", Answer(403, {"message": "Resource not accessible by integration"}))
    with pytest.raises(Refused, match="pull-requests: write") as caught:
        opened(forge)
    assert not isinstance(caught.value, NotAllowed)


def test_an_outage_while_opening(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    script.on("GET pulls", [])
    script.on("POST pulls", Answer(503))
    with pytest.raises(Unsure):
        opened(connect(script.place, "ghs_x"))
    assert script.writes == ["POST pulls"]


def test_a_merged_and_a_closed_pull_request(forge: Forge, script: Script) -> None:
    script.on("GET pulls/1", pull(1, state="closed", merged=True, mergeable=True))
    merged = forge.pull(1)
    assert (merged.merged, merged.merge_commit, merged.mergeable, merged.fork) == (
        True,
        "c" * 40,
        True,
        False,
    )
    forge.close_pull(1, "bye")
    assert script.writes == []
    script.on("GET pulls/1", pull(1, user=None))
    assert forge.pull(1).merge_commit is None
    assert forge.pull(1).author == "ghost"


def test_closing_says_why_once(forge: Forge, script: Script) -> None:
    script.on("GET pulls/1", pull())
    kept = shelf(script, "GET issues/1/comments", "POST issues/1/comments", made_comment, lost())
    script.on("PATCH pulls/1", Answer(500), pull())
    forge.close_pull(1, "bye")
    forge.close_pull(1, "bye")  # as after a kill between comment and closing
    assert [one["body"] for one in kept] == ["bye"]
    assert script.asked[-1].body == {"state": "closed"}


# Comments


def made_comment(asked: Asked) -> dict[str, Any]:
    return {"id": 5, "user": BOT, "body": asked.body["body"], "html_url": "u5"}


@pytest.mark.parametrize("failures", [[], [NEVER[0]], [NEVER[1]], [DONE[0]], [DONE[1]]])
def test_the_comment_is_made_once(forge: Forge, script: Script, failures: list[Answer]) -> None:
    kept = shelf(
        script,
        "GET issues/1/comments",
        "POST issues/1/comments",
        made_comment,
        *(Answer(**vars(one)) for one in failures),
    )
    assert forge.comment(1, "hello") == "u5"
    assert [one["body"] for one in kept] == ["<!-- gitops-ml -->\nhello"]
    before = len(script.writes)
    assert forge.comment(1, "hello") == "u5"
    assert len(script.writes) == before


def test_the_comment_is_updated_in_place(forge: Forge, script: Script) -> None:
    quoted = {"id": 3, "user": BOT, "body": "> <!-- gitops-ml -->", "html_url": "u3"}
    people = {"id": 4, "user": ADA, "body": "<!-- gitops-ml -->\nmine", "html_url": "u4"}
    ours = {"id": 5, "user": BOT, "body": "<!-- gitops-ml -->\nold", "html_url": "u5"}
    script.on("GET issues/1/comments", [quoted, people, ours])
    script.on("PATCH issues/comments/5", {**ours, "body": "new"})
    assert forge.comment(1, "new") == "u5"
    assert script.asked[-1].body == {"body": "<!-- gitops-ml -->\nnew"}


def test_an_app_goes_on_where_github_token_began(
    forge: Forge, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITOPS_ML_APP_SLUG", "our-app")
    script.on(
        "GET issues/1/comments", [{"id": 5, "user": BOT, "body": "<!-- gitops-ml -->\nx", "html_url": "u5"}]
    )
    assert forge.comment(1, "x") == "u5"
    assert script.writes == []


def test_a_person_updates_what_they_wrote(script: Script) -> None:
    script.on("GET api/v3/user", {"login": "ada"})
    theirs = {
        "id": 3,
        "user": {"login": "eve", "type": "User"},
        "body": "<!-- gitops-ml -->",
        "html_url": "u3",
    }
    mine = {"id": 4, "user": ADA, "body": "<!-- gitops-ml -->\nsame", "html_url": "u4"}
    script.on("GET issues/1/comments", [theirs, mine])
    assert connect(script.place, "person").comment(1, "same") == "u4"
    assert script.writes == []


def test_a_long_comment_is_cut_and_stays_whole_markdown() -> None:
    long = "<details>\n\n```text\n" + "a line of text 🎉\n" * 10_000 + "```\n</details>"
    cut = text.body(long)
    assert len(cut.encode("utf-16-le")) // 2 < 65_536
    assert cut.endswith(text.NOTE)
    assert cut.removesuffix(text.NOTE).endswith("text 🎉\n```\n</details>")
    assert text.body("short\r\n") == "short\n"
    assert len(text.body("x" * 200_000)) < 65_536
    assert text.body("y" * 65_535) == "y" * 65_535
    assert text.body("y" * 65_536) != "y" * 65_536


# Statuses and reviews


def status(state: str, description: str, creator: dict[str, str] = BOT, **changes: Any) -> dict[str, Any]:
    return {
        "context": "gitops-ml",
        "state": state,
        "description": description,
        "creator": creator,
        "target_url": None,
        **changes,
    }


@pytest.mark.parametrize(
    ("there", "posts"),
    [
        ([], 1),
        ([status("success", "ok")], 0),
        ([status("success", "ok", context="other"), status("success", "ok")], 0),
        ([status("success", "ok", ADA)], 1),
        ([status("success", "ok", ADA), status("success", "ok")], 1),
        ([status("pending", "ok"), status("success", "ok")], 1),
        ([status("success", "other")], 1),
        ([status("success", "ok", target_url="http://x")], 1),
    ],
)
def test_a_status_is_set_unless_ours_is_the_newest(
    forge: Forge, script: Script, there: list[dict[str, Any]], posts: int
) -> None:
    script.on("GET commits/abc/statuses", there)
    script.on("POST statuses/abc", Answer(201, {}))
    forge.set_status("abc", "success", "ok")
    assert len(script.writes) == posts


@pytest.mark.parametrize("failures", [[NEVER[0]], [NEVER[1]], [DONE[0]], [DONE[1]]])
def test_a_status_is_set_once(forge: Forge, script: Script, failures: list[Answer]) -> None:
    def made(asked: Asked) -> dict[str, Any]:
        return {**asked.body, "creator": BOT}

    kept = shelf(
        script,
        "GET commits/abc/statuses",
        "POST statuses/abc",
        made,
        *(Answer(**vars(one)) for one in failures),
    )
    forge.set_status("abc", "failure", "x" * 200, url="http://run")
    assert len(kept) == 1
    assert kept[0]["description"] == "x" * 139 + "…"
    assert (kept[0]["context"], kept[0]["target_url"]) == ("gitops-ml", "http://run")


def test_statuses_and_reviews_are_read(forge: Forge, script: Script) -> None:
    script.on("GET commits/abc/statuses", [status("success", "lock 1"), status("error", "", {})])
    first, second = forge.statuses("abc")
    assert (first.creator, first.creator_type, first.description) == ("github-actions[bot]", "Bot", "lock 1")
    assert (second.creator, second.creator_type) == ("ghost", "User")
    script.on("GET pulls/1/reviews", [{"user": ADA, "state": "APPROVED", "commit_id": "abc"}])
    assert [(one.user, one.state, one.commit) for one in forge.reviews(1)] == [("ada", "APPROVED", "abc")]


@pytest.mark.parametrize(
    ("answer", "may"),
    [
        ({"permission": "admin"}, True),
        ({"permission": "write"}, True),
        ({"permission": "read", "role_name": "maintain"}, True),
        ({"permission": "read", "role_name": "triage"}, False),
        ({"permission": "none"}, False),
        (Answer(404, {"message": "octo is not a user"}), False),
    ],
)
def test_who_may_write(forge: Forge, script: Script, answer: Any, may: bool) -> None:
    script.on("GET collaborators/ada/permission", answer)
    assert forge.can_write("ada") is may


def test_who_may_write_is_not_guessed(forge: Forge, script: Script) -> None:
    script.on("GET collaborators/ada/permission", Answer(403, {"message": "Must have push access"}))
    with pytest.raises(Refused):
        forge.can_write("ada")


# Issues and labels


def issue(number: int, body: str, **changes: Any) -> dict[str, Any]:
    return {
        "number": number,
        "title": "T",
        "body": body,
        "user": BOT,
        "labels": [],
        "html_url": f"i{number}",
        **changes,
    }


@pytest.mark.parametrize("failures", [[], [NEVER[0]], [NEVER[1]], [DONE[0]], [DONE[1]]])
def test_one_issue_per_reason(forge: Forge, script: Script, failures: list[Answer]) -> None:
    def made(asked: Asked) -> dict[str, Any]:
        labels = [{"name": name} for name in asked.body["labels"]]
        return issue(8, asked.body["body"], title=asked.body["title"], labels=labels)

    kept = shelf(script, "GET issues", "POST issues", made, *(Answer(**vars(one)) for one in failures))
    assert forge.issue("stale data", "Title", "Text", ["l"]) == "i8"
    assert len(kept) == 1 and kept[0]["body"].startswith("<!-- gitops-ml: stale data -->\n")
    before = len(script.writes)
    assert forge.issue("stale data", "Title", "Text", ["l"]) == "i8"
    assert len(script.writes) == before


def test_the_issue_is_told_from_others_and_updated(forge: Forge, script: Script) -> None:
    ours = issue(4, marker("a") + "\nold")
    script.on(
        "GET issues",
        [
            issue(1, marker("a"), pull_request={}),
            issue(2, marker("b")),
            issue(3, marker("a"), user=ADA),
            ours,
            issue(5, marker("a")),
            issue(6, None),  # type: ignore[arg-type]
        ],
    )
    script.on("PATCH issues/4", lambda asked: Answer(200, {**ours, **asked.body}))
    script.on("POST issues/4/labels", [])
    assert forge.issue("a", "New", "new", ["l"]) == "i4"
    assert [asked.body for asked in script.asked[1:]] == [
        {"title": "New", "body": f"{marker('a')}\nnew"},
        {"labels": ["l"]},
    ]
    assert script.asked[0].query["state"] == "open"


def test_an_issue_is_closed_with_its_reason(forge: Forge, script: Script) -> None:
    script.on("GET issues", [issue(4, marker("a"))])
    shelf(script, "GET issues/4/comments", "POST issues/4/comments", made_comment)
    script.on("PATCH issues/4", issue(4, ""))
    forge.close_issue("a", "It passed.")
    assert script.writes == ["POST issues/4/comments", "PATCH issues/4"]
    assert script.asked[-1].body == {"state": "closed", "state_reason": "completed"}
    forge.close_issue("b", "nothing there")
    assert len(script.writes) == 2


def test_labels_that_are_missing_are_made(forge: Forge, script: Script) -> None:
    script.on(
        "GET labels", [{"name": "GitOps-ML: deploy", "color": "ffffff"}], [{"name": "gitops-ml: retrain"}]
    )
    script.on("POST labels", EXISTS)
    forge.labels({"gitops-ml: deploy": ("0e8a16", "d"), "gitops-ml: retrain": ("#5319e7", "r")})
    assert [asked.body for asked in script.asked if asked.method == "POST"] == [
        {"name": "gitops-ml: retrain", "color": "5319e7", "description": "r"}
    ]


# Tags, releases, dispatches


def tagged(script: Script, sha: str | None, tag: str = "churn@v1.0.0") -> None:
    path = f"GET git/ref/tags/{tag.replace('@', '%40')}"
    script.on(
        path,
        Answer(404, {"message": "Not Found"})
        if sha is None
        else Answer(200, {"object": {"type": "commit", "sha": sha}}),
    )


def test_a_tag_through_its_object(forge: Forge, script: Script) -> None:
    script.on("GET git/ref/tags/v1", {"object": {"type": "tag", "sha": "t1"}})
    script.on("GET git/tags/t1", {"object": {"type": "commit", "sha": "abc"}})
    assert forge.tag_sha("v1") == "abc"
    script.on("GET git/ref/tags/v1", Answer(404, {"message": "Not Found"}))
    assert forge.tag_sha("v1") is None
    script.on("GET git/ref/tags/v1", Answer(409, {"message": "Git Repository is empty."}))
    assert forge.tag_sha("v1") is None


def test_a_tag_is_made_once_and_never_moved(forge: Forge, script: Script) -> None:
    tagged(script, None)
    script.on("POST git/tags", Answer(201, {"sha": "t1"}))

    def arrived(_: Asked) -> None:
        tagged(script, "a" * 40)

    script.on("POST git/refs", Answer(drop=True, effect=arrived))
    forge.create_tag("churn@v1.0.0", "a" * 40, "churn 1.0.0")
    assert script.asked[-2].body == {"ref": "refs/tags/churn@v1.0.0", "sha": "t1"}
    before = len(script.writes)
    forge.create_tag("churn@v1.0.0", "a" * 40, "churn 1.0.0")
    assert len(script.writes) == before
    with pytest.raises(Fault, match=r"never moved"):
        forge.create_tag("churn@v1.0.0", "b" * 40, "churn 1.0.0")
    assert len(script.writes) == before


def test_a_tag_that_another_run_made_on_another_commit(forge: Forge, script: Script) -> None:
    tagged(script, None)
    script.on("POST git/refs", Answer(422, {"message": "Reference already exists"}))
    script.routes["POST git/refs"][0].effect = lambda _: tagged(script, "b" * 40)
    with pytest.raises(Fault, match="never moved"):
        forge.create_tag("churn@v1.0.0", "a" * 40)
    assert script.writes == ["POST git/refs"]


class Shop:
    """Releases as GitHub keeps them: drafts and assets, with a name that it changes."""

    def __init__(self, script: Script) -> None:
        self.releases: list[dict[str, Any]] = []
        self.assets: list[dict[str, Any]] = []
        self.script = script
        script.on("GET releases", lambda _: Answer(200, list(self.releases)))
        script.on("POST releases", lambda asked: Answer(201, self.create(asked)))
        script.on("PATCH releases/1", self.patch)
        script.on("GET releases/1/assets", lambda _: Answer(200, list(self.assets)))
        script.on("POST up/1", lambda asked: Answer(201, self.upload(asked)))

    def create(self, asked: Asked) -> dict[str, Any]:
        self.releases.append(
            {
                **asked.body,
                "id": 1,
                "upload_url": f"{self.script.url}{API}/up/1{{?name,label}}",
                "html_url": "draft",
            }
        )
        return self.releases[-1]

    def patch(self, asked: Asked) -> Answer:
        self.releases[0] |= {**asked.body, "html_url": "published"}
        return Answer(200, self.releases[0])

    def upload(self, asked: Asked, state: str = "uploaded") -> dict[str, Any]:
        number = len(self.assets) + 10
        assert asked.headers.get("content-length") == str(len(asked.raw))
        asset = {
            "id": number,
            "name": asked.query["name"].replace(" ", "."),
            "size": len(asked.raw),
            "state": state,
            "digest": f"sha256:{hashlib.sha256(asked.raw).hexdigest()}",
            "url": f"{self.script.url}{API}/releases/assets/{number}",
            "token": asked.headers.get("authorization"),
        }
        self.assets.append(asset)
        self.script.on(f"DELETE releases/assets/{number}", lambda _: self.delete(number))
        return asset

    def delete(self, number: int) -> Answer:
        self.assets = [asset for asset in self.assets if asset["id"] != number]
        return Answer(204)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    for name, content in {"model card.md": b"card", "empty.txt": b"", "model.skops": b"\0\1"}.items():
        (tmp_path / name).write_bytes(content)
    return {path.name: path for path in tmp_path.iterdir()}


def release(forge: Forge, files: dict[str, Path]) -> str:
    return forge.release("v1", name="churn 1", body="notes", target="abc", assets=files)


def test_a_release_is_filled_before_it_is_seen(forge: Forge, script: Script, files: dict[str, Path]) -> None:
    shop = Shop(script)
    assert release(forge, files) == "published"
    assert shop.releases[0]["draft"] is False
    assert {asset["size"] for asset in shop.assets} == {4, 0, 2}
    assert script.writes[-1] == "PATCH releases/1"
    assert {asset["token"] for asset in shop.assets} == {"token ghs_token"}
    before = len(script.writes)
    assert release(forge, files) == "published"
    assert len(script.writes) == before


def test_a_release_that_was_cut_off_is_completed(
    forge: Forge, script: Script, files: dict[str, Path]
) -> None:
    shop = Shop(script)
    path = files["model.skops"]
    # The upload is kept half and answered with 502, then its answer is lost, then the publishing fails.
    script.on(
        "POST up/1",
        Answer(502, b"", effect=lambda asked: print(shop.upload(asked, state="starter"))),
        Answer(drop=True, effect=lambda asked: print(shop.upload(asked))),
    )
    script.on("POST releases", Answer(drop=True, effect=lambda asked: print(shop.create(asked))))
    script.on("PATCH releases/1", Answer(500), shop.patch)
    assert release(forge, {"model.skops": path}) == "published"
    assert len(shop.releases) == 1
    assert [(asset["state"], asset["size"]) for asset in shop.assets] == [("uploaded", 2)]


def test_only_a_draft_is_corrected(
    forge: Forge, script: Script, files: dict[str, Path], tmp_path: Path
) -> None:
    shop = Shop(script)
    release(forge, files)
    other = tmp_path / "other"
    other.write_bytes(b"\0\2")  # another file of the same size
    shop.releases[0]["draft"] = True
    release(forge, {"model.skops": other})
    corrected = next(asset for asset in shop.assets if asset["name"] == "model.skops")
    assert corrected["digest"].endswith(hashlib.sha256(b"\0\2").hexdigest())
    before = len(script.writes)
    release(forge, {"model.skops": files["model.skops"], "model card.md": files["model card.md"]})
    assert len(script.writes) == before  # published by now: what people have downloaded stays


def test_half_an_asset_is_replaced_in_a_published_release_too(
    forge: Forge, script: Script, files: dict[str, Path]
) -> None:
    shop = Shop(script)
    release(forge, files)
    half = next(asset for asset in shop.assets if asset["name"] == "model.skops")
    half |= {"state": "starter", "size": 1}
    release(forge, files)
    assert {asset["state"] for asset in shop.assets} == {"uploaded"}
    assert len(shop.assets) == 3


def test_assets_are_listed_and_fetched(forge: Forge, script: Script) -> None:
    script.on("GET releases/tags/v1", {"id": 1})
    at = f"{script.url}{API}/releases/assets/10"
    script.on(
        "GET releases/1/assets",
        [{"name": "a", "url": at, "state": "uploaded"}, {"name": "b", "url": "x", "state": "starter"}],
    )
    assert forge.release_assets("v1") == {"a": at}
    script.on("GET releases/tags/v2", Answer(404, {"message": "Not Found"}))
    assert forge.release_assets("v2") == {}
    with scripted() as elsewhere:
        elsewhere.on("GET bytes", Answer(200, b"\0\xff"))
        script.on(
            "GET releases/assets/10", Answer(503), Answer(302, None, {"Location": f"{elsewhere.url}/bytes"})
        )
        assert forge.download(at) == b"\0\xff"
        assert "authorization" not in elsewhere.asked[0].headers
        assert script.asked[-1].headers["authorization"] == "token ghs_token"
        assert script.asked[-1].headers["accept"] == "application/octet-stream"
        elsewhere.asked.clear()
        assert forge.download(f"{elsewhere.url}/bytes") == b"\0\xff"
        assert "authorization" not in elsewhere.asked[0].headers


def test_a_dispatch_whose_answer_was_lost_is_sent_again(forge: Forge, script: Script) -> None:
    script.on("POST dispatches", Answer(502), Answer(204))
    forge.dispatch("data-changed", {"source": "s3"})
    assert script.asked[-1].body == {"event_type": "data-changed", "client_payload": {"source": "s3"}}
    assert len(script.calls) == 2


def test_the_default_branch(forge: Forge, script: Script) -> None:
    script.on("GET ", {"default_branch": "trunk"})
    assert forge.default_branch() == "trunk"
    assert script.asked[0].path == API


# Opened, or explained


def explain(forge: Forge) -> Opened:
    return open_or_explain(
        forge,
        branch="retrain/data",
        base="main",
        title="*Retrain* @ada",
        body="B",
        reason="open retrain/data",
    )


def test_where_it_is_forbidden_one_issue_says_what_to_click(
    forge: Forge, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.on("GET pulls", [])
    script.on("POST pulls", FORBIDDEN)
    kept = shelf(
        script,
        "GET issues",
        "POST issues",
        lambda asked: issue(8, asked.body["body"], title=asked.body["title"]),
    )
    link = f"{script.url}/demo/churn/compare/main...retrain/data?expand=1"
    assert explain(forge) == Opened(None, "i8", link)
    assert explain(forge) == Opened(None, "i8", link)
    assert len(kept) == 1
    body = kept[0]["body"]
    assert link in body and "/settings/actions" in body and "create and approve pull requests" in body
    assert "@ada" not in body
    assert link in capsys.readouterr().err


@pytest.mark.parametrize("status", [403, 410])
def test_without_issues_the_link_is_what_remains(forge: Forge, script: Script, status: int) -> None:
    script.on("GET pulls", [])
    script.on("POST pulls", FORBIDDEN)
    script.on("GET issues", Answer(status, {"message": "Issues has been disabled in this repository."}))
    opened = explain(forge)
    assert opened.number is None and opened.url == opened.compare_url


def test_the_issue_goes_when_the_pull_request_is_there(forge: Forge, script: Script) -> None:
    script.on("GET pulls", [pull(3, title="*Retrain* @ada")])
    script.on("GET issues", [issue(8, marker("open retrain/data"))])
    shelf(script, "GET issues/8/comments", "POST issues/8/comments", made_comment)
    script.on("PATCH issues/8", issue(8, ""))
    assert explain(forge) == Opened(3, "http://web/demo/churn/pull/3")
    assert script.writes == ["POST issues/8/comments", "PATCH issues/8"]
    script.on("GET issues", Answer(403, {"message": "Resource not accessible by integration"}))
    assert explain(forge).number == 3
