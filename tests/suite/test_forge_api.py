"""Single calls: what is tried again and what is not, how long is waited, what a person reads when GitHub refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from tests.suite.forge_script import API, Answer, Asked, Script, pull, scripted

from gitops_ml.errors import Fault
from gitops_ml.forge import api, patience
from gitops_ml.forge.client import Forge, connect
from gitops_ml.forge.errors import Refused, Unsure
from gitops_ml.forge.limits import limit, seconds
from gitops_ml.forge.place import Place

TOKEN = "secret-of-the-test"
LOST = Answer(drop=True)


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted() as server:
        yield server


@pytest.fixture
def forge(script: Script) -> Forge:
    return connect(script.place, TOKEN)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for, without waiting; and no environment of the machine."""
    for name in ("GITHUB_ACTIONS", "GITOPS_ML_APP_SLUG", "GITOPS_ML_RETRY_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    slept: list[float] = []
    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=slept.append))
    return slept


def refusal(forge: Forge, script: Script, answer: Answer, call: str = "GET pulls/1") -> Refused:
    script.on(call, answer)
    with pytest.raises(Refused) as caught:
        forge.pull(1)
    assert TOKEN not in str(caught.value)
    return caught.value


def test_a_call_carries_token_version_and_agent(forge: Forge, script: Script) -> None:
    script.on("GET pulls/1", pull())
    assert forge.pull(1).head_ref == "retrain/data"
    headers = script.asked[0].headers
    assert headers["authorization"] == f"token {TOKEN}"
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["user-agent"].startswith("gitops-ml/")


def test_without_a_token_nobody_is_named(script: Script) -> None:
    script.on("GET pulls/1", pull())
    connect(script.place, "").pull(1)
    assert "authorization" not in script.asked[0].headers


@pytest.mark.parametrize(
    "failure", [LOST, *(Answer(status) for status in (500, 502, 503, 504)), Answer(200, b'{"numb', cut=True)]
)
def test_a_read_is_tried_again(
    forge: Forge, script: Script, waits: list[float], capsys: pytest.CaptureFixture[str], failure: Answer
) -> None:
    script.on("GET pulls/1", failure, failure, pull())
    assert forge.pull(1).number == 1
    assert len(script.calls) == 3
    assert len(waits) == 2 and waits[1] > waits[0] * 1.1
    said = capsys.readouterr().err
    assert said.count("waiting ") == 2 and "GET /repos/demo/churn/pulls/1" in said
    assert TOKEN not in said


@pytest.mark.parametrize("status", [403, 429])
def test_retry_after_is_obeyed(forge: Forge, script: Script, waits: list[float], status: int) -> None:
    answer = Answer(status, {"message": "You have exceeded a secondary rate limit."}, {"Retry-After": "7"})
    script.on("GET pulls/1", answer, pull())
    forge.pull(1)
    assert waits == [7.0]


def test_a_limit_before_a_write_is_waited_for_and_the_write_made_once(
    forge: Forge, script: Script, waits: list[float]
) -> None:
    script.on("GET issues/1/comments", [])
    script.on(
        "POST issues/1/comments",
        Answer(429, {"message": "slow down"}, {"Retry-After": "3"}),
        lambda asked: Answer(201, {"id": 5, "body": asked.body["body"], "html_url": "u"}),
    )
    assert forge.comment(1, "hello") == "u"
    assert waits == [3.0]
    assert script.writes == ["POST issues/1/comments"] * 2


def test_a_secondary_limit_without_a_time_waits_a_minute(
    forge: Forge, script: Script, waits: list[float]
) -> None:
    limited = Answer(403, {"message": "You have exceeded a secondary rate limit. Please wait."})
    script.on("GET pulls/1", limited, limited, pull())
    forge.pull(1)
    assert waits == [60.0, 120.0]


def test_the_hour_used_up_is_waited_for_until_its_reset(
    forge: Forge, script: Script, waits: list[float]
) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 90)}
    script.on("GET pulls/1", Answer(403, {"message": "API rate limit exceeded for ..."}, headers), pull())
    forge.pull(1)
    assert 85 < waits[0] <= 92


