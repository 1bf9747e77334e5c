"""This repository's own release, walked in a scratch clone: what disagrees stops it, and the tag becomes one release."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.forge import Forge as Hub
from tests.suite.template_world import git
from tests.tools import release
from tests.tools.release import PLACES, Stop, problems, section, tag, write

ROOT = Path(__file__).parents[2]
NEXT = "9.1.0"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a release looks at, committed on main."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITHUB_", "GITOPS_ML_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Rel\n\temail = rel@example.org\n")
    folder = tmp_path / "clone"
    for name in (*PLACES, "CHANGELOG.md", "Makefile", "tests/tools/release.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    text = "# Changelog\n\n## Unreleased\n\n### Added\n\n- Something.\n\n## 0.0.1 - 2026-01-01\n\n- Old.\n"
    (folder / "CHANGELOG.md").write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "First")
    return folder


def make(clone: Path, target: str, version: str = NEXT) -> subprocess.CompletedProcess[str]:
    command = ["make", "-s", target, f"VERSION={version}", f"PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True)


def test_every_version_of_this_repository_agrees() -> None:
    version = json.loads((ROOT / "cookiecutter.json").read_text())["__version"]
    assert [one for one in problems(ROOT, version) if not one.startswith("CHANGELOG")] == []


def test_the_process_from_version_to_tag(clone: Path) -> None:
    done = make(clone, "version")
    assert done.returncode == 0 and "make release VERSION=9.1.0" in done.stdout, done.stderr
    assert sorted(git(clone, "diff", "--name-only").splitlines()) == sorted([*PLACES, "CHANGELOG.md"])
    assert section(clone, NEXT) == "### Added\n\n- Something." and section(clone, "Unreleased") == ""
    done = make(clone, "release")
    assert done.returncode and "not committed" in done.stderr
    git(clone, "commit", "-qam", "Release")
    done = make(clone, "release")
    assert done.returncode == 0 and done.stdout.endswith("git push origin main v9.1.0\n"), done.stderr
    assert git(clone, "cat-file", "-t", "v9.1.0") == "tag"
    assert "### Added\n\n- Something." in git(clone, "tag", "-l", "--format=%(contents)", "v9.1.0")
    assert "never moved" in make(clone, "release").stderr


@pytest.mark.parametrize("name", PLACES)
def test_a_version_that_disagrees_stops_it(clone: Path, name: str) -> None:
    write(clone, NEXT, "2026-11-21")
    text = (clone / name).read_text()
    (clone / name).write_text(text.replace(NEXT, "9.0.9"))
    git(clone, "commit", "-qam", "Release")
    with pytest.raises(Stop, match=rf"{name} says 9\.0\.9, not 9\.1\.0"):
        tag(clone, NEXT)
    assert git(clone, "tag") == ""


def test_what_else_stops_it(clone: Path) -> None:
    with pytest.raises(Stop, match="'v9' is no version"):
        tag(clone, "v9")
    write(clone, NEXT, "2026-11-21")
    text = (clone / "CHANGELOG.md").read_text()
    (clone / "CHANGELOG.md").write_text(text.replace("### Added\n\n- Something.\n", ""))
    git(clone, "commit", "-qam", "Release")
    with pytest.raises(Stop, match=r"no section `## 9\.1\.0`, or an empty one"):
        tag(clone, NEXT)
    with pytest.raises(Stop, match="nothing under `## Unreleased`"):
        write(clone, "9.2.0", "2026-11-21")
    git(clone, "reset", "-q", "--hard", "HEAD^")
    write(clone, NEXT, "2026-11-21")
    git(clone, "switch", "-qc", "elsewhere")
    git(clone, "commit", "-qam", "Release")
    with pytest.raises(Stop, match="this is elsewhere, and releases are made of main"):
        tag(clone, NEXT)
    git(clone, "switch", "-q", "main")
    git(clone, "merge", "-q", "elsewhere")
    git(clone, "tag", "v9.10.0")
    with pytest.raises(Stop, match=r"v9\.10\.0 is newer than v9\.1\.0"):
        tag(clone, NEXT)
    assert git(clone, "tag") == "v9.10.0"


def test_a_pushed_tag_becomes_one_release(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(clone, NEXT, "2026-11-21")
    git(clone, "commit", "-qam", "Release")
    tag(clone, NEXT)
    with Hub.start(tmp_path / "hub") as hub:
        ada = hub.user("ada")
        repo = hub.create("ada/cookiecutter-gitops-ml", ada)
        git(clone, "push", "-q", repo.address(ada), "main", "v9.1.0")
        named = {"GITHUB_SERVER_URL": hub.url, "GITHUB_API_URL": hub.api, "GITHUB_REPOSITORY": repo.slug}
        named["GITOPS_ML_TOKEN"] = repo.github_token("7", {"contents": "write"})
        for name, value in named.items():
            monkeypatch.setenv(name, value)
        urls = {release.publish(clone, "v9.1.0") for _ in range(2)}
        (made,) = repo.releases()
        assert len(urls) == 1 and (made["tag_name"], made["name"], made["draft"]) == (
            "v9.1.0",
            "v9.1.0",
            False,
        )
        commit = git(clone, "rev-parse", "HEAD")
        assert made["body"].startswith("### Added\n\n- Something.")
        assert f"ada/cookiecutter-gitops-ml/actions/NAME@{commit} # v9.1.0" in made["body"]
        # A tag beside main is not released.
        git(clone, "switch", "-qc", "beside")
        text = (clone / "CHANGELOG.md").read_text()
        (clone / "CHANGELOG.md").write_text(text.replace("## Unreleased\n", "## Unreleased\n\n- More.\n"))
        write(clone, "9.2.0", "2026-11-21")
        git(clone, "commit", "-qam", "Beside")
        git(clone, "tag", "v9.2.0")
        with pytest.raises(Stop, match="is not on main"):
            release.publish(clone, "v9.2.0")
        assert len(repo.releases()) == 1
