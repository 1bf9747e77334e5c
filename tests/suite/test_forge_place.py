"""Where the repository lives, and which token goes there: every form of address, and no token to a stranger's host."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitops_ml.errors import Fault
from gitops_ml.forge.place import Place, place
from gitops_ml.forge.token import token

VARIABLES = (
    *(
        "GITHUB_SERVER_URL",
        "GITHUB_API_URL",
        "GITHUB_REPOSITORY",
        "GITHUB_ACTIONS",
        "GH_HOST",
        "GIT_CONFIG_COUNT",
    ),
    *("GITOPS_ML_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
)
HUB = Place("https://github.com", "https://api.github.com", "demo", "churn")
OWN = Place("https://git.example.com", "https://git.example.com/api/v3", "demo", "churn")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def clone(folder: Path, origin: str | None) -> Path:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    if origin:
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    ("origin", "server", "api"),
    [
        ("https://github.com/demo/churn.git", "https://github.com", "https://api.github.com"),
        ("https://github.com/demo/churn", "https://github.com", "https://api.github.com"),
        ("https://ada:s3cret@github.com/demo/churn.git/", "https://github.com", "https://api.github.com"),
        ("git@github.com:demo/churn.git", "https://github.com", "https://api.github.com"),
        ("ssh://git@github.com/demo/churn.git", "https://github.com", "https://api.github.com"),
        ("ssh://git@ssh.github.com:443/demo/churn.git", "https://github.com", "https://api.github.com"),
        ("https://acme.ghe.com/demo/churn", "https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("git@git.example.com:demo/churn", "https://git.example.com", "https://git.example.com/api/v3"),
        ("http://127.0.0.1:4000/demo/churn.git", "http://127.0.0.1:4000", "http://127.0.0.1:4000/api/v3"),
    ],
)
def test_every_form_of_origin(tmp_path: Path, origin: str, server: str, api: str) -> None:
    assert place(clone(tmp_path / "p", origin)) == Place(server, api, "demo", "churn")


def test_the_addresses_of_a_place() -> None:
    assert HUB.slug == "demo/churn"
    assert HUB.git_url == "https://github.com/demo/churn.git"
    assert HUB.web == "https://github.com/demo/churn"
    assert Place("http://127.0.0.1:4000", "", "a", "b").host == "127.0.0.1:4000"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "/srv/git/churn.git",
        "../churn",
        "https://github.com/churn",
        "https://gitlab.com/a/b/c",
        "git@work:demo/churn",
        "https://ada:s3cret@github.com/x",
    ],
)
def test_an_origin_that_is_none_names_the_fix(tmp_path: Path, origin: str | None) -> None:
    with pytest.raises(Fault, match=r"git remote add origin https://github\.com/OWNER/NAME\.git") as caught:
        place(clone(tmp_path / "p", origin))
    assert "s3cret" not in str(caught.value)


def test_actions_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = clone(tmp_path / "p", "https://github.com/fork/churn")
    monkeypatch.setenv("GITHUB_REPOSITORY", "demo/churn")
    assert place(root) == HUB
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.com/")
    assert place(root) == OWN
    monkeypatch.setenv("GITHUB_API_URL", "https://api.git.example.com")
    assert place(root).api == "https://api.git.example.com"
    monkeypatch.setenv("GITHUB_REPOSITORY", "churn")
    with pytest.raises(Fault, match="OWNER/NAME"):
        place(root)


def test_the_api_of_another_server_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = clone(tmp_path / "p", "https://github.com/demo/churn")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.com")
    monkeypatch.setenv("GITHUB_API_URL", "https://git.example.com/api/v3")
    assert place(root) == HUB


def test_the_order_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITOPS_ML_TOKEN"):
        monkeypatch.setenv(name, f"of-{name}\n")
        assert token(HUB) == f"of-{name}"
    monkeypatch.setenv("GITOPS_ML_TOKEN", " ")
    assert token(HUB) == "of-GITHUB_TOKEN"


def test_a_stranger_s_host_gets_no_token_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "t")
    monkeypatch.setenv("GH_TOKEN", "t")
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "e")
    with pytest.raises(Fault, match=r"no token for git\.example\.com"):
        token(OWN)
    monkeypatch.setenv("GH_HOST", "git.example.com")
    assert token(OWN) == "e"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.com")
    assert token(OWN) == "t"
    assert token(Place("http://127.0.0.1:4000", "", "a", "b")) == "t"


def test_gh_and_git_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = '!f() { test "$1" = get && grep -q ^host=github.com && echo username=ada && echo password=of-git; }; f'
    (tmp_path / "gitconfig").write_text('[credential]\n  helper = "' + helper.replace('"', '\\"') + '"\n')
    assert token(HUB) == "of-git"
    with pytest.raises(Fault):
        token(OWN)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text('#!/bin/sh\n[ "$*" = "auth token --hostname github.com" ] && echo of-gh\n')
    (folder / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert token(HUB) == "of-gh"


def test_no_token_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fault, match=r"gh auth login --hostname github\.com"):
        token(HUB)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(Fault, match=r"env: GITHUB_TOKEN: \$\{\{ github.token \}\}"):
        token(HUB)


@pytest.mark.parametrize("value", ["ab cd", "ab\ncd", "abé"])
def test_a_token_pasted_wrongly_is_not_repeated(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GITOPS_ML_TOKEN", value)
    with pytest.raises(Fault, match="from GITOPS_ML_TOKEN") as caught:
        token(HUB)
    assert value not in str(caught.value)