def test_waiting_has_an_end_for_the_connection_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, script: Script, waits: list[float]
) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "10")
    forge = connect(script.place, TOKEN)
    limited = Answer(429, {"message": "slow down"}, {"Retry-After": "6"})
    script.on("GET pulls/1", limited, pull())
    forge.pull(1)
    script.on("GET pulls/1", limited)
    with pytest.raises(Refused, match="wait 6 s, and 4 s are left") as caught:
        forge.pull(1)
    assert "GITOPS_ML_RETRY_SECONDS" in str(caught.value)
    assert waits == [6.0]


def test_a_server_that_always_says_at_once_is_given_up(
    forge: Forge, script: Script, waits: list[float]
) -> None:
    script.on("GET pulls/1", Answer(429, {"message": "slow down"}, {"Retry-After": "0"}))
    with pytest.raises(Refused, match="asks to wait"):
        forge.pull(1)
    assert 5 < len(waits) < 20 and sum(waits) < 300


def test_an_outage_ends_in_words(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    script.on("GET pulls/1", Answer(502, b"<html>Bad gateway</html>"))
    with pytest.raises(Unsure, match="gave 502 to GET /repos/demo/churn/pulls/1"):
        connect(script.place, TOKEN).pull(1)
    assert len(script.calls) == 1


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    nowhere = Place("http://127.0.0.1:9", "http://127.0.0.1:9/api/v3", "demo", "churn")
    with pytest.raises(Unsure, match="connection lost"):
        connect(nowhere, TOKEN).pull(1)


def test_a_slow_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, script: Script, waits: list[float]
) -> None:
    monkeypatch.setattr(api, "TIMEOUT", 1)

    def slow(_: Asked) -> Answer:
        time.sleep(1.5)
        return Answer(200, pull())

    script.on("GET pulls/1", slow, pull())
    assert connect(script.place, TOKEN).pull(1).number == 1
    assert len(waits) == 1


@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_a_wrong_limit_is_said(monkeypatch: pytest.MonkeyPatch, script: Script, text: str) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", text)
    with pytest.raises(Fault, match="GITOPS_ML_RETRY_SECONDS"):
        connect(script.place, TOKEN)


def test_expired_and_missing_tokens(forge: Forge, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer(401, {"message": "Bad credentials"})
    text = str(refusal(forge, script, answer))
    assert "Bad credentials" in text and "expired" in text and "gh auth login --hostname 127.0.0.1:" in text
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "env: GITHUB_TOKEN: ${{ github.token }}" in str(refusal(forge, script, answer))
    assert "No token was sent" in str(refusal(connect(script.place, ""), script, answer))


def test_a_missing_permission_is_named_as_github_names_it(forge: Forge, script: Script) -> None:
    answer = Answer(
        403,
        {"message": "Resource not accessible by integration"},
        {"X-Accepted-GitHub-Permissions": "pull_requests=read,contents=read; issues=read"},
    )
    text = str(refusal(forge, script, answer))
    assert "pull-requests: read and contents: read or issues: read" in text
    assert "under `permissions:`" in text


@pytest.mark.parametrize(
    ("call", "act", "permission"),
    [
        ("GET pulls/1", lambda forge: forge.pull(1), "pull-requests: read"),
        ("POST dispatches", lambda forge: forge.dispatch("data-changed", {}), "contents: write"),
        ("GET commits/abc/statuses", lambda forge: forge.statuses("abc"), "statuses: read"),
        ("GET commits/abc/pulls", lambda forge: forge.pulls_of("abc"), "pull-requests: read"),
        ("POST issues/1/labels", lambda forge: forge.add_labels(1, ["x"]), "issues: write"),
        ("GET git/ref/tags/v1", lambda forge: forge.tag_sha("v1"), "contents: read"),
    ],
)
def test_a_missing_permission_is_named_by_the_call(
    forge: Forge, script: Script, call: str, act: Any, permission: str
) -> None:
    script.on(call, Answer(403, {"message": "Resource not accessible by integration"}))
    with pytest.raises(Refused, match=f"lacks the permission {permission}"):
        act(forge)


def test_single_sign_on(forge: Forge, script: Script) -> None:
    answer = Answer(
        403,
        {"message": "Resource protected by organization SAML enforcement."},
        {"X-GitHub-SSO": "required; url=https://github.example/orgs/demo/sso?x=1"},
    )
    assert "https://github.example/orgs/demo/sso?x=1" in str(refusal(forge, script, answer))


def test_a_repository_that_the_token_cannot_see(forge: Forge, script: Script) -> None:
    refused = refusal(forge, script, Answer(404, {"message": "Not Found"}))
    assert refused.status == 404
    assert "this token cannot see demo/churn" in str(refused)


def test_what_github_lists_is_repeated(forge: Forge, script: Script) -> None:
    errors = [
        {"resource": "PullRequest", "code": "custom", "message": "No commits between main and x"},
        {"resource": "PullRequest", "field": "head", "code": "invalid"},
        "and a plain text",
    ]
    text = str(refusal(forge, script, Answer(422, {"message": "Validation Failed", "errors": errors})))
    assert (
        "Validation Failed; No commits between main and x; PullRequest head: invalid; and a plain text"
        in text
    )
    assert "nothing to open" in text


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (409, "at the same moment"),
        (410, "switched off"),
        (413, "larger"),
        (451, "legal"),
        (307, "git remote set-url"),
    ],
)
def test_other_statuses_say_what_to_do(forge: Forge, script: Script, status: int, word: str) -> None:
    assert word in str(refusal(forge, script, Answer(status, {"message": "m"})))


