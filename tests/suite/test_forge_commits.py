"""Commits without a worktree, and pushes that only go forward: real repositories, real refusals, no token on a command line."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.suite.forge_script import Answer, scripted

from gitops_ml.errors import Fault
from gitops_ml.forge import commits, patience, transport
from gitops_ml.forge.commits import Lost, auth_env, blob, commit_files, fetch, ls_remote, push
from gitops_ml.forge.errors import Refused
from gitops_ml.forge.place import Place

TOKEN = "secret-of-the-test"
MAIN = "refs/heads/main"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITHUB_", "GITOPS_ML_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # What people set must not matter: signing, a name of their own, line ends.
    (tmp_path / "gitconfig").write_text(
        "[user]\n name = Ada\n email = ada@example.org\n[commit]\n gpgSign = true\n[core]\n autocrlf = true\n"
        "[gpg]\n program = /bin/false\n[push]\n gpgSign = false\n"
    )
    slept: list[float] = []
    monkeypatch.setattr(patience, "time", SimpleNamespace(sleep=slept.append))
    return slept


def git(root: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", *arguments], cwd=root, input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = tmp_path / "hub" / "demo" / "churn.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    return folder


@pytest.fixture
def there(bare: Path) -> Place:
    return Place(f"file://{bare.parents[1]}", "", "demo", "churn")


@pytest.fixture
def first(root: Path, there: Place) -> str:
    sha = commit_files(root, [], {"README.md": b"one\r\n", "reports/a.json": b"{}"}, "First\n\nbody")
    push(root, there, TOKEN, sha, "main", "")
    return sha


def listed(root: Path, revision: str) -> list[str]:
    return git(root, "ls-tree", "-r", "--name-only", revision).splitlines()


# Commits


def test_a_commit_without_a_worktree(root: Path, first: str) -> None:
    (root / "stray.txt").write_text("not ours")
    git(root, "add", "stray.txt")
    before = git(root, "status", "--porcelain")
    sha = commit_files(
        root,
        [first],
        {"reports/a.json": None, "reports/ä b.json": b"\0new\r\n", "dvc.lock": b"x", "never.was": None},
        "Second 🎉",
    )
    assert listed(root, sha) == ["README.md", "dvc.lock", '"reports/\\303\\244 b.json"']
    assert blob(root, sha, "reports/ä b.json") == b"\0new\r\n"
    assert blob(root, sha, "README.md") == b"one\r\n"
    assert git(root, "log", "-1", "--format=%P|%B", sha) == f"{first}|Second 🎉"
    assert git(root, "status", "--porcelain") == before
    assert not (root / "README.md").exists()


def test_who_commits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = "--format=%an <%ae> %cn <%ce> %G?"
    bot = "gitops-ml[bot] <gitops-ml[bot]@users.noreply.github.com>"
    sha = commit_files(root, [], {"a": b""}, "m")
    assert git(root, "log", "-1", shown, sha) == f"{bot} {bot} N"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Eve")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "eve@example.org")
    sha = commit_files(root, [], {"a": b""}, "m")
    assert git(root, "log", "-1", shown, sha) == f"Eve <eve@example.org> {bot} N"


def test_a_merge_takes_the_tree_it_is_given(root: Path, first: str) -> None:
    other = commit_files(root, [first], {"b": b"b"}, "b")
    merged = commit_files(root, [first, other], {"c": b"c"}, "Merge", tree=other)
    assert git(root, "log", "-1", "--format=%P", merged) == f"{first} {other}"
    assert listed(root, merged) == ["README.md", "b", "c", "reports/a.json"]
    assert listed(root, commit_files(root, [first], {"only": b""}, "m", tree=git(root, "mktree"))) == ["only"]


def test_modes_and_folders(root: Path) -> None:
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("/etc/passwd")
    (root / "reports").write_text("a file")
    git(root, "add", "-A")
    git(root, "-c", "commit.gpgSign=false", "commit", "-qm", "x")
    head = git(root, "rev-parse", "HEAD")
    sha = commit_files(root, [head], {"run.sh": b"new", "link": b"plain", "reports/a": b"in"}, "m")
    entries = git(root, "ls-tree", "-r", sha).splitlines()
    assert [(line.split()[0], line.split("\t")[1]) for line in entries] == [
        ("100644", "link"),
        ("100644", "reports/a"),
        ("100755", "run.sh"),
    ]
    again = commit_files(root, [sha], {"reports": b"file again"}, "m")
    assert listed(root, again) == ["link", "reports", "run.sh"]


@pytest.mark.parametrize("path", ["../outside", ".git/config", "a/../../b", "/etc/passwd"])
def test_a_path_out_of_the_tree_is_refused(root: Path, path: str) -> None:
    with pytest.raises(Fault, match="git update-index failed"):
        commit_files(root, [], {path: b"x"}, "m")


def test_a_file_of_a_revision(root: Path, first: str) -> None:
    assert blob(root, first, "reports/a.json") == b"{}"
    assert blob(root, first, "reports") is None
    assert blob(root, first, "reports/") is None
    assert blob(root, first, "*.md") is None
    assert blob(root, first, "none") is None
    with pytest.raises(Fault, match="no revision nowhere"):
        blob(root, "nowhere", "README.md")


def test_a_partial_clone_fetches_nothing(tmp_path: Path, bare: Path, there: Place, first: str) -> None:
    git(bare, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", there.git_url, str(partial))
    missing = git(partial, "rev-parse", f"{first}:README.md")
    git(bare, "config", "uploadpack.allowFilter", "false")
    git(partial, "remote", "set-url", "origin", "/nowhere")
    sha = commit_files(partial, [first], {"dvc.lock": b"x"}, "m")
    assert f"?{missing}" in git(partial, "rev-list", "--objects", "--missing=print", sha).splitlines()
    push(partial, there, TOKEN, sha, "main", first)
    assert git(bare, "rev-parse", "main") == sha


# The token


def test_the_token_is_in_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("https://github.com", "", "demo", "churn")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.https://github.com/.extraHeader")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "AUTHORIZATION: basic b2xk")
    env = auth_env(place, TOKEN)
    assert "GIT_CONFIG_KEY_0" not in env
    got = subprocess.run(
        ["git", "config", "--get-urlmatch", "http.extraHeader", "https://github.com/demo/churn.git"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert got == "AUTHORIZATION: basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    other = subprocess.run(
        ["git", "config", "--get-urlmatch", "http.extraHeader", "https://evil.example/x.git"],
        env={**os.environ, **env},
        capture_output=True,
        check=False,
    )
    assert other.stdout == b""
    assert not any("extraheader" in value.lower() for value in auth_env(place, "").values())


def test_no_command_line_holds_the_token(
    root: Path, there: Place, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []
    real = subprocess.run

    def spy(command: list[str], **options: object) -> object:
        seen.append((command, options["env"]))  # type: ignore[arg-type]
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", spy)
    sha = commit_files(root, [first], {"a": b"a"}, "m")
    push(root, there, TOKEN, sha, "main", first)
    fetch(root, there, TOKEN, f"{MAIN}:refs/remotes/origin/main")
    assert any("push" in command for command, _ in seen)
    secret = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    for command, env in seen:
        assert TOKEN not in " ".join(command) and secret not in " ".join(command)
        assert (secret in " ".join(env.values())) == (command[1] in ("push", "fetch", "ls-remote"))


def test_one_identity_asks_and_a_refused_one_is_not_replaced(root: Path, tmp_path: Path) -> None:
    with scripted() as script:
        # As checkout leaves it behind, and as a person who is logged in has it.
        git(root, "config", f"http.{script.url}/.extraHeader", "AUTHORIZATION: basic b2xk")
        asked_helper = tmp_path / "asked"
        git(root, "config", "credential.helper", f"!f() {{ touch {asked_helper}; echo password=other; }}; f")
        script.on(
            "GET demo/churn.git/info/refs", Answer(401, None, {"WWW-Authenticate": 'Basic realm="GitHub"'})
        )
        with pytest.raises(Refused, match="expired") as caught:
            fetch(root, script.place, TOKEN, MAIN)
        assert caught.value.status == 401
        secret = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        assert {tuple(asked.authorizations) for asked in script.asked} == {(f"basic {secret}",)}
        assert not asked_helper.exists()  # git would have told it to forget the person's password


# Pushes


def test_a_push_goes_forward(root: Path, bare: Path, there: Place, first: str) -> None:
    sha = commit_files(root, [first], {"a": b"a"}, "m")
    push(root, there, TOKEN, sha, "main", first)
    push(root, there, TOKEN, sha, MAIN, first)  # again: it is there already
    push(root, there, TOKEN, sha, "retrain/data")
    push(root, there, TOKEN, sha, "refs/dvc/pr/3", "")
    refs = ls_remote(root, there, "", "refs/*")
    assert refs == {name: sha for name in (MAIN, "refs/heads/retrain/data", "refs/dvc/pr/3")}
    assert ls_remote(root, there, "", "refs/heads/none") == {}


def test_whoever_is_second_has_lost(root: Path, bare: Path, there: Place, first: str) -> None:
    theirs = commit_files(root, [first], {"a": b"theirs"}, "m")
    mine = commit_files(root, [first], {"a": b"mine"}, "m")
    push(root, there, TOKEN, theirs, "main", first)
    for expect in (first, "", None):
        with pytest.raises(Lost, match="somebody else was faster: main of demo/churn now names"):
            push(root, there, TOKEN, mine, "main", expect)
    assert git(bare, "rev-parse", "main") == theirs
    with pytest.raises(Lost, match="is gone"):
        push(root, there, TOKEN, mine, "other", first)


def test_what_would_take_commits_off_is_refused(root: Path, bare: Path, there: Place, first: str) -> None:
    unrelated = commit_files(root, [], {"a": b"mine"}, "m")
    with pytest.raises(Fault, match="does not build on") as caught:
        push(root, there, TOKEN, unrelated, "main", first)
    assert not isinstance(caught.value, Lost)
    # What the server has is not here at all: as after a shallow fetch.
    elsewhere = root.parent / "elsewhere"
    git(root.parent, "init", "-q", str(elsewhere))
    stranger = commit_files(elsewhere, [], {"b": b"b"}, "m")
    with pytest.raises(Lost):
        push(elsewhere, there, TOKEN, stranger, "main")
    assert git(bare, "rev-parse", "main") == first


def hook(bare: Path, text: str) -> None:
    path = bare / "hooks" / "pre-receive"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_a_race_between_look_and_push(
    root: Path, bare: Path, there: Place, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = commit_files(root, [first], {"a": b"theirs"}, "m")
    mine = commit_files(root, [first], {"a": b"mine"}, "m")
    push(root, there, TOKEN, theirs, "wait")
    real = transport.run

    def run(folder: Path, arguments: list[str], *rest: object) -> object:
        if arguments[0] == "push":
            git(bare, "update-ref", MAIN, theirs)
        return real(folder, arguments, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(commits, "run", run)
    with pytest.raises(Lost):
        push(root, there, TOKEN, mine, "main", first)
    assert git(bare, "rev-parse", "main") == theirs


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ("GH006: Protected branch update failed for refs/heads/main.", 403, "by pull request only"),
        ("GH013: Repository rule violations found", 403, "by pull request only"),
        (
            "refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml` without "
            "`workflows` permission",
            403,
            "git push origin HEAD:main",
        ),
        ("GH001: Large files detected.", 413, "gitops-ml storage move"),
        ("Commits must name a ticket", 403, "Commits must name a ticket"),
    ],
)
def test_what_the_server_refuses_for_good(
    root: Path, bare: Path, there: Place, first: str, clean: list[float], words: str, status: int, told: str
) -> None:
    hook(bare, f"cat <<'X' >&2\nerror: {words}\nX\nexit 1")
    sha = commit_files(root, [first], {"a": b"a"}, "m")
    with pytest.raises(Refused) as caught:
        push(root, there, TOKEN, sha, "main", first)
    assert told in str(caught.value) and words in str(caught.value)
    assert caught.value.status == status
    assert clean == []


def flaky(
    monkeypatch: pytest.MonkeyPatch, verb: str, words: str, times: int, does: Callable[[], object]
) -> list[str]:
    """Git as it ends when the network does: ``does`` is what took effect nevertheless."""
    real, tried = transport.run, []

    def run(folder: Path, arguments: list[str], *rest: object) -> object:
        if arguments[0] == verb:
            tried.append(verb)
            if len(tried) <= times:
                does()
                return subprocess.CompletedProcess(arguments, 128, b"", words.encode())
        return real(folder, arguments, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(transport, "run", run)
    monkeypatch.setattr(commits, "run", run)
    return tried


DROPS = [
    "fatal: unable to access 'http://x/': Could not resolve host: x",
    "error: RPC failed; curl 56 Recv failure: Connection reset by peer\nfatal: the remote end hung up unexpectedly",
    "fatal: unable to access 'http://x/': The requested URL returned error: 503",
]


@pytest.mark.parametrize("words", DROPS)
@pytest.mark.parametrize("verb", ["push", "ls-remote"])
def test_a_dropped_connection_is_tried_again(
    root: Path,
    bare: Path,
    there: Place,
    first: str,
    clean: list[float],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    verb: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sha = commit_files(root, [first], {"a": b"a"}, "m")
    tried = flaky(monkeypatch, verb, words, 2, lambda: None)
    push(root, there, TOKEN, sha, "main", first)
    assert git(bare, "rev-parse", "main") == sha
    assert len(tried) >= 3 and len(clean) == 2
    assert f"git {verb}" in capsys.readouterr().err


@pytest.mark.parametrize("budget", ["300", "0"])
def test_a_push_whose_answer_was_lost_is_done(
    root: Path, bare: Path, there: Place, first: str, monkeypatch: pytest.MonkeyPatch, budget: str
) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", budget)
    sha = commit_files(root, [first], {"a": b"a"}, "m")

    def arrives() -> None:
        git(root, "push", "-q", there.git_url, f"{sha}:{MAIN}")

    tried = flaky(monkeypatch, "push", DROPS[1], 1, arrives)
    push(root, there, TOKEN, sha, "main", first)
    assert len(tried) == 1


def test_an_outage_ends_in_git_s_words(
    root: Path, there: Place, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITOPS_ML_RETRY_SECONDS", "0")
    sha = commit_files(root, [first], {"a": b"a"}, "m")
    flaky(monkeypatch, "push", DROPS[2], 9, lambda: None)
    with pytest.raises(Fault, match="error: 503"):
        push(root, there, TOKEN, sha, "main", first)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ("fatal: Authentication failed for 'https://x/'", 401, "expired"),
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", 401, "expired"),
        (
            "remote: Permission to demo/churn.git denied to bot.\nfatal: The requested URL returned error: 403",
            403,
            "contents: write",
        ),
        ("remote: Repository not found.\nfatal: repository 'https://x/' not found", 404, "cannot see it"),
        ("fatal: something else", 0, "something else"),
    ],
)
def test_other_failures_are_explained(
    root: Path, there: Place, first: str, monkeypatch: pytest.MonkeyPatch, words: str, status: int, told: str
) -> None:
    flaky(monkeypatch, "fetch", words, 9, lambda: None)
    with pytest.raises(Fault, match=told) as caught:
        fetch(root, there, TOKEN, MAIN)
    assert getattr(caught.value, "status", 0) == status
    assert TOKEN not in str(caught.value)


def test_fetching(root: Path, bare: Path, there: Place, first: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", str(other))
    git(bare, "tag", "v1", first)
    fetch(other, there, "", f"+{MAIN}:refs/remotes/origin/main", options=["--depth=1"])
    assert git(other, "rev-parse", "refs/remotes/origin/main") == first
    assert git(other, "tag") == ""
    with pytest.raises(Fault, match="demo/churn has no refs/dvc/store"):
        fetch(other, there, "", "refs/dvc/store:refs/dvc/store")
