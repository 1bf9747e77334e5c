"""What publish says before it asks: which repository is meant, what becomes visible, what must be put right first."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitops_ml.errors import Fault
from gitops_ml.publish import where
from gitops_ml.publish.command import wrapped
from gitops_ml.publish.visible import PERSONAL, remote, visible, whom

GIT = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        [*GIT, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_SERVER_URL", "GITHUB_API_URL", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_remote_it_is_the_tokens_owner_and_the_slug(project: Path) -> None:
    place = where.wanted(project, None, None)
    assert (place.server, place.api, place.owner, place.name) == (
        "https://github.com",
        "https://api.github.com",
        "",
        "demo",
    )


@pytest.mark.parametrize(
    "origin",
    ["git@github.com:ada/churn.git", "https://github.com/ada/churn", "https://x:y@github.com/ada/churn.git"],
)
def test_the_remote_origin_decides(project: Path, origin: str) -> None:
    git(project, "remote", "add", "origin", origin)
    assert where.wanted(project, None, None).git_url == "https://github.com/ada/churn.git"
    assert where.wanted(project, "Ada/Churn", None).slug == "Ada/Churn"  # the same one


def test_where_the_machine_runs_is_not_where_it_goes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "eve/codespace")
    assert where.wanted(project, "ada/churn", None).slug == "ada/churn"
    git(project, "remote", "add", "origin", "git@github.com:ada/churn.git")
    assert where.wanted(project, None, None).slug == "ada/churn"


def test_a_server_of_ones_own_and_its_api(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert where.wanted(project, "a/b", "https://git.example.org/").api == "https://git.example.org/api/v3"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.org")
    monkeypatch.setenv("GITHUB_API_URL", "https://api.example.org")
    assert where.wanted(project, "a/b", None).api == "https://api.example.org"
    assert where.wanted(project, "a/b", "https://github.com").api == "https://api.github.com"


@pytest.mark.parametrize("asked", ["churn", "a/b/c", "-a/b", "a/b c", "https://github.com/a/b"])
def test_a_name_that_is_none(project: Path, asked: str) -> None:
    with pytest.raises(Fault, match="not OWNER/NAME"):
        where.wanted(project, asked, None)


def test_a_server_that_is_none(project: Path) -> None:
    for asked in ("github.com", "https://me:pw@github.com", "ftp://x"):
        with pytest.raises(Fault, match="no address of a server"):
            where.wanted(project, "a/b", asked)


def test_rows_in_git_are_counted_and_older_tables_named(project: Path) -> None:
    (project / "data" / "raw" / "people.csv").write_text("name,age\na,1\nb,2\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "people")
    git(project, "rm", "-q", "data/raw/people.csv")
    git(project, "commit", "-qm", "no people")
    seen = visible(project)
    assert [(file.path, file.rows) for file in seen.in_git] == [("data/raw/breast_cancer.csv", 569)]
    assert seen.before == ("data/raw/people.csv",)
    assert seen.rows == 569 and seen.commits == 3 and seen.authors == ("Ada <ada@example.org>",)
    text = "\n".join(seen.lines())
    assert (
        "data/raw/breast_cancer.csv (569 rows, " in text
        and "older commits also hold data/raw/people.csv" in text
    )


@pytest.mark.parametrize(
    ("name", "hit"),
    [
        ("customer_id", True),
        ("E-Mail", True),
        ("first_name", True),
        ("birth_date", True),
        ("zip", True),
        ("mean radius", False),
        ("worst smoothness", False),
        ("relationship", False),
        ("username", False),
        ("user_name", True),
        ("ip", True),
        ("shipment", False),
    ],
)
def test_columns_behind_which_a_person_may_stand(name: str, hit: bool) -> None:
    assert bool(PERSONAL.search(name)) is hit


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[core]\n    analytics = false\n", ""),
        ("[core]\n    remote = s\n['remote \"s\"']\n    url = s3://bucket/path\n", "s3://bucket/path"),
        ("[core]\n    remote = s\n['remote \"s\"']\n    url = ssh://me:pw@host/x\n", "ssh://host/x"),
        ("['remote \"s\"']\n    url = s3://bucket\n", ""),
    ],
)
def test_where_the_bytes_go(project: Path, config: str, said: str) -> None:
    (project / ".dvc" / "config").write_text(config)
    git(project, "commit", "-qam", "config", "--allow-empty")
    assert remote(project) == said


def test_whom_it_is_shown_to() -> None:
    assert whom("public") == "everyone" and "enterprise" in whom("internal") and "let in" in whom("private")


def test_long_lines_go_on_below_their_text() -> None:
    lines = wrapped("  8/9 rule      " + "word " * 30).splitlines()
    assert len(lines) == 2 and lines[1].startswith(" " * 16 + "word") and max(map(len, lines)) <= 110
    assert wrapped("  short") == "  short"