def test_an_archived_repository(forge: Forge, script: Script) -> None:
    answer = Answer(403, {"message": "Repository was archived so is read-only."})
    assert "Unarchive it" in str(refusal(forge, script, answer))


def test_pages_are_followed_with_their_question(forge: Forge, script: Script) -> None:
    def page(asked: Asked) -> Answer:
        number = int(asked.query.get("page", "1"))
        link = f'<{script.url}{API}/pulls?page={number + 1}>; rel="next", <{script.url}/x?page=9>; rel="last"'
        return Answer(200, [pull(number)], {"Link": link} if number < 3 else {})

    script.on("GET pulls", page)
    assert [one.number for one in forge.pulls(head="retrain/data", base="main")] == [1, 2, 3]
    assert [asked.query for asked in script.asked] == [
        {"state": "open", "head": "demo:retrain/data", "base": "main", "per_page": "100", **more}
        for more in ({}, {"page": "2"}, {"page": "3"})
    ]


def test_a_page_of_another_host_is_not_visited(forge: Forge, script: Script) -> None:
    elsewhere = {"Link": '<http://evil.example/steal?page=2>; rel="next"'}
    script.on("GET pulls", Answer(200, [pull(1)], elsewhere), [pull(2)])
    assert len(forge.pulls()) == 2
    assert [asked.path for asked in script.asked] == [f"{API}/pulls"] * 2


def test_a_deletion_whose_answer_was_lost_is_done(forge: Forge, script: Script) -> None:
    script.on("DELETE releases/assets/1", LOST, Answer(404, {"message": "Not Found"}))
    forge.api.delete("releases/assets/1")
    script.on("DELETE releases/assets/1", Answer(404, {"message": "Not Found"}))
    with pytest.raises(Refused):
        forge.api.delete("releases/assets/1")


def test_who_we_are(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    route = "GET api/v3/user"
    script.on(route, {"login": "ada"})
    assert connect(script.place, TOKEN).me() == "ada"
    script.on(route, Answer(403, {"message": "Resource not accessible by integration"}))
    assert connect(script.place, TOKEN).me() == "github-actions[bot]"
    monkeypatch.setenv("GITOPS_ML_APP_SLUG", "our-app")
    assert connect(script.place, TOKEN).me() == "our-app[bot]"
    asked = len(script.calls)
    assert connect(script.place, "ghs_x").me() == "our-app[bot]"
    assert len(script.calls) == asked
    script.on(route, Answer(401, {"message": "Bad credentials"}))
    with pytest.raises(Refused):
        connect(script.place, TOKEN).me()


def test_a_broken_token_is_refused_unshown(script: Script) -> None:
    with pytest.raises(Fault) as caught:
        connect(script.place, "secret\nX-Evil: 1")
    assert "secret" not in str(caught.value)


def test_limits_by_header_and_by_words() -> None:
    assert limit(403, {}, "Must have admin rights") == (False, None)
    assert limit(500, {"retry-after": "3"}, "") == (False, None)
    assert limit(403, {}, "You have triggered an abuse detection mechanism") == (True, None)
    assert limit(429, {}, "") == (True, None)
    assert seconds("12") == 12
    assert seconds("soon") is None
    dated = seconds(formatdate(time.time() + 30, usegmt=True))
    assert dated is not None and 25 < dated <= 31
    assert seconds(formatdate(time.time() - 30, usegmt=True)) == 0
